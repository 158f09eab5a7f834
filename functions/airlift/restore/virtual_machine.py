"""VMware virtual machines, restored as EC2 instances: a recovery account has no hypervisor of its own.

IAM actions: those of `airlift.restore.ec2`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.errors import MetadataRefused
from airlift.restore.instances import Instances

if TYPE_CHECKING:
    from airlift.restore.base import RecoveryPoint, Target


class VirtualMachine(Instances):
    """Machines with at most 21 disks of 5 TB, and an operating system that VM Import takes (restoring-vm.html)."""

    resource_types = ("VirtualMachine",)
    # Without the keys of a restore to VMware or of single disks to EBS, and without NetworkInterfaces and VpcId,
    # which would say a second time where the instance goes.
    accepted_keys = frozenset(
        {
            "CreditSpecification",
            "DisableApiTermination",
            "EbsOptimized",
            "HibernationOptions",
            "IamInstanceProfileName",
            "InstanceInitiatedShutdownBehavior",
            "InstanceType",
            "KernelId",
            "KmsKeyId",
            "LicenseSpecifications",
            "Placement",
            "RamdiskId",
            "RequireIMDSv2",
            "RestoreTo",
            "SecurityGroupIds",
            "SubnetId",
            "UserData",
        }
    )
    copies_source_tags = False

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """Network, key and type. Nothing of the machine says which type of instance would do, so the plan must.

        The job then names the instance as what it created (inferred).
        """
        metadata = self.placed(point, target, RestoreTo="EC2Instance", KmsKeyId=target.options.get("kmsKeyId"))
        if metadata["RestoreTo"] != "EC2Instance":
            raise MetadataRefused(
                f"The plan wants {point.resource_arn} restored to {metadata['RestoreTo']}.",
                "remove RestoreTo from the plan's targets: Airlift restores virtual machines as EC2 instances only.",
            )
        if not metadata.get("InstanceType"):
            raise MetadataRefused(
                f"The plan names no InstanceType for the virtual machine {point.resource_arn}.",
                "give VirtualMachine, or this machine, an InstanceType under metadata in the plan's targets.",
            )
        return metadata
