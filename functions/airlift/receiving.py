"""From whatever started the execution to one recovery, or to none: the work of ReceiveTrigger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from airlift.arns import Arn
from airlift.deciding import Decision, decide
from airlift.errors import (
    AccountNotInPlan,
    AirliftError,
    InvalidInput,
    NotBelieved,
    RecoveryAlreadyRuns,
    TriggerNotAllowed,
    VaultNotInPlan,
)
from airlift.inputs import Start, parse_input
from airlift.ledger import (
    Conflict,
    Ledger,
    Put,
    Record,
    Update,
    execution_key,
    keyed,
    last_key,
    lock_key,
    recovery_key,
    trigger_key,
)
from airlift.lock import running_holder
from airlift.notify import deliver_or_retry, notice
from airlift.operator import act
from airlift.plan_store import PlanVersion, newest_plan
from airlift.preempting import opening, preempts, stop_preempted
from airlift.recovery import LATEST, Wanted, chore, first_sign, listing, new_recovery, recovery_id
from airlift.runtime import logger, metrics
from airlift.timeline import entry
from airlift.triggers import read_event
from airlift.values import now, parse_time, safe_text, stamp

if TYPE_CHECKING:
    from airlift.incident import Incident

Outcome = dict[str, Any]
"""`{"outcome": "accepted" | "joined" | "ignored" | "done", "text": …, "recoveryId": … or ""}`."""

_REMEMBERED = timedelta(days=90)
_TRIES = 4
_IGNORABLE = (InvalidInput, NotBelieved, AccountNotInPlan, TriggerNotAllowed, VaultNotInPlan)


def receive(ledger: Ledger, execution_arn: str, document: object) -> Outcome:
    """What the execution is to do. Repeating it for the same execution gives the same answer.

    Input of a person that is wrong raises the named error; an event that is wrong, or may not start anything, is
    ignored with the same text and counted, since nobody is there to read it.
    """
    if known := ledger.get(execution_key(execution_arn)):
        outcome = known.get("outcome", "accepted")
        return _outcome(outcome, "This execution was accepted before.", known["recoveryId"], known["account"])
    if isinstance(document, Mapping) and ("detail-type" in document or "source" in document):
        try:
            return _receive_event(ledger, execution_arn, document)
        except _IGNORABLE as error:
            return _ignored(error)
    moment = now()
    given = parse_input(document, now=moment)
    if isinstance(given, Start):
        plan = newest_plan()
        return _open(ledger, execution_arn, _wanted(ledger, given, plan, execution_arn), plan)
    return act(ledger, execution_arn, given, moment)


def _receive_event(ledger: Ledger, execution_arn: str, event: Mapping[str, Any]) -> Outcome:
    incident = read_event(event)
    plan = newest_plan()
    decision = decide(incident, plan.plan)
    seen = ledger.get(trigger_key(decision.account, incident.trigger_id))
    if seen:
        deliver_or_retry(ledger, lock_key(decision.account)[0])
        return _outcome("ignored", f"This trigger was seen before, at {seen['seenAt']}.", seen.get("recoveryId", ""))
    wanted = _wanted_by(incident, decision, execution_arn)
    if decision.allow == "request":
        return _open(ledger, execution_arn, wanted, plan)
    return _only_told(ledger, wanted, "the plan lets this trigger tell people only")


def _only_told(ledger: Ledger, wanted: Wanted, why: str) -> Outcome:
    """Remembers the trigger and tells people, in one transaction; nothing is asked for."""
    text = f"{_told(wanted)}. Nothing was started: {why}."
    step = f"airlift start --account {wanted.account} --reason '…'"
    pk, _ = lock_key(wanted.account)
    title = f"Airlift: sign of compromise in account {wanted.account}"
    try:
        ledger.write(Put(_memory(wanted, now())), notice(pk, now(), wanted.trigger_id, title, text, step))
    except Conflict:
        return _outcome("ignored", "This trigger was seen before.")
    deliver_or_retry(ledger, pk)
    return _outcome("done", f"{text} Next step: {step}")


def _cools_down(ledger: Ledger, wanted: Wanted, plan: PlanVersion) -> str:
    """Why an event only tells people shortly after a recovery of the account has ended; empty if it may start one."""
    last = None if wanted.on_demand else ledger.get(last_key(wanted.account))
    minutes = plan.plan.approval.cool_down_minutes
    if last is None or now() - parse_time(last["endedAt"]) >= timedelta(minutes=minutes):
        return ""
    return f"recovery {last['recoveryId']} ended {last['outcome']} less than {minutes} minutes ago"


def _wanted_by(incident: Incident, decision: Decision, execution_arn: str) -> Wanted:
    return Wanted(
        account=decision.account,
        vaults=_of_this_region(decision.vaults, execution_arn),
        trigger={
            "kind": incident.kind,
            "id": incident.trigger_id,
            "type": incident.finding_type,
            "title": incident.title,
            "sender": incident.sender,
            "region": incident.region,
        },
        reason=f"{incident.finding_type}: {incident.title}"[:200],
        first_sign=stamp(decision.first_sign) if decision.first_sign else None,
        first_sign_from=decision.first_sign_from,
        trigger_id=incident.trigger_id,
    )


def _of_this_region(vaults: tuple[str, ...], execution_arn: str) -> tuple[str, ...]:
    """Those vaults that this stack can ask for; a stack serves the Region it is deployed in."""
    region = Arn.parse(execution_arn).region
    here = tuple(vault for vault in vaults if Arn.parse(vault).region == region)
    if not here:
        raise VaultNotInPlan(
            f"None of the vaults {', '.join(vaults)} lies in {region}, the Region of this stack.",
            "start the recovery with the stack of the vault's Region.",
        )
    return here


def _wanted(ledger: Ledger, start: Start, plan: PlanVersion, execution_arn: str) -> Wanted:
    if start.vault_arns:
        account = next(plan.plan.account_of_vault(arn) for arn in start.vault_arns)
        for arn in start.vault_arns:
            plan.plan.vault(arn)
        vaults = start.vault_arns
    else:
        account = plan.plan.account(start.account or "")
        vaults = account.vault_arns
    sign, source = _given_or_believed(ledger, account.id, start.first_sign, drill=start.drill)
    return Wanted(
        account=account.id,
        vaults=_of_this_region(vaults, execution_arn),
        trigger={"kind": "onDemand", "id": execution_arn} | ({"by": start.requested_by} if start.requested_by else {}),
        reason=safe_text(start.reason, 200),
        first_sign=sign,
        first_sign_from=source,
        trigger_id=execution_arn,
        adopt_vault=start.adopt_vault,
        override_readiness=start.override_readiness and safe_text(start.override_readiness, 200),
        access_only=start.access_only,
        on_demand=True,
        drill=start.drill,
    )


def _given_or_believed(
    ledger: Ledger, account: str, given: datetime | str | None, *, drill: bool
) -> tuple[str | None, str]:
    if given is not None:
        return (given if isinstance(given, str) else stamp(given)), "given by the operator"
    if drill:
        return LATEST, "a drill's, unless given"
    # Signs that an earlier recovery answered are that recovery's; the others may belong to this incident.
    pk, prefix = trigger_key(account, "")
    open_signs = [t["firstSign"] for t in ledger.query(pk, prefix) if "firstSign" in t and "recoveryId" not in t]
    if open_signs:
        return min(open_signs), "the earliest believed sign for this account"
    return None, ""


def _open(ledger: Ledger, execution_arn: str, wanted: Wanted, plan: PlanVersion) -> Outcome:
    """Takes the account's lock for a new recovery, also from a drill, or joins the recovery that runs."""
    for _ in range(_TRIES):
        at = now()
        identity = recovery_id(execution_arn, wanted.account, at, drill=wanted.drill)
        lock = running_holder(ledger, wanted.account, execution_arn)
        if lock and wanted.drill:
            raise RecoveryAlreadyRuns(
                f"Recovery {lock['recoveryId']} of account {wanted.account} is under way.",
                "start the drill when it has ended (`airlift status`); a drill never joins another recovery.",
            )
        if lock and not preempts(identity, lock):
            try:
                return _join(ledger, lock["recoveryId"], wanted)
            except Conflict:  # it ends just now, or another trigger joins; looking again
                continue
        if why := _cools_down(ledger, wanted, plan):
            return _only_told(ledger, wanted, why)
        served = keyed(execution_key(execution_arn), recoveryId=identity, account=wanted.account)
        try:
            ledger.write(
                *opening(wanted.account, identity, execution_arn, at, lock),
                Put(new_recovery(identity, wanted, plan, execution_arn, at)),
                Put(served),
                Put(listing(identity, wanted.account, at)),
                chore(identity),
                Put(_memory(wanted, at, identity)),
                entry(identity, at, "trigger", _told(wanted)),
            )
        except Conflict:
            logger.info("Somebody else was faster; looking again")
            continue
        if lock:
            stop_preempted(lock, identity)
        metrics.add_metric("DrillsStarted" if wanted.drill else "RecoveriesStarted", MetricUnit.Count, 1)
        kind = "Drill" if wanted.drill else "Recovery"
        text = f"{kind} {identity} begins: {len(wanted.vaults)} vault(s) of account {wanted.account}."
        return _outcome("accepted", text, identity, wanted.account)
    # The trigger's own memory may be what is there already: two executions of one event.
    if seen := ledger.get(trigger_key(wanted.account, wanted.trigger_id)):
        return _outcome("ignored", f"This trigger was seen before, at {seen['seenAt']}.", seen.get("recoveryId", ""))
    raise Conflict(f"The lock of account {wanted.account} changes hands too fast.", "start again.")


