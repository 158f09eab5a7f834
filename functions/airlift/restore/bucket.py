"""The bucket that an S3 restore goes into."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.restore.base import Finishing
from airlift.restore.common import airlift_tags, tag_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.restore.base import RecoveryPoint, Target

AGAIN_IN_SECONDS = 5
PAGES_A_CALL = 50
"""Of 1,000 versions each: well within the time that one call of a function has."""
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def make_bucket(client: Any, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
    """Makes the bucket of `metadata`: private, encrypted, TLS only, versioned, tagged. May be repeated.

    It can have ACLs, and public ones have no effect: of a backup that was made with ACLs, as backups are unless told
    otherwise, "the destination bucket for the restore must have ACLs enabled; otherwise, the restore job fails"
    (restoring-s3.html). That RestoreACLs is false does not exempt it (inferred).
    Raises `MetadataRefused` if the bucket belongs to another account.
    """
    bucket = metadata["DestinationBucketName"]
    _create(client, bucket, target)
    this = {"Bucket": bucket, "ExpectedBucketOwner": target.account}
    client.put_public_access_block(**this, PublicAccessBlockConfiguration=dict.fromkeys(BLOCKS, True))
    client.put_bucket_policy(**this, Policy=_tls_only(bucket, partition=point.arn.split(":")[1]))
    client.put_bucket_encryption(**this, ServerSideEncryptionConfiguration={"Rules": [_encryption(metadata)]})
    client.put_bucket_versioning(**this, VersioningConfiguration={"Status": "Enabled"})
    _tag(client, this, airlift_tags(point, target))


def check_bucket(client: Any, bucket: str, account: str) -> None:
    """Looks at a bucket that the plan names itself; it is not changed.

    Raises `MetadataRefused` if it is missing or not versioned.
    """
    try:
        status = client.get_bucket_versioning(Bucket=bucket, ExpectedBucketOwner=account).get("Status")
    except client.exceptions.NoSuchBucket as error:
        raise MetadataRefused(
            f"The bucket {bucket}, which the plan names, does not exist.",
            "make it, with versioning, or remove DestinationBucketName from the plan's targets.",
        ) from error
    if status != "Enabled":
        raise MetadataRefused(
            f"The bucket {bucket}, which the plan names, is not versioned, as AWS Backup needs it.",
            "switch its versioning on, or remove DestinationBucketName from the plan's targets.",
        )


def delete_bucket(client: Any, bucket: str, account: str) -> Finishing:
    """Empties the bucket, so many pages a call, and deletes it. May be repeated."""
    this = {"Bucket": bucket, "ExpectedBucketOwner": account}
    try:
        pages = client.get_paginator("list_object_versions").paginate(**this, PaginationConfig={"PageSize": 1000})
        for page in islice(pages, PAGES_A_CALL):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if found:
                objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
                client.delete_objects(**this, Delete={"Objects": objects, "Quiet": True})
        for upload in client.list_multipart_uploads(**this).get("Uploads", []):
            client.abort_multipart_upload(**this, Key=upload["Key"], UploadId=upload["UploadId"])
        client.delete_bucket(**this)
    except client.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchBucket":
            return Finishing(True)
        if code == "BucketNotEmpty":
            return Finishing(False, AGAIN_IN_SECONDS, f"bucket {bucket} is being emptied")
        raise
    return Finishing(True)


def _create(client: Any, bucket: str, target: Target) -> None:
    # us-east-1 is no LocationConstraint. A new bucket takes no ACLs unless it is told to.
    place = {} if target.region == "us-east-1" else {"LocationConstraint": target.region}
    options: dict[str, Any] = {"CreateBucketConfiguration": place} if place else {}
    try:
        client.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerPreferred", **options)
    except client.exceptions.BucketAlreadyOwnedByYou:
        return
    except client.exceptions.BucketAlreadyExists as error:
        raise MetadataRefused(
            f"The bucket {bucket} belongs to another account: bucket names are global.",
            "give S3 another bucketPrefix in the plan's targets, then restore this bucket again.",
        ) from error


def _encryption(metadata: Mapping[str, str]) -> dict[str, Any]:
    if metadata["EncryptionType"] != "SSE-KMS":
        return {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    key = {"KMSMasterKeyID": metadata["KMSKey"]} if "KMSKey" in metadata else {}
    return {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", **key},
        "BucketKeyEnabled": True,
    }


def _tls_only(bucket: str, partition: str) -> str:
    arn = f"arn:{partition}:s3:::{bucket}"
    deny = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [deny]})


def _tag(client: Any, this: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """Adds tags: PutBucketTagging replaces all, also those that an organization's automation put there."""
    try:
        present = client.get_bucket_tagging(**this)["TagSet"]
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchTagSet":
            raise
        present = []
    others = [tag for tag in present if tag["Key"] not in tags]
    client.put_bucket_tagging(**this, Tagging={"TagSet": others + tag_list(tags)})
