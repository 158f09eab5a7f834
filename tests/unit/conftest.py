"""Fixtures of the domain's tests: the stack's ledger, bucket and topics in moto, and a clock that stands still."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import airlift.advancing
import airlift.closing
import airlift.preparing
import airlift.receiving
import airlift.selecting
import airlift.settling  # noqa: F401 (loaded so that `services` finds every module)
import boto3
import pytest
import time_machine
from airlift import aws
from airlift.ledger import Ledger, Put
from airlift.plan_store import plan_at
from airlift.vaults import VaultWork
from moto import mock_aws

from local.simulation.inline import without_threads
from tests.unit import domain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airlift.ledger import Record

_MACHINE = f"arn:aws:states:{domain.REGION}:444455556666:stateMachine:airlift"
_FUNCTION = f"arn:aws:lambda:{domain.REGION}:444455556666:function:airlift"
_KEYS = ("pk", "sk", "open")


def _by(sort_key: str) -> list[Any]:
    return [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": sort_key, "KeyType": "RANGE"}]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The recovery account with what the template makes, at `domain.NOW`."""
    aws.client.cache_clear()
    plan_at.cache_clear()
    with mock_aws(), time_machine.travel(domain.NOW, tick=False), without_threads():
        monkeypatch.setattr(
            boto3, "client", lambda name, region_name=None, **_: domain.sdk(name, region_name or domain.REGION)
        )
        aws.client("dynamodb").create_table(
            TableName=domain.TABLE,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in _KEYS],
            KeySchema=_by("sk"),
            LocalSecondaryIndexes=[
                {"IndexName": "open", "KeySchema": _by("open"), "Projection": {"ProjectionType": "ALL"}}
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        for bucket in (domain.BUCKET, domain.WORKING_BUCKET):
            location = {"LocationConstraint": domain.REGION}
            aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
        aws.client("events").create_event_bus(Name="airlift-incidents")
        settings = {
            "LEDGER_TABLE": domain.TABLE,
            "EVIDENCE_BUCKET": domain.BUCKET,
            "MAP_PARAMETERS": "false",
            "WORKING_BUCKET": domain.WORKING_BUCKET,
            "PEOPLE_TOPIC_ARN": aws.client("sns").create_topic(Name="people")["TopicArn"],
            "CHAT_TOPIC_ARN": aws.client("sns").create_topic(Name="chat")["TopicArn"],
            "PLAN_APPLICATION": "application",
            "PLAN_ENVIRONMENT": "environment",
            "PLAN_PROFILE": "profile",
            "RESTORE_ROLE_ARN": "arn:aws:iam::444455556666:role/airlift-restore",
            "REQUESTER_ROLE_ARN": "arn:aws:iam::444455556666:role/airlift-requester",
            "RECOVERY_STATE_MACHINE_ARN": f"{_MACHINE}-recovery",
            "VAULT_RECOVERY_STATE_MACHINE_ARN": f"{_MACHINE}-vault-recovery",
            "CLOSE_RECOVERY_FUNCTION_ARN": f"{_FUNCTION}-close",
            "SETTLE_RESTORE_FUNCTION_ARN": f"{_FUNCTION}-settle",
            "STARTER_ROLE_ARN": "arn:aws:iam::444455556666:role/airlift-starter",
            "INCIDENT_BUS": "airlift-incidents",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield
    aws.client.cache_clear()
    plan_at.cache_clear()


@pytest.fixture
def ledger(stack: None) -> Ledger:
    """The stack's ledger, empty."""
    return Ledger(aws.client("dynamodb"), domain.TABLE)


@pytest.fixture
def services(stack: None, monkeypatch: pytest.MonkeyPatch) -> domain.Services:
    """Takes the place of boto3's clients."""
    return domain.Services(monkeypatch)


@pytest.fixture
def given(ledger: Ledger) -> Callable[..., None]:
    """Writes records as they are."""

    def put(*records: Record) -> None:
        ledger.write(*(Put(record, replace=True) for record in records))

    return put


@pytest.fixture
def work(ledger: Ledger, given: Callable[..., None]) -> Callable[..., VaultWork]:
    """Makes the work on a vault whose recovery runs: the items given, recovery, vault and plan with what is changed."""

    def make(*items: Record, recovery: Any = (), vault: Any = (), **plan: Any) -> VaultWork:
        key = domain.kept_plan(json.dumps(domain.plan_document(**plan)))
        running = domain.a_recovery(**({"planKey": key} | dict(recovery)))
        given(domain.a_lock(), running, domain.a_vault(**dict(vault)), *items)
        return VaultWork(dict(domain.EVENT))

    return make
