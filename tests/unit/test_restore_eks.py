"""EKS: a cluster kept ready or a new one, and the storage under its volumes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.restore.eks import Eks
from botocore.stub import Stubber

from tests.unit.restoring import (
    RECOVERY_ID,
    REGION,
    a_point,
    a_target,
    answers,
    make_client,
    recovery_account,
    restored,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients, RecoveryPoint

FAMILY = Eks()
POINT = a_point("arn:aws:eks:ap-northeast-1:111122223333:cluster/shop", "EKS")
VOLUME = "arn:aws:ec2:ap-northeast-1:111122223333:volume/vol-0a1b2c3d4e5f60718"
BUCKET = "arn:aws:s3:::shop-uploads"
ROLE = "arn:aws:iam::444455556666:role/eks"


def nested(kind: str, source: str, number: int) -> RecoveryPoint:
    arn = f"arn:aws:backup:{REGION}:111122223333:recovery-point:00000000-0000-4000-8000-00000000000{number}"
    return replace(a_point(source, kind), arn=arn)


DISK, FILES = nested("EBS", VOLUME, 1), nested("S3", BUCKET, 2)
COMPOSITE = replace(POINT, nested=(nested("EKS", POINT.resource_arn, 0), DISK, FILES))
ZONES: dict[str, Any] = {"availabilityZones": [f"{REGION}a"]}
NEW: dict[str, Any] = {
    "newCluster": "true",
    "clusterRole": ROLE,
    "clusterVpcConfig": '{"subnetIds":["subnet-0a"],"securityGroupIds":["sg-0a"]}',
    "nodeGroups": json.dumps([{"nodeGroupId": "workers", "subnetIds": ["subnet-0a"], "nodeRole": ROLE}]),
}
OWN_NAME = f"shop-{RECOVERY_ID}-1"


@pytest.fixture
def clients() -> Iterator[Clients]:
    with recovery_account() as clients:
        yield clients


def test_a_cluster_kept_ready_is_restored_into_one_at_a_time() -> None:
    target = a_target(clusterName="spare")
    assert FAMILY.metadata(POINT, target) == {"clusterName": "spare", "newCluster": "false"}
    assert FAMILY.exclusive(target) == "spare"
    assert FAMILY.exclusive(a_target(metadata={"CLUSTERNAME": "other"}, clusterName="spare")) == "other"
    assert FAMILY.exclusive(a_target(metadata={"newcluster": "true"}, clusterName="spare")) is None


def test_a_new_cluster_gets_a_name_of_its_own_and_whatever_the_plan_gives() -> None:
    metadata = FAMILY.metadata(POINT, a_target(metadata=NEW, clusterName="spare"))
    assert metadata == NEW | {"clusterName": OWN_NAME}


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "kept ready"),
        ({"newCluster": "TRUE"}, "lacks clusterRole, clusterVpcConfig, nodeGroups or fargateProfiles;"),
        (NEW | {"clusterVpcConfig": '{"subnetIds":["subnet-0a"]}'}, "lacks securityGroupIds in clusterVpcConfig;"),
        (NEW | {"nodeGroups": '[{"nodeGroupId":"workers"}]'}, "lacks subnetIds in nodeGroups, nodeRole in nodeGroups;"),
        (NEW | {"nodeGroups": '[{"nodegroupName":"workers"}]'}, "write 'nodeGroupId'"),
        (NEW | {"podIdentityAssociations": "all"}, "as an object"),
        ({"clusterName": "spare", "nestedRestoreJobs": "all"}, "no map of recovery points"),
        ({"clusterName": "spare", "nestedRestoreJobs": '{"arn":[]}'}, "no map of recovery points"),
    ],
)
def test_what_is_missing_is_named(metadata: dict[str, str], words: str) -> None:
    with pytest.raises(MetadataRefused, match=words):
        FAMILY.metadata(POINT, a_target(metadata=metadata))


def test_a_cluster_encrypted_under_a_key_of_its_account_needs_another() -> None:
    key = {"encryptionConfigProviderKeyArn": "arn:aws:kms:ap-northeast-1:111122223333:key/source"}
    with pytest.raises(MetadataRefused, match="lacks encryptionConfigProviderKeyArn;"):
        FAMILY.metadata(replace(POINT, restore_metadata=key), a_target(metadata=NEW))


def test_nested_points_have_the_metadata_of_their_own_types_as_text() -> None:
    metadata = FAMILY.metadata(COMPOSITE, a_target(metadata={"namespaces": '["shop"]'}, clusterName="spare", **ZONES))
    jobs = json.loads(metadata["nestedRestoreJobs"])
    assert list(jobs) == [DISK.arn, FILES.arn]
    assert json.loads(jobs[DISK.arn]) == {"availabilityZone": f"{REGION}a", "encrypted": "true"}
    assert json.loads(jobs[FILES.arn])["DestinationBucketName"] == f"shop-uploads-{RECOVERY_ID}-1"
    only = FAMILY.metadata(
        COMPOSITE, a_target(metadata={"restoreKubernetesManifestsOnly": "true"}, clusterName="spare")
    )
    assert "nestedRestoreJobs" not in only


def test_the_plan_may_say_which_nested_points_are_restored_and_how() -> None:
    plan = {"nestedRestoreJobs": json.dumps({DISK.arn: {"AvailabilityZone": "z"}})}
    metadata = FAMILY.metadata(COMPOSITE, a_target(metadata=plan, clusterName="spare"))
    jobs = json.loads(metadata["nestedRestoreJobs"])
    assert {arn: json.loads(one) for arn, one in jobs.items()} == {
        DISK.arn: {"availabilityZone": "z", "encrypted": "true"}
    }
    plan = {"nestedRestoreJobs": json.dumps({FILES.arn: '{"EncryptionType":"SSE-S3"}'})}
    jobs = json.loads(FAMILY.metadata(COMPOSITE, a_target(metadata=plan, clusterName="spare"))["nestedRestoreJobs"])
    assert json.loads(jobs[FILES.arn])["DestinationBucketName"] == f"shop-uploads-{RECOVERY_ID}-1"
    plan = {"nestedRestoreJobs": json.dumps({FILES.arn: {"Bucket": "assets"}})}
    with pytest.raises(MetadataRefused, match="takes no metadata key 'Bucket'"):
        FAMILY.metadata(COMPOSITE, a_target(metadata=plan, clusterName="spare"))


def test_nested_points_that_lack_a_setting_or_a_family_are_told() -> None:
    with pytest.raises(MetadataRefused, match="under EKS: give EBS an availabilityZone"):
        FAMILY.metadata(COMPOSITE, a_target(clusterName="spare"))
    odd = replace(POINT, nested=(nested("FSx", "arn:aws:fsx:ap-northeast-1:111122223333:file-system/fs-1", 3),))
    with pytest.raises(MetadataRefused, match="give nestedRestoreJobs or restoreKubernetesManifestsOnly"):
        FAMILY.metadata(odd, a_target(clusterName="spare"))


def make_cluster(clients: Clients, name: str) -> None:
    network = {"subnetIds": ["subnet-0a"], "securityGroupIds": ["sg-0a"]}
    clients("eks").create_cluster(
        name=name, roleArn=ROLE.replace("444455556666", "123456789012"), resourcesVpcConfig=network
    )


def test_prepare_finds_the_cluster_and_makes_the_bucket(clients: Clients) -> None:
    target = a_target(clusterName="spare", **ZONES)
    metadata = FAMILY.metadata(COMPOSITE, target)
    with pytest.raises(MetadataRefused, match="Cluster spare is missing"):
        FAMILY.prepare(clients, COMPOSITE, target, metadata)
    make_cluster(clients, "spare")
    for _ in range(2):
        FAMILY.prepare(clients, COMPOSITE, target, metadata)
    made = [bucket["Name"] for bucket in clients("s3").list_buckets()["Buckets"]]
    assert made == [f"shop-uploads-{RECOVERY_ID}-1"]


@pytest.mark.parametrize(("mode", "fits"), [("CONFIG_MAP", False), ("API_AND_CONFIG_MAP", True), ("API", True)])
def test_a_cluster_kept_ready_must_let_aws_backup_in(mode: str, fits: bool) -> None:
    cluster = {"cluster": {"name": "spare", "status": "ACTIVE", "accessConfig": {"authenticationMode": mode}}}
    with answers("eks", ("describe_cluster", cluster)) as clients:
        (need,) = FAMILY.needs(a_target(clusterName="spare"))
        if fits:
            need(clients)
            return
        with pytest.raises(MetadataRefused, match="takes no access entries") as caught:
            need(clients)
    assert "--name spare --access-config authenticationMode=API_AND_CONFIG_MAP" in caught.value.remedy


def test_the_name_of_a_new_cluster_must_be_free(clients: Clients) -> None:
    target = a_target(metadata=NEW)
    metadata = FAMILY.metadata(POINT, target)
    FAMILY.prepare(clients, POINT, target, metadata)
    make_cluster(clients, OWN_NAME)
    with pytest.raises(MetadataRefused, match="exists already"):
        FAMILY.prepare(clients, POINT, target, metadata)


def child(point: RecoveryPoint, status: str, created: str = "", message: str = "") -> dict[str, Any]:
    return {
        "RestoreJobId": "child",
        "RecoveryPointArn": point.arn,
        "SourceResourceArn": point.resource_arn,
        "ResourceType": point.resource_type,
        "RecoveryPointCreationDate": datetime(2026, 11, 20, tzinfo=UTC),
        "Status": status,
        "StatusMessage": message,
        "CreatedResourceArn": created,
    }


class Jobs:
    """The clients of `clients`, but AWS Backup lists these nested jobs."""

    def __init__(self, clients: Clients, *jobs: dict[str, Any]) -> None:
        self._clients = clients
        self._jobs = jobs

    def __call__(self, service: str) -> Any:
        if service != "backup":
            return self._clients(service)
        backup = make_client("backup", region_name=REGION, aws_access_key_id="none", aws_secret_access_key="none")
        stub = Stubber(backup)
        stub.add_response("list_restore_jobs", {"RestoreJobs": list(self._jobs)}, {"ByParentJobId": "job-1"})
        stub.activate()
        return backup


def a_volume(clients: Clients) -> str:
    volume = clients("ec2").create_volume(AvailabilityZone=f"{REGION}a", Size=1, Encrypted=True)["VolumeId"]
    return f"arn:aws:ec2:{REGION}:123456789012:volume/{volume}"


def test_the_life_of_a_new_cluster_and_its_volume(clients: Clients) -> None:
    job = replace(restored(FAMILY, COMPOSITE, a_target(metadata=NEW, **ZONES), "cluster"), job_id="job-1")
    make_cluster(clients, OWN_NAME)
    clients("eks").create_nodegroup(
        clusterName=OWN_NAME,
        nodegroupName="workers",
        subnets=["subnet-0a"],
        nodeRole=ROLE.replace("444455556666", "123456789012"),
    )
    volume = a_volume(clients)
    assert not FAMILY.finish(Jobs(clients, child(DISK, "RUNNING")), job).done
    done = Jobs(clients, child(DISK, "COMPLETED", volume))
    assert FAMILY.finish(done, job).done
    assert clients("eks").describe_cluster(name=OWN_NAME)["cluster"]["tags"]["airlift:recovery"] == RECOVERY_ID
    described = clients("ec2").describe_volumes(VolumeIds=[volume.split("/")[1]])["Volumes"][0]
    assert {"Key": "airlift:recovery", "Value": RECOVERY_ID} in described["Tags"]
    validation = FAMILY.validate(done, job)
    assert validation.ok, validation.how
    for words in ("1 nested restore jobs COMPLETED", "its blocks were not read", "objects were not looked at"):
        assert words in validation.how
    answers_ = [FAMILY.delete(done, job) for _ in range(4)]
    assert [answer.done for answer in answers_] == [False, False, False, True]
    assert "workers are being deleted" in answers_[0].doing
    assert f"cluster {OWN_NAME} is being deleted" in answers_[1].doing
    assert "load balancers" in answers_[3].doing
    assert clients("eks").list_clusters()["clusters"] == clients("ec2").describe_volumes()["Volumes"] == []


@pytest.mark.parametrize(
    ("jobs", "message", "words"),
    [
        ([child(DISK, "FAILED", message="no zone")], "", f"nested job of {DISK.arn} is FAILED: no zone"),
        ([], "One or more Kubernetes objects failed to restore.", "the restore job says: One or more"),
    ],
)
def test_a_completed_job_may_have_lost_something(
    clients: Clients, jobs: list[dict[str, Any]], message: str, words: str
) -> None:
    make_cluster(clients, "spare")
    job = restored(FAMILY, COMPOSITE, a_target(clusterName="spare", **ZONES), "cluster", message)
    validation = FAMILY.validate(Jobs(clients, *jobs), replace(job, job_id="job-1"))
    assert not validation.ok
    assert words in validation.how


def test_of_a_cluster_kept_ready_only_the_storage_is_deleted(clients: Clients) -> None:
    make_cluster(clients, "spare")
    job = replace(restored(FAMILY, COMPOSITE, a_target(clusterName="spare", **ZONES), "cluster"), job_id="job-1")
    FAMILY.prepare(clients, COMPOSITE, job.target, job.metadata)
    jobs = Jobs(clients, child(DISK, "COMPLETED", a_volume(clients)), child(FILES, "COMPLETED", "arn:aws:s3:::made"))
    deletions = [FAMILY.delete(jobs, job) for _ in range(2)]
    assert [deletion.done for deletion in deletions] == [False, True]
    assert deletions[1].doing == "Kubernetes' objects stay in cluster spare"
    assert clients("eks").list_clusters()["clusters"] == ["spare"]
    assert clients("ec2").describe_volumes()["Volumes"] == clients("s3").list_buckets()["Buckets"] == []


def test_a_volume_that_a_pod_uses_is_valid_and_keeps_nothing_else_from_being_deleted(clients: Clients) -> None:
    make_cluster(clients, "spare")
    job = replace(restored(FAMILY, COMPOSITE, a_target(clusterName="spare", **ZONES), "cluster"), job_id="job-1")
    FAMILY.prepare(clients, COMPOSITE, job.target, job.metadata)
    ec2, volume = clients("ec2"), a_volume(clients)
    image = ec2.describe_images()["Images"][0]["ImageId"]
    node = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ec2.attach_volume(VolumeId=volume.split("/")[1], InstanceId=node, Device="/dev/sdf")
    bucket = clients("s3").list_buckets()["Buckets"][0]["Name"]
    jobs = Jobs(clients, child(DISK, "COMPLETED", volume), child(FILES, "COMPLETED", f"arn:aws:s3:::{bucket}"))
    assert "volume" not in FAMILY.validate(jobs, job).how  # of what is wrong: the bucket is empty
    deletions = [FAMILY.delete(jobs, job) for _ in range(3)]
    assert not any(deletion.done for deletion in deletions)
    assert (deletions[-1].again_in_seconds, "is in use" in deletions[-1].doing) == (0, True)
    assert clients("s3").list_buckets()["Buckets"] == []


@pytest.mark.parametrize("jobs", [(), (child(FILES, "FAILED"),)])
def test_a_bucket_that_was_made_for_a_job_that_named_nothing_is_deleted(clients: Clients, jobs: Any) -> None:
    make_cluster(clients, "spare")
    job = restored(FAMILY, COMPOSITE, a_target(clusterName="spare", **ZONES), "")
    FAMILY.prepare(clients, COMPOSITE, job.target, job.metadata)
    assert clients("s3").list_buckets()["Buckets"]
    assert FAMILY.delete(Jobs(clients, *jobs), replace(job, job_id="job-1" if jobs else "")).done
    assert clients("s3").list_buckets()["Buckets"] == []


def test_fargate_profiles_go_one_after_the_other() -> None:
    def profile(name: str, status: str) -> tuple[str, Any]:
        return "describe_fargate_profile", {"fargateProfile": {"fargateProfileName": name, "status": status}}

    cluster = ("describe_cluster", {"cluster": {"name": OWN_NAME, "status": "ACTIVE"}})
    listed: tuple[tuple[str, Any], ...] = (
        ("list_nodegroups", {"nodegroups": []}),
        ("list_fargate_profiles", {"fargateProfileNames": ["a", "b"]}),
    )
    calls: list[tuple[str, Any]] = [cluster, *listed, profile("a", "ACTIVE"), profile("b", "ACTIVE")]
    calls += [("delete_fargate_profile", {}), cluster, *listed, profile("a", "DELETING"), profile("b", "ACTIVE")]
    with answers("eks", *calls) as clients:
        job = restored(FAMILY, POINT, a_target(metadata=NEW), "cluster")
        for _ in range(2):
            assert FAMILY.delete(clients, job).doing == f"of cluster {OWN_NAME}, a, b are being deleted"
