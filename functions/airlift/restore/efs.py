"""EFS file systems.

IAM actions:
- prepare: none
- finish: elasticfilesystem:DescribeFileSystems, TagResource, DescribeMountTargets, CreateMountTarget on
  arn:aws:elasticfilesystem:<region>:<recovery account>:file-system/*; for CreateMountTarget also
  ec2:DescribeSubnets, ec2:DescribeNetworkInterfaces, ec2:CreateNetworkInterface on *
- validate: elasticfilesystem:DescribeFileSystems, DescribeMountTargets on the same file systems
- delete: also elasticfilesystem:DeleteMountTarget, DeleteFileSystem; ec2:DeleteNetworkInterface on *
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.names import derived_name
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.common import airlift_tags, assemble, resource_id, tag_list, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

AGAIN_IN_SECONDS = 15
UNDER_WAY = frozenset({"creating", "updating"})


class Efs(Family):
    """File systems, always new and encrypted. They come without mount targets, access points and policy."""

    resource_types = ("EFS",)
    # aws:backup:request-id is taken too, but one value in a plan would stand for every file system.
    accepted_keys = frozenset(
        {
            "availabilityZoneName",
            "CreationToken",
            "Encrypted",
            "file-system-id",
            "ItemsToRestore",
            "KmsKeyId",
            "newFileSystem",
            "PerformanceMode",
            "singleAzFilesystem",
        }
    )
    option_keys = frozenset({"kmsKeyId", "securityGroupIds", "subnetIds"})
    copies_source_tags = True

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """Six keys: AWS calls some optional, but jobs without them fail (field reports).

        A key of KMS may only be given together with encryption (API_StartRestoreJob.html).
        """
        source, plan = resource_id(point.resource_arn), assemble(self, target.metadata)
        key = target.options.get("kmsKeyId") or "alias/aws/elasticfilesystem"
        own = {
            "file-system-id": source,
            "newFileSystem": True,
            "CreationToken": derived_name(target, source, alphabet="a-zA-Z0-9_.-", longest=64),
            "Encrypted": True,
            "KmsKeyId": key if plan.get("Encrypted", "true").lower() == "true" else None,
            "PerformanceMode": "generalPurpose",
        }
        metadata = assemble(self, own, plan)
        if metadata["newFileSystem"].lower() != "true":
            raise MetadataRefused(
                f"The plan wants {point.resource_arn} restored into an existing EFS file system.",
                "remove newFileSystem from the plan's targets: Airlift restores into new file systems only.",
            )
        return metadata

    def prepare(self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
        """Nothing: the job makes the file system."""

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Airlift's tags, and a mount target in each subnet that the options name."""
        client, system_id = clients("efs"), resource_id(restored.created_resource_arn)
        state = client.describe_file_systems(FileSystemId=system_id)["FileSystems"][0]["LifeCycleState"]
        if state in UNDER_WAY:
            return Finishing(False, AGAIN_IN_SECONDS, f"file system {system_id} is {state}")
        if state != "available":
            return Finishing(True, doing=f"file system {system_id} is {state}")
        client.tag_resource(ResourceId=system_id, Tags=tag_list(airlift_tags(restored.point, restored.target)))
        options = restored.target.options
        states = _mount_targets(client, system_id)
        for subnet in options.get("subnetIds", []):
            if subnet not in states:
                states[subnet] = _create_mount_target(client, system_id, subnet, options.get("securityGroupIds"))
        waiting = sorted(subnet for subnet, state in states.items() if state in UNDER_WAY)
        if waiting:
            return Finishing(False, AGAIN_IN_SECONDS, f"mount targets of {system_id} in {', '.join(waiting)}")
        return Finishing(True)

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """State, encryption, mount targets. SizeInBytes is metered later, files need a mount to be read."""
        client, system_id = clients("efs"), resource_id(restored.created_resource_arn)
        try:
            system = client.describe_file_systems(FileSystemId=system_id)["FileSystems"][0]
        except client.exceptions.FileSystemNotFound:
            return Validation(False, f"file system {system_id} does not exist")
        state, encrypted = system["LifeCycleState"], system.get("Encrypted", False)
        encryption = "encrypted" if encrypted else "not encrypted, as the plan wants"
        wished = restored.target.options.get("subnetIds", [])
        mounts = _mount_targets(client, system_id)
        return verdict(
            f"file system {system_id} available, {encryption}, {len(wished)} mount targets available;"
            " its files, under aws-backup-restore_<datetime>/, were not read",
            (state == "available", f"file system {system_id} is {state}, not available"),
            (encrypted or restored.metadata.get("Encrypted") != "true", f"{system_id} is not encrypted"),
            *(
                (
                    mounts.get(subnet) == "available",
                    f"mount target in {subnet} is {mounts.get(subnet, 'missing')}",
                )
                for subnet in wished
            ),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """The name to mount (efs/latest/ug/mounting-fs-mount-cmd-dns-name.html); it needs a mount target."""
        system_id = resource_id(restored.created_resource_arn)
        return {"fileSystemId": system_id, "dnsName": f"{system_id}.efs.{restored.target.region}.amazonaws.com"}

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """Mount targets first: a file system that has any is not deleted (API_DeleteFileSystem.html)."""
        if not restored.created_resource_arn:
            return Finishing(True)
        client, system_id = clients("efs"), resource_id(restored.created_resource_arn)
        try:
            mounts = _mount_target_ids(client, system_id)
            for mount in mounts:
                client.delete_mount_target(MountTargetId=mount)
            if mounts:
                return Finishing(False, AGAIN_IN_SECONDS, f"{len(mounts)} mount targets of {system_id} are deleted")
            if client.describe_file_systems(FileSystemId=system_id)["FileSystems"][0]["LifeCycleState"] != "deleting":
                client.delete_file_system(FileSystemId=system_id)
        except (client.exceptions.FileSystemNotFound, client.exceptions.MountTargetNotFound):
            if not _exists(client, system_id):
                return Finishing(True)
            return Finishing(False, AGAIN_IN_SECONDS, f"mount targets of {system_id} are being deleted")
        return Finishing(False, AGAIN_IN_SECONDS, f"file system {system_id} is being deleted")


def _exists(client: Any, system_id: str) -> bool:
    try:
        client.describe_file_systems(FileSystemId=system_id)
    except client.exceptions.FileSystemNotFound:
        return False
    return True


def _mount_target_ids(client: Any, system_id: str) -> list[str]:
    pages = client.get_paginator("describe_mount_targets").paginate(FileSystemId=system_id)
    return [mount["MountTargetId"] for page in pages for mount in page["MountTargets"]]


def _mount_targets(client: Any, system_id: str) -> dict[str, str]:
    """Subnet → LifeCycleState of the file system's mount targets."""
    pages = client.get_paginator("describe_mount_targets").paginate(FileSystemId=system_id)
    return {mount["SubnetId"]: mount["LifeCycleState"] for page in pages for mount in page["MountTargets"]}


def _create_mount_target(client: Any, system_id: str, subnet: str, security_groups: list[str] | None) -> str:
    groups = {"SecurityGroups": security_groups} if security_groups else {}
    try:
        made = client.create_mount_target(FileSystemId=system_id, SubnetId=subnet, **groups)
    except client.exceptions.MountTargetConflict as error:
        raise MetadataRefused(
            f"EFS takes no mount target of {system_id} in {subnet}: {error}",
            "give EFS one subnet per Availability Zone, all of one VPC, as subnetIds in the plan's targets.",
        ) from error
    return str(made["LifeCycleState"])
