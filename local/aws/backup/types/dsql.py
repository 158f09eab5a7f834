"""Aurora DSQL clusters; their rows come and go through the data door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import RestoreProblem, Snapshot, Target, check_key, flag, gone, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context

SERVICE_ROLE = "AWSServiceRoleForAuroraDsql"
_REGION_KEYS = {"region", "isDeletionProtectionEnabled", "kmsKeyId"}


@dataclass(frozen=True)
class Cluster:
    """What a cluster holds."""

    cluster_id: str
    rows: bytes
    tags: Mapping[str, str]


class Dsql:
    """Restores a new cluster with an id of AWS's choosing (restore-auroradsql.html); multi-Region isn't provided."""

    resource_type = "DSQL"  # as DescribeRegionSettings names it; that points do is inferred
    arn_prefix = "arn:aws:dsql:"
    keys = frozenset(
        {"aws:backup:request-id", "regionalConfig", "useMultiRegionOrchestration", "witnessRegion", "peerRegion"}
    )
    required: frozenset[str] = frozenset()
    any_case = True
    allows_tags = True
    native_arn: str | None = None

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """Every row as it is now."""
        cluster_id = arn.rpartition("/")[2]
        client = context.clients("dsql", account, region)
        try:
            client.get_cluster(identifier=cluster_id)
        except ClientError:
            raise gone(arn) from None
        tags = dict(client.list_tags_for_resource(resourceArn=arn).get("tags", {}))
        rows = context.doors.read_database(account, region, cluster_id)
        return Snapshot(tags.get("Name", ""), len(rows), Cluster(cluster_id, rows, tags), tags)

    def restore_metadata(self, content: Cluster) -> dict[str, str | None]:
        """As field reports have it; a restore takes neither of the first two."""
        return {
            "cluster_id": content.cluster_id,
            "backup_size_bytes": str(len(content.rows)),
            "aws:backup:request-id": content.cluster_id,
        }

    def check(self, target: Target, _content: Cluster, metadata: Mapping[str, str]) -> None:
        """The service-linked role, the Region and its key."""
        if flag(metadata, "useMultiRegionOrchestration", "false") or {"witnessRegion", "peerRegion"} & metadata.keys():
            raise RestoreProblem("The peer Region has no identical copy of this recovery point.")
        try:
            target.client("iam").get_role(RoleName=SERVICE_ROLE)
        except ClientError as error:
            raise RestoreProblem(f"Access denied: the account has no role {SERVICE_ROLE}.") from error
        key = _region(target, metadata).get("kmsKeyId")
        if key:
            check_key(target, key)

    def restore(self, target: Target, content: Cluster, metadata: Mapping[str, str]) -> str:
        """Create the cluster, protected against deletion unless told otherwise, and fill it."""
        region = _region(target, metadata)
        key: dict[str, Any] = {"kmsEncryptionKey": region["kmsKeyId"]} if region.get("kmsKeyId") else {}
        made = target.client("dsql").create_cluster(
            deletionProtectionEnabled=region.get("isDeletionProtectionEnabled", True),
            tags=dict(content.tags) if target.copy_tags else {},
            **key,
        )
        target.context.doors.write_database(target.account, target.region, made["identifier"], content.rows)
        return str(made["arn"])


def _region(target: Target, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The one entry of regionalConfig; {} if it isn't given. Raises RestoreProblem."""
    found = parsed(metadata, "regionalConfig", [{}])
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        raise RestoreProblem("Invalid restore metadata. regionalConfig must be a JSON array of one object.")
    region = found[0]
    unknown = sorted(region.keys() - _REGION_KEYS)
    if unknown or not isinstance(region.get("isDeletionProtectionEnabled", True), bool):
        raise RestoreProblem(f"Invalid restore metadata. regionalConfig {region}")
    if region and region.get("region") != target.region:
        raise RestoreProblem(f"regionalConfig names {region.get('region')}, the recovery point is in {target.region}.")
    return region
