"""FSx, DSQL, Timestream and types nobody restores: what comes back and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from local.aws.fsx import DELETING_SECONDS
from tests.local.network import Network, key
from tests.local.refusals import refused
from tests.local.story import LAG, OWNER, RECOVERY, REGION, client

if TYPE_CHECKING:
    from tests.local.story import Story

TAGS = [{"Key": "Name", "Value": "shared"}]


def directory(account: str, place: Network) -> str:
    made = client("ds", account).create_microsoft_ad(
        Name="corp.example.com",
        Password="Passw0rd-Passw0rd",
        VpcSettings={"VpcId": place.vpc, "SubnetIds": place.subnets},
        Edition="Standard",
    )
    return str(made["DirectoryId"])


def file_system(kind: str, settings: dict[str, Any], *, subnets: int = 1, **more: Any) -> str:
    """A file system of the owner with a file; its ARN."""
    place = Network.of(OWNER)
    if kind == "WINDOWS":
        settings = settings | {"ActiveDirectoryId": directory(OWNER, place)}
    if subnets == 2:
        settings = settings | {"PreferredSubnetId": place.subnets[0]}
    name = {"WINDOWS": "Windows", "LUSTRE": "Lustre", "OPENZFS": "OpenZFS"}[kind]
    made = client("fsx", OWNER).create_file_system(
        FileSystemType=kind,
        SubnetIds=place.subnets[:subnets],
        Tags=TAGS,
        **{f"{name}Configuration": settings},
        **{"StorageCapacity": 1200, "StorageType": "SSD"} | more,
    )["FileSystem"]
    return str(made["ResourceARN"])


def protected(story: Story, arn: str) -> str:
    """Back up a file system or volume with a file, spoil it, get access to the point."""
    story.prepare()
    place = (OWNER, REGION, arn.rpartition("/")[2])
    story.world.doors.write_files(*place, {"docs/a.txt": b"good"})
    point = story.protect(arn)
    story.world.doors.write_files(*place, {"docs/a.txt": b"bad"})
    story.granted()
    return point


def target(kind: str, **settings: Any) -> dict[str, str]:
    """Complete metadata for the recovery account's network."""
    place = Network.of(RECOVERY)
    if kind == "Windows":
        settings = {"ActiveDirectoryId": directory(RECOVERY, place)} | settings
    return {
        "SubnetIds": json.dumps(place.subnets[:1]),
        "SecurityGroupIds": json.dumps([place.group]),
        f"{kind}Configuration": json.dumps({"AutomaticBackupRetentionDays": 0} | settings),
    }


def content(story: Story, arn: str) -> dict[str, bytes]:
    return story.world.doors.read_files(RECOVERY, REGION, arn.rpartition("/")[2])


WINDOWS = {"DeploymentType": "SINGLE_AZ_2", "ThroughputCapacity": 32}
LUSTRE = {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 125}
OPENZFS = {"DeploymentType": "SINGLE_AZ_1", "ThroughputCapacity": 64}


@pytest.mark.parametrize(
    ("kind", "name", "settings"),
    [("WINDOWS", "Windows", WINDOWS), ("LUSTRE", "Lustre", LUSTRE), ("OPENZFS", "OpenZFS", OPENZFS)],
)
def test_a_file_system_comes_back(story: Story, kind: str, name: str, settings: dict[str, Any]) -> None:
    point = protected(story, file_system(kind, settings))
    metadata = target(name)
    own = key(RECOVERY)
    job = story.restore(point, metadata | {"KmsKeyId": own}, CopySourceTagsToRestoredResource=True)
    assert job["Status"] == "COMPLETED", job
    assert content(story, job["CreatedResourceArn"]) == {"docs/a.txt": b"good"}
    fsx = client("fsx", RECOVERY)
    found = fsx.describe_file_systems()["FileSystems"][0]
    assert (found["Lifecycle"], found["StorageCapacity"], found["KmsKeyId"]) == ("AVAILABLE", 1200, own)
    assert (found["ResourceARN"], found["Tags"]) == (job["CreatedResourceArn"], TAGS)
    assert found["SubnetIds"] == json.loads(metadata["SubnetIds"])
    described = found[f"{name}Configuration"]
    assert {known: described[known] for known in settings} == settings
    assert described["AutomaticBackupRetentionDays"] == 0


