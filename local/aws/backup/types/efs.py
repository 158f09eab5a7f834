"""EFS file systems; their files come and go through the data door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import RestoreProblem, Snapshot, Target, check_key, flag, gone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context


@dataclass(frozen=True)
class FileSystem:
    """A file system's files by path."""

    file_system_id: str
    files: Mapping[str, bytes]
    tags: Mapping[str, str]


class Efs:
    """Restores a new file system, without mount targets, access points or policy (restoring-efs.html)."""

    resource_type = "EFS"
    arn_prefix = "arn:aws:elasticfilesystem:"
    keys = frozenset(
        {
            "aws:backup:request-id",
            "file-system-id",
            "newFileSystem",
            "CreationToken",
            "Encrypted",
            "KmsKeyId",
            "PerformanceMode",
            "singleAzFilesystem",
            "availabilityZoneName",
        }
    )
    # The page asks for fewer; field reports need all of these, and KmsKeyId with Encrypted=true.
    required = frozenset({"file-system-id", "newFileSystem", "CreationToken", "Encrypted", "PerformanceMode"})
    any_case = False
    allows_tags = True
    native_arn: str | None = None

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """Every file as it is now."""
        file_system_id = arn.rpartition("/")[2]
        client = context.clients("efs", account, region)
        try:
            found = client.describe_file_systems(FileSystemId=file_system_id)["FileSystems"][0]
        except ClientError:
            raise gone(arn) from None
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags") or ()}
        files = context.doors.read_files(account, region, file_system_id)
        size = sum(len(content) for content in files.values())
        return Snapshot(tags.get("Name", ""), size, FileSystem(file_system_id, files, tags), tags)

    def restore_metadata(self, content: FileSystem) -> dict[str, str | None]:
        """The one key the page names."""
        return {"file-system-id": content.file_system_id}

    def check(self, target: Target, _content: FileSystem, metadata: Mapping[str, str]) -> None:
        """A new file system, its key, and a creation token not used before."""
        if not flag(metadata, "newFileSystem"):
            raise RestoreProblem("The source file system does not exist in this account.")
        if flag(metadata, "Encrypted"):
            check_key(target, metadata.get("KmsKeyId"))
        elif "KmsKeyId" in metadata:
            raise RestoreProblem("If KmsKeyId is specified, Encrypted must be set to true.")
        if metadata["PerformanceMode"] not in ("generalPurpose", "maxIO"):
            raise RestoreProblem(f"Invalid restore metadata. PerformanceMode {metadata['PerformanceMode']!r}")
        token = metadata["CreationToken"]
        if target.client("efs").describe_file_systems(CreationToken=token)["FileSystems"]:
            raise RestoreProblem(f"File system with CreationToken {token} already exists.")

    def restore(self, target: Target, content: FileSystem, metadata: Mapping[str, str]) -> str:
        """Create the file system; the files lie under `aws-backup-restore_<datetime>/`, not at the root."""
        asked: dict[str, Any] = {
            "CreationToken": metadata["CreationToken"],
            "PerformanceMode": metadata["PerformanceMode"],
            "Encrypted": flag(metadata, "Encrypted"),
        }
        if asked["Encrypted"]:
            asked["KmsKeyId"] = metadata["KmsKeyId"]
        if flag(metadata, "singleAzFilesystem", "false"):
            asked["AvailabilityZoneName"] = metadata.get("availabilityZoneName", f"{target.region}a")
        if target.copy_tags and content.tags:
            asked["Tags"] = [{"Key": key, "Value": value} for key, value in content.tags.items()]
        created = target.client("efs").create_file_system(**asked)
        file_system_id = created["FileSystemId"]
        stamp = datetime.fromtimestamp(target.started, UTC).strftime("%Y-%m-%dT%H-%M-%S")
        files = {f"aws-backup-restore_{stamp}/{path}": blob for path, blob in content.files.items()}
        target.context.doors.write_files(target.account, target.region, file_system_id, files)
        return f"arn:aws:elasticfilesystem:{target.region}:{target.account}:file-system/{file_system_id}"
