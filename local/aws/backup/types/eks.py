"""EKS clusters: their Kubernetes objects come and go through the data door, and their volumes are points of their own.

Objects are files: `<namespace>/<kind>/<name>`. What lies under `persistentvolumes/` is the ARN of the EBS volume, EFS
file system or bucket behind a persistent volume claim.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import RestoreProblem, Snapshot, Target, check_key, flag, gone, listed, parsed
from local.aws.backup.types.launch import exists
from local.aws.backup.types.network import check_security_groups, subnet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context

VOLUMES = "persistentvolumes/"
_MOST_NAMESPACES = 5


@dataclass(frozen=True)
class Cluster:
    """A cluster's configuration and objects; `volumes` are the restored ARNs by the ARNs backed up."""

    described: Mapping[str, Any]
    node_groups: tuple[Mapping[str, Any], ...]
    fargate_profiles: tuple[Mapping[str, Any], ...]
    objects: Mapping[str, bytes]
    volumes: Mapping[str, str] = field(default_factory=dict)


class Eks:
    """Restores into a cluster that exists, or into a new one (restoring-eks.html)."""

    resource_type = "EKS"
    arn_prefix = "arn:aws:eks:"
    keys = frozenset(
        {
            "clusterName",
            "newCluster",
            "eksClusterVersion",
            "clusterRole",
            "encryptionConfigProviderKeyArn",
            "clusterVpcConfig",
            "nodeGroups",
            "fargateProfiles",
            "namespaceLevelRestore",
            "namespaces",
            "restoreKubernetesManifestsOnly",
            "nestedRestoreJobs",
        }
    )
    required = frozenset({"clusterName"})
    any_case = True  # the page's example sends nestedrestorejobs
    allows_tags = False  # not stated; refused (inferred)
    native_arn: str | None = None

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """The objects as they are now, and which volumes belong to them."""
        name = arn.rpartition("/")[2]
        client = context.clients("eks", account, region)
        try:
            found = client.describe_cluster(name=name)["cluster"]
        except ClientError:
            raise gone(arn) from None
        groups = tuple(
            client.describe_nodegroup(clusterName=name, nodegroupName=one)["nodegroup"]
            for one in client.list_nodegroups(clusterName=name)["nodegroups"]
        )
        profiles = tuple(
            client.describe_fargate_profile(clusterName=name, fargateProfileName=one)["fargateProfile"]
            for one in client.list_fargate_profiles(clusterName=name)["fargateProfileNames"]
        )
        objects = context.doors.read_files(account, region, name)
        members = tuple(blob.decode() for path, blob in sorted(objects.items()) if path.startswith(VOLUMES))
        size = sum(len(blob) for blob in objects.values())
        tags = dict(found.get("tags", {}))
        return Snapshot(name, size, Cluster(found, groups, profiles, objects), tags, members=members)

    def restore_metadata(self, content: Cluster) -> dict[str, str | None]:
        """The source's own settings under the keys of a restore (inferred: nothing is published)."""
        found, network = content.described, content.described["resourcesVpcConfig"]
        return {
            "clusterName": found["name"],
            "eksClusterVersion": found["version"],
            "clusterRole": found["roleArn"],
            "clusterVpcConfig": json.dumps(
                {
                    "vpcId": network.get("vpcId"),
                    "subnetIds": network.get("subnetIds", []),
                    "securityGroupIds": network.get("securityGroupIds", []),
                }
            ),
            "nodeGroups": json.dumps(
                [
                    {
                        "nodeGroupId": group["nodegroupName"],
                        "subnetIds": group["subnets"],
                        "instanceTypes": group.get("instanceTypes", []),
                        "nodeRole": group["nodeRole"],
                    }
                    for group in content.node_groups
                ]
            ),
            "fargateProfiles": json.dumps(
                [
                    {
                        "name": profile["fargateProfileName"],
                        "subnetIds": profile["subnets"],
                        "podExecutionRoleArn": profile["podExecutionRoleArn"],
                    }
                    for profile in content.fargate_profiles
                ]
            ),
        }

    def check(self, target: Target, content: Cluster, metadata: Mapping[str, str]) -> None:
        """The cluster, or all that a new one needs."""
        name = metadata["clusterName"]
        status = _status(target, name)
        flag(metadata, "restoreKubernetesManifestsOnly", "false")
        if flag(metadata, "namespaceLevelRestore", "false"):
            if not 0 < len(listed(metadata, "namespaces")) <= _MOST_NAMESPACES:
                raise RestoreProblem(f"namespaces must name 1 to {_MOST_NAMESPACES} namespaces.")
        elif "namespaces" in metadata:
            raise RestoreProblem("namespaces needs namespaceLevelRestore=true.")
        if flag(metadata, "newCluster", "false"):
            if status is not None:
                raise RestoreProblem(f"Cluster already exists: {name}")
            _check_new(target, content, metadata)
        elif status != "ACTIVE":
            raise RestoreProblem(f"Cluster {name} {'does not exist' if status is None else f'is {status}'}.")

    def restore(self, target: Target, content: Cluster, metadata: Mapping[str, str]) -> str:
        """Create the cluster if asked to, and apply the objects; one that exists is skipped."""
        client, name = target.client("eks"), metadata["clusterName"]
        if flag(metadata, "newCluster", "false"):
            _create(client, content, metadata)
        arn = str(client.describe_cluster(name=name)["cluster"]["arn"])
        doors = target.context.doors
        present = doors.read_files(target.account, target.region, name)
        wanted = listed(metadata, "namespaces")
        fresh: dict[str, bytes | None] = {}
        for path, blob in content.objects.items():
            if path.startswith(VOLUMES):
                volume = content.volumes.get(blob.decode())
                if volume is not None:
                    fresh[path] = volume.encode()
            elif not wanted or path.partition("/")[0] in wanted:
                fresh[path] = blob
        fresh = {path: blob for path, blob in fresh.items() if path not in present}
        doors.write_files(target.account, target.region, name, fresh)
        return arn


