"""The local cloud itself: who may reach it, and what it checks before anything else."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.cloud.running import RECOVERY, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.desk import Desk

MQTT = 8883


@pytest.fixture
def key(desk: Desk) -> Iterator[dict[str, str]]:
    """An access key of a user without any rights."""
    iam = desk.cloud.client("iam", RECOVERY)
    iam.create_user(UserName="nobody")
    yield iam.create_access_key(UserName="nobody")["AccessKey"]
    for held in iam.list_access_keys(UserName="nobody")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="nobody", AccessKeyId=held["AccessKeyId"])
    iam.delete_user(UserName="nobody")


def client(desk: Desk, service: str, key: str, secret: str) -> Any:
    session: Any = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=REGION)
    return session.client(service, endpoint_url=f"http://127.0.0.1:{desk.cloud.port}")


def test_it_listens_on_127_0_0_1_only(desk: Desk) -> None:
    # A listener on every interface would answer on the other loopback addresses too.
    for port in (desk.cloud.port, MQTT):
        with socket.socket() as probe:
            probe.settimeout(1)
            assert probe.connect_ex(("127.0.0.2", port)) != 0


def test_a_wrong_signature_is_refused_by_the_projects_services_too(desk: Desk, key: dict[str, str]) -> None:
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|InvalidSignature"):
        client(desk, "backup", key["AccessKeyId"], "wrong").list_backup_vaults()


def test_without_a_policy_nothing_is_allowed(desk: Desk, key: dict[str, str]) -> None:
    for service, call in (("backup", "list_backup_vaults"), ("stepfunctions", "list_state_machines")):
        with pytest.raises(ClientError, match="not authorized"):
            getattr(client(desk, service, key["AccessKeyId"], key["SecretAccessKey"]), call)()


def test_services_events_cannot_be_put_by_anybody(desk: Desk) -> None:
    entry = {"Source": "aws.guardduty", "DetailType": "GuardDuty Finding", "Detail": "{}"}
    answer = desk.cloud.client("events", RECOVERY).put_events(Entries=[entry])
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
