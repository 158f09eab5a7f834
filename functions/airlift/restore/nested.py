"""Metadata values that are JSON: read, and objects put together like the metadata around them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.values import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from airlift.restore.base import Family


def merged(family: Family, key: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
    """The object under the metadata key `key`, of layers of which a later one wins, without regard to case.

    A value that is None is left out. Raises `MetadataRefused` for a key that the object does not take.
    """
    spelling = {known.lower(): known for known in family.nested_keys[key]}
    whole: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if name.lower() not in spelling:
                raise _unknown(family, key, name)
            if value is not None:
                whole[spelling[name.lower()]] = value
    return whole


def objects(family: Family, key: str, text: str | None) -> list[dict[str, Any]]:
    """The object, or each object of the list, that the plan's JSON text under `key` holds; [] if there is no text.

    Raises `MetadataRefused` if it holds something else, or a key that such an object does not take.
    """
    if text is None:
        return []
    value = _parsed(text)
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, dict) for entry in found):
        what = f"The metadata key '{key}' of {family.resource_types[0]} holds no JSON object."
        raise MetadataRefused(what, f"write {key} in the plan's targets as an object, with its own keys.")
    return [merged(family, key, entry) for entry in found]


def kept(text: str | None, keys: Collection[str]) -> dict[str, Any]:
    """Of the object in a point's own metadata what is under `keys`, whatever their case; {} if it holds none."""
    known = {key.lower() for key in keys}
    value = _parsed(text or "{}")
    return {key: value[key] for key in value if key.lower() in known} if isinstance(value, dict) else {}


def texts(text: str) -> list[str]:
    """The members of a JSON list; anything else is one text."""
    value = _parsed(text)
    return [str(one) for one in value] if isinstance(value, list) else [text]


def _parsed(text: str) -> Any:
    """None if `text` is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _unknown(family: Family, key: str, name: str) -> MetadataRefused:
    close = nearest(name, family.nested_keys[key])
    known = f"write '{close}'" if close else f"use one of {', '.join(sorted(family.nested_keys[key]))}"
    return MetadataRefused(
        f"{key} of {family.resource_types[0]} takes no key '{name}'.",
        f"in the plan's targets {known}, or remove the key.",
    )
