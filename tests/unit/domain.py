"""Builders for the tests of the domain: a recovery plan, ledger records, and services that answer as told."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from airlift import aws
from airlift.ledger import Record, item_key, keyed, lock_key, recovery_key, vault_key
from airlift.plan import Plan
from airlift.plan_store import plan_at
from airlift.values import stamp
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from airlift.ledger import Ledger
    from airlift.vaults import VaultWork

REGION = "ap-northeast-1"
ACCOUNT = "111122223333"
RECOVERY_ID = f"r-20261124-{ACCOUNT}-ab12"
EXECUTION = f"arn:aws:states:{REGION}:444455556666:execution:airlift-recovery:first"
SECOND_EXECUTION = EXECUTION.replace(":first", ":second")
VAULT = f"arn:aws:backup:{REGION}:{ACCOUNT}:backup-vault:production-airgapped"
SECOND_VAULT = VAULT.replace("production", "second")
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
TABLE = "airlift-ledger"
BUCKET = "airlift-evidence"
WORKING_BUCKET = "airlift-working"
EVENT = {"recoveryId": RECOVERY_ID, "executionArn": EXECUTION, "sourceBackupVaultArn": VAULT}


def plan_document(**fields: Any) -> dict[str, Any]:
    """A plan that protects one account with two vaults."""
    document = {
        "version": 1,
        "accounts": [{"id": ACCOUNT, "vaults": [{"arn": VAULT}, {"arn": SECOND_VAULT}]}],
        "detectors": ["777788889999"],
        "triggers": {"guardDuty": {"allow": "request"}},
    }
    return document | fields


def a_plan(**fields: Any) -> Plan:
    """That plan, read."""
    return Plan.from_document(plan_document(**fields))


def kept_plan(text: str) -> str:
    """Keeps a plan's document in the evidence bucket, as it is kept when it is read, and gives its key."""
    key = f"plans/{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    plan_at.cache_clear()
    return key


def table_arn(name: str) -> str:
    """A table of the compromised account."""
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"


def point_arn(name: str) -> str:
    """A recovery point of the vault."""
    return f"arn:aws:backup:{REGION}:{ACCOUNT}:recovery-point:{name}"


@lru_cache
def sdk(service: str, region: str = REGION) -> Any:
    """boto3's client, made once for all tests, since making one takes long; moto answers it whenever it plays."""
    make: Any = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none").client
    return make(service, region_name=region)


def ago(**time: float) -> datetime:
    """So long before NOW."""
    return NOW - timedelta(**time)


def an_item(name: str = "orders", **attributes: Any) -> Record:
    """A selected table that waits, with two points: `new` from an hour ago and `old` from two days ago."""
    arn = attributes.get("resourceArn", table_arn(name))
    candidates = [
        {"arn": point_arn("new"), "createdAt": stamp(ago(hours=1)), "sizeBytes": 10},
        {"arn": point_arn("old"), "createdAt": stamp(ago(days=2)), "sizeBytes": 10},
    ]
    values = {
        "resourceArn": arn,
        "resourceType": "DynamoDB",
        "wave": 0,
        "waveName": "unmatched",
        "priority": 0,
        "state": "waiting",
        "attempt": 1,
        "attempts": [],
        "candidates": candidates,
        "candidate": 0,
        "chosenWhy": "newest of 2 points that is usable",
        "wanted": True,
        "open": f"0000#0000#{arn}",
    } | attributes
    if values["state"] in ("validated", "restored"):
        values = {"jobId": "job", "createdResourceArn": table_arn("restored")} | values
    return keyed(item_key(RECOVERY_ID, VAULT, arn), **values)


def a_recovery(**attributes: Any) -> Record:
    """A recovery of two hours ago, whose first sign is half an hour old."""
    values = {
        "recoveryId": RECOVERY_ID,
        "account": ACCOUNT,
        "mode": "real",
        "state": "RUNNING",
        "reason": "keys stolen",
        "firstSign": stamp(ago(minutes=30)),
        "createdAt": stamp(ago(hours=2)),
        "executionArn": EXECUTION,
        "planVersion": "0123456789ab",
        "planKey": "plans/0123456789ab.json",
        "vaults": [VAULT],
    }
    return keyed(recovery_key(RECOVERY_ID), **(values | attributes))


