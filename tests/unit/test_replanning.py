"""After a resume with a new plan, the order of what is still open follows the plan in force now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.replanning import follow_new_plan

from tests.unit.domain import an_item, stored, table_arn

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    Make = Callable[..., VaultWork]

WAVES = [{"name": "first", "match": [{"arns": ["*/b"]}]}, {"name": "second", "match": [{"types": ["DynamoDB"]}]}]


def test_items_move_to_the_waves_of_the_new_plan_and_problems_are_counted_anew(work: Make) -> None:
    items = [an_item("a"), an_item("b"), an_item("c", state="failed", open=None)]
    w = work(*items, vault={"plannedBy": "older", "waveProblems": {"0": 9}}, waves=WAVES)
    follow_new_plan(w)
    a, b, c = (stored(w, item) for item in items)
    assert (a["wave"], a["waveName"], a["open"]) == (1, "second", f"0001#0000#{table_arn('a')}")
    assert (b["wave"], b["waveName"], b["open"]) == (0, "first", f"0000#0000#{table_arn('b')}")
    assert (c["wave"], "open" in c) == (1, False)
    vault = stored(w, w.vault)
    assert (vault["waveProblems"], vault["plannedBy"]) == ({"1": 1}, "0123456789ab")


def test_under_the_same_plan_nothing_moves(work: Make) -> None:
    item = an_item("a")
    w = work(item, vault={"waveProblems": {"0": 9}}, waves=WAVES)
    follow_new_plan(w)
    assert stored(w, item) == item
    assert stored(w, w.vault)["waveProblems"] == {"0": 9}
