"""FSx: file systems for Windows, Lustre and OpenZFS, and ONTAP's volumes; files come and go through the data door."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import (
    RestoreProblem,
    Snapshot,
    Target,
    check_key,
    flag,
    gone,
    listed,
    number,
    parsed,
)
from local.aws.backup.types.network import check_security_groups, subnet
from local.aws.errors import invalid_request
from local.aws.fsx import CONFIGURATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context

MULTI_AZ = "MULTI_AZ_1"
_TIERING = "INTELLIGENT_TIERING"
_LEAST_HDD = 2000
"""GiB: a Windows file system on HDD isn't smaller (restoring-fsx.html)."""


@dataclass(frozen=True)
class FileSystem:
    """A file system or volume as FSx described it, and its files by path."""

    kind: str
    described: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def settings(self) -> dict[str, Any]:
        """The type's own configuration."""
        return dict(self.described.get(CONFIGURATIONS[self.kind], {}))


_COMMON = {"AutomaticBackupRetentionDays", "CopyTagsToBackups", "DailyAutomaticBackupStartTime", "DeploymentType",
           "WeeklyMaintenanceStartTime"}  # fmt: skip
_SETTINGS: dict[str, frozenset[str]] = {
    "WINDOWS": frozenset({*_COMMON, "ActiveDirectoryId", "PreferredSubnetId", "ThroughputCapacity"}),
    "LUSTRE": frozenset(
        {
            *_COMMON,
            *("DataReadCacheConfiguration", "DriveCacheType", "EfaEnabled", "LogConfiguration"),
            *("PerUnitStorageThroughput", "ThroughputCapacity"),
        }
    ),
    "OPENZFS": frozenset({*_COMMON, "ThroughputCapacity", "DiskIopsConfiguration", "ReadCacheConfiguration"}),
    # In the spelling of the page; the last three are those of restore testing's inferred metadata.
    "ONTAP": frozenset(
        {
            *("junctionPath", "sizeInMegabytes", "storageEfficiencyEnabled", "storageVirtualMachineId"),
            *("tieringPolicy", "ontapVolumeType", "securityStyle", "snapshotPolicy"),
        }
    ),
}
"""What each configuration may say (restoring-fsx.html)."""


