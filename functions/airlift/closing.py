"""Every ending closes here: report, message, lock; for a normal end, and for what Step Functions says has ended."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.access import next_request
from airlift.access_vaults import describe
from airlift.announcements import RecoveryEnded
from airlift.announcing import announce
from airlift.aws import MPA_REGION, client
from airlift.children import child_ended, is_child, record_ending, stop_children, vault_endings
from airlift.endings import RECOVERED, Ending, next_step_at_end, of_execution, overall, with_next_step
from airlift.errors import DrillPreempted, OperatorNeeded, Superseded, Unavailable
from airlift.keeping import keep
from airlift.ledger import (
    Holder,
    Ledger,
    Put,
    Record,
    Update,
    execution_key,
    keyed,
    last_key,
    recovery_key,
    vault_key,
)
from airlift.lock import freeing, is_held_by
from airlift.notify import deliver_or_retry, notice, title_of
from airlift.recovery import is_drill
from airlift.remembering import remembered, write_history
from airlift.report import message
from airlift.reporting import page_at, write
from airlift.runtime import NO_ANSWER, account_of, logger
from airlift.suspecting import doubt
from airlift.telemetry import tell_end
from airlift.timeline import entry
from airlift.values import now, safe_text, stamp
from airlift.wishes import still_wanted

if TYPE_CHECKING:
    from datetime import datetime


def close_ended_recovery(ledger: Ledger, recovery_id: str, execution_arn: str, ended: dict[str, str]) -> dict[str, Any]:
    """The end that the workflow itself reaches. `ended` holds error and cause if a state of it failed."""
    problem = _ending_of(ended, recovery_id) if ended.get("error") else None
    try:
        return _close(ledger, recovery_id, execution_arn, problem, by_status=False)
    except Superseded as error:  # perhaps by another run of this step, which has freed the lock: the next try sees that
        raise Unavailable(error.what, "none; the step is tried again.") from error


def close_by_status(ledger: Ledger, execution_arn: str, status: dict[str, Any]) -> dict[str, Any]:
    """An execution ended otherwise: stopped, timed out, failed. Closes only what nobody has closed.

    `status` is the detail of a Step Functions Execution Status Change, or {} if only the ARN is known.
    """
    if is_child(execution_arn):
        return {"outcome": child_ended(ledger, status)}
    served = ledger.get(execution_key(execution_arn))
    if served is None:
        return {"outcome": "nothing to close"}  # it never took a lock: ignored, joined, or wrong input
    if served.get("outcome") == "check":
        from airlift.asking import tell_unchecked  # here: the readiness's modules would slow down each cold start

        tell_unchecked(ledger, served)
        return {"outcome": "told"}
    recovery = ledger.get(recovery_key(served["recoveryId"])) or {}
    if not is_held_by(ledger, served["account"], execution_arn) and not _preempted(recovery, execution_arn):
        deliver_or_retry(ledger, recovery_key(served["recoveryId"])[0])
        return {"outcome": "closed before"}
    described = status or _described(execution_arn)
    if described["status"] in ("RUNNING", "PENDING_REDRIVE"):
        return {"outcome": "still running"}
    recovery_id = served["recoveryId"]
    cause = described.get("cause") or f"It ended {described['status']} without closing the recovery."
    stop_children(ledger, recovery_id, cause)
    ending = of_execution(described, recovery_id, cause)
    return _close(ledger, recovery_id, execution_arn, ending, by_status=True)


def _preempted(recovery: Record, execution_arn: str) -> bool:
    """Whether this is a drill that lost the lock to a real recovery and is not closed yet."""
    lost = "preemptedBy" in recovery and recovery["executionArn"] == execution_arn
    return lost and recovery["state"] != "ENDED"


def _described(execution_arn: str) -> dict[str, Any]:
    """DescribeExecution; executions older than 90 days, or of a deleted stack, are gone and count as stopped."""
    states = client("stepfunctions")
    try:
        answer: dict[str, Any] = states.describe_execution(executionArn=execution_arn)
    except states.exceptions.ExecutionDoesNotExist:
        return {"status": "ABORTED"}
    return answer


def _ending_of(ended: dict[str, str], recovery_id: str) -> Ending:
    """Error and cause as the workflow caught them; a Lambda function's cause is JSON."""
    cause = ended.get("cause", "")
    try:
        parsed = json.loads(cause)
    except ValueError:
        parsed = None
    told = parsed.get("errorMessage", cause) if isinstance(parsed, dict) else cause
    return Ending(ended["error"], with_next_step(told or "no cause given", recovery_id))


