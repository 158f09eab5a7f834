"""From whatever started the execution to one recovery, or to none: the work of ReceiveTrigger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from airlift.announcements import RecoveryRequested
from airlift.announcing import announce
from airlift.asking import ask
from airlift.cases import with_account
from airlift.deciding import believe, decide
from airlift.errors import (
    AccountNotInPlan,
    AirliftError,
    InvalidInput,
    NotBelieved,
    RecoveryAlreadyRuns,
    TriggerNotAllowed,
    VaultNotInPlan,
)
from airlift.forwarding import is_check, record_check
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
from airlift.notify import deliver_or_retry
from airlift.operator import act
from airlift.plan_store import PlanVersion, newest_plan
from airlift.preempting import opening, preempts, stop_preempted
from airlift.recovery import (
    LATEST,
    Wanted,
    chore,
    first_sign,
    listing,
    memory,
    new_recovery,
    recovery_id,
    told_of,
)
from airlift.runtime import logger, metrics
from airlift.telling import tell
from airlift.timeline import entry
from airlift.triggers import read_event
from airlift.values import now, parse_time, stamp
from airlift.wanting import wanted, wanted_by, wanted_of

if TYPE_CHECKING:
    from airlift.incident import Incident
    from airlift.plan import Allow

Outcome = dict[str, Any]
"""`{"outcome": "accepted" | "joined" | "ignored" | "check" | "done", "text": …, "recoveryId": … or ""}`."""

_TRIES = 4
_RANK: Mapping[Allow, int] = {"notify": 0, "check": 1, "request": 2}
"""A trigger that comes again does nothing, unless it may do more now: another way, or a new plan, may let it."""
_IGNORABLE = (InvalidInput, NotBelieved, AccountNotInPlan, TriggerNotAllowed, VaultNotInPlan)


def receive(ledger: Ledger, execution_arn: str, document: object) -> Outcome:
    """What the execution is to do. Repeating it for the same execution gives the same answer.

    Input of a person that is wrong raises the named error; an event that is wrong, or may not start anything, is
    ignored with the same text and counted, since nobody is there to read it.
    """
    if known := _accepted(ledger, execution_arn):
        return known
    received = _received(ledger, execution_arn, document)
    # The step may run twice at once, when the answer of the first was lost: what that has accepted is not ignored.
    return (received["outcome"] == "ignored" and _accepted(ledger, execution_arn)) or received


def _accepted(ledger: Ledger, execution_arn: str) -> Outcome | None:
    """What an earlier run of this step, or one at the same time, has made of the execution."""
    known = ledger.get(execution_key(execution_arn))
    if known is None:
        return None
    outcome = known.get("outcome", "accepted")
    told = _outcome(outcome, "This execution was accepted before.", known["recoveryId"], known["account"])
    return told | ({"check": known["check"]} if outcome == "check" else {})


def _received(ledger: Ledger, execution_arn: str, document: object) -> Outcome:
    if isinstance(document, Mapping) and ("detail-type" in document or "source" in document):
        try:
            return _receive_event(ledger, execution_arn, document)
        except _IGNORABLE as error:
            return _ignored(error)
    moment = now()
    given = parse_input(document, now=moment)
    if isinstance(given, Start):
        plan = newest_plan()
        return _open(ledger, execution_arn, wanted(ledger, given, plan, execution_arn), plan)
    return act(ledger, execution_arn, given, moment)


def _receive_event(ledger: Ledger, execution_arn: str, event: Mapping[str, Any]) -> Outcome:
    if is_check(event):
        return _outcome("ignored", record_check(ledger, event, newest_plan().plan))
    incident = read_event(event)
    plan = newest_plan()
    if incident.kind == "case":
        believe(incident, plan.plan)
        incident, unknown = with_account(incident, plan.plan)
        if unknown and plan.plan.triggers.cases:
            return _tell_of_case(ledger, incident, plan, unknown)
    decision = decide(incident, plan.plan)
    seen = ledger.get(trigger_key(decision.account, incident.trigger_id))
    want = wanted_by(incident, decision, execution_arn, seen)
    if seen and _RANK[seen.get("allowed", "request")] >= _RANK[decision.allow]:
        deliver_or_retry(ledger, lock_key(decision.account)[0])
        ignored = _outcome("ignored", f"This trigger was seen before, at {seen['seenAt']}.", seen.get("recoveryId", ""))
        return _corrected(ledger, execution_arn, want, seen) or ignored
    match decision.allow:
        case "request":
            return _open(ledger, execution_arn, want, plan)
        case "check":
            return ask(ledger, execution_arn, want, plan)
    return tell(ledger, want, plan, "the plan lets this trigger tell people only")


def _corrected(ledger: Ledger, execution_arn: str, wanted: Wanted, seen: Record) -> Outcome | None:
    """What an update of a trigger does that tells an earlier first sign, such as a case that gets its start date.

    It moves that of the recovery which the trigger belongs to, if it runs; without one it is remembered.
    """
    known = seen.get("firstSign")
    if wanted.first_sign is None or (known is not None and known <= wanted.first_sign):
        return None
    if "recoveryId" not in seen:
        ledger.write(memory(wanted, now()))
        return None
    lock = running_holder(ledger, wanted.account, execution_arn)
    if lock is None or lock["recoveryId"] != seen["recoveryId"]:
        return None
    return _join(ledger, lock["recoveryId"], wanted)


def _tell_of_case(ledger: Ledger, incident: Incident, plan: PlanVersion, why: str) -> Outcome:
    """Remembered under the account that sent it, until its accounts are known: then the plan's permission counts."""
    seen = ledger.get(trigger_key(incident.sender, incident.trigger_id))
    want = wanted_of(incident, incident.sender, (), seen=seen, allow="notify")
    if seen:
        return _outcome("ignored", f"This trigger was seen before, at {seen['seenAt']}.")
    step = "look at the case, then for each account that it concerns: airlift start --account ACCOUNT --reason '…'"
    return tell(ledger, want, plan, why, step)


