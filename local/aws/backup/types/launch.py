"""An instance out of disks, as AWS Backup leaves it: with the image and the snapshots that it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.aws.backup.types.base import RestoreProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.aws.backup.types.base import Target
    from local.aws.backup.types.ebs import Volume


BACKUP_VAULT_IMAGES = "aws-backup-vault"
"""The provider of the images that a restore out of an air-gapped vault uses (devguide/restoring-ec2.html)."""


def check_images(target: Target, source_id: str) -> None:
    """EC2's Allowed AMIs take the image. Raises RestoreProblem otherwise; `audit-mode` refuses nothing."""
    images = target.context.settings.allowed_images
    providers = [name for one in images["ImageCriteria"] for name in one.get("ImageProviders", ())]
    if images["State"] == "enabled" and BACKUP_VAULT_IMAGES not in providers:
        raise RestoreProblem(f"Source AMI of {source_id} not found in Region {target.region}.")


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
