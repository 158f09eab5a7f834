"""What the report of a large recovery costs: its time and memory, and how big its files get.

`PYTHONPATH=functions python -m bench.report`. Each line is a process of its own. The records come in DynamoDB's form,
in pages of 1 MB, out of a client made for it; the waiting for DynamoDB itself, about 50 ms a page, is not counted.
CloseRecovery has 840 s and 1,024 MB, and on Lambda, with little more than half a processor at that size, takes about
twice as long as here.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airlift.endings import Ending
from airlift.ledger import Ledger, item_key, looked_key
from airlift.mapping import map_of, tfvars
from airlift.plan import Plan
from airlift.report import report
from airlift.report_page import page
from airlift.values import stamp
from boto3.dynamodb.types import TypeSerializer

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (10, 1_000, 10_000, 50_000)
RECOVERY = "r-20261124-111122223333-ab12"
VAULT = "arn:aws:backup:ap-northeast-1:111122223333:backup-vault:production-airgapped"
_BEGAN = datetime(2026, 11, 24, 8, tzinfo=UTC)
_TYPES = (
    ("DynamoDB", "arn:aws:dynamodb:ap-northeast-1:{}:table/orders-{:06}"),
    ("EBS", "arn:aws:ec2:ap-northeast-1:{}:volume/vol-{:017x}"),
    ("EC2", "arn:aws:ec2:ap-northeast-1:{}:instance/i-{:017x}"),
    ("S3", "arn:aws:s3:::{}-documents-{:06}"),
    ("Aurora", "arn:aws:rds:ap-northeast-1:{}:cluster:ledger-{:06}"),
)
_WAVES = ("storage", "databases", "everything else")
_PAGE = 250
"""Records that make about 1 MB."""
_PLAN = {
    "version": 1,
    "accounts": [{"id": "111122223333", "vaults": [{"arn": VAULT}]}],
    "objectives": {"rtoMinutes": 240, "rpoMinutes": 1440},
    "waves": [
        {"name": "storage", "match": [{"types": ["EBS", "S3"]}], "objectives": {"rtoMinutes": 120}},
        {"name": "databases", "match": [{"types": ["Aurora", "DynamoDB"]}]},
        {"name": "everything else", "match": [{"types": ["*"]}]},
    ],
}


@dataclass(frozen=True)
class Measured:
    """One report."""

    seconds: float
    """Of CPU time."""
    megabytes: float
    """The process's peak."""
    page: float
    json: float
    map: float
    """Sizes in MB."""


def later(seconds: float) -> str:
    """A moment so long after the trigger."""
    return stamp(_BEGAN + timedelta(seconds=seconds))


def _arn_of(number: int) -> str:
    """The source's ARN."""
    return _TYPES[number % len(_TYPES)][1].format("111122223333", number)


def item(number: int) -> dict[str, Any]:
    """A resource: most were validated, every twelfth ended otherwise, every twentieth fell back to an older point."""
    kind, arn = _TYPES[number % len(_TYPES)]
    source, restored = _arn_of(number), arn.format("444455556666", number)
    wave = {"EBS": 0, "S3": 0, "Aurora": 1, "DynamoDB": 1}.get(kind, 2)
    started = 2400 + wave * 2700 + number / 4.5
    job, point = (
        f"{number:08X}-2B4C-4D5E-8F60-718293A4B5C6",
        f"arn:aws:backup:ap-northeast-1:111122223333:recovery-point:{number:032x}",
    )
    candidates = [
        {
            "arn": f"{point}-{n}",
            "createdAt": later(-86400 * n - 5400),
            "sizeBytes": 10**9 * n,
            "scan": "NO_THREATS_FOUND",
        }
        for n in range(1, 4)
    ]
    told: dict[str, Any] = {
        "resourceArn": source, "resourceType": kind, "wave": wave, "waveName": _WAVES[wave], "priority": 0,
        "wanted": number % 50 != 49, "attempt": 1, "attempts": [], "candidates": candidates, "candidate": 0,
        "newestUsable": candidates[0]["createdAt"], "chosenWhy": "newest of 3 points that is usable",
        "metadata": {"newName": restored, "encrypted": "true"}, "jobId": job, "startedAt": later(started),
    }  # fmt: skip
    done = started + 600 + (number * 7919) % 3600
    told |= {"completedAt": later(done), "endedAt": later(done + 45), "createdResourceArn": restored}
    if number % 20 == 3:
        told |= {"attempt": 2, "candidate": 1, "chosenWhy": "the newer point failed (EXPIRED)"}
        told["attempts"] = [
            {
                "attempt": 1, "recoveryPointArn": candidates[0]["arn"], "pointTime": candidates[0]["createdAt"],
                "candidate": 0, "jobId": job, "startedAt": later(started), "endedAt": later(started + 240),
                "status": "FAILED", "message": "Recovery point is not available", "class": "point gone",
                "createdResourceArn": "", "metadata": told["metadata"],
            }
        ]  # fmt: skip
        told["startedAt"] = later(started + 260)
    ends: dict[str, Any] = {"state": "validated", "validatedHow": f"{restored} available, encrypted; no data was read"}
    ends["endpoints"] = {"writer": f"{number:06}.cluster-c1.ap-northeast-1.rds.amazonaws.com", "port": "5432"}
    if number % 12 == 7:
        ends = {"state": "held", "reason": "the key can't be used", "endedAt": None, "createdResourceArn": None}
        ends |= {"nextStep": f"let the restore role use the key; then `airlift resume {RECOVERY}`."}
    elif number % 60 == 11:
        ends = {"state": "failed", "reason": "no usable point is left; the last failed: EXPIRED"}
        ends |= {"nextStep": "choose a point by hand: `airlift points`.", "createdResourceArn": None}
    elif number % 60 == 35:
        ends = {"state": "restored", "reason": "restored, but not validated: table holds no item"}
        ends |= {"nextStep": f"look at {restored}; then `airlift restore-again {RECOVERY} {source}`."}
    if not told["wanted"]:
        ends = {"state": "skipped", "reason": "excluded: rebuilt from code", "createdResourceArn": None}
        ends |= dict.fromkeys(("startedAt", "completedAt", "jobId"))
        told["candidates"] = []
    told |= ends
    return {name: value for name, value in told.items() if value is not None}


