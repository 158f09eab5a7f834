"""What one point says of itself: the moment of its data, and its scans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airlift.points import CLEAN, INFECTED, NOT_SCANNED, Judge, moment_of, own_scan, taken_at
from airlift.values import stamp

from tests.unit.domain import NOW, a_plan, ago, point_arn

CUT = ago(hours=1, microseconds=1)
WHOLE = datetime(2026, 11, 24, 6, 59, 59, tzinfo=UTC)
"""The cut-off in whole seconds, never after it."""
NO_CUT = datetime.max.replace(tzinfo=UTC)


def continuous(created: datetime, **fields: Any) -> dict[str, Any]:
    return {
        "RecoveryPointArn": point_arn("continuous:bucket-1a2b3c4d"),
        "ResourceType": "S3",
        "CreationDate": created,
        "Status": "AVAILABLE",
    } | fields


def judged(point: dict[str, Any], cut_off: datetime = CUT, **points: Any) -> tuple[str, str]:
    candidate, reason = Judge(a_plan(points=points).points, cut_off, NOW)(point)
    return candidate.record().get("restoreTime", ""), reason


@pytest.mark.parametrize(
    ("fields", "cut", "moment"),
    [
        ({}, CUT, WHOLE),
        ({}, NO_CUT, ago(minutes=15)),
        ({}, ago(minutes=1), ago(minutes=15)),
        ({"Status": "STOPPED", "CompletionDate": ago(days=2)}, CUT, ago(days=2)),
        ({"Status": "STOPPED", "CompletionDate": ago(days=2)}, ago(days=4), ago(days=4)),
        ({"Lifecycle": {"DeleteAfterDays": 7}}, ago(days=6), ago(days=6)),
        # What goes on has no end: its retention drops only its oldest part.
        ({"CalculatedLifecycle": {"DeleteAt": NOW + timedelta(hours=1)}}, CUT, WHOLE),
        ({"CalculatedLifecycle": {"DeleteAt": NOW - timedelta(hours=1)}}, CUT, WHOLE),
    ],
)
def test_a_continuous_point_is_taken_at_the_cut_off_or_the_end_of_its_window(
    fields: Any, cut: datetime, moment: datetime
) -> None:
    assert judged(continuous(ago(days=20), **fields), cut) == (stamp(moment), "")


@pytest.mark.parametrize(
    ("fields", "cut", "reason"),
    [
        ({"CreationDate": ago(minutes=30)}, CUT, "from after the first sign of compromise"),
        ({"CreationDate": ago(minutes=5)}, NO_CUT, "continuous, begun too late"),
        ({"Status": "STOPPED"}, CUT, "continuous and stopped, at a time that is not known"),
        ({"Lifecycle": {"DeleteAfterDays": 7}}, ago(days=8), "continuous, and no longer reaching back so far"),
        ({"CreationDate": ago(days=90)}, ago(days=36), "continuous, and no longer reaching back so far"),
        ({"Status": "EXPIRED"}, CUT, "in status EXPIRED"),
    ],
)
def test_a_continuous_point_whose_window_lacks_the_moment_is_passed_over(
    fields: Any, cut: datetime, reason: str
) -> None:
    assert judged(continuous(ago(days=20), **fields), cut)[1] == reason


@pytest.mark.parametrize(
    ("results", "says"),
    [
        (None, NOT_SCANNED),
        ([], NOT_SCANNED),
        ([{"ScanJobState": "COMPLETED", "Findings": []}], CLEAN),
        ([{"ScanJobState": "COMPLETED"}, {"ScanJobState": "FAILED"}], "not scanned to the end: COMPLETED, FAILED"),
        ([{"ScanJobState": "COMPLETED_WITH_ISSUES"}], "not scanned to the end: COMPLETED_WITH_ISSUES"),
        ([{"ScanJobState": "COMPLETED"}, {"ScanJobState": "FAILED", "Findings": ["MALWARE"]}], INFECTED),
    ],
)
def test_only_a_completed_scan_without_a_finding_counts_as_one(results: Any, says: str) -> None:
    assert own_scan({"ScanResults": results}) == says


def test_a_cut_off_that_moves_moves_a_continuous_point_and_ends_a_snapshot() -> None:
    snapshot = {"arn": "a", "createdAt": stamp(ago(hours=2))}
    live = snapshot | {"createdAt": stamp(ago(days=9)), "restoreTime": stamp(ago(hours=2))}
    assert taken_at(snapshot, ago(hours=2)) == snapshot
    assert taken_at(snapshot, ago(hours=3)) is None
    assert taken_at(snapshot | {"chosen": True}, ago(hours=3)) == snapshot | {"chosen": True}
    moved = taken_at(live, ago(hours=3, microseconds=-5))
    assert moved == live | {"restoreTime": stamp(ago(hours=3))}
    assert moment_of(moved) == ago(hours=3)
    assert taken_at(live, ago(hours=1)) == live
    assert taken_at(live, ago(days=10)) is None
