"""EC2 instances with their volumes; what is on the disks comes and goes through the data door."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import (
    RestoreProblem,
    Snapshot,
    Target,
    barred_by_key,
    check_key,
    gone,
    parsed,
    tag_list,
)
from local.aws.backup.types.ebs import read_volume
from local.aws.backup.types.launch import Disk, asked_for, check_images, check_launch, check_profile, exists, launch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context

_USE_BACKED_UP = "UseBackedUpValue"


@dataclass(frozen=True)
class Instance:
    """An instance as DescribeInstances has it, and its disks, the root first."""

    described: Mapping[str, Any]
    disks: tuple[Disk, ...]
    tags: Mapping[str, str]


class Ec2:
    """Restores an instance, its volumes, and beside them the image and snapshots it comes from (restoring-ec2.html)."""

    resource_type = "EC2"
    arn_prefix = "arn:aws:ec2:*:*:instance/"
    keys = frozenset(
        {
            *("DisableApiTermination", "EbsOptimized", "RequireIMDSv2"),
            *("Architecture", "BlockDeviceMappings", "CapacityReservationSpecification", "CpuOptions"),
            *("CreditSpecification", "ElasticGpuSpecification", "EnaSupport", "HibernationOptions"),
            *("IamInstanceProfileName", "InstanceInitiatedShutdownBehavior", "InstanceMarketOptions", "InstanceType"),
            *("KernelId", "KeyName", "LicenseSpecifications", "Monitoring", "NetworkInterfaces", "Placement"),
            *("Platform", "RamdiskId", "RootDeviceType", "SecurityGroupIds", "SubnetId", "UserData"),
            *("VirtualizationType", "VpcId", "aws:backup:request-id"),
        }
    )
    required: frozenset[str] = frozenset()
    any_case = False
    allows_tags = True
    native_arn: str | None = "arn:aws:ec2:{region}::image/ami-{id}"

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """The instance and the blocks of its volumes as they are now."""
        instance_id = arn.rpartition("/")[2]
        client = context.clients("ec2", account, region)
        try:
            found = client.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        except (ClientError, IndexError):
            raise gone(arn) from None
        if found["State"]["Name"] == "terminated":
            raise gone(arn)
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
        kms, barred, disks = context.clients("kms", account, region), None, []
        for mapping in found["BlockDeviceMappings"]:
            volume, key = read_volume(context, account, region, mapping["Ebs"]["VolumeId"])
            disks.append(Disk(mapping["DeviceName"], volume, mapping["Ebs"].get("DeleteOnTermination", True)))
            if volume.encrypted:
                barred = barred or barred_by_key(kms, "ebs", key)
        disks.sort(key=lambda disk: disk.device != found.get("RootDeviceName"))
        size = sum(disk.volume.size for disk in disks) * 1024**3
        return Snapshot(tags.get("Name", ""), size, Instance(found, tuple(disks), tags), tags, barred=barred)

    def restore_metadata(self, content: Instance) -> dict[str, str | None]:
        """The keys that a real answer was seen to have."""
        found = content.described
        groups = [group["GroupId"] for group in found.get("SecurityGroups", ())]
        placement = {
            key: found.get("Placement", {}).get(key, "") for key in ("AvailabilityZone", "GroupName", "Tenancy")
        }
        interfaces = [
            {
                "DeviceIndex": number,
                "NetworkInterfaceId": one.get("NetworkInterfaceId"),
                "PrivateIpAddress": one.get("PrivateIpAddress"),
                "SubnetId": one.get("SubnetId"),
                "Groups": groups,
            }
            for number, one in enumerate(found.get("NetworkInterfaces", ()))
        ]
        return {
            "CapacityReservationSpecification": '{"CapacityReservationPreference":"open"}',
            "CpuOptions": json.dumps(found.get("CpuOptions", {"CoreCount": 1, "ThreadsPerCore": 1})),
            "CreditSpecification": '{"CpuCredits":"unlimited"}',
            "DisableApiTermination": "false",
            "EbsOptimized": str(found.get("EbsOptimized", False)).lower(),
            "HibernationOptions": '{"Configured":false}',
            "InstanceInitiatedShutdownBehavior": "stop",
            "InstanceType": found["InstanceType"],
            "KeyName": found.get("KeyName") or None,
            "Monitoring": json.dumps({"State": found.get("Monitoring", {}).get("State", "disabled")}),
            "NetworkInterfaces": json.dumps(interfaces),
            "Placement": json.dumps(placement),
            "SecurityGroupIds": json.dumps(groups),
            "SubnetId": found.get("SubnetId"),
            "VpcId": found.get("VpcId"),
        }

    def check(self, target: Target, content: Instance, metadata: Mapping[str, str]) -> None:
        """Everything of the target's account that the metadata names, and the keys of encrypted disks."""
        check_images(target, content.described["InstanceId"])
        check_launch(target, metadata)
        ec2 = target.client("ec2")
        if metadata.get("KeyName"):
            exists(lambda name: ec2.describe_key_pairs(KeyNames=[name]), metadata["KeyName"], "key pair")
        if "CapacityReservationTarget" in parsed(metadata, "CapacityReservationSpecification", {}):
            raise RestoreProblem("The capacity reservation does not exist.")
        if profile := self._profile(content, metadata):
            check_profile(target, profile)
        check_disks(target, content.disks, parsed(metadata, "BlockDeviceMappings", []))

    def _profile(self, content: Instance, metadata: Mapping[str, str]) -> str:
        """A profile's name, or none: it is the backed up one, and can't be changed by a restore."""
        name = metadata.get("IamInstanceProfileName")
        if not name:
            return ""
        own = (content.described.get("IamInstanceProfile") or {}).get("Arn", "").rpartition("/")[2]
        if not own or name not in (_USE_BACKED_UP, own):
            raise RestoreProblem(f"IamInstanceProfileName {name!r} is not the one of the backup.")
        return str(own)

    def restore(self, target: Target, content: Instance, metadata: Mapping[str, str]) -> str:
        """Snapshots, an image, an instance of it, and the blocks on its volumes."""
        asked, zone = asked_for(target, metadata, metadata.get("InstanceType") or content.described["InstanceType"])
        if metadata.get("KeyName"):
            asked["KeyName"] = metadata["KeyName"]
        if profile := self._profile(content, metadata):
            asked["IamInstanceProfile"] = {"Name": profile}
        if target.copy_tags and content.tags:
            # An instance's tags go to its volumes as well; the volumes' own are lost.
            kinds = ("instance", "volume")
            asked["TagSpecifications"] = [{"ResourceType": kind, "Tags": tag_list(content.tags)} for kind in kinds]
        changes = parsed(metadata, "BlockDeviceMappings", [])
        return launch(target, content.described["InstanceId"], content.disks, zone, asked, changes)


