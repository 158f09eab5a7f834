"""Which items may be started now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.waves import Turn, turn

from tests.unit.domain import NOW, a_plan, an_item

if TYPE_CHECKING:
    from airlift.ledger import Record
    from airlift.plan import Plan

MOMENT = NOW.timestamp()
NONE: frozenset[int] = frozenset()


def the_plan(first: Any = (), second: Any = (), **fields: Any) -> Plan:
    """Two waves, `tables` and `buckets`."""
    waves = [
        {"name": "tables", "match": [{"types": ["DynamoDB"]}], **dict(first)},
        {"name": "buckets", "match": [{"types": ["S3"]}], **dict(second)},
    ]
    return a_plan(waves=waves, **fields)


def a_bucket(name: str, **attributes: Any) -> Record:
    return an_item(resourceArn=f"arn:aws:s3:::{name}", resourceType="S3", wave=1, **attributes)


def names(now: Turn) -> list[str]:
    return [item["resourceArn"].rpartition("/")[2].rpartition(":")[2] for item in now.startable]


@pytest.mark.parametrize("state", ["waiting", "starting", "running", "settling"])
def test_a_wave_waits_until_no_item_of_an_earlier_one_is_under_way(state: str) -> None:
    now = turn(the_plan(), [an_item("a", state=state), a_bucket("b")], {}, NONE, MOMENT)
    assert names(now) == (["a"] if state in ("waiting", "starting") else [])


def test_a_held_item_does_not_keep_a_later_wave_from_going_on() -> None:
    assert names(turn(the_plan(), [an_item("a", state="held"), a_bucket("b")], {}, NONE, MOMENT)) == ["b"]


@pytest.mark.parametrize(
    ("items", "vault"),
    [
        ([an_item("a", state="held"), a_bucket("b")], {}),
        ([a_bucket("b")], {"waveProblems": {"0": 1}}),
    ],
)
def test_a_wave_that_halts_holds_all_later_ones_until_they_are_let_pass(items: list[Record], vault: Any) -> None:
    halting = the_plan({"onFailure": "halt"})
    assert turn(halting, items, vault, NONE, MOMENT) == Turn([], halted_by="tables", stopped_at=1)
    assert names(turn(halting, items, vault, frozenset({1}), MOMENT)) == ["b"]
    assert names(turn(the_plan(), items, vault, NONE, MOMENT)) == ["b"]


def test_the_wave_that_failed_is_not_halted_by_itself() -> None:
    assert names(turn(the_plan({"onFailure": "halt"}), [an_item("a")], {"waveProblems": {"0": 1}}, NONE, MOMENT)) == [
        "a"
    ]


def test_a_pause_stands_before_a_wave_until_it_is_let_pass() -> None:
    pausing = the_plan(second={"pauseBefore": True})
    paused = Turn([], paused_before="buckets", stopped_at=1)
    assert turn(pausing, [a_bucket("b"), a_bucket("c")], {}, NONE, MOMENT) == paused
    assert names(turn(pausing, [a_bucket("b")], {}, frozenset({1}), MOMENT)) == ["b"]


def test_no_more_of_a_type_run_than_its_service_takes() -> None:
    flying = [an_item(f"f{n}", state="running") for n in range(47)] + [an_item("lost", state="starting")]
    waiting = [an_item(f"w{n}") for n in range(5)]
    volumes = [an_item(resourceArn="arn:aws:ec2:::volume/v", resourceType="EBS")]
    now = turn(the_plan(), [*flying, *waiting, *volumes], {}, NONE, MOMENT)
    assert names(now) == ["lost", "w0", "w1", "v"]  # DynamoDB restores 50 at once, EBS states no limit
    assert now.limited


def test_what_runs_in_the_account_beside_ours_counts_for_a_types_limit() -> None:
    now = turn(the_plan(), [an_item("a"), an_item("b")], {}, NONE, MOMENT, {"DynamoDB": 49, "S3": 99})
    assert (names(now), now.limited) == (["a"], True)
    now = turn(the_plan(), [an_item("a"), an_item("b")], {}, NONE, MOMENT, {"DynamoDB": 48})
    assert (names(now), now.limited) == (["a", "b"], False)


def test_a_type_is_held_when_its_first_ones_failed_alike() -> None:
    def held(count: int, cause: str) -> list[Record]:
        return [an_item(f"{cause}{n}", state="held", heldClass=cause) for n in range(count)]

    volume = an_item(resourceArn="arn:aws:ec2:::volume/v", resourceType="EBS")
    waiting = [an_item("w"), volume]
    now = turn(the_plan(), [*held(3, "key"), *waiting], {}, NONE, MOMENT)
    assert (now.held_types, names(now)) == (("DynamoDB",), ["v"])
    for items, vault in [
        ([*held(2, "key"), *held(2, "quota")], {}),
        ([*held(3, "key"), an_item("r", state="running")], {}),
        (held(3, "key"), {"restoredByType": {"DynamoDB": 1}}),
    ]:
        now = turn(the_plan(), [*items, *waiting], vault, NONE, MOMENT)
        assert (now.held_types, names(now)) == ((), ["w", "v"])


def test_a_held_type_does_not_keep_a_later_wave_from_going_on() -> None:
    held = [an_item(f"h{n}", state="held", heldClass="key") for n in range(3)]
    assert names(turn(the_plan(), [*held, an_item("w"), a_bucket("b")], {}, NONE, MOMENT)) == ["b"]


def test_what_backs_off_waits_for_its_time_and_says_how_long() -> None:
    items = [an_item("a", dueAt=MOMENT + 90), an_item("b", dueAt=MOMENT + 30), an_item("c", dueAt=MOMENT)]
    now = turn(the_plan(), items, {}, NONE, MOMENT)
    assert (names(now), now.due_in) == (["c"], 30)


def test_without_anything_to_do_there_is_nothing_to_start() -> None:
    assert turn(the_plan(), [an_item("a", state="held")], {}, NONE, MOMENT) == Turn([])


def test_what_is_only_suspect_does_not_hold_its_type() -> None:
    suspect = [an_item(f"s{n}", state="held", heldClass="suspect point", heldFrom="validated") for n in range(3)]
    assert names(turn(the_plan(), [*suspect, an_item("w")], {}, NONE, MOMENT)) == ["w"]
