"""The recovery plan's triggers: which events may start what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from airlift.arns import AccountId, AlarmArn, RoleArn  # noqa: TC001 (pydantic reads them at run time)
from airlift.documents import Document
from airlift.forms import Form
from airlift.plan_parts import Pattern, any_of

Allow = Literal["notify", "check", "request"]
"""What a trigger may start: a message, the readiness checks as well, or the request for access as well."""


class Trigger(Document):
    """What one kind of event may start."""

    allow: Allow


class GuardDuty(Trigger):
    """Findings are taken that are severe enough or whose type is listed."""

    minimum_severity: Annotated[float, Field(ge=1, le=10)] = 7
    """7 is the lower end of High (guardduty_findings-severity.html)."""
    types: tuple[Pattern, ...] = ()

    def takes(self, finding_type: str, severity: float | None) -> bool:
        """Whether a finding is severe enough, or of a listed type."""
        return (severity is not None and severity >= self.minimum_severity) or any_of(self.types, finding_type)


class CustomAction(Trigger):
    """A custom action of Security Hub, by which a person sends findings on."""

    id: Annotated[str, Form("[A-Za-z0-9]{1,20}", "the id of a custom action", "It is the end of the action's ARN.")]


class SecurityHub(GuardDuty):
    """Findings of Security Hub, taken like GuardDuty's, if they come from a product that is believed."""

    products: tuple[Pattern, ...] = ("aws/*",)
    """What follows `product/` in the ARNs of products that are believed. One of an account's own, such as
    `777788889999/default`, can be written to by whoever holds that account, and gathers what members import."""
    custom_actions: tuple[CustomAction, ...] = ()

    def believes(self, product: str) -> bool:
        """Whether findings of this product may start something."""
        return any_of(self.products, product)

    def custom_action(self, action: str) -> CustomAction | None:
        """The entry for this action, None if the plan has none."""
        return next((entry for entry in self.custom_actions if entry.id == action), None)


class Cases(Trigger):
    """Cases of AWS Security Incident Response. Their events name no account: without a reader people are told only."""

    reader_role_arn: RoleArn | None = None
    """A role of the account that sends the cases, by which Airlift may read them; the template's parameter
    CaseReaderRoleArn names it as well."""


class Alarm(Trigger):
    """A CloudWatch alarm. Its event names no affected account, so the plan does."""

    arn: AlarmArn
    account: AccountId
    look_back_minutes: Annotated[int, Field(ge=0, le=10080)] = 60
    """How long before the alarm the first sign of compromise is taken to be."""


class Triggers(Document):
    """What is absent may start nothing."""

    guard_duty: GuardDuty | None = None
    security_hub: SecurityHub | None = None
    health: Trigger | None = None
    cases: Cases | None = None
    custom: Trigger | None = None
    alarms: tuple[Alarm, ...] = ()

    def alarm(self, arn: str) -> Alarm | None:
        """The entry for this alarm, None if the plan has none."""
        return next((alarm for alarm in self.alarms if alarm.arn == arn), None)
