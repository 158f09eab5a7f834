"""CloudWatch alarms, AWS Health, Security Incident Response, and requests of other tools."""

from __future__ import annotations

import re

from airlift.errors import InvalidInput, TriggerNotAllowed
from airlift.incident import (
    ACCOUNT,
    ID,
    REGION,
    Event,
    FieldForm,
    Incident,
    at,
    earliest,
    first_of,
    required,
    text_at,
)

_ALARM_ARN = FieldForm(
    re.compile(r"arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:[0-9]{12}:alarm:[^\x00-\x1f\x7f]{1,255}"),
    "an alarm's ARN",
)
_CODE = FieldForm(re.compile(r"AWS_RISK_[A-Z0-9_]{1,80}"), "an event type code AWS_RISK_…")
_CASE_ARN = FieldForm(
    re.compile(r"arn:aws[a-z-]*:security-ir:[a-z0-9-]+:[0-9]{12}:case/[0-9]{10}"),
    "a case's ARN",
)
_NAME = FieldForm(re.compile(r"[A-Za-z0-9:/._-]{1,100}"), "a name")


def alarm(event: Event) -> Incident:
    """CloudWatch alarm, metric or composite (cloudwatch-and-eventbridge.html in the CloudWatch user guide)."""
    state = at(event, "detail.state.value")
    if state in ("OK", "INSUFFICIENT_DATA"):
        raise TriggerNotAllowed(f"The alarm is in state {state}.", "Nothing: only ALARM starts something.")
    if state != "ALARM":
        raise InvalidInput("The event's detail.state.value is not an alarm state.", "Send it with state ALARM.")
    if at(event, "detail.state.actionsSuppressedBy") is not None:
        raise TriggerNotAllowed("The alarm's actions are suppressed.", "Nothing: it comes again when they are not.")
    arn = required({"resources": first_of(event, "resources")}, "resources", _ALARM_ARN)
    first_sign, first_sign_from = earliest(
        event, [("the time at which the alarm changed to ALARM", at(event, "detail.state.timestamp"))]
    )
    when = first_sign.isoformat() if first_sign else required(event, "id", ID)
    return Incident(
        kind="alarm",
        trigger_id=f"{arn} {when}",
        account=None,
        sender=required(event, "account", ACCOUNT),
        region=required(event, "region", REGION),
        first_sign=first_sign,
        first_sign_from=first_sign_from,
        finding_type="CloudWatch alarm",
        title=text_at(event, "detail.alarmName"),
        source_arn=arn,
    )


def health(event: Event) -> Incident:
    """AWS Health's warning that credentials are exposed or an account is misused (aws-health-events-eventbridge-
    schema.html).

    The same event comes from a second Region as a back-up, by the same communicationId (inferred), so whichever comes
    first counts. `startTime` is taken for the first sign (inferred).
    """
    code = at(event, "detail.eventTypeCode")
    if not isinstance(code, str) or not _CODE.pattern.fullmatch(code):
        raise TriggerNotAllowed("The event is no warning of a risk.", "Nothing: only AWS_RISK_… is taken.")
    if at(event, "detail.statusCode") == "closed":
        raise TriggerNotAllowed("AWS Health has closed the event.", "Nothing.")
    first_sign, first_sign_from = earliest(
        event, [("startTime of the AWS Health event", at(event, "detail.startTime"))]
    )
    return Incident(
        kind="health",
        trigger_id=required(event, "detail.communicationId", ID),
        account=required(event, "detail.affectedAccount", ACCOUNT),
        sender=required(event, "account", ACCOUNT),
        region=required(event, "region", REGION),
        first_sign=first_sign,
        first_sign_from=first_sign_from,
        finding_type=code,
        title=code.removeprefix("AWS_RISK_").replace("_", " ").lower(),
    )


def case(event: Event) -> Incident:
    """A case of AWS Security Incident Response (case-events.html), whose event names no affected account."""
    arn = required({"resources": first_of(event, "resources")}, "resources", _CASE_ARN)
    return Incident(
        kind="case",
        trigger_id=arn,
        account=None,
        sender=required(event, "account", ACCOUNT),
        region=required(event, "region", REGION),
        first_sign=None,
        first_sign_from="the event of a case gives none",
        finding_type="Security Incident Response case",
        title=arn.rpartition("/")[2],
        source_arn=arn,
    )


def custom(event: Event) -> Incident:
    """A request of another tool; docs/events.md describes its detail."""
    first_sign, first_sign_from = earliest(event, [("firstSign of the request", at(event, "detail.firstSign"))])
    kind = required(event, "detail.type", _NAME) if at(event, "detail.type") is not None else "Recovery Requested"
    return Incident(
        kind="custom",
        trigger_id=required(event, "detail.id", ID),
        account=required(event, "detail.account", ACCOUNT),
        sender=required(event, "account", ACCOUNT),
        region=required(event, "region", REGION),
        first_sign=first_sign,
        first_sign_from=first_sign_from,
        finding_type=kind,
        title=text_at(event, "detail.reason"),
    )
