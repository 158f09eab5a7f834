"""FSx: four kinds behind one type."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.restore.fsx import Fsx

from tests.unit.restoring import RECOVERY_ID, REGION, a_point, a_target, answers, recovery_account, restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients, RecoveryPoint

FAMILY = Fsx()
FILE_SYSTEM = "arn:aws:fsx:ap-northeast-1:111122223333:file-system/fs-0a1b2c3d4e5f60718"
VOLUME = "arn:aws:fsx:ap-northeast-1:111122223333:volume/fs-0a1b2c3d4e5f60718/fsvol-0a1b2c3d4e5f60718"
CREATED = f"arn:aws:fsx:{REGION}:444455556666:file-system/fs-0123456789abcdef0"
CREATED_VOLUME = f"arn:aws:fsx:{REGION}:444455556666:volume/fs-0123456789abcdef0/fsvol-0123456789abcdef0"
SUBNETS = ["subnet-0a", "subnet-0c"]
DIRECTORY = "d-926733b3a1"
SVM = "svm-0123456789abcdef0"


def point(kind: str = "", configuration: Any = None, arn: str = FILE_SYSTEM, **more: str) -> RecoveryPoint:
    key = {"OPENZFS": "OpenZFSConfiguration"}.get(kind, f"{kind.title()}Configuration")
    told = {"FileSystemType": kind, "FileSystemId": "fs-0a1b", "VpcId": "vpc-source", "SubnetIds": '["subnet-source"]'}
    told |= {"KmsKeyId": "arn:aws:kms:ap-northeast-1:111122223333:key/source", "StorageType": "SSD"} | more
    return replace(a_point(arn, "FSx"), restore_metadata=told | {key: json.dumps(configuration or {})} if kind else {})


LUSTRE = point(
    "LUSTRE",
    {"DeploymentType": "PERSISTENT_1", "PerUnitStorageThroughput": 200, "CopyTagsToBackups": True},
    StorageCapacity="1200",
)
WINDOWS = point("WINDOWS", {"DeploymentType": "MULTI_AZ_1", "ThroughputCapacity": 32}, StorageCapacity="300")
ONTAP = point("ONTAP", {"SizeInMegabytes": 1024, "StorageVirtualMachineId": "svm-source"}, arn=VOLUME)
OPENZFS = point(
    "OPENZFS",
    {
        "DeploymentType": "SINGLE_AZ_1",
        "ThroughputCapacity": 64,
        "DiskIopsConfiguration": {"Mode": "USER_PROVISIONED", "Iops": 3000},
    },
    StorageCapacity="64",
)


def configuration(metadata: dict[str, str], key: str) -> Any:
    return json.loads(metadata[key])


def test_lustre_keeps_its_storage_and_takes_one_subnet_and_the_recovery_accounts_own_key() -> None:
    target = a_target(subnetIds=SUBNETS, securityGroupIds=["sg-0a"], kmsKeyId="alias/recovery")
    metadata = FAMILY.metadata(LUSTRE, target)
    settings = configuration(metadata, "LustreConfiguration")
    assert settings == {
        "DeploymentType": "PERSISTENT_1",
        "PerUnitStorageThroughput": 200,
        "AutomaticBackupRetentionDays": 0,
    }
    assert metadata | {"LustreConfiguration": ""} == {
        "StorageType": "SSD",
        "StorageCapacity": "1200",
        "SubnetIds": '["subnet-0a"]',
        "SecurityGroupIds": '["sg-0a"]',
        "KmsKeyId": "alias/recovery",
        "LustreConfiguration": "",
    }


def test_windows_in_two_zones_takes_two_subnets_and_the_plans_directory() -> None:
    metadata = FAMILY.metadata(WINDOWS, a_target(subnetIds=[*SUBNETS, "subnet-0d"], activeDirectoryId=DIRECTORY))
    assert json.loads(metadata["SubnetIds"]) == SUBNETS
    assert configuration(metadata, "WindowsConfiguration") == {
        "DeploymentType": "MULTI_AZ_1",
        "ThroughputCapacity": 32,
        "ActiveDirectoryId": DIRECTORY,
        "PreferredSubnetId": "subnet-0a",
        "AutomaticBackupRetentionDays": 0,
    }
    with pytest.raises(MetadataRefused, match="takes 2 subnets, not 1"):
        FAMILY.metadata(WINDOWS, a_target(subnetIds=SUBNETS[:1], activeDirectoryId=DIRECTORY))


def test_a_volume_of_ontap_takes_a_name_and_its_configuration_only() -> None:
    target = a_target(subnetIds=SUBNETS, storageVirtualMachineId=SVM, kmsKeyId="alias/recovery")
    metadata = FAMILY.metadata(ONTAP, target)
    name = f"fsvol-0a1b2c3d4e5f60718-{RECOVERY_ID}-1".replace("-", "_")
    assert set(metadata) == {"Name", "OntapConfiguration"}
    assert metadata["Name"] == name
    assert configuration(metadata, "OntapConfiguration") == {
        "storageVirtualMachineId": SVM,
        "sizeInMegabytes": 1024,
        "junctionPath": f"/{name}",
        "snapshotPolicy": "none",
    }


def test_openzfs_takes_no_mode_beside_iops_and_does_not_come_back_to_two_zones() -> None:
    settings = configuration(FAMILY.metadata(OPENZFS, a_target(subnetIds=SUBNETS)), "OpenZFSConfiguration")
    assert settings["DiskIopsConfiguration"] == {"Iops": 3000}
    two_zones = point("OPENZFS", {"DeploymentType": "MULTI_AZ_1", "ThroughputCapacity": 160})
    with pytest.raises(MetadataRefused, match="two Availability Zones"):
        FAMILY.metadata(two_zones, a_target(subnetIds=SUBNETS))
    wished = {"OpenZFSConfiguration": '{"deploymenttype":"SINGLE_AZ_2"}'}
    settings = configuration(
        FAMILY.metadata(two_zones, a_target(metadata=wished, subnetIds=SUBNETS)), "OpenZFSConfiguration"
    )
    assert settings["DeploymentType"] == "SINGLE_AZ_2"


def test_intelligent_tiering_has_no_capacity() -> None:
    tiered = point("LUSTRE", {"ThroughputCapacity": 4000}, StorageType="INTELLIGENT_TIERING", StorageCapacity="0")
    assert "StorageCapacity" not in FAMILY.metadata(tiered, a_target(subnetIds=SUBNETS))


def test_settings_inside_the_configuration_are_merged_without_regard_to_case_and_checked() -> None:
    plan = {
        "lustreconfiguration": '{"PERUNITSTORAGETHROUGHPUT":100,"AutomaticBackupRetentionDays":7}',
        "WindowsConfiguration": '{"PreferredSubnetId":"subnet-0c"}',
        "Name": "for_volumes_only",
    }
    metadata = FAMILY.metadata(LUSTRE, a_target(metadata=plan, subnetIds=SUBNETS))
    settings = configuration(metadata, "LustreConfiguration")
    assert (settings["PerUnitStorageThroughput"], settings["AutomaticBackupRetentionDays"]) == (100, 7)
    assert not {"WindowsConfiguration", "Name"} & set(metadata)
    for text, words in (
        ('{"PerUnitThroughput":1}', "write 'PerUnitStorageThroughput'"),
        ('{"zzz":1}', "use one of AutomaticBackupRetentionDays"),
        ("full of holes", "as an object"),
    ):
        with pytest.raises(MetadataRefused, match=words):
            FAMILY.metadata(LUSTRE, a_target(metadata={"LustreConfiguration": text}, subnetIds=SUBNETS))


@pytest.mark.parametrize(
    ("metadata", "arn", "options", "key"),
    [
        ({"filesystemtype": "lustre"}, FILE_SYSTEM, {}, "LustreConfiguration"),
        ({"LustreConfiguration": "{}"}, FILE_SYSTEM, {}, "LustreConfiguration"),
        ({"LustreConfiguration": "no JSON"}, FILE_SYSTEM, {}, "LustreConfiguration"),
        ({}, FILE_SYSTEM, {"fileSystemType": "Lustre"}, "LustreConfiguration"),
        ({}, VOLUME, {"fileSystemType": "LUSTRE"}, "OntapConfiguration"),
        ({"FileSystemType": "LUSTRE"}, FILE_SYSTEM, {"fileSystemType": "WINDOWS"}, "LustreConfiguration"),
    ],
)
def test_how_the_kind_is_told(metadata: dict[str, str], arn: str, options: dict[str, Any], key: str) -> None:
    told = replace(a_point(arn, "FSx"), restore_metadata=metadata)
    volume = {"OntapConfiguration": '{"sizeInMegabytes":20}'}
    target = a_target(metadata=volume, subnetIds=SUBNETS, storageVirtualMachineId=SVM, **options)
    assert key in FAMILY.metadata(told, target)


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        (point(), {}, "give it a fileSystemType, one of WINDOWS, LUSTRE"),
        (point(), {"fileSystemType": "ZFS"}, "no file system type ZFS"),
        (LUSTRE, {}, "takes 1 subnets, not 0"),
        (WINDOWS, {"subnetIds": SUBNETS}, "as activeDirectoryId in the plan"),
        (ONTAP, {}, "as storageVirtualMachineId in the plan"),
        (
            point("WINDOWS", {"SelfManagedActiveDirectoryConfiguration": {"DomainName": "example.com"}}),
            {"subnetIds": SUBNETS, "activeDirectoryId": DIRECTORY},
            "self-managed Active Directory",
        ),
    ],
)
def test_what_is_missing_is_named(source: RecoveryPoint, options: dict[str, Any], words: str) -> None:
    with pytest.raises(MetadataRefused, match=words):
        FAMILY.metadata(source, a_target(**options))


def prepare_windows(clients: Clients, directory: str) -> None:
    target = a_target(subnetIds=SUBNETS, activeDirectoryId=directory)
    FAMILY.prepare(clients, WINDOWS, target, FAMILY.metadata(WINDOWS, target))


def test_the_directory_must_be_there() -> None:
    with recovery_account() as clients:
        vpc = clients("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = {"10.0.0.0/24": f"{REGION}a", "10.0.1.0/24": f"{REGION}c"}
        made = [
            clients("ec2").create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for block, zone in zones.items()
        ]
        network = {"VpcId": vpc, "SubnetIds": made}
        own = clients("ds").create_microsoft_ad(Name="r.example.com", Password="Passw0rd!", VpcSettings=network)
        prepare_windows(clients, own["DirectoryId"])
        with pytest.raises(MetadataRefused, match="no directory d-926733b3a1"):
            prepare_windows(clients, DIRECTORY)
        simple = clients("ds").create_directory(
            Name="s.example.com", Password="Passw0rd!", Size="Small", VpcSettings=network
        )
        with pytest.raises(MetadataRefused, match="is a SimpleAD"):
            prepare_windows(clients, simple["DirectoryId"])


def machine(state: str) -> tuple[str, Any]:
    return "describe_storage_virtual_machines", {
        "StorageVirtualMachines": [{"StorageVirtualMachineId": SVM, "Lifecycle": state}]
    }


def volume(state: str = "CREATED", name: str = "other", path: str = "/other", size: int = 1024) -> dict[str, Any]:
    return {
        "VolumeId": "fsvol-0123456789abcdef0",
        "VolumeType": "ONTAP",
        "Name": name,
        "Lifecycle": state,
        "OntapConfiguration": {"JunctionPath": path, "SizeInMegabytes": size},
    }


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([machine("CREATED"), ("describe_volumes", {"Volumes": [volume()]})], None),
        ([("describe_storage_virtual_machines", "StorageVirtualMachineNotFound")], "does not exist here"),
        ([machine("CREATING")], "is CREATING"),
        ([machine("CREATED"), ("describe_volumes", {"Volumes": [volume(name="mine")]})], "at mine already"),
        ([machine("CREATED"), ("describe_volumes", {"Volumes": [volume(path="/mine")]})], "at /mine already"),
    ],
)
def test_the_storage_virtual_machine_must_be_there_with_room_for_the_names(calls: Any, words: str | None) -> None:
    target = a_target(metadata={"Name": "mine"}, storageVirtualMachineId=SVM)
    with answers("fsx", *calls) as clients:
        if words is None:
            FAMILY.prepare(clients, ONTAP, target, FAMILY.metadata(ONTAP, target))
        else:
            with pytest.raises(MetadataRefused, match=words):
                FAMILY.prepare(clients, ONTAP, target, FAMILY.metadata(ONTAP, target))


def file_system(state: str, kind: str = "LUSTRE", capacity: int = 1200) -> tuple[str, Any]:
    system: dict[str, Any] = {"FileSystemId": "fs-0123456789abcdef0", "FileSystemType": kind, "Lifecycle": state}
    system |= {"StorageCapacity": capacity, "DNSName": "fs-0123456789abcdef0.fsx.ap-northeast-1.amazonaws.com"}
    return "describe_file_systems", {"FileSystems": [system]}


JOB = restored(FAMILY, LUSTRE, a_target(subnetIds=SUBNETS), CREATED)
VOLUME_JOB = restored(FAMILY, ONTAP, a_target(storageVirtualMachineId=SVM), CREATED_VOLUME)


def test_finish_waits_for_the_file_system_and_tags_it() -> None:
    calls: tuple[tuple[str, Any], ...] = (file_system("CREATING"), file_system("AVAILABLE"), ("tag_resource", {}))
    with answers("fsx", *calls) as clients:
        assert not FAMILY.finish(clients, JOB).done
        assert FAMILY.finish(clients, JOB).done


@pytest.mark.parametrize(
    ("call", "ok", "words"),
    [
        (file_system("AVAILABLE"), True, "FSx for Lustre fs-0123456789abcdef0 AVAILABLE, 1200 GiB"),
        (file_system("AVAILABLE"), True, "its files were not read"),
        (file_system("MISCONFIGURED"), False, "is MISCONFIGURED: FSx gives no reason"),
        (file_system("AVAILABLE", capacity=600), False, "has 600 GiB, its recovery point 1200 GiB"),
        (("describe_file_systems", "FileSystemNotFound"), False, "does not exist"),
    ],
)
def test_validation_says_what_was_looked_at(call: Any, ok: bool, words: str) -> None:
    with answers("fsx", call) as clients:
        validation = FAMILY.validate(clients, JOB)
    assert validation.ok is ok
    assert words in validation.how


def test_validation_of_a_volume() -> None:
    found = ({"Volumes": [volume()]}, {"Volumes": [volume(size=20)]})
    with answers("fsx", *(("describe_volumes", answer) for answer in found)) as clients:
        assert FAMILY.validate(clients, VOLUME_JOB).ok
        assert (
            FAMILY.validate(clients, VOLUME_JOB).how
            == "fsvol-0123456789abcdef0 has 20 MiB, its recovery point 1024 MiB"
        )


@contextmanager
def deletions(kind: str, state: str) -> Iterator[tuple[Clients, list[Any]]]:
    """Clients that find a thing in this state and then gone, and what deletions were asked for."""
    is_volume = kind == "ONTAP"
    found = ("describe_volumes", {"Volumes": [volume(state)]}) if is_volume else file_system(state, kind)
    gone = (found[0], "VolumeNotFound" if is_volume else "FileSystemNotFound")
    deletes: list[Any] = [("delete_volume" if is_volume else "delete_file_system", {})] if state != "DELETING" else []
    asked: list[Any] = []
    with answers("fsx", found, *deletes, gone) as clients:
        clients("fsx").meta.events.register(
            "provide-client-params.fsx", lambda params, model, **_: asked.append((model.name, params))
        )
        yield clients, asked


@pytest.mark.parametrize(
    ("kind", "state", "asked"),
    [
        ("LUSTRE", "AVAILABLE", {}),
        ("WINDOWS", "FAILED", {"WindowsConfiguration": {"SkipFinalBackup": True}}),
        (
            "OPENZFS",
            "AVAILABLE",
            {
                "OpenZFSConfiguration": {
                    "SkipFinalBackup": True,
                    "Options": ["DELETE_CHILD_VOLUMES_AND_SNAPSHOTS"],
                }
            },
        ),
        ("ONTAP", "CREATED", {"OntapConfiguration": {"SkipFinalBackup": True}}),
        ("LUSTRE", "DELETING", None),
    ],
)
def test_deletion_leaves_no_final_backup_and_is_done_when_all_is_gone(kind: str, state: str, asked: Any) -> None:
    job = VOLUME_JOB if kind == "ONTAP" else JOB
    with deletions(kind, state) as (clients, calls):
        assert not FAMILY.delete(clients, job).done
        assert FAMILY.delete(clients, job).done
    # Without the token that boto3 adds, so that a repeated call deletes once.
    made = [
        {key: value for key, value in params.items() if key != "ClientRequestToken"}
        for operation, params in calls
        if operation.startswith("Delete")
    ]
    own = {"VolumeId": "fsvol-0123456789abcdef0"} if kind == "ONTAP" else {"FileSystemId": "fs-0123456789abcdef0"}
    assert made == ([] if asked is None else [own | asked])


def test_nothing_created_is_nothing_to_delete() -> None:
    with answers("fsx") as clients:
        assert FAMILY.delete(clients, replace(JOB, created_resource_arn="")).done