def test_the_restore_metadata_of_a_file_system_names_the_source(story: Story) -> None:
    point = protected(story, file_system("LUSTRE", LUSTRE))
    found = story.backup().get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=point)
    metadata = found["RestoreMetadata"]
    assert (metadata["FileSystemType"], metadata["StorageCapacity"]) == ("LUSTRE", "1200")
    assert json.loads(metadata["LustreConfiguration"]) == LUSTRE
    assert {"FileSystemId", "SubnetIds", "VpcId", "StorageType"} <= metadata.keys()


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("Lustre", {"SubnetIds": None}, "SubnetIds"),
        ("Lustre", {"SubnetIds": '["subnet-12345678"]'}, "subnet"),
        ("Lustre", {"VpcId": "vpc-12345678"}, "VpcId"),
        ("Lustre", {"SubnetIds": "subnet-12345678"}, "SubnetIds"),
        ("Lustre", {"SecurityGroupIds": '["sg-12345678"]'}, "sg-12345678"),
        ("Lustre", {"KmsKeyId": f"arn:aws:kms:{REGION}:{OWNER}:key/x"}, "KMS key"),
        ("Lustre", {"FileSystemId": "fs-1"}, "FileSystemId"),
        ("Lustre", {"LustreConfiguration": '{"DeploymentType":"SCRATCH_2"}'}, "deployment type"),
        ("Lustre", {"LustreConfiguration": '{"PerUnitStorageThroughput":250}'}, "PerUnitStorageThroughput"),
        ("Lustre", {"LustreConfiguration": '{"ActiveDirectoryId":"d-1"}'}, "ActiveDirectoryId"),
        ("Lustre", {"LustreConfiguration": "[]"}, "JSON object"),
        ("Lustre", {"WindowsConfiguration": "{}"}, "WindowsConfiguration"),
        ("Lustre", {"StorageCapacity": "2400"}, "StorageCapacity"),
        ("Windows", {"WindowsConfiguration": "{}"}, "Active Directory"),
        ("Windows", {"WindowsConfiguration": '{"ActiveDirectoryId":"d-1234567890"}'}, "Active Directory"),
        ("Windows", {"StorageCapacity": "600"}, "StorageCapacity"),
        ("Windows", {"StorageType": "HDD"}, "HDD"),
        ("OpenZFS", {"OpenZFSConfiguration": '{"DiskIopsConfiguration":{"Mode":"AUTOMATIC","Iops":1}}'}, "Mode"),
    ],
)
def test_file_systems_that_fail(story: Story, name: str, change: dict[str, str | None], text: str) -> None:
    settings = {"Windows": WINDOWS, "Lustre": LUSTRE, "OpenZFS": OPENZFS}[name]
    point = protected(story, file_system(name.upper(), settings))
    metadata = {key: value for key, value in (target(name) | change).items() if value is not None}
    job = story.restore(point, metadata)
    assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), job


def test_two_zones(story: Story) -> None:
    """Windows takes exactly two subnets, one preferred; OpenZFS is not restored to two by AWS Backup."""
    settings = WINDOWS | {"DeploymentType": "MULTI_AZ_1"}
    windows = protected(story, file_system("WINDOWS", settings, subnets=2))
    place = Network.of(RECOVERY)
    configuration = {"ActiveDirectoryId": directory(RECOVERY, place), "PreferredSubnetId": place.subnets[1]}
    metadata = {"SubnetIds": json.dumps(place.subnets), "WindowsConfiguration": json.dumps(configuration)}
    assert story.restore(windows, metadata)["Status"] == "COMPLETED"
    one = story.restore(windows, metadata | {"SubnetIds": json.dumps(place.subnets[1:])})
    assert "2 of SubnetIds" in one["StatusMessage"]
    del configuration["PreferredSubnetId"]
    none = story.restore(windows, metadata | {"WindowsConfiguration": json.dumps(configuration)})
    assert "PreferredSubnetId" in none["StatusMessage"]
    zfs = story.protect(file_system("OPENZFS", OPENZFS | {"DeploymentType": "MULTI_AZ_1"}, subnets=2))
    sent = {"SubnetIds": json.dumps(place.subnets), "OpenZFSConfiguration": "{}"}
    assert "Amazon FSx API" in story.restore(zfs, sent)["StatusMessage"]


def test_storage_that_grows_by_itself_has_no_capacity(story: Story) -> None:
    """As CreateFileSystem has it for INTELLIGENT_TIERING (API_CreateFileSystem.html)."""
    place = Network.of(OWNER)
    made = client("fsx", OWNER).create_file_system(
        FileSystemType="OPENZFS",
        SubnetIds=place.subnets[:1],
        StorageType="INTELLIGENT_TIERING",
        OpenZFSConfiguration=OPENZFS,
    )["FileSystem"]
    point = protected(story, made["ResourceARN"])
    asked = target("OpenZFS")
    assert "StorageCapacity" in story.restore(point, asked | {"StorageCapacity": "1200"})["StatusMessage"]
    assert "StorageCapacity" in story.restore(point, asked | {"StorageType": "SSD"})["StatusMessage"]
    job = story.restore(point, asked)
    assert job["Status"] == "COMPLETED", job