class Fsx:
    """Restores a new file system, or for ONTAP a new volume in a file system that exists."""

    resource_type = "FSx"
    arn_prefix = "arn:aws:fsx:"
    keys = frozenset(
        {
            *("aws:backup:request-id", "KmsKeyId", "Name", "SecurityGroupIds"),
            *("StorageCapacity", "StorageType", "SubnetIds", "VpcId"),
            *_COMMON,
            *CONFIGURATIONS.values(),
        }
    )
    required: frozenset[str] = frozenset()
    any_case = False
    allows_tags = True
    native_arn: str | None = "arn:aws:fsx:{region}:{account}:backup/backup-{id}"

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """The files as they are now. Lustre: persistent, and without a linked S3 repository (restoring-fsx.html)."""
        found = _described(context.clients("fsx", account, region), arn)
        if found is None:
            raise gone(arn)
        content = FileSystem(
            found.get("FileSystemType", "ONTAP"), found, context.doors.read_files(account, region, _id(arn))
        )
        if content.kind == "ONTAP" and ":volume/" not in arn:
            raise invalid_request("Back up the volumes of an ONTAP file system.")
        lustre = content.settings
        if content.kind == "LUSTRE" and (
            lustre.get("DeploymentType", "").startswith("SCRATCH") or "DataRepositoryConfiguration" in lustre
        ):
            raise invalid_request("This kind of Lustre file system can't be backed up.")
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
        size = sum(len(blob) for blob in content.files.values())
        return Snapshot(found.get("Name") or tags.get("Name", ""), size, content, tags)

    def restore_metadata(self, content: FileSystem) -> dict[str, str | None]:
        """For Lustre as in restoring-fsx.html; the same members for the others (inferred)."""
        found: dict[str, str | None] = {
            "FileSystemType": content.kind,
            "FileSystemId": content.described["FileSystemId"],
        }
        for name in ("StorageType", "StorageCapacity", "KmsKeyId", "VpcId", "Name"):
            if name in content.described:
                found[name] = str(content.described[name])
        if "SubnetIds" in content.described:
            found["SubnetIds"] = json.dumps(content.described["SubnetIds"])
        settings = content.settings
        if content.kind == "ONTAP":
            settings = {name[0].lower() + name[1:]: value for name, value in settings.items()}
        return found | {CONFIGURATIONS[content.kind]: json.dumps(settings)}

    def check(self, target: Target, content: FileSystem, metadata: Mapping[str, str]) -> None:
        """The type's own configuration only, and what FSx would refuse."""
        others = set(CONFIGURATIONS.values()) - {CONFIGURATIONS[content.kind]}
        settings = _settings(content, metadata)
        unknown = sorted(others & metadata.keys()) or sorted(settings.keys() - _SETTINGS[content.kind])
        if unknown:
            raise RestoreProblem(f"Invalid restore metadata. {unknown[0]} is not for {content.kind}.")
        if content.kind == "ONTAP":
            _check_volume(target, content, metadata, settings)
            return
        deployment = settings.get("DeploymentType") or metadata.get("DeploymentType")
        if deployment not in (None, content.settings.get("DeploymentType")):
            raise RestoreProblem("The deployment type can't be changed by a restore.")
        capacity, source = number(metadata, "StorageCapacity"), content.described.get("StorageCapacity") or 0
        grows = _storage(content, metadata) == _TIERING
        if capacity is not None and grows:
            raise RestoreProblem(f"StorageCapacity can't be given with {_TIERING}: it grows by itself.")
        if not (capacity or source or grows):
            raise RestoreProblem("StorageCapacity must be given: the backup has none.")
        if capacity is not None and capacity < source:
            raise RestoreProblem(f"StorageCapacity {capacity} is less than the backup's {source}.")
        if metadata.get("KmsKeyId"):
            check_key(target, metadata["KmsKeyId"])
        _CHECKS[content.kind](target, content, metadata, settings)
        _check_network(target, content, metadata, settings)

    def restore(self, target: Target, content: FileSystem, metadata: Mapping[str, str]) -> str:
        """Create the file system or volume, and put the files into it."""
        client = target.client("fsx")
        copied = content.described.get("Tags") if target.copy_tags else None
        tags: dict[str, Any] = {"Tags": copied} if copied else {}
        settings = _settings(content, metadata)
        if content.kind == "ONTAP":
            made = client.create_volume(
                VolumeType="ONTAP",
                Name=metadata["Name"],
                OntapConfiguration={name[0].upper() + name[1:]: value for name, value in settings.items()},
                **tags,
            )["Volume"]
            key = made["VolumeId"]
        else:
            storage = _storage(content, metadata)
            capacity = number(metadata, "StorageCapacity") or content.described.get("StorageCapacity")
            given = {"KmsKeyId": metadata["KmsKeyId"]} if metadata.get("KmsKeyId") else {}
            common = {name: metadata[name] for name in _COMMON if name in metadata}
            kept = {name: value for name, value in content.settings.items() if name in _SETTINGS[content.kind]}
            made = client.create_file_system(
                FileSystemType=content.kind,
                SubnetIds=listed(metadata, "SubnetIds"),
                SecurityGroupIds=listed(metadata, "SecurityGroupIds"),
                StorageType=storage,
                **{} if storage == _TIERING else {"StorageCapacity": capacity},
                **given,
                **{CONFIGURATIONS[content.kind]: _typed(kept | common) | settings},
                **tags,
            )["FileSystem"]
            key = made["FileSystemId"]
        target.context.doors.write_files(target.account, target.region, key, content.files)
        return str(made["ResourceARN"])


def _storage(content: FileSystem, metadata: Mapping[str, str]) -> str:
    """The storage type of what is restored: the backup's, unless another is asked for."""
    return str(metadata.get("StorageType", content.described["StorageType"]))


def _typed(settings: dict[str, Any]) -> dict[str, Any]:
    """Values of metadata keys as the FSx API takes them: they are texts where they come from."""
    kinds: dict[str, Callable[[dict[str, Any], str], int | bool | None]] = {
        "AutomaticBackupRetentionDays": number,
        "CopyTagsToBackups": flag,
    }
    texts = {name: read for name, read in kinds.items() if isinstance(settings.get(name), str)}
    return settings | {name: read(settings, name) for name, read in texts.items()}


def _described(client: Any, arn: str) -> dict[str, Any] | None:
    try:
        if ":volume/" in arn:
            return dict(client.describe_volumes(VolumeIds=[_id(arn)])["Volumes"][0])
        return dict(client.describe_file_systems(FileSystemIds=[_id(arn)])["FileSystems"][0])
    except ClientError:
        return None


def _id(arn: str) -> str:
    return arn.rpartition("/")[2]


def _settings(content: FileSystem, metadata: Mapping[str, str]) -> dict[str, Any]:
    name = CONFIGURATIONS[content.kind]
    found = parsed(metadata, name, {})
    if not isinstance(found, dict):
        raise RestoreProblem(f"Invalid restore metadata. {name} must be a JSON object.")
    return found


