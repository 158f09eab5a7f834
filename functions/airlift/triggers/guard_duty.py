"""GuardDuty findings as GuardDuty itself sends them."""

from __future__ import annotations

import json

from airlift.errors import InvalidInput, TriggerNotAllowed
from airlift.incident import ACCOUNT, ID, REGION, TYPE, Event, Incident, at, earliest, required, text_at


def guard_duty(event: Event) -> Incident:
    """GuardDuty finding (guardduty_findings_eventbridge.html in the GuardDuty user guide)."""
    service = "detail.service"
    if at(event, f"{service}.archived") is True:
        raise archived()
    if is_sample(at(event, f"{service}.additionalInfo")) or is_titled_sample(at(event, "detail.title")):
        raise sample()
    # An attack sequence is found late, its signals say when it began (inferred: eventFirstSeen may be later).
    signals = at(event, f"{service}.detection.sequence.signals")
    signs = [("eventFirstSeen of the finding", at(event, f"{service}.eventFirstSeen"))] + [
        ("firstSeenAt of a signal of the attack sequence", at(signal, "firstSeenAt"))
        for signal in (signals if isinstance(signals, list) else [])
    ]
    first_sign, first_sign_from = earliest(event, signs)
    return Incident(
        kind="guardDuty",
        trigger_id=required(event, "detail.id", ID),
        account=required(event, "detail.accountId", ACCOUNT),
        sender=required(event, "account", ACCOUNT),
        region=required(event, "region", REGION),
        first_sign=first_sign,
        first_sign_from=first_sign_from,
        severity=_severity(event),
        finding_type=required(event, "detail.type", TYPE),
        title=text_at(event, "detail.title"),
    )


def archived() -> TriggerNotAllowed:
    """The error for a finding that somebody has put away."""
    return TriggerNotAllowed("The finding is archived.", "Unarchive it in GuardDuty if it is real.")


def sample() -> TriggerNotAllowed:
    """The error for a finding that GuardDuty made up."""
    return TriggerNotAllowed("The finding is a GuardDuty sample finding.", "Start a drill to try the whole path.")


def is_sample(info: object) -> bool:
    """Sample findings say so in additionalInfo, as a member or within the JSON text `value` (inferred)."""
    if at(info, "sample") is True:
        return True
    value = at(info, "value")
    try:
        return isinstance(value, str) and at(json.loads(value), "sample") is True
    except (ValueError, RecursionError):
        return False


def is_titled_sample(title: object) -> bool:
    """Sample findings are marked with the prefix [SAMPLE] (guardduty_findings.html)."""
    return isinstance(title, str) and title.startswith("[SAMPLE]")


def _severity(event: Event) -> float | None:
    value = at(event, "detail.severity")
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10:
        return float(value)
    raise InvalidInput(
        "The event's detail.severity is malformed.", "Send it with a number up to 10 in detail.severity."
    )
