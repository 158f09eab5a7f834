"""What lies on somebody's premises: gateway volumes come back as EBS, virtual machines as EC2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.local.network import Network, key
from tests.local.refusals import refused
from tests.local.story import OWNER, RECOVERY, REGION, client

if TYPE_CHECKING:
    from tests.local.story import Story

VOLUME = f"arn:aws:storagegateway:{REGION}:{OWNER}:gateway/sgw-12345678/volume/vol-1234567890abcdef0"
MACHINE = f"arn:aws:backup-gateway:{REGION}:{OWNER}:vm/vm-1234567890ABCDEF0"


@pytest.mark.parametrize("called", ["EBS", "Storage Gateway"])
def test_a_gateways_volume_comes_back_as_one_of_ebs(story: Story, called: str) -> None:
    story.prepare()
    doors = story.world.doors
    doors.write_premises(VOLUME, [("iscsi", 2, b"blocks")])
    point = story.protect(VOLUME)
    doors.write_premises(VOLUME, [("iscsi", 2, b"scrambled")])
    story.granted()
    asked = {"availabilityZone": f"{REGION}a", "encrypted": "true", "kmsKeyId": key(RECOVERY)}
    job = story.restore(point, asked, ResourceType=called)
    assert (job["Status"], job["ResourceType"]) == ("COMPLETED", "Storage Gateway"), job
    made = job["CreatedResourceArn"].rpartition("/")[2]
    assert doors.read_volume(RECOVERY, REGION, made) == b"blocks"
    found = client("ec2", RECOVERY).describe_volumes(VolumeIds=[made])["Volumes"][0]
    assert (found["Size"], found["Encrypted"]) == (2, True)
    with refused("InvalidParameterValueException", "Storage Gateway"):
        story.restore(point, asked, ResourceType="EFS")


def test_a_virtual_machine_comes_back_as_an_instance(story: Story) -> None:
    story.prepare()
    doors, network = story.world.doors, Network.of(RECOVERY)
    doors.write_premises(MACHINE, [("Hard disk 1", 8, b"system"), ("Hard disk 2", 4, b"data")])
    point = story.protect(MACHINE)
    story.granted()
    asked = {
        "RestoreTo": "EC2Instance",
        "InstanceType": "t3.small",
        "SubnetId": network.subnets[0],
        "SecurityGroupIds": json.dumps([network.group]),
        "KmsKeyId": key(RECOVERY),
        "IamInstanceProfileName": "quarantined",
    }
    client("iam", RECOVERY).create_instance_profile(InstanceProfileName="quarantined")
    job = story.restore(point, asked)
    assert job["Status"] == "COMPLETED", job
    made = client("ec2", RECOVERY).describe_instances(InstanceIds=[job["CreatedResourceArn"].rpartition("/")[2]])
    instance = made["Reservations"][0]["Instances"][0]
    assert instance["IamInstanceProfile"]["Arn"].endswith("/quarantined")
    volumes = [one["Ebs"]["VolumeId"] for one in instance["BlockDeviceMappings"]]
    assert {doors.read_volume(RECOVERY, REGION, one) for one in volumes} == {b"system", b"data"}
    for change, text in (
        ({"RestoreTo": "VMware"}, "hypervisor"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "does not exist"),
        ({"KmsKeyId": f"arn:aws:kms:{REGION}:{OWNER}:key/x"}, "KMS key"),
        ({"KeyName": "ops"}, "KeyName"),
        ({"IamInstanceProfileName": "absent"}, "IAM Instance Profile"),
        ({"NetworkInterfaces": '[{"NetworkInterfaceId": "eni-0123456789abcdef0"}]'}, "interface"),
        ({"Placement": '{"AvailabilityZone": "us-east-1a"}'}, "zone"),
        ({"Placement": '{"HostId": "h-0123456789abcdef0"}'}, "HostId"),
    ):
        failed = story.restore(point, asked | change)
        assert (failed["Status"], text in failed["StatusMessage"]) == ("FAILED", True), failed
    story.settings.allowed_images = {"State": "enabled", "ImageCriteria": []}
    assert "Source AMI" in story.restore(point, asked)["StatusMessage"]
    story.settings.allowed_images["State"] = "audit-mode"
    tagged = story.restore(point, asked, CopySourceTagsToRestoredResource=True)
    assert "CopySourceTags" in tagged["StatusMessage"]
    for name in ("RestoreTo", "InstanceType"):
        with refused("InvalidParameterValueException", name):
            story.restore(point, {key: value for key, value in asked.items() if key != name})
    doors.write_premises(MACHINE, [(f"Hard disk {number}", 1, b"") for number in range(22)])
    many = story.restore(story.protect(MACHINE), asked)
    assert "21 disks" in many["StatusMessage"]
