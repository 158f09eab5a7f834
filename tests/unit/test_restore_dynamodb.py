"""DynamoDB tables: metadata, and what is done and looked at after the job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from airlift.restore.dynamodb import DynamoDb
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.restoring import RECOVERY_ID, REPEATABLE, a_point, a_target, answers, recovery_account, restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients

FAMILY = DynamoDb()
SOURCE = "arn:aws:dynamodb:ap-northeast-1:111122223333:table/orders"
POINT = a_point(SOURCE, "DynamoDB", size_bytes=4096)
KEY = "arn:aws:kms:ap-northeast-1:444455556666:key/0a1b2c3d-0000-4000-8000-000000000001"


@pytest.fixture
def clients() -> Iterator[Clients]:
    with recovery_account() as clients:
        yield clients


def make_table(clients: Clients, items: int = 1) -> str:
    client, name = clients("dynamodb"), FAMILY.metadata(POINT, a_target())["targetTableName"]
    attributes = [{"AttributeName": a, "AttributeType": "S"} for a in ("customer", "order", "status")]
    keys = [{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "order", "KeyType": "RANGE"}]
    index = [{"AttributeName": "status", "KeyType": "HASH"}]
    made = client.create_table(
        TableName=name,
        AttributeDefinitions=attributes,
        KeySchema=keys,
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {"IndexName": "by-status", "KeySchema": index, "Projection": {"ProjectionType": "ALL"}}
        ],
    )
    for number in range(items):
        client.put_item(TableName=name, Item={"customer": {"S": "c"}, "order": {"S": str(number)}})
    return str(made["TableDescription"]["TableArn"])


def test_metadata_says_name_and_encryption_only() -> None:
    assert FAMILY.metadata(POINT, a_target()) == {
        "targetTableName": f"orders-{RECOVERY_ID}-1",
        "encryptionType": "Default",
    }
    assert FAMILY.metadata(POINT, a_target(attempt=2))["targetTableName"] == f"orders-{RECOVERY_ID}-2"


def test_a_key_of_the_plan_means_kms_unless_the_plan_says_default() -> None:
    with_key = {"encryptionType": "KMS", "kmsMasterKeyArn": KEY}
    assert with_key.items() <= FAMILY.metadata(POINT, a_target(kmsKeyId=KEY)).items()
    assert with_key.items() <= FAMILY.metadata(POINT, a_target(metadata={"KMSMASTERKEYARN": KEY})).items()
    default = FAMILY.metadata(POINT, a_target(metadata={"encryptiontype": "Default"}, kmsKeyId=KEY))
    assert default["encryptionType"] == "Default"
    assert "kmsMasterKeyArn" not in default


@REPEATABLE
@given(name=st.text(min_size=1, max_size=255), attempt=st.integers(1, 99))
def test_names_fit_dynamodb(name: str, attempt: int) -> None:
    point = a_point(f"arn:aws:dynamodb:ap-northeast-1:111122223333:table/{name}", "DynamoDB")
    made = FAMILY.metadata(point, a_target(attempt))["targetTableName"]
    assert re.fullmatch(r"[a-zA-Z0-9_.-]{3,255}", made)
    assert made.endswith(f"{RECOVERY_ID}-{attempt}")


@REPEATABLE
@given(names=st.sets(st.text("abc注文-", min_size=240, max_size=255), min_size=2, max_size=5))
def test_long_and_foreign_names_stay_apart(names: set[str]) -> None:
    points = [a_point(f"arn:aws:dynamodb:ap-northeast-1:111122223333:table/{name}", "DynamoDB") for name in names]
    assert len({FAMILY.metadata(point, a_target())["targetTableName"] for point in points}) == len(names)


def settle(clients: Clients, created: str, **options: Any) -> list[str]:
    """Calls `finish` until it is done, then once more; gives what it was doing."""
    job = restored(FAMILY, POINT, a_target(**options), created)
    doing = []
    while not (finishing := FAMILY.finish(clients, job)).done:
        assert finishing.again_in_seconds > 0
        doing.append(finishing.doing)
        assert len(doing) < 5
    assert FAMILY.finish(clients, job) == finishing
    return doing


def test_finish_gives_what_aws_backup_does_not(clients: Clients) -> None:
    created = make_table(clients)
    FAMILY.prepare(clients, POINT, a_target(), FAMILY.metadata(POINT, a_target()))
    assert settle(clients, created) == []
    client, name = clients("dynamodb"), created.split("/")[1]
    tags = client.list_tags_of_resource(ResourceArn=created)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "airlift:recovery": RECOVERY_ID,
        "airlift:source": SOURCE,
    }
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    table = client.describe_table(TableName=name)["Table"]
    assert not table.get("StreamSpecification", {}).get("StreamEnabled")
    assert not table["DeletionProtectionEnabled"]


def test_finish_does_what_the_plan_asks_for_one_change_at_a_time(clients: Clients) -> None:
    created = make_table(clients)
    doing = settle(
        clients,
        created,
        timeToLiveAttribute="expires",
        streamViewType="NEW_AND_OLD_IMAGES",
        deletionProtection=True,
        pointInTimeRecovery=False,
        tags={"stage": "recovery"},
    )
    assert [words.split()[-1] for words in doing] == ["StreamSpecification", "DeletionProtectionEnabled"]
    client, name = clients("dynamodb"), created.split("/")[1]
    table = client.describe_table(TableName=name)["Table"]
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["DeletionProtectionEnabled"]
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    assert {"Key": "stage", "Value": "recovery"} in client.list_tags_of_resource(ResourceArn=created)["Tags"]


def table_is(status: str, **more: Any) -> tuple[str, dict[str, Any]]:
    keys = [{"AttributeName": "customer", "KeyType": "HASH"}]
    arn = f"arn:aws:dynamodb:ap-northeast-1:444455556666:table/orders-{RECOVERY_ID}-1"
    return "describe_table", {"Table": {"TableStatus": status, "TableArn": arn, "KeySchema": keys, **more}}


JOB = restored(FAMILY, POINT, a_target(), f"arn:aws:dynamodb:ap-northeast-1:444455556666:table/orders-{RECOVERY_ID}-1")


@pytest.mark.parametrize("status", ["CREATING", "UPDATING"])
def test_finish_comes_back_while_the_table_is_busy(status: str) -> None:
    with answers("dynamodb", table_is(status)) as clients:
        finishing = FAMILY.finish(clients, JOB)
    assert (finishing.done, finishing.again_in_seconds) == (False, 10)
    assert status in finishing.doing


def test_finish_leaves_a_broken_table_to_validation() -> None:
    broken = table_is("INACCESSIBLE_ENCRYPTION_CREDENTIALS")
    with answers("dynamodb", broken, broken) as clients:
        assert FAMILY.finish(clients, JOB).done
        validation = FAMILY.validate(clients, JOB)
    assert not validation.ok
    assert "INACCESSIBLE_ENCRYPTION_CREDENTIALS" in validation.how


def test_finish_comes_back_when_continuous_backups_are_not_there_yet() -> None:
    calls = [table_is("ACTIVE"), ("tag_resource", {})]
    with answers(
        "dynamodb", *calls, ("describe_continuous_backups", "ContinuousBackupsUnavailableException")
    ) as clients:
        assert not FAMILY.finish(clients, JOB).done


@pytest.mark.parametrize("items", [1, 3])
def test_a_table_with_items_is_valid(clients: Clients, items: int) -> None:
    validation = FAMILY.validate(clients, restored(FAMILY, POINT, a_target(), make_table(clients, items)))
    assert validation.ok
    assert "1 global secondary indexes ACTIVE" in validation.how
    assert "six hours" in validation.how


def test_an_empty_table_is_valid_only_if_its_backup_is_empty(clients: Clients) -> None:
    created = make_table(clients, items=0)
    assert not FAMILY.validate(clients, restored(FAMILY, POINT, a_target(), created)).ok
    empty = a_point(SOURCE, "DynamoDB", size_bytes=0)
    assert FAMILY.validate(clients, restored(FAMILY, empty, a_target(), created)).ok


def test_a_missing_table_is_not_valid(clients: Clients) -> None:
    validation = FAMILY.validate(clients, JOB)
    assert not validation.ok
    assert "does not exist" in validation.how


def test_every_problem_is_named() -> None:
    table = table_is(
        "ACTIVE",
        GlobalSecondaryIndexes=[{"IndexName": "by-status", "IndexStatus": "CREATING"}],
        RestoreSummary={"RestoreDateTime": 1, "RestoreInProgress": True},
    )
    with answers("dynamodb", table, ("scan", {"Count": 0})) as clients:
        validation = FAMILY.validate(clients, JOB)
    assert not validation.ok
    assert all(words in validation.how for words in ("by-status is CREATING", "being filled", "empty"))


def test_a_drills_table_goes_without_protection_and_without_a_last_backup(clients: Clients) -> None:
    created = make_table(clients)
    settle(clients, created, deletionProtection=True)
    client, name, pitr = clients("dynamodb"), created.split("/")[1], list[bool]()
    client.meta.events.register(
        "provide-client-params.dynamodb.DeleteTable",
        lambda **_: pitr.append(
            client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"][
                "PointInTimeRecoveryDescription"
            ]["PointInTimeRecoveryStatus"]
            == "ENABLED"
        ),
    )
    job = restored(FAMILY, POINT, a_target(), created)
    doing = []
    while not (finishing := FAMILY.delete(clients, job)).done:
        doing.append(finishing.doing)
        assert len(doing) < 5
    assert [words.split(" of table")[0] for words in doing[:2]] == ["deletion protection", "point-in-time recovery"]
    assert pitr == [False]


def test_deleting_waits_for_continuous_backups_and_ends_with_the_table() -> None:
    for error, done in (("ContinuousBackupsUnavailableException", False), ("TableNotFoundException", True)):
        with answers("dynamodb", table_is("ACTIVE"), ("describe_continuous_backups", error)) as clients:
            assert FAMILY.delete(clients, JOB).done is done
