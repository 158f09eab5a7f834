"""What an operator may have done to a recovery: resume, continue, first-sign, restore-again, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.aws import client
from airlift.errors import InvalidInput, RecoveryAlreadyRuns, UnknownRecovery
from airlift.ledger import Ledger, Put, Record, Update, again_key, execution_key, item_key, keyed, recovery_key
from airlift.lock import running_holder, taking
from airlift.plan_store import newest_plan
from airlift.timeline import entry
from airlift.values import now, stamp

if TYPE_CHECKING:
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
    if lock and not runs and action.action != "first-sign":
        raise RecoveryAlreadyRuns(
            f"Recovery {lock['recoveryId']} of account {recovery['account']} is under way.",
            f"wait for its end, or stop it with `airlift stop {lock['recoveryId']}`, then resume this one.",
        )
    changes, text = _noted(ledger, recovery, action, execution_arn, at)
    if changes:
        ledger.write(*changes, entry(action.recovery_id, at, "operator", text))
    if runs:
        done = text or f"Recovery {action.recovery_id} runs already; nothing to resume."
        return {"outcome": "done", "text": done, "recoveryId": action.recovery_id, "account": ""}
    if action.action == "first-sign":
        text += f" The recovery does not run; go on with `airlift resume {action.recovery_id}`."
        return {"outcome": "done", "text": text, "recoveryId": action.recovery_id, "account": ""}
    return _resume(ledger, execution_arn, recovery, text)


def _known(ledger: Ledger, recovery: Record, resource_arn: str) -> None:
    """Raises `InvalidInput` if no vault of the recovery has selected this resource."""
    keys = (item_key(recovery["recoveryId"], vault, resource_arn) for vault in recovery["vaults"])
    if not any(ledger.get(key) for key in keys):
        raise InvalidInput(
            f"resourceArns: {resource_arn} is no resource of recovery {recovery['recoveryId']}.",
            f"copy the ARN from `airlift status {recovery['recoveryId']}`.",
        )


def _noted(
    ledger: Ledger, recovery: Record, action: Action, execution_arn: str, at: datetime
) -> tuple[list[Put | Update], str]:
    """The changes that note the operator's decision, and what it is in words."""
    key = recovery_key(recovery["recoveryId"])
    match action.action:
        case "first-sign":
            sign = action.first_sign
            told = sign if sign is None or isinstance(sign, str) else stamp(sign)
            text = f"First sign of compromise set to {told}."
            return [Update(key, {"operatorFirstSign": told, "operatorFirstSignAt": stamp(at)})], text
        case "continue":
            wave = action.wave or "the wave that waits"
            text = f"Continue with {wave}; held resources are tried again."
            return [Update(key, {"continuedAt": stamp(at), "continuedWave": action.wave})], text
        case "restore-again":
            arns = action.resource_arns or ()
            for arn in arns:
                _known(ledger, recovery, arn)
            records = [
                keyed(
                    again_key(recovery["recoveryId"], arn),
                    resourceArn=arn,
                    recoveryPointArn=action.recovery_point_arn,
                    at=stamp(at),
                    executionArn=execution_arn,
                )
                for arn in arns
                if (ledger.get(again_key(recovery["recoveryId"], arn)) or {}).get("executionArn") != execution_arn
            ]
            return [Put(record, replace=True) for record in records], f"Restore again: {', '.join(arns)}."
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
    return {"outcome": "done", "text": text, "recoveryId": identity, "account": ""}


def _resume(ledger: Ledger, execution_arn: str, recovery: Record, text: str) -> dict[str, Any]:
    """Takes the lock for this execution and goes on with what has no outcome, by the plan in force now."""
    identity, account = recovery["recoveryId"], recovery["account"]
    plan = newest_plan()
    at = now()
    ledger.write(
        taking(account, identity, execution_arn, at),
        Update(
            recovery_key(identity),
            {
                "state": "RUNNING",
                "executionArn": execution_arn,
                "planVersion": plan.version,
                "planKey": plan.key,
                "planWarning": plan.warning or None,
                "resumedAt": stamp(at),
            },
            remove=("outcome", "cause", "endedAt"),
        ),
        Put(keyed(execution_key(execution_arn), recoveryId=identity, account=account)),
        entry(identity, at, "operator", f"{text} Resumed.".strip()),
    )
    told = f"Recovery {identity} goes on. {text}".strip()
    return {"outcome": "accepted", "text": told, "recoveryId": identity, "account": account}
