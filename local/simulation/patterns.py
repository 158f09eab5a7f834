"""Event patterns as EventBridge matches them: moto's, which alone don't look into lists of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.events.models import EventPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether an event matches. Of a list of objects one has to meet all that is asked of it (inferred)."""
    matcher = EventPattern(None, dict(pattern))
    return any(matcher.matches_event(one) for one in _with_one_of_each(event, pattern))


def _with_one_of_each(value: Any, pattern: Mapping[str, Any]) -> Iterator[Any]:
    """The value once for each member of each list of objects that the pattern looks into."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        for one in value:
            yield from _with_one_of_each(one, pattern)
    elif not isinstance(value, dict):
        yield value
    else:
        found = [value]
        for key, inner in _looked_into(pattern):
            if key in value:
                found = [{**one, key: new} for one in found for new in _with_one_of_each(one[key], inner)]
        yield from found


def _looked_into(pattern: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, inner in pattern.items():
        if key == "$or":
            for alternative in inner:
                yield from _looked_into(alternative)
        elif isinstance(inner, dict):
            yield key, inner
