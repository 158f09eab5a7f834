"""What the recovery plan lets an incident start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airlift.errors import InvalidInput, NotBelieved, TriggerNotAllowed
from airlift.incident import shown
from airlift.triggers.security_hub import product_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airlift.incident import Incident, Kind
    from airlift.plan import Allow, Plan
    from airlift.plan_triggers import Trigger


@dataclass(frozen=True)
class Decision:
    """What the plan lets this incident do, for which account, and its source vaults in the plan's order."""

    allow: Allow
    account: str
    vaults: tuple[str, ...]
    first_sign: datetime | None
    first_sign_from: str


@dataclass(frozen=True)
class _Permission:
    allow: Allow
    account: str | None
    look_back: timedelta = timedelta(0)


def believe(incident: Incident, plan: Plan) -> None:
    """Raises NotBelieved if the sender is no detector: a protected account can start nothing, for nobody."""
    if not plan.believes(incident.sender):
        raise NotBelieved(
            f"Events sent by account {incident.sender} are not believed.",
            "If it is the account that gathers your findings, add it to detectors in the recovery plan. "
            "A protected account can't be one.",
        )


def decide(incident: Incident, plan: Plan) -> Decision:
    """What the plan lets this incident start.

    Only detectors are believed. Raises NotBelieved if the sender is none, TriggerNotAllowed if the plan lets this
    trigger do nothing, AccountNotInPlan if the affected account is not protected.
    """
    believe(incident, plan)
    permission = _PERMISSIONS[incident.kind](incident, plan)
    if permission.account is None:
        raise InvalidInput("The event names no affected account.", "Send it with the affected account.")
    account = plan.account(permission.account)
    first_sign, first_sign_from = incident.first_sign, incident.first_sign_from
    if first_sign and permission.look_back:
        first_sign -= permission.look_back
        first_sign_from += f", minus lookBackMinutes {permission.look_back // timedelta(minutes=1)} of the plan"
    return Decision(permission.allow, account.id, account.vault_arns, first_sign, first_sign_from)


def _absent(what: str, key: str) -> TriggerNotAllowed:
    return TriggerNotAllowed(f"The recovery plan lets {what} start nothing.", f"Add triggers.{key} to the plan.")


def _guard_duty(incident: Incident, plan: Plan) -> _Permission:
    """By severity or by type: findings that matter much (Stealth, root use) can be Low by default."""
    trigger = plan.triggers.guard_duty
    if trigger is None:
        raise _absent("GuardDuty findings", "guardDuty")
    if not trigger.takes(incident.finding_type, incident.severity):
        raise _too_slight(incident, trigger.minimum_severity, "guardDuty")
    return _Permission(trigger.allow, incident.account)


def _too_slight(incident: Incident, minimum: float, key: str) -> TriggerNotAllowed:
    return TriggerNotAllowed(
        f"The finding's severity {incident.severity} is below {minimum} and its type "
        f"{incident.finding_type} is not listed in the plan.",
        f"If it should start something, lower minimumSeverity or extend types in triggers.{key}.",
    )


def _security_hub(incident: Incident, plan: Plan) -> _Permission:
    """Only products that the plan names are believed; by a custom action a person has chosen the finding."""
    hub = plan.triggers.security_hub
    if hub is None:
        raise _absent("Security Hub findings", "securityHub")
    product = product_of(incident.source_arn)
    if not hub.believes(product):
        raise NotBelieved(
            f"Findings of the product {product} are not believed.",
            "If it is one that nobody in a protected account can write to, add it to triggers.securityHub.products.",
        )
    if incident.action is not None:
        action = hub.custom_action(incident.action)
        if action is None:
            raise TriggerNotAllowed(
                f"The custom action {incident.action} is not in the recovery plan.",
                "Add it under triggers.securityHub.customActions.",
            )
        return _Permission(action.allow, incident.account)
    if not hub.takes(incident.finding_type, incident.severity):
        raise _too_slight(incident, hub.minimum_severity, "securityHub")
    return _Permission(hub.allow, incident.account)


def _alarm(incident: Incident, plan: Plan) -> _Permission:
    """An alarm names neither the affected account nor the onset: the plan does, by the alarm's ARN."""
    alarm = plan.triggers.alarm(incident.source_arn)
    if alarm is None:
        raise TriggerNotAllowed(
            f"The alarm {shown(incident.source_arn)} is not in the recovery plan.",
            "Add it with its account under triggers.alarms if it is to start a recovery.",
        )
    return _Permission(alarm.allow, alarm.account, timedelta(minutes=alarm.look_back_minutes))


def _plain(what: str, key: str, of: Callable[[Plan], Trigger | None]) -> Callable[[Incident, Plan], _Permission]:
    def permission(incident: Incident, plan: Plan) -> _Permission:
        trigger = of(plan)
        if trigger is None:
            raise _absent(what, key)
        return _Permission(trigger.allow, incident.account)

    return permission


_PERMISSIONS: Mapping[Kind, Callable[[Incident, Plan], _Permission]] = {
    "guardDuty": _guard_duty,
    "securityHub": _security_hub,
    "alarm": _alarm,
    "health": _plain("AWS Health events", "health", lambda plan: plan.triggers.health),
    "case": _plain("Security Incident Response cases", "cases", lambda plan: plan.triggers.cases),
    "custom": _plain("requests of other tools", "custom", lambda plan: plan.triggers.custom),
}
