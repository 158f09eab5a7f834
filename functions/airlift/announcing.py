"""Events for other tools: written to the ledger with what they tell of, then put on the stack's bus from there."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from airlift.aws import client
from airlift.errors import Unavailable
from airlift.ledger import OPEN_INDEX, Ledger, Put, Record, keyed, recovery_key
from airlift.outbox import send
from airlift.recovery import is_drill
from airlift.runtime import account_of, setting
from airlift.values import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airlift.announcements import Announcement

SOURCE = "airlift"
_PER_CALL = 10
"""PutEvents takes so many entries (API_PutEvents.html)."""


def announce(
    recovery_id: str, at: datetime, name: str, kind: type[Announcement], details: Sequence[Mapping[str, Any]]
) -> Put:
    """One record with an event for each of `details`, to be written in the transaction with what it tells of.

    `name` makes it unique in the recovery. Unsent, it is in the index of what is open, so that only such are read.
    """
    pk, _ = recovery_key(recovery_id)
    common: dict[str, Any] = {
        "recovery_id": recovery_id,
        "mode": "drill" if is_drill(recovery_id) else "real",
        "account": account_of(recovery_id),
        "at": stamp(at),
    }
    key = (pk, f"EVENT#{stamp(at)}#{kind.__name__}#{name}")
    entries = [
        kind(id=_id(*key, number), **common, **detail).model_dump(mode="json", by_alias=True, exclude_none=True)
        for number, detail in enumerate(details)
    ]
    return Put(keyed(key, open=key[1], at=stamp(at), detailType=kind.detail_type, details=entries), replace=True)


def deliver_events(ledger: Ledger, pk: str) -> bool:
    """Puts the recovery's events that nobody has put yet, oldest first; False if a later try is needed."""
    unsent = list(ledger.query(pk, "EVENT#", index=OPEN_INDEX))
    then = {"open": None, "details": None}
    sent = [send(ledger, record, _put, then) for record in unsent]  # one that is refused holds up no other
    return all(sent)


def _put(record: Record) -> None:
    """Raises Unavailable if the bus refuses a part: all are put again then, with the same ids."""
    details = record["details"]
    for first in range(0, len(details), _PER_CALL):
        answer = client("events").put_events(
            Entries=[
                {
                    "Source": SOURCE,
                    "DetailType": record["detailType"],
                    "Detail": json.dumps(detail, ensure_ascii=False),
                    "Resources": [detail["resourceArn"]] if "resourceArn" in detail else [],
                    "EventBusName": setting("INCIDENT_BUS"),
                }
                for detail in details[first : first + _PER_CALL]
            ]
        )
        if answer["FailedEntryCount"]:
            raise Unavailable("EventBridge does not take all events now.", "none; it is tried again.")


def _id(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]
