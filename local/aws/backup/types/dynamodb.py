"""DynamoDB tables (backups with advanced features, the only ones an air-gapped vault takes)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import RestoreProblem, Snapshot, Target, check_key, gone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context

_BATCH = 25


@dataclass(frozen=True)
class Table:
    """A table's items and what of its definition a restore brings back."""

    name: str
    definition: dict[str, Any]
    items: list[dict[str, Any]]


class DynamoDB:
    """Restores a new table: items, keys, indexes and billing; not tags, TTL, PITR, streams or scaling."""

    resource_type = "DynamoDB"
    arn_prefix = "arn:aws:dynamodb:"
    keys = frozenset({"targetTableName", "encryptionType", "kmsMasterKeyArn", "aws:backup:request-id"})
    required = frozenset({"targetTableName"})
    any_case = True
    allows_tags = False
    native_arn: str | None = None

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """Every item, and the table's definition."""
        client = context.clients("dynamodb", account, region)
        name = arn.rpartition("/")[2]
        try:
            table = client.describe_table(TableName=name)["Table"]
        except client.exceptions.ResourceNotFoundException:
            raise gone(arn) from None
        pages = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"]]
        size = sum(len(json.dumps(item, default=repr)) for item in items)
        tags = {tag["Key"]: tag["Value"] for tag in client.list_tags_of_resource(ResourceArn=arn)["Tags"]}
        return Snapshot(name, size, Table(name, _definition(table), items), tags)

    def restore_metadata(self, content: Table) -> dict[str, str | None]:
        """The original table's name, as seen in AWS's own lab."""
        return {"originalTableName": content.name}

    def check(self, target: Target, _content: Table, metadata: Mapping[str, str]) -> None:
        """The target table must not exist; the original key can't be used from another account."""
        encryption = metadata.get("encryptionType")
        if encryption not in ("Default", "KMS", None):
            raise RestoreProblem(f"Invalid restore metadata. encryptionType {encryption!r}")
        if encryption is None and target.crosses_accounts:
            # Unspecified means the original key, and an AWS owned key can't be shared (restoring-ddb.html).
            raise RestoreProblem("The encryption key of the original table can't be used in this account")
        if encryption == "KMS":
            check_key(target, metadata.get("kmsMasterKeyArn"))
        client = target.client("dynamodb")
        try:
            client.describe_table(TableName=metadata["targetTableName"])
        except client.exceptions.ResourceNotFoundException:
            return
        except ClientError as error:
            raise RestoreProblem(f"Invalid restore metadata. targetTableName: {error}") from error
        raise RestoreProblem(f"Table already exists: {metadata['targetTableName']}")

    def restore(self, target: Target, content: Table, metadata: Mapping[str, str]) -> str:
        """Create the table and write the items."""
        client = target.client("dynamodb")
        name = metadata["targetTableName"]
        extra: dict[str, Any] = {}
        if metadata.get("encryptionType") == "KMS":
            extra["SSESpecification"] = {
                "Enabled": True,
                "SSEType": "KMS",
                "KMSMasterKeyId": metadata["kmsMasterKeyArn"],
            }
        created = client.create_table(TableName=name, **content.definition, **extra)
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        for start in range(0, len(content.items), _BATCH):
            puts = [{"PutRequest": {"Item": item}} for item in content.items[start : start + _BATCH]]
            left = {name: puts}
            while left:
                left = client.batch_write_item(RequestItems=left)["UnprocessedItems"]
        return str(created["TableDescription"]["TableArn"])


def _definition(table: Mapping[str, Any]) -> dict[str, Any]:
    on_demand = table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST"
    definition: dict[str, Any] = {
        "AttributeDefinitions": table["AttributeDefinitions"],
        "KeySchema": table["KeySchema"],
        "BillingMode": "PAY_PER_REQUEST" if on_demand else "PROVISIONED",
    }
    if not on_demand:
        definition["ProvisionedThroughput"] = _throughput(table)
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        indexes = [
            {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
            | ({"ProvisionedThroughput": _throughput(index)} if kind.startswith("Global") and not on_demand else {})
            for index in table.get(kind) or ()
        ]
        if indexes:
            definition[kind] = indexes
    return definition


def _throughput(described: Mapping[str, Any]) -> dict[str, int]:
    throughput = described["ProvisionedThroughput"]
    return {name: throughput[name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")}