def test_what_of_lustre_is_not_backed_up(story: Story) -> None:
    story.prepare()
    with refused("InvalidRequestException", "Lustre"):
        story.protect(file_system("LUSTRE", {"DeploymentType": "SCRATCH_2"}))
    with refused("ResourceNotFoundException"):
        story.protect(f"arn:aws:fsx:{REGION}:{OWNER}:file-system/fs-0123456789abcdef0")


def machine(account: str) -> str:
    """A storage virtual machine in an ONTAP file system; its id."""
    fsx = client("fsx", account)
    system = fsx.create_file_system(
        FileSystemType="ONTAP",
        StorageCapacity=1024,
        SubnetIds=Network.of(account).subnets[:1],
        OntapConfiguration={"DeploymentType": "SINGLE_AZ_1", "ThroughputCapacity": 128},
    )["FileSystem"]["FileSystemId"]
    made = fsx.create_storage_virtual_machine(FileSystemId=system, Name="svm")["StorageVirtualMachine"]
    return str(made["StorageVirtualMachineId"])


@pytest.fixture
def volume(story: Story) -> str:
    """A recovery point of an ONTAP volume."""
    settings = {"StorageVirtualMachineId": machine(OWNER), "SizeInMegabytes": 2048, "JunctionPath": "/home"}
    made = client("fsx", OWNER).create_volume(VolumeType="ONTAP", Name="home", OntapConfiguration=settings, Tags=TAGS)[
        "Volume"
    ]
    return protected(story, made["ResourceARN"])


def ontap(**change: Any) -> dict[str, str]:
    settings: dict[str, Any] = {
        "junctionPath": "/restored",
        "sizeInMegabytes": 2048,
        "storageVirtualMachineId": "svm-absent",
    } | change
    return {"Name": settings.pop("Name", "restored"), "OntapConfiguration": json.dumps(settings)}


def test_a_volume_comes_back_in_a_virtual_machine_and_a_final_backup_is_made(story: Story, volume: str) -> None:
    here = machine(RECOVERY)
    job = story.restore(volume, ontap(storageVirtualMachineId=here), CopySourceTagsToRestoredResource=True)
    assert job["Status"] == "COMPLETED", job
    assert content(story, job["CreatedResourceArn"]) == {"docs/a.txt": b"good"}
    fsx = client("fsx", RECOVERY)
    found = fsx.describe_volumes()["Volumes"][0]
    assert (found["Name"], found["Lifecycle"], found["Tags"]) == ("restored", "CREATED", TAGS)
    assert found["OntapConfiguration"]["StorageVirtualMachineId"] == here
    for name, path in (("restored", "/other"), ("other", "/restored")):
        again = story.restore(volume, ontap(storageVirtualMachineId=here, Name=name, junctionPath=path))
        assert (again["Status"], here in again["StatusMessage"]) == ("FAILED", True), again
    fsx.delete_volume(VolumeId=found["VolumeId"])
    story.wait(DELETING_SECONDS)
    assert fsx.describe_volumes()["Volumes"] == []
    assert [one["ResourceType"] for one in fsx.describe_backups()["Backups"]] == ["VOLUME"]
    with refused("VolumeNotFound"):
        fsx.describe_volumes(VolumeIds=[found["VolumeId"]])


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (ontap(), "StorageVirtualMachineIds"),
        (ontap(storageVirtualMachineId="svm-0123456789abcdef0"), "does not exist"),
        (ontap() | {"Name": ""}, "Name"),
        ({"Name": "x"}, "junctionPath"),
        (ontap(StorageVirtualMachineId="svm-1"), "StorageVirtualMachineId"),
    ],
)
def test_volumes_that_fail(story: Story, volume: str, metadata: dict[str, str], text: str) -> None:
    job = story.restore(volume, metadata)
    assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), job


def test_a_volume_does_not_shrink(story: Story, volume: str) -> None:
    job = story.restore(volume, ontap(storageVirtualMachineId=machine(RECOVERY), sizeInMegabytes=1024))
    assert "smaller" in job["StatusMessage"]


