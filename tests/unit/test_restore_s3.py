"""S3 buckets: the bucket that is made, the bucket that the plan names, and what a COMPLETED job may hide."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from airlift.errors import MetadataRefused
from airlift.restore.bucket import BLOCKS
from airlift.restore.s3 import S3
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.restoring import RECOVERY_ID, REGION, REPEATABLE, a_point, a_target, answers, recovery_account, restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients, RecoveryPoint, Target

FAMILY = S3()
POINT = a_point("arn:aws:s3:::orders-documents", "S3", size_bytes=4096)
KEY = "arn:aws:kms:ap-northeast-1:444455556666:key/0a1b2c3d-0000-4000-8000-000000000001"


@pytest.fixture
def clients() -> Iterator[Clients]:
    with recovery_account() as clients:
        yield clients


def prepare(clients: Clients, target: Target) -> str:
    """Twice, as a loop that was interrupted does; gives the bucket."""
    metadata = FAMILY.metadata(POINT, target)
    FAMILY.prepare(clients, POINT, target, metadata)
    FAMILY.prepare(clients, POINT, target, metadata)
    return metadata["DestinationBucketName"]


def test_metadata() -> None:
    assert FAMILY.metadata(POINT, a_target()) == {
        "DestinationBucketName": f"orders-documents-{RECOVERY_ID}-1",
        "EncryptionType": "SSE-S3",
        "RestoreACLs": "false",
    }


def test_keys() -> None:
    with_key = FAMILY.metadata(POINT, a_target(kmsKeyId=KEY))
    assert (with_key["EncryptionType"], with_key["KMSKey"]) == ("SSE-KMS", KEY)
    without = FAMILY.metadata(POINT, a_target(metadata={"encryptiontype": "SSE-S3"}, kmsKeyId=KEY))
    assert "KMSKey" not in without


CONTINUOUS = replace(
    POINT,
    arn=f"arn:aws:backup:{REGION}:111122223333:recovery-point:continuous:orders-documents",
    restore_time=datetime(2026, 11, 24, 7, 15, 0, 999000, tzinfo=UTC),
)
MOMENT = "2026-11-24T07:15:00Z"


@pytest.mark.parametrize(
    ("point", "metadata", "options", "sent"),
    [
        (CONTINUOUS, {}, {}, MOMENT),
        (CONTINUOUS, {"restoretime": "2026-11-23T03:30:27+01:00"}, {}, "2026-11-23T02:30:27Z"),
        (CONTINUOUS, {}, {"restoreTime": MOMENT}, MOMENT),
        (POINT, {}, {}, None),
        (POINT, {"RestoreTime": MOMENT}, {}, None),
    ],
)
def test_a_continuous_point_is_taken_at_the_moment_it_was_selected_for_or_an_earlier_one(
    point: RecoveryPoint, metadata: dict[str, str], options: dict[str, Any], sent: str | None
) -> None:
    assert FAMILY.metadata(point, a_target(metadata=metadata, **options)).get("RestoreTime") == sent


@pytest.mark.parametrize(
    ("point", "wished", "words"),
    [
        (CONTINUOUS, "2026-11-24T07:15:01Z", "may be used up to 2026-11-24T07:15:00.999Z"),
        (POINT, "2026-11-20T02:59:59Z", "is a snapshot of 2026-11-20T03:00:00.000Z"),
        (CONTINUOUS, "yesterday", "is no moment"),
        (replace(CONTINUOUS, restore_time=None), None, "without a moment"),
    ],
)
def test_a_moment_that_would_not_be_clean_is_refused(point: RecoveryPoint, wished: str | None, words: str) -> None:
    with pytest.raises(MetadataRefused, match=words):
        FAMILY.metadata(point, a_target(metadata={"RestoreTime": wished} if wished else {}))


def put(clients: Clients, bucket: str, key: str) -> None:
    """As the restore job does. moto applies a Deny without its Condition, so the policy is taken away for it."""
    s3 = clients("s3")
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    s3.delete_bucket_policy(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)


@REPEATABLE
@given(name=st.text(min_size=1, max_size=63), prefix=st.text("aA-.復", max_size=63), attempt=st.integers(1, 99))
def test_bucket_names_fit_and_sources_stay_apart(name: str, prefix: str, attempt: int) -> None:
    def bucket(source: str) -> str:
        target = a_target(attempt, bucketPrefix=prefix)
        return FAMILY.metadata(a_point(f"arn:aws:s3:::{source}", "S3"), target)["DestinationBucketName"]

    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket(name))
    assert bucket(name).endswith(f"{RECOVERY_ID}-{attempt}")
    assert bucket(name) != bucket(f"{name}2")


def test_a_prefix_goes_before_the_sources_name() -> None:
    name = FAMILY.metadata(POINT, a_target(bucketPrefix="dr-"))["DestinationBucketName"]
    assert name == f"dr-orders-documents-{RECOVERY_ID}-1"


def test_the_bucket_is_versioned_private_encrypted_tls_only_and_tagged(clients: Clients) -> None:
    bucket, s3 = prepare(clients, a_target()), clients("s3")
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == REGION
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == dict.fromkeys(BLOCKS, True)
    statement = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    assert tags == {"airlift:recovery": RECOVERY_ID, "airlift:source": POINT.resource_arn}
    assert FAMILY.finish(clients, restored(FAMILY, POINT, a_target(), f"arn:aws:s3:::{bucket}")).done


def test_a_key_encrypts_the_bucket_and_others_tags_stay(clients: Clients) -> None:
    bucket, s3 = prepare(clients, a_target(kmsKeyId=KEY)), clients("s3")
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    ours = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [*ours, {"Key": "cost", "Value": "dr"}]})
    prepare(clients, a_target(kmsKeyId=KEY))
    assert {tag["Key"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]} == {
        "cost",
        "airlift:recovery",
        "airlift:source",
    }


@pytest.mark.parametrize("acls", ["true", "false"])
def test_a_bucket_can_have_acls_as_a_backup_made_with_them_needs(acls: str) -> None:
    with recovery_account() as clients:
        bucket = prepare(clients, a_target(metadata={"RestoreACLs": acls}))
        rules = clients("s3").get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerPreferred"}]


def test_us_east_1_is_no_location_constraint() -> None:
    with recovery_account():
        s3 = boto3.client("s3", region_name="us-east-1")
        bucket = prepare(lambda _: s3, a_target(region="us-east-1"))
        assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None


def test_a_name_that_another_account_holds_is_refused_with_the_remedy() -> None:
    with (
        answers("s3", ("create_bucket", "BucketAlreadyExists")) as clients,
        pytest.raises(MetadataRefused, match="bucketPrefix"),
    ):
        FAMILY.prepare(clients, POINT, a_target(), FAMILY.metadata(POINT, a_target()))


def test_a_bucket_that_the_plan_names_must_be_there_and_versioned_and_is_not_changed(
    clients: Clients,
) -> None:
    s3, target = clients("s3"), a_target(metadata={"destinationbucketname": "ours"})
    with pytest.raises(MetadataRefused, match="does not exist"):
        prepare(clients, target)
    s3.create_bucket(Bucket="ours", CreateBucketConfiguration={"LocationConstraint": REGION})
    with pytest.raises(MetadataRefused, match="not versioned"):
        prepare(clients, target)
    s3.put_bucket_versioning(Bucket="ours", VersioningConfiguration={"Status": "Enabled"})
    assert prepare(clients, target) == "ours"
    for unset in (s3.get_bucket_tagging, s3.get_bucket_policy):
        with pytest.raises(s3.exceptions.ClientError):
            unset(Bucket="ours")


def test_validation_wants_an_object_and_versioning(clients: Clients) -> None:
    bucket, s3 = prepare(clients, a_target()), clients("s3")
    job = restored(FAMILY, POINT, a_target(), f"arn:aws:s3:::{bucket}")
    assert FAMILY.validate(clients, job).how == f"bucket {bucket} holds no object"
    put(clients, bucket, "帳票/2026 年/a b.txt")
    assert FAMILY.validate(clients, job).ok
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert "is Suspended, not Enabled" in FAMILY.validate(clients, job).how
    gone = restored(FAMILY, POINT, a_target(), "arn:aws:s3:::nothing-here")
    assert FAMILY.validate(clients, gone).how == "bucket nothing-here does not exist"


@pytest.mark.parametrize(
    ("message", "ok"),
    [
        ("", True),
        ("Restore job completed successfully.", True),
        ("One or more objects failed to be restored. To receive notifications, subscribe.", False),
        ("There are no objects that match the restore criteria.", False),
    ],
)
def test_a_completed_job_that_speaks_of_lost_objects_is_not_valid(clients: Clients, message: str, ok: bool) -> None:
    bucket = prepare(clients, a_target())
    put(clients, bucket, "a")
    job = restored(FAMILY, POINT, a_target(), f"arn:aws:s3:::{bucket}", message)
    validation = FAMILY.validate(clients, job)
    assert validation.ok is ok
    assert ok or message in validation.how
