"""EC2 in ministack: instances have the disks, the zone and the metadata options that were asked for."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ministack.services import ec2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Asked = Mapping[str, Any]
    Answer = tuple[int, dict[str, str], bytes]
    Handler = Callable[[Asked], Answer]

_launching: ContextVar[Asked] = ContextVar("launching")
_EBS = ("SnapshotId", "VolumeSize", "VolumeType", "Iops", "Throughput", "Encrypted", "KmsKeyId", "DeleteOnTermination")


def install() -> None:
    """Mend what ministack leaves out of instances, volumes and images."""
    ec2._launch_instances_internal = _with_disks(ec2._launch_instances_internal)
    ec2._registered_image = _unless_of_snapshots(ec2._registered_image)
    ec2._volume_inner_xml = _with_key(ec2._volume_inner_xml)
    ec2._instance_xml = _with_options(ec2._instance_xml)
    mended: dict[str, Callable[[Handler], Handler]] = {
        "CreateVolume": _create_volume,
        "DeleteSnapshot": _delete_snapshot,
        "DeregisterImage": _deregister_image,
        "DescribeInstanceAttribute": _describe_instance_attribute,
        "RunInstances": _run_instances,
        "TerminateInstances": _terminate_instances,
    }
    for action, mend in mended.items():
        ec2._ACTION_MAP[action] = mend(ec2._ACTION_MAP[action])
    ec2._ACTION_MAP["ModifyInstanceAttribute"] = _modify_instance_attribute
    ec2._ACTION_MAP["GetAllowedImagesSettings"] = _get_allowed_images_settings


def _text(asked: Asked, key: str) -> str:
    return str(ec2._p(asked, key))


def _unless_of_snapshots(find: Callable[[str], Any]) -> Callable[[str], Any]:
    """An image made of snapshots starts as one that ministack doesn't know: on paper only."""

    def registered_image(image_id: str) -> Any:
        image = find(image_id)
        return image if image and image.get("ImageLocation") else None

    return registered_image


def _run_instances(run: Handler) -> Handler:
    def run_instances(asked: Asked) -> Answer:
        _launching.set(asked)
        return run(asked)

    return run_instances


def _with_disks(launch: Callable[..., list[dict[str, Any]]]) -> Callable[..., list[dict[str, Any]]]:
    def launch_instances(*arguments: Any, **options: Any) -> list[dict[str, Any]]:
        instances, asked = launch(*arguments, **options), _launching.get({})
        for instance in instances:
            zone = ec2._subnets.get(instance["SubnetId"], {}).get("AvailabilityZone")
            instance["Placement"]["AvailabilityZone"] = zone or instance["Placement"]["AvailabilityZone"]
            instance["HttpTokens"] = _text(asked, "MetadataOptions.HttpTokens") or "optional"
            instance["DisableApiTermination"] = _text(asked, "DisableApiTermination") == "true"
            _attach(instance, _disks(asked), asked)
        return instances

    return launch_instances


def _disks(asked: Asked) -> list[dict[str, str]]:
    found, number = [], 1
    while device := _text(asked, f"BlockDeviceMapping.{number}.DeviceName"):
        wanted = {key: _text(asked, f"BlockDeviceMapping.{number}.Ebs.{key}") for key in _EBS}
        found.append({"DeviceName": device, **{key: value for key, value in wanted.items() if value}})
        number += 1
    return found


def _attach(instance: dict[str, Any], disks: list[dict[str, str]], asked: Asked) -> None:
    """Replace the one volume that ministack makes up by those that were asked for, the first as root."""
    if disks:
        for mapping in instance["BlockDeviceMappings"]:
            del ec2._volumes[mapping["Ebs"]["VolumeId"]]
        instance["RootDeviceName"] = disks[0]["DeviceName"]
        instance["BlockDeviceMappings"] = [_volume(instance, disk) for disk in disks]
    for mapping in instance["BlockDeviceMappings"]:
        volume_id = mapping["Ebs"]["VolumeId"]
        ec2._volumes[volume_id]["AvailabilityZone"] = instance["Placement"]["AvailabilityZone"]
        ec2._parse_tag_specs(asked, "volume", volume_id)


def _volume(instance: dict[str, Any], disk: dict[str, str]) -> dict[str, Any]:
    volume_id, now = ec2._new_volume_id(), instance["LaunchTime"]
    kind, ends = disk.get("VolumeType", "gp3"), disk.get("DeleteOnTermination", "true") == "true"
    attached = {"VolumeId": volume_id, "InstanceId": instance["InstanceId"], "Device": disk["DeviceName"]}
    ec2._volumes[volume_id] = {
        "VolumeId": volume_id,
        "Size": int(disk.get("VolumeSize", "8")),
        "State": "in-use",
        "VolumeType": kind,
        "SnapshotId": disk.get("SnapshotId", ""),
        "Iops": int(disk.get("Iops", "3000" if kind == "gp3" else "0")),
        "Throughput": int(disk.get("Throughput", "125" if kind == "gp3" else "0")),
        "Encrypted": disk.get("Encrypted") == "true",
        "KmsKeyId": disk.get("KmsKeyId", ""),
        "CreateTime": now,
        "Attachments": [{**attached, "State": "attached", "AttachTime": now, "DeleteOnTermination": ends}],
        "MultiAttachEnabled": False,
    }
    described = {"VolumeId": volume_id, "Status": "attached", "AttachTime": now, "DeleteOnTermination": ends}
    return {"DeviceName": disk["DeviceName"], "Ebs": described}


