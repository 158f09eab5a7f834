"""Who gets an account's lock: a free one is taken, a real recovery takes that of a drill over, nobody else's is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.errors import DrillPreempted
from airlift.ledger import Change, Record, Update, lock_key, recovery_key
from airlift.lock import taking
from airlift.recovery import is_drill
from airlift.runtime import NO_ANSWER, logger
from airlift.timeline import entry
from airlift.values import stamp

if TYPE_CHECKING:
    from datetime import datetime


def preempts(recovery_id: str, lock: Record) -> bool:
    """Whether this recovery takes the lock from its holder: only a real one does, and only from a drill."""
    return is_drill(lock["recoveryId"]) and not is_drill(recovery_id)


def opening(account: str, recovery_id: str, execution_arn: str, at: datetime, lock: Record | None) -> list[Change]:
    """The changes that give the lock to a recovery; `lock` is that of the drill it preempts, None if it is free.

    From that write on every writer of the drill is `Superseded`, whatever becomes of its execution.
    """
    if lock is None:
        return [taking(account, recovery_id, execution_arn, at)]
    drill = lock["recoveryId"]
    taken = {"recoveryId": recovery_id, "executionArn": execution_arn, "takenAt": stamp(at)}
    return [
        Update(lock_key(account), taken, only_if={"executionArn": lock["executionArn"]}),
        Update(recovery_key(drill), {"preemptedBy": recovery_id, "preemptedAt": stamp(at)}),
        entry(drill, at, "preempted", f"Recovery {recovery_id} takes precedence; this drill starts nothing more."),
        entry(recovery_id, at, "preempting", f"Drill {drill} is ended for it."),
    ]


def stop_preempted(lock: Record, recovery_id: str) -> None:
    """Stops the drill's execution, so that it ends at once; without it, it ends by itself when it next writes."""
    cause = f"Recovery {recovery_id} takes precedence. Next step: start a new drill when that has ended."
    try:
        client("stepfunctions").stop_execution(
            executionArn=lock["executionArn"], error=DrillPreempted.__name__, cause=cause
        )
    except (ClientError, *NO_ANSWER) as error:
        logger.warning("The drill's execution could not be stopped; it has lost the lock", extra={"reason": str(error)})
