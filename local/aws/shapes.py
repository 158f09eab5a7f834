"""Values held against the shapes of botocore's service models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "list": (list, tuple),
    "map": (dict,),
    "structure": (dict,),
}


SPACED_TYPES = ("Storage Gateway",)
"""AWS Backup's model has a pattern without spaces for a ResourceType, and lists this one as a valid value."""


@dataclass(frozen=True)
class Problem:
    """Why a value does not fit its shape."""

    text: str
    missing: bool = False


def find_problem(value: Any, shape: Any, where: str, *, null_values: bool = False) -> Problem | None:
    """The first way in which `value` breaks `shape`: type, required, unknown, enum, pattern, length, range.

    `null_values` allows nulls as values of a map.
    """
    kind = shape.type_name
    expected = _PYTHON_TYPES.get(kind)
    wrong_bool = isinstance(value, bool) and kind != "boolean"
    if value is None or wrong_bool or (expected and not isinstance(value, expected)):
        return Problem(f"{where or shape.name} must be a {kind}, not {type(value).__name__}")
    if kind == "structure":
        return _structure_problem(value, shape, where, null_values=null_values)
    if kind in ("list", "map"):
        items = value.items() if kind == "map" else enumerate(value)
        inner = shape.value if kind == "map" else shape.member
        for key, item in items:
            if item is None and kind == "map" and null_values:
                continue
            found = find_problem(item, inner, f"{where}[{key}]", null_values=null_values)
            if found:
                return found
    return _constraint_problem(value, shape, where)


def _structure_problem(value: Mapping[str, Any], shape: Any, where: str, *, null_values: bool) -> Problem | None:
    prefix = f"{where}." if where else ""
    missing = next((name for name in shape.required_members if name not in value), None)
    if missing:
        return Problem(f"{prefix}{missing} is required", missing=True)
    for name, item in value.items():
        if name not in shape.members:
            return Problem(f"{prefix}{name} is not a member of {shape.name}")
        found = find_problem(item, shape.members[name], f"{prefix}{name}", null_values=null_values)
        if found:
            return found
    return None


def _constraint_problem(value: Any, shape: Any, where: str) -> Problem | None:
    rules = shape.metadata
    size = value if isinstance(value, (int, float)) else len(value)
    if "min" in rules and size < rules["min"]:
        return Problem(f"{where} is below the minimum of {rules['min']}")
    if "max" in rules and size > rules["max"]:
        return Problem(f"{where} is above the maximum of {rules['max']}")
    if rules.get("enum") and value not in rules["enum"]:
        return Problem(f"{where} must be one of {', '.join(rules['enum'])}")
    if shape.name == "ResourceType" and value in SPACED_TYPES:
        return None
    if "pattern" in rules and isinstance(value, str) and not _pattern(rules["pattern"]).fullmatch(value):
        return Problem(f"{where} does not match {rules['pattern']}")
    return None


_CLASSES = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}
"""Unicode classes of the models' patterns, as near as Python's have them."""


@lru_cache
def _pattern(text: str) -> re.Pattern[str]:
    for theirs, ours in _CLASSES.items():
        text = text.replace(theirs, ours)
    return re.compile(text)
