"""Continuous recovery points of buckets, made as a plan's schedule makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from tests.local.refusals import refused
from tests.local.story import LAG, OWNER, RECOVERY, REGION, client

if TYPE_CHECKING:
    from tests.local.story import Story

HOUR = 3600.0
SOURCE = "arn:aws:s3:::source"
METADATA = {"DestinationBucketName": "restored", "EncryptionType": "SSE-S3"}


class Bucket:
    """A bucket of the owner that changes at moments of the story's clock, and the plan that backs it up."""

    def __init__(self, story: Story) -> None:
        self.story = story
        story.prepare()
        for account, name in ((OWNER, "source"), (RECOVERY, "restored")):
            s3 = client("s3", account)
            place = {"LocationConstraint": REGION}
            s3.create_bucket(Bucket=name, CreateBucketConfiguration=place, ObjectOwnership="BucketOwnerPreferred")
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        backup = story.backup(OWNER)
        self.plan = backup.create_backup_plan(BackupPlan=plan())["BackupPlanId"]
        chosen = {"SelectionName": "all", "IamRoleArn": story.role(OWNER), "Resources": [SOURCE]}
        backup.create_backup_selection(BackupPlanId=self.plan, BackupSelection=chosen)

    def write(self, key: str, body: bytes | None) -> datetime:
        """Write or delete an object, an hour later; when."""
        self.story.wait(HOUR)
        now = datetime.fromtimestamp(self.story.clock.now(), UTC)
        s3 = client("s3", OWNER)
        with time_machine.travel(now, tick=False):
            if body is None:
                s3.delete_object(Bucket="source", Key=key)
            else:
                s3.put_object(Bucket="source", Key=key, Body=body)
        return now

    def run(self) -> str:
        """The plan's hour; the recovery point's ARN."""
        point = self.story.world.backup.schedule.run_rule(OWNER, REGION, self.plan, "daily", SOURCE)
        self.story.wait(self.story.settings.backup_seconds)
        return point

    def restored(self, point: str, moment: datetime) -> dict[str, bytes]:
        """What a restore to that moment brings back."""
        s3 = client("s3", RECOVERY)
        job = self.story.restore(point, METADATA | {"RestoreTime": text(moment)})
        assert job["Status"] == "COMPLETED", job
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket="restored").get("Contents", ())]
        found = {key: s3.get_object(Bucket="restored", Key=key)["Body"].read() for key in keys}
        for key in keys:
            s3.delete_object(Bucket="restored", Key=key)
        return found


def plan(*, continuous: bool = True) -> dict[str, Any]:
    rule = {
        "RuleName": "daily",
        "TargetBackupVaultName": "plain",
        "TargetLogicallyAirGappedBackupVaultArn": LAG,
        "EnableContinuousBackup": continuous,
        "Lifecycle": {"DeleteAfterDays": 14},
    }
    return {"BackupPlanName": "plan", "Rules": [rule]}


def text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def bucket(story: Story) -> Bucket:
    return Bucket(story)


def test_any_moment_since_it_began_comes_back(story: Story, bucket: Bucket) -> None:
    bucket.write("kept", b"kept")
    bucket.write("ledger", b"first")
    point = bucket.run()
    second = bucket.write("ledger", b"second")
    assert bucket.run() == point  # one a bucket and vault; it goes on
    removed = bucket.write("ledger", None)
    poisoned = bucket.write("kept", b"ENCRYPTED")
    story.granted()
    backup = story.backup()
    found = backup.list_recovery_points_by_backup_vault(BackupVaultName="access")["RecoveryPoints"]
    assert [(one["RecoveryPointArn"], one["Status"]) for one in found] == [(point, "AVAILABLE")]
    assert ":recovery-point:continuous:source-" in point
    assert bucket.restored(point, second) == {"kept": b"kept", "ledger": b"second"}
    assert bucket.restored(point, removed) == {"kept": b"kept"}
    assert bucket.restored(point, poisoned) == {"kept": b"ENCRYPTED"}
    early = found[0]["CreationDate"].astimezone(UTC)
    assert bucket.restored(point, early) == {"kept": b"kept", "ledger": b"first"}


def test_restore_times_that_are_refused(story: Story, bucket: Bucket) -> None:
    before = bucket.write("ledger", b"first") - timedelta(seconds=1)
    point = bucket.run()
    story.granted()
    with refused("InvalidParameterValueException", "RestoreTime"):
        story.restore(point, METADATA)
    for moment in (text(before), "2099-01-01T00:00:00Z", "yesterday"):
        job = story.restore(point, METADATA | {"RestoreTime": moment})
        assert (job["Status"], "RestoreTime" in job["StatusMessage"]) == ("FAILED", True), job


def test_switched_off_it_stays_and_serves_up_to_then(story: Story, bucket: Bucket) -> None:
    bucket.write("ledger", b"first")
    point = bucket.run()
    second = bucket.write("ledger", b"second")
    story.backup(OWNER).update_backup_plan(BackupPlanId=bucket.plan, BackupPlan=plan(continuous=False))
    snapshot = bucket.run()
    third = bucket.write("ledger", b"third")
    story.granted()
    found = story.backup().list_recovery_points_by_backup_vault(BackupVaultName="access")["RecoveryPoints"]
    assert {one["RecoveryPointArn"]: one["Status"] for one in found} == {point: "STOPPED", snapshot: "COMPLETED"}
    assert bucket.restored(point, second) == {"ledger": b"second"}
    job = story.restore(point, METADATA | {"RestoreTime": text(third)})
    assert (job["Status"], "RestoreTime" in job["StatusMessage"]) == ("FAILED", True)


def test_scans_are_seen_through_a_restore_access_vault_unless_the_settings_say_otherwise(
    story: Story, bucket: Bucket
) -> None:
    point = bucket.run()
    story.granted()
    backup, scan = story.backup(), story.world.backup.points.scan

    def seen() -> tuple[Any, Any]:
        listed = backup.list_recovery_points_by_backup_vault(BackupVaultName="access")["RecoveryPoints"][0]
        described = backup.describe_recovery_point(BackupVaultName="access", RecoveryPointArn=point)
        return listed.get("AggregatedScanResult"), described.get("ScanResults")

    assert seen() == (None, None)
    scan(point)
    aggregate, results = seen()
    assert (aggregate["Findings"], aggregate["FailedScan"], len(results)) == ([], False, 1)
    scan(point, "COMPLETED", ["MALWARE"])
    scan(point, "FAILED")
    aggregate, results = seen()
    assert (aggregate["Findings"], aggregate["FailedScan"]) == (["MALWARE"], True)
    assert [one["ScanJobState"] for one in results] == ["FAILED", "COMPLETED", "COMPLETED"]
    story.settings.scan_results_visible = False
    assert seen() == (None, None)
    table = story.protect(story.table())
    with pytest.raises(ValueError, match="DynamoDB"):
        scan(table)
    tags = backup.list_tags(ResourceArn=table)["Tags"]
    assert tags == {"team": "shop"}