def _cools_down(ledger: Ledger, wanted: Wanted, plan: PlanVersion) -> str:
    """Why an event only tells people shortly after a recovery of the account has ended; empty if it may start one."""
    last = None if wanted.on_demand else ledger.get(last_key(wanted.account))
    minutes = plan.plan.approval.cool_down_minutes
    if last is None or now() - parse_time(last["endedAt"]) >= timedelta(minutes=minutes):
        return ""
    return f"recovery {last['recoveryId']} ended {last['outcome']} less than {minutes} minutes ago"


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
            return tell(ledger, wanted, plan, why)
        served = keyed(execution_key(execution_arn), recoveryId=identity, account=wanted.account)
        try:
            ledger.write(
                *opening(wanted.account, identity, execution_arn, at, lock),
                Put(new_recovery(identity, wanted, plan, execution_arn, at)),
                Put(served),
                Put(listing(identity, wanted.account, at)),
                chore(identity),
                memory(wanted, at, identity),
                entry(identity, at, "trigger", told_of(wanted)),
                announce(identity, at, "", RecoveryRequested, [_requested(wanted)]),
            )
        except Conflict:
            logger.info("Somebody else was faster; looking again")
            continue
        if lock:
            stop_preempted(lock, identity)
        logger.append_keys(recovery_id=identity)
        logger.info("Recovery begins", extra={"trigger_id": wanted.trigger_id, "trigger": wanted.trigger["kind"]})
        metrics.add_metric("DrillsStarted" if wanted.drill else "RecoveriesStarted", MetricUnit.Count, 1)
        kind = "Drill" if wanted.drill else "Recovery"
        text = f"{kind} {identity} begins: {len(wanted.vaults)} vault(s) of account {wanted.account}."
        return _outcome("accepted", text, identity, wanted.account)
    # The trigger's own memory may be what has changed: two executions of one event.
    if seen := _seen_meanwhile(ledger, wanted):
        return _outcome("ignored", f"This trigger was seen before, at {seen['seenAt']}.", seen.get("recoveryId", ""))
    raise Conflict(f"The lock of account {wanted.account} changes hands too fast.", "start again.")


def _requested(wanted: Wanted) -> dict[str, Any]:
    return {
        "source_backup_vault_arns": wanted.vaults,
        "trigger": wanted.trigger["kind"],
        "reason": wanted.reason,
        "first_sign": wanted.first_sign,
    }


def _join(ledger: Ledger, identity: str, wanted: Wanted) -> Outcome:
    """Adds an earlier first sign to the recovery that runs; it moves the cut-off of what is not yet started."""
    recovery = ledger.get(recovery_key(identity)) or {}
    at = now()
    text = f"Recovery {identity} of account {wanted.account} runs already; this trigger joined it."
    changes: list[Put | Update] = [memory(wanted, at, identity), entry(identity, at, "joined", told_of(wanted))]
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
    elif wanted.on_demand and wanted.first_sign and wanted.first_sign != counts:
        text += f" Its first sign stays {counts}; `airlift first-sign {identity} {wanted.first_sign}` changes it."
    try:
        ledger.write(*changes, Update(recovery_key(identity), joined, only_if=only_if))
    except Conflict:
        if _seen_meanwhile(ledger, wanted):
            return _outcome("ignored", "This trigger was seen before.", identity)
        raise
    logger.info("Trigger joined", extra={"trigger_id": wanted.trigger_id, "recovery_id": identity})
    return _outcome("joined", text, identity)


def _seen_meanwhile(ledger: Ledger, wanted: Wanted) -> Record | None:
    seen = ledger.get(trigger_key(wanted.account, wanted.trigger_id))
    return seen if seen and seen["seenAt"] != wanted.seen_at else None


def _ignored(error: AirliftError) -> Outcome:
    metrics.add_metric("TriggersIgnored", MetricUnit.Count, 1)
    metrics.add_metadata("reason", error.name)
    logger.info("Trigger ignored", extra={"error": error.name})
    return _outcome("ignored", f"{error.name}: {error}")


def _outcome(outcome: str, text: str, identity: str = "", account: str = "") -> Outcome:
    return {"outcome": outcome, "text": text, "recoveryId": identity, "account": account}
