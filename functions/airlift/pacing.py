"""StartRestoreJob is paced for the whole Region by one record in which slots are reserved.

Jobs that others start count as well: their recent pace is left to them. After a throttled call the pace is halved, and
comes back within a minute.
"""

from __future__ import annotations

import random
import time
from concurrent import futures
from typing import TYPE_CHECKING, Any

from airlift.ledger import Conflict, Ledger, Update
from airlift.values import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from airlift.ledger import Record

STARTS_PER_SECOND = 4.5
"""Just under AWS's 5 a second per account and Region (docs.aws.amazon.com/general/latest/gr/bk.html)."""
SLOWEST = 0.5
"""So many starts a second are tried however much others start or AWS throttles."""
_RECOVERS_WITHIN = 60
"""Seconds after which a halved pace is the full one again."""
_AT_ONCE = 8
"""Starts under way at one time: the calls that prepare one take longer than a slot of the pace."""
_TRIES = 8


class Throttled(Exception):
    """AWS took a call as one too many; the item that was to be started is tried again."""


def reserve(
    ledger: Ledger, region: str, wanted: int, at: datetime, within_seconds: float, others: float = 0.0
) -> list[float]:
    """Moments (epoch seconds) at which a job may be started: at most `wanted`, none later than `within_seconds`.

    `others` is how many jobs a second people or programs beside Airlift start. Empty if all of that time is reserved
    already, or other vaults' loops write too fast for us to get a word in.
    """
    moment = at.timestamp()
    for _ in range(_TRIES):
        record = ledger.get(_key(region)) or {}
        pace = max(SLOWEST, _pace(record, moment) - others)
        first = max(moment, record.get("nextSlot", 0))
        room = int((moment + within_seconds - first) * pace)
        number = min(wanted, room)
        if number <= 0:
            return []
        if _written(ledger, region, record, nextSlot=round(first + number / pace, 3)):
            return [first + n / pace for n in range(number)]
    return []


def evenly(number: int, at: datetime) -> list[float]:
    """So many moments (epoch seconds) at the full pace, from this one on: for calls that share it with nobody."""
    return [at.timestamp() + n / STARTS_PER_SECOND for n in range(number)]


def back_off(ledger: Ledger, region: str, at: datetime) -> None:
    """A call was throttled: half as many from now on, and none in the next second."""
    moment = at.timestamp()
    for _ in range(_TRIES):
        record = ledger.get(_key(region)) or {}
        halved = max(SLOWEST, _pace(record, moment) / 2)
        slot = max(moment + 1, record.get("nextSlot", 0))
        if _written(ledger, region, record, nextSlot=round(slot, 3), pace=round(halved, 3), pacedAt=moment):
            return


def _key(region: str) -> tuple[str, str]:
    return f"PACE#{region}", "PACE"


def _pace(record: Record, moment: float) -> float:
    """Starts a second: the full pace, or after a throttled call less, growing evenly."""
    missing: float = STARTS_PER_SECOND - record.get("pace", STARTS_PER_SECOND)
    passed: float = moment - record.get("pacedAt", moment)
    return STARTS_PER_SECOND - missing * max(0.0, 1 - passed / _RECOVERS_WITHIN)


def _written(ledger: Ledger, region: str, record: Record, **values: Any) -> bool:
    """Whether nobody has reserved in between."""
    try:
        ledger.write(Update(_key(region), values, only_if={"nextSlot": record.get("nextSlot")}, create=True))
    except Conflict:
        time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 (spreads writers, hides nothing)
        return False
    return True


def begin_at(slots: Iterable[tuple[float, Callable[[], None]]], *, may_go_on: Callable[[], bool]) -> None:
    """Begins each call at its moment (epoch seconds), several at a time, and waits for all that were begun.

    Nothing more is begun once `may_go_on` denies it, or a call has raised; its error is raised at the end.
    """
    running: set[futures.Future[None]] = set()
    with futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        for slot, call in slots:
            if len(running) == _AT_ONCE:
                futures.wait(running, return_when=futures.FIRST_COMPLETED)
            ended = {one for one in running if one.done()}
            running -= ended
            for one in ended:
                one.result()
            if not may_go_on():
                break
            time.sleep(max(0.0, slot - now().timestamp()))
            running.add(pool.submit(call))
        for one in running:
            one.result()
