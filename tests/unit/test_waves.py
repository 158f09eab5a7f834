"""Which items may be started now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.restore.base import Target
from airlift.restore.ebs import Ebs
from airlift.waves import Elsewhere, Stop, Turn, is_failure, progress, turn

from tests.unit.domain import NOW, RECOVERY_ID, a_plan, an_item

if TYPE_CHECKING:
    from airlift.ledger import Record
    from airlift.plan import Plan

MOMENT = NOW.timestamp()
PASSED_BUCKETS = frozenset({1})


def the_plan(first: Any = (), second: Any = (), **fields: Any) -> Plan:
    """Two waves, `tables` and `buckets`."""
    waves = [
        {"name": "tables", "match": [{"types": ["DynamoDB"]}], **dict(first)},
        {"name": "buckets", "match": [{"types": ["S3"]}], **dict(second)},
    ]
    return a_plan(waves=waves, **fields)


def taken(
    plan: Plan,
    items: list[Record],
    vault: Any = (),
    passed: frozenset[int] = frozenset(),
    elsewhere: Elsewhere | None = None,
) -> Turn:
    """The turn at NOW; every restore goes to the same target."""
    target = Target(RECOVERY_ID, "444455556666", "ap-northeast-1", 1)
    return turn(plan, items, dict(vault), passed, MOMENT, lambda _: target, elsewhere)


def a_bucket(name: str, **attributes: Any) -> Record:
    return an_item(resourceArn=f"arn:aws:s3:::{name}", resourceType="S3", wave=1, **attributes)


def names(now: Turn) -> list[str]:
    return [item["resourceArn"].rpartition("/")[2].rpartition(":")[2] for item in now.startable]


@pytest.mark.parametrize("state", ["waiting", "starting", "running", "settling"])
def test_a_wave_waits_until_no_item_of_an_earlier_one_is_under_way(state: str) -> None:
    now = taken(the_plan(), [an_item("a", state=state), a_bucket("b")])
    assert names(now) == (["a"] if state in ("waiting", "starting") else [])


def test_a_held_item_does_not_keep_a_later_wave_from_going_on() -> None:
    assert names(taken(the_plan(), [an_item("a", state="held"), a_bucket("b")])) == ["b"]


def test_no_more_are_looked_at_closely_than_may_be_started() -> None:
    target = Target(RECOVERY_ID, "444455556666", "ap-northeast-1", 1)
    looked: list[Record] = []

    def target_of(item: Record) -> Target:
        looked.append(item)
        return target

    items = [an_item("a"), an_item("b", state="starting"), an_item("c"), an_item("d"), an_item("e", dueAt=MOMENT + 9)]
    now = turn(the_plan(), items, {}, frozenset(), MOMENT, target_of, most=2)
    assert (names(now), now.more, now.due_in) == (["a", "b"], True, 9)
    assert not [item for item in looked if item in items[2:]]


def test_the_progress_of_each_wave_is_told() -> None:
    items = [an_item("a", state="settling"), an_item("b", state="held"), a_bucket("c"), a_bucket("d")]
    vault = {"waveRestored": {"0": 3}, "waveProblems": {"0": 1}}
    assert progress(the_plan(), items, vault) == [
        {"name": "tables", "after": [], "waiting": 0, "running": 1, "held": 1, "done": 4},
        {"name": "buckets", "after": ["tables"], "waiting": 2, "running": 0, "held": 0, "done": 0},
    ]
    assert progress(the_plan(), items[2:], {})[0]["after"] == [], "what has nothing to restore is not waited for"


ANY, A_FIFTH = {"halt": {"any": True}}, {"halt": {"share": 0.2}}
ORDERS = {"halt": {"resources": [{"names": ["orders*"]}]}}
HALTED = (Stop(1, "buckets", "tables"),)


def held(name: str = "h", **attributes: Any) -> Record:
    return an_item(name, state="held", **attributes)


@pytest.mark.parametrize(
    ("first", "items", "vault", "halts"),
    [
        ({}, [held()], {"waveProblems": {"0": 9}}, False),
        (ANY, [], {"waveRestored": {"0": 9}}, False),
        (ANY, [held()], {}, True),
        (ANY, [], {"waveProblems": {"0": 1}}, True),
        (ANY, [], {"waveProblems": {"1": 1}}, False),
        (A_FIFTH, [held()], {"waveRestored": {"0": 5}}, False),
        (A_FIFTH, [held()], {"waveRestored": {"0": 4}}, True),
        (A_FIFTH, [held()], {"waveRestored": {"0": 8}, "waveProblems": {"0": 1}}, True),
        (ORDERS, [held("o", resourceName="archive")], {}, False),
        (ORDERS, [held("o", resourceName="orders-eu")], {}, True),
    ],
)
def test_what_follows_a_wave_that_failed_by_its_rule_is_halted_until_it_is_let_pass(
    first: Any, items: list[Record], vault: Any, halts: bool
) -> None:
    plan, items = the_plan(first), [*items, a_bucket("b")]
    now = taken(plan, items, vault)
    assert (names(now), now.stops) == (([], HALTED) if halts else (["b"], ()))
    assert names(taken(plan, items, vault, PASSED_BUCKETS)) == ["b"]


def test_only_wanted_resources_that_the_rule_names_fail_a_wave() -> None:
    failed = an_item("f", state="failed", resourceName="orders-eu")
    assert is_failure(the_plan(ORDERS), failed)
    assert is_failure(the_plan(), failed)
    for other in ({"resourceName": "archive"}, {"wanted": False}, {"state": "validated"}):
        assert not is_failure(the_plan(ORDERS), failed | other)


def test_the_wave_that_failed_is_not_halted_by_itself() -> None:
    assert names(taken(the_plan(ANY), [an_item("a")], {"waveProblems": {"0": 1}})) == ["a"]


def test_a_pause_stands_before_a_wave_until_it_is_let_pass() -> None:
    pausing = the_plan(second={"pauseBefore": True})
    assert taken(pausing, [a_bucket("b"), a_bucket("c")]) == Turn([], (Stop(1, "buckets"),))
    assert names(taken(pausing, [a_bucket("b")], {}, PASSED_BUCKETS)) == ["b"]


def test_a_lost_start_is_repeated_although_its_wave_has_been_halted_since() -> None:
    items = [held(), a_bucket("lost", state="starting"), a_bucket("b")]
    assert names(taken(the_plan(ANY), items)) == ["lost"]


def waves_a_to_d(**fields: Any) -> Plan:
    """a; b and c after a; d after c. Each takes what is named like it."""
    after = {"a": [], "b": ["a"], "c": ["a"], "d": ["c"]}
    waves = [{"name": n, "match": [{"names": [n]}], "after": a} | fields.get(n, {}) for n, a in after.items()]
    return a_plan(waves=waves)


def in_waves(**states: str) -> list[Record]:
    return [an_item(n, wave="abcd".index(n), waveName=n, state=state) for n, state in states.items()]


@pytest.mark.parametrize(
    ("states", "starts"),
    [
        ({"a": "waiting", "b": "waiting", "c": "waiting", "d": "waiting"}, "a"),
        ({"a": "running", "b": "waiting", "d": "waiting"}, ""),  # d follows a through c, of which nothing is open
        ({"b": "waiting", "c": "waiting", "d": "waiting"}, "bc"),
        ({"b": "waiting", "c": "held", "d": "waiting"}, "bd"),
        ({"b": "running", "d": "waiting"}, "d"),
    ],
)
def test_waves_that_do_not_follow_each_other_are_under_way_at_once(states: dict[str, str], starts: str) -> None:
    assert names(taken(waves_a_to_d(), in_waves(**states))) == list(starts)


def test_a_wave_that_waits_for_the_operator_holds_only_those_that_follow_it() -> None:
    pausing = {"pauseBefore": True, "after": []}
    plan = waves_a_to_d(a={"halt": {"any": True}, "after": ["b"]}, b={"after": []}, c=pausing)
    now = taken(plan, in_waves(b="waiting", c="waiting", d="waiting"), {"waveProblems": {"0": 1}})
    assert (names(now), now.stops, now.paused, now.halted) == (["b"], (Stop(2, "c"),), True, "")


def test_several_waves_may_wait_for_the_operator_and_each_says_why() -> None:
    plan = waves_a_to_d(a={"halt": {"any": True}}, d={"after": [], "pauseBefore": True})
    now = taken(plan, in_waves(b="waiting", c="waiting", d="waiting"), {"waveProblems": {"0": 1}})
    assert now == Turn([], (Stop(1, "b", "a"), Stop(2, "c", "a"), Stop(3, "d")))
    assert now.halted == "Failures in wave a halt wave b. Failures in wave a halt wave c."
    assert names(taken(plan, in_waves(b="waiting", c="waiting"), {"waveProblems": {"0": 1}}, frozenset({2}))) == ["c"]


def test_no_more_of_a_type_run_than_its_service_takes() -> None:
    flying = [an_item(f"f{n}", state="running") for n in range(47)] + [an_item("lost", state="starting")]
    waiting = [an_item(f"w{n}") for n in range(5)]
    volumes = [an_item(resourceArn="arn:aws:ec2:::volume/v", resourceType="EBS")]
    now = taken(the_plan(), [*flying, *waiting, *volumes])
    assert names(now) == ["lost", "w0", "w1", "v"]  # DynamoDB restores 50 at once, EBS states no limit
    assert now.limited


def test_what_runs_in_the_account_beside_ours_counts_for_a_types_limit() -> None:
    now = taken(
        the_plan(), [an_item("a"), an_item("b")], elsewhere=Elsewhere({"DynamoDB": 40}, {"DynamoDB": 9, "S3": 99})
    )
    assert (names(now), now.limited) == (["a"], True)
    now = taken(the_plan(), [an_item("a"), an_item("b")], elsewhere=Elsewhere(others={"DynamoDB": 48}))
    assert (names(now), now.limited) == (["a", "b"], False)


def test_the_plans_own_limit_counts_what_airlift_runs_wherever_and_nobody_elses_jobs() -> None:
    plan = the_plan(limits={"DynamoDB": 3})
    items = [an_item("a", state="running"), an_item("b"), an_item("c"), an_item("d")]
    assert names(taken(plan, items)) == ["b", "c"]
    now = taken(plan, items, elsewhere=Elsewhere({"DynamoDB": 1}, {"DynamoDB": 9}))
    assert (names(now), now.limited) == (["b"], True)


class OneAtATime(Ebs):
    """Five at once in an account, and one into each of two targets."""

    concurrent_restores = 5

    def exclusive(self, target: Target) -> str | None:
        return str(target.options["clusterName"])


def test_only_one_at_a_time_goes_into_the_same_target_and_others_pass_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airlift.waves.family_of", {"EKS": OneAtATime(), "S3": None}.get)
    eks = [an_item(f"{cluster}{n}", resourceType="EKS") for n in range(2) for cluster in ("red-", "blue-")]

    def target_of(item: Record) -> Target:
        name = item["resourceArn"].rpartition("/")[2].partition("-")[0]
        return Target(RECOVERY_ID, "444455556666", "ap-northeast-1", 1, options={"clusterName": name})

    running = an_item("red-9", resourceType="EKS", state="running")
    for items, expected in ((eks, ["red-0", "blue-0"]), ([running, *eks], ["blue-0"])):
        now = turn(the_plan(), items, {}, frozenset(), MOMENT, target_of)
        assert (names(now), now.limited) == (expected, True)


def test_targets_that_are_refused_do_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Ebs, _target: Target) -> str | None:
        raise MetadataRefused("A cluster takes no such key.", "remove it.")

    monkeypatch.setattr(Ebs, "exclusive", refuse)
    volume = an_item(resourceArn="arn:aws:ec2:::volume/v", resourceType="EBS")
    assert names(taken(the_plan(), [volume, an_item("a")])) == ["v", "a"]


@pytest.mark.parametrize("cause", ["network not isolated", "key not ready", "place not ready", "access lost"])
def test_what_is_held_for_what_is_around_it_says_nothing_of_the_rest_of_its_type(cause: str) -> None:
    open_ = [held(f"h{n}", heldClass=cause, heldFrom="waiting") for n in range(3)]
    assert names(taken(the_plan(), [*open_, an_item("w")])) == ["w"]


def test_a_type_is_held_when_its_first_ones_failed_alike() -> None:
    def alike(count: int, cause: str) -> list[Record]:
        return [held(f"{cause}{n}", heldClass=cause) for n in range(count)]

    volume = an_item(resourceArn="arn:aws:ec2:::volume/v", resourceType="EBS")
    waiting = [an_item("w"), volume]
    now = taken(the_plan(), [*alike(3, "key"), *waiting])
    assert (now.held_types, names(now)) == (("DynamoDB",), ["v"])
    for items, vault in [
        ([*alike(2, "key"), *alike(2, "quota")], {}),
        ([*alike(3, "key"), an_item("r", state="running")], {}),
        (alike(3, "key"), {"restoredByType": {"DynamoDB": 1}}),
    ]:
        now = taken(the_plan(), [*items, *waiting], vault)
        assert (now.held_types, names(now)) == ((), ["w", "v"])


def test_a_held_type_does_not_keep_a_later_wave_from_going_on() -> None:
    held = [an_item(f"h{n}", state="held", heldClass="key") for n in range(3)]
    assert names(taken(the_plan(), [*held, an_item("w"), a_bucket("b")])) == ["b"]


def test_what_backs_off_waits_for_its_time_and_says_how_long() -> None:
    items = [an_item("a", dueAt=MOMENT + 90), an_item("b", dueAt=MOMENT + 30), an_item("c", dueAt=MOMENT)]
    now = taken(the_plan(), items)
    assert (names(now), now.due_in) == (["c"], 30)


def test_without_anything_to_do_there_is_nothing_to_start() -> None:
    assert taken(the_plan(), [an_item("a", state="held")]) == Turn([])


def test_what_is_only_suspect_does_not_hold_its_type() -> None:
    suspect = [an_item(f"s{n}", state="held", heldClass="suspect point", heldFrom="validated") for n in range(3)]
    assert names(taken(the_plan(), [*suspect, an_item("w")])) == ["w"]
