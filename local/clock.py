"""Time, as the local side sees it: a virtual clock for the simulation, a wall clock for the local cloud.

Times are seconds since 1970 UTC, as floats. Whoever needs time to pass asks to be called back; nobody sleeps.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from concurrent.futures import Future as JobFuture
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

START = 1_767_225_600.0
"""2026-01-01T00:00:00Z, where a virtual clock starts unless it is told otherwise."""


class Clock(Protocol):
    """What the interpreter, AWS Backup and multi-party approval need of a clock."""

    def now(self) -> float:
        """Seconds since 1970 UTC."""
        ...

    def call_at(self, when: float, action: Callable[[], None]) -> Callable[[], None]:
        """Run ``action`` at ``when``, at once if that is past; the result cancels it, now or never."""
        ...

    def submit(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        """Run ``work``, which may block, then ``done(result, error)`` as an action; the result cancels that."""
        ...


class _Timer:
    """One action in a heap; ordered by time, then by the order of the calls, so that runs repeat exactly."""

    __slots__ = ("action", "seq", "when")

    def __init__(self, when: float, seq: int, action: Callable[[], None]) -> None:
        self.when = when
        self.seq = seq
        self.action: Callable[[], None] | None = action

    def __lt__(self, other: _Timer) -> bool:
        return (self.when, self.seq) < (other.when, other.seq)

    def cancel(self) -> None:
        self.action = None


class VirtualClock:
    """Jumps from one action to the next, in one thread: a day of waiting takes microseconds.

    ``skew`` is the time a handler that runs in-process has spent asleep so far: its ``time.sleep(s)`` is
    replaced by ``clock.sleep(s)``, which only raises it. ``submit`` turns it into time that passes for the
    caller and resets it.
    """

    def __init__(self, start: float = START) -> None:
        self._time = start
        self._timers: list[_Timer] = []
        self._seq = itertools.count()
        self.skew = 0.0

    def now(self) -> float:
        return self._time + self.skew

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` does inside a handler that runs on this clock."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        self.skew += seconds

    def call_at(self, when: float, action: Callable[[], None]) -> Callable[[], None]:
        timer = _Timer(when, next(self._seq), action)
        heapq.heappush(self._timers, timer)
        return timer.cancel

    def submit(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        current: list[Callable[[], None]] = []

        def run() -> None:
            before = self.skew
            result: Any = None
            error: BaseException | None = None
            try:
                result = work()
            except Exception as raised:  # noqa: BLE001 - ``done`` gets it
                error = raised
            ready, self.skew = self.now(), before
            current.append(self.call_at(ready, lambda: done(result, error)))

        current.append(self.call_at(self.now(), run))
        return lambda: current[-1]()

    def run(self, until: float | None = None, stop: Callable[[], bool] | None = None) -> None:
        """Run actions in order until none is left, ``stop()`` holds, or the next one lies after ``until``.

        If the run gets as far as ``until``, the clock then shows it. What an action raises comes out of here.
        """
        while not (stop and stop()):
            while self._timers and self._timers[0].action is None:
                heapq.heappop(self._timers)
            if not self._timers or (until is not None and self._timers[0].when > until):
                if until is not None:
                    self._time = max(self._time, until)
                return
            timer = heapq.heappop(self._timers)
            self._time = max(self._time, timer.when)
            action, timer.action = timer.action, None
            if action:
                action()


class WallClock:
    """Real time: one daemon thread runs the actions, a pool of threads runs work that blocks.

    An action that raises is reported to ``on_error`` (by default it is logged) and costs no other action.
    """

    def __init__(self, workers: int = 16, on_error: Callable[[BaseException], None] | None = None) -> None:
        self._timers: list[_Timer] = []
        self._seq = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._on_error = on_error or (lambda error: log.error("an action failed", exc_info=error))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="local-clock")
        self._thread = threading.Thread(target=self._run, name="local-clock", daemon=True)
        self._thread.start()

    def now(self) -> float:
        return time.time()

    def call_at(self, when: float, action: Callable[[], None]) -> Callable[[], None]:
        timer = _Timer(when, next(self._seq), action)
        with self._changed:
            heapq.heappush(self._timers, timer)
            self._changed.notify()
        return timer.cancel

    def submit(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> Callable[[], None]:
        cancelled = threading.Event()

        def finished(job: JobFuture[Any]) -> None:
            if job.cancelled() or cancelled.is_set():
                return
            error = job.exception()
            result = None if error else job.result()
            self.call_at(self.now(), lambda: None if cancelled.is_set() else done(result, error))

        self._pool.submit(work).add_done_callback(finished)
        return cancelled.set

    def close(self) -> None:
        """End the thread; actions that are not due yet never run. Work that has begun is not waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and not self._due():
                    wait = self._timers[0].when - self.now() if self._timers else None
                    self._changed.wait(None if wait is None else min(max(wait, 0.0), 60.0))
                if self._closed:
                    return
                timer = heapq.heappop(self._timers)
                action, timer.action = timer.action, None
            try:
                if action:
                    action()
            except Exception as error:  # noqa: BLE001 - it is reported
                self._on_error(error)

    def _due(self) -> bool:
        return bool(self._timers) and self._timers[0].when <= self.now()
