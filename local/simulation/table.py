"""The ledger's table in memory. moto copies a whole table for each transaction; a recovery makes thousands."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any

from local.simulation.expressions import Expressions, Item, Refused
from local.simulation.sdk import ELSEWHERE, Call, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_ITEM, _PAGE = 400 * 1024, 1024 * 1024  # bytes (ServiceQuotas.html, Query.Pagination.html)
_ACTIONS, _TRANSACTION = 100, 4 * 1024 * 1024  # of a transaction; bytes of its items (API_TransactWriteItems.html)

_OF_TABLES = ("Table", "TimeToLive", "ContinuousBackups")
"""Operations on the table as a whole, whose description stays moto's."""


class Table:
    """One table with a string partition key and sort key, and local indexes by a string attribute."""

    def __init__(self, hash_key: str, sort_key: str, indexes: Mapping[str, str]) -> None:
        self.hash_key, self.sort_key, self.indexes = hash_key, sort_key, indexes
        self.items: dict[str, dict[str, Item]] = {}
        self._order: dict[tuple[str, str | None], list[tuple[str, str]]] = {}
        self._sizes: dict[tuple[str, str], int] = {}

    def get(self, pk: str, sk: str) -> Item | None:
        return self.items.get(pk, {}).get(sk)

    def put(self, pk: str, sk: str, item: Item | None) -> None:
        """Replaces an item; None takes it away."""
        old = self.get(pk, sk)
        self._sizes.pop((pk, sk), None)
        sorted_by: list[tuple[str | None, str]] = [(None, self.sort_key), *self.indexes.items()]
        for index, attribute in sorted_by:
            order = self._order.setdefault((pk, index), [])
            before, after = (each[attribute]["S"] if each and attribute in each else None for each in (old, item))
            if before == after:
                continue
            if before is not None:
                del order[bisect_left(order, (before, sk))]
            if after is not None:
                insort(order, (after, sk))
        if item is None:
            self.items.get(pk, {}).pop(sk, None)
        else:
            self.items.setdefault(pk, {})[sk] = item

    def size(self, pk: str, sk: str) -> int:
        """Of an item, in bytes."""
        if (pk, sk) not in self._sizes:
            self._sizes[pk, sk] = _size(self.items[pk][sk])
        return self._sizes[pk, sk]

    def sorted(self, pk: str, index: str | None, after: Item | None, *, ascending: bool) -> Iterator[Item]:
        """A partition's items by the table's or an index's sort key, from the one after the given key."""
        order = self._order.get((pk, index), [])
        start, end = 0, len(order)
        if after:
            last = after[self.indexes[index] if index else self.sort_key]["S"], after[self.sort_key]["S"]
            start, end = (bisect_right(order, last), end) if ascending else (start, bisect_left(order, last))
        for place in range(start, end) if ascending else range(end - 1, start - 1, -1):
            yield self.items[pk][order[place][1]]