def _withdraw(ledger: Ledger, recovery_id: str, by: str, holder: Holder | None, vault: Record) -> str:
    """Withdraws a request that people may still vote on, as far as AWS allows; says what came of it, if there is one.

    CancelSession is documented for the team's owner; that the requester may call it is inferred from the IAM actions
    that AWS lists for requesters (multipartyapproval.html).
    """
    name = vault.get("restoreAccessBackupVaultName") or vault.get("requesting")
    if name is None or "grantedAt" in vault or vault.get("withdrawalBy") == by:
        return ""
    described = describe(name) or {}
    session = described.get("MpaSessionArn") or vault.get("sessionArn")
    arn = vault["sourceBackupVaultArn"]
    withdrawn = next_request(vault) | {"sessionStatus": "WITHDRAWN"}
    if described.get("VaultState") == "FAILED":
        # It has ended, or an earlier try of this step has cancelled it: a resume makes a request of its own.
        ledger.write(Update(vault_key(recovery_id, arn), next_request(vault)), holder=holder)
    if described.get("VaultState") != "CREATING" and (described or "unseen" not in vault):
        return ""
    text = "The pending request was withdrawn."
    if refused := _refused(session):
        withdrawn = {}
        text = f"The pending request could not be withdrawn ({refused}); tell the approvers so."
    ledger.write(
        Update(vault_key(recovery_id, arn), {"withdrawalBy": by} | withdrawn),
        entry(recovery_id, now(), "withdrawn", text, vault=arn),
        holder=holder,
    )
    return f"{arn}: {text}"


def _refused(session: str | None) -> str:
    """Why the session can't be cancelled; empty if it is."""
    if session is None:
        return "AWS Backup does not tell its session"
    try:
        client("mpa", MPA_REGION).cancel_session(SessionArn=session)
    except (ClientError, *NO_ANSWER) as error:
        return safe_text(str(error), 200)
    return ""


