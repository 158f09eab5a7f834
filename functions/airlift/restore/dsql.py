"""Aurora DSQL clusters, into one Region. They get ids of AWS's choosing and no other name.

IAM actions:
- prepare: iam:GetRole on the service-linked role
- finish: dsql:GetCluster, TagResource, UpdateCluster on arn:aws:dsql:<region>:<recovery account>:cluster/*
- validate: dsql:GetCluster
- delete: dsql:GetCluster, UpdateCluster, DeleteCluster
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.common import airlift_tags, assemble, present, resource_id, role_exists, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

AGAIN_IN_SECONDS = 15
SERVICE_LINKED_ROLE = "AWSServiceRoleForAuroraDsql"
UNDER_WAY = frozenset({"CREATING", "UPDATING"})
READY = frozenset({"ACTIVE", "IDLE", "INACTIVE"})
"""IDLE and INACTIVE are ACTIVE clusters that nobody connects to; the next connection wakes them (CLI, GetCluster)."""
GOING = frozenset({"PENDING_DELETE", "DELETING"})


class Dsql(Family):
    """Single-Region clusters. The ResourceType of their points is not documented: it is one of these (inferred)."""

    resource_types = ("Aurora DSQL", "DSQL")
    accepted_keys = frozenset({"peerRegion", "regionalConfig", "useMultiRegionOrchestration", "witnessRegion"})
    option_keys = frozenset({"deletionProtection", "kmsKeyId"})
    nested_keys = MappingProxyType({"regionalConfig": frozenset({"region", "isDeletionProtectionEnabled", "kmsKeyId"})})
    copies_source_tags = True

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """The one Region's settings: without them AWS Backup switches deletion protection on."""
        region = {"region": target.region, "isDeletionProtectionEnabled": _protected(target)}
        if target.options.get("kmsKeyId"):
            region["kmsKeyId"] = target.options["kmsKeyId"]
        return assemble(self, {"regionalConfig": [region]}, target.metadata)

    def prepare(self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
        """The service-linked role must exist."""
        check_service_role(clients)

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Tags, and deletion protection as the plan says."""
        client, identifier = clients("dsql"), resource_id(restored.created_resource_arn)
        cluster = _cluster(client, identifier)
        state = cluster["status"] if cluster else "missing"
        if cluster is None or state not in READY:
            waits = state in UNDER_WAY
            return Finishing(not waits, AGAIN_IN_SECONDS if waits else 0, f"cluster {identifier} is {state}")
        client.tag_resource(resourceArn=cluster["arn"], tags=airlift_tags(restored.point, restored.target))
        if cluster["deletionProtectionEnabled"] == _protected(restored.target):
            return Finishing(True)
        client.update_cluster(identifier=identifier, deletionProtectionEnabled=_protected(restored.target))
        return Finishing(False, AGAIN_IN_SECONDS, f"cluster {identifier} takes on its deletion protection")

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """State and key; rows can only be read with a database login."""
        identifier = resource_id(restored.created_resource_arn)
        cluster = _cluster(clients("dsql"), identifier)
        if cluster is None:
            return Validation(False, f"cluster {identifier} does not exist")
        state, encryption = cluster["status"], cluster.get("encryptionDetails", {})
        wished, kind = restored.target.options.get("kmsKeyId"), encryption.get("encryptionType", "unknown")
        return verdict(
            f"cluster {identifier} {state}, encrypted ({kind}); no row was read",
            (state in READY, f"cluster {identifier} is {state}, not ACTIVE"),
            (encryption.get("encryptionStatus") != "KMS_KEY_INACCESSIBLE", f"the key of {identifier} can't be used"),
            (not wished or kind == "CUSTOMER_MANAGED_KMS_KEY", f"cluster {identifier} is not under the plan's key"),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """The cluster's only endpoint."""
        cluster = _cluster(clients("dsql"), resource_id(restored.created_resource_arn)) or {}
        return present({"endpoint": cluster.get("endpoint")})

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """Protection off, then the cluster (API_DeleteCluster.html)."""
        if not restored.created_resource_arn:
            return Finishing(True)
        client, identifier = clients("dsql"), resource_id(restored.created_resource_arn)
        cluster = _cluster(client, identifier)
        if cluster is None or cluster["status"] == "DELETED":
            return Finishing(True)
        if cluster["status"] in UNDER_WAY | GOING:
            doing = f"cluster {identifier} is {cluster['status']}"
        elif cluster["deletionProtectionEnabled"]:
            client.update_cluster(identifier=identifier, deletionProtectionEnabled=False)
            doing = f"deletion protection of cluster {identifier} is switched off"
        else:
            client.delete_cluster(identifier=identifier)
            doing = f"cluster {identifier} is being deleted"
        return Finishing(False, AGAIN_IN_SECONDS, doing)


def check_service_role(clients: Clients) -> None:
    """Raises `MetadataRefused` without it: in an account that never had a cluster a job fails (inferred)."""
    if not role_exists(clients("iam"), SERVICE_LINKED_ROLE):
        raise MetadataRefused(
            f"The recovery account has no role {SERVICE_LINKED_ROLE}, so Aurora DSQL makes no cluster in it.",
            "make it with `aws iam create-service-linked-role --aws-service-name dsql.amazonaws.com`.",
        )


def _protected(target: Target) -> bool:
    return bool(target.options.get("deletionProtection"))


def _cluster(client: Any, identifier: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.get_cluster(identifier=identifier)
    except client.exceptions.ResourceNotFoundException:
        return None
    return found
