"""Records of a recovery as the ledger holds them, for the tests of the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airlift.ledger import Record, item_key, keyed, recovery_key, vault_key, vote_key
from airlift_cli.snapshot import Snapshot

RECOVERY_ID = "r-20261124-111122223333-4f2a"
VAULT = "arn:aws:backup:ap-northeast-1:111122223333:backup-vault:production-airgapped"
EXECUTION = "arn:aws:states:ap-northeast-1:444455556666:execution:airlift-recovery:e1"
NOW = datetime(2026, 11, 24, 8, 38, 30, tzinfo=UTC)


def recovery(**changes: Any) -> Record:
    values: dict[str, Any] = {
        "recoveryId": RECOVERY_ID,
        "account": "111122223333",
        "mode": "real",
        "state": "RUNNING",
        "trigger": {
            "kind": "guardDuty",
            "id": "f1",
            "type": "Exfiltration:S3/AnomalousBehavior",
            "title": "The API GetObject was invoked in an unusual way",
            "sender": "777788889999",
        },
        "reason": "GuardDuty finding Exfiltration:S3/AnomalousBehavior",
        "firstSign": "2026-11-24T08:01:12.000Z",
        "firstSignFrom": "eventFirstSeen of the finding",
        "planVersion": 3,
        "createdAt": "2026-11-24T08:36:03.123Z",
        "executionArn": EXECUTION,
        "vaults": [VAULT],
    }
    return keyed(recovery_key(RECOVERY_ID), **{**values, **changes})


def vault(arn: str = VAULT, **changes: Any) -> Record:
    values: dict[str, Any] = {
        "sourceBackupVaultArn": arn,
        "restoreAccessBackupVaultName": f"{RECOVERY_ID}-3832de-1",
        "order": 0,
        "state": "RESTORING",
        "requestedAt": "2026-11-24T08:36:07.000Z",
        "sessionStatus": "APPROVED",
        "approvals": 2,
        "rejections": 0,
        "threshold": 2,
        "approvers": 3,
        "expiresAt": "2026-11-25T08:36:07.000Z",
        "grantedAt": "2026-11-24T08:36:29.000Z",
        "selected": 6,
        "counts": {"validated": 1, "restored": 0, "failed": 1, "skipped": 1, "held": 1, "running": 1, "waiting": 1},
        "waitingFor": "jobs",
        "nextLookAt": "2026-11-24T08:38:35.000Z",
    }
    return keyed(vault_key(RECOVERY_ID, arn), **{**values, **changes})


def vote(approver: str, response: str = "APPROVED", at: str = "2026-11-24T08:36:20.000Z", request: int = 1) -> Record:
    key = vote_key(RECOVERY_ID, f"{VAULT}#{request}", approver)
    return keyed(key, approver=approver, response=response, at=at, vault=VAULT)


def item(name: str, state: str, *, of_type: str = "DynamoDB", wave: int = 0, **changes: Any) -> Record:
    arn = changes.pop("resourceArn", f"arn:aws:dynamodb:ap-northeast-1:111122223333:table/{name}")
    is_open = state not in ("validated", "restored", "failed", "skipped")
    values: dict[str, Any] = {
        "resourceArn": arn,
        "resourceType": of_type,
        "resourceName": name,
        "vault": VAULT,
        "wave": wave,
        "waveName": ("data", "rest")[wave],
        "priority": 10,
        "state": state,
        "candidates": [{"arn": "arn:point", "createdAt": "2026-11-24T02:00:00.000Z", "sizeBytes": 4096}],
        "candidate": 0,
        "attempt": 1,
        "open": f"{wave:03}#{10:05}#{arn}" if is_open else None,
    }
    return keyed(item_key(RECOVERY_ID, VAULT, arn), **{**values, **changes})


def timeline(at: str, kind: str, text: str, key: str = "a") -> Record:
    pk = recovery_key(RECOVERY_ID)[0]
    return keyed((pk, f"TIMELINE#{at}#{key}"), at=at, kind=kind, text=text)


ITEMS = (
    item(
        "orders",
        "validated",
        startedAt="2026-11-24T08:36:33.000Z",
        endedAt="2026-11-24T08:37:40.000Z",
        createdResourceArn=f"arn:aws:dynamodb:ap-northeast-1:444455556666:table/orders-{RECOVERY_ID}-1",
    ),
    item("sessions", "running", percentDone=60, startedAt="2026-11-24T08:36:34.000Z"),
    item(
        "invoices-2026-and-every-year-before-it",
        "held",
        of_type="S3",
        reason="The destination bucket's KMS key alias/recovery does not exist in 444455556666.",
        nextStep=f"make the key or change targets.types.S3 in the plan, then airlift resume {RECOVERY_ID}",
    ),
    item("vol-0a1b2c3d4e5f60718", "waiting", of_type="EBS", wave=1),
    item(
        "fs-0123456789abcdef0",
        "failed",
        of_type="EFS",
        wave=1,
        reason="No clean recovery point is left.",
        nextStep="choose one: airlift restore-again … --point ARN",
        startedAt="2026-11-24T08:36:34.000Z",
        endedAt="2026-11-24T08:38:00.000Z",
    ),
    item("顧客データ", "skipped", of_type="S3", wave=1, reason="Excluded by the plan."),
)
TIMELINE = (
    timeline("2026-11-24T08:36:03.123Z", "trigger", "GuardDuty finding Exfiltration:S3/AnomalousBehavior"),
    timeline("2026-11-24T08:36:07.000Z", "request", "Access to production-airgapped requested; a team of 3, 2 needed"),
    timeline("2026-11-24T08:36:20.000Z", "vote", "alice APPROVED, 1 of 2"),
    timeline("2026-11-24T08:36:28.000Z", "vote", "bob APPROVED, 2 of 2"),
    timeline("2026-11-24T08:36:29.000Z", "granted", "Access to production-airgapped granted"),
    timeline("2026-11-24T08:36:31.000Z", "selected", "6 resources selected, newest points before 07:46:12"),
    timeline("2026-11-24T08:36:33.000Z", "started", "orders: restore job started", "b"),
)
RUNNING = Snapshot(recovery(), (vault(),), (vote("alice"), vote("bob", at="2026-11-24T08:36:28.000Z")), ITEMS, TIMELINE)
WAVES = [
    {"name": "data", "after": [], "waiting": 0, "running": 1, "held": 1, "done": 1},
    {"name": "rest", "after": ["data"], "waiting": 1, "running": 0, "held": 0, "done": 2},
    {"name": "archives", "after": ["data", "rest"], "waiting": 1200, "running": 0, "held": 0, "done": 0},
]
HISTORY = tuple(
    {
        "recoveryId": f"drill-2026110{day}-111122223333-0a1b",
        "account": "111122223333",
        "createdAt": f"2026-11-0{day}T08:00:00.000Z",
        "approvalSeconds": 60 * day,
        "restoringSeconds": 600 * day,
    }
    for day in (3, 2, 1)
)
WAITING = Snapshot(
    recovery(firstSign=None, firstSignFrom=None),
    (
        vault(
            state="REQUESTED",
            approvals=1,
            grantedAt=None,
            selected=None,
            counts=None,
            sessionStatus="PENDING",
            waitingFor="approval",
        ),
    ),
    (vote("alice"),),
    (),
    TIMELINE[:3],
)
ENDED = Snapshot(
    recovery(
        state="ENDED",
        outcome="ResourcesNotRestored",
        cause="1 of 6 resources failed: fs-0123456789abcdef0. Next step: airlift restore-again",
        endedAt="2026-11-24T08:38:12.000Z",
        reportKey=f"recoveries/{RECOVERY_ID}/summary.json",
    ),
    (
        vault(
            state="ENDED",
            ending={"name": "ResourcesNotRestored", "cause": "1 failed", "at": "2026-11-24T08:38:10.000Z"},
        ),
    ),
    RUNNING.votes,
    ITEMS,
    TIMELINE,
)
