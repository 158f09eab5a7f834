"""Clusters behind RDS's endpoint: Aurora, DocumentDB and Neptune. A restored one has no instance; `finish` makes them.

IAM actions; "own" are names that end in the recovery's id and the attempt:
- prepare: rds:DescribeDBSubnetGroups on any subgrp, CreateDBSubnetGroup and AddTagsToResource on own ones; ec2:Describe
  of VPCs, subnets, security groups and zones, which RDS may do in the caller's name (inferred)
- finish: rds:DescribeDBClusters, AddTagsToResource, ModifyDBCluster, CreateDBInstance on own clusters and instances,
  the last two on subnet, option and parameter groups too; rds:DescribeDBInstances on any db
- validate: rds:DescribeDBClusters, DescribeDBInstances
- delete: these, and rds:DeleteDBInstance, DeleteDBCluster, DeleteDBSubnetGroup on own ones
- finish, under a customer managed key: kms:DescribeKey, CreateGrant on it, with kms:ViaService rds, since Aurora acts
  on behalf of who makes or changes something (Overview.Encryption.Keys.html)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from airlift.errors import MetadataRefused
from airlift.names import derived_name, source_name
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.common import airlift_tags, assemble, present, tag_list, verdict
from airlift.restore.subnet_group import (
    check_subnet_group,
    check_subnet_ids,
    delete_subnet_group,
    make_subnet_group,
)

if TYPE_CHECKING:
    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

Parameters = Mapping[str, Any]
AGAIN_IN_SECONDS = 30
BROKEN = ("delet", "failed", "inaccessible", "incompatible", "restore-error", "stop", "storage-full")
"""Parts of the states that a cluster or an instance does not leave by itself (accessing-monitoring.html)."""

# Documented for all three; availabilityZones, optionGroupName and custom parameter groups mean nothing in another
# account, so they come from the plan or not at all. For the rest see restoring-aur.html, -docdb.html, -nep.html.
_KEYS = frozenset(
    {
        "availabilityZones",
        "copyTagsToSnapshot",
        "dbClusterIdentifier",
        "dbClusterParameterGroupName",
        "dbSubnetGroupName",
        "enableCloudwatchLogsExports",
        "engine",
        "engineVersion",
        "kmsKeyId",
        "port",
        "vpcSecurityGroupIds",
    }
)


class Clusters(Family):
    """What the three have in common. The source's password stays valid."""

    client_name: ClassVar[str]
    """boto3's name of the service: each knows its own parameters."""
    engines: ClassVar[tuple[str, ...]]
    """The endpoint shows all three kinds of clusters to all three clients; these are the family's own."""
    kept: tuple[str, ...] = ("engineVersion", "port")
    """What is taken from the recovery point: it means the same in another account."""
    instance_class = "db.r6g.large"
    """The smallest class of all three engines that is not burstable; the plan's `instanceClass` wins."""
    instance_parameters: ClassVar[Parameters] = MappingProxyType({"PubliclyAccessible": False})
    instance_deletion: ClassVar[Parameters] = MappingProxyType({"SkipFinalSnapshot": True})
    deletion: ClassVar[Parameters] = MappingProxyType({"SkipFinalSnapshot": True})
    option_keys = frozenset(
        {
            "dbSubnetGroupName",
            "deletionProtection",
            "instanceClass",
            "instances",
            "kmsKeyId",
            "securityGroupIds",
            "serverlessV2ScalingConfiguration",
            "subnetIds",
        }
    )
    copies_source_tags = True

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """Name, engine, network and key. Without a key the vault's would be used (inferred)."""
        options, plan = target.options, assemble(self, target.metadata)
        given = {key.lower(): value for key, value in point.restore_metadata.items()}
        name = _name(point, target)
        own = {
            **{key: value for key in self.kept if (value := given.get(key.lower())) not in {None, "", "0"}},
            "dbClusterIdentifier": name,
            "engine": self._engine(point, plan.get("engine") or given.get("engine")),
            "dbSubnetGroupName": options.get("dbSubnetGroupName") or name,
            "vpcSecurityGroupIds": options.get("securityGroupIds"),
            "kmsKeyId": options.get("kmsKeyId"),
        }
        metadata = assemble(self, own, plan)
        if metadata["dbSubnetGroupName"] == name:
            check_subnet_ids(point.resource_type, options.get("subnetIds", []))
        return metadata

    def _engine(self, point: RecoveryPoint, engine: str | None) -> str:
        if engine is None and len(self.engines) == 1:
            return self.engines[0]
        if engine not in self.engines:
            raise MetadataRefused(
                f"{engine or 'Nothing'} is given as the engine of {point.resource_arn}, by its point or the plan.",
                f"give it engine, {' or '.join(self.engines)}, as metadata under the plan's targets.resources.",
            )
        return engine

    def prepare(self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
        """The plan's DB subnet group must exist; without one, the attempt gets one of its own."""
        client, group = clients(self.client_name), metadata["dbSubnetGroupName"]
        if group == _name(point, target):
            make_subnet_group(client, group, target.options["subnetIds"], tag_list(airlift_tags(point, target)))
        else:
            check_subnet_group(client, group)

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Tags, deletion protection and scaling as the plan says, then instances."""
        client, name = clients(self.client_name), restored.metadata["dbClusterIdentifier"]
        cluster = self._cluster(client, name)
        if cluster is None:
            return Finishing(True, doing=f"cluster {name} does not exist")
        if cluster["Status"] != "available":
            return _wait("cluster", name, cluster["Status"])
        tags = tag_list(airlift_tags(restored.point, restored.target))
        client.add_tags_to_resource(ResourceName=cluster["DBClusterArn"], Tags=tags)
        change = _change(cluster, restored.target.options)
        if change:
            client.modify_db_cluster(DBClusterIdentifier=name, ApplyImmediately=True, **change)
            return Finishing(False, AGAIN_IN_SECONDS, f"cluster {name} takes on {', '.join(change)}")
        states = {each["DBInstanceIdentifier"]: each["DBInstanceStatus"] for each in _instances(client, name)}
        for wished in _wished(restored):
            if wished not in states:
                asked = self._instance(cluster, restored)
                made = client.create_db_instance(DBInstanceIdentifier=wished, Tags=tags, **asked)
                states[wished] = made["DBInstance"]["DBInstanceStatus"]
        waits = [_wait("instance", each, state) for each, state in states.items() if state != "available"]
        return next((wait for wait in waits if not wait.done), Finishing(True))

    def _instance(self, cluster: Mapping[str, Any], restored: Restored) -> dict[str, Any]:
        options = restored.target.options
        serverless = "db.serverless" if options.get("serverlessV2ScalingConfiguration") else self.instance_class
        return {
            "DBClusterIdentifier": cluster["DBClusterIdentifier"],
            "Engine": cluster["Engine"],
            "DBInstanceClass": options.get("instanceClass") or serverless,
            **self.instance_parameters,
        }

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """State, version, encryption and instances; rows or documents can only be read with the database's login."""
        client, name = clients(self.client_name), restored.metadata["dbClusterIdentifier"]
        cluster = self._cluster(client, name)
        if cluster is None:
            return Validation(False, f"no {self.resource_types[0]} cluster {name} exists")
        states = {each["DBInstanceIdentifier"]: each["DBInstanceStatus"] for each in _instances(client, name)}
        state, version = cluster["Status"], cluster["EngineVersion"]
        wished, asked = _wished(restored), restored.metadata.get("engineVersion")
        return verdict(
            f"cluster {name} available, {cluster['Engine']} {version}, encrypted,"
            f" {len(wished)} instances available; no data was read",
            (state == "available", f"cluster {name} is {state}, not available"),
            (not asked or f"{version}.".startswith(f"{asked}."), f"cluster {name} has version {version}, not {asked}"),
            (bool(cluster.get("StorageEncrypted")), f"cluster {name} is not encrypted"),
            *(
                (states.get(each) == "available", f"instance {each} is {states.get(each, 'missing')}")
                for each in wished
            ),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """Writer, reader and port."""
        cluster = self._cluster(clients(self.client_name), restored.metadata["dbClusterIdentifier"]) or {}
        named = {"writer": "Endpoint", "reader": "ReaderEndpoint", "port": "Port"}
        return present({name: cluster.get(key) for name, key in named.items()})

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """Protection off, readers, writer, cluster, subnet group: a cluster with instances is not deleted."""
        client, name = clients(self.client_name), restored.metadata["dbClusterIdentifier"]
        cluster = self._cluster(client, name)
        if cluster is None:
            group = restored.metadata["dbSubnetGroupName"]
            made = group == _name(restored.point, restored.target)
            return delete_subnet_group(client, group) if made else Finishing(True)
        try:
            doing = self._delete_next(client, cluster)
        except (client.exceptions.InvalidDBClusterStateFault, client.exceptions.InvalidDBInstanceStateFault) as error:
            doing = error.response["Error"]["Message"]
        return Finishing(False, AGAIN_IN_SECONDS, doing)

    def _delete_next(self, client: Any, cluster: Mapping[str, Any]) -> str:
        """Does the next step that is possible; gives what is being waited for."""
        name = cluster["DBClusterIdentifier"]
        if cluster.get("DeletionProtection"):
            client.modify_db_cluster(DBClusterIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
            return f"deletion protection of cluster {name} is switched off"
        writers = {m["DBInstanceIdentifier"] for m in cluster["DBClusterMembers"] if m["IsClusterWriter"]}
        instances = _instances(client, name)
        readers = [each for each in instances if each["DBInstanceIdentifier"] not in writers]
        for instance in readers or instances:
            if instance["DBInstanceStatus"] != "deleting":
                identifier = instance["DBInstanceIdentifier"]
                client.delete_db_instance(DBInstanceIdentifier=identifier, **self.instance_deletion)
        if instances:
            return f"{len(instances)} instances of cluster {name} are deleted"
        if cluster["Status"] != "deleting":
            client.delete_db_cluster(DBClusterIdentifier=name, **self.deletion)
        return f"cluster {name} is being deleted"

    def _cluster(self, client: Any, name: str) -> dict[str, Any] | None:
        """The cluster as it is; None if there is none of this family's engines."""
        try:
            found: list[dict[str, Any]] = client.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"]
        except client.exceptions.DBClusterNotFoundFault:
            return None
        return next((cluster for cluster in found if cluster["Engine"] in self.engines), None)


class Aurora(Clusters):
    """Clusters of the two engines; which one, the recovery point says."""

    resource_types = ("Aurora",)
    client_name = "rds"
    engines = ("aurora-mysql", "aurora-postgresql")
    examples = (MappingProxyType({"Engine": "aurora-mysql"}),)
    kept = (*Clusters.kept, "databaseName", "enableIAMDatabaseAuthentication")
    deletion: ClassVar[Parameters] = MappingProxyType({**Clusters.deletion, "DeleteAutomatedBackups": True})
    accepted_keys = _KEYS | {
        "backtrackWindow",
        "databaseName",
        "enableIAMDatabaseAuthentication",
        "engineMode",
        "optionGroupName",
        "scalingConfiguration",
    }


class DocumentDb(Clusters):
    """Clusters with instances. Of the keys that AWS Backup lists, those that DocumentDB's own API knows (inferred)."""

    resource_types = ("DocumentDB",)
    client_name = "docdb"
    engines = ("docdb",)
    accepted_keys = _KEYS
    instance_parameters: ClassVar[Parameters] = MappingProxyType({})  # they are never public
    instance_deletion: ClassVar[Parameters] = MappingProxyType({})  # nor have they snapshots of their own


class Neptune(Clusters):
    """Clusters. Of the keys that AWS Backup lists, those that Neptune's own API knows (inferred)."""

    resource_types = ("Neptune",)
    client_name = "neptune"
    engines = ("neptune",)
    kept = (*Clusters.kept, "enableIAMDatabaseAuthentication")
    accepted_keys = _KEYS | {"databaseName", "enableIAMDatabaseAuthentication", "optionGroupName"}


def _name(point: RecoveryPoint, target: Target, number: int | None = None) -> str:
    """Name of the attempt's cluster and of its subnet group, or of an instance: one letter-first name space of 63."""
    source = source_name(point.resource_arn, target.region, point.resource_arn.rpartition(":")[2])
    source = source if number is None else f"{source}-{number}"
    # Hyphens are no part of the alphabet, so that a run of them becomes one: two in a row are not taken.
    return derived_name(target, source, alphabet="a-z0-9", longest=63, lower=True)


def _wished(restored: Restored) -> list[str]:
    count = restored.target.options.get("instances", 1)
    return [_name(restored.point, restored.target, number) for number in range(1, count + 1)]


def _instances(client: Any, cluster: str) -> list[dict[str, Any]]:
    """The cluster's instances; it has 16 at most, which is one page (CHAP_Limits.html)."""
    filters = [{"Name": "db-cluster-id", "Values": [cluster]}]
    found: list[dict[str, Any]] = client.describe_db_instances(Filters=filters)["DBInstances"]
    return found


def _wait(what: str, name: str, state: str) -> Finishing:
    """Taken up again while `state` is one that passes; what is broken is left to validation."""
    broken = any(part in state for part in BROKEN)
    return Finishing(broken, 0 if broken else AGAIN_IN_SECONDS, f"{what} {name} is {state}")


def _change(cluster: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The ModifyDBCluster parameters that are still missing: StartRestoreJob has no key for them."""
    protection, scaling = bool(options.get("deletionProtection")), options.get("serverlessV2ScalingConfiguration")
    present = cluster.get("ServerlessV2ScalingConfiguration", {})
    change: dict[str, Any] = {}
    if protection != bool(cluster.get("DeletionProtection")):
        change["DeletionProtection"] = protection
    if scaling and any(present.get(key) != value for key, value in scaling.items()):
        change["ServerlessV2ScalingConfiguration"] = scaling
    return change
