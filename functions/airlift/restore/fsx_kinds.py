"""The four kinds behind AWS Backup's one type FSx: how a point's kind is told, and in what they differ.

Sources: restoring-fsx.html and restore-testing-inferred-metadata.html of the AWS Backup Developer Guide, and the FSx
API reference (CreateFileSystemFromBackup, CreateVolumeFromBackup, DeleteFileSystem, DeleteVolume).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.restore.nested import kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.restore.base import RecoveryPoint, Target

_SCHEDULE = frozenset(
    {"AutomaticBackupRetentionDays", "CopyTagsToBackups", "DailyAutomaticBackupStartTime", "WeeklyMaintenanceStartTime"}
)
MULTI_AZ = "MULTI_AZ_1"
"""Deployment type of Windows and OpenZFS file systems in two Availability Zones."""


@dataclass(frozen=True)
class Kind:
    """What one kind has of its own."""

    name: str
    """FSx's FileSystemType."""
    title: str
    configuration: str
    """The metadata key under which the kind's own settings stand."""
    from_backup: frozenset[str]
    """Settings of the source that mean the same in any account; a restore can't change most of them."""
    settings: frozenset[str]
    """Further settings that the plan may give."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Setting → the plan's option that gives it."""
    required: tuple[str, ...] = ()
    """Settings without which FSx refuses to restore, or would look for what the source account had."""
    deletion: Mapping[str, Any] = field(default_factory=dict)
    """What the deletion is told, so that it leaves no final backup and no child behind."""

    @property
    def keys(self) -> frozenset[str]:
        """All settings that `configuration` takes."""
        return self.from_backup | self.settings


WINDOWS = Kind(
    name="WINDOWS",
    title="FSx for Windows File Server",
    configuration="WindowsConfiguration",
    from_backup=frozenset({"DeploymentType", "ThroughputCapacity"}),
    settings=_SCHEDULE | {"ActiveDirectoryId", "PreferredSubnetId"},
    options={"ActiveDirectoryId": "activeDirectoryId"},
    required=("ActiveDirectoryId", "ThroughputCapacity"),
    deletion={"WindowsConfiguration": {"SkipFinalBackup": True}},
)
LUSTRE = Kind(
    name="LUSTRE",
    title="FSx for Lustre",
    configuration="LustreConfiguration",
    from_backup=frozenset(
        {
            "DataReadCacheConfiguration",
            "DeploymentType",
            "DriveCacheType",
            "EfaEnabled",
            "PerUnitStorageThroughput",
            "ThroughputCapacity",
        }
    ),
    settings=_SCHEDULE | {"LogConfiguration"},
)
ONTAP = Kind(
    name="ONTAP",
    title="FSx for NetApp ONTAP",
    configuration="OntapConfiguration",
    from_backup=frozenset({"securityStyle", "sizeInMegabytes", "storageEfficiencyEnabled", "tieringPolicy"}),
    settings=frozenset({"junctionPath", "ontapVolumeType", "snapshotPolicy", "storageVirtualMachineId"}),
    options={"storageVirtualMachineId": "storageVirtualMachineId"},
    required=("storageVirtualMachineId", "sizeInMegabytes"),
    deletion={"OntapConfiguration": {"SkipFinalBackup": True}},
)
OPENZFS = Kind(
    name="OPENZFS",
    title="FSx for OpenZFS",
    configuration="OpenZFSConfiguration",
    from_backup=frozenset({"DeploymentType", "DiskIopsConfiguration", "ReadCacheConfiguration", "ThroughputCapacity"}),
    settings=_SCHEDULE,
    required=("DeploymentType", "ThroughputCapacity"),
    deletion={
        "OpenZFSConfiguration": {"SkipFinalBackup": True, "Options": ["DELETE_CHILD_VOLUMES_AND_SNAPSHOTS"]},
    },
)
KINDS = {kind.name: kind for kind in (WINDOWS, LUSTRE, ONTAP, OPENZFS)}
"""By FSx's FileSystemType."""


def kind_of(point: RecoveryPoint, backup: Mapping[str, str], target: Target) -> Kind:
    """The point's kind, by what it says itself, by its source's ARN, by the plan, in this order (inferred).

    `backup`: the point's restore metadata, keys in lower case. Raises `MetadataRefused` if nothing tells.
    """
    wished = str(target.options.get("fileSystemType", "")).upper()
    if wished and wished not in KINDS:
        raise MetadataRefused(f"FSx has no file system type {wished}.", f"write one of {', '.join(KINDS)}.")
    said = KINDS.get(backup.get("filesystemtype", "").upper())
    configured = [kind for kind in KINDS.values() if kind.configuration.lower() in backup]
    if said or len(configured) == 1:
        return said or configured[0]
    if ":volume/" in point.resource_arn:  # only of ONTAP are volumes backed up, of the others whole file systems
        return ONTAP
    if wished:
        return KINDS[wished]
    raise MetadataRefused(
        f"Nothing tells which kind of FSx file system {point.resource_arn} was.",
        f"give it a fileSystemType, one of {', '.join(KINDS)}, in the plan's targets.",
    )


def from_backup(kind: Kind, backup: Mapping[str, str]) -> dict[str, Any]:
    """Settings that the restored one keeps. Raises `MetadataRefused` for what no restore job can bring back.

    That a point tells its self-managed directory as FSx's API does is inferred.
    """
    text = backup.get(kind.configuration.lower())
    if kind is WINDOWS and kept(text, ["SelfManagedActiveDirectoryConfiguration"]):
        raise MetadataRefused(
            "It was joined to a self-managed Active Directory, and AWS Backup can't give it another.",
            "list it under exclude; by hand it can be restored to a network that reaches its own directory.",
        )
    settings = kept(text, kind.from_backup)
    if kind is OPENZFS:
        settings |= {key: _iops(value) for key, value in settings.items() if key.lower() == "diskiopsconfiguration"}
    return settings


def _iops(settings: Any) -> Any:
    """FSx describes a Mode together with Iops; a restore takes no Mode beside Iops, and AUTOMATIC is the default."""
    if not isinstance(settings, dict) or settings.get("Mode") == "AUTOMATIC":
        return None
    return {key: value for key, value in settings.items() if key != "Mode"}