def check_disks(target: Target, disks: tuple[Disk, ...], mappings: list[dict[str, Any]]) -> None:
    """What BlockDeviceMappings change, and a key of the target's own for each disk that is encrypted.

    Raises RestoreProblem: a restore from another account "might fail" without (restoring-ec2.html); here it does.
    """
    changes = {one.get("DeviceName"): one.get("Ebs", {}) for one in mappings}
    unknown = set(changes) - {disk.device for disk in disks}
    if unknown:
        raise RestoreProblem(f"Invalid restore metadata. BlockDeviceMappings has no device {unknown}")
    for key in ("SnapshotId", "OutpostArn"):
        if any(key in change for change in changes.values()):
            raise RestoreProblem(f"Invalid restore metadata. {key} is not supported in BlockDeviceMappings")
    for disk in disks:
        change = changes.get(disk.device, {})
        if "KmsKeyId" in change and change.get("Encrypted") is False:
            raise RestoreProblem(f"KmsKeyId of {disk.device} needs Encrypted.")
        if disk.volume.encrypted and change.get("Encrypted") is False:
            raise RestoreProblem("An encrypted volume can't be restored unencrypted.")
        if int(change.get("VolumeSize", disk.volume.size)) < disk.volume.size:
            raise RestoreProblem(f"The volume {disk.device} can't be smaller than the backup.")
        if "KmsKeyId" in change or (disk.volume.encrypted and target.crosses_accounts):
            check_key(target, change.get("KmsKeyId"))
