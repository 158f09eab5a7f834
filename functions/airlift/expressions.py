"""How DynamoDB is told: values in its types, and what is to be changed on which condition as expressions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

_SERIALIZER = TypeSerializer()
_DESERIALIZER = TypeDeserializer()


class Expressions:
    """The expressions of one request. Names and values stand in them by placeholders, so that no word is reserved."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._change = ""
        self._conditions: list[str] = []

    def change(self, values: Mapping[str, Any]) -> None:
        """Attributes to set; those that are None are removed."""
        given = [f"{self._name(name)} = {self._value(value)}" for name, value in values.items() if value is not None]
        gone = [self._name(name) for name, value in values.items() if value is None]
        clauses = [("SET", given), ("REMOVE", gone)]
        self._change = " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses if parts)

    def must_exist(self) -> None:
        """The record must be there."""
        self._conditions.append("attribute_exists(pk)")

    def must_be(self, values: Mapping[str, Any]) -> None:
        """Attributes must have these values; None: must be absent."""
        for name, value in values.items():
            place = self._name(name)
            absent = value is None
            self._conditions.append(f"attribute_not_exists({place})" if absent else f"{place} = {self._value(value)}")

    def must_be_past(self, moments: Mapping[str, float]) -> None:
        """Attributes must be absent, or less than the given epoch seconds."""
        for name, moment in moments.items():
            place = self._name(name)
            self._conditions.append(f"(attribute_not_exists({place}) OR {place} < {self._value(moment)})")

    def request(self) -> dict[str, Any]:
        """The members of an API request that say it; those with nothing to say are left out."""
        said = {
            "UpdateExpression": self._change,
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": {place: name for name, place in self._names.items()},
            "ExpressionAttributeValues": encoded(self._values),
        }
        return {member: value for member, value in said.items() if value}

    def _name(self, attribute: str) -> str:
        return self._names.setdefault(attribute, f"#a{len(self._names)}")

    def _value(self, value: Any) -> str:
        place = f":v{len(self._values)}"
        self._values[place] = value
        return place


def encoded(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record in DynamoDB's types; a float becomes the decimal number that it is written as."""
    return {name: _SERIALIZER.serialize(_decimal(value)) for name, value in record.items()}


def decoded(item: Mapping[str, Any]) -> dict[str, Any]:
    """The same back; whole numbers become int, others float."""
    return {name: _number(_DESERIALIZER.deserialize(value)) for name, value in item.items()}


def _decimal(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {k: _decimal(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_decimal(v) for v in value]
    return value


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {k: _number(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_number(v) for v in value]
    return value
