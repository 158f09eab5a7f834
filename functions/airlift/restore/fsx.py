"""FSx: new file systems for Windows, Lustre and OpenZFS; for ONTAP a new volume in a file system that exists.

IAM actions:
- needs: ds:DescribeDirectories, fsx:DescribeStorageVirtualMachines; on *
- prepare: ds:DescribeDirectories (Windows); fsx:DescribeStorageVirtualMachines, DescribeVolumes (ONTAP); on *
- finish: fsx:DescribeFileSystems, DescribeVolumes on *; fsx:TagResource on
  arn:aws:fsx:<region>:<recovery account>:file-system/* and …:volume/*
- validate: fsx:DescribeFileSystems, DescribeVolumes on *
- delete: also fsx:DeleteFileSystem, DeleteVolume on these file systems and volumes
"""

from __future__ import annotations

import json
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.names import derived_name
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.common import airlift_tags, assemble, present, tag_list, verdict
from airlift.restore.fsx_kinds import KINDS, MULTI_AZ, ONTAP, OPENZFS, WINDOWS, Kind, from_backup, kind_of
from airlift.restore.fsx_places import check_directory, check_machine, check_names
from airlift.restore.nested import merged, objects, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

AGAIN_IN_SECONDS = 30
UNDER_WAY = frozenset({"CREATING", "PENDING"})
USABLE = frozenset({"AVAILABLE", "CREATED", "UPDATING"})
"""UPDATING is a file system that takes on a change while it serves (API_FileSystem.html)."""