def _join(ledger: Ledger, identity: str, wanted: Wanted) -> Outcome:
    """Adds an earlier first sign to the recovery that runs; it moves the cut-off of what is not yet started."""
    recovery = ledger.get(recovery_key(identity)) or {}
    at = now()
    text = f"Recovery {identity} of account {wanted.account} runs already; this trigger joined it."
    changes: list[Put | Update] = [Put(_memory(wanted, at, identity)), entry(identity, at, "joined", _told(wanted))]
    joined: dict[str, Any] = {"joinedAt": stamp(at)}
    only_if: dict[str, Any] = {"state": "RUNNING"}
    counts = first_sign(recovery)
    earlier = wanted.first_sign and wanted.first_sign != LATEST and counts != LATEST
    if recovery.get("operatorFirstSign"):
        text += f" The operator's first sign, {counts}, stands; `airlift first-sign {identity} TIME` changes it."
    elif wanted.first_sign == LATEST:
        text += f" Its first sign stays {counts or 'unknown'}; `airlift first-sign {identity} latest` changes it."
    elif earlier and (counts is None or str(wanted.first_sign) < counts):
        joined |= {"joinedFirstSign": wanted.first_sign, "joinedFirstSignFrom": wanted.first_sign_from}
        only_if["joinedFirstSign"] = recovery.get("joinedFirstSign")
        text += f" It moves the first sign of compromise to {wanted.first_sign}."
    try:
        ledger.write(*changes, Update(recovery_key(identity), joined, only_if=only_if))
    except Conflict:
        if ledger.get(trigger_key(wanted.account, wanted.trigger_id)):
            return _outcome("ignored", "This trigger was seen before.", identity)
        raise
    return _outcome("joined", text, identity)


def _memory(wanted: Wanted, at: datetime, identity: str | None = None) -> Record:
    sign = wanted.first_sign if wanted.first_sign != LATEST else None
    return keyed(
        trigger_key(wanted.account, wanted.trigger_id),
        seenAt=stamp(at),
        firstSign=sign,
        recoveryId=identity,
        expiresEpoch=int((at + _REMEMBERED).timestamp()),
    )


def _told(wanted: Wanted) -> str:
    who = f"{wanted.trigger.get('by', 'An operator')}: " if wanted.on_demand else ""
    sign = f"first sign {wanted.first_sign} ({wanted.first_sign_from})" if wanted.first_sign else "first sign not known"
    return f"{who}{wanted.reason}; {sign}"


def _ignored(error: AirliftError) -> Outcome:
    metrics.add_metric("TriggersIgnored", MetricUnit.Count, 1)
    metrics.add_metadata("reason", error.name)
    logger.info("Trigger ignored", extra={"error": error.name})
    return _outcome("ignored", f"{error.name}: {error}")


def _outcome(outcome: str, text: str, identity: str = "", account: str = "") -> Outcome:
    return {"outcome": outcome, "text": text, "recoveryId": identity, "account": account}
