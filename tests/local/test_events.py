"""EventBridge events of AWS Backup, with the odd fields AWS documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.local.story import LAG, OWNER, RECOVERY, REGION

if TYPE_CHECKING:
    from tests.local.story import Story


def test_events_come_in_batches_every_five_minutes(story: Story) -> None:
    story.wait(10)
    story.vaults()
    story.wait(280)
    assert story.events == []
    story.wait(20)
    assert [event["detail"] for event in story.events] == [
        {"backupVaultName": "plain", "state": "CREATED"},
        {"backupVaultName": "lag", "state": "CREATED"},
    ]
    event = story.events[1]
    assert (event["source"], event["detail-type"]) == ("aws.backup", "Backup Vault State Change")
    assert (event["account"], event["region"], event["resources"]) == (OWNER, REGION, [LAG])
    assert event["time"] == "2026-01-01T00:00:10Z"


def test_a_restore_jobs_events_use_state_once_and_status_else(story: Story) -> None:
    story.settings.events_period = 0
    story.prepare()
    point = story.protect(story.table())
    story.granted()
    story.events.clear()
    story.restore(point, {"targetTableName": "t", "encryptionType": "Default"})
    story.world.faults.fail_restore("DynamoDB", message="broken")
    story.restore(point, {"targetTableName": "u", "encryptionType": "Default"})
    details = [event["detail"] for event in story.events]
    assert {event["account"] for event in story.events} == {RECOVERY}
    assert [(one.get("state"), one.get("status")) for one in details] == [
        ("CREATED", None),
        (None, "RUNNING"),
        (None, "COMPLETED"),
        ("CREATED", None),
        (None, "RUNNING"),
        (None, "FAILED"),
    ]
    assert set(details[0]) == {"restoreJobId", "creationDate", "state"}
    assert details[2]["createdResourceArn"].endswith("table/t")
    assert isinstance(details[2]["backupSizeInBytes"], str)
    assert details[5]["statusMessage"] == "broken"
    assert story.events[2]["resources"] == [point]


def test_backup_and_copy_jobs_and_points_have_events_and_restore_access_vaults_none(story: Story) -> None:
    story.settings.events_period = 0
    story.prepare()
    owner, role = story.backup(OWNER), story.role(OWNER)
    job = owner.start_backup_job(BackupVaultName="plain", ResourceArn=story.table(), IamRoleArn=role)
    story.wait(60)
    owner.start_copy_job(
        RecoveryPointArn=job["RecoveryPointArn"],
        SourceBackupVaultName="plain",
        DestinationBackupVaultArn=LAG,
        IamRoleArn=role,
    )
    story.wait(60)
    story.granted()
    story.backup().delete_backup_vault(BackupVaultName="access")
    story.wait(60)
    kinds = [
        (event["detail-type"].removesuffix(" State Change"), event["detail"].get("state")) for event in story.events
    ]
    assert kinds == [
        ("Backup Vault", "CREATED"),
        ("Backup Vault", "CREATED"),
        ("Backup Job", "CREATED"),
        ("Recovery Point", None),
        ("Backup Job", "COMPLETED"),
        ("Copy Job", "CREATED"),
        ("Copy Job", "FAILED"),
    ]
    failed = story.events[-1]["detail"]
    assert isinstance(failed["backupSizeInBytes"], int)
    assert failed["destinationRecoveryPointArn"] == {}
