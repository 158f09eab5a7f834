"""What a JSONata expression refers to outside itself, for the checks when a state machine is created."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jsonata.parser import Parser  # type: ignore[import-untyped]

from local.asl.jsonata import compiled

DEEPER = ("stages", "predicate", "group", "terms", "update", "pattern")
"""Parts of a node that are evaluated against what the node itself gives."""


@dataclass
class References:
    """Free names: variables and functions, fields of ``$states``, and ``bare`` ones that need a document."""

    variables: set[str] = field(default_factory=set)
    states: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)


def references(text: str) -> References:
    """The free names of an expression. Raises ValueError if it isn't JSONata 2.0.6."""
    found = References()
    _walk(compiled(text).ast, found, set(), context=False)
    return found


def _walk(node: Any, found: References, bound: set[str], *, context: bool) -> None:
    """``bound``: names the expression itself defines; ``context``: whether there is something to select from."""
    if isinstance(node, list | tuple):
        for child in node:
            _walk(child, found, bound, context=context)
    if not isinstance(node, Parser.Symbol):
        return
    children = {name: child for name, child in vars(node).items() if name != "_outer_instance"}
    for name in DEEPER:
        _walk(children.pop(name, None), found, bound, context=True)
    kind = getattr(node, "type", None)
    if kind in ("variable", "name"):
        _name(node, found, bound, context=context)
    elif kind == "path":
        _path(node.steps, found, set(bound), context=context)
    elif kind == "bind":
        if getattr(node.rhs, "type", None) == "lambda":  # it may call itself
            bound.add(node.lhs.value)
        _walk(node.rhs, found, bound, context=context)
        bound.add(node.lhs.value)
    elif kind == "lambda":
        _walk(node.body, found, bound | {argument.value for argument in node.arguments}, context=context)
    else:
        scope = set(bound) if kind == "block" else bound
        _walk(list(children.values()), found, scope, context=context)


def _name(node: Any, found: References, bound: set[str], *, context: bool) -> None:
    if node.type == "name":
        if not context:
            found.bare.add(str(node.value))
    elif node.value == "$" or (node.value == "" and not context):
        found.bare.add("$" + node.value)
    elif node.value and node.value not in bound:
        found.variables.add(node.value)


def _path(steps: Any, found: References, bound: set[str], *, context: bool) -> None:
    if getattr(steps[0], "value", None) == "states" and len(steps) > 1:
        found.states.add(str(steps[1].value))
    for number, step in enumerate(steps):
        bound.update(filter(None, (getattr(step, "focus", None), getattr(step, "index", None))))
        _walk(step, found, bound, context=context or number > 0)