@pytest.mark.parametrize(
    ("kind", "name", "settings", "backups"),
    [("WINDOWS", "Windows", WINDOWS, 1), ("OPENZFS", "OpenZFS", OPENZFS, 1), ("LUSTRE", "Lustre", LUSTRE, 0)],
)
def test_a_deletion_leaves_a_final_backup_unless_told_not_to(
    story: Story, kind: str, name: str, settings: dict[str, Any], backups: int
) -> None:
    fsx = client("fsx", OWNER)
    for _ in range(2):
        file_system(kind, settings)
    first, second = (one["FileSystemId"] for one in fsx.describe_file_systems()["FileSystems"])
    fsx.delete_file_system(FileSystemId=first)
    fsx.delete_file_system(FileSystemId=second, **{f"{name}Configuration": {"SkipFinalBackup": True}})
    assert [one["Lifecycle"] for one in fsx.describe_file_systems()["FileSystems"]] == ["DELETING"] * 2
    story.wait(DELETING_SECONDS)
    assert fsx.describe_file_systems()["FileSystems"] == []
    kept = fsx.describe_backups()["Backups"]
    assert [one["FileSystem"]["FileSystemId"] for one in kept] == [first] * backups
    with refused("FileSystemNotFound"):
        fsx.delete_file_system(FileSystemId=first)


def test_a_file_system_with_virtual_machines_stays(story: Story) -> None:
    """They have to go first (API_DeleteFileSystem.html)."""
    assert machine(OWNER)
    fsx = client("fsx", OWNER)
    (found,) = fsx.describe_file_systems()["FileSystems"]
    with refused("BadRequest", "virtual machines"):
        fsx.delete_file_system(FileSystemId=found["FileSystemId"])
    story.prepare()
    with refused("InvalidRequestException", "volumes"):
        story.protect(found["ResourceARN"])


@pytest.fixture
def rows(story: Story) -> str:
    """A recovery point of a DSQL cluster."""
    story.prepare()
    made = client("dsql", OWNER).create_cluster(tags={"Name": "ledger"})
    story.world.doors.write_database(OWNER, REGION, made["identifier"], b"rows")
    point = story.protect(made["arn"])
    story.world.doors.write_database(OWNER, REGION, made["identifier"], b"")
    story.granted()
    return point


def region(**change: Any) -> dict[str, str]:
    return {"regionalConfig": json.dumps([{"region": REGION} | change])}


def dsql_role() -> None:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    client("iam", RECOVERY).create_role(RoleName="AWSServiceRoleForAuroraDsql", AssumeRolePolicyDocument=trust)


def test_a_dsql_cluster_comes_back_protected_unless_told_otherwise(story: Story, rows: str) -> None:
    dsql_role()
    own = key(RECOVERY)
    sent = region(isDeletionProtectionEnabled=False, kmsKeyId=own)
    job = story.restore(rows, sent, CopySourceTagsToRestoredResource=True)
    assert job["Status"] == "COMPLETED", job
    made = job["CreatedResourceArn"].rpartition("/")[2]
    found = client("dsql", RECOVERY).get_cluster(identifier=made)
    assert (found["status"], found["deletionProtectionEnabled"]) == ("ACTIVE", False)
    assert found["encryptionDetails"]["kmsKeyArn"] == own
    assert story.world.doors.read_database(RECOVERY, REGION, made) == b"rows"
    tags = client("dsql", RECOVERY).list_tags_for_resource(resourceArn=job["CreatedResourceArn"])["tags"]
    assert tags == {"Name": "ledger"}
    plain = story.restore(rows, {"usemultiregionorchestration": "false"})
    found = client("dsql", RECOVERY).get_cluster(identifier=plain["CreatedResourceArn"].rpartition("/")[2])
    assert found["deletionProtectionEnabled"] is True


@pytest.mark.parametrize("name", ["cluster_id", "backup_size_bytes"])
def test_keys_of_the_own_restore_metadata_are_refused_and_use_the_token_up(story: Story, rows: str, name: str) -> None:
    found = story.backup().get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=rows)
    assert name in found["RestoreMetadata"]
    for text in (name, "already used"):
        with refused("InvalidParameterValueException", text):
            story.restore(rows, region() | {name: found["RestoreMetadata"][name]}, IdempotencyToken="one")


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"regionalConfig": "{}"}, "regionalConfig"),
        (region(region="us-east-1"), "us-east-1"),
        (region(deletionProtection=False), "deletionProtection"),
        (region(isDeletionProtectionEnabled="false"), "isDeletionProtectionEnabled"),
        (region(kmsKeyId=f"arn:aws:kms:{REGION}:{OWNER}:key/x"), "KMS key"),
        (region() | {"useMultiRegionOrchestration": "true"}, "peer Region"),
    ],
)
def test_dsql_jobs_that_fail(story: Story, rows: str, metadata: dict[str, str], text: str) -> None:
    dsql_role()
    job = story.restore(rows, metadata)
    assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), job


