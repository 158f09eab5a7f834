"""The one place where state lives: a DynamoDB table, written by condition only.

| partition key              | sort key                  | what                                                       |
|----------------------------|---------------------------|------------------------------------------------------------|
| ACCOUNT#<account>          | LOCK                      | which recovery, and which execution of it, may write       |
| ACCOUNT#<account>          | TRIGGER#<id>              | a trigger seen, with its first sign; forgotten after 90 d  |
| ACCOUNT#<account>          | LAST                      | when the account's last recovery ended                     |
| ACCOUNT#<account>          | TOLD#<permission>         | when people were last told of a sign of compromise         |
| ACCOUNT#… or RECOVERY#…    | NOTICE#<name>             | one notice to people, published or not yet                 |
| RECOVERY#<id>              | EVENT#<time>#<kind>#<name> | events for other tools; `open` until they are sent        |
| FORWARDING                 | <detector>#<Region>       | when its last daily check came                             |
| RECOVERIES                 | <recovery id>             | list of all recoveries, newest last                        |
| HISTORY                    | <account>#<began>#<id>    | what an ended recovery took, and what had changed          |
| CHORES                     | <recovery id>             | what the janitor still has to see to                       |
| EXECUTION#<arn>            | EXECUTION                 | which recovery an execution served                         |
| RECOVERY#<id>              | RECOVERY                  | the recovery                                               |
| RECOVERY#<id>              | VAULT#<vault arn>         | one source vault: request, approval, progress, ending      |
| RECOVERY#<id>              | VOTE#<vault>#<approver>   | one vote                                                   |
| RECOVERY#<id>              | TIMELINE#<time>#<key>     | one thing that happened, written once                      |
| RECOVERY#<id>#<vault arn>  | ITEM#<resource arn>       | one selected resource and its attempts                     |
| RECOVERY#<id>#<vault>#LOOKED | LOOKED#<resource arn>   | which points of the resource were looked at, and why taken |
| RECOVERY#<id>              | AGAIN#<resource arn>      | an operator wants it once more, or from a pinned point     |
| RECOVERY#<id>#CLAIMS       | CLAIM#<resource arn>      | which of several vaults restores the resource            |
| PACE#<region>              | PACE                      | the next free slot for StartRestoreJob                     |

An item that has no outcome yet carries `open` (`<wave>#<priority>#<resource arn>`), the sort key of a sparse local
index, so that the open ones are read in order and consistently however many there are in all.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.errors import AirliftError, Superseded, Unavailable
from airlift.expressions import Expressions, decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Record = dict[str, Any]
"""One record as the ledger holds it, numbers as int or float."""

OPEN_INDEX = "open"
PER_WRITE = 90
"""Changes of many records in one write: a transaction takes 100 (API_TransactWriteItems.html), checks included."""
_TRIES = 14
_PASSING = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Cancellation reasons that pass by themselves (API_TransactWriteItems.html)."""


class Conflict(AirliftError):
    """The record is not in the state that the write expected; read it again and decide anew."""


@dataclass(frozen=True)
class Holder:
    """The execution that a writer acts for. Its writes happen only while it holds the account's lock."""

    account: str
    execution_arn: str


@dataclass(frozen=True)
class Put:
    """A record written once: refused with `Conflict` if it exists, unless `replace`."""

    record: Mapping[str, Any]
    replace: bool = False


@dataclass(frozen=True)
class Update:
    """Attributes of one record set or removed.

    A value of None removes the attribute. `only_if` names values that attributes must have (None: must be absent);
    `only_if_past` names time attributes that must be absent or lie before the given epoch seconds; `create` allows the
    record not to exist yet.
    """

    key: tuple[str, str]
    values: Mapping[str, Any]
    only_if: Mapping[str, Any] = field(default_factory=dict)
    only_if_past: Mapping[str, float] = field(default_factory=dict)
    create: bool = False


@dataclass(frozen=True)
class Delete:
    """A record removed if it still has these attributes."""

    key: tuple[str, str]
    only_if: Mapping[str, Any]


Change = Put | Update | Delete


def lock_key(account: str) -> tuple[str, str]:
    return f"ACCOUNT#{account}", "LOCK"


def trigger_key(account: str, trigger_id: str) -> tuple[str, str]:
    return f"ACCOUNT#{account}", f"TRIGGER#{trigger_id}"


def recovery_key(recovery_id: str) -> tuple[str, str]:
    return f"RECOVERY#{recovery_id}", "RECOVERY"


def vault_key(recovery_id: str, vault_arn: str) -> tuple[str, str]:
    return f"RECOVERY#{recovery_id}", f"VAULT#{vault_arn}"


def vote_key(recovery_id: str, vault_arn: str, approver: str) -> tuple[str, str]:
    return f"RECOVERY#{recovery_id}", f"VOTE#{vault_arn}#{approver}"


def item_key(recovery_id: str, vault_arn: str, resource_arn: str) -> tuple[str, str]:
    return f"RECOVERY#{recovery_id}#{vault_arn}", f"ITEM#{resource_arn}"


def looked_key(recovery_id: str, vault_arn: str, resource_arn: str) -> tuple[str, str]:
    return f"RECOVERY#{recovery_id}#{vault_arn}#LOOKED", f"LOOKED#{resource_arn}"


def again_key(recovery_id: str, resource_arn: str) -> tuple[str, str]:
    return f"RECOVERY#{recovery_id}", f"AGAIN#{resource_arn}"