def _create_volume(create: Handler) -> Handler:
    def create_volume(asked: Asked) -> Answer:
        known = set(ec2._volumes)
        answer = create(asked)
        for volume_id in set(ec2._volumes) - known:
            volume = ec2._volumes[volume_id]
            if volume["Encrypted"]:  # without a key, under the AWS managed one, which is not told here
                volume["KmsKeyId"] = _text(asked, "KmsKeyId")
            if throughput := _text(asked, "Throughput"):
                volume["Throughput"] = int(throughput)
        return answer

    return create_volume


def _with_key(render: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    def volume_xml(volume: dict[str, Any]) -> str:
        key = f"<kmsKeyId>{volume['KmsKeyId']}</kmsKeyId>" if volume.get("KmsKeyId") else ""
        throughput = f"<throughput>{volume['Throughput']}</throughput>" if volume.get("Throughput") else ""
        return render(volume) + key + throughput

    return volume_xml


def _with_options(render: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    def instance_xml(instance: dict[str, Any]) -> str:
        tokens = instance.get("HttpTokens", "optional")
        options = f"<metadataOptions><state>applied</state><httpTokens>{tokens}</httpTokens></metadataOptions>"
        return render(instance).replace("</placement>", f"</placement>{options}", 1)

    return instance_xml


def _terminate_instances(terminate: Handler) -> Handler:
    def terminate_instances(asked: Asked) -> Answer:
        """Refused for a protected one (API_TerminateInstances.html); volumes go or are set free."""
        ids = ec2._parse_member_list(asked, "InstanceId")
        for instance_id in ids:
            if ec2._instances.get(instance_id, {}).get("DisableApiTermination"):
                words = f"The instance '{instance_id}' may not be terminated. Modify its 'disableApiTermination'."
                refused: Answer = ec2._error("OperationNotPermitted", words, 400)
                return refused
        answer = terminate(asked)
        for mapping in (one for name in ids for one in ec2._instances.get(name, {}).get("BlockDeviceMappings", [])):
            volume = ec2._volumes.get(mapping["Ebs"]["VolumeId"])
            if volume and mapping["Ebs"]["DeleteOnTermination"]:
                del ec2._volumes[volume["VolumeId"]]
            elif volume:
                volume["Attachments"], volume["State"] = [], "available"
        for name in ids:
            ec2._instances.get(name, {})["BlockDeviceMappings"] = []
        return answer

    return terminate_instances


def _modify_instance_attribute(asked: Asked) -> Answer:
    """DisableApiTermination, the one attribute that is provided."""
    instance = ec2._instances.get(_text(asked, "InstanceId"))
    value = _text(asked, "DisableApiTermination.Value")
    answer: Answer
    if instance is None:
        answer = ec2._error("InvalidInstanceID.NotFound", "The instance does not exist", 400)
    elif not value:
        answer = ec2._error("InvalidParameterCombination", "No attributes specified.", 400)
    else:
        instance["DisableApiTermination"] = value == "true"
        answer = ec2._xml(200, "ModifyInstanceAttributeResponse", "<return>true</return>")
    return answer


def _get_allowed_images_settings(_asked: Asked) -> Answer:
    """Off, as an account has it until somebody switches it on."""
    inner = "<state>disabled</state><managedBy>account</managedBy><imageCriterionSet/>"
    answer: Answer = ec2._xml(200, "GetAllowedImagesSettingsResponse", inner)
    return answer


def _describe_instance_attribute(describe: Handler) -> Handler:
    def describe_instance_attribute(asked: Asked) -> Answer:
        status, headers, body = describe(asked)
        if ec2._instances.get(_text(asked, "InstanceId"), {}).get("DisableApiTermination"):
            name = b"<disableApiTermination><value>"
            body = body.replace(name + b"false", name + b"true")
        return status, headers, body

    return describe_instance_attribute


def _snapshots(image: dict[str, Any]) -> set[str]:
    return {one["Ebs"]["SnapshotId"] for one in image.get("BlockDeviceMappings", ()) if one.get("Ebs", {})}


def _deregister_image(deregister: Handler) -> Handler:
    def deregister_image(asked: Asked) -> Answer:
        image = ec2._images.get(_text(asked, "ImageId"))
        answer = deregister(asked)
        if image and _text(asked, "DeleteAssociatedSnapshots") == "true":
            for snapshot in _snapshots(image):
                ec2._snapshots.pop(snapshot, None)
        return answer

    return deregister_image


def _delete_snapshot(delete: Handler) -> Handler:
    def delete_snapshot(asked: Asked) -> Answer:
        """Refused while an image holds it (API_DeleteSnapshot.html)."""
        snapshot = _text(asked, "SnapshotId")
        holder = next((name for name, image in ec2._images.items() if snapshot in _snapshots(image)), None)
        if holder is None:
            return delete(asked)
        words = f"The snapshot {snapshot} is currently in use by {holder}"
        refused: Answer = ec2._error("InvalidSnapshot.InUse", words, 400)
        return refused

    return delete_snapshot
