"""The one place where state lives: a DynamoDB table, written by condition only.

| partition key              | sort key                  | what                                                       |
|----------------------------|---------------------------|------------------------------------------------------------|
| ACCOUNT#<account>          | LOCK                      | which recovery, and which execution of it, may write       |
| ACCOUNT#<account>          | TRIGGER#<id>              | a trigger seen, with its first sign; forgotten after 90 d  |
| RECOVERIES                 | <recovery id>             | list of all recoveries, newest last                        |
| EXECUTION#<arn>            | EXECUTION                 | which recovery an execution served                         |
| RECOVERY#<id>              | RECOVERY                  | the recovery                                               |
| RECOVERY#<id>              | VAULT#<vault arn>         | one source vault: request, approval, progress, ending      |
| RECOVERY#<id>              | VOTE#<vault>#<approver>   | one vote                                                   |
| RECOVERY#<id>              | TIMELINE#<time>#<key>     | one thing that happened, written once                      |
| RECOVERY#<id>#<vault arn>  | ITEM#<resource arn>       | one selected resource and its attempts                     |
| PACE#<region>              | PACE                      | the next free slot for StartRestoreJob                     |

An item that has no outcome yet carries `open` (`<wave>#<priority>#<resource arn>`), the sort key of a sparse local index,
so that the open ones are read in order and consistently however many there are in all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from airlift.errors import AirliftError, Superseded

Record = dict[str, Any]
"""One record as the ledger holds it, numbers as int or float."""

OPEN_INDEX = "open"
_CONFLICT_TRIES = 6


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

    `only_if` names values that attributes must have (None: must be absent); `only_if_past` names time attributes that
    must be absent or lie before the given epoch seconds; `create` allows the record not to exist yet.
    """

    key: tuple[str, str]
    values: Mapping[str, Any]
    remove: tuple[str, ...] = ()
    only_if: Mapping[str, Any] = field(default_factory=dict)
    only_if_past: Mapping[str, float] = field(default_factory=dict)
    create: bool = False


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


def execution_key(execution_arn: str) -> tuple[str, str]:
    return f"EXECUTION#{execution_arn}", "EXECUTION"


def keyed(key: tuple[str, str], **attributes: Any) -> Record:
    """A record with its key, attributes that are None left out."""
    return {"pk": key[0], "sk": key[1], **{k: v for k, v in attributes.items() if v is not None}}


class Ledger:
    """Reads and conditional writes. `client` is a DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, key: tuple[str, str]) -> Record | None:
        """The record, read consistently, or None."""
        answer = self._client.get_item(
            TableName=self._table, Key=_encode({"pk": key[0], "sk": key[1]}), ConsistentRead=True
        )
        return _decode(answer["Item"]) if "Item" in answer else None

    def query(self, pk: str, prefix: str = "", *, index: str | None = None, newest_first: bool = False) -> Iterator[Record]:
        """All records of a partition whose sort key starts with `prefix`, read consistently, a page at a time."""
        sort_key = index or "sk"
        condition = "pk = :pk" + (" AND begins_with(#sk, :prefix)" if prefix else "")
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": _encode({":pk": pk, **({":prefix": prefix} if prefix else {})}),
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
        }
        if prefix:
            request["ExpressionAttributeNames"] = {"#sk": sort_key}
        if index:
            request["IndexName"] = index
        while True:
            page = self._client.query(**request)
            yield from (_decode(record) for record in page["Items"])
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def write(self, *changes: Put | Update, holder: Holder | None = None) -> None:
        """Makes all changes or none.

        With a `holder` the account's lock is checked in the same transaction: raises `Superseded` if another
        execution holds it. Raises `Conflict` if a condition of a change does not hold.
        """
        actions = [self._action(change) for change in changes]
        if holder:
            actions.insert(0, self._lock_check(holder))
        for left in reversed(range(_CONFLICT_TRIES)):
            try:
                self._client.transact_write_items(TransactItems=actions)
            except ClientError as error:
                codes = [r.get("Code") for r in error.response.get("CancellationReasons", [])]
                if "ConditionalCheckFailed" in codes:
                    raise _refusal(holder, codes, changes) from error
                if "TransactionConflict" not in codes or not left:
                    raise
                time.sleep(0.05 * (_CONFLICT_TRIES - left))
            else:
                return

    def _action(self, change: Put | Update) -> dict[str, Any]:
        if isinstance(change, Put):
            put: dict[str, Any] = {"TableName": self._table, "Item": _encode(change.record)}
            if not change.replace:
                put["ConditionExpression"] = "attribute_not_exists(pk)"
            return {"Put": put}
        return {"Update": self._update(change)}

    def _update(self, change: Update) -> dict[str, Any]:
        names: dict[str, str] = {}
        values: dict[str, Any] = {}

        def name(attribute: str) -> str:
            return names.setdefault(attribute, f"#a{len(names)}")

        def value(v: Any) -> str:
            values[f":v{len(values)}"] = v
            return f":v{len(values) - 1}"

        given = {k: v for k, v in change.values.items() if v is not None}
        gone = [*change.remove, *(k for k, v in change.values.items() if v is None)]
        parts = []
        if given:
            parts.append("SET " + ", ".join(f"{name(k)} = {value(v)}" for k, v in given.items()))
        if gone:
            parts.append("REMOVE " + ", ".join(name(k) for k in gone))
        conditions = [] if change.create else ["attribute_exists(pk)"]
        for attribute, expected in change.only_if.items():
            holds = f"attribute_not_exists({name(attribute)})"
            conditions.append(holds if expected is None else f"{name(attribute)} = {value(expected)}")
        for attribute, moment in change.only_if_past.items():
            absent = f"attribute_not_exists({name(attribute)})"
            conditions.append(f"({absent} OR {name(attribute)} < {value(moment)})")
        request: dict[str, Any] = {
            "TableName": self._table,
            "Key": _encode({"pk": change.key[0], "sk": change.key[1]}),
            "UpdateExpression": " ".join(parts),
            "ExpressionAttributeNames": {placeholder: attribute for attribute, placeholder in names.items()},
        }
        if values:
            request["ExpressionAttributeValues"] = _encode(values)
        if conditions:
            request["ConditionExpression"] = " AND ".join(conditions)
        return request

    def _lock_check(self, holder: Holder) -> dict[str, Any]:
        pk, sk = lock_key(holder.account)
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": _encode({"pk": pk, "sk": sk}),
                "ConditionExpression": "executionArn = :holder",
                "ExpressionAttributeValues": _encode({":holder": holder.execution_arn}),
            }
        }


def _refusal(holder: Holder | None, codes: list[Any], changes: tuple[Put | Update, ...]) -> AirliftError:
    if holder and codes[0] == "ConditionalCheckFailed":
        return Superseded(
            f"{holder.execution_arn} no longer holds the lock of account {holder.account}.",
            "nothing; another execution carries on, see `airlift status`.",
        )
    changed = changes[codes.index("ConditionalCheckFailed") - (1 if holder else 0)]
    key = (changed.record["pk"], changed.record["sk"]) if isinstance(changed, Put) else changed.key
    return Conflict(f"The ledger's record {key[0]} / {key[1]} has changed meanwhile.", "the step is tried again.")


_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()


def _encode(record: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _SERIALIZER.serialize(_decimal(v)) for k, v in record.items()}


def _decimal(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {k: _decimal(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_decimal(v) for v in value]
    return value


def _decode(item: Mapping[str, Any]) -> Record:
    return {k: _number(_DESERIALIZER.deserialize(v)) for k, v in item.items()}


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {k: _number(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_number(v) for v in value]
    return value