def claim_key(recovery_id: str, resource_arn: str) -> tuple[str, str]:
    return f"RECOVERY#{recovery_id}#CLAIMS", f"CLAIM#{resource_arn}"


def timeline_key(recovery_id: str, at: str, name: str) -> tuple[str, str]:
    return f"RECOVERY#{recovery_id}", f"TIMELINE#{at}#{name}"


def notice_key(pk: str, name: str) -> tuple[str, str]:
    return pk, f"NOTICE#{name}"


def last_key(account: str) -> tuple[str, str]:
    return f"ACCOUNT#{account}", "LAST"


def chore_key(recovery_id: str) -> tuple[str, str]:
    return "CHORES", recovery_id


def history_key(account: str, began: str, recovery_id: str) -> tuple[str, str]:
    return "HISTORY", f"{account}#{began}#{recovery_id}"


def listing_key(recovery_id: str) -> tuple[str, str]:
    return "RECOVERIES", recovery_id


def execution_key(execution_arn: str) -> tuple[str, str]:
    return f"EXECUTION#{execution_arn}", "EXECUTION"


def keyed(key: tuple[str, str], **attributes: Any) -> Record:
    """A record with its key, attributes that are None left out."""
    return {"pk": key[0], "sk": key[1], **{k: v for k, v in attributes.items() if v is not None}}


def merge(record: Record, values: Mapping[str, Any]) -> None:
    """Changes a record in memory as an `Update` with these values changes it in the ledger."""
    record.update(values)
    for name in [name for name, value in values.items() if value is None]:
        record.pop(name)


class Ledger:
    """Reads and conditional writes. `client` is a DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, key: tuple[str, str]) -> Record | None:
        """The record, read consistently, or None."""
        answer = self._client.get_item(TableName=self._table, Key=_key(key), ConsistentRead=True)
        return decoded(answer["Item"]) if "Item" in answer else None

    def query(
        self, pk: str, prefix: str = "", *, index: str | None = None, newest_first: bool = False
    ) -> Iterator[Record]:
        """All records of a partition whose sort key starts with `prefix`, read consistently, a page at a time."""
        sort_key = index or "sk"
        condition = "pk = :pk" + (" AND begins_with(#sk, :prefix)" if prefix else "")
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": encoded({":pk": pk, **({":prefix": prefix} if prefix else {})}),
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
        }
        if prefix:
            request["ExpressionAttributeNames"] = {"#sk": sort_key}
        if index:
            request["IndexName"] = index
        while True:
            page = self._client.query(**request)
            yield from (decoded(record) for record in page["Items"])
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def write(self, *changes: Change, holder: Holder | None = None) -> None:
        """Makes all changes or none.

        With a `holder` the account's lock is checked in the same transaction: raises `Superseded` if another
        execution holds it. Raises `Conflict` if a condition of a change does not hold.
        """
        actions = [self._action(change) for change in changes]
        if holder:
            actions.insert(0, self._lock_check(holder))
        for attempt in range(_TRIES):
            try:
                self._client.transact_write_items(TransactItems=actions)
            except ClientError as error:
                codes = [r.get("Code") for r in error.response.get("CancellationReasons", [])]
                if "ConditionalCheckFailed" in codes:
                    raise _refusal(holder, codes, changes) from error
                if not _PASSING.intersection(codes):
                    raise
                # All writers of a recovery check one lock, so they get in each other's way for moments.
                time.sleep(random.uniform(0, min(2.0, 0.05 * 2**attempt)))  # noqa: S311 (spreads writers)
            else:
                return
        raise Unavailable("The ledger's records are written by too many at once.", "none; the step is tried again.")

    def _action(self, change: Change) -> dict[str, Any]:
        if isinstance(change, Put):
            put: dict[str, Any] = {"TableName": self._table, "Item": encoded(change.record)}
            if not change.replace:
                put["ConditionExpression"] = "attribute_not_exists(pk)"
            return {"Put": put}
        said = Expressions()
        if isinstance(change, Update):
            said.change(change.values)
            if not change.create:
                said.must_exist()
            said.must_be(change.only_if)
            said.must_be_past(change.only_if_past)
        else:
            said.must_exist()
            said.must_be(change.only_if)
        return {type(change).__name__: {"TableName": self._table, "Key": _key(change.key), **said.request()}}

    def _lock_check(self, holder: Holder) -> dict[str, Any]:
        held = Expressions()
        held.must_be({"executionArn": holder.execution_arn})
        return {"ConditionCheck": {"TableName": self._table, "Key": _key(lock_key(holder.account)), **held.request()}}


def _key(key: tuple[str, str]) -> dict[str, Any]:
    return encoded({"pk": key[0], "sk": key[1]})


def _refusal(holder: Holder | None, codes: list[Any], changes: tuple[Change, ...]) -> AirliftError:
    if holder and codes[0] == "ConditionalCheckFailed":
        return Superseded(
            f"{holder.execution_arn} no longer holds the lock of account {holder.account}.",
            "nothing; another execution carries on, see `airlift status`.",
        )
    changed = changes[codes.index("ConditionalCheckFailed") - (1 if holder else 0)]
    key = (changed.record["pk"], changed.record["sk"]) if isinstance(changed, Put) else changed.key
    return Conflict(f"The ledger's record {key[0]} / {key[1]} has changed meanwhile.", "the step is tried again.")
