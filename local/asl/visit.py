"""What the interpreter carries along: the scope of a line of states, and one visit of a state."""

from __future__ import annotations

import dataclasses
from typing import Any

from local.asl.errors import QueryError
from local.asl.history import dumps
from local.asl.jsonata import is_expression, source


@dataclasses.dataclass
class Scope:
    """What one line of states sees: its variables, its context object, and the event it wrote last."""

    variables: dict[str, Any]
    context: dict[str, Any]
    previous: int

    def inner(self, **context: Any) -> Scope:
        """A scope for an iteration or a branch: it sees these variables and can't change them."""
        return Scope(dict(self.variables), {**self.context, **context}, self.previous)


@dataclasses.dataclass
class Visit:
    """One attempt to run one state."""

    name: str
    state: dict[str, Any]
    data: Any
    scope: Scope
    context: dict[str, Any]


@dataclasses.dataclass
class Outcome:
    """What a state gives: its output, the next state (None: the end) and the variables it assigns."""

    output: Any
    next: str | None
    assigned: dict[str, Any]


def unexpected(field: str, value: Any, expected: str, actual: Any) -> QueryError:
    """The error for an expression whose value has the wrong type."""
    text = source(value) if is_expression(value) else dumps(value)
    kinds = {
        bool: "boolean",
        int: "number",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    kind = kinds.get(type(actual), "null")
    cause = f"The JSONata expression '{text}' specified for the field '{field}' returned an unexpected"
    return QueryError(f"{cause} result type. Expected '{expected}', but was '{kind}'.", field)
