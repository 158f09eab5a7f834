"""Restore jobs, shown with DynamoDB tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.local.refusals import refused
from tests.local.story import OWNER, RECOVERY, REGION, SECURITY, client

if TYPE_CHECKING:
    from tests.local.story import Story

GOOD = {"targetTableName": "orders-r", "encryptionType": "Default"}


@pytest.fixture
def point(story: Story) -> str:
    """A recovery point of a table, seen through a granted restore-access vault."""
    story.prepare()
    arn = story.protect(story.table())
    story.granted()
    return arn


def start(story: Story, point: str, **more: Any) -> str:
    asked: dict[str, Any] = {
        "RecoveryPointArn": point,
        "Metadata": GOOD,
        "IamRoleArn": story.role(RECOVERY),
        "ResourceType": "DynamoDB",
    }
    return str(story.backup().start_restore_job(**(asked | more))["RestoreJobId"])


def test_a_table_comes_back_as_it_was_when_it_was_backed_up(story: Story) -> None:
    story.prepare()
    table = story.table()
    owner = client("dynamodb", OWNER)
    owner.update_time_to_live(TableName="orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    before = owner.scan(TableName="orders")["Items"]
    point = story.protect(table)
    owner.delete_item(TableName="orders", Key={"id": {"S": "order-1"}, "line": {"N": "1"}})
    story.granted()
    job = story.restore(point, GOOD)
    assert job["Status"] == "COMPLETED", job
    assert job["CreatedResourceArn"] == f"arn:aws:dynamodb:{REGION}:{RECOVERY}:table/orders-r"
    assert job["PercentDone"] == "100.00%"
    recovery = client("dynamodb", RECOVERY)
    by_id = {item["id"]["S"]: item for item in recovery.scan(TableName="orders-r")["Items"]}
    assert by_id == {item["id"]["S"]: item for item in before}
    found = recovery.describe_table(TableName="orders-r")["Table"]
    assert [index["IndexName"] for index in found["GlobalSecondaryIndexes"]] == ["by-status"]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert recovery.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"] == []
    assert (
        recovery.describe_time_to_live(TableName="orders-r")["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    )


def test_a_job_is_pending_then_running_then_completed(story: Story, point: str) -> None:
    job = start(story, point)

    def seen() -> tuple[str, str]:
        found = story.backup().describe_restore_job(RestoreJobId=job)
        return found["Status"], found["PercentDone"]

    assert seen() == ("PENDING", "0.00%")
    story.wait(60)
    assert seen() == ("RUNNING", "0.00%")
    story.wait(270)
    assert seen() == ("RUNNING", "50.00%")
    with refused("ResourceNotFoundException"):
        client("dynamodb", RECOVERY).describe_table(TableName="orders-r")
    story.wait(271)
    assert seen() == ("COMPLETED", "100.00%")
    assert story.backup().get_restore_job_metadata(RestoreJobId=job)["Metadata"] == GOOD
    with refused("ResourceNotFoundException"):
        story.backup(OWNER).describe_restore_job(RestoreJobId=job)


def test_a_token_gives_the_same_job_and_is_used_up_by_refused_metadata(story: Story, point: str) -> None:
    job = start(story, point, IdempotencyToken="one")
    assert start(story, point, IdempotencyToken="one") == job
    with refused("InvalidParameterValueException", "Missing: targetTableName"):
        start(story, point, IdempotencyToken="two", Metadata={"encryptionType": "Default"})
    with refused("InvalidParameterValueException", "already used"):
        start(story, point, IdempotencyToken="two")
    assert len(story.backup().list_restore_jobs()["RestoreJobs"]) == 1


def test_calls_that_are_refused(story: Story, point: str) -> None:
    role = story.role(RECOVERY)
    client("iam", RECOVERY).create_role(RoleName="other", AssumeRolePolicyDocument='{"Statement": []}')
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"IamRoleArn": role.replace("backup", "none")}, "InvalidParameterValueException", "cannot be assumed"),
        ({"IamRoleArn": role.replace("backup", "other")}, "InvalidParameterValueException", "cannot be assumed"),
        ({"IamRoleArn": role.replace(RECOVERY, OWNER)}, "AccessDeniedException", "Cross-account"),
        ({"Metadata": GOOD | {"x": "x" * 200 * 1024}}, "InvalidParameterValueException", "200 KB"),
        ({"ResourceType": "EBS"}, "InvalidParameterValueException", "DynamoDB"),
        ({"RecoveryPointArn": point[:-1] + "x"}, "AccessDeniedException", "Insufficient"),
        ({"RecoveryPointArn": point.replace(OWNER, RECOVERY)}, "ResourceNotFoundException", "Recovery point"),
    ]
    for change, code, text in cases:
        story.wait(1)
        with refused(code, text):
            start(story, point, **change)
    story.wait(1)
    with refused("MissingParameterValueException", "IamRoleArn"):
        story.backup().start_restore_job(RecoveryPointArn=point, Metadata=GOOD)
    with refused("AccessDeniedException"):
        story.backup(SECURITY).start_restore_job(RecoveryPointArn=point, Metadata=GOOD, IamRoleArn=story.role(SECURITY))
    story.denied.add((RECOVERY, "iam:PassRole"))
    with refused("AccessDeniedException", "iam:PassRole"):
        start(story, point)
    assert story.backup().list_restore_jobs()["RestoreJobs"] == []


@pytest.mark.parametrize(
    ("metadata", "more", "text"),
    [
        (GOOD | {"originalTableName": "orders"}, {}, "originalTableName"),
        (GOOD | {"TARGETTABLENAME": "twice"}, {}, "repeated"),
        ({"targetTableName": "orders-r"}, {}, "encryption key"),
        (GOOD | {"encryptionType": "AES"}, {}, "encryptionType"),
        (GOOD | {"encryptionType": "KMS"}, {}, "KMS key"),
        (GOOD | {"encryptionType": "KMS", "kmsMasterKeyArn": "alias/none"}, {}, "KMS key"),
        (GOOD | {"targetTableName": "taken"}, {}, "already exists"),
        (GOOD, {"CopySourceTagsToRestoredResource": False}, "CopySourceTags"),
    ],
)
def test_jobs_that_fail(story: Story, point: str, metadata: dict[str, str], more: dict[str, Any], text: str) -> None:
    story.table(RECOVERY, "taken", items=0)
    job = story.restore(point, metadata, **more)
    assert job["Status"] == "FAILED"
    assert text in job["StatusMessage"]
    assert "CreatedResourceArn" not in job


def test_metadata_keys_of_a_table_are_read_in_any_case_and_a_key_of_the_account_is_taken(
    story: Story, point: str
) -> None:
    key = client("kms", RECOVERY).create_key()["KeyMetadata"]["Arn"]
    job = story.restore(
        point,
        {"TargetTableName": "orders-r", "ENCRYPTIONTYPE": "KMS", "kmsmasterkeyarn": key, "aws:backup:request-id": "x"},
    )
    assert job["Status"] == "COMPLETED", job
    found = client("dynamodb", RECOVERY).describe_table(TableName="orders-r")["Table"]
    assert found["SSEDescription"]["KMSMasterKeyArn"] == key


def test_null_metadata_is_refused(story: Story, point: str) -> None:
    from local.aws import Request

    body = f'{{"RecoveryPointArn": "{point}", "Metadata": {{"targetTableName": null}}}}'.encode()
    scope = f"AWS4-HMAC-SHA256 Credential={RECOVERY}/20260101/{REGION}/backup/aws4_request"
    answer = story.world.front.handle(Request("backup", "PUT", "/restore-jobs", "", {"Authorization": scope}, body))
    assert (answer.status, b"InvalidParameterValueException" in answer.body) == (400, True)


def test_a_table_created_meanwhile_fails_the_job(story: Story, point: str) -> None:
    job = start(story, point)
    story.wait(300)
    story.table(RECOVERY, "orders-r", items=0)
    story.wait(301)
    found = story.backup().describe_restore_job(RestoreJobId=job)
    assert (found["Status"], "already exists" in found["StatusMessage"]) == ("FAILED", True)


def test_a_job_whose_vault_goes_fails(story: Story, point: str) -> None:
    job = start(story, point)
    story.wait(300)
    story.backup().delete_backup_vault(BackupVaultName="access")
    story.wait(301)
    assert story.backup().describe_restore_job(RestoreJobId=job)["Status"] == "FAILED"


def test_planned_outcomes_of_jobs(story: Story, point: str) -> None:
    faults = story.world.faults
    table = f"arn:aws:dynamodb:{REGION}:{OWNER}:table/orders"
    faults.fail_restore(table, message="Insufficient capacity.")
    faults.fail_restore("DynamoDB", "ABORTED", "Stopped.")
    outcomes = [story.restore(point, GOOD | {"targetTableName": f"orders-{n}"}) for n in range(3)]
    assert [(one["Status"], one.get("StatusMessage")) for one in outcomes] == [
        ("FAILED", "Insufficient capacity."),
        ("ABORTED", "Stopped."),
        ("COMPLETED", None),
    ]
    assert faults.unhit() == []


def test_jobs_are_listed_in_pages_with_filters(story: Story, point: str) -> None:
    moments = []
    for number in range(5):
        moments.append(story.clock.now())
        start(story, point, Metadata=GOOD | {"targetTableName": f"orders-{number}"})
        story.wait(200)
    backup = story.backup()

    def listed(**filters: Any) -> list[float]:
        pages = backup.get_paginator("list_restore_jobs").paginate(PaginationConfig={"PageSize": 2}, **filters)
        return [one["CreationDate"].timestamp() for page in pages for one in page["RestoreJobs"]]

    assert listed() == moments[::-1]
    assert listed(ByStatus="COMPLETED") == moments[2::-1]
    assert listed(ByCreatedAfter=moments[3]) == [moments[4], moments[3]]
    assert listed(ByCompleteBefore=moments[4]) == moments[1::-1]
    assert listed(ByCompleteAfter=moments[4]) == moments[2:0:-1]
    assert listed(ByResourceType="S3") == listed(ByAccountId=OWNER) == []


def test_a_page_is_not_disturbed_by_jobs_that_start_meanwhile(story: Story, point: str) -> None:
    jobs = [start(story, point, Metadata=GOOD | {"targetTableName": f"t-{number}"}) for number in range(3)]
    first = story.backup().list_restore_jobs(MaxResults=2)
    start(story, point, Metadata=GOOD | {"targetTableName": "t-late"})
    second = story.backup().list_restore_jobs(MaxResults=2, NextToken=first["NextToken"])
    found = [one["RestoreJobId"] for page in (first, second) for one in page["RestoreJobs"]]
    assert found == jobs[::-1]


def test_filters_not_provided_are_named(story: Story) -> None:
    with refused("UnsupportedLocally", "ByRestoreTestingPlanArn"):
        story.backup().list_restore_jobs(ByRestoreTestingPlanArn="arn:x")


def test_a_failure_of_the_emulator_fails_the_job_and_a_fault_of_this_program_shows(
    story: Story, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from local.aws.backup.types import FAMILIES

    def broken(*_: object) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr(FAMILIES["DynamoDB"], "restore", broken)
    job = start(story, point)
    with pytest.raises(RuntimeError, match="a bug"):
        story.wait(601)
    assert story.backup().describe_restore_job(RestoreJobId=job)["Status"] == "FAILED"


def test_a_point_that_is_not_complete_can_not_be_restored(story: Story) -> None:
    story.prepare()
    story.granted()
    job = story.backup(OWNER).start_backup_job(
        BackupVaultName="plain",
        LogicallyAirGappedBackupVaultArn=f"arn:aws:backup:{REGION}:{OWNER}:backup-vault:lag",
        ResourceArn=story.table(),
        IamRoleArn=story.role(OWNER),
        Lifecycle={"DeleteAfterDays": 14},
    )
    with refused("InvalidParameterValueException", "CREATING"):
        start(story, job["RecoveryPointArn"])


def test_a_table_with_provisioned_throughput_keeps_it(story: Story) -> None:
    story.prepare()
    throughput = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
    made = client("dynamodb", OWNER).create_table(
        TableName="slow",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput=throughput,
    )
    point = story.protect(made["TableDescription"]["TableArn"])
    story.granted()
    assert story.restore(point, GOOD)["Status"] == "COMPLETED"
    found = client("dynamodb", RECOVERY).describe_table(TableName="orders-r")["Table"]["ProvisionedThroughput"]
    assert {name: found[name] for name in throughput} == throughput


def test_the_same_seed_gives_the_same_ids(story: Story, point: str) -> None:
    """The world of the story has seed 1."""
    from local.aws.context import Ids

    assert [Ids(1).uuid(), Ids(1).hex(5)] == [Ids(1).uuid(), Ids(1).hex(5)]
    assert Ids(None).uuid() != Ids(None).uuid()
