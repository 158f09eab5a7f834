"""DynamoDB's expressions, as far as a ledger needs them: conditions, key conditions, and SET and REMOVE."""

from __future__ import annotations

import re
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, Any

from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Item = dict[str, dict[str, Any]]
"""An item as the API sends it: attribute → {type: value}."""

_TOKEN = re.compile(r"\s*([#:]?\w+|<>|[<>]=?|[=(),])")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


class Refused(Exception):
    """What DynamoDB answers with a ValidationException."""


class Expressions:
    """The expressions of one request with its names and values. What isn't known, or isn't used, is refused."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self._names = request.get("ExpressionAttributeNames") or {}
        self._values = request.get("ExpressionAttributeValues") or {}
        self._unused = {*self._names, *self._values}
        self._tokens: list[str] = []

    def condition(self, text: str) -> Callable[[Item], bool]:
        """Whether an item ({} for one that isn't there) meets a condition."""
        self._read(text)
        found = self._any()
        self._end(text)
        return found

    def update(self, text: str) -> Callable[[Item], None]:
        """Changes an item by SET and REMOVE clauses."""
        self._read(text)
        given: dict[str, dict[str, Any]] = {}
        gone: list[str] = []
        while self._tokens:
            clause = self._next()
            if clause not in ("SET", "REMOVE"):
                raise Refused(f"UpdateExpression: {clause} is not known here")
            while True:
                name = self._name(self._next())
                if name in given or name in gone:
                    raise Refused(f"Two document paths overlap with each other; {name}")
                if clause == "SET":
                    self._expect("=")
                    given[name] = self._value(self._next())
                else:
                    gone.append(name)
                if not self._take(","):
                    break

        def change(item: Item) -> None:
            item.update(given)
            for name in gone:
                item.pop(name, None)

        return change

    def done(self) -> None:
        """Raises Refused if a name or value was given that no expression uses."""
        if self._unused:
            raise Refused(f"Value unused in expressions: {sorted(self._unused)}")

    def _read(self, text: str) -> None:
        self._tokens = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if not found:
                raise Refused(f"Syntax error at {text[at:]!r}")
            self._tokens.append(found[1])
            at = found.end()

    def _end(self, text: str) -> None:
        if self._tokens:
            raise Refused(f"Syntax error at {' '.join(self._tokens)!r} in {text!r}")

    def _next(self) -> str:
        if not self._tokens:
            raise Refused("Syntax error: the expression ends too early")
        return self._tokens.pop(0)

    def _take(self, token: str) -> bool:
        if self._tokens[:1] != [token]:
            return False
        self._tokens.pop(0)
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise Refused(f"Syntax error: {token} expected before {' '.join(self._tokens[:3])!r}")

    def _any(self) -> Callable[[Item], bool]:
        parts = [self._all()]
        while self._take("OR"):
            parts.append(self._all())
        return lambda item: any(part(item) for part in parts)

    def _all(self) -> Callable[[Item], bool]:
        parts = [self._one()]
        while self._take("AND"):
            parts.append(self._one())
        return lambda item: all(part(item) for part in parts)

    def _one(self) -> Callable[[Item], bool]:
        if self._take("("):
            inner = self._any()
            self._expect(")")
            return inner
        first = self._next()
        if self._take("("):
            return self._function(first)
        name, compare = self._name(first), _COMPARE.get(operator := self._next())
        if compare is None:
            raise Refused(f"Syntax error: {operator} is not known here")
        kind, value = _typed(self._value(self._next()))

        def holds(item: Item) -> bool:
            if name not in item:
                return False
            found, own = _typed(item[name])
            return found == kind and compare(own, value)

        return holds

    def _function(self, function: str) -> Callable[[Item], bool]:
        name = self._name(self._next())
        if function == "begins_with":
            self._expect(",")
            prefix = self._value(self._next())["S"]
            self._expect(")")
            return lambda item: str(item.get(name, {}).get("S", "")).startswith(prefix) and name in item
        self._expect(")")
        if function not in ("attribute_exists", "attribute_not_exists"):
            raise Refused(f"Invalid function name; function: {function}")
        return lambda item: (name in item) == (function == "attribute_exists")

    def _name(self, token: str) -> str:
        if token.startswith("#"):
            return str(self._given(token, self._names))
        if token.upper() in ReservedKeywords.get_reserved_keywords():
            raise Refused(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return token

    def _value(self, token: str) -> dict[str, Any]:
        value: dict[str, Any] = self._given(token, self._values)
        return value

    def _given(self, token: str, given: Mapping[str, Any]) -> Any:
        if token not in given:
            raise Refused(f"An expression attribute name or value used in expression is not defined; {token}")
        self._unused.discard(token)
        return given[token]


def _typed(value: Mapping[str, Any]) -> tuple[str, Any]:
    ((kind, plain),) = value.items()
    return kind, Decimal(plain) if kind == "N" else plain
