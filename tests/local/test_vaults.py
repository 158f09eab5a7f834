"""Vaults, settings, tags; backup and copy jobs and the recovery points they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.local.refusals import refused
from tests.local.story import LAG, MANAGEMENT, OWNER, RECOVERY, REGION, SECURITY, Story, client

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = 86400
PLAIN = LAG.replace(":lag", ":plain")


def test_vaults_are_created_described_listed_and_deleted(story: Story) -> None:
    story.vaults()
    owner = story.backup(OWNER)
    found = owner.describe_backup_vault(BackupVaultName="lag")
    assert (found["VaultType"], found["VaultState"]) == ("LOGICALLY_AIR_GAPPED_BACKUP_VAULT", "AVAILABLE")
    assert (found["MinRetentionDays"], found["MaxRetentionDays"], found["Locked"]) == (7, 30, True)
    assert found["EncryptionKeyType"] == "AWS_OWNED_KMS_KEY"
    names = [one["BackupVaultName"] for one in owner.list_backup_vaults()["BackupVaultList"]]
    assert names == ["plain", "lag"]
    listed = owner.list_backup_vaults(ByVaultType="LOGICALLY_AIR_GAPPED_BACKUP_VAULT", MaxResults=1)
    assert [one["BackupVaultName"] for one in listed["BackupVaultList"]] == ["lag"]
    assert story.backup(SECURITY).list_backup_vaults()["BackupVaultList"] == []
    assert client("backup", OWNER, "eu-west-1").list_backup_vaults()["BackupVaultList"] == []
    owner.delete_backup_vault(BackupVaultName="plain")
    with refused("ResourceNotFoundException"):
        owner.describe_backup_vault(BackupVaultName="plain")
    story.settings.missing_vault_code = "AccessDeniedException"
    with refused("AccessDeniedException"):
        owner.describe_backup_vault(BackupVaultName="plain")


def test_vault_calls_that_are_refused(story: Story) -> None:
    story.vaults()
    owner = story.backup(OWNER)
    for least, most in ((6, 30), (30, 7)):
        with refused("InvalidParameterValueException", "MinRetentionDays"):
            owner.create_logically_air_gapped_backup_vault(
                BackupVaultName="bad", MinRetentionDays=least, MaxRetentionDays=most
            )
    with refused("AlreadyExistsException"):
        owner.create_backup_vault(BackupVaultName="plain")
    with refused("AccessDeniedException", "Insufficient privileges"):
        owner.describe_backup_vault(BackupVaultName="lag", BackupVaultAccountId=SECURITY)


def test_an_account_has_so_many_vaults(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.prepare()
    monkeypatch.setattr("local.aws.backup.state.MAX_VAULTS", 2)
    with refused("LimitExceededException", "2 backup vaults"):
        story.backup(OWNER).create_backup_vault(BackupVaultName="third")
    monkeypatch.setattr("local.aws.backup.state.MAX_VAULTS", 0)
    with refused("LimitExceededException", "0 backup vaults"):
        story.request()


def test_the_creator_request_id_makes_a_creation_repeatable(story: Story) -> None:
    owner = story.backup(OWNER)
    for _ in range(2):
        made = owner.create_backup_vault(BackupVaultName="plain", CreatorRequestId="one")
    assert made["BackupVaultArn"] == PLAIN


def test_only_the_management_account_changes_global_settings(story: Story) -> None:
    for member in (OWNER, SECURITY):
        with refused("InvalidRequestException", "management account"):
            story.backup(member).update_global_settings(GlobalSettings={"isMpaEnabled": "true"})
    with refused("InvalidParameterValueException", "isMpaEnabled"):
        story.backup(MANAGEMENT).update_global_settings(GlobalSettings={"isMpaEnabled": "yes"})
    story.opt_in()
    assert story.backup(SECURITY).describe_global_settings()["GlobalSettings"]["isMpaEnabled"] == "true"
    assert story.backup(RECOVERY).describe_global_settings()["GlobalSettings"]["isMpaEnabled"] == "false"


def test_region_settings_and_supported_types(story: Story) -> None:
    owner = story.backup(OWNER)
    types = owner.get_supported_resource_types()["ResourceTypes"]
    assert types == sorted(types)
    assert {"Aurora", "DocumentDB", "DynamoDB", "EBS", "EC2", "EFS", "Neptune", "S3"} <= set(types)
    owner.update_region_settings(ResourceTypeOptInPreference={"S3": False})
    opted = owner.describe_region_settings()["ResourceTypeOptInPreference"]
    assert (opted["S3"], opted["EBS"]) == (False, True)


def test_tags_of_vaults_and_points(story: Story) -> None:
    story.vaults()
    point = story.protect(story.table(), RecoveryPointTags={"plan": "daily"})
    owner = story.backup(OWNER)
    owner.tag_resource(ResourceArn=LAG, Tags={"a": "1", "b": "2"})
    owner.untag_resource(ResourceArn=LAG, TagKeyList=["a"])
    assert owner.list_tags(ResourceArn=LAG)["Tags"] == {"b": "2"}
    assert owner.list_tags(ResourceArn=point)["Tags"] == {"plan": "daily", "team": "shop"}
    with refused("ResourceNotFoundException"):
        story.backup(SECURITY).list_tags(ResourceArn=LAG)


def test_a_backup_job_runs_and_its_point_appears_at_once_as_creating(story: Story) -> None:
    story.vaults()
    owner = story.backup(OWNER)
    started = story.clock.now()
    table = story.table()
    ask = {"BackupVaultName": "plain", "ResourceArn": table, "IamRoleArn": story.role(OWNER)}
    job = owner.start_backup_job(**ask, IdempotencyToken="one")
    assert owner.start_backup_job(**ask, IdempotencyToken="one")["BackupJobId"] == job["BackupJobId"]
    assert job["RecoveryPointArn"].startswith(f"arn:aws:backup:{REGION}:{OWNER}:recovery-point:")
    points = owner.list_recovery_points_by_backup_vault(BackupVaultName="plain")["RecoveryPoints"]
    assert [one["Status"] for one in points] == ["CREATING"]
    story.wait(30)
    running = owner.describe_backup_job(BackupJobId=job["BackupJobId"])
    assert (running["State"], running["PercentDone"]) == ("RUNNING", "50.0")
    story.wait(30)
    done = owner.list_backup_jobs(ByState="COMPLETED", ByResourceArn=table)["BackupJobs"]
    assert [one["BackupJobId"] for one in done] == [job["BackupJobId"]]
    point = owner.describe_recovery_point(BackupVaultName="plain", RecoveryPointArn=job["RecoveryPointArn"])
    assert (point["Status"], point["ResourceName"]) == ("COMPLETED", "orders")
    assert point["CreationDate"].timestamp() == started
    owner.delete_recovery_point(BackupVaultName="plain", RecoveryPointArn=job["RecoveryPointArn"])
    with refused("ResourceNotFoundException"):
        owner.describe_recovery_point(BackupVaultName="plain", RecoveryPointArn=job["RecoveryPointArn"])


def test_a_copy_keeps_the_sources_creation_date(story: Story) -> None:
    story.vaults()
    owner, role = story.backup(OWNER), story.role(OWNER)
    volume = client("ec2", OWNER).create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    arn = f"arn:aws:ec2:{REGION}:{OWNER}:volume/{volume}"
    job = owner.start_backup_job(BackupVaultName="plain", ResourceArn=arn, IamRoleArn=role)
    assert job["RecoveryPointArn"].startswith(f"arn:aws:ec2:{REGION}::snapshot/snap-")
    ask: dict[str, Any] = {
        "RecoveryPointArn": job["RecoveryPointArn"],
        "SourceBackupVaultName": "plain",
        "DestinationBackupVaultArn": LAG,
        "IamRoleArn": role,
        "Lifecycle": {"DeleteAfterDays": 14},
        "IdempotencyToken": "copy-1",
    }
    with refused("InvalidRequestException", "CREATING"):
        owner.start_copy_job(**ask)
    story.wait(DAY)
    copy = owner.start_copy_job(**ask)["CopyJobId"]
    assert owner.start_copy_job(**ask)["CopyJobId"] == copy
    story.wait(60)
    done = owner.describe_copy_job(CopyJobId=copy)["CopyJob"]
    assert done["State"] == "COMPLETED"
    assert done["DestinationRecoveryPointArn"].startswith(f"arn:aws:backup:{REGION}:{OWNER}:recovery-point:")
    listed = owner.list_recovery_points_by_backup_vault(BackupVaultName="lag")["RecoveryPoints"][0]
    assert listed["CreationDate"] == job["CreationDate"]
    assert listed["SourceBackupVaultArn"] == PLAIN
    assert [one["CopyJobId"] for one in owner.list_copy_jobs(ByDestinationVaultArn=LAG)["CopyJobs"]] == [copy]


@pytest.mark.parametrize("days", [None, 6, 31])
def test_a_point_whose_retention_the_air_gapped_vault_forbids_fails(story: Story, days: int | None) -> None:
    story.vaults()
    owner = story.backup(OWNER)
    lifecycle = {} if days is None else {"Lifecycle": {"DeleteAfterDays": days}}
    job = owner.start_backup_job(
        BackupVaultName="plain",
        LogicallyAirGappedBackupVaultArn=LAG,
        ResourceArn=story.table(),
        IamRoleArn=story.role(OWNER),
        **lifecycle,
    )
    story.wait(60)
    done = owner.describe_backup_job(BackupJobId=job["BackupJobId"])
    assert done["State"] == "FAILED"
    assert "Retention" in done["StatusMessage"]
    assert owner.list_recovery_points_by_backup_vault(BackupVaultName="lag")["RecoveryPoints"] == []


def test_air_gapped_points_can_be_deleted_by_their_retention_only(story: Story) -> None:
    story.vaults()
    point = story.protect(story.table())
    owner = story.backup(OWNER)
    with refused("InvalidRequestException", "retention"):
        owner.delete_recovery_point(BackupVaultName="lag", RecoveryPointArn=point)
    with refused("InvalidRequestException", "contains recovery points"):
        owner.delete_backup_vault(BackupVaultName="lag")
    story.wait(14 * DAY)
    assert owner.list_recovery_points_by_backup_vault(BackupVaultName="lag")["RecoveryPoints"] == []


def test_backups_that_are_refused(story: Story) -> None:
    story.vaults()
    owner, role, table = story.backup(OWNER), story.role(OWNER), story.table()

    def start(resource: str = table, vault: str = "plain", role: str = role, **more: Any) -> Callable[[], Any]:
        return lambda: owner.start_backup_job(BackupVaultName=vault, ResourceArn=resource, IamRoleArn=role, **more)

    cases: list[tuple[Callable[[], Any], str, str]] = [
        (start(vault="lag"), "InvalidParameterValueException", "name a backup vault"),
        (start(LogicallyAirGappedBackupVaultArn=PLAIN), "InvalidParameterValueException", "logically air-gapped"),
        (start(resource=table + "x"), "ResourceNotFoundException", "orders"),
        (start(resource="arn:aws:rds:x:y:db:z"), "InvalidParameterValueException", "no type"),
        (start(resource="arn:aws:s3:::none"), "ResourceNotFoundException", "none"),
        (start(resource=f"arn:aws:ec2:{REGION}:{OWNER}:volume/vol-0"), "ResourceNotFoundException", "vol-0"),
        (
            start(resource=f"arn:aws:elasticfilesystem:{REGION}:{OWNER}:file-system/fs-00000000"),
            "ResourceNotFoundException",
            "fs-",
        ),
        (start(role=role.replace("backup", "none")), "InvalidParameterValueException", "cannot be assumed"),
        (start(role=role.replace(OWNER, SECURITY)), "AccessDeniedException", "Cross-account"),
        (start(role="backup"), "InvalidParameterValueException", "not an IAM role"),
    ]
    for call, code, text in cases:
        with refused(code, text):
            call()
    story.denied.add((OWNER, "iam:PassRole"))
    with refused("AccessDeniedException", "iam:PassRole"):
        start()()


def test_copies_to_other_accounts_and_out_of_restore_access_vaults_are_not_provided(story: Story) -> None:
    story.prepare()
    point = story.protect(story.table())
    story.granted()
    story.backup().create_backup_vault(BackupVaultName="own")
    own = f"arn:aws:backup:{REGION}:{RECOVERY}:backup-vault:own"
    with refused("InvalidRequestException", "RESTORE_ACCESS"):
        story.backup().start_copy_job(
            RecoveryPointArn=point,
            SourceBackupVaultName="access",
            DestinationBackupVaultArn=own,
            IamRoleArn=story.role(RECOVERY),
        )
    job = story.backup(OWNER).start_backup_job(
        BackupVaultName="plain", ResourceArn=story.table(name="other"), IamRoleArn=story.role(OWNER)
    )
    story.wait(60)
    with refused("InvalidRequestException", "not a vault of account"):
        story.backup(OWNER).start_copy_job(
            RecoveryPointArn=job["RecoveryPointArn"],
            SourceBackupVaultName="plain",
            DestinationBackupVaultArn=own,
            IamRoleArn=story.role(OWNER),
        )
    with refused("ResourceNotFoundException"):
        story.backup(OWNER).describe_copy_job(CopyJobId="none")


def test_points_are_listed_in_pages_with_filters(story: Story) -> None:
    story.vaults()
    table = story.table()
    moments = []
    for _ in range(5):
        moments.append(story.clock.now())
        story.protect(table)
        story.wait(3600)
    owner = story.backup(OWNER)

    def listed(**filters: Any) -> list[float]:
        pages = owner.get_paginator("list_recovery_points_by_backup_vault").paginate(
            BackupVaultName="lag", PaginationConfig={"PageSize": 2}, **filters
        )
        return [one["CreationDate"].timestamp() for page in pages for one in page["RecoveryPoints"]]

    assert listed() == moments[::-1]
    assert listed(ByCreatedBefore=moments[2], ByCreatedAfter=moments[1]) == [moments[2], moments[1]]
    assert listed(ByResourceType="EBS") == []
    assert len(listed(ByResourceArn=table)) == 5
    with refused("InvalidParameterValueException", "NextToken"):
        owner.list_recovery_points_by_backup_vault(BackupVaultName="lag", NextToken="guess")
    with refused("InvalidParameterValueException", "MaxResults"):
        owner.list_recovery_points_by_backup_vault(BackupVaultName="lag", MaxResults=1001)


def test_a_restore_access_vault_shows_its_sources_points_while_available(story: Story) -> None:
    story.prepare()
    point = story.protect(story.table())
    story.request()
    backup = story.backup()
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="access")["RecoveryPoints"] == []
    story.vote(story.session())
    listed = backup.list_recovery_points_by_backup_vault(BackupVaultName="access")["RecoveryPoints"]
    assert [(one["RecoveryPointArn"], one["SourceBackupVaultArn"]) for one in listed] == [(point, LAG)]
    found = backup.describe_recovery_point(BackupVaultName="access", RecoveryPointArn=point)
    assert found["VaultType"] == "RESTORE_ACCESS_BACKUP_VAULT"
    metadata = backup.get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=point)
    assert metadata["RestoreMetadata"] == {"originalTableName": "orders"}
    with refused("InvalidParameterValueException", "Restore testing does not support"):
        backup.get_restore_testing_inferred_metadata(BackupVaultName="access", RecoveryPointArn=point)
    with refused("InvalidRequestException"):
        backup.delete_recovery_point(BackupVaultName="access", RecoveryPointArn=point)
    backup.delete_backup_vault(BackupVaultName="access")
    owner = story.backup(OWNER)
    assert len(owner.list_recovery_points_by_backup_vault(BackupVaultName="lag")["RecoveryPoints"]) == 1
