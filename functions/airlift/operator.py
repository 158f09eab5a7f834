"""What an operator may have done to a recovery: resume, continue, first-sign, restore-again, pin, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.aws import client
from airlift.endings import VAULT_RECOVERED
from airlift.errors import InvalidInput, RecoveryAlreadyRuns, Unavailable, UnknownRecovery
from airlift.ledger import Ledger, Put, Record, Update, execution_key, item_key, keyed, recovery_key, vault_key
from airlift.lock import running_holder
from airlift.plan_store import newest_plan
from airlift.preempting import opening, preempts, stop_preempted
from airlift.recovery import EVERY_WAVE, chore, is_drill
from airlift.timeline import entry
from airlift.values import now, safe_text, stamp
from airlift.wishes import noted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airlift.inputs import Action


def act(ledger: Ledger, execution_arn: str, action: Action, at: datetime) -> dict[str, Any]:
    """Carries an operator action out and says what it did.

    Each action writes attributes of its own, by condition, and so never meets the running execution's writes. What
    needs the recovery to go on, and finds it ended, resumes it in this execution (outcome "accepted").
    Raises `UnknownRecovery`, and `RecoveryAlreadyRuns` if another recovery of the account is under way.
    """
    recovery = ledger.get(recovery_key(action.recovery_id))
    if recovery is None:
        raise UnknownRecovery(
            f"recoveryId: the ledger knows no recovery {action.recovery_id}.",
            "look the id up with `airlift status`.",
        )
    lock = running_holder(ledger, recovery["account"], execution_arn)
    runs = bool(lock and lock["recoveryId"] == action.recovery_id)
    if action.action == "stop":
        return _stop(ledger, recovery, lock if runs else None, action, at)
    if runs and recovery["state"] == "CLOSING":
        raise Unavailable(
            f"Recovery {action.recovery_id} is just ending; what is done now would be too late for it.",
            "none; the step is tried again, and goes on with it when it has ended.",
        )
    if action.action == "clean-up" or (is_drill(action.recovery_id) and not runs):
        return _clean_up(ledger, execution_arn, recovery, action)
    if lock and not runs and action.action not in ("first-sign", "pin") and not preempts(action.recovery_id, lock):
        raise RecoveryAlreadyRuns(
            f"Recovery {lock['recoveryId']} of account {recovery['account']} is under way.",
            f"wait for its end, or stop it with `airlift stop {lock['recoveryId']}`, then resume this one.",
        )
    changes, text = _noted(ledger, recovery, action, execution_arn, at)
    if action.override_readiness:
        text = f"{text} {_overridden(ledger, action, safe_text(action.override_readiness, 200), at)}".strip()
    if changes:
        # Of a recovery that does not run, the janitor keeps what is noted now.
        later = [] if runs else [chore(action.recovery_id)]
        ledger.write(*changes, *later, entry(action.recovery_id, at, "operator", text))
    if runs:
        done = text or f"Recovery {action.recovery_id} runs already; nothing to resume."
        done += _waits(ledger, recovery, action)
        return {"outcome": "done", "text": done, "recoveryId": action.recovery_id, "account": ""}
    if action.action in ("first-sign", "pin"):
        text += f" The recovery does not run; go on with `airlift resume {action.recovery_id}`."
        return {"outcome": "done", "text": text, "recoveryId": action.recovery_id, "account": ""}
    return _resume(ledger, execution_arn, recovery, text, lock)


def _waits(ledger: Ledger, recovery: Record, action: Action) -> str:
    """In words, which vaults have ended while others go on, so that what is wanted of them waits for a resume."""
    if action.action not in ("continue", "restore-again", "pin"):
        return ""
    identity, ended = recovery["recoveryId"], []
    for arn in recovery["vaults"]:
        ending = (ledger.get(vault_key(identity, arn)) or {}).get("ending", {}).get("name")
        known = (ledger.get(item_key(identity, arn, one)) for one in action.resource_arns or ())
        if ending and (any(known) or (action.action == "continue" and ending != VAULT_RECOVERED)):
            ended.append(f"{arn} ({ending})")
    if not ended:
        return ""
    return f" Ended already: {', '.join(ended)}; there it waits for `airlift resume {identity}`, when all have ended."


def _overridden(ledger: Ledger, action: Action, why: str, at: datetime) -> str:
    """Notes that what the readiness checks find keeps nothing back any more, but for an open network."""
    text = f"Readiness is overridden: {why}."
    update = Update(recovery_key(action.recovery_id), {"overrideReadiness": why})
    ledger.write(update, entry(action.recovery_id, at, "override", text))
    return text


def _clean_up(ledger: Ledger, execution_arn: str, recovery: Record, action: Action) -> dict[str, Any]:
    """Goes on with a drill's clean-up; an ended drill takes no other action, since its clean-up has begun."""
    identity = recovery["recoveryId"]
    if not is_drill(identity):
        raise InvalidInput(
            f"recoveryId: {identity} is a real recovery; only what a drill restored is deleted.",
            "keep what was restored; the janitor closes its access, as the plan says.",
        )
    if action.action != "clean-up":
        raise InvalidInput(
            f"action: drill {identity} has ended, and what it restored is deleted.", "start a new drill instead."
        )
    if recovery["state"] != "ENDED":
        raise RecoveryAlreadyRuns(f"Drill {identity} has not ended.", f"`airlift stop {identity}` ends it.")
    text = f"The clean-up of drill {identity} goes on."
    served = keyed(execution_key(execution_arn), recoveryId=identity, account=recovery["account"], outcome="cleanUp")
    ledger.write(Put(served), entry(identity, now(), "operator", text))
    return {"outcome": "cleanUp", "text": text, "recoveryId": identity, "account": recovery["account"]}


