"""What an event says about an attack, and what the recovery plan lets it start.

An event reaches this account by one hop of forwarding: `account` in its envelope is the sender (the security
account that gathers findings), the affected account is in the detail or, for an alarm, in the plan. Text in
an event may have been written by an attacker: it is cut, cleaned and shown, never interpreted.

A new kind of trigger is one small reader in `_READERS` and one row in `_PERMISSIONS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from airlift.errors import InvalidInput, NotBelieved, TriggerNotAllowed
from airlift.values import parse_time, safe_text

if TYPE_CHECKING:
    from airlift.plan import Allow, Plan

Kind = Literal["guardDuty", "alarm", "securityHub", "health", "custom"]
Event = Mapping[str, Any]


class _Form(NamedTuple):
    pattern: re.Pattern[str]
    words: str


_ACCOUNT = _Form(re.compile(r"[0-9]{12}"), "an account of 12 digits")
_REGION = _Form(re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]"), "a Region")
_ID = _Form(re.compile(r"[A-Za-z0-9:/._-]{1,300}"), "an id")
_TYPE = _Form(re.compile(r"[A-Za-z0-9:/.!_&-]{1,200}"), "a finding type")
_ALARM_ARN = _Form(
    re.compile(r"arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:[0-9]{12}:alarm:[^\x00-\x1f\x7f]{1,255}"),
    "an alarm's ARN",
)
# The envelope's `time` has whole seconds and clocks differ a little; nobody has seen what lies further ahead.
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Incident:
    """One event, read: what happened to which account since when, and who says so.

    `trigger_id` is the same for repeats and updates of one finding. `account` is None for an alarm, which the
    plan maps to its account by `alarm_arn`. `first_sign` is aware UTC, None if the event gives none;
    `first_sign_from` says in words where it comes from or why it is missing. `severity` is a number, 1 to 10.
    """

    kind: Kind
    trigger_id: str
    account: str | None
    sender: str
    region: str
    first_sign: datetime | None
    first_sign_from: str
    severity: float | None
    finding_type: str
    title: str
    alarm_arn: str | None = None


@dataclass(frozen=True)
class Decision:
    """What the plan lets this incident do, for which account, and its source vaults in the plan's order."""

    allow: Allow
    account: str
    vaults: tuple[str, ...]
    first_sign: datetime | None
    first_sign_from: str


def read_event(event: Event) -> Incident:
    """The incident that an EventBridge event tells of.

    Raises InvalidInput for an event that can't be read (naming the field) and TriggerNotAllowed for one that
    AWS itself marks as no alarm: a sample or archived finding, an alarm not in ALARM or suppressed.
    """
    source, detail_type = _at(event, "source"), _at(event, "detail-type")
    reader = _READERS.get((source, detail_type)) if isinstance(source, str) and isinstance(detail_type, str) else None
    if reader is None:
        raise InvalidInput(
            f"The event's source and detail-type ({_shown(source)}, {_shown(detail_type)}) are not known.",
            "Send one of: " + "; ".join(f"{known}, {words}" for known, words in _READERS) + ".",
        )
    return reader(event)


def decide(incident: Incident, plan: Plan) -> Decision:
    """What the plan lets this incident start.

    Only detectors are believed, so a protected account can start nothing, neither for itself nor for another.
    Raises NotBelieved if the sender is no detector, TriggerNotAllowed if the plan lets this trigger do
    nothing, AccountNotInPlan if the affected account is not protected.
    """
    if not plan.believes(incident.sender):
        raise NotBelieved(
            f"Events sent by account {incident.sender} are not believed.",
            "If it is the account that gathers your findings, add it to detectors in the recovery plan. "
            "A protected account can't be one.",
        )
    permission = _PERMISSIONS[incident.kind](incident, plan)
    account = plan.account(permission.account)
    first_sign, first_sign_from = incident.first_sign, incident.first_sign_from
    if first_sign and permission.look_back:
        first_sign -= permission.look_back
        first_sign_from += f", minus lookBackMinutes {permission.look_back // timedelta(minutes=1)} of the plan"
    return Decision(permission.allow, account.id, account.vault_arns, first_sign, first_sign_from)


@dataclass(frozen=True)
class _Permission:
    allow: Allow
    account: str
    look_back: timedelta = timedelta(0)


def _guard_duty_permission(incident: Incident, plan: Plan) -> _Permission:
    """By severity or by type: findings that matter much (Stealth, root use) can be Low by default."""
    trigger = plan.triggers.guard_duty
    if trigger is None:
        raise TriggerNotAllowed(
            "The recovery plan lets GuardDuty findings start nothing.", "Add triggers.guardDuty to the plan."
        )
    if not trigger.takes(incident.finding_type, incident.severity):
        raise TriggerNotAllowed(
            f"The finding's severity {incident.severity} is below {trigger.minimum_severity} and its type "
            f"{incident.finding_type} is not listed in the plan.",
            "If it should start something, lower minimumSeverity or extend types in triggers.guardDuty.",
        )
    if incident.account is None:
        raise InvalidInput("The finding names no affected account.", "Send it with detail.accountId.")
    return _Permission(trigger.allow, incident.account)