def _check_network(
    target: Target, content: FileSystem, metadata: Mapping[str, str], settings: Mapping[str, Any]
) -> None:
    """Subnets of the account, as many as the deployment takes; without them AWS would look for a default VPC."""
    subnets, wanted = listed(metadata, "SubnetIds"), 1
    if content.settings.get("DeploymentType") == MULTI_AZ:
        wanted = 2
        if settings.get("PreferredSubnetId") not in subnets:
            raise RestoreProblem("PreferredSubnetId must be one of the SubnetIds.")
    if len(subnets) != wanted:
        raise RestoreProblem(f"This file system needs {wanted} of SubnetIds, not {len(subnets)}.")
    vpcs = {subnet(target, one)[0] for one in subnets}
    if len(vpcs) > 1 or not vpcs <= {metadata.get("VpcId", *vpcs)}:
        raise RestoreProblem("The subnets are not of one VPC, that of VpcId.")
    check_security_groups(target, listed(metadata, "SecurityGroupIds"), vpcs.pop())


def _check_windows(
    target: Target, content: FileSystem, metadata: Mapping[str, str], settings: Mapping[str, Any]
) -> None:
    """An AWS managed directory of the account: the source's is the default, and it isn't there."""
    if "SelfManagedActiveDirectoryConfiguration" in content.settings:
        raise RestoreProblem("The type of the Active Directory can't be changed, and the source's is self-managed.")
    directory = settings.get("ActiveDirectoryId") or content.settings.get("ActiveDirectoryId")
    try:
        found = target.client("ds").describe_directories(DirectoryIds=[directory])["DirectoryDescriptions"]
    except ClientError as error:
        raise RestoreProblem(f"The Active Directory {directory} does not exist in this account.") from error
    if not found or found[0]["Stage"] != "Active" or found[0]["Type"] != "MicrosoftAD":
        raise RestoreProblem(f"The Active Directory {directory} can't be used.")
    hdd = metadata.get("StorageType", content.described["StorageType"]) == "HDD"
    if hdd and (number(metadata, "StorageCapacity") or content.described["StorageCapacity"]) < _LEAST_HDD:
        raise RestoreProblem(f"A file system on HDD has at least {_LEAST_HDD} GiB.")


def _check_lustre(
    _target: Target, content: FileSystem, metadata: Mapping[str, str], settings: Mapping[str, Any]
) -> None:
    """Same storage class, capacity and throughput."""
    for name in ("StorageCapacity", "StorageType"):
        if name in metadata and metadata[name] != str(content.described[name]):
            raise RestoreProblem(f"{name} of a Lustre file system can't be changed by a restore.")
    name = "PerUnitStorageThroughput"
    if name in settings and settings[name] != content.settings.get(name):
        raise RestoreProblem(f"{name} of a Lustre file system can't be changed by a restore.")


def _check_openzfs(
    _target: Target, content: FileSystem, _metadata: Mapping[str, str], settings: Mapping[str, Any]
) -> None:
    """Multi-AZ is not restored by AWS Backup (backup-feature-availability.html, footnote 7)."""
    if content.settings.get("DeploymentType") == MULTI_AZ:
        raise RestoreProblem("A Multi-AZ file system can only be restored with the Amazon FSx API.")
    iops = settings.get("DiskIopsConfiguration", {})
    if "Iops" in iops and "Mode" in iops:
        raise RestoreProblem("DiskIopsConfiguration takes no Mode with Iops.")


_Check = Callable[[Target, FileSystem, "Mapping[str, str]", "Mapping[str, Any]"], None]
_CHECKS: dict[str, _Check] = {"WINDOWS": _check_windows, "LUSTRE": _check_lustre, "OPENZFS": _check_openzfs}


def _check_volume(
    target: Target, content: FileSystem, metadata: Mapping[str, str], settings: Mapping[str, Any]
) -> None:
    """The storage virtual machine must be there, name and junction path free in it."""
    missing = [name for name in ("junctionPath", "sizeInMegabytes", "storageVirtualMachineId") if name not in settings]
    missing += [] if metadata.get("Name") else ["Name"]
    if missing:
        raise RestoreProblem(f"Invalid restore metadata. Missing: {', '.join(missing)}")
    client, machine = target.client("fsx"), settings["storageVirtualMachineId"]
    try:
        client.describe_storage_virtual_machines(StorageVirtualMachineIds=[machine])
    except ClientError as error:
        raise RestoreProblem(f"Storage virtual machine {machine} does not exist in this account.") from error
    if int(settings["sizeInMegabytes"]) < content.settings["SizeInMegabytes"]:
        raise RestoreProblem("The volume can't be smaller than the backup.")
    filters = [{"Name": "storage-virtual-machine-id", "Values": [machine]}]
    for other in client.describe_volumes(Filters=filters)["Volumes"]:
        if other["Name"] == metadata["Name"]:
            raise RestoreProblem(f"A volume {other['Name']} exists in {machine}.")
        if other["OntapConfiguration"].get("JunctionPath") == settings["junctionPath"]:
            raise RestoreProblem(f"Junction path {settings['junctionPath']} is taken in {machine}.")
