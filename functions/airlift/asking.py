"""A trigger that may check: people get what the readiness checks found, and the command with which they go on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airlift.arns import Arn
from airlift.checking import SEVERITIES
from airlift.ledger import Conflict, Ledger, Put, Record, execution_key, keyed, lock_key
from airlift.notify import deliver_or_retry, notice
from airlift.plan_store import plan_at
from airlift.readiness import check
from airlift.recovery import told_of
from airlift.telling import remember, start_command
from airlift.values import now

if TYPE_CHECKING:
    from airlift.checking import Result
    from airlift.plan_store import PlanVersion
    from airlift.recovery import Wanted

_SHOWN = 20


def ask(ledger: Ledger, execution_arn: str, wanted: Wanted, plan: PlanVersion) -> dict[str, Any]:
    """Remembers the trigger; the execution's next state checks, tells people and ends it."""
    about = {"account": wanted.account, "planKey": plan.key, "trigger": wanted.trigger_id, "text": told_of(wanted)}
    served = keyed(execution_key(execution_arn), recoveryId="", account=wanted.account, outcome="check", check=about)
    if silent := remember(ledger, wanted, plan, Put(served)):
        return {"outcome": "ignored", "text": silent, "recoveryId": "", "account": ""}
    text = f"{about['text']}. The plan lets this trigger check the readiness and ask an operator."
    return {"outcome": "check", "text": text, "recoveryId": "", "account": wanted.account, "check": about}


def report_readiness(ledger: Ledger, execution_arn: str, about: dict[str, Any]) -> dict[str, Any]:
    """Checks what a recovery of the account would meet, and tells people; a repeated step tells nothing twice."""
    region = Arn.parse(execution_arn).region
    results = check(plan_at(about["planKey"]), ledger, region, about["account"])
    return _told(ledger, about, _found(results))


def tell_unchecked(ledger: Ledger, served: Record) -> None:
    """Tells people when the execution that was to check has ended without."""
    _told(ledger, served["check"], "The readiness could not be checked; `airlift ready` tries again.")


def _told(ledger: Ledger, about: dict[str, Any], found: str) -> dict[str, Any]:
    pk, _ = lock_key(about["account"])
    step = start_command(about["account"])
    title = f"Airlift: sign of compromise in account {about['account']}, your decision is needed"
    text = f"{about['text']}. Access is not asked for until somebody starts it.\n{found}"
    try:
        ledger.write(notice(pk, now(), f"check#{about['trigger']}", title, text, step))
    except Conflict:
        text = "People were told before."
    deliver_or_retry(ledger, pk)
    return {"outcome": "done", "text": f"{text} Next step: {step}"[:30_000]}


def _found(results: list[Result]) -> str:
    """How ready a recovery is, the gravest first."""
    worst = sorted((one for one in results if one.severity != "note"), key=lambda one: SEVERITIES.index(one.severity))
    if not worst:
        return "The readiness checks found nothing in the way."
    counts = Counter(one.severity for one in worst)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in SEVERITIES if counts[severity])
    lines = [f"- {one.severity}: {one.subject}: {one}" for one in worst[:_SHOWN]]
    more = [f"- and {len(worst) - _SHOWN} more: airlift ready"] if len(worst) > _SHOWN else []
    return "\n".join([f"The readiness checks found: {told}.", *lines, *more])
