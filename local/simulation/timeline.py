"""Time and chance of a simulation: both repeat exactly, and the handlers' own clock follows the virtual one."""

from __future__ import annotations

import random
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import time_machine
from moto.moto_api._internal import mock_random

from local.clock import START, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class OutOfTime(BaseException):
    """A handler slept past its function's time-out; no handler can catch it, as on Lambda."""


class SimulationClock(VirtualClock):
    """A virtual clock that the process's own clock can be moved to."""

    def __init__(self, start: float = START) -> None:
        super().__init__(start)
        self._move: Callable[[float], None] | None = None
        self.deadlines: list[float] = []
        """When each running handler times out, the innermost last."""

    def follow(self) -> None:
        """Set the process's clock to this one."""
        if self._move:
            self._move(self.now())

    def sleep(self, seconds: float) -> None:
        """`time.sleep`: within a handler only its own time passes, outside the simulation runs on."""
        if not self.deadlines:
            self.run(until=self.now() + seconds)
        elif self.now() + seconds > min(self.deadlines):
            super().sleep(max(min(self.deadlines) - self.now(), 0.0))
            raise OutOfTime
        else:
            super().sleep(seconds)
        self.follow()

    @contextmanager
    def ruling(self) -> Iterator[None]:
        """While it lasts, `time` and `datetime` show this clock and `time.sleep` is its own."""
        travel = time_machine.travel(self.now(), tick=False)
        self._move = travel.start().move_to
        try:
            with patch("time.sleep", self.sleep), patch("time.monotonic", self.now):
                yield
        finally:
            self._move = None
            travel.stop()


@contextmanager
def repeatable(seed: int) -> Iterator[random.Random]:
    """While it lasts, everything random in the process comes from `seed`; the generator is for the caller's own."""
    source = random.Random(seed)  # noqa: S311 - repeatable on purpose
    before = random.getstate()
    random.seed(seed)
    mock_random.seed(seed)
    with ExitStack() as patches:
        for name in ("os.urandom", "random._urandom"):
            patches.enter_context(patch(name, source.randbytes))
        try:
            yield random.Random(source.random())  # noqa: S311
        finally:
            random.setstate(before)
