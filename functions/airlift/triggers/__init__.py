"""One small reader for each kind of event that may start something; a new kind is one more row here.

Which events reach them is up to the rules in template.yaml; what they may start, to `airlift.deciding`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.errors import InvalidInput
from airlift.incident import at, shown
from airlift.triggers.guard_duty import guard_duty
from airlift.triggers.others import alarm, case, custom, health
from airlift.triggers.security_hub import custom_action, imported, imported_v2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airlift.incident import Event, Incident

READERS: Mapping[tuple[str, str], Callable[[Event], Incident]] = {
    ("aws.guardduty", "GuardDuty Finding"): guard_duty,
    ("aws.securityhub", "Security Hub Findings - Imported"): imported,
    ("aws.securityhub", "Security Hub Findings - Custom Action"): custom_action,
    ("aws.securityhub", "Findings Imported V2"): imported_v2,
    ("aws.cloudwatch", "CloudWatch Alarm State Change"): alarm,
    ("aws.health", "AWS Health Event"): health,
    ("aws.security-ir", "Case Created"): case,
    ("aws.security-ir", "Case Updated"): case,
    ("airlift.recovery", "Recovery Requested"): custom,
}


def read_event(event: Event) -> Incident:
    """The incident that an EventBridge event tells of.

    Raises InvalidInput for an event that can't be read (naming the field) and TriggerNotAllowed for one that
    AWS itself marks as no alarm: a sample or archived finding, an alarm not in ALARM or suppressed.
    """
    source, detail_type = at(event, "source"), at(event, "detail-type")
    reader = READERS.get((source, detail_type)) if isinstance(source, str) and isinstance(detail_type, str) else None
    if reader is None:
        raise InvalidInput(
            f"The event's source and detail-type ({shown(source)}, {shown(detail_type)}) are not known.",
            "Send one of: " + "; ".join(f"{known}, {words}" for known, words in READERS) + ".",
        )
    return reader(event)