def a_vault(**attributes: Any) -> Record:
    """A vault that was granted and selected from an hour ago."""
    values = {
        "sourceBackupVaultArn": VAULT,
        "order": 0,
        "executionName": f"{RECOVERY_ID}-0-01234567",
        "state": "RESTORING",
        "restoreAccessBackupVaultName": f"{RECOVERY_ID}-aaaaaa-1",
        "requestedAt": stamp(ago(hours=2)),
        "grantedAt": stamp(ago(hours=1)),
        "selectedAt": stamp(ago(hours=1)),
        "selected": 1,
        "plannedBy": "0123456789ab",
    }
    return keyed(vault_key(RECOVERY_ID, VAULT), **(values | attributes))


def a_lock(execution_arn: str = EXECUTION, recovery_id: str = RECOVERY_ID, **attributes: Any) -> Record:
    """The lock of the protected account."""
    values = {"recoveryId": recovery_id, "executionArn": execution_arn, "takenAt": stamp(ago(hours=2))} | attributes
    return keyed(lock_key(ACCOUNT), **values)


def stored(work: VaultWork, record: Record) -> Record:
    """A record as the ledger holds it now."""
    found = work.ledger.get((record["pk"], record["sk"]))
    assert found
    return found


def texts(ledger: Ledger, kind: str = "") -> list[str]:
    """The timeline's texts, of one kind or of all."""
    entries = ledger.query(recovery_key(RECOVERY_ID)[0], "TIMELINE#")
    return [entry["text"] for entry in entries if kind in ("", entry["kind"])]


def published(topics: Service, topic: str = "people") -> list[dict[str, Any]]:
    """What was published to a topic, oldest first."""
    return [request for request in topics.requests("publish") if request["TopicArn"].endswith(topic)]


def refused(code: str, message: str = "", status: int = 400, operation: str = "Operation") -> ClientError:
    """What boto3 raises for an error of AWS."""
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


class Service:
    """A client that answers as told, and remembers what it was asked; parameters are held against botocore's model.

    An answer is a value, an exception to raise, or a function of the request.
    """

    def __init__(self, name: str, **answers: Any) -> None:
        self._client = sdk(name)
        self.exceptions = self._client.exceptions
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        if operation not in self._client.meta.method_to_api_mapping:
            raise AttributeError(operation)
        return lambda **request: self._answer(operation, request)

    def get_paginator(self, operation: str) -> Any:
        """A paginator of one page."""
        service = self

        class Pages:
            def paginate(self, PaginationConfig: Any = None, **request: Any) -> Iterator[Any]:  # noqa: N803
                yield service._answer(operation, request)

        return Pages()

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """What this operation was asked for."""
        return [request for asked, request in self.asked if asked == operation]

    def error(self, name: str, message: str = "") -> Exception:
        """The service's own exception of this name."""
        made: Exception = getattr(self.exceptions, name)({"Error": {"Code": name, "Message": message}}, "Operation")
        return made

    def _answer(self, operation: str, request: dict[str, Any]) -> Any:
        model = self._client.meta.service_model
        shape = model.operation_model(self._client.meta.method_to_api_mapping[operation]).input_shape
        validate_parameters(request, shape)
        self.asked.append((operation, request))
        answer = self.answers[operation]
        if callable(answer):
            answer = answer(**request)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Services:
    """Puts services in place of boto3's clients, in every module of the domain that is loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._made: dict[str, Service] = {}
        real = aws.client

        def client(service: str, region: str | None = None) -> Any:
            return self._made.get(service) or real(service, region)

        for name, module in list(sys.modules.items()):
            if name.startswith("airlift.") and module is not aws and module.__dict__.get("client") is real:
                monkeypatch.setattr(module, "client", client)

    def play(self, name: str, **answers: Any) -> Service:
        """Makes the service answer so."""
        self._made[name] = Service(name, **answers)
        return self._made[name]
