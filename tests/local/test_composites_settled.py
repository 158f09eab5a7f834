"""FSx and EKS from recovery point to clean-up: what the families ask for is what the local AWS gives."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airlift.restore import family_of
from airlift.restore.base import RecoveryPoint, Restored, Target

from tests.local.network import Network, key
from tests.local.settling import clients, until_done
from tests.local.story import OWNER, RECOVERY, REGION, client
from tests.local.test_eks import Backed, backed, cluster, role  # noqa: F401 (a fixture)
from tests.local.test_second_tier import LUSTRE, OPENZFS, WINDOWS, directory, file_system, machine, protected

if TYPE_CHECKING:
    from tests.local.story import Story

DRILL = f"drill-20260101-{OWNER}-ab12"
MULTI_AZ = WINDOWS | {"DeploymentType": "MULTI_AZ_1"}
IOPS = OPENZFS | {"DiskIopsConfiguration": {"Mode": "USER_PROVISIONED", "Iops": 3000}}


def settled(story: Story, point: RecoveryPoint, target: Target) -> Restored:
    """Restores as Airlift does, down to a good validation."""
    family = family_of(point.resource_type)
    assert family is not None
    told = story.backup().get_recovery_point_restore_metadata(BackupVaultName="access", RecoveryPointArn=point.arn)
    kept = {name: value for name, value in told["RestoreMetadata"].items() if value is not None}
    point = replace(point, restore_metadata=kept)
    metadata = family.metadata(point, target)
    for _ in range(2):
        family.prepare(clients, point, target, metadata)
    for bucket in clients("s3").list_buckets()["Buckets"]:  # moto sees no condition: all would be denied, TLS or not
        clients("s3").delete_bucket_policy(Bucket=bucket["Name"])
    job = story.restore(point.arn, metadata)
    story.wait(601)  # jobs inside the job
    job = story.backup().describe_restore_job(RestoreJobId=job["RestoreJobId"])
    assert job["Status"] == "COMPLETED", job
    restored = Restored(point, target, metadata, job["CreatedResourceArn"], job.get("StatusMessage", ""))
    restored = replace(restored, job_id=job["RestoreJobId"])
    until_done(story, family.finish, restored)
    validation = family.validate(clients, restored)
    assert validation.ok, validation.how
    return restored


def the_point(arn: str, kind: str, source: str, *nested: RecoveryPoint) -> RecoveryPoint:
    described = client("backup", RECOVERY).describe_recovery_point(BackupVaultName="access", RecoveryPointArn=arn)
    return RecoveryPoint(arn, source, kind, described["CreationDate"], nested=nested)


def volume() -> str:
    settings = {"StorageVirtualMachineId": machine(OWNER), "SizeInMegabytes": 2048, "JunctionPath": "/home"}
    made = client("fsx", OWNER).create_volume(VolumeType="ONTAP", Name="home", OntapConfiguration=settings)
    return str(made["Volume"]["ResourceARN"])


@pytest.mark.parametrize(
    ("kind", "settings", "subnets"),
    [("LUSTRE", LUSTRE, 1), ("WINDOWS", MULTI_AZ, 2), ("OPENZFS", IOPS, 1), ("ONTAP", {}, 1)],
)
def test_a_file_system_or_volume(story: Story, kind: str, settings: dict[str, Any], subnets: int) -> None:
    source = volume() if kind == "ONTAP" else file_system(kind, settings, subnets=subnets)
    arn, network = protected(story, source), Network.of(RECOVERY)
    options = {
        "subnetIds": list(network.subnets),
        "securityGroupIds": [network.group],
        "kmsKeyId": key(RECOVERY),
        "activeDirectoryId": directory(RECOVERY, network) if kind == "WINDOWS" else "",
        "storageVirtualMachineId": machine(RECOVERY) if kind == "ONTAP" else "",
    }
    target = Target(DRILL, RECOVERY, REGION, 1, options=options)
    restored = settled(story, the_point(arn, "FSx", source), target)
    tags = clients("fsx").list_tags_for_resource(ResourceARN=restored.created_resource_arn)["Tags"]
    assert {"Key": "airlift:recovery", "Value": DRILL} in tags
    family = family_of("FSx")
    assert family is not None
    until_done(story, family.delete, restored)
    assert not family.validate(clients, restored).ok
    assert clients("fsx").describe_backups()["Backups"] == []


def composite(backed: Backed) -> RecoveryPoint:  # noqa: F811 (the fixture's value)
    kinds = {backed.volume: "EBS", backed.files: "EFS", backed.bucket: "S3"}
    nested = [the_point(arn, kinds.get(source, "EKS"), source) for source, arn in backed.nested.items()]
    return the_point(backed.point, "EKS", f"arn:aws:eks:{REGION}:{OWNER}:cluster/shop", *nested)


def new_cluster() -> dict[str, str]:
    place = Network.of(RECOVERY)
    workers = {"nodeGroupId": "workers", "subnetIds": list(place.subnets), "nodeRole": role(RECOVERY)}
    network = {"subnetIds": list(place.subnets), "securityGroupIds": [place.group]}
    return {
        "newCluster": "true",
        "clusterRole": role(RECOVERY),
        "clusterVpcConfig": json.dumps(network),
        "nodeGroups": json.dumps([workers]),
    }


@pytest.mark.parametrize("is_new", [False, True], ids=["kept ready", "new"])
def test_a_cluster_with_its_storage(story: Story, backed: Backed, is_new: bool) -> None:  # noqa: F811 (the fixture)
    if not is_new:
        cluster(RECOVERY, "ready")
    options = {"clusterName": "ready", "availabilityZones": [f"{REGION}a"], "kmsKeyId": key(RECOVERY)}
    metadata = new_cluster() if is_new else {}
    restored = settled(story, composite(backed), Target(DRILL, RECOVERY, REGION, 1, metadata=metadata, options=options))
    name = f"shop-{DRILL}-1" if is_new else "ready"
    assert restored.created_resource_arn.endswith(f":cluster/{name}")
    assert [bucket["Name"] for bucket in clients("s3").list_buckets()["Buckets"]] == [f"assets-{DRILL}-1"]
    family = family_of("EKS")
    assert family is not None
    said = until_done(story, family.delete, restored)
    assert ("load balancers" if is_new else "stay in cluster ready") in said
    assert clients("eks").list_clusters()["clusters"] == ([] if is_new else ["ready"])
    assert clients("s3").list_buckets()["Buckets"] == clients("ec2").describe_volumes()["Volumes"] == []
    assert clients("efs").describe_file_systems()["FileSystems"] == []
