"""Generator coroutines on a clock: a step runs until it yields a future, and goes on when that is set.

Every step is an action of the clock, so nothing runs inside anything else and the order never varies.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import threading

    from local.clock import Clock


class Cancelled(Exception):
    """The outcome of a process that was stopped from outside."""


class Future:
    """A value or an error that comes later; the first one set stays."""

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self._callbacks: list[Callable[[Future], None]] = []

    def set(self, value: Any = None, error: BaseException | None = None) -> None:
        if self.done:
            return
        self.done, self.value, self.error = True, value, error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def then(self, callback: Callable[[Future], None]) -> None:
        """Call ``callback(self)`` once set, at once if it is."""
        if self.done:
            callback(self)
        else:
            self._callbacks.append(callback)


Steps: TypeAlias = Generator[Future, Any, Any]


class Process:
    """Runs a generator of steps; ``result`` is set when it returns, raises or is cancelled."""

    def __init__(self, clock: Clock, steps: Steps) -> None:
        self.result = Future()
        self._clock = clock
        self._steps = steps
        clock.call_at(clock.now(), lambda: self._step(None, None))

    def cancel(self, error: BaseException | None = None) -> None:
        """Close the generator (its ``finally`` runs); the result becomes ``error``, by default Cancelled."""
        if not self.result.done:
            self._steps.close()
            self.result.set(error=error or Cancelled())

    def _step(self, value: Any, error: BaseException | None) -> None:
        if self.result.done:
            return
        try:
            future = self._steps.throw(error) if error else self._steps.send(value)
        except StopIteration as stop:
            self.result.set(stop.value)
        except Exception as raised:  # noqa: BLE001 - whoever waits for the result gets it
            self.result.set(error=raised)
        else:
            future.then(self._wake)

    def _wake(self, future: Future) -> None:
        self._clock.call_at(self._clock.now(), lambda: self._step(future.value, future.error))


def sleep(clock: Clock, seconds: float) -> Steps:
    """Let time pass."""
    future = Future()
    cancel = clock.call_at(clock.now() + seconds, future.set)
    try:
        yield future
    finally:
        cancel()


def blocking(clock: Clock, work: Callable[[], Any]) -> Steps:
    """Run what may block where the clock runs such things; returns or raises what it does."""
    future = Future()
    cancel = clock.submit(work, future.set)
    try:
        return (yield future)
    finally:
        cancel()


def gather(clock: Clock, makers: list[Callable[[], Steps]], limit: int) -> Steps:
    """Run all, at most ``limit`` at a time; the results in order. The first error cancels the others."""
    results: list[Any] = [None] * len(makers)
    running: dict[int, Process] = {}
    pending = iter(range(len(makers)))
    outcome = Future()

    def cancel() -> None:
        for process in list(running.values()):
            process.cancel()

    def finished(index: int, future: Future) -> None:
        running.pop(index)
        if outcome.done:
            return
        if future.error:
            outcome.set(error=future.error)
            cancel()
            return
        results[index] = future.value
        start()
        if not running:
            outcome.set(results)

    def start() -> None:
        while len(running) < limit and (index := next(pending, None)) is not None:
            running[index] = Process(clock, makers[index]())
            running[index].result.then(functools.partial(finished, index))

    if not makers:
        return []
    start()
    try:
        return (yield outcome)
    finally:
        outcome.set(error=Cancelled())
        cancel()


class Guarded:
    """A clock whose actions run under a lock, so that other threads may ask and order in between."""

    def __init__(self, clock: Clock, lock: threading.RLock) -> None:
        self._clock = clock
        self._lock = lock
        self.now = clock.now

    def call_at(self, when: float, action: Callable[[], None]) -> Callable[[], None]:
        return self._clock.call_at(when, functools.partial(self._locked, action))

    def submit(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        return self._clock.submit(work, lambda result, error: self._locked(lambda: done(result, error)))

    def _locked(self, action: Callable[[], None]) -> None:
        with self._lock:
            action()
