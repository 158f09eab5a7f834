"""EC2 instances: what comes back, what AWS Backup leaves beside it, and what makes a job fail."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airlift.restore.base import RecoveryPoint, Restored, Target
from airlift.restore.ec2 import Ec2

from tests.local.network import Network, key, no_default_vpc
from tests.local.refusals import refused
from tests.local.settling import clients, until_done
from tests.local.story import OWNER, RECOVERY, REGION, client

if TYPE_CHECKING:
    from tests.local.story import Story

DEVICES = {"/dev/xvda": (8, b"root"), "/dev/sdf": (4, b"data")}


@dataclass(frozen=True)
class Backup:
    """An instance of the owner, described, and its recovery point, seen through a granted vault."""

    point: str
    instance: dict[str, Any]


@pytest.fixture
def backup(story: Story) -> Backup:
    story.prepare()
    network, own, ec2 = Network.of(OWNER), key(OWNER), client("ec2", OWNER)
    ec2.create_key_pair(KeyName="ops")
    asked = [
        {
            "DeviceName": device,
            "Ebs": {"VolumeSize": size, "VolumeType": "gp3", "Encrypted": True, "KmsKeyId": own},
        }
        for device, (size, _) in DEVICES.items()
    ]
    image = ec2.register_image(Name="base", RootDeviceName="/dev/xvda")["ImageId"]
    made = ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.small",
        SubnetId=network.subnets[0],
        SecurityGroupIds=[network.group],
        KeyName="ops",
        BlockDeviceMappings=asked,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}],
    )["Instances"][0]
    instance = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"][0]
    for device in instance["BlockDeviceMappings"]:
        blocks = DEVICES[device["DeviceName"]][1]
        story.world.doors.write_volume(OWNER, REGION, device["Ebs"]["VolumeId"], blocks)
    arn = f"arn:aws:ec2:{REGION}:{OWNER}:instance/{made['InstanceId']}"
    point = story.protect(arn, BackupOptions={"WindowsVSS": "enabled"})
    for device in instance["BlockDeviceMappings"]:
        story.world.doors.write_volume(OWNER, REGION, device["Ebs"]["VolumeId"], b"scrambled")
    story.granted()
    return Backup(point, instance)


def mappings(own: str, **more: Any) -> str:
    return json.dumps(
        [{"DeviceName": device, "Ebs": {"Encrypted": True, "KmsKeyId": own} | more} for device in DEVICES]
    )


def placed(network: Network) -> dict[str, str]:
    return {
        "SubnetId": network.subnets[1],
        "SecurityGroupIds": json.dumps([network.group]),
        "RequireIMDSv2": "true",
        "BlockDeviceMappings": mappings(key(RECOVERY)),
    }


def test_an_instance_comes_back_with_its_disks_and_what_it_was_made_from(story: Story, backup: Backup) -> None:
    network, ec2 = Network.of(RECOVERY), client("ec2", RECOVERY)
    job = story.restore(backup.point, placed(network), CopySourceTagsToRestoredResource=True)
    assert job["Status"] == "COMPLETED", job
    made = ec2.describe_instances(InstanceIds=[job["CreatedResourceArn"].rpartition("/")[2]])
    instance = made["Reservations"][0]["Instances"][0]
    assert (instance["InstanceType"], instance["SubnetId"]) == ("t3.small", network.subnets[1])
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [network.group]
    assert (instance["MetadataOptions"]["HttpTokens"], instance.get("KeyName")) == ("required", None)
    assert instance["Tags"] == [{"Key": "Name", "Value": "web"}]
    places = {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in instance["BlockDeviceMappings"]}
    assert set(places) == set(DEVICES)
    for device, (size, blocks) in DEVICES.items():
        assert story.world.doors.read_volume(RECOVERY, REGION, places[device]) == blocks
        volume = ec2.describe_volumes(VolumeIds=[places[device]])["Volumes"][0]
        assert (volume["Size"], volume["VolumeType"], volume["State"]) == (size, "gp3", "in-use")
        assert volume["Encrypted"]
        assert volume["Tags"] == [{"Key": "Name", "Value": "web"}]
    image = ec2.describe_images(Owners=["self"])["Images"]
    assert [one["ImageId"] for one in image] == [instance["ImageId"]]
    held = {one["DeviceName"]: one["Ebs"]["SnapshotId"] for one in image[0]["BlockDeviceMappings"]}
    snapshots = ec2.describe_snapshots(SnapshotIds=list(held.values()))["Snapshots"]
    assert (set(held), len(snapshots)) == (set(DEVICES), 2)
    assert len(ec2.describe_volumes()["Volumes"]) == 2


def own_snapshots() -> set[str]:
    found = client("ec2", RECOVERY).describe_snapshots(OwnerIds=["self"])["Snapshots"]
    return {one["SnapshotId"] for one in found}


def test_what_airlift_asks_for_finishes_and_deletes_is_what_is_there(story: Story, backup: Backup) -> None:
    network, family = Network.of(RECOVERY), Ec2()
    before = own_snapshots()
    told = story.backup().get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=backup.point)
    kept = {name: value for name, value in told["RestoreMetadata"].items() if value is not None}
    source = f"arn:aws:ec2:{REGION}:{OWNER}:instance/{backup.instance['InstanceId']}"
    point = RecoveryPoint(backup.point, source, "EC2", datetime.now(UTC), restore_metadata=kept)
    options = {
        "subnetIds": list(network.subnets),
        "securityGroupIds": [network.group],
        "kmsKeyId": key(RECOVERY),
        "deletionProtection": True,
    }
    devices = {"BlockDeviceMappings": json.dumps([{"DeviceName": device, "Ebs": {}} for device in DEVICES])}
    target = Target(f"drill-20260101-{OWNER}-ab12", RECOVERY, REGION, 1, metadata=devices, options=options)
    metadata = family.metadata(point, target)
    job = story.restore(backup.point, metadata)
    assert job["Status"] == "COMPLETED", job
    restored = Restored(point, target, metadata, job["CreatedResourceArn"])
    assert len(own_snapshots() - before) == len(DEVICES)
    until_done(story, family.finish, restored)
    validation = family.validate(clients, restored)
    assert validation.ok, validation.how
    until_done(story, family.delete, restored)
    ec2 = clients("ec2")
    assert not family.validate(clients, restored).ok
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    assert own_snapshots() == before


FAIL: tuple[tuple[dict[str, str], str], ...] = (
    ({"BlockDeviceMappings": ""}, "KMS key"),
    ({"BlockDeviceMappings": mappings(f"arn:aws:kms:{REGION}:{OWNER}:key/x")}, "KMS key"),
    ({"BlockDeviceMappings": mappings("", SnapshotId="snap-1")}, "SnapshotId is not supported"),
    ({"BlockDeviceMappings": mappings("", OutpostArn="arn:x")}, "OutpostArn is not supported"),
    ({"BlockDeviceMappings": mappings("", VolumeSize=1)}, "smaller"),
    ({"BlockDeviceMappings": mappings("", Encrypted=False)}, "needs Encrypted"),
    ({"BlockDeviceMappings": '[{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": false}}]'}, "unencrypted"),
    ({"BlockDeviceMappings": '[{"DeviceName": "/dev/sdz"}]'}, "no device"),
    ({"SubnetId": ""}, "No default VPC for this user"),
    ({"SubnetId": "subnet-0123456789abcdef0"}, "does not exist"),
    ({"SecurityGroupIds": '["sg-0123456789abcdef0"]'}, "does not exist"),
    ({"SecurityGroupIds": "sg-1"}, "JSON"),
    ({"KeyName": "ops"}, "key pair"),
    ({"IamInstanceProfileName": "another"}, "IamInstanceProfileName"),
    ({"Placement": '{"AvailabilityZone": "us-east-1a"}'}, "zone"),
    ({"Placement": '{"GroupName": "cluster"}'}, "GroupName"),
    ({"NetworkInterfaces": '[{"NetworkInterfaceId": "eni-0123456789abcdef0"}]'}, "interface"),
    ({"NetworkInterfaces": '[{"SubnetId": "subnet-0123456789abcdef0"}]'}, "subnet"),
    ({"RequireIMDSv2": "yes"}, "RequireIMDSv2"),
    ({"subnetId": "x"}, "subnetId"),
)


def test_images_that_the_account_does_not_allow(story: Story, backup: Backup) -> None:
    good, of_backup = placed(Network.of(RECOVERY)), [{"ImageProviders": ["amazon", "aws-backup-vault"]}]
    story.settings.allowed_images = {"State": "enabled", "ImageCriteria": []}
    job = story.restore(backup.point, good)
    assert (job["Status"], "Source AMI" in job["StatusMessage"]) == ("FAILED", True), job
    story.settings.allowed_images["ImageCriteria"] = of_backup
    assert story.restore(backup.point, good)["Status"] == "COMPLETED"


def test_instance_jobs_that_fail(story: Story, backup: Backup) -> None:
    no_default_vpc(RECOVERY)
    good = placed(Network.of(RECOVERY))
    for change, text in FAIL:
        job = story.restore(backup.point, good | change)
        assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), (change, job)
    assert client("ec2", RECOVERY).describe_images(Owners=["self"])["Images"] == []


def test_what_aws_tells_of_an_instance_would_fail_as_it_is(story: Story, backup: Backup) -> None:
    told = story.backup().get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=backup.point)
    asked = {name: value for name, value in told["RestoreMetadata"].items() if value is not None}
    assert asked["KeyName"] == "ops"
    assert "BlockDeviceMappings" not in asked
    assert story.restore(backup.point, asked)["Status"] == "FAILED"


def test_vss_is_an_option_of_instances(story: Story) -> None:
    story.prepare()
    with refused("InvalidParameterValueException", "WindowsVSS"):
        story.protect(story.table(), BackupOptions={"WindowsVSS": "enabled"})
