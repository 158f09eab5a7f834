"""Timestream tables; their records come and go through the data door, a file for each day (YYYY-MM-DD)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import RestoreProblem, Snapshot, Target, flag, gone, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context

MEMORY, MAGNETIC = "MemoryStoreRetentionPeriodInHours", "MagneticStoreRetentionPeriodInDays"
_DATABASE_KEYS = ("DestinationDatabase", "DatabaseName")


@dataclass(frozen=True)
class Table:
    """A table's definition and its records by day."""

    described: Mapping[str, Any]
    records: Mapping[str, bytes]


class Timestream:
    """Restores a new table into a database that exists (timestream-restore.html)."""

    resource_type = "Timestream"
    arn_prefix = "arn:aws:timestream:"
    keys = frozenset(
        {
            "aws:backup:request-id",
            "TableName",
            *_DATABASE_KEYS,
            MEMORY,
            MAGNETIC,
            "EnableMagneticStoreWrites",
        }
    )
    required = frozenset({"TableName", MEMORY, MAGNETIC})
    any_case = False
    allows_tags = False
    native_arn: str | None = None

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """Every record as it is now."""
        _, database, _, name = arn.split(":", 5)[5].split("/")
        try:
            found = context.clients("timestream-write", account, region).describe_table(
                DatabaseName=database, TableName=name
            )["Table"]
        except ClientError:
            raise gone(arn) from None
        records = context.doors.read_files(account, region, f"{database}/{name}")
        return Snapshot(name, sum(len(day) for day in records.values()), Table(found, records))

    def restore_metadata(self, content: Table) -> dict[str, str | None]:
        """Names and retention of the source (inferred: nothing is published about what AWS returns)."""
        kept = content.described["RetentionProperties"]
        return {
            "TableName": content.described["TableName"],
            "DatabaseName": content.described["DatabaseName"],
            MEMORY: str(kept[MEMORY]),
            MAGNETIC: str(kept[MAGNETIC]),
        }

    def check(self, target: Target, _content: Table, metadata: Mapping[str, str]) -> None:
        """The database must exist and have no such table."""
        number(metadata, MEMORY)
        number(metadata, MAGNETIC)
        flag(metadata, "EnableMagneticStoreWrites", "false")
        client, database = target.client("timestream-write"), _database(metadata)
        try:
            client.describe_database(DatabaseName=database)
        except ClientError as error:
            raise RestoreProblem(f"The database {database} does not exist.") from error
        try:
            client.describe_table(DatabaseName=database, TableName=metadata["TableName"])
        except client.exceptions.ResourceNotFoundException:
            return
        raise RestoreProblem(f"The table {metadata['TableName']} already exists in {database}.")

    def restore(self, target: Target, content: Table, metadata: Mapping[str, str]) -> str:
        """Create the table; what is older than its magnetic retention is lost (timestream-restore.html)."""
        database, name, days = _database(metadata), metadata["TableName"], number(metadata, MAGNETIC) or 0
        writes = flag(metadata, "EnableMagneticStoreWrites", "false")
        made = target.client("timestream-write").create_table(
            DatabaseName=database,
            TableName=name,
            RetentionProperties={MEMORY: number(metadata, MEMORY), MAGNETIC: days},
            MagneticStoreWriteProperties={"EnableMagneticStoreWrites": writes},
        )["Table"]
        today = datetime.fromtimestamp(target.started, UTC).date()
        kept = {
            day: records for day, records in content.records.items() if (today - date.fromisoformat(day)).days <= days
        }
        target.context.doors.write_files(target.account, target.region, f"{database}/{name}", kept)
        return str(made["Arn"])


def _database(metadata: Mapping[str, str]) -> str:
    """The page lists one key and shows the other in its example: either is taken here, not both (inferred)."""
    given = [metadata[key] for key in _DATABASE_KEYS if key in metadata]
    if len(given) != 1:
        raise RestoreProblem(f"Invalid restore metadata. Give one of {', '.join(_DATABASE_KEYS)}.")
    return given[0]
