"""The time of AWS Backup in the local cloud: real, but for a story that is told from some days ago on."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

from local.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Callable


class StoryClock:
    """A wall clock that may start in the past and jumps forward, never back and never beyond the present.

    Backups of several days can't be waited for. Whoever prepares the story moves this clock on between them; what
    was due meanwhile happens at the jump, in order. Everything else in the local cloud keeps the present time.
    """

    def __init__(self, behind: float = 0.0) -> None:
        self._wall = WallClock()
        self._behind = behind
        self._jumps: list[tuple[float, float]] = []
        self._lock = threading.RLock()
        self._seq = itertools.count()
        self._waiting: dict[int, tuple[float, Callable[[], None], Callable[[], None]]] = {}

    def now(self) -> float:
        """Seconds since 1970 UTC, as the story has it."""
        return self._wall.now() - self._behind

    def told(self, present: float) -> float:
        """A moment of the present, in seconds since 1970 UTC, as the story had it."""
        with self._lock:
            behind = next((before for moment, before in self._jumps if present < moment), self._behind)
        return present - behind

    def call_at(self, when: float, action: Callable[[], None]) -> Callable[[], None]:
        """Run `action` when the story reaches `when`; the result cancels it."""
        with self._lock:
            number = next(self._seq)
            self._schedule(number, when, action)

        def cancel() -> None:
            with self._lock:
                if number in self._waiting:
                    self._waiting.pop(number)[2]()

        return cancel

    def submit(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """As the wall clock's."""
        return self._wall.submit(work, done)

    def jump(self, behind: float) -> None:
        """Let the story be `behind` seconds behind the present. Raises ValueError for a jump back or beyond it."""
        with self._lock:
            if not 0 <= behind <= self._behind:
                raise ValueError(f"the clock is {self._behind:.0f} s behind; it can't go to {behind:.0f} s")
            self._jumps.append((self._wall.now(), self._behind))
            self._behind = behind
            for number, (when, action, cancel) in sorted(self._waiting.items(), key=lambda item: item[1][0]):
                cancel()
                self._schedule(number, when, action)

    def _schedule(self, number: int, when: float, action: Callable[[], None]) -> None:
        def run() -> None:
            with self._lock:
                due = self._waiting.pop(number, None)
            if due:
                action()

        self._waiting[number] = (when, action, self._wall.call_at(when + self._behind, run))
