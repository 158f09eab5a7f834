"""Instances: EC2's own and virtual machines, in the plan's network and without what the source could do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.ownership import claim
from airlift.restore.ec2 import Ec2
from airlift.restore.virtual_machine import VirtualMachine

from tests.unit.restoring import RECOVERY_ID, REGION, a_point, a_target, answers, recovery_account, restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients, Restored

EC2, MACHINE = Ec2(), VirtualMachine()
SOURCE = f"arn:aws:ec2:{REGION}:111122223333:instance/i-0a1b2c3d4e5f60718"
POINT = a_point(SOURCE, "EC2")
MACHINE_POINT = a_point(f"arn:aws:backup-gateway:{REGION}:111122223333:vm/vm-0A1B2C3D4E5F60718", "VirtualMachine")
NETWORK: dict[str, Any] = {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1", "sg-2"]}
MISSING = f"arn:aws:ec2:{REGION}:444455556666:instance/i-00000000000000000"
RETURNED = {
    "InstanceType": "m7i.large",
    "IamInstanceProfileName": "orders",
    "UserData": "IyEvYmluL3No",
    "KeyName": "production",
    "SubnetId": "subnet-source",
    "SecurityGroupIds": '["sg-source"]',
    "Placement": '{"AvailabilityZone":"ap-northeast-1a"}',
    "NetworkInterfaces": '[{"NetworkInterfaceId":"eni-1"}]',
    "CpuOptions": '{"CoreCount":1}',
    "aws:backup:request-id": "1",
}
QUARANTINED = {
    "DisableApiTermination": "false",
    "RequireIMDSv2": "true",
    "SecurityGroupIds": '["sg-1","sg-2"]',
    "SubnetId": "subnet-1",
}


def with_metadata(**metadata: Any) -> Any:
    return replace(POINT, restore_metadata={key: json.dumps(value) for key, value in metadata.items()})


def test_of_the_sources_settings_only_the_type_comes_along() -> None:
    point = replace(POINT, restore_metadata=RETURNED)
    assert EC2.metadata(point, a_target(**NETWORK)) == QUARANTINED | {"InstanceType": "m7i.large"}
    assert EC2.metadata(POINT, a_target(**NETWORK)) == QUARANTINED
    plan = a_target(metadata={"instancetype": "t3.micro"}, deletionProtection=True, **NETWORK)
    changed = {"InstanceType": "t3.micro", "DisableApiTermination": "true"}
    assert EC2.metadata(point, plan) == QUARANTINED | changed


def test_a_further_attempt_takes_another_subnet() -> None:
    subnets = ["subnet-1", "subnet-2", "subnet-3"]
    chosen = [EC2.metadata(POINT, a_target(attempt, **NETWORK | {"subnetIds": subnets})) for attempt in (1, 2, 3, 4)]
    taken = [metadata["SubnetId"] for metadata in chosen]
    assert sorted(taken[:3]) == subnets
    assert taken[0] == taken[3]


@pytest.mark.parametrize("missing", ["subnetIds", "securityGroupIds"])
@pytest.mark.parametrize("value", [[], None])
def test_without_a_network_nothing_is_started(missing: str, value: Any) -> None:
    for family, point in ((EC2, POINT), (MACHINE, MACHINE_POINT)):
        target = a_target(metadata={"InstanceType": "t3.micro"}, **NETWORK | {missing: value or []})
        with pytest.raises(MetadataRefused, match=f"no {missing}") as caught:
            family.metadata(point, target)
        assert point.resource_type in caught.value.remedy


def test_the_backed_up_profile_comes_only_if_the_plan_says_so() -> None:
    point = replace(POINT, restore_metadata=RETURNED)
    wanted = a_target(metadata={"IamInstanceProfileName": "UseBackedUpValue"}, **NETWORK)
    assert EC2.metadata(point, wanted)["IamInstanceProfileName"] == "UseBackedUpValue"
    with pytest.raises(MetadataRefused, match="profile other"):
        EC2.metadata(point, a_target(metadata={"IamInstanceProfileName": "other"}, **NETWORK))


def test_devices_of_the_source_get_the_plans_key() -> None:
    devices = [
        {
            "DeviceName": "/dev/xvda",
            "Ebs": {"SnapshotId": "snap-1", "VolumeSize": 8, "KmsKeyId": "k", "Encrypted": False},
        },
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
    ]
    point = with_metadata(BlockDeviceMappings=devices)
    sent = json.loads(EC2.metadata(point, a_target(kmsKeyId="alias/own", **NETWORK))["BlockDeviceMappings"])
    ebs = {"Encrypted": True, "KmsKeyId": "alias/own", "VolumeSize": 8}
    assert sent == [{"DeviceName": "/dev/xvda", "Ebs": ebs}]
    [device] = json.loads(EC2.metadata(point, a_target(**NETWORK))["BlockDeviceMappings"])
    assert device["Ebs"] == {"Encrypted": True, "VolumeSize": 8}


def test_a_device_that_the_plan_leaves_unencrypted_gets_no_key() -> None:
    plan = {"BlockDeviceMappings": json.dumps([{"DeviceName": "/dev/sdf", "Ebs": {"Encrypted": False}}])}
    sent = EC2.metadata(POINT, a_target(metadata=plan, kmsKeyId="alias/own", **NETWORK))["BlockDeviceMappings"]
    assert json.loads(sent) == [{"DeviceName": "/dev/sdf", "Ebs": {"Encrypted": False}}]


def test_devices_of_the_plan_win() -> None:
    plan = {"blockDeviceMappings": json.dumps([{"DeviceName": "/dev/sdf", "Ebs": {"KmsKeyId": "alias/other"}}])}
    point = with_metadata(BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {}}])
    sent = EC2.metadata(point, a_target(metadata=plan, kmsKeyId="alias/own", **NETWORK))["BlockDeviceMappings"]
    assert json.loads(sent) == [{"DeviceName": "/dev/sdf", "Ebs": {"Encrypted": True, "KmsKeyId": "alias/other"}}]


@pytest.mark.parametrize("text", ["x", "{}", "[1]", '[{"DeviceName":"/dev/sda"}]'])
def test_devices_that_are_none_are_left_out_of_the_source_and_refused_of_the_plan(text: str) -> None:
    point = replace(POINT, restore_metadata={"BlockDeviceMappings": text})
    assert EC2.metadata(point, a_target(**NETWORK)) == QUARANTINED
    with pytest.raises(MetadataRefused, match="no list of devices"):
        EC2.metadata(POINT, a_target(metadata={"BlockDeviceMappings": text}, **NETWORK))


def test_a_machine_becomes_an_instance_of_the_plans_type() -> None:
    point = replace(MACHINE_POINT, restore_metadata={"vmId": "vm-1", "DisksToRestore": "[]"})
    target = a_target(metadata={"InstanceType": "m7i.large"}, kmsKeyId="alias/own", **NETWORK)
    own = {"InstanceType": "m7i.large", "KmsKeyId": "alias/own", "RestoreTo": "EC2Instance"}
    assert MACHINE.metadata(point, target) == QUARANTINED | own
    with pytest.raises(MetadataRefused, match="InstanceType"):
        MACHINE.metadata(point, a_target(**NETWORK))
    with pytest.raises(MetadataRefused, match="restored to VMware"):
        MACHINE.metadata(point, a_target(metadata={"InstanceType": "m7i.large", "RestoreTo": "VMware"}, **NETWORK))


@pytest.fixture
def clients() -> Iterator[Clients]:
    with recovery_account() as clients:
        yield clients


@pytest.fixture
def job(clients: Clients) -> Restored:
    """An instance as AWS Backup leaves it: in the network, with an AMI and snapshots of its own beside it."""
    client = clients("ec2")
    vpc = client.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
    subnet = client.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = client.create_security_group(GroupName="quarantine", Description="closed", VpcId=vpc)["GroupId"]
    volume = client.create_volume(AvailabilityZone=f"{REGION}a", Size=8, Encrypted=True)["VolumeId"]
    snapshot = client.create_snapshot(VolumeId=volume)["SnapshotId"]
    client.delete_volume(VolumeId=volume)
    device: dict[str, Any] = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot, "VolumeSize": 8}}
    image = client.register_image(Name="AwsBackup_1", RootDeviceName="/dev/xvda", BlockDeviceMappings=[device])
    device["Ebs"] = {"SnapshotId": snapshot, "Encrypted": True, "DeleteOnTermination": False}
    made = client.run_instances(
        ImageId=image["ImageId"],
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        SecurityGroupIds=[group],
        BlockDeviceMappings=[device],
        MetadataOptions={"HttpTokens": "required"},
    )
    instance = made["Instances"][0]["InstanceId"]
    target = a_target(subnetIds=[subnet], securityGroupIds=[group], tags={"stage": "recovery"})
    return restored(EC2, POINT, target, f"arn:aws:ec2:{REGION}:444455556666:instance/{instance}")


def tagged(clients: Clients) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for tag in clients("ec2").describe_tags()["Tags"]:
        found.setdefault(tag["ResourceType"], {})[tag["Key"]] = tag["Value"]
    return found


def test_a_sound_instance_is_tagged_with_all_that_belongs_to_it_and_valid(clients: Clients, job: Restored) -> None:
    assert EC2.finish(clients, job) == EC2.finish(clients, job)
    assert EC2.finish(clients, job).done
    tags = {"airlift:recovery": RECOVERY_ID, "airlift:source": SOURCE, "stage": "recovery"}
    assert tagged(clients) == dict.fromkeys(("instance", "volume", "image", "snapshot"), tags)
    validation = EC2.validate(clients, job)
    assert validation.ok, validation.how
    assert "both status checks ok" in validation.how
    assert "not looked at" in validation.how

    elsewhere = replace(job, metadata={**job.metadata, "SubnetId": "subnet-other", "SecurityGroupIds": '["sg-other"]'})
    outside = EC2.validate(clients, elsewhere)
    assert not outside.ok
    assert "it is in subnet-" in outside.how
    assert "its security groups are" in outside.how

    assert EC2.validate(clients, replace(job, created_resource_arn=MISSING)).how.endswith("does not exist")
    clients("ec2").stop_instances(InstanceIds=[job.created_resource_arn.split("/")[1]])
    assert EC2.validate(clients, job).how.endswith("is stopped, not running")
    assert EC2.finish(clients, job).done


def described(state: str = "running", **attributes: Any) -> dict[str, Any]:
    instance = {
        "InstanceId": "i-1",
        "ImageId": "ami-1",
        "State": {"Name": state},
        "SubnetId": "subnet-1",
        "SecurityGroups": [{"GroupId": "sg-2"}, {"GroupId": "sg-1"}],
        "MetadataOptions": {"HttpTokens": "required"},
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-1"}}],
    }
    return {"Reservations": [{"Instances": [instance | attributes]}]}


def status(instance: str = "ok", system: str = "ok") -> dict[str, Any]:
    checks = {"InstanceStatus": {"Status": instance}, "SystemStatus": {"Status": system}}
    return {"InstanceStatuses": [{"InstanceId": "i-1"} | checks]}


def volumes(*, encrypted: bool = True) -> dict[str, Any]:
    return {"Volumes": [{"VolumeId": "vol-1", "Encrypted": encrypted}]}


@pytest.mark.parametrize(
    ("instance", "checks", "disks", "words"),
    [
        (described(), status(system="impaired"), volumes(), "the system status check of instance i-0000"),
        (
            described(),
            {"InstanceStatuses": []},
            volumes(),
            "instance status check of instance i-00000000000000000 is m",
        ),
        (described(IamInstanceProfile={"Arn": "arn:p"}), status(), volumes(), "it has the instance profile arn:p"),
        (described(MetadataOptions={"HttpTokens": "optional"}), status(), volumes(), "HttpTokens is optional"),
        (described(), status(), volumes(encrypted=False), "volumes vol-1 are not encrypted"),
    ],
)
def test_what_is_wrong_is_said(instance: Any, checks: Any, disks: Any, words: str) -> None:
    devices = json.dumps([{"DeviceName": "/dev/xvda", "Ebs": {}}])
    job = restored(EC2, POINT, a_target(metadata={"BlockDeviceMappings": devices}, **NETWORK), MISSING)
    calls = (("describe_instances", instance), ("describe_instance_status", checks), ("describe_volumes", disks))
    with answers("ec2", *calls) as clients:
        validation = EC2.validate(clients, job)
    assert not validation.ok
    assert words in validation.how


def test_volumes_for_which_no_key_could_be_asked_are_as_they_were() -> None:
    job = restored(EC2, POINT, a_target(**NETWORK), MISSING)
    instance = described()
    calls = (
        ("describe_instances", instance),
        ("describe_instance_status", status()),
        ("describe_volumes", volumes(encrypted=False)),
    )
    with answers("ec2", *calls) as clients:
        validation = EC2.validate(clients, job)
    assert validation.ok
    assert "1 volumes, 1 of them not encrypted" in validation.how


def test_other_errors_are_raised() -> None:
    job = restored(EC2, POINT, a_target(**NETWORK), MISSING)
    with (
        answers("ec2", ("describe_instances", "UnauthorizedOperation")) as refusing,
        pytest.raises(Exception, match="Un"),
    ):
        EC2.validate(refusing, job)


@pytest.mark.parametrize(
    ("state", "checks", "doing"),
    [
        ("pending", None, "is pending"),
        ("running", status(instance="initializing"), "initializing"),
        ("running", {"InstanceStatuses": []}, "initializing"),
        ("running", status(instance="impaired"), ""),
    ],
)
def test_finish_is_taken_up_again_until_the_checks_have_ended(state: str, checks: Any, doing: str) -> None:
    calls: list[Any] = [
        ("describe_instances", described(state)),
        ("describe_volumes", volumes()),
        ("describe_images", {"Images": []}),
        ("create_tags", {}),
    ]
    with answers("ec2", *calls, *([("describe_instance_status", checks)] if checks else [])) as clients:
        finishing = EC2.finish(clients, restored(EC2, POINT, a_target(**NETWORK), MISSING))
    assert (finishing.done, bool(finishing.again_in_seconds)) == (not doing, bool(doing))
    assert doing in finishing.doing


def test_what_was_claimed_and_never_finished_is_deleted_whole(clients: Clients, job: Restored) -> None:
    assert claim(clients, job.created_resource_arn, RECOVERY_ID, job.point.resource_arn) == RECOVERY_ID
    tags = {"airlift:recovery": RECOVERY_ID, "airlift:source": SOURCE}
    assert tagged(clients) == dict.fromkeys(("instance", "volume", "image", "snapshot"), tags)
    assert not EC2.delete(clients, job).done
    assert any(EC2.delete(clients, job).done for _ in range(6))
    client = clients("ec2")
    assert client.describe_volumes()["Volumes"] == client.describe_images(Owners=["self"])["Images"] == []


def test_delete_leaves_nothing_even_of_a_protected_instance_and_touches_nothing_of_others(
    clients: Clients, job: Restored
) -> None:
    client = clients("ec2")
    instance_id = job.created_resource_arn.split("/")[1]
    EC2.finish(clients, job)
    other = client.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    client.create_tags(Resources=[other], Tags=[{"Key": "airlift:recovery", "Value": RECOVERY_ID}])
    client.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": True})

    assert not EC2.delete(clients, job).done
    assert any(EC2.delete(clients, job).done for _ in range(6))
    [reservation] = client.describe_instances(InstanceIds=[instance_id])["Reservations"]
    assert reservation["Instances"][0]["State"]["Name"] == "terminated"
    assert [volume["VolumeId"] for volume in client.describe_volumes()["Volumes"]] == [other]
    assert client.describe_images(Owners=["self"])["Images"] == []
    assert client.describe_snapshots(Filters=[{"Name": "tag-key", "Values": ["airlift:source"]}])["Snapshots"] == []

    assert EC2.delete(clients, replace(job, created_resource_arn="")).done
    assert EC2.delete(clients, replace(job, created_resource_arn=MISSING)).done is True
