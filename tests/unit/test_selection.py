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
        ("Unheard", "type Unheard is not restored by Airlift"),
        ("", "type unknown is not restored by Airlift"),
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
