"""What nobody else comes back for: closings that were missed, drills that were not cleaned up, access left open.

Every recovery is in its list until nothing of it is left to do. It only starts the steps that would have done it.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.errors import AirliftError, PlanUnreadable, Unavailable
from airlift.keeping import is_due, keep, keep_hours
from airlift.ledger import Delete, Ledger, Record, Update, chore_key, recovery_key
from airlift.lock import close_execution, is_running
from airlift.notify import deliver_or_retry, notice, title_of
from airlift.plan_store import newest_plan
from airlift.recovery import is_drill
from airlift.revoking import close_access
from airlift.runtime import NO_ANSWER, logger, setting
from airlift.telemetry import count
from airlift.timeline import entry
from airlift.values import now, parse_time, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.plan import Plan

_RUN = timedelta(minutes=3)
_BEGINS_WITHIN = timedelta(minutes=2)
"""A drill's own execution begins to clean up so soon after its end."""
_TRIED_AGAIN_AFTER = timedelta(days=1)
_TRIED_FOR = timedelta(days=7)


def tidy_up(ledger: Ledger) -> dict[str, int]:
    """One run: how many recoveries were found in which condition. What is not reached comes in the next one.

    Raises the first error that a recovery met, when all the others were seen to.
    """
    begun = now()
    found: Counter[str] = Counter()
    errors: list[Exception] = []
    plan = cache(lambda: newest_plan().plan)
    # The longest not seen to first, so that none is left out for ever.
    chores = sorted(ledger.query("CHORES"), key=lambda chore: str(chore.get("seenToAt", "")))
    for chore in chores:
        if now() - begun > _RUN:
            break
        identity = chore["recoveryId"]
        try:
            condition = _see_to(ledger, identity, plan)
            found[condition] += 1
            if condition in _OVER:
                ledger.write(Delete(chore_key(identity), only_if={}))
            elif len(chores) > 1:
                ledger.write(Update(chore_key(identity), {"seenToAt": stamp(now())}))
        except (ClientError, AirliftError, *NO_ANSWER) as error:
            logger.exception("Not seen to", extra={"recovery_id": identity})
            errors.append(error)
    count(RecoveriesRunning=found["running"], ClosingsMissed=found["closed"])
    if errors:
        raise errors[0]
    return dict(found)


_OVER = frozenset({"forgotten", "clean", "given up", "access closed"})


def _see_to(ledger: Ledger, identity: str, plan: Callable[[], Plan]) -> str:
    recovery = ledger.get(recovery_key(identity))
    if recovery is None:
        return "forgotten"
    if recovery["state"] != "ENDED":
        began = recovery.get("resumedAt", recovery["createdAt"])
        if is_running({"executionArn": recovery["executionArn"], "takenAt": began}):
            _set_log_level(ledger, recovery, plan)
            keep_hours(ledger, recovery)
            return "running"
        close_execution(recovery["executionArn"])
        return "closed"
    deliver_or_retry(ledger, recovery_key(identity)[0])
    condition = _drill(recovery) if is_drill(identity) else _real(ledger, recovery, plan)
    if is_due(ledger.get(recovery_key(identity)) or recovery):
        keep(ledger, identity)
    return condition


def _drill(drill: Record) -> str:
    """Starts a clean-up if the drill is not clean and nobody cleans."""
    moment = now()
    if "cleanedUpAt" in drill:
        return "clean"
    if moment - parse_time(drill["endedAt"]) < _BEGINS_WITHIN:
        return "just ended"
    if float(drill.get("cleanUpLeaseUntil", 0)) > moment.timestamp():
        return "being cleaned up"
    if "cleanUpBy" in drill and moment - parse_time(drill["endedAt"]) > _TRIED_FOR:
        return "given up"  # however its executions have ended
    if "notCleanedUpAt" in drill and moment - parse_time(drill["notCleanedUpAt"]) < _TRIED_AGAIN_AFTER:
        return "not clean"
    identity = drill["recoveryId"]
    client("stepfunctions").start_execution(
        stateMachineArn=setting("RECOVERY_STATE_MACHINE_ARN"),
        name=f"clean-up-{identity}-{moment:%Y%m%d%H%M}",
        input=json.dumps({"recoveryId": identity, "action": "clean-up"}),
    )
    return "clean-up started"


def _set_log_level(ledger: Ledger, recovery: Record, plan: Callable[[], Plan]) -> None:
    """A recovery keeps the plan that it began with, but logs as the one in force says, if that can be read."""
    try:
        level = plan().log_level
    except (PlanUnreadable, Unavailable) as error:  # the daily check tells people so
        logger.warning(error.what)
        return
    if recovery.get("logLevel") != level:
        ledger.write(Update(recovery_key(recovery["recoveryId"]), {"logLevel": level}))


def _real(ledger: Ledger, recovery: Record, plan: Callable[[], Plan]) -> str:
    """Closes the recovery's access when the plan's time is over."""
    after = plan().access.close_after_days
    if after is None or now() - parse_time(recovery["endedAt"]) < timedelta(days=after):
        return "access kept"
    identity = recovery["recoveryId"]
    pk, _ = recovery_key(identity)
    vaults = list(ledger.query(pk, "VAULT#"))
    left = [one for vault in vaults for one in close_access(ledger, identity, vault)]
    if left:
        logger.info("Access is not closed yet", extra={"left": left})
        return "access being closed"
    if any("grantedAt" in vault for vault in vaults):
        at = now()
        text = f"Access to the backups of account {recovery['account']} is closed, {after} days after the end."
        step = f"`airlift resume {identity}` asks for access anew, if something is missing."
        ledger.write(
            Update((pk, "RECOVERY"), {"accessClosedAt": stamp(at)}, only_if={"state": "ENDED"}),
            entry(identity, at, "access-closed", text),
            notice(pk, at, f"access-closed#{stamp(at)}", title_of(identity, "access closed"), text, step),
        )
        deliver_or_retry(ledger, pk)
    return "access closed"
