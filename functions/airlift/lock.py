"""One lock per protected account. It names the recovery, and the execution that may write for it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

from airlift.aws import client
from airlift.errors import Unavailable
from airlift.ledger import Delete, Holder, Ledger, Put, Record, keyed, lock_key
from airlift.runtime import logger, setting
from airlift.values import now, parse_time, stamp

if TYPE_CHECKING:
    from datetime import datetime

# DescribeExecution is eventually consistent, so a young execution that is not found counts as running
# (docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html; the time is our own).
_FOUND_WITHIN = timedelta(minutes=15)


def taking(account: str, recovery_id: str, execution_arn: str, at: datetime) -> Put:
    """The change that takes a free lock; refused with `Conflict` if somebody holds it."""
    return Put(
        keyed(
            lock_key(account),
            recoveryId=recovery_id,
            executionArn=execution_arn,
            takenAt=stamp(at),
        )
    )


def freeing(holder: Holder) -> Delete:
    """The change that frees the lock if it is still the holder's."""
    return Delete(lock_key(holder.account), only_if={"executionArn": holder.execution_arn})


def is_held_by(ledger: Ledger, account: str, execution_arn: str) -> bool:
    """Whether this execution holds the account's lock."""
    lock = ledger.get(lock_key(account))
    return lock is not None and lock["executionArn"] == execution_arn


def running_holder(ledger: Ledger, account: str, execution_arn: str) -> Record | None:
    """The lock's record if another execution holds it and runs; None if the lock is free to take.

    A holder that does not run has lost the lock: its recovery is closed first, which frees it.
    """
    lock = ledger.get(lock_key(account))
    if lock is None or lock["executionArn"] == execution_arn:
        return None
    if is_running(lock):
        return lock
    close_execution(lock["executionArn"])
    if is_held_by(ledger, account, lock["executionArn"]):
        raise Unavailable(
            f"Account {account} is still locked by {lock['executionArn']}, which no longer runs.",
            "none; closing it is tried again.",
        )
    return running_holder(ledger, account, execution_arn)


def is_running(lock: Record) -> bool:
    """Whether the execution that holds the lock runs."""
    states = client("stepfunctions")
    try:
        status = states.describe_execution(executionArn=lock["executionArn"])["status"]
    except states.exceptions.ExecutionDoesNotExist:
        return now() - parse_time(lock["takenAt"]) < _FOUND_WITHIN
    return bool(status in ("RUNNING", "PENDING_REDRIVE"))


def close_execution(execution_arn: str) -> None:
    """Lets close_recovery finish what a lost status event left open."""
    logger.warning("The lock's holder no longer runs; it is closed first", extra={"execution": execution_arn})
    answer = client("lambda").invoke(
        FunctionName=setting("CLOSE_RECOVERY_FUNCTION_ARN"),
        Payload=json.dumps({"executionArn": execution_arn}).encode(),
    )
    if answer.get("FunctionError"):
        raise Unavailable(
            f"{execution_arn} could not be closed: {answer['Payload'].read()[:500]!r}",
            "look at close_recovery's log; this is tried again.",
        )