def _status(target: Target, name: str) -> str | None:
    client = target.client("eks")
    try:
        return str(client.describe_cluster(name=name)["cluster"]["status"])
    except client.exceptions.ResourceNotFoundException:
        return None


def _objects(metadata: Mapping[str, str], key: str) -> list[dict[str, Any]]:
    found = parsed(metadata, key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise RestoreProblem(f"Invalid restore metadata. {key} must be a JSON array of objects.")
    return found


def _vpc_config(metadata: Mapping[str, str]) -> dict[str, Any]:
    found = parsed(metadata, "clusterVpcConfig", {})
    if not isinstance(found, dict) or not found.get("subnetIds") or not found.get("securityGroupIds"):
        raise RestoreProblem("Invalid restore metadata. clusterVpcConfig needs subnetIds and securityGroupIds.")
    return found


def _check_new(target: Target, content: Cluster, metadata: Mapping[str, str]) -> None:
    """Roles and network of the account; every node group and Fargate profile of the backup, by its own name."""
    groups, profiles = _objects(metadata, "nodeGroups"), _objects(metadata, "fargateProfiles")
    _same_names("nodeGroups", [one["nodegroupName"] for one in content.node_groups], groups, "nodeGroupId")
    _same_names("fargateProfiles", [one["fargateProfileName"] for one in content.fargate_profiles], profiles, "name")
    roles = [metadata.get("clusterRole"), *(one.get("nodeRole") for one in groups)]
    roles += [one.get("podExecutionRoleArn") for one in profiles]
    for role in roles:
        _check_role(target, role)
    if not all(group.get("subnetIds") for group in groups):
        raise RestoreProblem("Invalid restore metadata. Each of the nodeGroups needs subnetIds.")
    network = _vpc_config(metadata)
    placed = [network, *groups, *profiles]
    vpcs = {subnet(target, one)[0] for place in placed for one in place.get("subnetIds", ())}
    if len(vpcs) != 1 or network.get("vpcId", next(iter(vpcs))) not in vpcs:
        raise RestoreProblem("The subnets are not of one VPC.")
    vpc = vpcs.pop()
    for place in placed:
        check_security_groups(target, place.get("securityGroupIds", ()), vpc)
    for group in groups:
        _check_template(target, group.get("launchTemplateId"))
    key = metadata.get("encryptionConfigProviderKeyArn")
    if bool(key) != bool(content.described.get("encryptionConfig")):
        raise RestoreProblem("encryptionConfigProviderKeyArn must be given if, and only if, the source was encrypted.")
    if key:
        check_key(target, key)


def _same_names(what: str, names: list[str], given: list[dict[str, Any]], member: str) -> None:
    if sorted(names) != sorted(str(one.get(member)) for one in given):
        raise RestoreProblem(f"{what} must be all those of the backup: {', '.join(sorted(names)) or 'none'}.")


def _check_role(target: Target, arn: str | None) -> None:
    """A role must be given and exist in the account."""
    message = f"The role {arn} does not exist in this account."
    if not arn or arn.split(":")[4:5] != [target.account]:
        raise RestoreProblem(message)
    try:
        target.client("iam").get_role(RoleName=arn.rpartition("/")[2])
    except ClientError as error:
        raise RestoreProblem(message) from error


def _check_template(target: Target, template: str | None) -> None:
    """Looked up only: what a node group is made by is not modelled."""
    describe = target.client("ec2").describe_launch_templates
    if template:
        exists(lambda one: describe(LaunchTemplateIds=[one])["LaunchTemplates"][0], template, "launch template")


def _create(client: Any, content: Cluster, metadata: Mapping[str, str]) -> None:
    name, network = metadata["clusterName"], _vpc_config(metadata)
    key = metadata.get("encryptionConfigProviderKeyArn")
    encryption = [{"resources": ["secrets"], "provider": {"keyArn": key}}] if key else []
    client.create_cluster(
        name=name,
        version=metadata.get("eksClusterVersion", content.described["version"]),
        roleArn=metadata["clusterRole"],
        resourcesVpcConfig={kind: network[kind] for kind in ("subnetIds", "securityGroupIds")},
        encryptionConfig=encryption,
    )
    for group in _objects(metadata, "nodeGroups"):
        client.create_nodegroup(
            clusterName=name,
            nodegroupName=group["nodeGroupId"],
            subnets=group["subnetIds"],
            nodeRole=group["nodeRole"],
            instanceTypes=group.get("instanceTypes") or ["t3.medium"],
        )
    sources = {one["fargateProfileName"]: one for one in content.fargate_profiles}
    for profile in _objects(metadata, "fargateProfiles"):
        client.create_fargate_profile(
            clusterName=name,
            fargateProfileName=profile["name"],
            podExecutionRoleArn=profile["podExecutionRoleArn"],
            subnets=profile.get("subnetIds", []),
            selectors=sources[profile["name"]]["selectors"],
        )
