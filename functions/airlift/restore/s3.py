"""S3 buckets.

AWS Backup restores into a bucket that exists and is versioned, so `prepare` makes a new one.

IAM actions, on arn:aws:s3:::<restored bucket>:
- needs: s3:GetBucketVersioning on the bucket that a plan names
- prepare: s3:CreateBucket, PutBucketVersioning, PutBucketPublicAccessBlock, PutEncryptionConfiguration,
  PutBucketPolicy, PutBucketTagging, GetBucketTagging, PutBucketOwnershipControls, GetBucketVersioning (a bucket that
  the plan names)
- finish: none
- validate: s3:GetBucketVersioning, ListBucket
- delete: s3:ListBucketVersions, DeleteObject, DeleteObjectVersion, ListBucketMultipartUploads, AbortMultipartUpload,
  DeleteBucket
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING

from airlift.errors import MetadataRefused
from airlift.names import derived_name
from airlift.points import is_continuous
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.bucket import check_bucket, delete_bucket, make_bucket
from airlift.restore.common import assemble, resource_id, verdict
from airlift.values import parse_time, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

# A COMPLETED job may have failed in part: "One or more objects failed to be restored", "There are no objects
# that match" (AWS Backup Developer Guide, "Restore S3 data").
SPEAKS_OF_LOSS = re.compile(r"fail|no objects|not restored", re.IGNORECASE)


class S3(Family):
    """Buckets. Object tags and metadata come back by themselves, what belongs to the bucket does not."""

    resource_types = ("S3",)
    accepted_keys = frozenset(
        {
            "DestinationBucketName",
            "EncryptionType",
            "ItemsToRestore",
            "KMSKey",
            "RestoreACLs",
            "RestoreLatestVersionsUpTo",
            "RestoreTime",
        }
    )
    option_keys = frozenset({"bucketPrefix", "kmsKeyId", "restoreTime"})
    copies_source_tags = False

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """Bucket, encryption, moment. EncryptionType's default "original" would need the source's key."""
        plan = assemble(self, target.metadata)
        wished = plan.pop("RestoreTime", None) or target.options.get("restoreTime")
        key = plan.get("KMSKey") or target.options.get("kmsKeyId")
        encryption = plan.get("EncryptionType") or ("SSE-KMS" if key else "SSE-S3")
        own = {
            "DestinationBucketName": _own_bucket(point, target),
            "EncryptionType": encryption,
            "KMSKey": key if encryption == "SSE-KMS" else None,
            "RestoreACLs": False,
            "RestoreTime": _restore_time(point, wished),
        }
        return assemble(self, own, plan)

    def needs(self, target: Target) -> Iterator[Callable[[Clients], None]]:
        """The bucket that the plan names itself."""
        if bucket := assemble(self, target.metadata).get("DestinationBucketName"):
            yield lambda clients: check_bucket(clients("s3"), bucket, target.account)

    def prepare(self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
        """Makes the bucket: private, encrypted, TLS only, versioned, tagged.

        A bucket that the plan names itself is taken as it is and must be versioned.
        Raises `MetadataRefused` if the bucket belongs to another account, is missing or is not versioned.
        """
        client, bucket = clients("s3"), metadata["DestinationBucketName"]
        if bucket == _own_bucket(point, target):
            make_bucket(client, point, target, metadata)
        else:
            check_bucket(client, bucket, target.account)

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Nothing: `prepare` tagged the bucket, so that the bucket of a failed job is known too."""
        return Finishing(True)

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """The job's message, versioning, and whether there is an object at all; they are not counted."""
        client, bucket = clients("s3"), resource_id(restored.created_resource_arn)
        this = {"Bucket": bucket, "ExpectedBucketOwner": restored.target.account}
        try:
            versioning = client.get_bucket_versioning(**this).get("Status", "never enabled")
        except client.exceptions.NoSuchBucket:
            return Validation(False, f"bucket {bucket} does not exist")
        message = restored.status_message
        objects = client.list_objects_v2(**this, MaxKeys=1)["KeyCount"]
        return verdict(
            f"bucket {bucket} versioned, holds objects (not counted), the restore job reports no failed one",
            (not SPEAKS_OF_LOSS.search(message), f"the restore job says: {message}"),
            (versioning == "Enabled", f"versioning of bucket {bucket} is {versioning}, not Enabled"),
            (objects > 0, f"bucket {bucket} holds no object"),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """The bucket's name."""
        return {"bucket": resource_id(restored.created_resource_arn)}

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """Versions, delete markers and unfinished uploads, then the bucket; as much of it as one call may take."""
        bucket = restored.metadata["DestinationBucketName"]
        if bucket != _own_bucket(restored.point, restored.target):
            return Finishing(True, doing=f"bucket {bucket} is the plan's own and stays")
        return delete_bucket(clients("s3"), bucket, restored.target.account)


def _own_bucket(point: RecoveryPoint, target: Target) -> str:
    source = f"{target.options.get('bucketPrefix', '')}{resource_id(point.resource_arn)}"
    return derived_name(target, source, alphabet="a-z0-9-", longest=63, lower=True)


def _restore_time(point: RecoveryPoint, wished: str | None) -> str | None:
    """The moment that a continuous point is restored to, which the job needs (restoring-s3.html); None for a snapshot.

    The plan may wish for an earlier one than the point was selected for, never for a later: that is not clean.
    """
    try:
        moment = parse_time(wished) if wished else None
    except ValueError as error:
        raise MetadataRefused(
            f"The plan's RestoreTime {wished} is no moment.", "write it like 2021-11-27T03:30:27Z, or remove it."
        ) from error
    latest = point.restore_time
    if latest is None and is_continuous(point.arn):
        raise MetadataRefused(
            f"The continuous point of {point.resource_arn} was selected without a moment to restore it to.",
            "set the first sign of compromise with `airlift first-sign`, then restore this bucket again.",
        )
    if latest is None:
        if moment and point.created_at > moment:
            raise _too_late(point, f"wants it as of {wished}", f"is a snapshot of {stamp(point.created_at)}")
        return None
    if moment and moment > latest:
        raise _too_late(point, f"wants it as of {wished}", f"may be used up to {stamp(latest)}")
    return f"{(moment or latest).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _too_late(point: RecoveryPoint, plan: str, this: str) -> MetadataRefused:
    return MetadataRefused(
        f"The point selected for {point.resource_arn} {this}; the plan {plan}.",
        "remove the restore time from the plan's targets, or restore the bucket from an older point.",
    )
