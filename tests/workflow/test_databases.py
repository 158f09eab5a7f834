"""A drill of clusters, DSQL and Timestream: all come back validated, and nothing is left of them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from local.simulation.story import Story
from local.simulation.world import OWNER, RECOVERY, Simulation
from tests.workflow.playing import console, look
from tests.workflow.waves import ANYWHERE

if TYPE_CHECKING:
    from tests.workflow.playing import Played

CLUSTERS = (
    ("rds", "aurora-postgresql", "orders"),
    ("docdb", "docdb", "catalogue"),
    ("neptune", "neptune", "relations"),
)
RETENTION = {"MemoryStoreRetentionPeriodInHours": 24, "MagneticStoreRetentionPeriodInDays": 365}
LOGIN = {"MasterUsername": "keeper", "MasterUserPassword": "not-a-secret"}


def sources(sim: Simulation) -> list[str]:
    """One of each in the protected account; their ARNs."""
    key = sim.client("kms", OWNER).create_key()["KeyMetadata"]["Arn"]
    arns = []
    for service, engine, name in CLUSTERS:
        asked: dict[str, Any] = {} if engine == "neptune" else LOGIN
        made = sim.client(service, OWNER).create_db_cluster(
            DBClusterIdentifier=name, Engine=engine, StorageEncrypted=True, KmsKeyId=key, **asked
        )
        arns.append(made["DBCluster"]["DBClusterArn"])
    write = sim.client("timestream-write", OWNER)
    write.create_database(DatabaseName="plant")
    table = write.create_table(DatabaseName="plant", TableName="sensors", RetentionProperties=RETENTION)["Table"]
    return [*arns, sim.client("dsql", OWNER).create_cluster()["arn"], table["Arn"]]


def targets(sim: Simulation) -> dict[str, Any]:
    """What people make in the recovery account beforehand, and the plan's words for it."""
    ec2 = sim.client("ec2", RECOVERY)
    vpc = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.30.{number}.0/24", AvailabilityZone=f"{sim.region}{zone}")
        for number, zone in enumerate("ac")
    ]
    group = ec2.create_security_group(GroupName="isolated", Description="isolated", VpcId=vpc)["GroupId"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[ANYWHERE])
    sim.client("timestream-write", RECOVERY).create_database(DatabaseName="plant")
    for service, role in (("dsql", "AWSServiceRoleForAuroraDsql"), ("rds", "AWSServiceRoleForRDS")):
        path = f"/aws-service-role/{service}.amazonaws.com/"
        sim.client("iam", RECOVERY).create_role(RoleName=role, Path=path, AssumeRolePolicyDocument="{}")
    return {
        "defaults": {
            "subnetIds": [made["Subnet"]["SubnetId"] for made in subnets],
            "securityGroupIds": [group],
            "kmsKeyId": sim.client("kms", RECOVERY).create_key()["KeyMetadata"]["Arn"],
            "deletionProtection": True,
        },
        "types": {
            "Aurora": {"instances": 2, "serverlessV2ScalingConfiguration": {"MinCapacity": 0.5, "MaxCapacity": 4}},
            "Timestream": {"database": "plant"},
        },
    }


def left(sim: Simulation) -> list[Any]:
    """What the recovery account shows of restored things."""
    rds = sim.client("rds", RECOVERY)
    return [
        *rds.describe_db_clusters()["DBClusters"],
        *rds.describe_db_instances()["DBInstances"],
        *rds.describe_db_subnet_groups()["DBSubnetGroups"],
        *sim.client("docdb", RECOVERY).describe_db_clusters()["DBClusters"],
        *sim.client("dsql", RECOVERY).list_clusters()["clusters"],
        *sim.client("timestream-write", RECOVERY).list_tables(DatabaseName="plant")["Tables"],
    ]


@functools.cache
def drilled() -> tuple[Played, list[Any]]:
    """The drill, and what is left after it."""
    with Simulation() as sim:
        story = Story(sim)
        story.back_up(story.vault("production"), *sources(sim))
        sim.run(7200)
        story.make_plan(targets=targets(sim))
        story.run_to_end(console(story, reason="Yearly exercise", drill=True))
        return look(story), left(sim)


def test_a_drill_of_databases_validates_each_and_leaves_nothing() -> None:
    after, still_there = drilled()
    assert after.endings() == [("SUCCEEDED", None)]
    assert {item["state"] for item in after.items.values()} == {"validated"}
    assert sorted(job["ResourceType"] for job in after.jobs) == [
        "Aurora",
        "DSQL",
        "DocumentDB",
        "Neptune",
        "Timestream",
    ]
    told = {arn.rpartition(":")[2]: item["validatedHow"] for arn, item in after.items.items()}
    assert "2 instances available" in told["orders"]
    assert (still_there, after.denied, after.dead_letters) == ([], [], [])


def test_a_cluster_is_held_until_rds_has_its_role_in_the_account() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.back_up(story.vault("production"), sources(sim)[0])
        sim.run(7200)
        given = targets(sim)
        sim.client("iam", RECOVERY).delete_role(RoleName="AWSServiceRoleForRDS")
        story.make_plan(targets=given)
        story.run_to_end(console(story))
        (held,) = look(story).items.values()
        assert (held["state"], held["heldClass"]) == ("held", "service-linked role")
