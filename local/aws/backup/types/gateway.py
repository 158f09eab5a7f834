"""Disks that lie on somebody's premises: volumes of a Storage Gateway and virtual machines; the data door has them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.aws.backup.types.base import RestoreProblem, Snapshot, Target, check_key, gone
from local.aws.backup.types.ebs import Ebs, Volume
from local.aws.backup.types.launch import Disk, asked_for, check_images, check_launch, check_profile, launch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context

_TIB = 1024
_MOST_DISKS, _LARGEST = 21, 5 * _TIB
"""What a restore of a virtual machine to EC2 takes (restoring-vm.html); the size in GiB."""


class GatewayVolume(Ebs):
    """A gateway's volume, restored as one of EBS; restoring it to a gateway is not provided."""

    resource_type = "Storage Gateway"
    arn_prefix = "arn:aws:storagegateway:*:*:gateway/"

    def snapshot(self, context: Context, _account: str, _region: str, arn: str) -> Snapshot:
        """The blocks as they are now."""
        disks = context.doors.read_premises(arn)
        if not disks:
            raise gone(arn)
        name, size, blocks = disks[0]
        volume = Volume(arn.rpartition("/")[2], size, "gp2", encrypted=False, blocks=blocks, tags={})
        return Snapshot(name, size * 1024**3, volume)

    def restore_metadata(self, _content: Volume) -> dict[str, str | None]:
        """Nothing is published about what AWS returns."""
        return {}


@dataclass(frozen=True)
class Machine:
    """A virtual machine's disks, the one that it starts from first."""

    machine_id: str
    disks: tuple[Disk, ...]


class VirtualMachine:
    """A machine of VMware, restored as an EC2 instance; restoring it to VMware or EBS is not provided."""

    resource_type = "VirtualMachine"
    arn_prefix = "arn:aws:backup-gateway:*:*:vm/"
    keys = frozenset(
        {
            *("CreditSpecification", "DisableApiTermination", "EbsOptimized", "HibernationOptions"),
            *("IamInstanceProfileName", "InstanceInitiatedShutdownBehavior", "InstanceType", "KernelId", "KmsKeyId"),
            *("LicenseSpecifications", "NetworkInterfaces", "Placement", "RamdiskId", "RequireIMDSv2", "RestoreTo"),
            *("SecurityGroupIds", "SubnetId", "UserData", "VpcId"),
        }
    )
    required = frozenset({"InstanceType", "RestoreTo"})
    any_case = False
    allows_tags = False
    native_arn: str | None = None

    def snapshot(self, context: Context, _account: str, _region: str, arn: str) -> Snapshot:
        """The blocks of its disks as they are now."""
        found = context.doors.read_premises(arn)
        if not found:
            raise gone(arn)
        machine_id = arn.rpartition("/")[2]
        disks = tuple(
            Disk(
                f"/dev/sd{chr(ord('a') + number)}",
                Volume(label, size, "gp3", encrypted=False, blocks=blocks, tags={}),
            )
            for number, (label, size, blocks) in enumerate(found)
        )
        size = sum(disk.volume.size for disk in disks) * 1024**3
        return Snapshot(machine_id, size, Machine(machine_id, disks))

    def restore_metadata(self, content: Machine) -> dict[str, str | None]:
        """As in the example of restoring-vm.html."""
        disks = [{"DiskId": str(2000 + n), "Label": one.volume.volume_id} for n, one in enumerate(content.disks)]
        return {"vmId": content.machine_id, "DisksToRestore": json.dumps(disks)}

    def check(self, target: Target, content: Machine, metadata: Mapping[str, str]) -> None:
        """Where it goes, its disks and its key."""
        if metadata["RestoreTo"] != "EC2Instance":
            raise RestoreProblem(f"There is no hypervisor for RestoreTo {metadata['RestoreTo']}.")
        if len(content.disks) > _MOST_DISKS or any(disk.volume.size > _LARGEST for disk in content.disks):
            raise RestoreProblem(f"EC2 takes {_MOST_DISKS} disks of {_LARGEST // _TIB} TB.")
        check_images(target, content.machine_id)
        check_launch(target, metadata)
        if metadata.get("IamInstanceProfileName"):
            check_profile(target, metadata["IamInstanceProfileName"])
        if metadata.get("KmsKeyId"):
            check_key(target, metadata["KmsKeyId"])

    def restore(self, target: Target, content: Machine, metadata: Mapping[str, str]) -> str:
        """An instance with its disks, encrypted if a key is given."""
        asked, zone = asked_for(target, metadata, metadata["InstanceType"])
        if metadata.get("IamInstanceProfileName"):
            asked["IamInstanceProfile"] = {"Name": metadata["IamInstanceProfileName"]}
        key = metadata.get("KmsKeyId")
        changes = [
            {"DeviceName": disk.device, "Ebs": {"Encrypted": True, "KmsKeyId": key}} for disk in content.disks if key
        ]
        return launch(target, content.machine_id, content.disks, zone, asked, changes)
