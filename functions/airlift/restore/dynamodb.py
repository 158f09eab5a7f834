"""DynamoDB tables, of backups with advanced features (the only ones that a logically air-gapped vault takes).

IAM actions, on arn:aws:dynamodb:<region>:<recovery account>:table/<restored table>:
- prepare: none
- finish: dynamodb:DescribeTable, TagResource, DescribeContinuousBackups, UpdateContinuousBackups,
  DescribeTimeToLive, UpdateTimeToLive, UpdateTable
- validate: dynamodb:DescribeTable, Scan
- delete: dynamodb:DescribeTable, UpdateTable, DescribeContinuousBackups, UpdateContinuousBackups, DeleteTable
- for tables under a customer managed key also kms:Decrypt on it, with kms:ViaService dynamodb (inferred)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.names import derived_name, source_name
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.common import airlift_tags, assemble, resource_id, tag_list, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

AGAIN_IN_SECONDS = 10


class DynamoDb(Family):
    """Tables. A restored one has no tags, PITR, TTL, stream or scaling; `finish` adds what is wanted."""

    resource_types = ("DynamoDB",)
    # aws:backup:request-id is taken too, but one value in a plan would stand for every table.
    accepted_keys = frozenset({"targetTableName", "encryptionType", "kmsMasterKeyArn"})
    option_keys = frozenset(
        {"deletionProtection", "kmsKeyId", "pointInTimeRecovery", "streamViewType", "timeToLiveAttribute"}
    )
    copies_source_tags = False
    concurrent_restores = 50  # DynamoDB's quota, not AWS Backup's

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """Name and encryption. Without encryptionType the source's key would be used, out of reach here."""
        plan = assemble(self, target.metadata)
        key = plan.get("kmsMasterKeyArn") or target.options.get("kmsKeyId")
        encryption = plan.get("encryptionType") or ("KMS" if key else "Default")
        source = source_name(point.resource_arn, target.region, resource_id(point.resource_arn))
        own = {
            "targetTableName": derived_name(target, source, alphabet="a-zA-Z0-9_.-", longest=255),
            "encryptionType": encryption,
            "kmsMasterKeyArn": key if encryption == "KMS" else None,
        }
        return assemble(self, own, plan)

    def prepare(self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
        """Nothing: the job makes the table."""

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Tags, PITR unless the plan says no, and its options; one UpdateTable a time, as each makes the table busy."""
        client, name = clients("dynamodb"), resource_id(restored.created_resource_arn)
        table = client.describe_table(TableName=name)["Table"]
        if table["TableStatus"] in {"CREATING", "UPDATING"}:
            return Finishing(False, AGAIN_IN_SECONDS, f"table {name} is {table['TableStatus']}")
        if table["TableStatus"] != "ACTIVE":
            return Finishing(True, doing=f"table {name} is {table['TableStatus']}")
        tags = tag_list(airlift_tags(restored.point, restored.target))
        client.tag_resource(ResourceArn=table["TableArn"], Tags=tags)
        try:
            if restored.target.options.get("pointInTimeRecovery", True) and not _has_pitr(client, name):
                _set_pitr(client, name, on=True)
        except client.exceptions.ContinuousBackupsUnavailableException:
            return Finishing(False, AGAIN_IN_SECONDS, f"table {name} takes no point-in-time recovery yet")
        _switch_on_ttl(client, name, restored.target.options.get("timeToLiveAttribute"))
        change = next(_changes(table, restored.target.options), None)
        if change is None:
            return Finishing(True)
        client.update_table(TableName=name, **change)
        return Finishing(False, AGAIN_IN_SECONDS, f"table {name} takes on {', '.join(change)}")

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """Status, keys, indexes, and whether an item can be read: ItemCount is up to six hours old."""
        client, name = clients("dynamodb"), resource_id(restored.created_resource_arn)
        try:
            table = client.describe_table(TableName=name)["Table"]
        except client.exceptions.ResourceNotFoundException:
            return Validation(False, f"table {name} does not exist")
        if table["TableStatus"] != "ACTIVE":
            return Validation(False, f"table {name} is {table['TableStatus']}, not ACTIVE")
        indexes = table.get("GlobalSecondaryIndexes", [])
        # A backup with a size comes from a table with items (inferred).
        empty = not client.scan(TableName=name, Limit=1, Select="COUNT")["Count"]
        read = "it is empty, as its recovery point is" if empty else "a Scan finds an item"
        return verdict(
            f"table {name} and its {len(indexes)} global secondary indexes ACTIVE, keys present, {read};"
            " items not counted (ItemCount is refreshed every six hours only)",
            (any(key["KeyType"] == "HASH" for key in table["KeySchema"]), f"table {name} has no hash key"),
            (not _being_filled(table), f"table {name} is still being filled"),
            (not (empty and restored.point.size_bytes), f"table {name} is empty, its backup is not"),
            *(
                (index["IndexStatus"] == "ACTIVE", f"index {index['IndexName']} is {index['IndexStatus']}")
                for index in indexes
            ),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """The table's name."""
        return {"tableName": resource_id(restored.created_resource_arn)}

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """Protection and PITR off, then the table; none is taken while it is made or changed (API_DeleteTable.html).

        Of a table with PITR DynamoDB would keep a last backup for 35 days (API_BackupDetails.html, BackupType SYSTEM).
        """
        client, name = clients("dynamodb"), restored.metadata["targetTableName"]
        try:
            table = client.describe_table(TableName=name)["Table"]
            if table["TableStatus"] in {"CREATING", "UPDATING", "DELETING"}:
                return Finishing(False, AGAIN_IN_SECONDS, f"table {name} is {table['TableStatus']}")
            if table.get("DeletionProtectionEnabled"):
                client.update_table(TableName=name, DeletionProtectionEnabled=False)
                return Finishing(False, AGAIN_IN_SECONDS, f"deletion protection of table {name} is switched off")
            if _has_pitr(client, name):
                _set_pitr(client, name, on=False)
                return Finishing(False, AGAIN_IN_SECONDS, f"point-in-time recovery of table {name} is switched off")
            client.delete_table(TableName=name)
        except (client.exceptions.ResourceNotFoundException, client.exceptions.TableNotFoundException):
            return Finishing(True)
        except client.exceptions.ContinuousBackupsUnavailableException:
            return Finishing(False, AGAIN_IN_SECONDS, f"continuous backups of table {name} are not settled yet")
        return Finishing(False, AGAIN_IN_SECONDS, f"table {name} is being deleted")


def _being_filled(table: Mapping[str, Any]) -> bool:
    return bool(table.get("RestoreSummary", {}).get("RestoreInProgress"))


def _has_pitr(client: Any, name: str) -> bool:
    state = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return bool(state.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED")


def _set_pitr(client: Any, name: str, *, on: bool) -> None:
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
    )


def _switch_on_ttl(client: Any, name: str, attribute: str | None) -> None:
    if not attribute:
        return
    state = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if state.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
        )


def _changes(table: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The UpdateTable parameters that are still missing."""
    view = options.get("streamViewType")
    if view and not table.get("StreamSpecification", {}).get("StreamEnabled"):
        yield {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": view}}
    if options.get("deletionProtection") and not table.get("DeletionProtectionEnabled"):
        yield {"DeletionProtectionEnabled": True}
