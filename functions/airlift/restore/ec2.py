"""EC2 instances, Windows with VSS included.

IAM actions (also those of virtual machines, which come back as instances):
- prepare: none
- finish: ec2:CreateTags on arn:aws:ec2:<region>:<recovery account>:instance/* and volume/*, and on
  arn:aws:ec2:<region>::image/* and ::snapshot/*; ec2:DescribeInstances, DescribeInstanceStatus, DescribeVolumes,
  DescribeImages, DescribeSnapshots on * (they have no resource-level permission)
- validate: ec2:DescribeInstances, DescribeInstanceStatus, DescribeVolumes
- delete: the Describe actions, and ec2:TerminateInstances, ModifyInstanceAttribute, DeleteVolume, DeregisterImage,
  DeleteSnapshot on what carries Airlift's tags
- a plan that asks for the backed-up instance profile needs one of that name here; the restore role may pass its role,
  as any other of the account, to EC2 (AWSBackupServiceRolePolicyForRestores)
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from airlift.errors import MetadataRefused
from airlift.restore.common import assemble
from airlift.restore.instances import Instances

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.restore.base import RecoveryPoint, Target

AS_BACKED_UP = "UseBackedUpValue"
# Of a device's Ebs; SnapshotId and OutpostArn are not supported (restoring-ec2.html).
DEVICE_KEYS = ("DeleteOnTermination", "Encrypted", "Iops", "KmsKeyId", "Throughput", "VolumeSize", "VolumeType")


class Ec2(Instances):
    """Instances. Of the source's settings only its type and its devices come along: the rest means nothing here."""

    resource_types = ("EC2",)
    # Without NetworkInterfaces and VpcId, which would say a second time where the instance goes, and without
    # aws:backup:request-id, one value of which would stand for every instance.
    accepted_keys = frozenset(
        {
            "Architecture",
            "BlockDeviceMappings",
            "CapacityReservationSpecification",
            "CpuOptions",
            "CreditSpecification",
            "DisableApiTermination",
            "EbsOptimized",
            "ElasticGpuSpecification",
            "EnaSupport",
            "HibernationOptions",
            "IamInstanceProfileName",
            "InstanceInitiatedShutdownBehavior",
            "InstanceMarketOptions",
            "InstanceType",
            "KernelId",
            "KeyName",
            "LicenseSpecifications",
            "Monitoring",
            "Placement",
            "Platform",
            "RamdiskId",
            "RequireIMDSv2",
            "RootDeviceType",
            "SecurityGroupIds",
            "SubnetId",
            "UserData",
            "VirtualizationType",
        }
    )
    copies_source_tags = True
    nested_keys: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType(
        {"BlockDeviceMappings": frozenset({"DeviceName", "Ebs"})}
    )

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """Network, type and devices. The profile is left out, which means none (inferred), unless the plan wants it."""
        known = {key.lower(): value for key, value in point.restore_metadata.items()}
        plan = assemble(self, target.metadata)
        profile = plan.get("IamInstanceProfileName", AS_BACKED_UP)
        if profile != AS_BACKED_UP:
            raise MetadataRefused(
                f"The plan wants the instance profile {profile} for {point.resource_arn}.",
                f"write {AS_BACKED_UP} for the one it had, or remove the key and attach another after the restore.",
            )
        metadata = self.placed(point, target, InstanceType=known.get("instancetype"))
        devices = _devices(plan.get("BlockDeviceMappings")) or _devices(known.get("blockdevicemappings"), source=True)
        if "BlockDeviceMappings" in plan and not devices:
            raise MetadataRefused(
                "The plan's BlockDeviceMappings are no list of devices with DeviceName and Ebs.",
                'write [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3"}}], or remove the key.',
            )
        for device in devices:
            # Without a key of its own a restore across accounts may fail (restoring-ec2.html).
            key = target.options.get("kmsKeyId") if device["Ebs"].get("Encrypted", True) else None
            device["Ebs"] = {"Encrypted": True, "KmsKeyId": key} | device["Ebs"]
            device["Ebs"] = {key: value for key, value in device["Ebs"].items() if value is not None}
        return assemble(self, metadata, {"BlockDeviceMappings": devices or None})


def _devices(text: str | None, *, source: bool = False) -> list[dict[str, Any]]:
    """The EBS devices that metadata names, without what can't be sent and, of the source's, without its key.

    Empty if there are none, or if the text is something else.
    """
    try:
        listed = json.loads(text or "[]")
    except ValueError:
        return []
    allowed = [key for key in DEVICE_KEYS if not source or key not in {"Encrypted", "KmsKeyId"}]
    return [
        {
            "DeviceName": device["DeviceName"],
            "Ebs": {key: device["Ebs"][key] for key in allowed if key in device["Ebs"]},
        }
        for device in (listed if isinstance(listed, list) else [])
        if isinstance(device, dict) and "DeviceName" in device and isinstance(device.get("Ebs"), dict)
    ]
