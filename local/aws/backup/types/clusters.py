"""Aurora, DocumentDB and Neptune clusters; what is in their databases comes and goes through the data door."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import (
    RestoreProblem,
    Snapshot,
    Target,
    barred_by_key,
    check_key,
    flag,
    gone,
    listed,
    number,
    tag_list,
)
from local.aws.backup.types.network import check_security_groups, default_subnets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context

ENGINES = {
    "aurora": "Aurora",
    "aurora-mysql": "Aurora",
    "aurora-postgresql": "Aurora",
    "docdb": "DocumentDB",
    "neptune": "Neptune",
}
"""What AWS Backup calls the clusters of an engine. Those of mysql and postgres are not held by air-gapped vaults."""

CLIENTS = {"Aurora": "rds", "DocumentDB": "docdb", "Neptune": "neptune"}

_NAME = re.compile(r"[A-Za-z](-?[A-Za-z0-9]){0,62}")
SERVICE_ROLE = "AWSServiceRoleForRDS"
_NO_ROLE = (
    "Unable to create the resource. Verify that you have permission to create service linked role. "
    "Otherwise wait and try again later"
)
"""UsingWithRDS.IAM.ServiceLinkedRoles.html; the restore role has no such permission (inferred)."""
_NO_SUBNETS = "No default subnet detected in VPC. Please contact AWS Support to recreate default Subnets."
_KEPT = ("EngineVersion", "Port", "DatabaseName", "MasterUsername", "EngineMode")
"""What a restored cluster has of its source where the metadata doesn't say otherwise."""


@dataclass(frozen=True)
class Cluster:
    """A cluster as DescribeDBClusters has it, without instances, and the content of its databases."""

    described: Mapping[str, Any]
    content: bytes
    tags: Mapping[str, str]