class Tables:
    """Answers the calls on tables that lie here; all others go to moto."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str], Table] = {}

    def add(self, account: str, name: str, definition: Mapping[str, Any]) -> None:
        """Takes a table over, as CreateTable describes it."""
        keys = {key["KeyType"]: key["AttributeName"] for key in definition["KeySchema"]}
        indexes = {
            index["IndexName"]: next(k["AttributeName"] for k in index["KeySchema"] if k["KeyType"] == "RANGE")
            for index in definition.get("LocalSecondaryIndexes", [])
        }
        self._tables[account, name] = Table(keys["HASH"], keys["RANGE"], indexes)

    def facade(self, call: Call) -> Mapping[str, Any] | None:
        """Answers GetItem, Query, Scan and TransactWriteItems."""
        answers: dict[str, Callable[[Call], Mapping[str, Any]]] = {
            "GetItem": self._get,
            "Query": self._query,
            "Scan": self._scan,
            "TransactWriteItems": self._transact,
        }
        names = {str(call.params.get("TableName"))}
        for action in call.params.get("TransactItems", []):
            names |= {each["TableName"] for each in action.values()}
        if not any((call.account, name) in self._tables for name in names):
            return ELSEWHERE
        if call.operation.endswith(_OF_TABLES):
            return ELSEWHERE
        if call.operation not in answers:
            raise ServiceError("UnsupportedLocally", f"dynamodb:{call.operation} on the ledger is not simulated.", 501)
        try:
            return answers[call.operation](call)
        except Refused as refused:
            raise ServiceError("ValidationException", str(refused)) from refused

    def _table(self, call: Call, name: str) -> Table:
        return self._tables[call.account, name]

    def _get(self, call: Call) -> Mapping[str, Any]:
        table = self._table(call, call.params["TableName"])
        found = table.get(*_key(table, call.params["Key"]))
        return {"Item": dict(found)} if found else {}

    def _query(self, call: Call) -> Mapping[str, Any]:
        asked = call.params
        table = self._table(call, asked["TableName"])
        expressions = Expressions(asked)
        meets = expressions.condition(asked["KeyConditionExpression"])
        expressions.done()
        # The partition is asked for by equality, so one of the values is its key.
        pks = [value["S"] for value in asked["ExpressionAttributeValues"].values() if value.get("S") in table.items]
        index = asked.get("IndexName")
        if index is not None and index not in table.indexes:
            raise Refused(f"The table does not have the specified index: {index}")
        after, ascending = asked.get("ExclusiveStartKey"), asked.get("ScanIndexForward", True)
        found = (item for pk in pks[:1] for item in table.sorted(pk, index, after, ascending=ascending))
        return _page(table, filter(meets, found), asked.get("Limit"), index)

    def _scan(self, call: Call) -> Mapping[str, Any]:
        table = self._table(call, call.params["TableName"])
        every = (item for items in table.items.values() for item in items.values())
        if after := call.params.get("ExclusiveStartKey"):
            next(item for item in every if _key(table, item) == _key(table, after))
        return _page(table, every, None, None)

    def _transact(self, call: Call) -> Mapping[str, Any]:
        actions = [next(iter(action.items())) for action in call.params["TransactItems"]]
        if len(actions) > _ACTIONS:
            raise Refused(f"Member must have length less than or equal to {_ACTIONS}")
        table = self._table(call, actions[0][1]["TableName"])
        changes: dict[tuple[str, str], Item | None] = {}
        reasons, size = [], 0
        for kind, request in actions:
            key = _key(table, request["Item"] if kind == "Put" else request["Key"])
            if key in changes:
                raise Refused("Transaction request cannot include multiple operations on one item")
            old = table.get(*key)
            expressions = Expressions(request)
            condition = request.get("ConditionExpression")
            holds = expressions.condition(condition)(old or {}) if condition else True
            changes[key], bytes_ = _changed(table, kind, request, old, expressions)
            size += bytes_
            expressions.done()
            code = {"Code": "None"} if holds else {"Code": "ConditionalCheckFailed"}
            reasons.append(code)
        if size > _TRANSACTION:
            raise Refused("The aggregate size of the items in the transaction has exceeded 4 MB")
        if any(reason["Code"] != "None" for reason in reasons):
            codes = ", ".join(reason["Code"] for reason in reasons)
            text = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            raise ServiceError("TransactionCanceledException", text, CancellationReasons=reasons)
        for key, item in changes.items():
            table.put(*key, item)
        return {}


def _changed(
    table: Table, kind: str, request: Mapping[str, Any], old: Item | None, expressions: Expressions
) -> tuple[Item | None, int]:
    """The item after one action of a transaction, None if there is none, and the bytes that count."""
    if kind == "ConditionCheck":
        return old, _size(old or {})
    if kind == "Delete":
        return None, _size(old or {})
    item: Item = dict(request["Item"]) if kind == "Put" else {**(old or {}), **request["Key"]}
    if kind == "Update":
        expressions.update(request["UpdateExpression"])(item)
    if any(item[name] != value for name, value in request.get("Key", {}).items()):
        raise Refused("Cannot update attribute. This attribute is part of the key")
    for attribute in table.indexes.values():
        if attribute in item and not item[attribute].get("S"):
            raise Refused(f"Type mismatch for Index Key {attribute}: expected a string that is not empty")
    size = _size(item)
    if size > _ITEM:
        raise Refused("Item size has exceeded the maximum allowed size")
    return item, size


def _key(table: Table, attributes: Mapping[str, Any]) -> tuple[str, str]:
    pk, sk = (attributes.get(name, {}).get("S") for name in (table.hash_key, table.sort_key))
    if not pk or not sk:
        raise Refused("The provided key element does not match the schema, or is an empty string")
    return pk, sk


def _page(table: Table, items: Iterator[Item], limit: int | None, index: str | None) -> Mapping[str, Any]:
    """Up to a megabyte of items, and where the next page begins."""
    keys = [table.hash_key, table.sort_key, *([table.indexes[index]] if index else [])]
    page: list[Item] = []
    size = 0
    for item in items:
        size += table.size(*_key(table, item))
        page.append(dict(item))
        if size > _PAGE or len(page) == limit:
            break
    answer: dict[str, Any] = {"Items": page, "Count": len(page), "ScannedCount": len(page)}
    if next(items, None):
        answer["LastEvaluatedKey"] = {name: page[-1][name] for name in keys}
    return answer


def _size(item: Item) -> int:
    """About what DynamoDB counts: names and values as UTF-8."""
    return len(json.dumps(item, separators=(",", ":"), ensure_ascii=False, default=str).encode())