def _noted(
    ledger: Ledger, recovery: Record, action: Action, execution_arn: str, at: datetime
) -> tuple[Sequence[Put | Update], str]:
    """The changes that note the operator's decision, and what it is in words."""
    key = recovery_key(recovery["recoveryId"])
    same = {"state": recovery["state"]}  # what is noted while it ends would be lost
    match action.action:
        case "first-sign":
            sign = action.first_sign
            told = sign if sign is None or isinstance(sign, str) else stamp(sign)
            text = f"First sign of compromise set to {told}."
            return [Update(key, {"operatorFirstSign": told, "operatorFirstSignAt": stamp(at)}, same)], text
        case "continue":
            wave = action.wave or "the wave that waits"
            text = f"Continue with {wave}; held resources are tried again."
            let_pass = {**recovery.get("continuedWaves", {}), action.wave or EVERY_WAVE: stamp(at)}
            values = {"continuedAt": stamp(at), "continuedWaves": let_pass}
            # Two people may let two waves pass at one time.
            return [Update(key, values, same | {"continuedAt": recovery.get("continuedAt")})], text
        case "restore-again" | "pin":
            records, text = noted(ledger, recovery, action, execution_arn, at)
            return [*records, *([Update(key, {"wishedAt": stamp(at)}, same)] if records else [])], text
    return [], ""


def _stop(ledger: Ledger, recovery: Record, lock: Record | None, action: Action, at: datetime) -> dict[str, Any]:
    identity = recovery["recoveryId"]
    if lock is None:
        text = f"Recovery {identity} does not run; nothing to stop."
        return {"outcome": "done", "text": text, "recoveryId": identity, "account": ""}
    reason = action.reason or "no reason given"
    ledger.write(
        Update(
            recovery_key(identity), {"stopReason": reason, "stoppedAt": stamp(at), "stoppedBy": action.requested_by}
        ),
        entry(identity, at, "operator", f"Stop asked for by {action.requested_by or 'somebody'}: {reason}"),
    )
    client("stepfunctions").stop_execution(executionArn=lock["executionArn"], error="Stopped", cause=reason)
    text = f"Recovery {identity} is stopped. Restore jobs that run go on; resume with `airlift resume {identity}`."
    if is_drill(identity):
        text = f"Drill {identity} is stopped. What it restored is deleted, when jobs that run have ended."
    return {"outcome": "done", "text": text, "recoveryId": identity, "account": ""}


def _resume(ledger: Ledger, execution_arn: str, recovery: Record, text: str, drill: Record | None) -> dict[str, Any]:
    """Takes the lock for this execution and goes on with what has no outcome, by the plan in force now.

    `drill` is the lock's record if a drill holds it, which is preempted.
    """
    identity, account = recovery["recoveryId"], recovery["account"]
    plan = newest_plan()
    at = now()
    ledger.write(
        *opening(account, identity, execution_arn, at, drill),
        chore(identity),
        Update(
            recovery_key(identity),
            {
                "state": "RUNNING",
                "executionArn": execution_arn,
                "planVersion": plan.version,
                "planKey": plan.key,
                "planWarning": plan.warning or None,
                "resumedAt": stamp(at),
                **dict.fromkeys(("outcome", "cause", "endedAt")),
            },
        ),
        Put(keyed(execution_key(execution_arn), recoveryId=identity, account=account)),
        entry(identity, at, "operator", f"{text} Resumed.".strip()),
    )
    if drill:
        stop_preempted(drill, identity)
    told = f"Recovery {identity} goes on. {text}".strip()
    return {"outcome": "accepted", "text": told, "recoveryId": identity, "account": account}