class Clusters:
    """Restores a cluster without instances (restoring-aur.html, restoring-docdb.html, restoring-nep.html)."""

    arn_prefix = "arn:aws:rds:*:*:cluster:"
    keys = frozenset(
        {
            "availabilityZones",
            "backtrackWindow",
            "copyTagsToSnapshot",
            "databaseName",
            "dbClusterIdentifier",
            "dbClusterParameterGroupName",
            "dbSubnetGroupName",
            "enableCloudwatchLogsExports",
            "enableIAMDatabaseAuthentication",
            "engine",
            "engineMode",
            "engineVersion",
            "kmsKeyId",
            "optionGroupName",
            "port",
            "scalingConfiguration",
            "vpcSecurityGroupIds",
        }
    )
    required = frozenset({"dbClusterIdentifier", "engine"})
    any_case = True  # the page lists one case and gives its example in the other
    allows_tags = True
    native_arn: str | None = "arn:aws:rds:{region}:{account}:cluster-snapshot:awsbackup:job-{id}"

    def __init__(self, resource_type: str) -> None:
        self.resource_type = resource_type

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """The content as it is now. The engine says which of the three types it is."""
        name = arn.rpartition(":")[2]
        for client in (context.clients(service, account, region) for service in ("rds", "docdb")):
            try:
                found = client.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
            except client.exceptions.DBClusterNotFoundFault:
                continue
            break
        else:
            raise gone(arn)
        if found["Engine"] not in ENGINES:
            raise gone(arn)
        tags = {tag["Key"]: tag["Value"] for tag in client.list_tags_for_resource(ResourceName=arn)["TagList"]}
        content = context.doors.read_database(account, region, name)
        barred = barred_by_key(context.clients("kms", account, region), "rds", found.get("KmsKeyId"))
        if not found.get("StorageEncrypted"):
            barred = f"{name} is not encrypted; a logically air-gapped vault takes encrypted clusters only."
        return Snapshot(name, len(content), Cluster(found, content, tags), tags, ENGINES[found["Engine"]], barred)

    def restore_metadata(self, content: Cluster) -> dict[str, str | None]:
        """As in the example of restoring-aur.html, which has no identifier."""
        found = content.described
        groups = [group["VpcSecurityGroupId"] for group in found.get("VpcSecurityGroups", ())]
        return {
            "Engine": found["Engine"],
            "EngineVersion": found["EngineVersion"],
            "EngineMode": found.get("EngineMode", "provisioned"),
            "KmsKeyId": found.get("KmsKeyId"),
            "AvailabilityZones": json.dumps(found.get("AvailabilityZones", [])),
            "Port": str(found.get("Port", 0)),
            "DatabaseName": found.get("DatabaseName", ""),
            "DBSubnetGroupName": found.get("DBSubnetGroup"),
            "VpcSecurityGroupIds": json.dumps(groups),
            "ScalingConfiguration": None,
            "EnableIAMDatabaseAuthentication": str(found.get("IAMDatabaseAuthenticationEnabled", False)).lower(),
            "DBClusterParameterGroupName": found.get("DBClusterParameterGroup"),
            "CopyTagsToSnapshot": str(found.get("CopyTagsToSnapshot", False)).lower(),
            "EnableCloudwatchLogsExports": json.dumps(found.get("EnabledCloudwatchLogsExports", [])),
        }

    def check(self, target: Target, content: Cluster, metadata: Mapping[str, str]) -> None:
        """The engine, RDS's own role, the name, and everything of the target's account that the metadata names."""
        try:
            target.client("iam").get_role(RoleName=SERVICE_ROLE)
        except ClientError as error:
            raise RestoreProblem(_NO_ROLE) from error
        if metadata["engine"] != content.described["Engine"]:
            raise RestoreProblem(f"The engine of the backup is {content.described['Engine']}.")
        self._check_name(target, metadata["dbClusterIdentifier"])
        vpc = self._vpc(target, metadata.get("dbSubnetGroupName"))
        check_security_groups(target, listed(metadata, "vpcSecurityGroupIds"), vpc)
        self._check_groups(target, metadata)
        zones = {zone["ZoneName"] for zone in target.client("ec2").describe_availability_zones()["AvailabilityZones"]}
        if unknown := [one for one in listed(metadata, "availabilityZones") if one not in zones]:
            raise RestoreProblem(f"{unknown[0]} is no Availability Zone of {target.region}.")
        if metadata.get("kmsKeyId") or target.crosses_accounts:
            # Without a key RDS takes the snapshot's, which is the vault's: out of reach (inferred).
            check_key(target, metadata.get("kmsKeyId"))
        for key in ("port", "backtrackWindow"):
            number(metadata, key)
        for key in ("copyTagsToSnapshot", "enableIAMDatabaseAuthentication"):
            flag(metadata, key, "false")
        listed(metadata, "enableCloudwatchLogsExports")

    def _check_name(self, target: Target, name: str) -> None:
        """Names are those of clusters and instances together, of all three services."""
        if not _NAME.fullmatch(name):
            raise RestoreProblem(f"Invalid restore metadata. dbClusterIdentifier {name!r}")
        for service in ("rds", "docdb"):
            client = target.client(service)
            for describe, key in (
                (client.describe_db_clusters, "DBClusterIdentifier"),
                (client.describe_db_instances, "DBInstanceIdentifier"),
            ):
                try:
                    describe(**{key: name})
                except ClientError as error:
                    if "NotFound" not in error.response["Error"]["Code"]:
                        raise
                    continue
                raise RestoreProblem(f"DB Cluster already exists: {name}")

    def _vpc(self, target: Target, group: str | None) -> str:
        client = target.client(CLIENTS[self.resource_type])
        if group:
            try:
                return str(client.describe_db_subnet_groups(DBSubnetGroupName=group)["DBSubnetGroups"][0]["VpcId"])
            except ClientError as error:
                raise RestoreProblem(f"DBSubnetGroup {group} not found: {error}") from error
        vpc, subnets = default_subnets(target)
        if vpc is None or not subnets:
            raise RestoreProblem(_NO_SUBNETS)
        return vpc

    def _check_groups(self, target: Target, metadata: Mapping[str, str]) -> None:
        """Parameter and option groups: RDS's default ones, or ones that are in this account."""
        rds = target.client("rds")
        for key, describe, parameter in (
            ("dbClusterParameterGroupName", rds.describe_db_cluster_parameter_groups, "DBClusterParameterGroupName"),
            ("optionGroupName", rds.describe_option_groups, "OptionGroupName"),
        ):
            name = metadata.get(key, "")
            if not name or name.startswith(("default.", "default:")):
                continue
            try:
                describe(**{parameter: name})
            except ClientError as error:
                raise RestoreProblem(f"{parameter} not found: {name}") from error

    def restore(self, target: Target, content: Cluster, metadata: Mapping[str, str]) -> str:
        """Create the cluster and fill its databases; tags come back whatever the flag says (as for RDS, inferred)."""
        found, name = content.described, metadata["dbClusterIdentifier"]
        asked = {key: found[key] for key in _KEPT if found.get(key)} | {
            "DBClusterIdentifier": name,
            "Engine": metadata["engine"],
            "StorageEncrypted": True,
            "CopyTagsToSnapshot": flag(metadata, "copyTagsToSnapshot", "false"),
            "EnableIAMDatabaseAuthentication": flag(metadata, "enableIAMDatabaseAuthentication", "false"),
            "EnableCloudwatchLogsExports": listed(metadata, "enableCloudwatchLogsExports"),
            "VpcSecurityGroupIds": listed(metadata, "vpcSecurityGroupIds"),
            "Tags": tag_list(content.tags),
        }
        if found.get("MasterUsername"):
            asked["MasterUserPassword"] = target.context.ids.uuid()  # AWS keeps the source's; none can be read here
        for key, parameter in _TEXTS.items():
            if metadata.get(key):
                asked[parameter] = metadata[key]
        if metadata.get("port"):
            asked["Port"] = number(metadata, "port")
        client = target.client(CLIENTS[self.resource_type])
        # AWS Backup lists the same keys for all three; each service knows its own part of them.
        known = client.meta.service_model.operation_model("CreateDBCluster").input_shape.members
        made = client.create_db_cluster(**{key: value for key, value in asked.items() if key in known})["DBCluster"]
        target.context.doors.write_database(target.account, target.region, name, content.content)
        return str(made["DBClusterArn"])


_TEXTS = {
    "databaseName": "DatabaseName",
    "dbClusterParameterGroupName": "DBClusterParameterGroupName",
    "dbSubnetGroupName": "DBSubnetGroupName",
    "engineVersion": "EngineVersion",
    "kmsKeyId": "KmsKeyId",
    "optionGroupName": "OptionGroupName",
}
