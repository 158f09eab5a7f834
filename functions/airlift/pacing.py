"""StartRestoreJob is paced for the whole Region by one record in which slots are reserved."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from airlift.ledger import Conflict, Ledger, Update

if TYPE_CHECKING:
    from datetime import datetime

STARTS_PER_SECOND = 4.5
"""Just under AWS's 5 a second per account and Region (docs.aws.amazon.com/general/latest/gr/bk.html)."""
_TRIES = 8


def reserve(ledger: Ledger, region: str, wanted: int, at: datetime, within_seconds: float) -> list[float]:
    """Moments (epoch seconds) at which a job may be started: at most `wanted`, none later than `within_seconds`.

    Empty if others have reserved all of that time, or write too fast for us to get a word in.
    """
    key = (f"PACE#{region}", "PACE")
    moment = at.timestamp()
    for _ in range(_TRIES):
        record = ledger.get(key) or {}
        first = max(moment, record.get("nextSlot", 0))
        room = int((moment + within_seconds - first) * STARTS_PER_SECOND)
        number = min(wanted, room)
        if number <= 0:
            return []
        after = round(first + number / STARTS_PER_SECOND, 3)
        try:
            ledger.write(Update(key, {"nextSlot": after}, only_if={"nextSlot": record.get("nextSlot")}, create=True))
        except Conflict:
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 (spreads writers, hides nothing)
            continue
        return [first + n / STARTS_PER_SECOND for n in range(number)]
    return []
