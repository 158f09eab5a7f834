"""The normal form of every trigger, and how its fields are read out of an event.

An event reaches this account by one hop of forwarding: `account` in its envelope is the sender (the security
account that gathers findings), the affected account is in the detail or, for an alarm, in the plan. Text in
an event may have been written by an attacker: it is cut, cleaned and shown, never interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from airlift.errors import InvalidInput
from airlift.values import parse_time, safe_text

Kind = Literal["guardDuty", "securityHub", "alarm", "health", "case", "custom"]
Event = Mapping[str, Any]


class FieldForm(NamedTuple):
    """What a field must match as a whole, and what it then is."""

    pattern: re.Pattern[str]
    words: str


ACCOUNT = FieldForm(re.compile(r"[0-9]{12}"), "an account of 12 digits")
REGION = FieldForm(re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]"), "a Region")
ID = FieldForm(re.compile(r"[A-Za-z0-9:/._-]{1,300}"), "an id")
TYPE = FieldForm(re.compile(r"[A-Za-z0-9:/.!_& -]{1,200}"), "a finding type")
# The envelope's `time` has whole seconds and clocks differ a little; nobody has seen what lies further ahead.
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Incident:
    """One event, read: what happened to which account since when, and who says so.

    `trigger_id` is the same for repeats and updates of one finding, and for a GuardDuty finding whichever way it came.
    `account` is None for an alarm, which the plan maps to its account by `source_arn`, and for a case whose accounts
    are not known. `first_sign` is aware UTC, None if the event gives none; `first_sign_from` says in words where it
    comes from or why it is missing. `severity` is on GuardDuty's scale, 1 to 10. `source_arn` is the alarm, the product
    that found something, or the case; `action` the custom action by which a person sent a finding.
    """

    kind: Kind
    trigger_id: str
    account: str | None
    sender: str
    region: str
    first_sign: datetime | None
    first_sign_from: str
    finding_type: str
    title: str
    severity: float | None = None
    source_arn: str = ""
    action: str | None = None


def at(value: object, path: str) -> Any:
    """The value at a dotted path, None where a step is missing or is no object."""
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def required(event: Event, path: str, form: FieldForm, where: str = "") -> str:
    """Text at a path that has this form; `where` is what the path begins with, for the words.

    Raises InvalidInput, which names the field.
    """
    value = at(event, path)
    if isinstance(value, str) and form.pattern.fullmatch(value):
        return value
    found = "missing" if value is None else "malformed"
    raise InvalidInput(f"The event's {where}{path} is {found}.", f"Send it with {form.words} in {where}{path}.")


def first_of(event: Event, path: str) -> Any:
    """The first member of a list, None if there is none."""
    value = at(event, path)
    return value[0] if isinstance(value, list) and value else None


def text_at(event: Event, path: str) -> str:
    """Text of an event, cut and cleaned; empty if there is none."""
    value = at(event, path)
    return safe_text(value) if isinstance(value, str) else ""


def shown(value: object) -> str:
    """A value of an event as it may stand in an error."""
    return safe_text(value, 300) if isinstance(value, str) else "none"


def earliest(event: Event, signs: Iterable[tuple[str, object]]) -> tuple[datetime | None, str]:
    """The earliest readable time and the words for it. A time later than the event itself is not believed."""
    signs = list(signs)
    sent = _time_or_none(at(event, "time"))
    times = [(time, words) for words, value in signs if (time := _time_or_none(value))]
    past = [(time, words) for time, words in times if sent is None or time - _CLOCK_TOLERANCE <= sent]
    if past:
        return min(past)
    return None, f"{signs[0][0]} is {'later than the event' if times else 'missing or unreadable'}"


def _time_or_none(value: object) -> datetime | None:
    try:
        return parse_time(value)
    except ValueError:
        return None
