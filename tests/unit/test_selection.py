"""Which point of each resource is restored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from airlift.selection import Selected, Selection
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import NOW, a_plan, ago, point_arn, table_arn
from tests.unit.restoring import REPEATABLE

CUT = ago(hours=1)
UNSCANNED = "not scanned, or whose scan failed"
SCANNED: dict[str, Any] = {"AggregatedScanResult": {"Findings": [], "FailedScan": False, "LastComputed": ago(hours=2)}}
FAILED_SCAN = {"Findings": [], "FailedScan": True, "LastComputed": ago(hours=2)}


def point(name: str, created: datetime, resource: str = "orders", **fields: Any) -> dict[str, Any]:
    return {
        "RecoveryPointArn": point_arn(name),
        "ResourceArn": table_arn(resource),
        "ResourceType": "DynamoDB",
        "ResourceName": resource,
        "CreationDate": created,
        "Status": "COMPLETED",
        "BackupSizeInBytes": 7,
    } | fields


def selected(*points: dict[str, Any], **plan: Any) -> list[Selected]:
    selection = Selection(a_plan(**plan), CUT, NOW)
    selection.add(points)
    return list(selection.results())


def chosen(result: Selected) -> list[str]:
    return [candidate["arn"].rpartition(":")[2] for candidate in result.candidates]


def test_the_newest_point_at_or_before_the_cut_off_comes_first_then_the_older_ones() -> None:
    just_after = CUT + timedelta(microseconds=1)
    points = [point("b", ago(days=2)), point("late", just_after), point("a", CUT), point("c", ago(days=3))]
    [result] = selected(*points)
    assert chosen(result) == ["a", "b", "c"]
    assert result.candidates[0] == {
        "arn": point_arn("a"),
        "createdAt": "2026-11-24T07:00:00.000Z",
        "sizeBytes": 7,
    }
    assert result.why == ("newest of 4 points that is usable (passed over: 1 from after the first sign of compromise)")


@pytest.mark.parametrize(
    ("fields", "points", "reason"),
    [
        ({"Status": "PARTIAL"}, {}, "in status PARTIAL"),
        ({"Status": "EXPIRED"}, {}, "in status EXPIRED"),
        ({"Status": "STOPPED"}, {"statuses": ["STOPPED"]}, ""),
        ({"Status": "AVAILABLE"}, {}, ""),
        ({"AggregatedScanResult": {"Findings": ["MALWARE"], "FailedScan": False}}, {}, "with a malware finding"),
        ({"AggregatedScanResult": {"Findings": ["MALWARE"]}}, {"malware": "ignore"}, ""),
        (SCANNED, {"malware": "require"}, ""),
        ({}, {"malware": "require"}, ""),  # a table can't be scanned
        ({"ResourceType": "EBS"} | SCANNED, {"malware": "require"}, ""),
        ({"ResourceType": "EBS"}, {"malware": "require"}, UNSCANNED),
        ({"ResourceType": "EBS", "AggregatedScanResult": {}}, {"malware": "require"}, UNSCANNED),
        ({"ResourceType": "S3", "AggregatedScanResult": {"FailedScan": False}}, {"malware": "require"}, UNSCANNED),
        ({"ResourceType": "EC2", "AggregatedScanResult": FAILED_SCAN}, {"malware": "require"}, UNSCANNED),
        ({"ResourceType": "EC2", "AggregatedScanResult": FAILED_SCAN}, {}, ""),
        ({"CalculatedLifecycle": {"DeleteAt": ago(minutes=1)}}, {}, "past its retention"),
        ({}, {"maximumAgeDays": 1}, "older than the plan allows"),
        ({}, {"maximumAgeDays": 2}, ""),
    ],
)
def test_a_point_is_passed_over_for_its_status_scan_or_age(fields: Any, points: Any, reason: str) -> None:
    [result] = selected(point("a", ago(days=2), **fields), points=points)
    assert chosen(result) == ([] if reason else ["a"])
    if reason:
        assert result.why == f"no usable point (passed over: 1 {reason})"
        assert result.wanted
        assert "--point" in result.next_step


def test_nested_points_come_with_their_parent() -> None:
    parent = {"IsParent": True, "ParentRecoveryPointArn": point_arn("parent")}
    results = selected(
        point("parent", ago(days=1), "parent", **parent),
        point("nested", ago(days=1), "nested", ParentRecoveryPointArn=point_arn("parent")),
    )
    assert [result.name for result in results] == ["parent"]


def test_what_the_plan_excludes_is_not_wanted_and_says_why() -> None:
    exclude = [{"names": ["tmp-*"], "reason": "rebuilt"}]
    left, kept = sorted(
        selected(point("a", CUT, "tmp-1"), point("b", CUT), exclude=exclude), key=lambda r: r.name, reverse=True
    )
    assert (left.candidates, left.why, left.wanted) == ((), "excluded: rebuilt", False)
    assert chosen(kept) == ["b"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Unheard", "unknown type Unheard, which Airlift does not restore"),
        ("", "unknown type (none given), which Airlift does not restore"),
        ("RDS", "a logically air-gapped vault takes neither RDS instances nor Multi-AZ clusters"),
    ],
)
def test_types_that_nobody_restores_are_skipped_by_name_and_missed(kind: str, words: str) -> None:
    [result] = selected(point("a", CUT, ResourceType=kind))
    assert (result.candidates, result.why, result.wanted) == ((), words, True)
    assert "by hand" in result.next_step


def test_no_more_candidates_are_kept_than_the_plan_says() -> None:
    [result] = selected(*(point(str(n), ago(days=n)) for n in range(9, 0, -1)), points={"candidates": 3})
    assert chosen(result) == ["1", "2", "3"]


def volume(name: str, created: datetime, **fields: Any) -> dict[str, Any]:
    return point(name, created, ResourceType="EBS", **fields)


@pytest.mark.parametrize(
    ("policy", "order", "why"),
    [
        ({}, ["b", "a", "c"], "the newest of 3 points that was scanned without a finding; 23.0 h older than"),
        ({"preferWithinHours": 22}, ["a", "b", "c"], "newest of 3 points that is usable; not scanned"),
        ({"malware": "ignore"}, ["a", "b", "c"], "newest of 3 points that is usable"),
        ({"malware": "require"}, ["b", "c"], "newest of 3 points that is usable (passed over: 1 not scanned"),
    ],
)
def test_scanned_points_go_first_as_far_as_the_plan_wants(policy: Any, order: list[str], why: str) -> None:
    points = [volume("a", ago(hours=2)), volume("b", ago(hours=25), **SCANNED), volume("c", ago(days=9), **SCANNED)]
    [result] = selected(*points, points=policy)
    assert chosen(result) == order
    assert result.why.startswith(why)
    if policy.get("malware") != "require":
        assert result.newest_usable == "2026-11-24T06:00:00.000Z"


def test_a_point_whose_retention_ends_soon_is_used_only_if_there_is_no_other() -> None:
    soon: dict[str, Any] = {"CalculatedLifecycle": {"DeleteAt": NOW + timedelta(hours=23)}}
    [result] = selected(point("new", CUT, **soon), point("old", ago(days=2)))
    assert chosen(result) == ["old", "new"]
    assert result.candidates[1]["expires"]
    assert "whose retention does not end soon" in result.why
    assert result.looked[0]["why"] == "kept to fall back on, number 2; its retention ends soon"
    [only] = selected(point("new", CUT, **soon))
    assert chosen(only) == ["new"]
    assert only.why.endswith("its retention ends soon, and there is no other")
    [later] = selected(point("new", CUT, **soon), point("old", ago(days=2)), points={"expiringWithinHours": 22})
    assert chosen(later) == ["new", "old"]


def test_a_continuous_point_competes_as_of_the_moment_it_is_taken_at() -> None:
    arn = point_arn("continuous:orders-1a2b3c4d")
    live = point("x", ago(days=9), RecoveryPointArn=arn, ResourceType="S3", Status="AVAILABLE")
    [result] = selected(live, point("snapshot", ago(hours=2), ResourceType="S3"))
    assert result.candidates[0]["restoreTime"] == "2026-11-24T07:00:00.000Z"
    assert chosen(result)[1] == "snapshot"
    assert "continuous, taken as of 2026-11-24T07:00:00.000Z" in result.why


def test_the_newest_twenty_are_told_one_by_one_and_the_rest_by_number() -> None:
    old = [point(f"p{n:02}", ago(days=n), Status="EXPIRED" if n % 2 else "COMPLETED") for n in range(1, 41)]
    [result] = selected(point("late", NOW), *old, points={"candidates": 2})
    assert [one["arn"].rpartition(":")[2] for one in result.looked[:3]] == ["late", "p01", "p02"]
    assert [one["why"] for one in result.looked[:5]] == [
        "passed over: from after the first sign of compromise",
        "passed over: in status EXPIRED",
        "taken",
        "passed over: in status EXPIRED",
        "kept to fall back on, number 2",
    ]
    assert result.looked[6]["why"] == "usable, but others are preferred to it"
    assert len(result.looked) == 20
    assert result.rest == {"in status EXPIRED": 10, "usable": 11}


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ({"CreationDate": NOW}, ", ALTHOUGH IT IS FROM AFTER THE FIRST SIGN OF COMPROMISE"),
        ({"AggregatedScanResult": {"Findings": ["MALWARE"]}}, ", ALTHOUGH IT IS WITH A MALWARE FINDING"),
        ({}, ""),
    ],
)
def test_a_pinned_point_goes_first_and_what_speaks_against_it_is_said_loudly(fields: Any, warning: str) -> None:
    selection = Selection(a_plan(), CUT, NOW, {table_arn("orders"): point_arn("pinned")})
    selection.add([point("new", CUT), point("pinned", ago(days=3), **fields)])
    [result] = selection.results()
    assert chosen(result) == ["pinned", "new"]
    assert result.candidates[0]["chosen"]
    assert result.why == f"chosen by the operator{warning}"


def test_a_pinned_point_that_is_not_there_is_no_reason_to_take_another() -> None:
    selection = Selection(a_plan(), CUT, NOW, {table_arn("orders"): point_arn("elsewhere")})
    selection.add([point("new", CUT)])
    [result] = selection.results()
    assert (result.skip, chosen(result), result.wanted) == (True, ["new"], True)
    assert "is not one of this resource in this vault" in result.why


def test_very_many_resources_are_left_to_further_passes_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airlift.selection._MOST_KEPT", 40)
    pages = [[point(f"p{n}-{day}", ago(days=day), f"t{n:02}") for n in range(30)] for day in range(1, 4)]
    found, after, passes = [], "", 0
    while passes < 20:
        selection = Selection(a_plan(), CUT, NOW, after=after)
        for page in pages:
            selection.add(page)
        results = list(selection.results())
        found += [(result.name, len(result.candidates)) for result in results]
        after, passes = results[-1].resource_arn, passes + 1
        if selection.complete:
            break
    assert passes > 2
    assert found == [(f"t{n:02}", 3) for n in range(30)]


# Copies keep the date of their source, so that dates repeat.
POINTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.sampled_from(["COMPLETED", "EXPIRED"])), max_size=12
).map(lambda rows: [point(str(n), ago(hours=h), name, Status=s) for n, (name, h, s) in enumerate(rows)])


@REPEATABLE
@given(POINTS, st.randoms(use_true_random=False), st.integers(1, 12))
def test_neither_the_lists_order_nor_its_pages_matter(points: list[dict[str, Any]], random: Any, cut: int) -> None:
    shuffled = list(points)
    random.shuffle(shuffled)
    paged = Selection(a_plan(points={"candidates": 3}), CUT, NOW)
    paged.add(shuffled[:cut])
    paged.add(shuffled[cut:])
    assert list(paged.results()) == selected(*points, points={"candidates": 3})
