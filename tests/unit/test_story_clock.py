"""The local cloud's clock: in the past at first, forward only, and nothing that was due is lost by a jump."""

from __future__ import annotations

import threading
import time

import pytest

from local.cloud.story_clock import StoryClock

DAY = 86400.0


def test_it_starts_in_the_past_and_arrives_in_the_present() -> None:
    clock = StoryClock(3 * DAY)
    assert abs(time.time() - 3 * DAY - clock.now()) < 1
    clock.jump(0)
    assert abs(time.time() - clock.now()) < 1


@pytest.mark.parametrize("behind", [-1.0, 2 * DAY])
def test_it_goes_neither_back_nor_beyond_the_present(behind: float) -> None:
    clock = StoryClock(DAY)
    with pytest.raises(ValueError, match="can't go"):
        clock.jump(behind)


def test_what_was_due_meanwhile_happens_in_order_and_once() -> None:
    clock = StoryClock(3 * DAY)
    seen: list[str] = []
    over = threading.Event()
    start = clock.now()
    clock.call_at(start + 2 * DAY, lambda: seen.append("second"))
    clock.call_at(start + DAY, lambda: seen.append("first"))
    clock.call_at(start + 2.5 * DAY, over.set)
    cancel = clock.call_at(start + DAY, lambda: seen.append("cancelled"))
    cancel()
    assert not over.wait(0.02)
    clock.jump(0.25 * DAY)
    assert over.wait(2)
    clock.jump(0)
    assert seen == ["first", "second"]
