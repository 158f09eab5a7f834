"""Restore jobs are started just under AWS's five a second, whoever starts them."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from airlift.ledger import Ledger, Put, keyed
from airlift.pacing import SLOWEST, STARTS_PER_SECOND, back_off, reserve

from tests.unit.domain import NOW, REGION

if TYPE_CHECKING:
    import pytest

KEY = (f"PACE#{REGION}", "PACE")
START = NOW.timestamp()


def at_most_so_fast(slots: list[float]) -> bool:
    """Whether no window, however short or long, holds more than AWS's 5 a second; times are kept to a millisecond."""
    rate = STARTS_PER_SECOND * 1.01
    return all(
        n <= rate * (slots[first + n] - slots[first])
        for first in range(len(slots))
        for n in range(1, len(slots) - first)
    )


def test_slots_are_spread_from_now_on(ledger: Ledger) -> None:
    slots = reserve(ledger, REGION, 10, NOW, 50)
    assert slots[0] == START
    assert len(slots) == 10
    assert at_most_so_fast(slots)


def test_no_slot_lies_beyond_the_time_there_is(ledger: Ledger) -> None:
    slots = reserve(ledger, REGION, 1000, NOW, 10)
    assert len(slots) == 45
    assert max(slots) <= START + 10
    assert reserve(ledger, REGION, 1, NOW, 10) == []
    later = reserve(ledger, REGION, 1, NOW + timedelta(seconds=5), 10)
    assert START + 10 <= later[0] <= START + 10.1


def test_two_writers_together_keep_the_pace(ledger: Ledger) -> None:
    slots: list[float] = []
    for moment in range(40):  # of the two, one takes many slots at once and the other one at a time
        slots += reserve(ledger, REGION, 3 if moment % 2 else 1, NOW + timedelta(seconds=moment / 4), 50)
    assert len(slots) == len(set(slots)) == 80
    assert at_most_so_fast(sorted(slots))


def test_time_that_nobody_used_is_not_made_up_for(ledger: Ledger) -> None:
    reserve(ledger, REGION, 1, NOW, 50)
    later = NOW + timedelta(minutes=5)
    slots = reserve(ledger, REGION, 20, later, 50)
    assert slots[0] == later.timestamp()
    assert at_most_so_fast(slots)


class Meddled(Ledger):
    """A ledger in which another writer is faster some times."""

    def __init__(self, ledger: Ledger, times: int) -> None:
        super().__init__(ledger._client, ledger._table)
        self.times = times

    def get(self, key: tuple[str, str]) -> dict[str, float] | None:
        record = super().get(key)
        if self.times:
            self.times -= 1
            taken = max(START, (record or {}).get("nextSlot", 0)) + 1
            self.write(Put(keyed(key, nextSlot=taken), replace=True))
        return record


def test_who_meets_a_faster_writer_takes_the_slots_after_its(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airlift.pacing.time.sleep", lambda _: None)
    assert reserve(Meddled(ledger, 3), REGION, 1, NOW, 50) == [START + 3]


def test_who_never_gets_a_word_in_starts_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airlift.pacing.time.sleep", lambda _: None)
    meddled = Meddled(ledger, 100)
    assert reserve(meddled, REGION, 1, NOW, 500) == []
    assert (ledger.get(KEY) or {})["nextSlot"] == START + 100 - meddled.times


def gaps(slots: list[float]) -> set[float]:
    return {round(later - sooner, 2) for sooner, later in pairwise(slots)}


def test_the_pace_of_others_is_left_to_them_but_some_starts_are_always_tried(ledger: Ledger) -> None:
    assert gaps(reserve(ledger, REGION, 5, NOW, 50, others=2.5)) == {0.5}
    assert gaps(reserve(ledger, REGION, 5, NOW + timedelta(minutes=5), 50, others=9)) == {1 / SLOWEST}


def test_a_throttled_call_halves_the_pace_which_comes_back_within_a_minute(ledger: Ledger) -> None:
    back_off(ledger, REGION, NOW)
    slots = reserve(ledger, REGION, 5, NOW, 50)
    assert slots[0] == START + 1
    assert gaps(slots) == {round(2 / STARTS_PER_SECOND, 2)}
    assert gaps(reserve(ledger, REGION, 2, NOW + timedelta(seconds=30), 50)) == {round(1 / 3.375, 2)}
    assert gaps(reserve(ledger, REGION, 2, NOW + timedelta(minutes=2), 50)) == {round(1 / STARTS_PER_SECOND, 2)}
    for _ in range(9):
        back_off(ledger, REGION, NOW + timedelta(minutes=3))
    assert (ledger.get(KEY) or {})["pace"] == SLOWEST
