"""Recovery points read from a granted restore-access vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.errors import InvalidInput
from airlift.points import CLEAN, INFECTED, SCANNABLE, Judge, own_scan
from airlift.runtime import is_transient
from airlift.selection import Selection, chosen_why
from airlift.values import now, stamp

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from datetime import datetime

    from airlift.selection import Selected
    from airlift.vaults import VaultWork

_PAGE = 1000


def pages(vault_name: str, **filters: Any) -> Iterator[list[dict[str, Any]]]:
    """All points of the vault, or those that the filters of ListRecoveryPointsByBackupVault let through."""
    listing = client("backup").get_paginator("list_recovery_points_by_backup_vault")
    for page in listing.paginate(BackupVaultName=vault_name, PaginationConfig={"PageSize": _PAGE}, **filters):
        yield page["RecoveryPoints"]


def nested_points(work: VaultWork, point_arn: str) -> list[dict[str, Any]]:
    """The points inside a composite one, as the ledger keeps them."""
    listed = pages(work.vault["restoreAccessBackupVaultName"], ByParentRecoveryPointArn=point_arn)
    return [
        {
            "arn": point["RecoveryPointArn"],
            "resourceArn": point["ResourceArn"],
            "resourceType": point["ResourceType"],
            "createdAt": stamp(point["CreationDate"]),
            "sizeBytes": point.get("BackupSizeInBytes", 0),
        }
        for page in listed
        for point in page
    ]


def look_up(work: VaultWork, resource_arn: str, cut_off: datetime, but: Container[str] = ()) -> Selected | None:
    """The points of one resource as the vault shows them now, chosen anew; None if it shows none but those in `but`.

    No more than the plan's number of candidates is kept when points are selected: the others are looked up.
    """
    selection = Selection(work.plan, cut_off, now())
    for page in pages(work.vault["restoreAccessBackupVaultName"], ByResourceArn=resource_arn):
        selection.add(point for point in page if point["RecoveryPointArn"] not in but)
    return next(selection.results(), None)


def chosen(work: VaultWork, resource_arn: str, point_arn: str, cut_off: datetime) -> tuple[dict[str, Any], str]:
    """The point that the operator names, and why it is taken, with what speaks against it.

    Raises `InvalidInput` if it can't be read in this vault or is not one of the resource.
    """
    copy = "copy a point's ARN from the restore-access vault and give it once more."
    try:
        point = client("backup").describe_recovery_point(
            BackupVaultName=work.vault["restoreAccessBackupVaultName"], RecoveryPointArn=point_arn
        )
    except ClientError as error:
        if is_transient(error):
            raise
        raise InvalidInput(f"point {point_arn} can't be read: {error.response['Error']['Code']}.", copy) from error
    if point.get("ResourceArn") != resource_arn:
        raise InvalidInput(f"point {point_arn} is one of {point.get('ResourceArn')}.", copy)
    judge = Judge(work.plan.points, cut_off, now())
    candidate, warning = judge(point | {"RecoveryPointArn": point_arn}, own_scan(point))
    return candidate.record() | {"chosen": True}, chosen_why(warning)


def scan_before_restore(work: VaultWork, resource_type: str, point_arn: str) -> str:
    """What the scans of one point say now; empty for a type that can't be scanned, or if the plan ignores scans.

    What can't be read is unknown. Raises ClientError if it may be readable later, or if the plan requires a scan.
    """
    if resource_type not in SCANNABLE or work.plan.points.malware == "ignore":
        return ""
    try:
        described = client("backup").describe_recovery_point(
            BackupVaultName=work.vault["restoreAccessBackupVaultName"], RecoveryPointArn=point_arn
        )
    except ClientError as error:
        if is_transient(error) or work.plan.points.malware == "require":
            raise
        return f"scan unknown, the point can't be described: {error.response['Error']['Code']}"
    return own_scan(described)


def is_passed_over(work: VaultWork, scan: str) -> bool:
    """Whether the plan passes over a point for what its scans say."""
    return scan == INFECTED or (work.plan.points.malware == "require" and scan not in ("", CLEAN))