def _close(
    ledger: Ledger, recovery_id: str, execution_arn: str, problem: Ending | None, *, by_status: bool
) -> dict[str, Any]:
    """Report, message, then the ending and the lock in one transaction. Whatever fails before is done again.

    A drill that was preempted closes without a lock: only its own closing writes to it any more.
    """
    logger.append_keys(recovery_id=recovery_id, execution_arn=execution_arn)
    holder: Holder | None = Holder(account_of(recovery_id), execution_arn)
    recovery = ledger.get(recovery_key(recovery_id)) or {}
    if recovery.get("state") == "ENDED" and recovery.get("executionArn") == execution_arn:
        return _told(ledger, recovery)
    if not is_held_by(ledger, account_of(recovery_id), execution_arn):
        if not _preempted(recovery, execution_arn):
            cause = f"{execution_arn} no longer holds the account's lock; nothing is reported twice."
            return {"outcome": "Superseded", "cause": cause, "recoveryId": recovery_id, "next": "end"}
        holder, problem = None, _preemption(recovery)
    # From here on nothing joins any more: a new trigger waits until the lock is free, and opens its own recovery.
    begun = Update(recovery_key(recovery_id), {"state": "CLOSING"}, only_if={"state": recovery.get("state")})
    ledger.write(begun, holder=holder)
    recovery = ledger.get(recovery_key(recovery_id)) or {}  # with what joined, or an operator noted, until just now
    vaults = list(ledger.query(recovery_key(recovery_id)[0], "VAULT#"))
    doubt(ledger, recovery, vaults, holder)
    endings = vault_endings(vaults, recovery_id, stopped=by_status)
    ending = problem or _unless_wanted(ledger, recovery_id, overall(endings))
    at = now()
    for arn in (vault["sourceBackupVaultArn"] for vault in vaults if not vault.get("ending")):
        record_ending(ledger, recovery_id, arn, endings[arn], holder)
    withdrawn = [text for vault in vaults if (text := _withdraw(ledger, recovery_id, execution_arn, holder, vault))]
    now_ended = recovery | {"endedAt": stamp(at)}
    written = write(ledger, now_ended, vaults, endings, ending, at, execution_arn.rpartition(":")[2])
    pk, _ = recovery_key(recovery_id)
    where = written.page
    told = notice(
        pk,
        at,
        f"closed#{execution_arn}",
        title_of(recovery_id, ending.name),
        "\n".join([message(written.document, where), *withdrawn, *filter(None, [written.parameters])]),
        f"airlift status {recovery_id}",
    )
    ended_as = {"outcome": ending.name, "cause": ending.cause, "report": where}
    ended = {
        "state": "ENDED",
        "outcome": ending.name,
        "cause": ending.cause,
        "endedAt": stamp(at),
        "reportKey": written.key,
    }
    ledger.write(
        Update(recovery_key(recovery_id), ended, only_if={"state": "CLOSING"}),
        *([freeing(holder)] if holder else []),
        *_remembered(recovery, ending, at),
        remembered(ledger, written.document, written.key),
        entry(recovery_id, at, "closed", f"{ending.name}: {ending.cause}"),
        announce(recovery_id, at, execution_arn, RecoveryEnded, [ended_as]),
        told,
    )
    logger.info("Recovery closed", extra={"outcome": ending.name})
    tell_end(recovery_id, ending.name, written.document["cost"]["usd"])
    return _told(ledger, recovery | ended)


def _unless_wanted(ledger: Ledger, recovery_id: str, ending: Ending) -> Ending:
    """The ending, which is not good if an operator wants more of a vault than it had done when it ended."""
    wanted = still_wanted(ledger, recovery_id) if ending.name == RECOVERED else []
    if not wanted:
        return ending
    text = f"Wanted once more when its vault had ended: {', '.join(wanted[:3])}, {len(wanted)} in all."
    step = next_step_at_end(recovery_id, f"`airlift resume {recovery_id}` restores that.")
    return Ending(OperatorNeeded.__name__, f"{text} Next step: {step}")


def _preemption(recovery: Record) -> Ending:
    cause = f"Recovery {recovery['preemptedBy']} of account {recovery['account']} took precedence over this drill."
    return Ending(DrillPreempted.__name__, f"{cause} Next step: start a new drill when that has ended.")


def _remembered(recovery: Record, ending: Ending, at: datetime) -> list[Put]:
    """When the account's last recovery ended, for the cool-down; a drill keeps no finding from starting one."""
    if is_drill(recovery["recoveryId"]):
        return []
    last = keyed(
        last_key(recovery["account"]), recoveryId=recovery["recoveryId"], outcome=ending.name, endedAt=stamp(at)
    )
    return [Put(last, replace=True)]


def _told(ledger: Ledger, recovery: Record) -> dict[str, Any]:
    """The execution's output, when all notices are out; the same however often the step is repeated."""
    pk, _ = recovery_key(recovery["recoveryId"])
    deliver_or_retry(ledger, pk)
    evidence = keep(ledger, recovery["recoveryId"])
    write_history(ledger)
    votes = ("vault", "approver", "response", "at")
    return {
        "outcome": recovery["outcome"],
        "cause": recovery["cause"],
        "recoveryId": recovery["recoveryId"],
        "next": "cleanUp" if is_drill(recovery["recoveryId"]) else "end",
        "report": page_at(recovery["reportKey"]),
        "evidence": evidence,
        "votes": [{name: vote[name] for name in votes} for vote in islice(ledger.query(pk, "VOTE#"), 100)],
        "vaults": {
            vault["sourceBackupVaultArn"]: vault.get("ending", {}).get("name") for vault in ledger.query(pk, "VAULT#")
        },
    }
