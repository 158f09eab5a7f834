"""What choosing the points of a large vault costs, against only reading its pages.

`PYTHONPATH=functions python -m bench.planning`. Each line is a process of its own that reads the pages of
ListRecoveryPointsByBackupVault with the real SDK from an HTTP answer made on the spot (making it is not counted), once
without and once with choosing. AWS gives 20 pages of 1,000 points a second, so that 20,000 points a second or more by
choosing alone is faster than AWS can page; the function has 1,024 MB.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from airlift.plan import Plan
from airlift.selection import Selection
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = ((100_000, 1_000), (100_000, 10_000), (100_000, 100_000), (1_000_000, 10_000), (1_000_000, 200_000))
"""Points and resources."""
_PAGE = 1000
_NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
_VAULT = "arn:aws:backup:ap-northeast-1:111122223333:backup-vault:production-airgapped"
_TYPES = (("EBS", "ec2", "volume/vol-"), ("DynamoDB", "dynamodb", "table/table-"), ("S3", "s3", "bucket-"))


@dataclass(frozen=True)
class Measured:
    """One pass over all pages."""

    seconds: float
    """Of CPU time."""
    megabytes: float
    """The process's peak."""
    resources: int
    """How many the pass planned; the rest is left to a further one."""


def _point(number: int, resources: int) -> dict[str, Any]:
    """A listed point as AWS gives it; every third was scanned, some have expired."""
    source, age = number % resources, number // resources
    kind, service, name = _TYPES[source % 3]
    created = (_NOW - timedelta(hours=age, seconds=source % 3600)).timestamp()
    point: dict[str, Any] = {
        "RecoveryPointArn": f"arn:aws:backup:ap-northeast-1:111122223333:recovery-point:{number:08x}-aaaa-bbbb-cccc",
        "BackupVaultName": "r-20261124-111122223333-ab12-aaaaaa-1",
        "BackupVaultArn": _VAULT,
        "SourceBackupVaultArn": _VAULT,
        "ResourceArn": f"arn:aws:{service}:ap-northeast-1:111122223333:{name}{source:017x}",
        "ResourceType": kind,
        "ResourceName": f"{name}{source:x}",
        "IamRoleArn": "arn:aws:iam::111122223333:role/service-role/AWSBackupDefaultServiceRole",
        "Status": "EXPIRED" if number % 50 == 0 else "COMPLETED",
        "CreationDate": created,
        "InitiationDate": created,
        "CompletionDate": created + 900,
        "BackupSizeInBytes": 10**9,
        "CalculatedLifecycle": {"DeleteAt": created + 35 * 86400},
        "Lifecycle": {"DeleteAfterDays": 35},
        "IsEncrypted": True,
        "IsParent": False,
        "VaultType": "RESTORE_ACCESS_BACKUP_VAULT",
    }
    if number % 3 == 0:
        point["AggregatedScanResult"] = {"FailedScan": False, "Findings": [], "LastComputed": created + 3600}
    return point


class _Answer:
    """The body of an HTTP answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def _measure(points: int, resources: int, *, choose: bool) -> Measured:
    """Runs in a process of its own, whose peak is this pass's."""
    client: Any = boto3.client("backup", "ap-northeast-1", config=Config(signature_version=UNSIGNED))
    made = 0.0

    def answer(request: Any, **_: Any) -> AWSResponse:
        nonlocal made
        since = time.process_time()
        start = int(request.url.partition("nextToken=")[2].partition("&")[0] or 0)
        page: dict[str, Any] = {"RecoveryPoints": [_point(n, resources) for n in range(start, start + _PAGE)]}
        if start + _PAGE < points:
            page["NextToken"] = str(start + _PAGE)
        body = _Answer(json.dumps(page).encode())
        made += time.process_time() - since
        headers: Any = HeadersDict({"content-type": "application/json"})
        return AWSResponse(request.url, 200, headers, body)

    client.meta.events.register("before-send.backup", answer)
    plan = Plan.from_document({"version": 1, "accounts": [{"id": "111122223333", "vaults": [{"arn": _VAULT}]}]})
    selection = Selection(plan, _NOW - timedelta(hours=2), _NOW)
    since = time.process_time()
    pages = client.get_paginator("list_recovery_points_by_backup_vault")
    for page in pages.paginate(BackupVaultName="vault", PaginationConfig={"PageSize": _PAGE}):
        if choose:
            selection.add(page["RecoveryPoints"])
    planned = sum(1 for _ in selection.results())
    seconds = time.process_time() - since - made
    return Measured(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, planned)


def apart(points: int, resources: int, *, choose: bool) -> Measured:
    """One pass in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (points, resources), {"choose": choose})


def main() -> None:
    """Prints one line for each size."""
    print(f"{'points':>9} {'resources':>9} {'planned':>9} {'read s':>7} {'choose s':>8} {'points/s':>9} {'MB':>6}")
    for points, resources in CASES:
        read, whole = (apart(points, resources, choose=choose) for choose in (False, True))
        choosing = whole.seconds - read.seconds
        print(
            f"{points:>9,} {resources:>9,} {whole.resources:>9,} {read.seconds:>7.1f} {choosing:>8.1f} "
            f"{points / choosing:>9,.0f} {whole.megabytes:>6.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
