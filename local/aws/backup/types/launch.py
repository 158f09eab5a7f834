"""An instance out of disks, as AWS Backup leaves it: with the image and the snapshots that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import RestoreProblem, flag, listed, parsed
from local.aws.backup.types.network import check_security_groups, instance_subnet, subnet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.aws.backup.types.base import Target
    from local.aws.backup.types.ebs import Volume


_FLAGS = ("DisableApiTermination", "EbsOptimized", "RequireIMDSv2")
BACKUP_VAULT_IMAGES = "aws-backup-vault"
"""The provider of the images that a restore out of an air-gapped vault uses (devguide/restoring-ec2.html)."""


def check_images(target: Target, source_id: str) -> None:
    """EC2's Allowed AMIs take the image. Raises RestoreProblem otherwise; `audit-mode` refuses nothing."""
    images = target.context.settings.allowed_images
    providers = [name for one in images["ImageCriteria"] for name in one.get("ImageProviders", ())]
    if images["State"] == "enabled" and BACKUP_VAULT_IMAGES not in providers:
        raise RestoreProblem(f"Source AMI of {source_id} not found in Region {target.region}.")


def check_launch(target: Target, metadata: Mapping[str, str]) -> None:
    """What metadata names of the target account, for instances of either kind. Raises RestoreProblem."""
    _, zone = instance_subnet(target, metadata)
    describe = target.client("ec2").describe_network_interfaces
    for one in parsed(metadata, "NetworkInterfaces", []):
        if one.get("NetworkInterfaceId"):
            exists(lambda name: describe(NetworkInterfaceIds=[name]), one["NetworkInterfaceId"], "interface")
        if one.get("SubnetId"):
            vpc, _ = subnet(target, one["SubnetId"])
            check_security_groups(target, one.get("Groups", ()), vpc)
    placement = parsed(metadata, "Placement", {})
    if placement.get("AvailabilityZone") not in (None, "", zone):
        raise RestoreProblem(f"The zone {placement['AvailabilityZone']} is not the subnet's, {zone}.")
    for key in ("GroupName", "HostId"):
        if placement.get(key):
            raise RestoreProblem(f"The Placement {key} '{placement[key]}' is unknown.")
    for key in _FLAGS:
        flag(metadata, key, "false")


def check_profile(target: Target, name: str) -> None:
    """An instance profile must be the target account's. Raises RestoreProblem."""
    get = target.client("iam").get_instance_profile
    exists(lambda profile: get(InstanceProfileName=profile), name, "IAM Instance Profile")


def exists(describe: Any, name: str, kind: str) -> None:
    """`describe` finds `name` in the target account. Raises RestoreProblem."""
    try:
        describe(name)
    except (ClientError, IndexError) as error:
        raise RestoreProblem(f"The {kind} '{name}' does not exist") from error


def asked_for(target: Target, metadata: Mapping[str, str], instance_type: str) -> tuple[dict[str, Any], str]:
    """RunInstances' parameters that metadata of either kind gives, and the zone."""
    subnet_id, zone = instance_subnet(target, metadata)
    asked: dict[str, Any] = {
        "InstanceType": instance_type,
        "SubnetId": subnet_id,
        "DisableApiTermination": flag(metadata, "DisableApiTermination", "false"),
        "EbsOptimized": flag(metadata, "EbsOptimized", "false"),
    }
    if listed(metadata, "SecurityGroupIds"):
        asked["SecurityGroupIds"] = listed(metadata, "SecurityGroupIds")
    if flag(metadata, "RequireIMDSv2", "false"):
        asked["MetadataOptions"] = {"HttpTokens": "required"}
    if metadata.get("InstanceInitiatedShutdownBehavior"):
        asked["InstanceInitiatedShutdownBehavior"] = metadata["InstanceInitiatedShutdownBehavior"]
    return asked, zone


@dataclass(frozen=True)
class Disk:
    """A volume and where it is attached."""

    device: str
    volume: Volume
    delete_on_termination: bool = True


def launch(
    target: Target,
    source_id: str,
    disks: Sequence[Disk],
    zone: str,
    asked: dict[str, Any],
    changes: Sequence[dict[str, Any]],
) -> str:
    """Make snapshots and an image in the target account and run an instance of it; the instance's ARN.

    `asked` are RunInstances' further parameters, `changes` the BlockDeviceMappings of the restore metadata.
    """
    ec2, wanted = target.client("ec2"), {one["DeviceName"]: one.get("Ebs", {}) for one in changes}
    mappings = [_mapping(ec2, disk, wanted.get(disk.device, {}), zone) for disk in disks]
    image = ec2.register_image(
        Name=f"AwsBackup_{source_id}_{target.context.ids.uuid()}",
        Architecture="x86_64",
        RootDeviceName=disks[0].device,
        VirtualizationType="hvm",
        BlockDeviceMappings=[
            # The key of an image's disks is their snapshots'.
            {**one, "Ebs": {key: value for key, value in one["Ebs"].items() if key not in ("KmsKeyId", "Encrypted")}}
            for one in mappings
        ],
    )["ImageId"]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, BlockDeviceMappings=mappings, **asked)
    instance_id = made["Instances"][0]["InstanceId"]
    found = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    places = {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in found["BlockDeviceMappings"]}
    for disk in disks:
        target.context.doors.write_volume(target.account, target.region, places[disk.device], disk.volume.blocks)
    return f"arn:aws:ec2:{target.region}:{target.account}:instance/{instance_id}"


def _mapping(ec2: Any, disk: Disk, change: dict[str, Any], zone: str) -> dict[str, Any]:
    """A snapshot of the disk in the target account, and the mapping of a volume made from it."""
    volume = disk.volume
    key = {"KmsKeyId": change["KmsKeyId"]} if change.get("KmsKeyId") else {}
    encrypted = {"Encrypted": volume.encrypted or bool(change.get("Encrypted")), **key}
    scratch = ec2.create_volume(AvailabilityZone=zone, Size=volume.size, VolumeType=volume.kind, **encrypted)[
        "VolumeId"
    ]
    snapshot = ec2.create_snapshot(VolumeId=scratch, Description="This snapshot is created by the AWS Backup service.")
    ec2.delete_volume(VolumeId=scratch)
    ebs: dict[str, Any] = {
        "SnapshotId": snapshot["SnapshotId"],
        "DeleteOnTermination": disk.delete_on_termination,
        "VolumeSize": volume.size,
        "VolumeType": volume.kind,
        **encrypted,
    }
    numbers = {"Iops": volume.iops, "Throughput": volume.throughput}
    if volume.kind == "gp3":  # of other types IOPS follow from the size, or are not described
        ebs |= {name: value for name, value in numbers.items() if value}
    return {"DeviceName": disk.device, "Ebs": ebs | change}
