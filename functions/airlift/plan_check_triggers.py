"""What a plan's author should know about its triggers: who is believed, and what never comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.arns import Arn
from airlift.documents import Problem, repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airlift.plan import Plan

MEDIUM, HIGH = 4, 7
"""GuardDuty's levels (guardduty_findings-severity.html). Of what is below Medium every day brings some."""
FAMILIES = (
    "AttackSequence:",
    "CredentialAccess:",
    "DefenseEvasion:",
    "Discovery:IAMUser/",
    "Discovery:S3/",
    "Exfiltration:",
    "Impact:",
    "InitialAccess:IAMUser/",
    "Persistence:",
    "Policy:IAMUser/",
    "Policy:S3/",
    "PrivilegeEscalation:",
    "Stealth:",
    "UnauthorizedAccess:IAMUser/",
)
"""Of GuardDuty's findings below Medium the rule in template.yaml lets in these."""
_HEALTH_REGIONS = {"us-east-1", "us-west-2"}
"""Where AWS Health sends its global events (choosing-a-region.html)."""


def kinds(plan: Plan) -> dict[str, object]:
    """The kinds of triggers in words, each with what the plan says of it."""
    triggers = plan.triggers
    return {
        "GuardDuty findings": triggers.guard_duty,
        "Security Hub findings": triggers.security_hub,
        "AWS Health events": triggers.health,
        "Security Incident Response cases": triggers.cases,
        "Custom events": triggers.custom,
        "CloudWatch alarms": triggers.alarms,
    }


def _detectors(plan: Plan) -> Iterator[Problem]:
    yield from repeated(((("detectors", i), sender) for i, sender in enumerate(plan.detectors)), "listed")
    yield from repeated(((("detectorRegions", i), region) for i, region in enumerate(plan.detector_regions)), "listed")
    protected = {account.id for account in plan.accounts}
    for i, sender in enumerate(plan.detectors):
        if sender in protected:
            what = f"{sender} is a protected account: whoever holds it could send or hold back events."
            yield Problem(("detectors", i), what, "List the account that gathers its findings instead.")
    if not any(kinds(plan).values()):
        what = "No trigger is listed: only a person can start a recovery."
        yield Problem(("triggers",), what, "Add guardDuty or alarms, if events should.", "warning")
    elif not plan.detectors:
        what = "No detector is listed: no event is believed, so no trigger can do anything."
        yield Problem(("detectors",), what, "List the account that gathers the findings.")
    if plan.triggers.health and plan.detector_regions and not _HEALTH_REGIONS.intersection(plan.detector_regions):
        what = "AWS Health sends its warnings in us-east-1 and us-west-2 only, and none of them is listed."
        yield Problem(("detectorRegions",), what, "Forward events from us-east-1 and list it.", "warning")


def _alarms(plan: Plan) -> Iterator[Problem]:
    alarms = plan.triggers.alarms
    path = ("triggers", "alarms")
    yield from repeated((((*path, i, "arn"), alarm.arn) for i, alarm in enumerate(alarms)), "listed")
    protected = {account.id for account in plan.accounts}
    for i, alarm in enumerate(alarms):
        if alarm.account not in protected:
            what = f"{alarm.account} is not under accounts."
            yield Problem((*path, i, "account"), what, "Add it there, or name the account this alarm watches.")
        sender = Arn.parse(alarm.arn).account
        if plan.detectors and sender not in plan.detectors:
            what = f"The alarm's own account {sender} is not among the detectors: it is not believed."
            yield Problem((*path, i, "arn"), what, "Add it to detectors, or move the alarm.")


def _guard_duty(plan: Plan) -> Iterator[Problem]:
    trigger = plan.triggers.guard_duty
    if trigger is None or trigger.minimum_severity >= MEDIUM:
        return
    path = ("triggers", "guardDuty", "minimumSeverity")
    if trigger.allow == "request":
        what = f"Findings of severity {trigger.minimum_severity:g} come daily, and each may ask people for approval."
        yield Problem(path, what, "Raise it to 7, and list under types the low ones that matter.", "warning")
    what = f"Below severity {MEDIUM} only findings of these families ever come: {', '.join(FAMILIES)}."
    yield Problem(path, what, f"Raise it to {MEDIUM}, and list the types that matter.", "warning")


def _security_hub(plan: Plan) -> Iterator[Problem]:
    hub = plan.triggers.security_hub
    if hub is None:
        return
    path = ("triggers", "securityHub")
    if hub.minimum_severity < HIGH:
        what = "Security Hub's findings come only if they are High or Critical, but for those that a person sends."
        remedy = "Raise it to 7; GuardDuty's own events bring the lower ones."
        yield Problem((*path, "minimumSeverity"), what, remedy, "warning")
    for account in plan.accounts:
        if hub.believes(f"{account.id}/default"):
            what = f"Whoever holds the protected account {account.id} can import findings of its own product."
            yield Problem((*path, "products"), what, 'Name products that nobody there can write to, such as "aws/*".')
    actions = enumerate(hub.custom_actions)
    yield from repeated((((*path, "customActions", i, "id"), action.id) for i, action in actions), "listed")


def _cases(plan: Plan) -> Iterator[Problem]:
    cases = plan.triggers.cases
    if cases is None:
        return
    path = ("triggers", "cases")
    if cases.reader_role_arn is None:
        if cases.allow != "notify":
            what = "The event of a case names no account, so people are told only."
            yield Problem(path, what, "Give readerRoleArn (accounts/README.md), or notify.", "warning")
        return
    owner = Arn.parse(cases.reader_role_arn).account
    if owner not in plan.detectors:
        what = f"The role belongs to account {owner}, which is not among the detectors: its cases are not believed."
        yield Problem((*path, "readerRoleArn"), what, "Name a role of the account that sends the cases.")


TRIGGER_RULES: tuple[Callable[[Plan], Iterator[Problem]], ...] = (
    _detectors,
    _alarms,
    _guard_duty,
    _security_hub,
    _cases,
)
