"""S3 buckets: periodic recovery points of the newest version of each object, and continuous ones of all changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from local.aws.backup.types.base import RestoreProblem, Snapshot, Target, check_key, flag, gone
from local.aws.errors import invalid_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context

_HEADERS = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Metadata")


@dataclass(frozen=True)
class StoredObject:
    """One object: its body, the arguments that give it back its headers and metadata, its tags."""

    key: str
    body: bytes
    headers: Mapping[str, Any]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Bucket:
    """A bucket's objects."""

    name: str
    objects: tuple[StoredObject, ...]


@dataclass(frozen=True)
class Change:
    """A version of an object, or None for its deletion, and when it came to be, in epoch seconds of Backup's clock."""

    key: str
    moment: float
    stored: StoredObject | None


@dataclass
class History:
    """All changes of a bucket by version id, as far as they were looked at; what was seen is kept."""

    name: str
    account: str
    region: str
    changes: dict[str, Change] = field(default_factory=dict)
    is_followed: bool = True

    def follow(self, context: Context) -> None:
        """Look at what has changed. A bucket that is gone has no more changes."""
        client = context.clients("s3", self.account, self.region)
        if not self.is_followed:
            return
        try:
            pages = list(client.get_paginator("list_object_versions").paginate(Bucket=self.name))
        except client.exceptions.NoSuchBucket:
            return
        for kind in ("Versions", "DeleteMarkers"):
            for found in (one for page in pages for one in page.get(kind, ()) if one["VersionId"] not in self.changes):
                stored = _read(client, self.name, found["Key"], found["VersionId"]) if kind == "Versions" else None
                moment = context.settings.emulator_time(found["LastModified"].timestamp())
                self.changes[found["VersionId"]] = Change(found["Key"], moment, stored)

    def at(self, moment: float) -> tuple[StoredObject, ...]:
        """The objects that were there at that moment."""
        newest: dict[str, Change] = {}
        for change in sorted(self.changes.values(), key=lambda one: one.moment):
            if change.moment <= moment:
                newest[change.key] = change
        return tuple(change.stored for change in newest.values() if change.stored)