_SERIALIZER = TypeSerializer()


def _encoded(record: dict[str, Any]) -> dict[str, Any]:
    return {name: _SERIALIZER.serialize(value) for name, value in record.items()}


class _Client:
    """DynamoDB with the records of one recovery."""

    def __init__(self, resources: int) -> None:
        self._resources = resources
        self._order = sorted(range(resources), key=_arn_of)

    def query(self, **request: Any) -> dict[str, Any]:
        values = request["ExpressionAttributeValues"]
        pk, prefix = values[":pk"]["S"], values.get(":prefix", {"S": ""})["S"]
        start = int(request.get("ExclusiveStartKey", 0))
        records = {
            looked_key(RECOVERY, VAULT, "")[0]: self._looked,
            item_key(RECOVERY, VAULT, "")[0]: self._items,
        }.get(pk, self._timeline if prefix.startswith("TIMELINE") else self._votes)
        page_ = [_encoded(record) for record in records(start, start + _PAGE)]
        return {"Items": page_, **({"LastEvaluatedKey": start + _PAGE} if len(page_) == _PAGE else {})}

    def _items(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        return (item(number) for number in self._order[first:last])

    def _looked(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        for one in self._items(first, last):
            points = [{"arn": p["arn"], "at": p["createdAt"], "why": "usable"} for p in one["candidates"]]
            yield {"resourceArn": one["resourceArn"], "looked": points, "rest": {"older than the newest usable": 27}}

    def _timeline(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        """What is about the whole, then three entries for each resource."""
        whole = [
            ("trigger", 0, "Ransom note found"),
            ("request", 40, "Access requested"),
            ("vote", 900, "approved by a"),
        ]
        whole += [("vote", 2300, "approved by b"), ("granted", 2330, "Access granted: 2 approvals, 2 needed")]
        for number in range(first, min(last, len(whole) + 3 * self._resources)):
            if number < len(whole):
                kind, after, text = whole[number]
                yield {"at": later(after), "kind": kind, "text": text, "vault": VAULT}
            else:
                one, which = item((number - len(whole)) // 3), (number - len(whole)) % 3
                kind = ("started", "completed", one["state"])[which]
                text = f"job {one.get('jobId')} {kind}"
                yield {
                    "at": later(2400 + number),
                    "kind": kind,
                    "text": text,
                    "vault": VAULT,
                    "resource": one["resourceArn"],
                }

    def _votes(self, first: int, last: int) -> Iterator[dict[str, Any]]:
        for number, after in enumerate((900, 2300)[first:last]):
            yield {"vault": VAULT, "approver": f"4a6b1c20-000{number}", "response": "APPROVED", "at": later(after)}


def sample(resources: int) -> dict[str, Any]:
    """The report of a recovery of so many resources."""
    recovery = {
        "recoveryId": RECOVERY, "account": "111122223333", "mode": "real", "state": "CLOSING",
        "reason": "GuardDuty saw mass deletion", "firstSign": later(-1800), "firstSignFrom": "GuardDuty",
        "createdAt": later(0), "endedAt": later(18000), "trigger": {"kind": "GuardDuty", "id": "f-1"},
        "planVersion": "0123abcd4567",
    }  # fmt: skip
    vault = {
        "sourceBackupVaultArn": VAULT, "requestedAt": later(40), "grantedAt": later(2330), "approvals": 2,
        "threshold": 2, "selected": resources, "selectedAt": later(2380), "rounds": 160,
    }  # fmt: skip
    ending = Ending(
        "OperatorNeeded", "Only held resources are left. Next step: `airlift resume` when the key can be used."
    )
    ledger, plan = Ledger(_Client(resources), "ledger"), Plan.from_document(_PLAN)
    return report(ledger, recovery, [vault], {VAULT: ending}, ending, plan, _BEGAN + timedelta(seconds=18000))


def _measure(resources: int) -> Measured:
    """Runs in a process of its own, whose peak is this report's."""
    since = time.process_time()
    document = sample(resources)
    html, text = page(document), json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    old_to_new = tfvars(map_of(document))
    seconds = time.process_time() - since
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(seconds, peak, *(len(each.encode()) / 1e6 for each in (html, text, old_to_new)))


def main() -> None:
    """Prints one line for each size."""
    print(f"{'resources':>9} {'s':>6} {'MB':>6} {'html MB':>8} {'json MB':>8} {'tfvars MB':>9}")
    for resources in SIZES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            got = pool.apply(_measure, (resources,))
        print(
            f"{resources:>9,} {got.seconds:>6.1f} {got.megabytes:>6.0f} {got.page:>8.2f} {got.json:>8.2f} "
            f"{got.map:>9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