def test_dsql_needs_its_service_linked_role(story: Story, rows: str) -> None:
    assert "AWSServiceRoleForAuroraDsql" in story.restore(rows, region())["StatusMessage"]


RETENTION = {"MemoryStoreRetentionPeriodInHours": 24, "MagneticStoreRetentionPeriodInDays": 365}


@pytest.fixture
def records(story: Story) -> str:
    """A recovery point of a Timestream table with records of two days."""
    story.prepare()
    write = client("timestream-write", OWNER)
    write.create_database(DatabaseName="plant")
    made = write.create_table(DatabaseName="plant", TableName="sensors", RetentionProperties=RETENTION)["Table"]
    story.world.doors.write_files(OWNER, REGION, "plant/sensors", {"2025-12-31": b"new", "2025-06-01": b"old"})
    point = story.protect(made["Arn"])
    story.granted()
    client("timestream-write", RECOVERY).create_database(DatabaseName="restored")
    return point


def table(**change: str) -> dict[str, str]:
    kept = {name: str(value) for name, value in RETENTION.items()}
    return {"TableName": "sensors-1", "DestinationDatabase": "restored"} | kept | change


def test_a_table_comes_back_less_what_a_shorter_retention_loses(story: Story, records: str) -> None:
    job = story.restore(records, table())
    assert job["Status"] == "COMPLETED", job
    found = client("timestream-write", RECOVERY).describe_table(DatabaseName="restored", TableName="sensors-1")["Table"]
    assert (found["Arn"], found["TableStatus"]) == (job["CreatedResourceArn"], "ACTIVE")
    assert found["RetentionProperties"] == RETENTION
    doors = story.world.doors
    assert set(doors.read_files(RECOVERY, REGION, "restored/sensors-1")) == {"2025-12-31", "2025-06-01"}
    shorter = story.restore(records, table(TableName="short", MagneticStoreRetentionPeriodInDays="60"))
    assert shorter["Status"] == "COMPLETED"
    assert set(doors.read_files(RECOVERY, REGION, "restored/short")) == {"2025-12-31"}


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (table(DestinationDatabase="absent"), "absent"),
        (table(DatabaseName="restored"), "one of"),
        (table(MagneticStoreRetentionPeriodInDays="long"), "MagneticStoreRetentionPeriodInDays"),
        (table(EnableMagneticStoreWrites="yes"), "EnableMagneticStoreWrites"),
        (table(tablename="x"), "tablename"),
    ],
)
def test_tables_that_fail(story: Story, records: str, metadata: dict[str, str], text: str) -> None:
    job = story.restore(records, metadata)
    assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), job


def test_one_timestream_restore_at_a_time_and_a_free_name(story: Story, records: str) -> None:
    jobs = [
        story.backup().start_restore_job(
            RecoveryPointArn=records, Metadata=table(TableName=name), IamRoleArn=story.role(RECOVERY)
        )["RestoreJobId"]
        for name in ("one", "two")
    ]
    story.wait(700)
    ended = [story.backup().describe_restore_job(RestoreJobId=job) for job in jobs]
    assert [job["Status"] for job in ended] == ["COMPLETED", "FAILED"]
    assert "concurrent" in ended[1]["StatusMessage"]
    assert "already exists" in story.restore(records, table(TableName="one"))["StatusMessage"]
    tagged = story.restore(records, table(), CopySourceTagsToRestoredResource=True)
    assert "CopySourceTags" in tagged["StatusMessage"]
    for name in RETENTION:
        metadata = table()
        del metadata[name]
        with refused("InvalidParameterValueException", name):
            story.restore(records, metadata)


@pytest.mark.parametrize("kind", ["RDS", "Redshift", "FutureType"])
def test_a_type_that_nobody_restores_is_seen_and_fails(story: Story, kind: str) -> None:
    story.prepare()
    placed = story.world.backup.points.place(LAG, f"arn:aws:rds:{REGION}:{OWNER}:db:shop", kind)
    story.granted()
    backup = story.backup()
    (seen,) = backup.list_recovery_points_by_backup_vault(BackupVaultName="access")["RecoveryPoints"]
    assert (seen["RecoveryPointArn"], seen["ResourceType"], seen["Status"]) == (placed, kind, "COMPLETED")
    found = backup.get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=placed)
    assert found["RestoreMetadata"] == {}
    job = story.restore(placed, {})
    assert (job["Status"], kind in job["StatusMessage"]) == ("FAILED", True)
