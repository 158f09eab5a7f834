"""An EKS cluster as the service shows it, and its deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEFT_ALONE = frozenset({"CREATING", "UPDATING", "DELETING"})
"""States in which EKS takes no deletion, or has taken it."""


def described(client: Any, name: str) -> Mapping[str, Any] | None:
    """DescribeCluster's `cluster`, None if there is none of that name."""
    try:
        cluster: Mapping[str, Any] = client.describe_cluster(name=name)["cluster"]
    except client.exceptions.ResourceNotFoundException:
        return None
    return cluster


def unready_nodes(client: Any, name: str) -> dict[str, str]:
    """Name → status of the cluster's node groups that are not ACTIVE."""
    return {node: state for node, state in _node_groups(client, name).items() if state != "ACTIVE"}


def delete_cluster(client: Any, name: str) -> str:
    """Deletes as far as EKS lets: node groups and Fargate profiles first (API_DeleteCluster.html).

    Says what is under way; empty when the cluster is gone.
    """
    cluster = described(client, name)
    if cluster is None:
        return ""
    if cluster["status"] in _LEFT_ALONE | {"PENDING"}:
        return f"cluster {name} is {cluster['status']}"
    nodes, profiles = _node_groups(client, name), _fargate_profiles(client, name)
    for node, state in nodes.items():
        if state not in _LEFT_ALONE:
            client.delete_nodegroup(clusterName=name, nodegroupName=node)
    # A profile must be gone before the next may be deleted (API_DeleteFargateProfile.html).
    if profiles and "DELETING" not in profiles.values():
        client.delete_fargate_profile(clusterName=name, fargateProfileName=next(iter(profiles)))
    if nodes or profiles:
        return f"of cluster {name}, {', '.join([*nodes, *profiles])} are being deleted"
    client.delete_cluster(name=name)
    return f"cluster {name} is being deleted"


def _node_groups(client: Any, name: str) -> dict[str, str]:
    pages = client.get_paginator("list_nodegroups").paginate(clusterName=name)
    return {
        node: client.describe_nodegroup(clusterName=name, nodegroupName=node)["nodegroup"]["status"]
        for page in pages
        for node in page["nodegroups"]
    }


def _fargate_profiles(client: Any, name: str) -> dict[str, str]:
    pages = client.get_paginator("list_fargate_profiles").paginate(clusterName=name)
    return {
        profile: client.describe_fargate_profile(clusterName=name, fargateProfileName=profile)["fargateProfile"][
            "status"
        ]
        for page in pages
        for profile in page["fargateProfileNames"]
    }
