"""The two clocks."""

import functools
import threading
import time

import pytest

from local.clock import START, VirtualClock, WallClock


def divide_by_zero() -> None:
    raise ZeroDivisionError


def test_actions_run_in_order_of_time_then_of_the_calls() -> None:
    clock = VirtualClock()
    seen: list[tuple[str, float]] = []

    def note(name: str) -> None:
        seen.append((name, clock.now() - START))

    for when, name in ((5, "c"), (1, "a"), (5, "d"), (2, "b"), (-9, "first")):
        clock.call_at(START + when, functools.partial(note, name))
    clock.run()
    assert seen == [("first", 0), ("a", 1), ("b", 2), ("c", 5), ("d", 5)]


def test_cancel_until_and_stop() -> None:
    clock = VirtualClock(100.0)
    seen: list[str] = []
    cancel = clock.call_at(110, lambda: seen.append("cancelled"))
    clock.call_at(120, lambda: seen.append("x"))
    clock.call_at(130, lambda: seen.append("y"))
    cancel()
    cancel()
    clock.run(until=115)
    assert (seen, clock.now()) == ([], 115)
    clock.run(stop=lambda: bool(seen))
    assert (seen, clock.now()) == (["x"], 120)
    clock.run()
    assert (seen, clock.now()) == (["x", "y"], 130)


def test_sleep_in_submitted_work_passes_for_its_caller_alone() -> None:
    clock = VirtualClock(0.0)
    seen: list[object] = []

    def work() -> str:
        clock.sleep(30)
        seen.append(("inside", clock.now()))
        return "result"

    clock.submit(work, lambda result, error: seen.append((result, error, clock.now())))
    clock.call_at(10, lambda: seen.append(("between", clock.now())))
    clock.run()
    assert seen == [("inside", 30), ("between", 10), ("result", None, 30)]
    with pytest.raises(ValueError, match="non-negative"):
        clock.sleep(-1)


def test_submitted_work_that_fails_or_is_cancelled() -> None:
    clock = VirtualClock(0.0)
    seen: list[object] = []

    def fail() -> None:
        raise KeyError("k")

    clock.submit(fail, lambda result, error: seen.append((result, type(error))))
    clock.submit(lambda: seen.append("worked"), lambda *_: seen.append("never"))()
    clock.submit(lambda: clock.sleep(5), lambda *_: seen.append("nor this"))
    clock.run(until=1)
    assert seen == [(None, KeyError)]


def test_an_action_that_raises_comes_out_of_run() -> None:
    clock = VirtualClock()
    clock.call_at(START, divide_by_zero)
    with pytest.raises(ZeroDivisionError):
        clock.run()


def test_wall_clock() -> None:
    errors: list[BaseException] = []
    seen: list[object] = []
    done = threading.Event()
    clock = WallClock(on_error=errors.append)
    now = clock.now()
    assert abs(now - time.time()) < 1
    clock.call_at(now + 0.02, lambda: seen.append("second"))
    clock.call_at(now, divide_by_zero)
    clock.call_at(now, lambda: seen.append("first"))
    clock.call_at(now, lambda: seen.append("never"))()
    clock.submit(lambda: threading.current_thread().name, lambda result, _: seen.append(result[:11]))
    clock.submit(divide_by_zero, lambda _, error: seen.append(type(error)))
    clock.submit(lambda: 0, lambda *_: seen.append("never"))()
    clock.call_at(now + 0.05, done.set)
    assert done.wait(2)
    assert sorted(map(str, seen)) == sorted(["first", "second", "local-clock", str(ZeroDivisionError)])
    assert seen.index("first") < seen.index("second")
    assert [type(error) for error in errors] == [ZeroDivisionError]
    clock.call_at(clock.now() + 60, lambda: seen.append("never"))
    clock.close()
    assert "never" not in seen
