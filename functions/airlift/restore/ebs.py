"""EBS volumes, and Storage Gateway volumes, which come back as EBS volumes.

IAM actions:
- prepare: none
- finish: ec2:CreateTags on arn:aws:ec2:<region>:<recovery account>:volume/*
- validate: ec2:DescribeVolumes on * (it has no resource-level permission)
- delete: ec2:DescribeVolumes, and ec2:DeleteVolume on the volume
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.errors import MetadataRefused
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.common import airlift_tags, assemble, resource_id, tag_list, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

GIB = 1024**3
AGAIN_IN_SECONDS = 10
READY = ("available", "in-use")


class Ebs(Family):
    """Volumes, new and encrypted. Type, size, IOPS and throughput only if the plan sets them.

    A recovery account has no gateway, and "any Storage Gateway snapshot can be restored" to EBS as well
    (restoring-storage-gateway.html); the job's metadata and ResourceType are then those of EBS (inferred).
    """

    resource_types = ("EBS", "Storage Gateway")
    job_type = "EBS"
    # Without the keys of a file-level restore: it needs a backup index, which air-gapped points never have.
    accepted_keys = frozenset(
        {
            "availabilityZone",
            "encrypted",
            "iops",
            "kmsKeyId",
            "temporaryRestoreDays",
            "throughput",
            "volumeSize",
            "volumeType",
        }
    )
    option_keys = frozenset({"availabilityZone", "availabilityZones", "kmsKeyId"})
    copies_source_tags = True

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """Zone and encryption. Zone names mean something else in each account: the source's would not do.

        A key may only be given together with encryption (API_CreateVolume.html).
        """
        zones = [target.options.get("availabilityZone"), *target.options.get("availabilityZones", [])]
        plan = assemble(self, target.metadata)
        encrypted = plan.get("encrypted", "true").lower() == "true"
        own = {
            "availabilityZone": next((zone for zone in zones if zone), None),
            "encrypted": True,
            "kmsKeyId": target.options.get("kmsKeyId") if encrypted else None,
        }
        metadata = assemble(self, own, plan)
        if not metadata.get("availabilityZone"):
            raise MetadataRefused(
                f"The plan names no Availability Zone for the volume {point.resource_arn}.",
                f"give {point.resource_type} an availabilityZone of {target.region} in the plan's targets.",
            )
        return metadata

    def prepare(self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
        """Nothing: the job makes the volume."""

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Airlift's tags."""
        tags = tag_list(airlift_tags(restored.point, restored.target))
        clients("ec2").create_tags(Resources=[resource_id(restored.created_resource_arn)], Tags=tags)
        return Finishing(True)

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """State, encryption and size; the blocks themselves can only be read by attaching the volume.

        One of an EKS cluster may be in use already: AWS Backup mounts it again (restoring-eks.html).
        """
        client, volume_id = clients("ec2"), resource_id(restored.created_resource_arn)
        try:
            volume = client.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "InvalidVolume.NotFound":
                raise
            return Validation(False, f"volume {volume_id} does not exist")
        least = -(-restored.point.size_bytes // GIB)
        state, size, encrypted = volume["State"], volume["Size"], volume["Encrypted"]
        encryption = "encrypted" if encrypted else "not encrypted, as the plan wants"
        return verdict(
            f"volume {volume_id} {state}, {encryption}, {size} GiB; its blocks were not read",
            (state in READY, f"volume {volume_id} is {state}, not available"),
            (
                encrypted or restored.metadata.get("encrypted") != "true",
                f"volume {volume_id} is not encrypted",
            ),
            (size >= least, f"volume {volume_id} has {size} GiB, its recovery point {least} GiB"),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """The volume's id."""
        return {"volumeId": resource_id(restored.created_resource_arn)}

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """The volume, which nobody must have attached (API_DeleteVolume.html); that is not waited for."""
        if not restored.created_resource_arn:
            return Finishing(True)
        client, volume_id = clients("ec2"), resource_id(restored.created_resource_arn)
        try:
            state = client.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["State"]
            if state == "available":
                client.delete_volume(VolumeId=volume_id)
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "InvalidVolume.NotFound":
                raise
            return Finishing(True)
        if state == "in-use":
            return Finishing(False, doing=f"volume {volume_id} is in use; delete the pod that uses it, or detach it")
        return Finishing(False, AGAIN_IN_SECONDS, f"volume {volume_id} is {state}")
