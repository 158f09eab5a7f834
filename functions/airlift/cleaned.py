"""What a drill's clean-up ends with: its document among the evidence, what people are told, the execution's output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from airlift.endings import CLEANED_UP
from airlift.errors import DrillNotCleanedUp
from airlift.evidence import WRITTEN_ANEW
from airlift.keeping import folder, keep, put
from airlift.ledger import Delete, Ledger, Record, Update, chore_key, item_key, merge, recovery_key
from airlift.notify import deliver_or_retry, notice, title_of, untold
from airlift.reporting import write_as_it_stands
from airlift.runtime import setting
from airlift.timeline import entry
from airlift.values import now, stamp

if TYPE_CHECKING:
    from datetime import datetime

SHORTEST = 5


class Left(NamedTuple):
    """Something that is still there, and why."""

    what: str
    why: str
    again_in_seconds: int = SHORTEST
    """When to look again; 0 if it was refused, and is tried again all the same."""


def end(ledger: Ledger, drill: Record, execution_arn: str, left: list[Left]) -> None:
    """Result, evidence and notice."""
    identity, at = drill["recoveryId"], now()
    key = folder(identity) + WRITTEN_ANEW
    document = json.dumps(_document(ledger, drill, left, at), ensure_ascii=False, indent=1)
    put(setting("EVIDENCE_BUCKET"), key, document.encode(), "application/json")
    told = [f"{one.what}: {one.why}" for one in left[:10]]
    if left:
        values: dict[str, Any] = {"notCleanedUpAt": stamp(at), "cleanUpLeft": told}
        name, text = DrillNotCleanedUp.__name__, f"{len(left)} left. " + "; ".join(told)
        step = f"mend what holds it up, then `airlift clean-up {identity}`; it is tried again every day for a week."
    else:
        values = {"cleanedUpAt": stamp(at), "cleanUpLeft": None, "cleanUpKey": key}
        name, text, step = CLEANED_UP, "Everything that the drill restored, and its access, is deleted.", "none."
    values |= {"cleanUpLeaseUntil": None}
    written = write_as_it_stands(ledger, drill | values, f"{execution_arn.rpartition(':')[2]}-cleaned-up")
    values |= {"reportKey": written.key}
    pk, _ = recovery_key(identity)
    ledger.write(
        Update((pk, "RECOVERY"), values, only_if={"cleanUpBy": execution_arn}),
        entry(identity, at, "clean-up", f"{name}: {text}"),
        notice(pk, at, f"clean-up#{stamp(at)}", title_of(identity, name), text, step),
    )
    merge(drill, values)


def _document(ledger: Ledger, drill: Record, left: list[Left], at: datetime) -> dict[str, Any]:
    identity = drill["recoveryId"]
    resources = [
        {"resourceArn": item["resourceArn"], "deletions": item.get("deletions", [])}
        for vault in drill["vaults"]
        for item in ledger.query(item_key(identity, vault, "")[0])
    ]
    return {
        "recoveryId": identity,
        "outcome": DrillNotCleanedUp.__name__ if left else CLEANED_UP,
        "at": stamp(at),
        "since": drill["cleanUpSince"],
        "resources": resources,
        "left": [{"what": one.what, "why": one.why} for one in left],
    }


def answer(ledger: Ledger, drill: Record, execution_arn: str) -> dict[str, Any]:
    """The execution's output: the drill's own ending if it is clean, or that it was cleaned up by this one.

    Of a clean drill the janitor has nothing left to do, but not before that is told and kept.
    """
    identity = drill["recoveryId"]
    pk, _ = recovery_key(identity)
    deliver_or_retry(ledger, pk)
    keep(ledger, identity)
    if "cleanedUpAt" in drill and not untold(ledger, pk):
        ledger.write(Delete(chore_key(identity), only_if={}))
    if "cleanedUpAt" not in drill:
        cause = (
            f"Left of drill {identity}: {'; '.join(drill['cleanUpLeft'])}. Next step: `airlift clean-up {identity}`."
        )
        outcome = DrillNotCleanedUp.__name__
    elif drill["executionArn"] == execution_arn:
        outcome, cause = drill["outcome"], f"{drill['cause']} Everything it restored is deleted."
    else:
        outcome, cause = CLEANED_UP, f"Everything that drill {identity} restored is deleted."
    return {"next": "end", "waitSeconds": 0, "outcome": outcome, "cause": cause, "recoveryId": identity}
