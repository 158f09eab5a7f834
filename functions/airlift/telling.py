"""People are told of a sign of compromise, or asked what to do about it; access is not asked for.

A storm of triggers tells them once: further ones of the same permission are only remembered for `quietMinutes`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airlift.ledger import Change, Conflict, Ledger, Put, Update, lock_key, trigger_key
from airlift.notify import deliver_or_retry, notice
from airlift.recovery import memory, told_of
from airlift.values import now, parse_time, stamp

if TYPE_CHECKING:
    from airlift.plan_store import PlanVersion
    from airlift.recovery import Wanted

_TRIES = 4


def tell(ledger: Ledger, wanted: Wanted, plan: PlanVersion, why: str, step: str = "") -> dict[str, Any]:
    """Tells people of the trigger and why nothing was started, in the transaction that remembers it."""
    text = f"{told_of(wanted)}. Nothing was started: {why}."
    step = step or start_command(wanted.account)
    pk, _ = lock_key(wanted.account)
    title = f"Airlift: sign of compromise{f' in account {wanted.account}' if wanted.vaults else ''}"
    told = notice(pk, now(), f"{wanted.allow}#{wanted.trigger_id}", title, text, step)
    if silent := remember(ledger, wanted, plan, told):
        return {"outcome": "ignored", "text": silent, "recoveryId": "", "account": ""}
    deliver_or_retry(ledger, pk)
    return {"outcome": "done", "text": f"{text} Next step: {step}", "recoveryId": "", "account": ""}


def start_command(account: str) -> str:
    """How a person goes on. Nothing in it comes out of an event."""
    return f"airlift start --account {account} --reason '…'"


def remember(ledger: Ledger, wanted: Wanted, plan: PlanVersion, *told: Put) -> str:
    """Remembers the trigger, and writes what tells of it unless people were told a short while ago.

    Gives why nothing was told, or nothing.
    """
    key = (lock_key(wanted.account)[0], f"TOLD#{wanted.allow}")
    for _ in range(_TRIES):
        at = now()
        last: str | None = (ledger.get(key) or {}).get("toldAt")
        quiet = timedelta(minutes=plan.plan.notifications.quiet_minutes)
        silent = last is not None and at - parse_time(last) < quiet
        telling: list[Change] = (
            [] if silent else [Update(key, {"toldAt": stamp(at)}, only_if={"toldAt": last}, create=True), *told]
        )
        try:
            ledger.write(memory(wanted, at), *telling)
        except Conflict:
            seen = ledger.get(trigger_key(wanted.account, wanted.trigger_id)) or {}
            if seen.get("seenAt") != wanted.seen_at:
                return "This trigger was seen before."
            continue
        return f"People were told of a sign of compromise in this account at {last}." if silent else ""
    raise Conflict(f"Signs of compromise in account {wanted.account} come too fast.", "the step is tried again.")
