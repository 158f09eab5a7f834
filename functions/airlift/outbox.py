"""What leaves the ledger is written with what it tells of, then sent: so nothing is lost, and repeats are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.errors import Unavailable
from airlift.ledger import Conflict, Ledger, Record, Update
from airlift.runtime import NO_ANSWER, is_transient, logger
from airlift.telemetry import count
from airlift.values import now, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LEASE_SECONDS = 60
"""For so long nobody else sends a record; only a crash between sending and noting repeats it then."""


class NotNoted(Exception):
    """It was sent, and that could not be written down; its cause says why."""


def note(ledger: Ledger, record: Record, values: Mapping[str, Any]) -> None:
    """Writes down what part of a record was sent. Raises `NotNoted`."""
    try:
        ledger.write(Update((record["pk"], record["sk"]), values))
    except (ClientError, Unavailable, *NO_ANSWER) as error:
        raise NotNoted from error


def send(ledger: Ledger, record: Record, work: Callable[[Record], None], then: Mapping[str, Any]) -> bool:
    """Sends one record under a lease and notes it, with the attributes in `then`; False if it is to be tried again."""
    key = (record["pk"], record["sk"])
    leased = {"leaseUntil": now().timestamp() + _LEASE_SECONDS}
    try:
        ledger.write(Update(key, leased, only_if={"sentAt": None}, only_if_past={"leaseUntil": now().timestamp()}))
    except Conflict:
        return False  # somebody else sends it just now
    try:
        work(record)
    except NotNoted as error:  # the lease stays: freed, the next try would send it at once again, and the one after
        logger.error("Sent, but not noted", extra={"reason": str(error.__cause__), "record": record["sk"]})
        return not _may_pass(error.__cause__)
    except (ClientError, Unavailable, *NO_ANSWER) as error:
        count(MessagesNotSent=1)
        logger.error("Not sent", extra={"reason": str(error), "record": record["sk"]})
        ledger.write(Update(key, {"leaseUntil": None}))
        return not _may_pass(error)
    ledger.write(Update(key, {**then, "sentAt": stamp(now()), "leaseUntil": None}))
    return True


def _may_pass(error: BaseException | None) -> bool:
    return isinstance(error, Unavailable) or (isinstance(error, Exception) and is_transient(error))
