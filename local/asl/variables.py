"""Follows variables along the transitions and checks every expression of a sound definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.asl.errors import Problem
from local.asl.jsonata import BUILT_IN, is_expression, source
from local.asl.references import references

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME_LENGTH = 80
PLAIN = frozenset({"input", "context"})
WITH_RESULT = PLAIN | {"result"}
WITH_ERROR = PLAIN | {"errorOutput"}
RESULT_STATES = ("Task", "Map", "Parallel")
BEFORE = (
    "Arguments",
    "Items",
    "ItemSelector",
    "MaxConcurrency",
    "TimeoutSeconds",
    "Seconds",
    "Timestamp",
    "Error",
    "Cause",
)


def blocks(state: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The state machines inside a Map or Parallel state, with their place in it."""
    if state.get("Type") == "Map" and isinstance(state.get("ItemProcessor"), dict):
        yield "ItemProcessor", state["ItemProcessor"]
    if state.get("Type") == "Parallel" and isinstance(state.get("Branches"), list):
        yield from ((f"Branches[{i}]", b) for i, b in enumerate(state["Branches"]) if isinstance(b, dict))


def edges(state: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where a state can go: (place, next state, what is assigned on the way)."""
    if isinstance(state.get("Next"), str):
        yield "Next", state["Next"], state.get("Assign") or {}
    if isinstance(state.get("Default"), str):
        yield "Default", state["Default"], state.get("Assign") or {}
    for field in ("Choices", "Catch"):
        for number, rule in enumerate(state.get(field) or ()):
            if isinstance(rule, dict) and isinstance(rule.get("Next"), str):
                yield f"{field}[{number}].Next", rule["Next"], rule.get("Assign") or {}


def sites(state: dict[str, Any]) -> Iterator[tuple[str, Any, frozenset[str]]]:
    """Every field that may hold expressions: (place, value, the fields of ``$states`` known there)."""
    for field in BEFORE:
        if field in state:
            yield field, state[field], PLAIN
    after = WITH_RESULT if state["Type"] in RESULT_STATES else PLAIN
    for field in ("Output", "Assign"):
        if field in state:
            yield field, state[field], after
    for group, known in (("Choices", PLAIN), ("Catch", WITH_ERROR)):
        for number, rule in enumerate(state.get(group, ())):
            for field in ("Condition", "Output", "Assign"):
                if field in rule:
                    yield f"{group}[{number}].{field}", rule[field], known


def expressions(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every string inside a field that is, or begins like, an expression."""
    if isinstance(value, str) and value.lstrip().startswith("{%"):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from expressions(f"{place}.{key}", item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from expressions(f"{place}[{number}]", item)


def check_expressions(definition: dict[str, Any], *, strict: bool) -> list[Problem]:
    """Problems of syntax, of names no expression can see, and of variables.

    A variable must have been assigned on some path that leads to its use; ``strict``: on every one.
    """
    problems: list[Problem] = []
    _block(definition, "", frozenset(), frozenset(), strict, problems)
    return list(dict.fromkeys(problems))


def _block(
    block: dict[str, Any],
    path: str,
    outer: frozenset[str],
    known: frozenset[str],
    strict: bool,  # noqa: FBT001
    problems: list[Problem],
) -> None:
    states = block["States"]
    arriving = _flow(block, known, strict, {name: list(edges(state)) for name, state in states.items()})
    assigned = {key for state in states.values() for _, _, assign in edges(state) for key in assign}
    assigned |= {key for state in states.values() for key in state.get("Assign", ())}
    for name, state in states.items():
        place = f"{path}States.{name}"
        if name not in arriving:
            continue
        problems += _names(place, state, outer)
        for field, value, fields in sites(state):
            for spot, text in expressions(f"{place}.{field}", value):
                problems += _expression(spot, text, fields, arriving[name], strict)
        for inner, body in blocks(state):
            _block(body, f"{place}.{inner}.", outer | assigned, arriving[name], strict, problems)


def _flow(
    block: dict[str, Any],
    known: frozenset[str],
    strict: bool,  # noqa: FBT001
    ways: dict[str, list[tuple[str, str, dict[str, Any]]]],
) -> dict[str, frozenset[str]]:
    """The variables that may (strict: must) be set when each state is entered: a fixed point."""
    arriving = {block["StartAt"]: known}
    waiting = [block["StartAt"]]
    while waiting:
        name = waiting.pop()
        for _, target, assign in ways[name]:
            new = arriving[name] | assign.keys()
            old = arriving.get(target)
            merged = new if old is None else (old & new if strict else old | new)
            if merged != old:
                arriving[target] = frozenset(merged)
                waiting.append(target)
    return arriving


def _names(path: str, state: dict[str, Any], outer: frozenset[str]) -> Iterator[Problem]:
    for field, value, _ in sites(state):
        if not field.endswith("Assign"):
            continue
        for name in value:
            place = f"{path}.{field}.{name}"
            if name == "states" or name in BUILT_IN:
                yield Problem(place, "a reserved name", "choose another name")
            elif not name.isidentifier() or len(name) > NAME_LENGTH:
                yield Problem(place, "not a variable's name", "use letters, digits and _, at most 80")
            elif name in outer:
                yield Problem(place, "hides a variable of the outer scope", "choose another name")


def _expression(
    path: str,
    text: str,
    fields: frozenset[str],
    known: frozenset[str],
    strict: bool,  # noqa: FBT001
) -> Iterator[Problem]:
    if not is_expression(text):
        yield Problem(path, "begins like an expression but isn't one", "write exactly {% … %}")
        return
    try:
        used = references(source(text))
    except ValueError as error:
        yield Problem(path, f"not JSONata 2.0.6: {error}", "correct the expression")
        return
    for name in sorted(used.bare):
        yield Problem(path, f"{name} refers to a document, and there is none", "begin with $states or a variable")
    for name in sorted(used.states - fields - {"context"}):
        yield Problem(path, f"$states.{name} does not exist here", f"known here: {', '.join(sorted(fields))}")
    for name in sorted(used.variables - BUILT_IN - {"states"} - known):
        if name == "eval":
            yield Problem(path, "$eval is not available in Step Functions", "use $parse")
        elif f"$exists(${name})" not in text:
            way = "every path" if strict else "any path"
            yield Problem(path, f"${name} is not assigned on {way} that leads here", "assign it before")