class Fsx(Family):
    """File systems and volumes. The plan's settings for FSx stand for all four kinds; each takes what is its own."""

    resource_types = ("FSx",)
    # aws:backup:request-id is taken too, but one value in a plan would stand for every file system.
    accepted_keys = frozenset(
        {
            "AutomaticBackupRetentionDays",
            "CopyTagsToBackups",
            "DailyAutomaticBackupStartTime",
            "DeploymentType",
            "KmsKeyId",
            "Name",
            "SecurityGroupIds",
            "StorageCapacity",
            "StorageType",
            "SubnetIds",
            "VpcId",
            "WeeklyMaintenanceStartTime",
            *(kind.configuration for kind in KINDS.values()),
        }
    )
    option_keys = frozenset(
        {
            "activeDirectoryId",
            "fileSystemType",
            "kmsKeyId",
            "securityGroupIds",
            "storageVirtualMachineId",
            "subnetIds",
        }
    )
    copies_source_tags = True
    nested_keys = MappingProxyType({kind.configuration: kind.keys for kind in KINDS.values()})
    examples = (
        {"FileSystemType": "WINDOWS", "WindowsConfiguration": '{"ThroughputCapacity":32}'},
        {"FileSystemType": "LUSTRE"},
        {"FileSystemType": "ONTAP", "OntapConfiguration": '{"sizeInMegabytes":1024}'},
        {
            "FileSystemType": "OPENZFS",
            "OpenZFSConfiguration": '{"DeploymentType":"SINGLE_AZ_1","ThroughputCapacity":64}',
        },
    )

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """What the kind needs: storage and throughput as backed up, all that belongs to an account from the plan."""
        backup = {key.lower(): value for key, value in point.restore_metadata.items()}
        kind = kind_of(point, backup, target)
        plan: dict[str, Any] = {k: v for k, v in assemble(self, target.metadata).items() if _takes(kind, k)}
        own, settings = _volume(point, target, plan) if kind is ONTAP else _file_system(backup, target)
        configuration = merged(
            self,
            kind.configuration,
            from_backup(kind, backup),
            settings,
            {setting: target.options.get(option) for setting, option in kind.options.items()},
            *objects(self, kind.configuration, plan.get(kind.configuration)),
        )
        for setting in kind.required:
            if not configuration.get(setting):
                raise _lacks(point, kind, setting)
        if kind is not ONTAP:
            deployments = (
                configuration.get("DeploymentType"),
                plan.get("DeploymentType"),
                backup.get("deploymenttype"),
            )
            deployment = next(filter(None, deployments), "unknown")
            plan["SubnetIds"] = _subnets(kind, deployment, plan.get("SubnetIds"), target)
            if kind is WINDOWS and deployment == MULTI_AZ:
                configuration.setdefault("PreferredSubnetId", plan["SubnetIds"][0])
        return assemble(self, own, plan, {kind.configuration: configuration})

    def needs(self, target: Target) -> Iterator[Callable[[Clients], None]]:
        """The directory of Windows, the storage virtual machine of ONTAP."""
        plan = assemble(self, target.metadata)
        for kind, setting, service, check in (
            (WINDOWS, "ActiveDirectoryId", "ds", check_directory),
            (ONTAP, "storageVirtualMachineId", "fsx", check_machine),
        ):
            key, option = kind.configuration, {setting: target.options.get(kind.options[setting])}
            if named := merged(self, key, option, *objects(self, key, plan.get(key))).get(setting):
                yield partial(_check, check, service, named)

    def prepare(self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
        """Checks what only people make: the directory of Windows, the storage virtual machine of ONTAP."""
        if "WindowsConfiguration" in metadata:
            check_directory(clients("ds"), json.loads(metadata["WindowsConfiguration"])["ActiveDirectoryId"])
        if "OntapConfiguration" in metadata:
            client, configuration = clients("fsx"), json.loads(metadata["OntapConfiguration"])
            check_machine(client, configuration["storageVirtualMachineId"])
            check_names(client, metadata["Name"], configuration)

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Airlift's tags, once the file system or volume is there."""
        client, arn = clients("fsx"), restored.created_resource_arn
        found = _described(client, arn)
        if found is None:
            return Finishing(True, doing=f"{_id(arn)} does not exist")
        if found["Lifecycle"] in UNDER_WAY:
            return Finishing(False, AGAIN_IN_SECONDS, f"{_id(arn)} is {found['Lifecycle']}")
        client.tag_resource(ResourceARN=arn, Tags=tag_list(airlift_tags(restored.point, restored.target)))
        return Finishing(True)

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """State and capacity. The files come over lazily and need a mount to be read."""
        found, thing = _described(clients("fsx"), restored.created_resource_arn), _id(restored.created_resource_arn)
        if found is None:
            return Validation(False, f"{thing} does not exist")
        kind, state = KINDS[_kind_name(found)], found["Lifecycle"]
        size, least, unit = _sizes(found, restored.metadata)
        address = found.get("DNSName") or found.get("OntapConfiguration", {}).get("JunctionPath", "no path")
        return verdict(
            f"{kind.title} {thing} {state}, {size} {unit}, at {address}; its files were not read",
            (state in USABLE, f"{thing} is {state}: {_reason(found)}"),
            (size >= least, f"{thing} has {size} {unit}, its recovery point {least} {unit}"),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """The name to mount; of an ONTAP volume its place in the namespace."""
        found = _described(clients("fsx"), restored.created_resource_arn) or {}
        path = found.get("OntapConfiguration", {}).get("JunctionPath")
        return present(
            {"id": _id(restored.created_resource_arn), "dnsName": found.get("DNSName"), "junctionPath": path}
        )

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """Without the final backup that FSx makes of all but Lustre by default (API_DeleteFileSystem.html)."""
        client, arn = clients("fsx"), restored.created_resource_arn
        found = _described(client, arn) if arn else None
        if found is None:
            return Finishing(True)
        if found["Lifecycle"] not in UNDER_WAY | {"DELETING"}:
            settings = KINDS[_kind_name(found)].deletion
            if _is_volume(arn):
                client.delete_volume(VolumeId=_id(arn), **settings)
            else:
                client.delete_file_system(FileSystemId=_id(arn), **settings)
        return Finishing(False, AGAIN_IN_SECONDS, f"{_id(arn)} is being deleted")


def _check(look: Callable[[Any, str], None], service: str, named: str, clients: Clients) -> None:
    look(clients(service), named)


def _takes(kind: Kind, key: str) -> bool:
    """A volume takes its name and configuration only: subnets and storage are those of its file system."""
    if kind is ONTAP:
        return key in {"Name", ONTAP.configuration}
    return key == kind.configuration or (key != "Name" and key not in Fsx.nested_keys)


def _file_system(backup: Mapping[str, str], target: Target) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata, and settings. Without a key FSx takes its own managed one; Intelligent-Tiering has no capacity."""
    kind = backup.get("storagetype")
    own = {
        "StorageType": kind,
        "StorageCapacity": None if kind == "INTELLIGENT_TIERING" else backup.get("storagecapacity"),
        "SecurityGroupIds": target.options.get("securityGroupIds"),
        "KmsKeyId": target.options.get("kmsKeyId"),
    }
    return own, {"AutomaticBackupRetentionDays": 0}


def _volume(point: RecoveryPoint, target: Target, plan: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """ONTAP's names have letters, digits and underscores (Managing FSx for ONTAP volumes, ONTAP User Guide)."""
    source = point.resource_arn.rpartition("/")[2]
    name = plan.get("Name") or derived_name(target, source, alphabet="a-zA-Z0-9_-", longest=203).replace("-", "_")
    return {"Name": name}, {"junctionPath": f"/{name}", "snapshotPolicy": "none"}


def _subnets(kind: Kind, deployment: str, wished: str | None, target: Target) -> list[str]:
    """As many as the deployment type takes; of the plan's option, which other types read too, the first ones."""
    if kind is OPENZFS and deployment == MULTI_AZ:
        # Footnote 7 of backup-feature-availability.html. That another type may be asked for is inferred.
        raise MetadataRefused(
            "AWS Backup restores no OpenZFS file system to two Availability Zones.",
            "list it under exclude, or give it another DeploymentType under metadata, OpenZFSConfiguration.",
        )
    number = 2 if deployment == MULTI_AZ else 1
    subnets = texts(wished) if wished else list(target.options.get("subnetIds", ()))[:number]
    if len(subnets) != number:
        raise MetadataRefused(
            f"{kind.title} of deployment type {deployment} takes {number} subnets, not {len(subnets)}.",
            f"give FSx {number} subnetIds of an isolated network in the plan's targets.",
        )
    return subnets


def _lacks(point: RecoveryPoint, kind: Kind, setting: str) -> MetadataRefused:
    option = kind.options.get(setting)
    where = f"as {option}" if option else f"as {setting} under metadata, {kind.configuration}"
    return MetadataRefused(
        f"The plan gives no {setting} for {kind.title}, which {point.resource_arn} needs.",
        f"give it {where} in the plan's targets.",
    )


def _is_volume(arn: str) -> bool:
    return ":volume/" in arn


def _id(arn: str) -> str:
    """`…:file-system/fs-1` → `fs-1`, `…:volume/fs-1/fsvol-2` → `fsvol-2`."""
    return arn.rpartition("/")[2]


def _kind_name(found: Mapping[str, Any]) -> str:
    return str(found.get("FileSystemType") or found["VolumeType"])


def _described(client: Any, arn: str) -> Mapping[str, Any] | None:
    """The file system or volume, None if it is gone."""
    try:
        if _is_volume(arn):
            found = client.describe_volumes(VolumeIds=[_id(arn)])["Volumes"]
        else:
            found = client.describe_file_systems(FileSystemIds=[_id(arn)])["FileSystems"]
    except (client.exceptions.VolumeNotFound, client.exceptions.FileSystemNotFound):
        return None
    return next(iter(found), None)


def _sizes(found: Mapping[str, Any], metadata: Mapping[str, str]) -> tuple[int, int, str]:
    """The size it has, the size it was restored with, and their unit."""
    if "VolumeType" in found:
        asked = json.loads(metadata["OntapConfiguration"])["sizeInMegabytes"]
        return found["OntapConfiguration"].get("SizeInMegabytes", 0), int(asked), "MiB"
    return found.get("StorageCapacity", 0), int(metadata.get("StorageCapacity", 0)), "GiB"


def _reason(found: Mapping[str, Any]) -> str:
    said = found.get("FailureDetails") or found.get("LifecycleTransitionReason") or {}
    return str(said.get("Message", "FSx gives no reason"))
