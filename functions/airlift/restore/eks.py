"""EKS clusters: the Kubernetes objects and the storage under their volumes, in one composite recovery point.

Two ways, by the plan: into a cluster that people keep ready (`clusterName`), or into a new one (`newCluster: true` with
its roles, network and node groups under metadata). The points of the storage are restored by AWS Backup as jobs of
their own, with metadata that the families of their types make.

IAM actions, on arn:aws:eks:<region>:<recovery account>:cluster/*, nodegroup/* and fargateprofile/*:
- needs: eks:DescribeCluster
- prepare: eks:DescribeCluster, and what the families of nested points need
- finish: eks:DescribeCluster, ListNodegroups, DescribeNodegroup, TagResource; backup:ListRestoreJobs on *; as prepare
- validate: as finish, without tags
- delete: also eks:DeleteNodegroup, ListFargateProfiles, DescribeFargateProfile, DeleteFargateProfile, DeleteCluster
- the restore role passes the roles of a new cluster (restoring-eks.html); AWSBackupServiceRolePolicyForRestores lets it
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.names import derived_name
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.common import airlift_tags, assemble, present, resource_id, verdict
from airlift.restore.eks_cluster import delete_cluster, described, unready_nodes
from airlift.restore.eks_storage import children, made_by, nested_jobs, prepare_nested, prepared
from airlift.restore.nested import objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

AGAIN_IN_SECONDS = 60
UNDER_WAY = frozenset({"CREATING", "PENDING", "UPDATING"})
# "One or more Kubernetes objects failed to restore" comes with a COMPLETED job (restoring-eks.html).
SPEAKS_OF_LOSS = "failed"


class Eks(Family):
    """Clusters. AWS Backup never overwrites an object that the target has, and skips some that it makes itself."""

    resource_types = ("EKS",)
    accepted_keys = frozenset(
        {
            "clusterName",
            "clusterRole",
            "clusterVpcConfig",
            "controlPlaneScalingTier",
            "eksClusterVersion",
            "encryptionConfigProviderKeyArn",
            "fargateProfiles",
            "kubernetesRestoreOrder",
            "namespaceLevelRestore",
            "namespaces",
            "nestedRestoreJobs",
            "newCluster",
            "nodeGroups",
            "podIdentityAssociations",
            "restoreKubernetesManifestsOnly",
        }
    )
    option_keys = frozenset({"availabilityZone", "availabilityZones", "bucketPrefix", "clusterName", "kmsKeyId"})
    # Whether the flag is taken is documented nowhere; for some types the job fails with it.
    copies_source_tags = False
    concurrent_restores = 5
    composite = True
    nested_keys = MappingProxyType(
        {
            "clusterVpcConfig": frozenset({"securityGroupIds", "subnetIds", "vpcId"}),
            "fargateProfiles": frozenset({"name", "podExecutionRoleArn", "subnetIds"}),
            "nodeGroups": frozenset(
                {
                    "instanceTypes",
                    "launchTemplateId",
                    "launchTemplateVersion",
                    "nodeGroupId",
                    "nodeRole",
                    "remoteAccessEc2SshKey",
                    "securityGroupIds",
                    "subnetIds",
                }
            ),
            "podIdentityAssociations": frozenset({"associationId", "roleArn"}),
        }
    )

    def exclusive(self, target: Target) -> str | None:
        """A cluster takes one restore at a time (aws-backup-limits.html)."""
        plan = assemble(self, target.metadata)
        return plan.get("clusterName") or (None if _is_new(plan) else target.options.get("clusterName"))

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """The cluster, and the nested points' own metadata unless only Kubernetes' manifests are wanted."""
        plan = assemble(self, target.metadata)
        name = target.options.get("clusterName")
        if _is_new(plan):
            _check_new(self, point, plan)
            name = derived_name(target, resource_id(point.resource_arn), alphabet="a-zA-Z0-9_-", longest=100)
        given = plan.pop("nestedRestoreJobs", None)
        manifests_only = plan.get("restoreKubernetesManifestsOnly", "").lower() == "true"
        jobs = None if manifests_only else nested_jobs(point, target, given)
        metadata = assemble(self, {"clusterName": name, "newCluster": False, "nestedRestoreJobs": jobs}, plan)
        if not metadata.get("clusterName"):
            raise MetadataRefused(
                f"The plan names no cluster to restore {point.resource_arn} into.",
                "give EKS the clusterName of a cluster kept ready in the plan's targets; or, under its metadata,"
                " newCluster: true, clusterRole, clusterVpcConfig and nodeGroups.",
            )
        return metadata

    def needs(self, target: Target) -> Iterator[Callable[[Clients], None]]:
        """The cluster kept ready that the plan names."""
        plan = assemble(self, target.metadata)
        name = None if _is_new(plan) else plan.get("clusterName") or target.options.get("clusterName")
        if name:
            yield lambda clients: _check_ready(name, described(clients("eks"), name))

    def prepare(self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
        """Checks that the cluster is there, or that its name is free, and makes what the nested points need."""
        name = metadata["clusterName"]
        cluster = described(clients("eks"), name)
        if _is_new(metadata):
            if cluster is not None:
                raise MetadataRefused(
                    f"A cluster {name} exists already.", "give another clusterName in the plan's targets, or none."
                )
        else:
            _check_ready(name, cluster)
        prepare_nested(clients, point, target, metadata)

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Waits for nodes and nested jobs; tags a new cluster and what was restored beside it."""
        client, name = clients("eks"), restored.metadata["clusterName"]
        cluster = described(client, name)
        if cluster is None:
            return Finishing(True, doing=f"cluster {name} does not exist")
        if cluster["status"] in UNDER_WAY:
            return Finishing(False, AGAIN_IN_SECONDS, f"cluster {name} is {cluster['status']}")
        making = [node for node, state in unready_nodes(client, name).items() if state in UNDER_WAY]
        jobs = children(clients, restored)
        running = [job.point.arn for job in jobs if job.status in {"PENDING", "RUNNING"}]
        if making or running:
            return Finishing(False, AGAIN_IN_SECONDS, f"cluster {name}: {', '.join([*making, *running])}")
        if _is_new(restored.metadata):
            client.tag_resource(resourceArn=cluster["arn"], tags=airlift_tags(restored.point, restored.target))
        for family, child in made_by(jobs, restored):
            finishing = family.finish(clients, child)
            if not finishing.done:
                return finishing
        return Finishing(True)

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """State of cluster, node groups, nested jobs and what they made. Kubernetes itself is not asked."""
        client, name = clients("eks"), restored.metadata["clusterName"]
        cluster = described(client, name)
        if cluster is None:
            return Validation(False, f"cluster {name} does not exist")
        jobs, message = children(clients, restored), restored.status_message
        nested = [family.validate(clients, child) for family, child in made_by(jobs, restored)]
        return verdict(
            "; ".join(
                [
                    f"cluster {name} and its node groups ACTIVE, {len(jobs)} nested restore jobs COMPLETED",
                    *(validation.how for validation in nested),
                    "Kubernetes' objects were not looked at: AWS Backup tells those it skipped by SNS only",
                ]
            ),
            (SPEAKS_OF_LOSS not in message.lower(), f"the restore job says: {message}"),
            (cluster["status"] == "ACTIVE", f"cluster {name} is {cluster['status']}, not ACTIVE"),
            *((False, f"node group {node} is {state}") for node, state in unready_nodes(client, name).items()),
            *(
                (job.status == "COMPLETED", f"nested job of {job.point.arn} is {job.status}: {job.message}")
                for job in jobs
            ),
            *((validation.ok, validation.how) for validation in nested),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """The name of the cluster and the address of its Kubernetes API."""
        name = restored.metadata["clusterName"]
        return present({"clusterName": name, "endpoint": (described(clients("eks"), name) or {}).get("endpoint")})

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """A new cluster with its nodes, then the storage. In a cluster kept ready Kubernetes' objects stay.

        Neither those nor load balancers that services made can be deleted without Kubernetes' own API.
        """
        name = restored.metadata["clusterName"]
        left = f"Kubernetes' objects stay in cluster {name}"
        if _is_new(restored.metadata):
            left = f"load balancers that services of cluster {name} made are not looked for"
            deleting = delete_cluster(clients("eks"), name)
            if deleting:
                return Finishing(False, AGAIN_IN_SECONDS, deleting)
        jobs = children(clients, restored)
        inside = (*made_by(jobs, restored), *prepared(jobs, restored))
        storage = [finishing for family, child in inside if not (finishing := family.delete(clients, child)).done]
        # What is waited for comes before what only people can end, such as a volume that a pod uses.
        return max(storage, key=lambda finishing: finishing.again_in_seconds, default=Finishing(True, doing=left))


def _check_ready(name: str, cluster: Mapping[str, Any] | None) -> None:
    """`cluster` as EKS describes it. Raises `MetadataRefused` unless it serves and lets AWS Backup in.

    For the latter see eks/latest/userguide/integration-backup.html.
    """
    if cluster is None or cluster["status"] not in {"ACTIVE", "UPDATING"}:
        raise MetadataRefused(
            f"Cluster {name} is {cluster['status'] if cluster else 'missing'}, not ACTIVE.",
            "make it ready, with its nodes and storage drivers, or name another in the plan's targets.",
        )
    if cluster.get("accessConfig", {}).get("authenticationMode") == "CONFIG_MAP":
        raise MetadataRefused(
            f"Cluster {name} takes no access entries, by which AWS Backup comes into it.",
            f"`aws eks update-cluster-config --name {name} --access-config authenticationMode=API_AND_CONFIG_MAP`.",
        )


def _is_new(metadata: Mapping[str, str]) -> bool:
    return metadata.get("newCluster", "").lower() == "true"


_REQUIRED = MappingProxyType(
    {
        "clusterVpcConfig": ("subnetIds", "securityGroupIds"),
        "nodeGroups": ("nodeGroupId", "subnetIds", "nodeRole"),
        "fargateProfiles": ("name", "podExecutionRoleArn"),
    }
)
"""What each object must hold (restoring-eks.html)."""


def _check_new(family: Family, point: RecoveryPoint, plan: Mapping[str, str]) -> None:
    """Raises `MetadataRefused` that names all that a new cluster lacks."""
    missing = [key for key in ("clusterRole", "clusterVpcConfig") if key not in plan]
    if not {"nodeGroups", "fargateProfiles"} & set(plan):  # all those of the backup; [] if it had none
        missing.append("nodeGroups or fargateProfiles")
    for key in family.nested_keys:
        for entry in objects(family, key, plan.get(key)):
            missing += [f"{setting} in {key}" for setting in _REQUIRED.get(key, ()) if setting not in entry]
    # The source's key is out of reach. That it is returned under this name is inferred.
    key = "encryptionConfigProviderKeyArn"
    encrypted = any(value for name, value in point.restore_metadata.items() if name.lower() == key.lower())
    if encrypted and key not in plan:
        missing.append(key)
    if missing:
        raise MetadataRefused(
            f"For a new cluster the plan lacks {', '.join(missing)}; {point.resource_arn} needs them.",
            "add them under metadata of EKS in the plan's targets, with roles and subnets of the recovery account.",
        )
