"""Aurora, DocumentDB and Neptune clusters: metadata that means something here, a network, instances, and a way back."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.restore.clusters import Aurora, DocumentDb, Neptune
from botocore.stub import ANY
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.restoring import RECOVERY_ID, REGION, REPEATABLE, a_point, a_target, answers, recovery_account, restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients, Family, RecoveryPoint, Restored

SOURCE = f"arn:aws:rds:{REGION}:111122223333:cluster:orders"
NAME = f"orders-{RECOVERY_ID}-1"
CREATED = f"arn:aws:rds:{REGION}:444455556666:cluster:{NAME}"
# As the guide's example has it (restoring-aur.html).
RETURNED = {
    "Engine": "aurora-postgresql",
    "EngineVersion": "16.4",
    "EngineMode": "provisioned",
    "Port": "5433",
    "DatabaseName": "",
    "KmsKeyId": "arn:aws:kms:ap-northeast-1:111122223333:key/of-the-source",
    "AvailabilityZones": '["ap-northeast-1a"]',
    "DBSubnetGroupName": "of-the-source",
    "VpcSecurityGroupIds": '["sg-of-the-source"]',
    "DBClusterParameterGroupName": "of-the-source",
    "EnableCloudwatchLogsExports": "[]",
    "EnableIAMDatabaseAuthentication": "true",
    "CopyTagsToSnapshot": "false",
}
SUBNETS = ["subnet-0a1b2c3d", "subnet-4e5f6071"]
FAMILIES: list[Family] = [Aurora(), DocumentDb(), Neptune()]


def point(family: Family, **metadata: str) -> RecoveryPoint:
    kept = RETURNED if isinstance(family, Aurora) else {"EngineVersion": "5.0.0", "Port": "0"}
    return replace(a_point(SOURCE, family.resource_types[0]), restore_metadata=kept | metadata)


def job(family: Family, **options: Any) -> Restored:
    target = a_target(**{"subnetIds": SUBNETS} | options)
    return restored(family, point(family), target, CREATED)


@pytest.fixture
def clients() -> Iterator[Clients]:
    with recovery_account() as clients:
        yield clients


def test_only_what_means_something_here_is_taken_from_the_point() -> None:
    target = a_target(dbSubnetGroupName="isolated", securityGroupIds=["sg-1", "sg-2"], kmsKeyId="alias/recovery")
    assert Aurora().metadata(point(Aurora()), target) == {
        "dbClusterIdentifier": NAME,
        "engine": "aurora-postgresql",
        "engineVersion": "16.4",
        "port": "5433",
        "enableIAMDatabaseAuthentication": "true",
        "dbSubnetGroupName": "isolated",
        "vpcSecurityGroupIds": '["sg-1","sg-2"]',
        "kmsKeyId": "alias/recovery",
    }


@pytest.mark.parametrize(("family", "engine"), [(DocumentDb(), "docdb"), (Neptune(), "neptune")])
def test_the_other_engines_need_no_word_of_the_point(family: Family, engine: str) -> None:
    unread = replace(point(family), restore_metadata={})
    assert family.metadata(unread, a_target(subnetIds=SUBNETS)) == {
        "dbClusterIdentifier": NAME,
        "engine": engine,
        "dbSubnetGroupName": NAME,
    }
    assert not {"backtrackWindow", "engineMode", "scalingConfiguration"} & family.accepted_keys


def test_the_engine_of_aurora_comes_from_the_point_or_the_plan_or_it_is_asked_for() -> None:
    unread = replace(point(Aurora()), restore_metadata={})
    with pytest.raises(MetadataRefused, match="Nothing is given as the engine") as caught:
        Aurora().metadata(unread, a_target(subnetIds=SUBNETS))
    assert "aurora-mysql or aurora-postgresql" in caught.value.remedy
    told = a_target(metadata={"Engine": "aurora-mysql"}, subnetIds=SUBNETS)
    assert Aurora().metadata(unread, told)["engine"] == "aurora-mysql"
    with pytest.raises(MetadataRefused, match="mysql is given"):
        Aurora().metadata(point(Aurora(), Engine="mysql"), a_target(subnetIds=SUBNETS))


@pytest.mark.parametrize("subnets", [[], ["subnet-1"], ["subnet-1", "subnet-1"]])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.resource_types[0]))
def test_the_default_vpc_is_never_restored_into(family: Family, subnets: list[str]) -> None:
    with pytest.raises(MetadataRefused, match="neither a DB subnet group nor two subnets"):
        family.metadata(point(family), a_target(subnetIds=subnets))


@REPEATABLE
@given(
    name=st.from_regex(r"[a-z](-?[a-z0-9]){0,62}", fullmatch=True).filter(lambda name: len(name) <= 63),
    region=st.sampled_from([REGION, "us-east-1"]),
    attempt=st.integers(1, 99),
    number=st.integers(1, 16),
)
def test_names_are_what_rds_takes(name: str, region: str, attempt: int, number: int) -> None:
    source = a_point(f"arn:aws:rds:{region}:111122223333:cluster:{name}", "Neptune")
    target = a_target(attempt, subnetIds=SUBNETS, instances=number)
    job = restored(Neptune(), source, target, CREATED)
    made = job.metadata["dbClusterIdentifier"]
    assert len(made) <= 63
    assert re.fullmatch(r"[a-z](-?[a-z0-9])*", made)
    assert made.endswith(f"-{RECOVERY_ID}-{attempt}")


def test_a_group_of_the_plan_must_exist(clients: Clients) -> None:
    target = a_target(dbSubnetGroupName="isolated")
    metadata = Aurora().metadata(point(Aurora()), target)
    with pytest.raises(MetadataRefused, match="isolated, which the plan names, does not exist"):
        Aurora().prepare(clients, point(Aurora()), target, metadata)
    clients("rds").create_db_subnet_group(
        DBSubnetGroupName="isolated", DBSubnetGroupDescription="d", SubnetIds=subnets(clients)
    )
    Aurora().prepare(clients, point(Aurora()), target, metadata)


@pytest.mark.parametrize("error", ["DBSubnetGroupDoesNotCoverEnoughAZs", "InvalidSubnet"])
def test_subnets_that_make_no_group_are_refused_with_the_remedy(error: str) -> None:
    refused = job(Aurora())
    with (
        answers("rds", ("create_db_subnet_group", error)) as clients,
        pytest.raises(MetadataRefused, match="give subnets") as caught,
    ):
        Aurora().prepare(clients, refused.point, refused.target, refused.metadata)
    assert SUBNETS[0] in caught.value.what


def subnets(clients: Clients) -> list[str]:
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate("ac")
    ]
    return [answer["Subnet"]["SubnetId"] for answer in made]


def make_cluster(client: Any, restored: Restored, **parameters: Any) -> None:
    """What the restore job leaves: a cluster without instances."""
    client.create_db_cluster(
        DBClusterIdentifier=restored.metadata["dbClusterIdentifier"],
        Engine=restored.metadata["engine"],
        DBSubnetGroupName=restored.metadata["dbSubnetGroupName"],
        MasterUsername="airlift",
        MasterUserPassword="not-a-secret",
        **{"StorageEncrypted": True} | parameters,
    )


@pytest.mark.parametrize(
    ("family", "service", "metadata"),
    [
        (Aurora(), "rds", {"Engine": "aurora-mysql", "EngineVersion": "8.0.mysql_aurora.3.08.0"}),
        (Neptune(), "neptune", {"EngineVersion": "1.3.2.1"}),
    ],
)
def test_from_subnet_group_to_instances_and_back(
    clients: Clients, family: Family, service: str, metadata: dict[str, str]
) -> None:
    options: dict[str, Any] = {"subnetIds": subnets(clients), "instances": 2, "deletionProtection": True}
    scaling = {"MinCapacity": 1.0, "MaxCapacity": 4.0}
    target = a_target(**options, serverlessV2ScalingConfiguration=scaling)
    this = restored(family, point(family, **metadata), target, CREATED)
    client = clients(service)
    for _ in range(2):
        family.prepare(clients, this.point, target, this.metadata)
    make_cluster(client, this, EngineVersion=this.metadata["engineVersion"])

    said = [family.finish(clients, this) for _ in range(2)]
    assert [finishing.done for finishing in said] == [False, True]
    assert "DeletionProtection" in said[0].doing
    cluster = client.describe_db_clusters(DBClusterIdentifier=NAME)["DBClusters"][0]
    assert cluster["DeletionProtection"]
    tags = client.list_tags_for_resource(ResourceName=cluster["DBClusterArn"])["TagList"]
    assert {"Key": "airlift:recovery", "Value": RECOVERY_ID} in tags
    instances = client.describe_db_instances()["DBInstances"]
    assert [each["DBInstanceIdentifier"] for each in instances] == [
        f"orders-1-{RECOVERY_ID}-1",
        f"orders-2-{RECOVERY_ID}-1",
    ]
    assert {(each["DBInstanceClass"], each["PubliclyAccessible"]) for each in instances} == {("db.serverless", False)}
    validation = family.validate(clients, this)
    assert validation.ok, validation.how
    assert "2 instances available; no data was read" in validation.how

    for _ in range(6):
        finishing = family.delete(clients, this)
    assert finishing.done
    assert client.describe_db_clusters()["DBClusters"] == []
    assert client.describe_db_instances()["DBInstances"] == []
    assert client.describe_db_subnet_groups()["DBSubnetGroups"] == []
    assert family.delete(clients, this).done


def test_a_cluster_of_another_engine_is_not_taken_for_the_restored_one(clients: Clients) -> None:
    this = restored(Aurora(), point(Aurora()), a_target(subnetIds=subnets(clients)), CREATED)
    Aurora().prepare(clients, this.point, this.target, this.metadata)
    make_cluster(clients("rds"), replace(this, metadata={**this.metadata, "engine": "neptune"}))
    assert Aurora().validate(clients, this).how == f"no Aurora cluster {NAME} exists"


def test_what_is_amiss_is_told(clients: Clients) -> None:
    this = restored(Neptune(), point(Neptune(), EngineVersion="1.4.0.0"), a_target(subnetIds=subnets(clients)), CREATED)
    Neptune().prepare(clients, this.point, this.target, this.metadata)
    make_cluster(clients("neptune"), this, StorageEncrypted=False, EngineVersion="1.3.2.1")
    validation = Neptune().validate(clients, this)
    assert not validation.ok
    assert "has version 1.3.2.1, not 1.4.0.0" in validation.how
    assert "is not encrypted" in validation.how
    assert f"instance orders-1-{RECOVERY_ID}-1 is missing" in validation.how


@pytest.mark.parametrize(("asked", "good"), [("16", True), ("16.8", True), ("1", False), ("16.4", False)])
def test_a_plan_may_leave_the_minor_version_to_rds(clients: Clients, asked: str, good: bool) -> None:
    target = a_target(metadata={"engineVersion": asked}, subnetIds=subnets(clients))
    this = restored(Aurora(), point(Aurora()), target, CREATED)
    Aurora().prepare(clients, this.point, target, this.metadata)
    make_cluster(clients("rds"), this, EngineVersion="16.8")
    assert ("version 16.8, not" not in Aurora().validate(clients, this).how) is good


def cluster_is(state: str, **more: Any) -> tuple[str, dict[str, Any]]:
    cluster = {
        "DBClusterIdentifier": NAME,
        "DBClusterArn": CREATED,
        "Engine": "docdb",
        "EngineVersion": "5.0.0",
        "Status": state,
        "StorageEncrypted": True,
        "DBClusterMembers": [],
        **more,
    }
    return "describe_db_clusters", {"DBClusters": [cluster]}


def instances(**states: str) -> tuple[str, dict[str, Any]]:
    return "describe_db_instances", {
        "DBInstances": [
            {"DBInstanceIdentifier": f"orders-{number[1:]}-{RECOVERY_ID}-1", "DBInstanceStatus": state}
            for number, state in states.items()
        ]
    }


NOTHING: dict[str, Any] = {}
CREATING: dict[str, Any] = {"DBInstance": {"DBInstanceStatus": "creating"}}
TAGGED = ("add_tags_to_resource", NOTHING)
Calls = list[tuple[str, dict[str, Any] | str]]


@pytest.mark.parametrize(
    ("calls", "done"),
    [
        ([cluster_is("creating")], False),
        ([cluster_is("available"), TAGGED, instances(), ("create_db_instance", CREATING)], False),
        ([cluster_is("available"), TAGGED, instances(n1="configuring-log-exports")], False),
        ([cluster_is("available"), TAGGED, instances(n1="available")], True),
        # What broke is left to validation.
        ([cluster_is("available"), TAGGED, instances(n1="incompatible-network")], True),
        ([cluster_is("inaccessible-encryption-credentials")], True),
        ([("describe_db_clusters", "DBClusterNotFoundFault")], True),
    ],
)
def test_finish_comes_back_while_something_is_under_way(calls: Calls, done: bool) -> None:
    with answers("docdb", *calls) as clients:
        finishing = DocumentDb().finish(clients, job(DocumentDb()))
    assert finishing.done is done
    assert finishing.again_in_seconds == (0 if done else 30)


def test_instances_of_documentdb_get_only_what_its_api_knows() -> None:
    calls: Calls = [cluster_is("available"), TAGGED, instances(), ("create_db_instance", CREATING)]
    with answers("docdb", *calls) as clients:
        sent: list[dict[str, Any]] = []
        clients("docdb").meta.events.register(
            "provide-client-params.docdb.CreateDBInstance", lambda params, **_: sent.append(params)
        )
        DocumentDb().finish(clients, job(DocumentDb(), instanceClass="db.t4g.medium"))
    assert sent[0] == {
        "DBInstanceIdentifier": f"orders-1-{RECOVERY_ID}-1",
        "DBClusterIdentifier": NAME,
        "Engine": "docdb",
        "DBInstanceClass": "db.t4g.medium",
        "Tags": ANY,
    }
    assert json.dumps(sent[0]["Tags"])


def test_readers_are_deleted_before_the_writer_and_the_group_last() -> None:
    writer = {"DBInstanceIdentifier": f"orders-1-{RECOVERY_ID}-1", "IsClusterWriter": True}
    alive = cluster_is("available", DBClusterMembers=[writer])
    gone: tuple[str, str] = ("describe_db_clusters", "DBClusterNotFoundFault")
    rounds: list[tuple[Calls, bool]] = [
        ([cluster_is("available", DeletionProtection=True), ("modify_db_cluster", NOTHING)], False),
        ([alive, instances(n1="available", n2="available"), ("delete_db_instance", NOTHING)], False),
        ([alive, instances(n1="available", n2="deleting")], False),
        ([alive, instances(n1="available"), ("delete_db_instance", NOTHING)], False),
        ([alive, instances(), ("delete_db_cluster", NOTHING)], False),
        ([alive, instances(), ("delete_db_cluster", "InvalidDBClusterStateFault")], False),
        ([cluster_is("deleting"), instances()], False),
        ([gone, ("delete_db_subnet_group", "InvalidDBSubnetGroupStateFault")], False),
        ([gone, ("delete_db_subnet_group", NOTHING)], True),
        ([gone, ("delete_db_subnet_group", "DBSubnetGroupNotFoundFault")], True),
    ]
    for calls, done in rounds:
        with answers("docdb", *calls) as clients:
            assert DocumentDb().delete(clients, job(DocumentDb())).done is done, calls


def test_a_group_of_the_plan_is_never_deleted() -> None:
    with answers("docdb", ("describe_db_clusters", "DBClusterNotFoundFault")) as clients:
        assert DocumentDb().delete(clients, job(DocumentDb(), dbSubnetGroupName="isolated")).done
