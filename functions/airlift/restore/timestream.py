"""Timestream for LiveAnalytics tables. Only accounts that used the service before June 2025 can have any.

IAM actions, beside timestream:DescribeEndpoints on *:
- needs, prepare: timestream:DescribeDatabase on arn:aws:timestream:<region>:<recovery account>:database/*
- finish: timestream:DescribeTable, TagResource on …:database/*/table/<restored table>
- validate: timestream:DescribeTable
- delete: timestream:DescribeTable, DeleteTable
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.names import derived_name, source_name
from airlift.restore.base import Family, Finishing, Validation
from airlift.restore.common import airlift_tags, assemble, resource_id, tag_list, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airlift.restore.base import Clients, RecoveryPoint, Restored, Target

AGAIN_IN_SECONDS = 15
MEMORY, MAGNETIC = "MemoryStoreRetentionPeriodInHours", "MagneticStoreRetentionPeriodInDays"


class Timestream(Family):
    """Tables, each into a database that people have made."""

    resource_types = ("Timestream",)
    # timestream-restore.html lists DestinationDatabase and EnableMagneticStoreWrites; its example sends DatabaseName
    # and MagneticStoreWriteProperties. The list is followed (inferred); the plan may follow the example.
    accepted_keys = frozenset(
        {
            "DatabaseName",
            "DestinationDatabase",
            "EnableMagneticStoreWrites",
            MAGNETIC,
            "MagneticStoreWriteProperties",
            MEMORY,
            "TableName",
        }
    )
    option_keys = frozenset({"database"})
    copies_source_tags = False
    concurrent_restores = 1  # aws-backup-limits.html
    # That points tell both under these names is inferred.
    examples = (MappingProxyType({MEMORY: "24", MAGNETIC: "365"}),)

    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """Name, database and retentions. A magnetic retention shorter than the source's would lose data."""
        plan = assemble(self, target.metadata)
        given = {key.lower(): value for key, value in point.restore_metadata.items()}
        kept = {key: plan.get(key) or given.get(key.lower()) for key in (MEMORY, MAGNETIC)}
        missing = [key for key, value in kept.items() if not value]
        if missing:
            raise MetadataRefused(
                f"How long {point.resource_arn} keeps its data is not known from its recovery point.",
                f"give {' and '.join(missing)}, the latter no shorter than the source's, as metadata of Timestream.",
            )
        _refuse_shorter(point, kept[MAGNETIC], given.get(MAGNETIC.lower()))
        database, table = _place(point.resource_arn)
        own = {
            "TableName": derived_name(
                target,
                source_name(point.resource_arn, target.region, f"{database}.{table}"),
                alphabet="a-zA-Z0-9_.-",
                longest=256,
            ),
            "DestinationDatabase": None if "DatabaseName" in plan else target.options.get("database"),
            **kept,
        }
        metadata = assemble(self, own, plan)
        if not {"DestinationDatabase", "DatabaseName"} & metadata.keys():
            raise MetadataRefused(
                f"The plan names no database for {point.resource_arn}: Timestream restores into one that exists.",
                "make one in the recovery account and give Timestream its name as database in the plan's targets.",
            )
        return metadata

    def needs(self, target: Target) -> Iterator[Callable[[Clients], None]]:
        """The database; it is not made, as nothing would say when it may go."""
        plan = assemble(self, target.metadata)
        if database := plan.get("DestinationDatabase") or plan.get("DatabaseName") or target.options.get("database"):
            yield lambda clients: _check_database(clients("timestream-write"), database)

    def prepare(self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
        """The database must exist."""
        _check_database(clients("timestream-write"), _database(metadata))

    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Tags: AWS Backup copies none for this type."""
        client, table = clients("timestream-write"), _table(clients, restored)
        if table is None or table["TableStatus"] != "ACTIVE":
            state = table["TableStatus"] if table else "missing"
            waits = state == "RESTORING"
            doing = f"table {restored.metadata['TableName']} is {state}"
            return Finishing(not waits, AGAIN_IN_SECONDS if waits else 0, doing)
        tags = tag_list(airlift_tags(restored.point, restored.target))
        client.tag_resource(ResourceARN=table["Arn"], Tags=tags)
        return Finishing(True)

    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """State and retention; records are only counted by a query, which is charged."""
        name, table = restored.metadata["TableName"], _table(clients, restored)
        if table is None:
            return Validation(False, f"table {name} does not exist in database {_database(restored.metadata)}")
        days = str(table.get("RetentionProperties", {}).get(MAGNETIC))
        asked = restored.metadata[MAGNETIC]
        return verdict(
            f"table {name} ACTIVE, magnetic store kept {days} days; no record was read",
            (table["TableStatus"] == "ACTIVE", f"table {name} is {table['TableStatus']}, not ACTIVE"),
            (days == asked, f"table {name} keeps its magnetic store {days} days, not {asked}"),
        )

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """Database and table."""
        return {"database": _database(restored.metadata), "table": restored.metadata["TableName"]}

    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """The table, never the database."""
        client, name = clients("timestream-write"), restored.metadata["TableName"]
        table = _table(clients, restored)
        if table is None:
            return Finishing(True)
        if table["TableStatus"] == "ACTIVE":
            try:
                client.delete_table(DatabaseName=_database(restored.metadata), TableName=name)
            except client.exceptions.ResourceNotFoundException:
                return Finishing(True)  # what a repeated DeleteTable may say (API_DeleteTable.html)
        return Finishing(False, AGAIN_IN_SECONDS, f"table {name} is being deleted, or {table['TableStatus']}")


def _place(arn: str) -> tuple[str, str]:
    """Database and table of `…:database/<database>/table/<table>`."""
    database, _, table = resource_id(arn).partition("/table/")
    return database, table


def _refuse_shorter(point: RecoveryPoint, wished: str | None, original: str | None) -> None:
    """Both are numbers of days, as text."""
    if original and original.isdecimal() and not (str(wished).isdecimal() and int(str(wished)) >= int(original)):
        raise MetadataRefused(
            f"{MAGNETIC} of {point.resource_arn} is {original}, in the plan {wished}: data would be lost.",
            f"give at least {original}, or take the key away from the plan's targets.",
        )


def _database(metadata: Mapping[str, str]) -> str:
    return metadata.get("DestinationDatabase") or metadata["DatabaseName"]


def _check_database(client: Any, database: str) -> None:
    try:
        client.describe_database(DatabaseName=database)
    except client.exceptions.ResourceNotFoundException as error:
        raise MetadataRefused(
            f"The Timestream database {database}, which the plan names, does not exist.",
            f"make it with `aws timestream-write create-database --database-name {database}`, or name another.",
        ) from error


def _table(clients: Clients, restored: Restored) -> dict[str, Any] | None:
    client = clients("timestream-write")
    place = {"DatabaseName": _database(restored.metadata), "TableName": restored.metadata["TableName"]}
    try:
        found: dict[str, Any] = client.describe_table(**place)["Table"]
    except client.exceptions.ResourceNotFoundException:
        return None
    return found
