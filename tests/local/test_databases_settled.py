"""Clusters and tables from recovery point to clean-up: what the families ask for is what the local AWS gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airlift.restore import family_of
from airlift.restore.base import RecoveryPoint, Restored, Target

from tests.local.network import Network, key
from tests.local.settling import clients, until_done
from tests.local.story import OWNER, RECOVERY, REGION, client
from tests.local.test_clusters import ENGINES, cluster, role_of_rds

if TYPE_CHECKING:
    from tests.local.story import Story

DRILL = f"drill-20260101-{OWNER}-ab12"


def dsql() -> str:
    clients("iam").create_role(RoleName="AWSServiceRoleForAuroraDsql", AssumeRolePolicyDocument="{}")
    return str(client("dsql", OWNER).create_cluster(tags={"team": "shop"})["arn"])


def table() -> str:
    write = client("timestream-write", OWNER)
    kept = {"MemoryStoreRetentionPeriodInHours": 24, "MagneticStoreRetentionPeriodInDays": 365}
    write.create_database(DatabaseName="plant")
    made = write.create_table(DatabaseName="plant", TableName="sensors", RetentionProperties=kept)
    clients("timestream-write").create_database(DatabaseName="restored")
    return str(made["Table"]["Arn"])


@pytest.mark.parametrize("kind", [*ENGINES, "DSQL", "Timestream"])
def test_from_recovery_point_to_clean_up(story: Story, kind: str) -> None:
    story.prepare()
    if kind in ENGINES:
        role_of_rds()
    source = dsql() if kind == "DSQL" else table() if kind == "Timestream" else cluster(kind)
    arn = story.protect(source)
    story.granted()
    told = story.backup().get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=arn)
    kept = {name: value for name, value in told["RestoreMetadata"].items() if value is not None}
    described = story.backup().describe_recovery_point(BackupVaultName="access", RecoveryPointArn=arn)
    point = RecoveryPoint(arn, source, kind, described["CreationDate"], restore_metadata=kept)
    network = Network.of(RECOVERY)
    options = {
        "subnetIds": list(network.subnets),
        "securityGroupIds": [network.group],
        "kmsKeyId": key(RECOVERY),
        "deletionProtection": True,
        "database": "restored",
    }
    target = Target(DRILL, RECOVERY, REGION, 1, options=options)
    family = family_of(kind)
    assert family is not None
    metadata = family.metadata(point, target)
    for _ in range(2):
        family.prepare(clients, point, target, metadata)
    job = story.restore(arn, metadata)
    assert job["Status"] == "COMPLETED", job
    restored = Restored(point, target, metadata, job["CreatedResourceArn"])
    until_done(story, family.finish, restored)
    validation = family.validate(clients, restored)
    assert validation.ok, validation.how
    until_done(story, family.delete, restored)
    assert not family.validate(clients, restored).ok
    assert clients("rds").describe_db_subnet_groups()["DBSubnetGroups"] == []
