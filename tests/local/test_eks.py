"""EKS: a composite recovery point, its nested ones, and restore jobs inside a restore job."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.local.network import Network, key
from tests.local.refusals import refused
from tests.local.story import LAG, OWNER, RECOVERY, REGION, client

if TYPE_CHECKING:
    from tests.local.story import Story

NODES = {"nodegroupName": "workers", "instanceTypes": ["m7g.large"]}


def role(account: str, name: str = "eks") -> str:
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    iam = client("iam", account)
    if name not in [one["RoleName"] for one in iam.list_roles()["Roles"]]:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    return f"arn:aws:iam::{account}:role/{name}"


def cluster(account: str, name: str, **more: Any) -> str:
    """A cluster with a node group; its ARN."""
    place, eks = Network.of(account), client("eks", account)
    network = {"subnetIds": list(place.subnets), "securityGroupIds": [place.group]}
    made = eks.create_cluster(name=name, roleArn=role(account), resourcesVpcConfig=network, **more)
    eks.create_nodegroup(clusterName=name, subnets=list(place.subnets), nodeRole=role(account), **NODES)
    return str(made["cluster"]["arn"])


@dataclass(frozen=True)
class Backed:
    """A cluster's recovery point and those nested in it, by the source's ARN."""

    point: str
    volume: str
    files: str
    bucket: str
    nested: dict[str, str]

    def jobs(self, **change: dict[str, str] | None) -> dict[str, str]:
        """`nestedRestoreJobs` that work, after `prepare_target`."""
        token = {"file-system-id": "fs-12345678", "CreationToken": "eks-1"}
        how: dict[str, Any] = {
            "volume": {"AvailabilityZone": f"{REGION}a"},
            "files": token | {"newFileSystem": "true", "Encrypted": "false", "PerformanceMode": "generalPurpose"},
            "bucket": {"DestinationBucketName": "restored-assets", "EncryptionType": "SSE-S3"},
        } | change
        sent = {self.nested[getattr(self, name)]: json.dumps(one) for name, one in how.items() if one is not None}
        return {"nestedRestoreJobs": json.dumps(sent)}


@pytest.fixture
def backed(story: Story) -> Backed:
    """A cluster with two objects and a volume of each kind, seen through a granted vault."""
    story.prepare()
    s3 = client("s3", OWNER)
    s3.create_bucket(Bucket="assets", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="assets", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="assets", Key="logo", Body=b"logo")
    made = client("ec2", OWNER).create_volume(
        AvailabilityZone=f"{REGION}a", Size=1, Encrypted=True, KmsKeyId=key(OWNER)
    )
    volume = f"arn:aws:ec2:{REGION}:{OWNER}:volume/{made['VolumeId']}"
    files = client("efs", OWNER).create_file_system(CreationToken="shared")["FileSystemArn"]
    doors = story.world.doors
    doors.write_volume(OWNER, REGION, made["VolumeId"], b"good")
    arn = cluster(OWNER, "shop")
    objects: dict[str, bytes | None] = {
        "web/deployments/front": b"replicas: 3",
        "batch/cronjobs/report": b"daily",
        "persistentvolumes/data": volume.encode(),
        "persistentvolumes/shared": files.encode(),
        "persistentvolumes/assets": b"arn:aws:s3:::assets",
    }
    doors.write_files(OWNER, REGION, "shop", objects)
    point = story.protect(arn)
    story.granted()
    found = story.backup().list_recovery_points_by_backup_vault(
        BackupVaultName="access", ByParentRecoveryPointArn=point
    )["RecoveryPoints"]
    nested = {one.get("CompositeMemberIdentifier", "state"): one["RecoveryPointArn"] for one in found}
    return Backed(point, volume, files, "arn:aws:s3:::assets", nested)


def prepare_target() -> None:
    """A cluster and a bucket kept ready in the recovery account."""
    cluster(RECOVERY, "ready")
    s3 = client("s3", RECOVERY)
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="restored-assets", CreateBucketConfiguration=place, ObjectOwnership="BucketOwnerPreferred")
    s3.put_bucket_versioning(Bucket="restored-assets", VersioningConfiguration={"Status": "Enabled"})


READY = {"clusterName": "ready", "newCluster": "false"}


def restore(story: Story, point: str, metadata: dict[str, str]) -> dict[str, Any]:
    """As `story.restore`, and as long as nested jobs take beside."""
    job = story.restore(point, metadata)
    story.wait(601)
    return dict(story.backup().describe_restore_job(RestoreJobId=job["RestoreJobId"]))


def test_the_vault_shows_the_composite_and_what_is_nested_in_it(story: Story, backed: Backed) -> None:
    listed = story.backup().list_recovery_points_by_backup_vault(BackupVaultName="access")["RecoveryPoints"]
    (parent,) = (one for one in listed if one["IsParent"])
    assert (parent["RecoveryPointArn"], parent["ResourceType"]) == (backed.point, "EKS")
    others = [one for one in listed if not one["IsParent"]]
    assert {one["ParentRecoveryPointArn"] for one in others} == {backed.point}
    assert {one["ResourceType"] for one in others} == {"EBS", "EFS", "S3", "EKS"}
    assert set(backed.nested) == {backed.volume, backed.files, backed.bucket, "state"}
    with refused("InvalidParameterValueException", "composite"):
        story.restore(backed.nested["state"], READY)


def test_a_cluster_kept_ready_gets_objects_and_volumes(story: Story, backed: Backed) -> None:
    prepare_target()
    doors = story.world.doors
    doors.write_files(RECOVERY, REGION, "ready", {"batch/cronjobs/report": b"mine"})
    job = restore(story, backed.point, READY | backed.jobs())
    assert (job["Status"], job["IsParent"]) == ("COMPLETED", True), job
    assert job["CreatedResourceArn"] == f"arn:aws:eks:{REGION}:{RECOVERY}:cluster/ready"
    children = story.backup().list_restore_jobs(ByParentJobId=job["RestoreJobId"])["RestoreJobs"]
    assert {(one["Status"], one["IsParent"], one["ParentJobId"]) for one in children} == {
        ("COMPLETED", False, job["RestoreJobId"])
    }, children
    made = {one["ResourceType"]: one["CreatedResourceArn"] for one in children}
    assert made["S3"] == "arn:aws:s3:::restored-assets"
    assert doors.read_volume(RECOVERY, REGION, made["EBS"].rpartition("/")[2]) == b"good"
    assert client("s3", RECOVERY).get_object(Bucket="restored-assets", Key="logo")["Body"].read() == b"logo"
    assert doors.read_files(RECOVERY, REGION, "ready") == {
        "web/deployments/front": b"replicas: 3",
        "batch/cronjobs/report": b"mine",
        "persistentvolumes/data": made["EBS"].encode(),
        "persistentvolumes/shared": made["EFS"].encode(),
        "persistentvolumes/assets": made["S3"].encode(),
    }


def test_only_manifests_and_only_some_namespaces(story: Story, backed: Backed) -> None:
    prepare_target()
    sent = {"namespaceLevelRestore": "true", "namespaces": '["web"]', "restoreKubernetesManifestsOnly": "true"}
    job = restore(story, backed.point, READY | sent)
    assert job["Status"] == "COMPLETED", job
    assert set(story.world.doors.read_files(RECOVERY, REGION, "ready")) == {"web/deployments/front"}
    assert story.backup().list_restore_jobs(ByParentJobId=job["RestoreJobId"])["RestoreJobs"] == []


def test_a_failed_nested_job_shows_beside_a_completed_parent(story: Story, backed: Backed) -> None:
    prepare_target()
    job = restore(story, backed.point, READY | backed.jobs(volume={"AvailabilityZone": "us-east-1a"}))
    assert (job["Status"], "failed" in job["StatusMessage"]) == ("COMPLETED", True)
    children = story.backup().list_restore_jobs(ByParentJobId=job["RestoreJobId"])["RestoreJobs"]
    assert {one["ResourceType"]: one["Status"] for one in children} == {
        "EBS": "FAILED",
        "EFS": "COMPLETED",
        "S3": "COMPLETED",
    }
    assert "persistentvolumes/data" not in story.world.doors.read_files(RECOVERY, REGION, "ready")


def new_cluster(**change: Any) -> dict[str, str]:
    place = Network.of(RECOVERY)
    subnets = list(place.subnets)
    own: dict[str, Any] = {
        "clusterName": "fresh",
        "newCluster": "true",
        "clusterRole": role(RECOVERY),
        "clusterVpcConfig": {"vpcId": place.vpc, "subnetIds": subnets, "securityGroupIds": [place.group]},
        "nodeGroups": [{"nodeGroupId": "workers", "subnetIds": subnets, "nodeRole": role(RECOVERY)}],
        "restoreKubernetesManifestsOnly": "true",
    } | change
    return {name: one if isinstance(one, str) else json.dumps(one) for name, one in own.items() if one is not None}


def test_a_new_cluster_is_made_with_its_nodes(story: Story, backed: Backed) -> None:
    sent = new_cluster()
    job = restore(story, backed.point, sent)
    assert job["Status"] == "COMPLETED", job
    eks = client("eks", RECOVERY)
    found = eks.describe_cluster(name="fresh")["cluster"]
    assert (found["arn"], found["status"]) == (job["CreatedResourceArn"], "ACTIVE")
    assert found["resourcesVpcConfig"]["subnetIds"] == json.loads(sent["clusterVpcConfig"])["subnetIds"]
    group = eks.describe_nodegroup(clusterName="fresh", nodegroupName="workers")["nodegroup"]
    assert (group["status"], group["nodeRole"]) == ("ACTIVE", role(RECOVERY))
    assert "web/deployments/front" in story.world.doors.read_files(RECOVERY, REGION, "fresh")
    assert "already exists" in restore(story, backed.point, sent)["StatusMessage"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"clusterRole": None}, "role"),
        ({"clusterRole": f"arn:aws:iam::{OWNER}:role/eks"}, "role"),
        ({"clusterRole": f"arn:aws:iam::{RECOVERY}:role/absent"}, "role"),
        ({"clusterVpcConfig": None}, "clusterVpcConfig"),
        ({"clusterVpcConfig": {"subnetIds": ["subnet-12345678"], "securityGroupIds": ["sg-1"]}}, "subnet"),
        ({"nodeGroups": None}, "workers"),
        ({"nodeGroups": [{"nodeGroupId": "others"}]}, "workers"),
        ({"nodeGroups": "{}"}, "array"),
        ({"fargateProfiles": [{"name": "batch"}]}, "fargateProfiles"),
        ({"encryptionConfigProviderKeyArn": f"arn:aws:kms:{REGION}:{OWNER}:key/x"}, "encryptionConfigProviderKeyArn"),
    ],
)
def test_new_clusters_that_fail(story: Story, backed: Backed, change: dict[str, Any], text: str) -> None:
    job = restore(story, backed.point, new_cluster(**change))
    assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), job


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"subnetIds": []}, "nodeGroups needs subnetIds"),
        ({"subnetIds": ["subnet-0123456789abcdef0"]}, "subnet-0123456789abcdef0"),
        ({"securityGroupIds": ["sg-0123456789abcdef0"]}, "sg-0123456789abcdef0"),
        ({"launchTemplateId": "lt-0123456789abcdef0"}, "lt-0123456789abcdef0"),
    ],
)
def test_node_groups_that_fail(story: Story, backed: Backed, change: dict[str, Any], text: str) -> None:
    sent = new_cluster()
    (group,) = json.loads(sent["nodeGroups"])
    job = restore(story, backed.point, sent | {"nodeGroups": json.dumps([group | change])})
    assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), job


def test_a_fargate_profile_goes_to_subnets_of_the_account(story: Story) -> None:
    story.prepare()
    arn, own = cluster(OWNER, "shop"), role(OWNER)
    profile = {"clusterName": "shop", "fargateProfileName": "batch", "selectors": [{"namespace": "batch"}]}
    client("eks", OWNER).create_fargate_profile(**profile, podExecutionRoleArn=own)
    point = story.protect(arn)
    story.granted()
    sent = {"name": "batch", "podExecutionRoleArn": role(RECOVERY), "subnetIds": ["subnet-0123456789abcdef0"]}
    job = restore(story, point, new_cluster(fargateProfiles=[sent]))
    assert "subnet-0123456789abcdef0" in job["StatusMessage"]
    del sent["subnetIds"]
    assert restore(story, point, new_cluster(fargateProfiles=[sent]))["Status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"clusterName": "absent"}, "does not exist"),
        ({"newCluster": "no"}, "newCluster"),
        ({"namespaces": '["web"]'}, "namespaceLevelRestore"),
        ({"namespaceLevelRestore": "true", "namespaces": '["a","b","c","d","e","f"]'}, "namespaces"),
        ({"nestedRestoreJobs": "[]"}, "map"),
        ({"nestedRestoreJobs": "{}"}, "no metadata"),
        ({"nestedRestoreJobs": '{"arn:aws:backup:x":"{}"}'}, "not nested"),
        ({"cluster": "ready"}, "cluster"),
    ],
)
def test_jobs_that_fail(story: Story, backed: Backed, change: dict[str, str], text: str) -> None:
    prepare_target()
    job = restore(story, backed.point, READY | backed.jobs() | change)
    assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), job


@pytest.mark.parametrize(
    ("metadata", "text"),
    [({"kmsKeyId": ""}, "availabilityZone"), ({"AvailabilityZone": "a", "volumeId": "v"}, "volumeId")],
)
def test_nested_metadata_that_fails_the_parent(
    story: Story, backed: Backed, metadata: dict[str, str], text: str
) -> None:
    prepare_target()
    job = restore(story, backed.point, READY | backed.jobs(volume=metadata))
    assert (job["Status"], text in job["StatusMessage"]) == ("FAILED", True), job


def test_one_restore_to_a_cluster_and_five_in_an_account(story: Story, backed: Backed) -> None:
    names = ["ready", "ready", "b", "c", "d", "e", "f"]
    for name in dict.fromkeys(names):
        cluster(RECOVERY, name)
    jobs = []
    for name in names:
        started = story.backup().start_restore_job(
            RecoveryPointArn=backed.point,
            Metadata={"clusterName": name, "restoreKubernetesManifestsOnly": "true"},
            IamRoleArn=story.role(RECOVERY),
        )
        jobs.append(started["RestoreJobId"])
        story.wait(1)
    story.wait(70)
    found = [story.backup().describe_restore_job(RestoreJobId=job) for job in jobs]
    assert [job["Status"] for job in found] == ["RUNNING", "FAILED", *["RUNNING"] * 4, "FAILED"]
    assert "a restore to ready" in found[1]["StatusMessage"]
    assert "5 concurrent" in found[6]["StatusMessage"]


def test_a_cluster_without_volumes_is_composite_as_well_and_copies_take_nested_points_along(story: Story) -> None:
    story.prepare()
    owner = client("backup", OWNER)
    plain = owner.start_backup_job(
        BackupVaultName="plain",
        ResourceArn=cluster(OWNER, "bare", encryptionConfig=[]),
        IamRoleArn=story.role(OWNER),
    )
    assert plain["IsParent"] is True
    story.wait(61)
    lag = owner.describe_backup_vault(BackupVaultName="lag")["BackupVaultArn"]
    owner.start_copy_job(
        SourceBackupVaultName="plain",
        RecoveryPointArn=plain["RecoveryPointArn"],
        DestinationBackupVaultArn=lag,
        IamRoleArn=story.role(OWNER),
        Lifecycle={"DeleteAfterDays": 14},
    )
    story.wait(61)
    found = owner.list_recovery_points_by_backup_vault(BackupVaultName="lag")["RecoveryPoints"]
    (parent,) = (one for one in found if one["IsParent"])
    (state,) = (one for one in found if not one["IsParent"])
    assert state["ParentRecoveryPointArn"] == parent["RecoveryPointArn"] != plain["RecoveryPointArn"]
    with refused("ResourceNotFoundException"):
        story.protect(f"arn:aws:eks:{REGION}:{OWNER}:cluster/absent")


def test_an_air_gapped_vault_takes_no_cluster_with_a_volume_under_the_aws_managed_key(story: Story) -> None:
    story.prepare()
    made = client("ec2", OWNER).create_volume(AvailabilityZone=f"{REGION}a", Size=1, Encrypted=True)
    volume = f"arn:aws:ec2:{REGION}:{OWNER}:volume/{made['VolumeId']}"
    backup, arn = story.backup(OWNER), cluster(OWNER, "shop")
    story.world.doors.write_files(OWNER, REGION, "shop", {"persistentvolumes/data": volume.encode()})
    asked = {"ResourceArn": arn, "IamRoleArn": story.role(OWNER), "Lifecycle": {"DeleteAfterDays": 14}}
    plain = backup.start_backup_job(BackupVaultName="plain", **asked)
    direct = backup.start_backup_job(BackupVaultName="plain", LogicallyAirGappedBackupVaultArn=LAG, **asked)
    story.wait(61)
    copy = backup.start_copy_job(
        SourceBackupVaultName="plain",
        RecoveryPointArn=plain["RecoveryPointArn"],
        DestinationBackupVaultArn=LAG,
        IamRoleArn=asked["IamRoleArn"],
        Lifecycle=asked["Lifecycle"],
    )
    story.wait(61)
    ended = [backup.describe_backup_job(BackupJobId=one["BackupJobId"]) for one in (plain, direct)]
    ended += [backup.describe_copy_job(CopyJobId=copy["CopyJobId"])["CopyJob"]]
    assert [job["State"] for job in ended] == ["COMPLETED", "FAILED", "FAILED"]
    assert all("AWS managed key" in job["StatusMessage"] for job in ended[1:])
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="lag")["RecoveryPoints"] == []
