"""The templates in accounts/, and how tests read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNTS = Path(__file__).resolve().parents[2] / "accounts"
TEMPLATES = {path.stem: yaml_parse(path.read_text()) for path in sorted(ACCOUNTS.glob("*/*.yaml"))}


def properties(template: Mapping[str, Any], logical_id: str) -> dict[str, Any]:
    found = template["Resources"][logical_id]["Properties"]
    assert isinstance(found, dict)
    return found


def resources(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: one for name, one in template["Resources"].items() if one["Type"] == kind}


def holds(expression: Any, values: Mapping[str, str]) -> Any:
    """The value of a rule's expression."""
    match expression:
        case {"Ref": name}:
            return values[name]
        case {"Fn::Equals": [left, right]}:
            return holds(left, values) == holds(right, values)
        case {"Fn::Not": [inner]}:
            return not holds(inner, values)
        case {"Fn::Or": parts}:
            return any(holds(part, values) for part in parts)
    return expression
