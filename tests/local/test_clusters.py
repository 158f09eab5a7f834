"""Aurora, DocumentDB and Neptune: what comes back and what makes a job fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.local.network import Network, key, no_default_vpc
from tests.local.refusals import refused
from tests.local.story import OWNER, RECOVERY, REGION, client

if TYPE_CHECKING:
    from tests.local.story import Story

SERVICES = {"Aurora": "rds", "DocumentDB": "docdb", "Neptune": "neptune"}
ENGINES = {"Aurora": "aurora-postgresql", "DocumentDB": "docdb", "Neptune": "neptune"}
ROWS = b"1|ana\n2|ben\n"


def cluster(kind: str, name: str = "ledger", **more: Any) -> str:
    """A cluster of the owner under a key of its own; its ARN."""
    login = {} if kind == "Neptune" else {"MasterUsername": "keeper", "MasterUserPassword": "not-a-secret"}
    made = client(SERVICES[kind], OWNER).create_db_cluster(
        **{
            "DBClusterIdentifier": name,
            "Engine": ENGINES[kind],
            "Port": 6001,
            "StorageEncrypted": True,
            "KmsKeyId": key(OWNER),
            "Tags": [{"Key": "team", "Value": "shop"}],
        }
        | login
        | more
    )
    return str(made["DBCluster"]["DBClusterArn"])


def role_of_rds() -> None:
    """What RDS makes at its first use, for whoever may make roles."""
    client("iam", RECOVERY).create_role(RoleName="AWSServiceRoleForRDS", AssumeRolePolicyDocument="{}")


def metadata(kind: str, network: Network) -> dict[str, str]:
    client("rds", RECOVERY).create_db_subnet_group(
        DBSubnetGroupName="isolated", DBSubnetGroupDescription="isolated", SubnetIds=list(network.subnets)
    )
    return {
        "dbClusterIdentifier": "restored",
        "engine": ENGINES[kind],
        "dbSubnetGroupName": "isolated",
        "vpcSecurityGroupIds": json.dumps([network.group]),
        "kmsKeyId": key(RECOVERY),
    }


@pytest.mark.parametrize("kind", SERVICES)
def test_a_cluster_comes_back_without_instances(story: Story, kind: str) -> None:
    story.prepare()
    arn = cluster(kind)
    doors = story.world.doors
    doors.write_database(OWNER, REGION, "ledger", ROWS)
    point = story.protect(arn)
    doors.write_database(OWNER, REGION, "ledger", b"scrambled")
    story.granted()
    role_of_rds()
    asked = metadata(kind, Network.of(RECOVERY))
    job = story.restore(point, {name.upper(): value for name, value in asked.items()})
    assert (job["Status"], job["ResourceType"]) == ("COMPLETED", kind), job
    assert job["CreatedResourceArn"] == f"arn:aws:rds:{REGION}:{RECOVERY}:cluster:restored"
    assert doors.read_database(RECOVERY, REGION, "restored") == ROWS
    service = client(SERVICES[kind], RECOVERY)
    made = service.describe_db_clusters(DBClusterIdentifier="restored")["DBClusters"][0]
    source = client(SERVICES[kind], OWNER).describe_db_clusters(DBClusterIdentifier="ledger")["DBClusters"][0]
    for same in ("Engine", "EngineVersion", "Port", "MasterUsername"):
        assert made.get(same) == source.get(same), same
    assert (made["DBSubnetGroup"], made["KmsKeyId"]) == ("isolated", asked["kmsKeyId"])
    assert made["DBClusterMembers"] == service.describe_db_instances()["DBInstances"] == []
    assert service.list_tags_for_resource(ResourceName=made["DBClusterArn"])["TagList"] == [
        {"Key": "team", "Value": "shop"}
    ]
    told = story.backup().get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=point)
    assert (told["ResourceType"], told["RestoreMetadata"]["Engine"]) == (kind, ENGINES[kind])
    assert "DBClusterIdentifier" not in told["RestoreMetadata"]


@pytest.fixture
def point(story: Story) -> str:
    """A recovery point of an Aurora cluster, seen through a granted vault."""
    story.prepare()
    found = story.protect(cluster("Aurora"))
    story.granted()
    return found


FAIL: tuple[tuple[dict[str, str], str], ...] = (
    ({"engine": "aurora-mysql"}, "engine"),
    ({"dbClusterIdentifier": "not--taken"}, "dbClusterIdentifier"),
    ({"dbClusterIdentifier": "present"}, "already exists"),
    ({"dbClusterIdentifier": "present-1"}, "already exists"),
    ({"dbSubnetGroupName": "of-the-owner"}, "not found"),
    ({"dbSubnetGroupName": ""}, "No default subnet detected in VPC"),
    ({"vpcSecurityGroupIds": '["sg-0123456789abcdef0"]'}, "does not exist"),
    ({"vpcSecurityGroupIds": "sg-1,sg-2"}, "JSON"),
    ({"dbClusterParameterGroupName": "of-the-owner"}, "DBClusterParameterGroupName not found"),
    ({"optionGroupName": "of-the-owner"}, "OptionGroupName not found"),
    ({"availabilityZones": '["us-east-1a"]'}, "us-east-1a"),
    ({"kmsKeyId": ""}, "KMS key"),
    ({"kmsKeyId": f"arn:aws:kms:{REGION}:{OWNER}:key/x"}, "KMS key"),
    ({"port": "many"}, "port"),
    ({"copyTagsToSnapshot": "perhaps"}, "copyTagsToSnapshot"),
    ({"DBSnapshotIdentifier": "x"}, "DBSnapshotIdentifier"),
    ({"deletionProtection": "true"}, "deletionProtection"),
)


def test_cluster_jobs_that_fail(story: Story, point: str) -> None:
    present = {"DBClusterIdentifier": "present", "Engine": "aurora-postgresql"}
    rds = client("rds", RECOVERY)
    rds.create_db_cluster(**present, MasterUsername="keeper", MasterUserPassword="not-a-secret")
    rds.create_db_instance(**present, DBInstanceIdentifier="present-1", DBInstanceClass="db.r6g.large")
    no_default_vpc(RECOVERY)
    role_of_rds()
    good = metadata("Aurora", Network.of(RECOVERY))
    for change, text in FAIL:
        job = story.restore(point, good | change)
        assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), (change, job)


def test_a_cluster_needs_its_service_linked_role(story: Story, point: str) -> None:
    role_of_rds()
    asked = metadata("Aurora", Network.of(RECOVERY))
    client("iam", RECOVERY).delete_role(RoleName="AWSServiceRoleForRDS")
    job = story.restore(point, asked)
    assert (job["Status"], "service linked role" in job["StatusMessage"]) == ("FAILED", True), job


def test_a_cluster_needs_a_name_and_an_engine(story: Story, point: str) -> None:
    for name in ("dbClusterIdentifier", "engine"):
        asked = {"dbClusterIdentifier": "restored", "engine": "aurora-postgresql"}
        del asked[name]
        with refused("InvalidParameterValueException", name):
            story.restore(point, asked)


@pytest.mark.parametrize(
    ("encryption", "text"),
    [({"StorageEncrypted": False}, "not encrypted"), ({"KmsKeyId": "alias/aws/rds"}, "AWS managed key")],
)
def test_clusters_that_an_air_gapped_vault_does_not_take(story: Story, encryption: dict[str, Any], text: str) -> None:
    story.prepare()
    if "KmsKeyId" in encryption:
        encryption = {"KmsKeyId": client("kms", OWNER).describe_key(KeyId="alias/aws/rds")["KeyMetadata"]["Arn"]}
    arn, backup = cluster("Aurora", **encryption), story.backup(OWNER)
    asked = {
        "BackupVaultName": "plain",
        "ResourceArn": arn,
        "IamRoleArn": story.role(OWNER),
        "Lifecycle": {"DeleteAfterDays": 14},
    }
    plain = backup.start_backup_job(**asked)
    story.wait(60)
    lag = f"arn:aws:backup:{REGION}:{OWNER}:backup-vault:lag"
    copy = backup.start_copy_job(
        RecoveryPointArn=plain["RecoveryPointArn"],
        SourceBackupVaultName="plain",
        DestinationBackupVaultArn=lag,
        IamRoleArn=asked["IamRoleArn"],
        Lifecycle=asked["Lifecycle"],
    )["CopyJobId"]
    direct = backup.start_backup_job(**asked, LogicallyAirGappedBackupVaultArn=lag)
    story.wait(60)
    ended = [backup.describe_copy_job(CopyJobId=copy)["CopyJob"]]
    ended += [backup.describe_backup_job(BackupJobId=direct["BackupJobId"])]
    assert [job["State"] for job in ended] == ["FAILED", "FAILED"]
    assert all(text in job["StatusMessage"] for job in ended)
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="lag")["RecoveryPoints"] == []