def _alarm_permission(incident: Incident, plan: Plan) -> _Permission:
    """An alarm names neither the affected account nor the onset: the plan does, by the alarm's ARN."""
    alarm = plan.triggers.alarm(incident.alarm_arn or "")
    if alarm is None:
        raise TriggerNotAllowed(
            f"The alarm {_shown(incident.alarm_arn)} is not in the recovery plan.",
            "Add it with its account under triggers.alarms if it is to start a recovery.",
        )
    return _Permission(alarm.allow, alarm.account, timedelta(minutes=alarm.look_back_minutes))


_PERMISSIONS: Mapping[Kind, Callable[[Incident, Plan], _Permission]] = {
    "guardDuty": _guard_duty_permission,
    "alarm": _alarm_permission,
}


def _guard_duty(event: Event) -> Incident:
    """GuardDuty finding (guardduty_findings_eventbridge.html in the GuardDuty user guide)."""
    service = "detail.service"
    if _at(event, f"{service}.archived") is True:
        raise TriggerNotAllowed("The finding is archived.", "Unarchive it in GuardDuty if it is real.")
    if _is_sample(_at(event, f"{service}.additionalInfo")):
        raise TriggerNotAllowed("The finding is a GuardDuty sample finding.", "Start a drill to try the whole path.")
    # An attack sequence is found late, its signals say when it began (inferred: eventFirstSeen may be later).
    signals = _at(event, f"{service}.detection.sequence.signals")
    signs = [("eventFirstSeen of the finding", _at(event, f"{service}.eventFirstSeen"))] + [
        ("firstSeenAt of a signal of the attack sequence", _at(signal, "firstSeenAt"))
        for signal in (signals if isinstance(signals, list) else [])
    ]
    first_sign, first_sign_from = _earliest(event, signs)
    return Incident(
        kind="guardDuty",
        trigger_id=_required(event, "detail.id", _ID),
        account=_required(event, "detail.accountId", _ACCOUNT),
        sender=_required(event, "account", _ACCOUNT),
        region=_required(event, "region", _REGION),
        first_sign=first_sign,
        first_sign_from=first_sign_from,
        severity=_severity(event),
        finding_type=_required(event, "detail.type", _TYPE),
        title=_title(event, "detail.title"),
    )


def _alarm(event: Event) -> Incident:
    """CloudWatch alarm (cloudwatch-and-eventbridge.html in the CloudWatch user guide)."""
    state = _at(event, "detail.state.value")
    if state in ("OK", "INSUFFICIENT_DATA"):
        raise TriggerNotAllowed(f"The alarm is in state {state}.", "Nothing: only ALARM starts something.")
    if state != "ALARM":
        raise InvalidInput("The event's detail.state.value is not an alarm state.", "Send it with state ALARM.")
    if _at(event, "detail.state.actionsSuppressedBy") is not None:
        raise TriggerNotAllowed("The alarm's actions are suppressed.", "Nothing: it comes again when they are not.")
    arns = _at(event, "resources")
    arn = _required({"resources": arns[0] if isinstance(arns, list) and arns else None}, "resources", _ALARM_ARN)
    first_sign, first_sign_from = _earliest(
        event, [("the time at which the alarm changed to ALARM", _at(event, "detail.state.timestamp"))]
    )
    when = first_sign.isoformat() if first_sign else _required(event, "id", _ID)
    return Incident(
        kind="alarm",
        trigger_id=f"{arn} {when}",
        account=None,
        sender=_required(event, "account", _ACCOUNT),
        region=_required(event, "region", _REGION),
        first_sign=first_sign,
        first_sign_from=first_sign_from,
        severity=None,
        finding_type="CloudWatch alarm",
        title=_title(event, "detail.alarmName"),
        alarm_arn=arn,
    )


_READERS: Mapping[tuple[str, str], Callable[[Event], Incident]] = {
    ("aws.guardduty", "GuardDuty Finding"): _guard_duty,
    ("aws.cloudwatch", "CloudWatch Alarm State Change"): _alarm,
}


def _at(value: object, path: str) -> Any:
    """The value at a dotted path, None where a step is missing or is no object."""
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _required(event: Event, path: str, form: _Form) -> str:
    value = _at(event, path)
    if isinstance(value, str) and form.pattern.fullmatch(value):
        return value
    found = "missing" if value is None else "malformed"
    raise InvalidInput(f"The event's {path} is {found}.", f"Send it with {form.words} in {path}.")


def _severity(event: Event) -> float | None:
    value = _at(event, "detail.severity")
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10:
        return float(value)
    raise InvalidInput(
        "The event's detail.severity is malformed.", "Send it with a number up to 10 in detail.severity."
    )


def _title(event: Event, path: str) -> str:
    value = _at(event, path)
    return safe_text(value) if isinstance(value, str) else ""


def _shown(value: object) -> str:
    return safe_text(value, 300) if isinstance(value, str) else "none"


def _is_sample(info: object) -> bool:
    """Sample findings say so in additionalInfo, as a member or within the JSON text `value` (inferred)."""
    if _at(info, "sample") is True:
        return True
    value = _at(info, "value")
    try:
        return isinstance(value, str) and _at(json.loads(value), "sample") is True
    except (ValueError, RecursionError):
        return False


def _earliest(event: Event, signs: Iterable[tuple[str, object]]) -> tuple[datetime | None, str]:
    """The earliest readable time and the words for it. A time later than the event itself is not believed."""
    signs = list(signs)
    sent = _time_or_none(_at(event, "time"))
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
