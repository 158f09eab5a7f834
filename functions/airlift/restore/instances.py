"""What restores that end in an EC2 instance share: where it starts, its tags, its checks, its end.

AWS Backup makes an AMI and snapshots on the way (restoring-ec2.html) and leaves them behind (inferred). `finish` tags
those that belong to this account, so that `delete` finds them; an AMI of the vault's owner is not ours to touch.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.names import RECOVERY_TAG, SOURCE_TAG
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.common import airlift_tags, assemble, present, resource_id, tag_list, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

AGAIN_IN_SECONDS = 15
CHECKS_AGAIN_IN_SECONDS = 30  # status checks run every minute (monitoring-system-instance-status-check.html)


class Instances(Family):
    """Instances in the plan's network, without the source's profile and user data, with IMDSv2 only."""

    option_keys = frozenset({"deletionProtection", "kmsKeyId", "securityGroupIds", "subnetIds"})

    def placed(self, point: RecoveryPoint, target: Target, **own: Any) -> dict[str, str]:
        """Metadata with the type's `own` values and those that both types share; the plan's win.

        The subnet is one of the plan's, spread over resources; a further attempt takes the next one, which may have
        the capacity that the last one lacked. Without subnet and security group AWS takes the default VPC and its
        open group, if there is one at all, so both must be given.
        Raises `MetadataRefused` if they are not.
        """
        subnets = target.options.get("subnetIds", [])
        turn = zlib.crc32(point.resource_arn.encode()) + target.attempt - 1
        shared = {
            "SubnetId": subnets[turn % len(subnets)] if subnets else None,
            "SecurityGroupIds": target.options.get("securityGroupIds") or None,
            "RequireIMDSv2": True,
            "DisableApiTermination": bool(target.options.get("deletionProtection")),
        }
        metadata = assemble(self, shared, own, target.metadata)
        for key, option in (("SubnetId", "subnetIds"), ("SecurityGroupIds", "securityGroupIds")):
            if not metadata.get(key):
                raise MetadataRefused(
                    f"The plan names no {option} for {point.resource_arn}, which comes back as an EC2 instance.",
                    f"give {self.resource_types[0]} the {option} of an isolated network in the plan's targets.",
                )
        return metadata

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Airlift's tags on the instance, its volumes and what AWS left beside it; then both status checks must end."""
        client, instance_id = clients("ec2"), resource_id(restored.created_resource_arn)
        instance = instance_of(client, instance_id)
        state = _state(instance)
        if instance is None or state not in {"pending", "running"}:
            return Finishing(True, doing=f"instance {instance_id} is {state}")
        tags = tag_list(airlift_tags(restored.point, restored.target))
        client.create_tags(Resources=[instance_id, *beside(client, instance)], Tags=tags)
        if state == "pending":
            return Finishing(False, AGAIN_IN_SECONDS, f"instance {instance_id} is pending")
        checks = _status_checks(client, instance_id)
        if not checks or "initializing" in checks.values():
            return Finishing(
                False, CHECKS_AGAIN_IN_SECONDS, f"status checks of instance {instance_id} are initializing"
            )
        return Finishing(True)

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """State, both status checks, and that it is where and what the metadata says; nothing inside is looked at."""
        client, instance_id = clients("ec2"), resource_id(restored.created_resource_arn)
        instance = instance_of(client, instance_id)
        if instance is None:
            return Validation(False, f"instance {instance_id} does not exist")
        if _state(instance) != "running":
            return Validation(False, f"instance {instance_id} is {_state(instance)}, not running")
        sent, checks = restored.metadata, _status_checks(client, instance_id)
        groups = sorted(group["GroupId"] for group in instance.get("SecurityGroups", []))
        tokens = instance.get("MetadataOptions", {}).get("HttpTokens")
        profile = instance.get("IamInstanceProfile", {}).get("Arn")
        volumes = _volumes(client, instance)
        bare = [volume["VolumeId"] for volume in volumes if not volume["Encrypted"]]
        # Without devices in the metadata the volumes are as they were in the backup.
        asked = bool(sent.keys() & {"BlockDeviceMappings", "KmsKeyId"})
        return verdict(
            f"instance {instance_id} running, both status checks ok, in {instance.get('SubnetId')} with"
            f" {', '.join(groups)}, {len(volumes)} volumes, {len(bare)} of them not encrypted; what runs on it was"
            " not looked at",
            *(
                (status == "ok", f"the {check} status check of instance {instance_id} is {status}")
                for check, status in (checks or {"instance": "missing"}).items()
            ),
            (instance.get("SubnetId") == sent["SubnetId"], f"it is in {instance.get('SubnetId')}"),
            (groups == sorted(json.loads(sent["SecurityGroupIds"])), f"its security groups are {groups}"),
            (
                tokens == "required" or sent["RequireIMDSv2"].lower() != "true",
                f"its instance metadata takes requests without a token: HttpTokens is {tokens}",
            ),
            (not profile or "IamInstanceProfileName" in sent, f"it has the instance profile {profile}"),
            (bool(volumes), f"instance {instance_id} has no volume"),
            (not (bare and asked), f"volumes {', '.join(bare)} are not encrypted"),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """The instance's id, and its address and name inside its network."""
        instance_id = resource_id(restored.created_resource_arn)
        instance = instance_of(clients("ec2"), instance_id) or {}
        named = {"privateIp": "PrivateIpAddress", "privateDnsName": "PrivateDnsName"}
        return present({"instanceId": instance_id} | {name: instance.get(key) for name, key in named.items()})

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """The instance, its protection first if it has any; then volumes that outlived it, AMIs and snapshots.

        What outlived it is known by its tags; a volume that another instance of the recovery uses is left to that.
        """
        if not restored.created_resource_arn:
            return Finishing(True)
        client, instance_id = clients("ec2"), resource_id(restored.created_resource_arn)
        state = _state(instance_of(client, instance_id))
        if state not in {"terminated", "gone"}:
            if state != "shutting-down":
                _terminate(client, instance_id)
            return Finishing(False, AGAIN_IN_SECONDS, f"instance {instance_id} is being terminated")
        left = _delete_left(client, restored)
        return Finishing(not left, AGAIN_IN_SECONDS, f"{', '.join(left)} of instance {instance_id} are being deleted")


def instance_of(client: Any, instance_id: str) -> dict[str, Any] | None:
    """DescribeInstances' member; None if there is no such instance."""
    try:
        answer = client.describe_instances(InstanceIds=[instance_id])
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "InvalidInstanceID.NotFound":
            raise
        return None
    found: list[dict[str, Any]] = [one for each in answer["Reservations"] for one in each["Instances"]]
    return found[0] if found else None


def _state(instance: Mapping[str, Any] | None) -> str:
    """EC2's name of the state; "gone" if there is no instance, as some time after it was terminated."""
    return instance["State"]["Name"] if instance else "gone"


def _status_checks(client: Any, instance_id: str) -> dict[str, str]:
    """Status of the `instance` and the `system` check; empty as long as EC2 knows none."""
    answer = client.describe_instance_status(InstanceIds=[instance_id], IncludeAllInstances=True)
    return {
        check: status[f"{check.capitalize()}Status"]["Status"]
        for status in answer["InstanceStatuses"]
        for check in ("instance", "system")
    }


def _volumes(client: Any, instance: Mapping[str, Any]) -> list[dict[str, Any]]:
    ids = [device["Ebs"]["VolumeId"] for device in instance.get("BlockDeviceMappings", []) if "Ebs" in device]
    volumes: list[dict[str, Any]] = client.describe_volumes(VolumeIds=ids)["Volumes"] if ids else []
    return volumes


def beside(client: Any, instance: Mapping[str, Any]) -> list[str]:
    """Ids of its volumes, and of the AMI and the snapshots that it was made of, if they are this account's.

    A resource of another account can only be restored from an AMI of its own, so none that others use is meant.
    """
    volumes = _volumes(client, instance)
    image = [{"Name": "image-id", "Values": [instance["ImageId"]]}]
    images = client.describe_images(Owners=["self"], Filters=image)["Images"]
    sources = {volume["SnapshotId"] for volume in volumes if volume.get("SnapshotId")}
    sources |= {
        device["Ebs"]["SnapshotId"] for image in images for device in image["BlockDeviceMappings"] if "Ebs" in device
    }
    own = [{"Name": "snapshot-id", "Values": sorted(sources)}]
    snapshots = client.describe_snapshots(OwnerIds=["self"], Filters=own)["Snapshots"] if sources else []
    return [
        *(volume["VolumeId"] for volume in volumes),
        *(image["ImageId"] for image in images),
        *(snapshot["SnapshotId"] for snapshot in snapshots),
    ]


def _terminate(client: Any, instance_id: str) -> None:
    try:
        client.terminate_instances(InstanceIds=[instance_id])
    except client.exceptions.ClientError as error:
        if (
            error.response["Error"]["Code"] != "OperationNotPermitted"
        ):  # termination protection (API_TerminateInstances)
            raise
        client.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
        client.terminate_instances(InstanceIds=[instance_id])


def _delete_left(client: Any, restored: Restored) -> list[str]:
    """Deletes what carries the instance's tags; gives the ids. A snapshot goes once no AMI holds it any more."""
    tags = airlift_tags(restored.point, restored.target)
    mine = [{"Name": f"tag:{key}", "Values": [tags[key]]} for key in (RECOVERY_TAG, SOURCE_TAG)]
    free = [*mine, {"Name": "status", "Values": ["available"]}]
    volumes = [volume["VolumeId"] for volume in client.describe_volumes(Filters=free)["Volumes"]]
    for volume in volumes:
        client.delete_volume(VolumeId=volume)
    images = [image["ImageId"] for image in client.describe_images(Owners=["self"], Filters=mine)["Images"]]
    for image in images:
        client.deregister_image(ImageId=image)
    found = client.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]
    snapshots = [snapshot["SnapshotId"] for snapshot in found]
    for snapshot in [] if images else snapshots:
        client.delete_snapshot(SnapshotId=snapshot)
    return [*volumes, *images, *snapshots]
