"""Aurora DSQL clusters: one Region, deletion protection as the plan says, and the role that must be there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.restore.dsql import Dsql

from tests.unit.restoring import RECOVERY_ID, REGION, a_point, a_target, answers, recovery_account, restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients, Restored

FAMILY = Dsql()
SOURCE = f"arn:aws:dsql:{REGION}:111122223333:cluster/abcdefghijklmnopqrstuvwxyz"
CREATED = f"arn:aws:dsql:{REGION}:444455556666:cluster/zyxwvutsrqponmlkjihgfedcba"
POINT = a_point(SOURCE, "Aurora DSQL")
KEY = f"arn:aws:kms:{REGION}:444455556666:key/0a1b2c3d"


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    monkeypatch.setenv("MOTO_ALLOW_NONEXISTENT_REGION", "true")  # moto knows DSQL in us-east-1 only
    with recovery_account() as clients:
        yield clients


def test_protection_is_always_said_since_it_is_on_if_nothing_is() -> None:
    region = {"region": REGION, "isDeletionProtectionEnabled": False}
    assert json.loads(FAMILY.metadata(POINT, a_target())["regionalConfig"]) == [region]
    protected = FAMILY.metadata(POINT, a_target(deletionProtection=True, kmsKeyId=KEY))
    assert json.loads(protected["regionalConfig"]) == [region | {"isDeletionProtectionEnabled": True, "kmsKeyId": KEY}]


def test_what_aws_returns_and_refuses_is_not_sent_back() -> None:
    assert not {"cluster_id", "backup_size_bytes"} & FAMILY.accepted_keys


def test_an_account_without_the_service_linked_role_is_told_how_to_make_it(clients: Clients) -> None:
    metadata = FAMILY.metadata(POINT, a_target())
    with pytest.raises(MetadataRefused) as caught:
        FAMILY.prepare(clients, POINT, a_target(), metadata)
    assert "aws iam create-service-linked-role --aws-service-name dsql.amazonaws.com" in caught.value.remedy
    clients("iam").create_role(RoleName="AWSServiceRoleForAuroraDsql", AssumeRolePolicyDocument="{}")
    FAMILY.prepare(clients, POINT, a_target(), metadata)


def test_tagged_protected_validated_and_deleted_again(clients: Clients) -> None:
    dsql = clients("dsql")
    made = dsql.create_cluster(deletionProtectionEnabled=False, kmsEncryptionKey=KEY)
    job = restored(FAMILY, POINT, a_target(deletionProtection=True, kmsKeyId=KEY), made["arn"])
    while not FAMILY.finish(clients, job).done:
        pass
    assert dsql.list_tags_for_resource(resourceArn=made["arn"])["tags"]["airlift:recovery"] == RECOVERY_ID
    assert dsql.get_cluster(identifier=made["identifier"])["deletionProtectionEnabled"]
    validation = FAMILY.validate(clients, job)
    assert validation.ok
    assert validation.how.endswith("ACTIVE, encrypted (CUSTOMER_MANAGED_KMS_KEY); no row was read")
    rounds = [FAMILY.delete(clients, job).done for _ in range(4)]
    assert (rounds[:2], rounds[-1]) == ([False, False], True)
    assert dsql.list_clusters()["clusters"] == []
    assert not FAMILY.validate(clients, job).ok


def cluster_is(state: str, **more: Any) -> tuple[str, dict[str, Any]]:
    cluster = {"identifier": "zyxwvutsrqponmlkjihgfedcba", "arn": CREATED, "status": state, "creationTime": 1}
    return "get_cluster", {**cluster, "deletionProtectionEnabled": False, **more}


def job(**options: Any) -> Restored:
    return restored(FAMILY, POINT, a_target(**options), CREATED)


NOTHING: dict[str, Any] = {}
TAGGED = ("tag_resource", NOTHING)


@pytest.mark.parametrize(
    ("calls", "done"),
    [
        ([cluster_is("CREATING")], False),
        ([cluster_is("INACTIVE"), TAGGED], True),
        ([cluster_is("FAILED")], True),
        ([("get_cluster", "ResourceNotFoundException")], True),
    ],
)
def test_finish_waits_for_what_passes_only(calls: list[tuple[str, dict[str, Any] | str]], done: bool) -> None:
    with answers("dsql", *calls) as clients:
        assert FAMILY.finish(clients, job()).done is done


def test_a_cluster_under_another_key_or_one_that_is_out_of_reach_is_not_valid() -> None:
    encryption = {"encryptionType": "AWS_OWNED_KMS_KEY", "encryptionStatus": "KMS_KEY_INACCESSIBLE"}
    with answers("dsql", cluster_is("FAILED", encryptionDetails=encryption)) as clients:
        how = FAMILY.validate(clients, job(kmsKeyId=KEY)).how
    assert "is FAILED, not ACTIVE" in how
    assert "can't be used" in how
    assert "not under the plan's key" in how


@pytest.mark.parametrize(
    ("calls", "done"),
    [
        ([cluster_is("CREATING")], False),
        ([cluster_is("PENDING_DELETE")], False),
        ([cluster_is("DELETED")], True),
        ([("get_cluster", "ResourceNotFoundException")], True),
    ],
)
def test_delete_waits_too(calls: list[tuple[str, dict[str, Any] | str]], done: bool) -> None:
    with answers("dsql", *calls) as clients:
        assert FAMILY.delete(clients, job()).done is done


def test_a_job_that_made_nothing_leaves_nothing() -> None:
    with answers("dsql") as clients:
        assert FAMILY.delete(clients, restored(FAMILY, POINT, a_target(), "")).done
