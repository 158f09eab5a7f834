"""S3, EBS and EFS: what comes back and what makes a job fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.local.refusals import refused
from tests.local.story import OWNER, RECOVERY, REGION, client

if TYPE_CHECKING:
    from tests.local.story import Story

KEYS = ("a.txt", "deep/er/b.bin", "with space+plus.txt", "Ünïcode/日本.txt", "percent%20.txt")


def bucket(account: str, name: str, region: str = REGION, *, versioned: bool = True, acls: bool = True) -> Any:
    s3 = client("s3", account, region)
    owner = "BucketOwnerPreferred" if acls else "BucketOwnerEnforced"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region}, ObjectOwnership=owner)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return s3


@pytest.fixture
def objects(story: Story) -> str:
    """A recovery point of a bucket of the owner, seen through a granted vault."""
    story.prepare()
    s3 = bucket(OWNER, "source")
    for key in KEYS:
        s3.put_object(
            Bucket="source",
            Key=key,
            Body=key.encode() * 3,
            ContentType="text/x-airlift",
            CacheControl="no-cache",
            Metadata={"owner": "shop"},
            Tagging="kind=order&who=me%3Dyou%20too",
        )
    point = story.protect("arn:aws:s3:::source")
    for key in KEYS:
        s3.delete_object(Bucket="source", Key=key)
    story.granted()
    return point


S3 = {"DestinationBucketName": "restored", "EncryptionType": "SSE-S3"}


def test_objects_come_back_with_headers_metadata_and_tags(story: Story, objects: str) -> None:
    s3 = bucket(RECOVERY, "restored")
    s3.put_object(Bucket="restored", Key="a.txt", Body=b"mine")
    job = story.restore(objects, S3 | {"RestoreACLs": "false", "RestoreLatestVersionsUpTo": "all"})
    assert (job["Status"], job["CreatedResourceArn"]) == ("COMPLETED", "arn:aws:s3:::restored"), job
    assert {item["Key"] for item in s3.list_objects_v2(Bucket="restored")["Contents"]} == set(KEYS)
    assert s3.get_object(Bucket="restored", Key="a.txt")["Body"].read() == b"mine"
    for key in KEYS[1:]:
        found = s3.get_object(Bucket="restored", Key=key)
        assert found["Body"].read() == key.encode() * 3
        assert (found["ContentType"], found["CacheControl"]) == ("text/x-airlift", "no-cache")
        assert (found["Metadata"], found["ServerSideEncryption"]) == ({"owner": "shop"}, "AES256")
        tags = s3.get_object_tagging(Bucket="restored", Key=key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {"kind": "order", "who": "me=you too"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"DestinationBucketName": "absent"}, "can't be used"),
        ({"DestinationBucketName": "unversioned"}, "Versioning"),
        ({"DestinationBucketName": "elsewhere"}, "eu-west-1"),
        ({"DestinationBucketName": "without"}, "ACLs are not enabled"),
        ({"EncryptionType": "original"}, "encryption keys"),
        ({"EncryptionType": "SSE-C"}, "EncryptionType"),
        ({"EncryptionType": "SSE-KMS"}, "KMS key"),
        ({"EncryptionType": "SSE-KMS", "KMSKey": f"arn:aws:kms:{REGION}:{OWNER}:key/x"}, "KMS key"),
        ({"RestoreACLs": "true"}, "ACLs"),
        ({"RestoreACLs": "perhaps"}, "RestoreACLs"),
        ({"RestoreTime": "2026-01-01T00:00:00Z"}, "RestoreTime"),
        ({"NewBucket": "true"}, "NewBucket"),
        ({"aws:backup:request-id": "x"}, "request-id"),
        ({"RestoreLatestVersionsUpTo": "0"}, "RestoreLatestVersionsUpTo"),
    ],
)
def test_bucket_jobs_that_fail(story: Story, objects: str, change: dict[str, str], text: str) -> None:
    bucket(RECOVERY, "restored")
    bucket(RECOVERY, "unversioned", versioned=False)
    bucket(RECOVERY, "elsewhere", "eu-west-1")
    bucket(RECOVERY, "without", acls=False)
    job = story.restore(objects, S3 | change)
    assert job["Status"] == "FAILED"
    assert text in job["StatusMessage"]


def test_bucket_calls_that_are_refused(story: Story, objects: str) -> None:
    bucket(RECOVERY, "restored")
    with refused("InvalidParameterValueException", "DestinationBucketName"):
        # Another case than the documented one is another key for S3.
        story.restore(objects, {"destinationBucketName": "restored"})
    job = story.restore(objects, S3, CopySourceTagsToRestoredResource=True)
    assert "CopySourceTags" in job["StatusMessage"]
    bucket(OWNER, "plain-bucket", versioned=False)
    with refused("InvalidRequestException", "Versioning"):
        story.protect("arn:aws:s3:::plain-bucket")


def test_objects_are_encrypted_with_a_key_of_the_account(story: Story, objects: str) -> None:
    s3 = bucket(RECOVERY, "restored")
    key = client("kms", RECOVERY).create_key()["KeyMetadata"]["Arn"]
    job = story.restore(objects, S3 | {"EncryptionType": "SSE-KMS", "KMSKey": key})
    assert job["Status"] == "COMPLETED", job
    assert s3.head_object(Bucket="restored", Key="a.txt")["SSEKMSKeyId"] == key


@pytest.fixture
def volume(story: Story) -> str:
    """A recovery point of an encrypted volume, seen through a granted vault."""
    story.prepare()
    made = client("ec2", OWNER).create_volume(
        AvailabilityZone=f"{REGION}a",
        Size=2,
        VolumeType="gp3",
        Encrypted=True,
        KmsKeyId=client("kms", OWNER).create_key()["KeyMetadata"]["Arn"],
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "data"}]}],
    )["VolumeId"]
    story.world.doors.write_volume(OWNER, REGION, made, b"blocks")
    point = story.protect(f"arn:aws:ec2:{REGION}:{OWNER}:volume/{made}")
    story.world.doors.write_volume(OWNER, REGION, made, b"scrambled")
    story.granted()
    return point


def test_a_volume_comes_back_with_its_blocks(story: Story, volume: str) -> None:
    found = story.backup().get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=volume)
    assert found["RestoreMetadata"]["availabilityZone"] is None
    key = client("kms", RECOVERY).create_key()["KeyMetadata"]["Arn"]
    job = story.restore(
        volume,
        {"availabilityzone": f"{REGION}a", "encrypted": "true", "kmsKeyId": key, "volumeSize": "3"},
        CopySourceTagsToRestoredResource=True,
    )
    assert job["Status"] == "COMPLETED", job
    made = job["CreatedResourceArn"].rpartition("/")[2]
    assert story.world.doors.read_volume(RECOVERY, REGION, made) == b"blocks"
    described = client("ec2", RECOVERY).describe_volumes(VolumeIds=[made])["Volumes"][0]
    assert (described["Size"], described["VolumeType"], described["Encrypted"]) == (3, "gp3", True)
    assert described["Tags"] == [{"Key": "Name", "Value": "data"}]
    untagged = story.restore(volume, {"availabilityZone": f"{REGION}c"})
    made = untagged["CreatedResourceArn"].rpartition("/")[2]
    assert "Tags" not in client("ec2", RECOVERY).describe_volumes(VolumeIds=[made])["Volumes"][0]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"availabilityZone": "us-east-1a"}, "does not exist"),
        ({"encrypted": "false"}, "unencrypted"),
        ({"encrypted": "yes"}, "encrypted"),
        ({"kmsKeyId": f"arn:aws:kms:{REGION}:{OWNER}:key/x"}, "KMS key"),
        ({"volumeSize": "1"}, "smaller"),
        ({"iops": "many"}, "iops"),
        ({"volumeId": "vol-1"}, "volumeId"),
    ],
)
def test_volume_jobs_that_fail(story: Story, volume: str, change: dict[str, str], text: str) -> None:
    job = story.restore(volume, {"availabilityZone": f"{REGION}a"} | change)
    assert job["Status"] == "FAILED"
    assert text in job["StatusMessage"]


def test_a_volume_needs_a_zone(story: Story, volume: str) -> None:
    with refused("InvalidParameterValueException", "availabilityZone"):
        story.restore(volume, {"encrypted": "true"})


@pytest.fixture
def files(story: Story) -> str:
    """A recovery point of a file system, seen through a granted vault."""
    story.prepare()
    made = client("efs", OWNER).create_file_system(CreationToken="source", Tags=[{"Key": "Name", "Value": "home"}])
    place = (OWNER, REGION, made["FileSystemId"])
    story.world.doors.write_files(*place, {"etc/app.conf": b"a=1", "ÿ/log": b""})
    point = story.protect(made["FileSystemArn"])
    story.world.doors.write_files(*place, {"etc/app.conf": None})
    story.granted()
    return point


def six_keys(story: Story) -> dict[str, str]:
    return {
        "file-system-id": "fs-12345678",
        "newFileSystem": "true",
        "CreationToken": "recovery-1",
        "Encrypted": "true",
        "KmsKeyId": client("kms", RECOVERY).create_key()["KeyMetadata"]["Arn"],
        "PerformanceMode": "generalPurpose",
    }


def test_files_come_back_under_a_restore_directory_and_without_mount_targets(story: Story, files: str) -> None:
    job = story.restore(files, six_keys(story), CopySourceTagsToRestoredResource=True)
    assert job["Status"] == "COMPLETED", job
    made = job["CreatedResourceArn"].rpartition("/")[2]
    tree = story.world.doors.read_files(RECOVERY, REGION, made)
    assert {path.partition("/")[2]: blob for path, blob in tree.items()} == {"etc/app.conf": b"a=1", "ÿ/log": b""}
    assert {path.partition("_")[0] for path in tree} == {"aws-backup-restore"}
    efs = client("efs", RECOVERY)
    assert efs.describe_mount_targets(FileSystemId=made)["MountTargets"] == []
    found = efs.describe_file_systems(FileSystemId=made)["FileSystems"][0]
    assert (found["Encrypted"], found["Name"]) == (True, "home")
    again = story.restore(files, six_keys(story))
    assert (again["Status"], "CreationToken" in again["StatusMessage"]) == ("FAILED", True)


@pytest.mark.parametrize("key", ["file-system-id", "newFileSystem", "CreationToken", "Encrypted", "PerformanceMode"])
def test_a_file_system_needs_its_keys(story: Story, files: str, key: str) -> None:
    metadata = six_keys(story)
    del metadata[key]
    with refused("InvalidParameterValueException", key):
        story.restore(files, metadata)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"KmsKeyId": ""}, "KMS key"),
        ({"Encrypted": "false"}, "KmsKeyId"),
        ({"newFileSystem": "false"}, "does not exist in this account"),
        ({"PerformanceMode": "fast"}, "PerformanceMode"),
        ({"encrypted": "true"}, "encrypted"),
        ({"ItemsToRestore": "[]"}, "ItemsToRestore"),
    ],
)
def test_file_system_jobs_that_fail(story: Story, files: str, change: dict[str, str], text: str) -> None:
    job = story.restore(files, six_keys(story) | change)
    assert job["Status"] == "FAILED"
    assert text in job["StatusMessage"]


def test_what_is_published_about_each_types_metadata_is_returned(story: Story, files: str) -> None:
    bucket(OWNER, "source")
    backup = story.backup()
    of_bucket = story.protect("arn:aws:s3:::source")

    def metadata(point: str) -> dict[str, str]:
        found = backup.get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=point)
        return dict(found["RestoreMetadata"])

    assert set(metadata(files)) == {"file-system-id"}
    assert metadata(of_bucket) == {}


def test_a_one_zone_file_system_and_an_aws_managed_key(story: Story, files: str) -> None:
    metadata = six_keys(story) | {"KmsKeyId": "alias/aws/elasticfilesystem", "singleAzFilesystem": "true"}
    job = story.restore(files, metadata)
    assert job["Status"] == "COMPLETED", job
    made = job["CreatedResourceArn"].rpartition("/")[2]
    found = client("efs", RECOVERY).describe_file_systems(FileSystemId=made)["FileSystems"][0]
    assert found["AvailabilityZoneName"] == f"{REGION}a"


def test_a_disabled_key_fails_a_job(story: Story, files: str) -> None:
    metadata = six_keys(story)
    client("kms", RECOVERY).disable_key(KeyId=metadata["KmsKeyId"].rpartition("/")[2])
    job = story.restore(files, metadata)
    assert (job["Status"], "KMS key" in job["StatusMessage"]) == ("FAILED", True)
