"""Which point an attempt takes, looked at right before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.points import INFECTED
from airlift.starting import start
from airlift.values import stamp

from tests.unit.domain import NOW, ago, an_item, point_arn, refused, stored, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.ledger import Record
    from airlift.vaults import VaultWork

    from tests.unit.domain import Service, Services

    Make = Callable[..., VaultWork]

CUT = ago(minutes=45)
MARKED = {"ScanResults": [{"ScanJobState": "COMPLETED", "Findings": ["MALWARE"]}]}
SCANNED = {"ScanResults": [{"ScanJobState": "COMPLETED", "Findings": []}]}


def volume(**attributes: Any) -> Record:
    arn = "arn:aws:ec2:ap-northeast-1:111122223333:volume/vol-1"
    return an_item("vol-1", resourceArn=arn, resourceType="EBS", **attributes)


def backup(services: Services, listed: Any = (), **scans: Any) -> Service:
    """AWS Backup; `scans` is what DescribeRecoveryPoint answers, by the point's name."""

    def describe(**request: Any) -> Any:
        return scans.get(request["RecoveryPointArn"].rpartition(":")[2], {})

    return services.play(
        "backup",
        describe_backup_vault={"VaultState": "AVAILABLE"},
        describe_recovery_point=describe,
        list_recovery_points_by_backup_vault={"RecoveryPoints": list(listed)},
        get_recovery_point_restore_metadata={"RestoreMetadata": {}},
        start_restore_job={"RestoreJobId": "job-1"},
    )


def listed(name: str, **fields: Any) -> dict[str, Any]:
    item = volume()
    return {
        "RecoveryPointArn": point_arn(name),
        "ResourceArn": item["resourceArn"],
        "ResourceType": "EBS",
        "CreationDate": ago(days=9),
        "Status": "COMPLETED",
    } | fields


def taken(work: Make, item: Record, cut: Any = CUT, **plan: Any) -> tuple[VaultWork, Record]:
    targets = {"types": {"EBS": {"metadata": {"availabilityZone": "ap-northeast-1a"}}}}
    w = work(item, targets=targets, **plan)
    start(w, item, {}, cut)
    return w, stored(w, item)


def test_a_point_that_a_scan_has_marked_since_is_passed_over_and_told(work: Make, services: Services) -> None:
    aws = backup(services, new=MARKED, old=SCANNED)
    w, now = taken(work, volume())
    assert [request["RecoveryPointArn"] for request in aws.requests("start_restore_job")] == [point_arn("old")]
    assert (now["candidate"], now["pointScan"]) == (1, "scanned without a finding")
    assert now["passedOver"] == [{"arn": point_arn("new"), "at": stamp(ago(hours=1)), "why": INFECTED}]
    assert "after others were passed over" in now["chosenWhy"]
    assert texts(w.ledger, "passed-over") == [f"{stamp(ago(hours=1))} {INFECTED}; 2026-11-22 08:00 UTC is taken"]
    assert texts(w.ledger, "started")[0].endswith("(the point: scanned without a finding)")


@pytest.mark.parametrize(
    ("policy", "scan", "candidate", "says"),
    [
        ("prefer", {}, 0, "not scanned"),
        ("prefer", refused("AccessDeniedException"), 0, "scan unknown, the point can't be described: Acc"),
        ("require", {}, 1, "scanned without a finding"),
        ("ignore", MARKED, 0, ""),
    ],
)
def test_what_a_scan_says_counts_as_the_plan_wants(
    work: Make, services: Services, policy: str, scan: Any, candidate: int, says: str
) -> None:
    aws = backup(services, new=scan, old=SCANNED)
    _, now = taken(work, volume(), points={"malware": policy})
    assert (now["state"], now["candidate"]) == ("running", candidate)
    assert now.get("pointScan", "").startswith(says)
    assert bool(aws.requests("describe_recovery_point")) == (policy != "ignore")


def test_a_required_scan_that_can_not_be_read_is_the_environments_failure(work: Make, services: Services) -> None:
    aws = backup(services, new=refused("AccessDeniedException"))
    _, now = taken(work, volume(), points={"malware": "require"})
    assert (now["state"], now["candidate"], now["attempts"][0]["class"]) == ("waiting", 0, "permission")
    assert not aws.requests("start_restore_job")


def test_a_point_of_the_operators_is_taken_although_it_is_marked_and_that_is_said(
    work: Make, services: Services
) -> None:
    backup(services, chosen=MARKED)
    point = {"arn": point_arn("chosen"), "createdAt": stamp(NOW), "sizeBytes": 1, "chosen": True}
    w, now = taken(work, volume(candidates=[point], chosenWhy="chosen by the operator"))
    assert now["state"] == "running"
    assert now["chosenWhy"] == "chosen by the operator, ALTHOUGH IT IS WITH A MALWARE FINDING"
    assert INFECTED in texts(w.ledger, "started")[0]


def test_when_all_that_was_kept_lies_after_the_first_sign_older_ones_are_looked_up(
    work: Make, services: Services
) -> None:
    aws = backup(services, [listed("new", CreationDate=ago(hours=1)), listed("older")])
    item = volume()
    _, now = taken(work, item, ago(days=3), points={"candidates": 2})
    assert now["candidates"][now["candidate"]]["arn"] == point_arn("older")
    [request] = aws.requests("list_recovery_points_by_backup_vault")
    assert request["ByResourceArn"] == item["resourceArn"]
    assert "the first sign of compromise has moved" in now["chosenWhy"]


def test_points_that_others_were_preferred_to_are_taken_although_they_are_newer(work: Make, services: Services) -> None:
    backup(
        services, [listed("new"), listed("newest", CreationDate=ago(minutes=50)), listed("old")], new=MARKED, old=MARKED
    )
    _, now = taken(work, volume(), points={"candidates": 2})
    assert now["candidates"][now["candidate"]]["arn"] == point_arn("newest")


@pytest.mark.parametrize(("item", "why"), [({"candidates": []}, "as the vault shows it now"), ({}, "passed over")])
def test_what_is_looked_up_says_so_and_keeps_to_the_operators_time(
    work: Make, services: Services, item: Any, why: str
) -> None:
    points = [listed("late", CreationDate=ago(hours=1)), listed("early")]
    backup(services, points, new=MARKED, old=MARKED)
    _, now = taken(work, volume(notAfter=stamp(ago(days=3)), **item), points={"candidates": 2})
    assert now["candidates"][now["candidate"]]["arn"] == point_arn("early")
    assert why in now["chosenWhy"]


def test_with_no_point_left_the_resource_is_skipped_with_all_reasons(work: Make, services: Services) -> None:
    backup(services, new=MARKED, old=MARKED)
    _, now = taken(work, volume())
    assert now["state"] == "skipped"
    assert now["reason"].count(INFECTED) == len(now["passedOver"]) == 2


def test_a_continuous_point_is_frozen_with_its_moment(work: Make, services: Services) -> None:
    backup(services)
    point = {"arn": point_arn("continuous:b-1"), "createdAt": stamp(ago(days=9)), "sizeBytes": 1}
    live = point | {"restoreTime": stamp(ago(hours=1))}
    item = an_item("b", resourceArn="arn:aws:s3:::b", resourceType="S3", candidates=[live])
    w = work(item)
    start(w, item, {}, ago(hours=2))
    now = stored(w, item)
    assert now["candidates"][0]["restoreTime"] == stamp(ago(hours=2))
    assert now["metadata"]["RestoreTime"] == "2026-11-24T06:00:00Z"
    assert now["chosenWhy"] == "the first sign of compromise has moved; taken as of an earlier moment"