class S3:
    """Restores objects into a bucket that exists, versioned and in the same Region (restoring-s3.html)."""

    resource_type = "S3"
    arn_prefix = "arn:aws:s3:::"
    keys = frozenset(
        {
            "DestinationBucketName",
            "EncryptionType",
            "KMSKey",
            "RestoreACLs",
            "RestoreLatestVersionsUpTo",
            "RestoreTime",
        }
    )
    required = frozenset({"DestinationBucketName"})
    any_case = False
    allows_tags = False
    native_arn: str | None = None

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """Every object as it is now."""
        client, name, tags = self._source(context, account, region, arn)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=name)
        objects = tuple(_read(client, name, item["Key"]) for page in pages for item in page.get("Contents", ()))
        return Snapshot(name, sum(len(one.body) for one in objects), Bucket(name, objects), tags)

    def follow(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """A continuous copy: its content goes on to see changes."""
        _, name, tags = self._source(context, account, region, arn)
        history = History(name, account, region)
        history.follow(context)
        size = sum(len(change.stored.body) for change in history.changes.values() if change.stored)
        return Snapshot(name, size, history, tags)

    def _source(self, context: Context, account: str, region: str, arn: str) -> tuple[Any, str, dict[str, str]]:
        """Client, name and tags. The bucket must be versioned, as AWS Backup requires of a source too."""
        client = context.clients("s3", account, region)
        name = arn.removeprefix(self.arn_prefix)
        try:
            client.head_bucket(Bucket=name)
        except ClientError:
            raise gone(arn) from None
        if client.get_bucket_versioning(Bucket=name).get("Status") != "Enabled":
            raise invalid_request(f"Versioning is not enabled on bucket {name}.")
        try:
            found = client.get_bucket_tagging(Bucket=name)["TagSet"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchTagSet":
                raise
            found = []
        return client, name, {tag["Key"]: tag["Value"] for tag in found}

    def restore_metadata(self, _content: Bucket | History) -> dict[str, str | None]:
        """Nothing is published about what AWS returns for S3."""
        return {}

    def check(self, target: Target, content: Bucket | History, metadata: Mapping[str, str]) -> None:
        """The destination, its versioning and Region, ACLs and encryption."""
        if isinstance(content, Bucket) and "RestoreTime" in metadata:
            raise RestoreProblem("Invalid restore metadata. RestoreTime is for continuous recovery points")
        if flag(metadata, "RestoreACLs", "false"):
            raise RestoreProblem("Invalid parameters: RestoreACLs is true and the backup has no ACLs")
        encryption = metadata.get("EncryptionType", "original")
        if encryption not in ("original", "SSE-S3", "SSE-KMS"):
            raise RestoreProblem(f"Invalid restore metadata. EncryptionType {encryption!r}")
        if encryption == "original" and target.crosses_accounts:
            # The source's keys are out of reach; for SSE-S3 AWS may be kinder (inferred).
            raise RestoreProblem("The encryption keys of the original objects can't be used in this account")
        if encryption == "SSE-KMS":
            check_key(target, metadata.get("KMSKey"))
        versions = metadata.get("RestoreLatestVersionsUpTo", "1")
        if versions != "all" and not (versions.isdigit() and int(versions)):
            raise RestoreProblem(f"Invalid restore metadata. RestoreLatestVersionsUpTo {versions!r}")
        client, name = target.client("s3"), metadata["DestinationBucketName"]
        try:
            client.head_bucket(Bucket=name)
            versioning = client.get_bucket_versioning(Bucket=name).get("Status")
            region = client.get_bucket_location(Bucket=name).get("LocationConstraint") or "us-east-1"
        except ClientError as error:
            raise RestoreProblem(f"The destination bucket {name} can't be used: {error}") from error
        if versioning != "Enabled":
            raise RestoreProblem(f"Versioning is not enabled on the destination bucket {name}")
        if region != target.region:
            raise RestoreProblem(f"The destination bucket {name} is in {region}, not in {target.region}")
        if not _takes_acls(client, name):
            raise RestoreProblem(f"ACLs are not enabled on the destination bucket {name}")

    def restore(self, target: Target, content: Bucket | History, metadata: Mapping[str, str]) -> str:
        """Write the objects; a key that exists is skipped."""
        if isinstance(content, History):
            content.follow(target.context)
            objects = content.at(restore_time(metadata))
        else:
            objects = content.objects
        client, name = target.client("s3"), metadata["DestinationBucketName"]
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=name)
        present = {item["Key"] for page in pages for item in page.get("Contents", ())}
        extra = _encryption(metadata)
        for stored in objects:
            if stored.key not in present:
                tagging = {"Tagging": urlencode(stored.tags)} if stored.tags else {}
                client.put_object(Bucket=name, Key=stored.key, Body=stored.body, **stored.headers, **tagging, **extra)
        return f"{self.arn_prefix}{name}"


def _takes_acls(client: Any, bucket: str) -> bool:
    """Whether it can have ACLs, as a bucket must for a backup made with them, whatever RestoreACLs says (inferred)."""
    try:
        rules = client.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "OwnershipControlsNotFoundError":
            raise
        return False  # a new bucket's default
    return all(rule["ObjectOwnership"] != "BucketOwnerEnforced" for rule in rules)


def restore_time(metadata: Mapping[str, str]) -> float:
    """RestoreTime in epoch seconds, from `2021-11-27T03:30:27Z`. Raises RestoreProblem."""
    text = metadata["RestoreTime"]
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError as error:
        raise RestoreProblem(f"Invalid restore metadata. RestoreTime {text!r}") from error


def _read(client: Any, bucket: str, key: str, version: str | None = None) -> StoredObject:
    which = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
    found = client.get_object(**which)
    headers = {name: found[name] for name in _HEADERS if found.get(name)}
    tags = client.get_object_tagging(**which)["TagSet"]
    return StoredObject(key, found["Body"].read(), headers, {tag["Key"]: tag["Value"] for tag in tags})


def _encryption(metadata: Mapping[str, str]) -> dict[str, str]:
    kind = metadata.get("EncryptionType")
    if kind == "SSE-KMS":
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": metadata["KMSKey"]}
    return {"ServerSideEncryption": "AES256"} if kind == "SSE-S3" else {}
