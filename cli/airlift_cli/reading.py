"""The ledger as the command line reads it: a bounded amount each time, however many resources a recovery has.

Queries are eventually consistent, at half the price: a frame that is a second old harms nobody. Single records are read
consistently, since a recovery that was just accepted must be found.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from airlift.errors import UnknownRecovery
from airlift.ledger import OPEN_INDEX, Record, execution_key, history_key, item_key, looked_key, recovery_key
from boto3.dynamodb.conditions import ConditionBase, Key

from airlift_cli.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

ITEMS_READ = 200
"""Resources read for one frame: all of a recovery that has no more, else the first open ones."""
_RECENT_RECOVERIES = 500
_RECENT = 20
"""Looked at for one that runs: accounts have one each."""
_RUNS = 10
"""Ended ones read for an estimate: not each has restored anything."""


class Reading:
    """Reads recoveries from the ledger's table, a boto3 `Table`."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def recovery(self, recovery_id: str) -> Record:
        """Raises UnknownRecovery if the ledger holds none of this id."""
        record = self._get(recovery_key(recovery_id))
        if record is None:
            raise UnknownRecovery(
                f"The ledger holds no recovery {recovery_id}.", "`airlift status` lists the recoveries."
            )
        return record

    def served_by(self, execution_arn: str) -> Record | None:
        """The recovery that an execution runs; None while it has not taken on one."""
        served = self._get(execution_key(execution_arn))
        recovery = self._get(recovery_key(served["recoveryId"])) if served else None
        return recovery if recovery and recovery.get("executionArn") == execution_arn else None

    def recent(self, limit: int) -> list[Record]:
        """The newest recoveries, newest first."""
        listed = islice(self._query(Key("pk").eq("RECOVERIES"), newest_first=True), max(limit, _RECENT_RECOVERIES))
        newest = sorted(listed, key=lambda entry: str(entry["createdAt"]), reverse=True)[:limit]
        return [self.recovery(str(entry["sk"])) for entry in newest]

    def all(self) -> Iterator[Record]:
        """Every recovery there has been."""
        for entry in self._query(Key("pk").eq("RECOVERIES")):
            yield self.recovery(str(entry["sk"]))

    def vaults(self, recovery_id: str) -> Iterator[Record]:
        """The source vaults of one recovery."""
        return self._query(Key("pk").eq(recovery_key(recovery_id)[0]) & Key("sk").begins_with("VAULT#"))

    def running(self) -> str | None:
        """The id of the newest recovery that has not ended; None if all have."""
        recent = self.recent(_RECENT)
        return next((str(recovery["recoveryId"]) for recovery in recent if recovery["state"] != "ENDED"), None)

    def newest(self) -> str | None:
        """The id of the newest recovery that has not ended, else of the newest; None if there is none."""
        return self.running() or next((str(recovery["recoveryId"]) for recovery in self.recent(1)), None)

    def snapshot(self, recovery_id: str, timeline: int = 12) -> Snapshot:
        """One look at a recovery, with the newest `timeline` entries. Raises UnknownRecovery."""
        recovery = self.recovery(recovery_id)
        partition = recovery_key(recovery_id)[0]
        found = list(self._query(Key("pk").eq(partition) & Key("sk").begins_with("V")))
        vaults = sorted(
            (record for record in found if record["sk"].startswith("VAULT#")), key=lambda v: int(v["order"])
        )
        items = [item for vault in vaults for item in self._items(recovery_id, vault)]
        entries = islice(self._timeline(partition, newest_first=True, limit=timeline), timeline)
        before = self.history(str(recovery["account"]), newest=_RUNS) if recovery["state"] == "RUNNING" else ()
        return Snapshot(
            recovery,
            tuple(vaults),
            tuple(record for record in found if record["sk"].startswith("VOTE#")),
            tuple(sorted(items, key=lambda i: (i["wave"], i["priority"], i["resourceArn"]))),
            tuple(reversed(list(entries))),
            tuple(before),
        )

    def points(self, recovery_id: str, resource_arn: str | None) -> Iterator[tuple[Record, Record]]:
        """Items of a recovery, all or those of one resource, each with what is known of the points looked at.

        Of all items only their own record is read, and `{}` given for the rest.
        """
        self.recovery(recovery_id)
        for vault in sorted(self.vaults(recovery_id), key=lambda vault: int(vault["order"])):
            arn = str(vault["sourceBackupVaultArn"])
            if resource_arn is None:
                partition = item_key(recovery_id, arn, "")[0]
                yield from ((item, {}) for item in self._query(Key("pk").eq(partition)))
            elif item := self._get(item_key(recovery_id, arn, resource_arn)):
                yield item, self._get(looked_key(recovery_id, arn, resource_arn)) or {}

    def outcomes(self, recovery_id: str, vaults: Iterable[Record]) -> Iterator[Record]:
        """Of every resource of a recovery, however many, `state` and, if it has one, `endedAt`."""
        for vault in vaults:
            partition = item_key(recovery_id, str(vault["sourceBackupVaultArn"]), "")[0]
            yield from self._query(Key("pk").eq(partition), only=("state", "endedAt"))

    def history(self, account: str = "", *, newest: int = 0) -> Iterator[Record]:
        """What ended recoveries took, of one account or of all, by account and time; or the `newest` few, backwards."""
        pk, prefix = history_key(account, "", "")
        all_of_them: ConditionBase = Key("pk").eq(pk)
        within = all_of_them & Key("sk").begins_with(prefix.removesuffix("#")) if account else all_of_them
        found = self._query(within, newest_first=bool(newest), limit=newest)
        return islice(found, newest) if newest else found

    def timeline_since(self, recovery_id: str, since: datetime | None) -> Iterator[Record]:
        """The timeline from a moment on, or all of it, oldest first."""
        yield from self._timeline(recovery_key(recovery_id)[0], since=since)

    def _items(self, recovery_id: str, vault: Record) -> Iterator[Record]:
        partition = f"{recovery_key(recovery_id)[0]}#{vault['sourceBackupVaultArn']}"
        # While points are being selected the number is not known yet, and there may be very many.
        if int(vault.get("selected", ITEMS_READ + 1)) <= ITEMS_READ:
            return self._query(Key("pk").eq(partition) & Key("sk").begins_with("ITEM#"))
        open_ones = self._query(Key("pk").eq(partition), index=OPEN_INDEX, limit=ITEMS_READ)
        return islice(open_ones, ITEMS_READ)

    def _timeline(
        self, partition: str, *, since: datetime | None = None, newest_first: bool = False, limit: int = 0
    ) -> Iterator[Record]:
        start = f"{since:%Y-%m-%dT%H:%M:%S}" if since else ""
        within = Key("sk").between(f"TIMELINE#{start}", "TIMELINE#~")
        return self._query(Key("pk").eq(partition) & within, newest_first=newest_first, limit=limit)

    def _get(self, key: tuple[str, str]) -> Record | None:
        item = self._table.get_item(Key={"pk": key[0], "sk": key[1]}, ConsistentRead=True).get("Item")
        return _plain(item) if item else None

    def _query(
        self,
        condition: ConditionBase,
        *,
        index: str = "",
        newest_first: bool = False,
        limit: int = 0,
        only: tuple[str, ...] = (),
    ) -> Iterator[Record]:
        request: dict[str, Any] = {"KeyConditionExpression": condition, "ScanIndexForward": not newest_first}
        request |= {"IndexName": index} if index else {}
        request |= {"Limit": limit} if limit else {}
        if only:  # `state` is one of DynamoDB's reserved words
            names = {f"#{name}": name for name in only}
            request |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        while True:
            page = self._table.query(**request)
            yield from map(_plain, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _plain(value: Any) -> Any:
    """Numbers as int or float, as the rest of Airlift has them."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value
