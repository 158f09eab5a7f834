"""EFS file systems: the six keys, and mount targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.restore.efs import Efs
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.restoring import RECOVERY_ID, REGION, REPEATABLE, a_point, a_target, answers, recovery_account, restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients

FAMILY = Efs()
SOURCE = "arn:aws:elasticfilesystem:ap-northeast-1:111122223333:file-system/fs-0a1b2c3d4e5f60718"
POINT = a_point(SOURCE, "EFS", size_bytes=6144)
SYSTEM = "fs-0123456789abcdef0"
NOTHING: dict[str, Any] = {}
CREATED = f"arn:aws:elasticfilesystem:{REGION}:444455556666:file-system/{SYSTEM}"


@pytest.fixture
def clients() -> Iterator[Clients]:
    with recovery_account() as clients:
        yield clients


def make_file_system(clients: Clients, *, encrypted: bool = True) -> str:
    token = FAMILY.metadata(POINT, a_target())["CreationToken"]
    return str(clients("efs").create_file_system(CreationToken=token, Encrypted=encrypted)["FileSystemArn"])


def subnets(clients: Clients, *zones: str) -> list[str]:
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate(zones)
    ]
    return [answer["Subnet"]["SubnetId"] for answer in made]


def test_all_six_keys_are_always_sent() -> None:
    assert FAMILY.metadata(POINT, a_target()) == {
        "file-system-id": "fs-0a1b2c3d4e5f60718",
        "newFileSystem": "true",
        "CreationToken": f"fs-0a1b2c3d4e5f60718-{RECOVERY_ID}-1",
        "Encrypted": "true",
        "KmsKeyId": "alias/aws/elasticfilesystem",
        "PerformanceMode": "generalPurpose",
    }


def test_key_and_overrides() -> None:
    target = a_target(metadata={"performancemode": "maxIO"}, kmsKeyId="alias/recovery")
    metadata = FAMILY.metadata(POINT, target)
    assert (metadata["KmsKeyId"], metadata["PerformanceMode"]) == ("alias/recovery", "maxIO")


def test_without_encryption_no_key_is_sent() -> None:
    metadata = FAMILY.metadata(POINT, a_target(metadata={"encrypted": "false"}, kmsKeyId="alias/recovery"))
    assert metadata["Encrypted"] == "false"
    assert "KmsKeyId" not in metadata


def test_an_existing_file_system_is_never_restored_into() -> None:
    with pytest.raises(MetadataRefused, match="new file systems only"):
        FAMILY.metadata(POINT, a_target(metadata={"NEWFILESYSTEM": "false"}))


@REPEATABLE
@given(name=st.text(min_size=1, max_size=128), attempt=st.integers(1, 99))
def test_creation_tokens_fit(name: str, attempt: int) -> None:
    point = a_point(f"arn:aws:elasticfilesystem:ap-northeast-1:111122223333:file-system/{name}", "EFS")
    token = FAMILY.metadata(point, a_target(attempt))["CreationToken"]
    assert len(token) <= 64
    assert token.isascii()
    assert token.endswith(f"{RECOVERY_ID}-{attempt}")


def settle(clients: Clients, created: str, **options: Any) -> None:
    job = restored(FAMILY, POINT, a_target(**options), created)
    FAMILY.prepare(clients, POINT, job.target, job.metadata)
    for _ in range(3):
        finishing = FAMILY.finish(clients, job)
    assert finishing.done


def test_finish_tags_and_makes_no_mount_target_unasked(clients: Clients) -> None:
    created = make_file_system(clients)
    settle(clients, created)
    efs, system = clients("efs"), created.split("/")[1]
    tags = efs.list_tags_for_resource(ResourceId=system)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "airlift:recovery": RECOVERY_ID,
        "airlift:source": SOURCE,
    }
    assert efs.describe_mount_targets(FileSystemId=system)["MountTargets"] == []


def test_finish_makes_one_mount_target_per_subnet_however_often_it_is_called(clients: Clients) -> None:
    created, wished = make_file_system(clients), subnets(clients, "a", "c")
    vpc = clients("ec2").describe_subnets(SubnetIds=wished)["Subnets"][0]["VpcId"]
    group = clients("ec2").create_security_group(GroupName="efs", Description="efs", VpcId=vpc)["GroupId"]
    settle(clients, created, subnetIds=wished, securityGroupIds=[group])
    efs = clients("efs")
    mounts = efs.describe_mount_targets(FileSystemId=created.split("/")[1])["MountTargets"]
    assert sorted(mount["SubnetId"] for mount in mounts) == sorted(wished)
    for mount in mounts:
        groups = efs.describe_mount_target_security_groups(MountTargetId=mount["MountTargetId"])
        assert groups["SecurityGroups"] == [group]
    validation = FAMILY.validate(clients, restored(FAMILY, POINT, a_target(subnetIds=wished), created))
    assert validation.ok
    assert "2 mount targets available" in validation.how
    assert "aws-backup-restore_" in validation.how


def test_two_subnets_of_one_zone_are_refused_with_the_remedy(clients: Clients) -> None:
    created, wished = make_file_system(clients), subnets(clients, "a", "a")
    with pytest.raises(MetadataRefused, match="one subnet per Availability Zone") as caught:
        FAMILY.finish(clients, restored(FAMILY, POINT, a_target(subnetIds=wished), created))
    assert wished[1] in caught.value.what


def system_is(state: str) -> tuple[str, dict[str, Any]]:
    system = {
        "OwnerId": "444455556666",
        "CreationToken": "t",
        "FileSystemId": SYSTEM,
        "CreationTime": 1,
        "LifeCycleState": state,
        "NumberOfMountTargets": 0,
        "SizeInBytes": {"Value": 6144},
        "PerformanceMode": "generalPurpose",
        "Encrypted": True,
        "Tags": [],
    }
    return "describe_file_systems", {"FileSystems": [system]}


def mount(state: str) -> dict[str, Any]:
    return {
        "MountTargetId": "fsmt-0a1b2c3d",
        "FileSystemId": SYSTEM,
        "SubnetId": "subnet-0a1b2c3d",
        "LifeCycleState": state,
    }


def mounts(*states: str) -> tuple[str, dict[str, Any]]:
    return "describe_mount_targets", {"MountTargets": [mount(state) for state in states]}


def test_finish_comes_back_while_something_is_under_way() -> None:
    job = restored(FAMILY, POINT, a_target(subnetIds=["subnet-0a1b2c3d"]), CREATED)
    ready, tagged = system_is("available"), ("tag_resource", NOTHING)
    rounds: list[tuple[list[tuple[str, dict[str, Any] | str]], bool]] = [
        ([system_is("creating")], False),
        ([ready, tagged, mounts(), ("create_mount_target", mount("creating"))], False),
        ([ready, tagged, mounts("creating")], False),
        ([ready, tagged, mounts("available")], True),
    ]
    for calls, done in rounds:
        with answers("efs", *calls) as clients:
            finishing = FAMILY.finish(clients, job)
        assert finishing.done is done
        assert finishing.again_in_seconds == (0 if done else 15)


def test_what_broke_is_left_to_validation() -> None:
    job = restored(FAMILY, POINT, a_target(subnetIds=["subnet-0a1b2c3d"]), CREATED)
    with answers("efs", system_is("error"), system_is("error"), mounts("error")) as clients:
        assert FAMILY.finish(clients, job).done
        validation = FAMILY.validate(clients, job)
    assert not validation.ok
    assert "is error, not available" in validation.how
    assert "mount target in subnet-0a1b2c3d is error" in validation.how


def test_a_missing_mount_target_or_file_system_is_not_valid(clients: Clients) -> None:
    created = make_file_system(clients)
    missing_mount = restored(FAMILY, POINT, a_target(subnetIds=["subnet-0a1b2c3d"]), created)
    assert FAMILY.validate(clients, missing_mount).how == "mount target in subnet-0a1b2c3d is missing"
    missing = restored(FAMILY, POINT, a_target(), CREATED)
    assert FAMILY.validate(clients, missing).how == f"file system {SYSTEM} does not exist"


def test_an_unencrypted_file_system_is_valid_only_if_the_plan_wants_it(clients: Clients) -> None:
    created = make_file_system(clients, encrypted=False)
    assert not FAMILY.validate(clients, restored(FAMILY, POINT, a_target(), created)).ok
    assert FAMILY.validate(clients, restored(FAMILY, POINT, a_target(metadata={"encrypted": "false"}), created)).ok
