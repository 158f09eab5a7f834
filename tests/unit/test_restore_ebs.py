"""EBS volumes: the zone, encryption and size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.restore.ebs import GIB, Ebs

from tests.unit.restoring import RECOVERY_ID, REGION, a_point, a_target, answers, recovery_account, restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients

FAMILY = Ebs()
SOURCE = "arn:aws:ec2:ap-northeast-1:111122223333:volume/vol-0a1b2c3d4e5f60718"
POINT = a_point(SOURCE, "EBS", size_bytes=7 * GIB + 1)
ZONES = ["ap-northeast-1a", "ap-northeast-1c"]
MISSING = f"arn:aws:ec2:{REGION}:444455556666:volume/vol-00000000000000000"


@pytest.fixture
def clients() -> Iterator[Clients]:
    with recovery_account() as clients:
        yield clients


def make_volume(clients: Clients, size: int = 8, *, encrypted: bool = True) -> str:
    made = clients("ec2").create_volume(AvailabilityZone=ZONES[0], Size=size, Encrypted=encrypted)
    return f"arn:aws:ec2:{REGION}:444455556666:volume/{made['VolumeId']}"


@pytest.mark.parametrize(
    ("options", "metadata", "zone"),
    [
        ({"availabilityZones": ZONES}, {}, ZONES[0]),
        ({"availabilityZones": ZONES, "availabilityZone": ZONES[1]}, {}, ZONES[1]),
        ({"availabilityZones": ZONES}, {"AvailabilityZone": ZONES[1]}, ZONES[1]),
        ({}, {"availabilityzone": ZONES[1]}, ZONES[1]),
    ],
)
def test_the_zone_is_the_plans(options: dict[str, Any], metadata: dict[str, str], zone: str) -> None:
    assert FAMILY.metadata(POINT, a_target(metadata=metadata, **options)) == {
        "availabilityZone": zone,
        "encrypted": "true",
    }


@pytest.mark.parametrize("options", [{}, {"availabilityZones": []}, {"availabilityZone": ""}])
def test_without_a_zone_nothing_is_started(options: dict[str, Any]) -> None:
    with pytest.raises(MetadataRefused) as caught:
        FAMILY.metadata(POINT, a_target(**options))
    assert SOURCE in caught.value.what
    assert REGION in caught.value.remedy


def test_key_and_overrides() -> None:
    target = a_target(
        metadata={"VolumeType": "gp3", "iops": "4000"}, availabilityZones=ZONES, kmsKeyId="alias/recovery"
    )
    assert FAMILY.metadata(POINT, target) == {
        "availabilityZone": ZONES[0],
        "encrypted": "true",
        "iops": "4000",
        "kmsKeyId": "alias/recovery",
        "volumeType": "gp3",
    }


def test_a_gateways_volume_comes_back_as_an_ebs_volume() -> None:
    source = "arn:aws:storagegateway:ap-northeast-1:111122223333:gateway/sgw-1A2B3C4D/volume/vol-1A2B3C4D"
    point = a_point(source, "Storage Gateway")
    assert FAMILY.metadata(point, a_target(availabilityZones=ZONES)) == {
        "availabilityZone": ZONES[0],
        "encrypted": "true",
    }
    assert FAMILY.job_type == "EBS"
    with pytest.raises(MetadataRefused) as caught:
        FAMILY.metadata(point, a_target())
    assert "give Storage Gateway an availabilityZone" in caught.value.remedy


def test_finish_tags_and_may_be_repeated(clients: Clients) -> None:
    job = restored(FAMILY, POINT, a_target(availabilityZones=ZONES), make_volume(clients))
    FAMILY.prepare(clients, POINT, job.target, job.metadata)
    assert FAMILY.finish(clients, job) == FAMILY.finish(clients, job)
    assert FAMILY.finish(clients, job).done
    volume = clients("ec2").describe_volumes(VolumeIds=[job.created_resource_arn.split("/")[1]])["Volumes"][0]
    assert {tag["Key"]: tag["Value"] for tag in volume["Tags"]} == {
        "airlift:recovery": RECOVERY_ID,
        "airlift:source": SOURCE,
    }


@pytest.mark.parametrize(("size", "ok"), [(7, False), (8, True), (9, True)])
def test_size_is_rounded_up_to_gib(clients: Clients, size: int, ok: bool) -> None:
    job = restored(FAMILY, POINT, a_target(availabilityZones=ZONES), make_volume(clients, size))
    validation = FAMILY.validate(clients, job)
    assert validation.ok is ok
    assert f"{size} GiB" in validation.how


def test_without_encryption_no_key_is_sent() -> None:
    target = a_target(metadata={"Encrypted": "false"}, availabilityZones=ZONES, kmsKeyId="alias/recovery")
    metadata = FAMILY.metadata(POINT, target)
    assert metadata["encrypted"] == "false"
    assert "kmsKeyId" not in metadata


def test_an_unencrypted_volume_is_valid_only_if_the_plan_wants_it(clients: Clients) -> None:
    created = make_volume(clients, encrypted=False)
    assert not FAMILY.validate(clients, restored(FAMILY, POINT, a_target(availabilityZones=ZONES), created)).ok
    open_target = a_target(metadata={"encrypted": "false"}, availabilityZones=ZONES)
    validation = FAMILY.validate(clients, restored(FAMILY, POINT, open_target, created))
    assert validation.ok
    assert "not encrypted, as the plan wants" in validation.how


def test_a_missing_volume_is_not_valid_but_other_errors_are_raised(clients: Clients) -> None:
    job = restored(FAMILY, POINT, a_target(availabilityZones=ZONES), MISSING)
    assert FAMILY.validate(clients, job).how == "volume vol-00000000000000000 does not exist"
    with (
        answers("ec2", ("describe_volumes", "UnauthorizedOperation")) as refusing,
        pytest.raises(Exception, match="UnauthorizedOperation"),
    ):
        FAMILY.validate(refusing, job)


def test_a_volume_that_is_used_already_is_valid_and_is_not_waited_for_when_it_is_to_go(clients: Clients) -> None:
    job = restored(FAMILY, POINT, a_target(availabilityZones=ZONES), make_volume(clients))
    ec2, volume = clients("ec2"), job.created_resource_arn.split("/")[1]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    validation, deletion = FAMILY.validate(clients, job), FAMILY.delete(clients, job)
    assert (validation.ok, f"volume {volume} in-use" in validation.how) == (True, True)
    assert (deletion.done, deletion.again_in_seconds) == (False, 0)
    assert f"volume {volume} is in use" in deletion.doing
    ec2.detach_volume(VolumeId=volume, InstanceId=instance)
    FAMILY.delete(clients, job)
    assert FAMILY.delete(clients, job).done


def test_a_volume_that_is_not_available_is_not_valid() -> None:
    job = restored(FAMILY, POINT, a_target(availabilityZones=ZONES), MISSING)
    volume = {"State": "error", "Size": 8, "Encrypted": True}
    with answers("ec2", ("describe_volumes", {"Volumes": [volume]})) as clients:
        assert "is error, not available" in FAMILY.validate(clients, job).how
