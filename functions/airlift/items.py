"""One selected resource in the ledger: its states, and what follows from a failure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airlift.failures import Cause, cause_of, decide
from airlift.ledger import Change, Record, Update, item_key, merge
from airlift.points import moment_of
from airlift.timeline import entry
from airlift.values import now, safe_text, stamp

if TYPE_CHECKING:
    from airlift.vaults import VaultWork

IN_FLIGHT = frozenset({"starting", "running", "settling"})
LOST = Cause("environment", "access lost", "`airlift resume {recovery}` asks for access anew and starts what is left.")
"""Why what was not started before access was lost is held."""
NOT_ISOLATED = Cause(
    "environment",
    "network not isolated",
    "close the network, and `airlift continue {recovery}`; or name another in the plan's targets, or there as "
    "openNetworkReason why it may be open, deploy the plan, and `airlift resume {recovery}` when it has ended.",
)
"""Why what would not be restored into quarantine is held."""
NOT_READY = {kind: f"{kind} not ready" for kind in ("place", "key", "name", "image")}
"""Names of the causes why what lacks something around it is held, by the lack's kind."""
RESTORED = ("validated", "restored")
"""States of what a restore job has made: whether it stood its validation."""
OUTCOMES = frozenset({*RESTORED, "failed", "skipped"})
"""An item in one of these is final once it no longer carries `open`."""


def candidate_of(item: Record) -> dict[str, Any]:
    """The point that the present attempt takes: `{"arn", "createdAt", "sizeBytes"}`, and as far as there are any
    `restoreTime` (the moment a continuous one is taken at), `chosen` (by the operator), `scan`, `expires`.
    """
    point: dict[str, Any] = item["candidates"][item["candidate"]]
    return point


def change(work: VaultWork, item: Record, values: dict[str, Any], *others: Change) -> None:
    """Writes attributes of an item that is still in the state and attempt we know, and what goes with it.

    Raises `Conflict` if settle_restore or an earlier try of this step has moved it on, `Superseded` without the lock.
    """
    update = Update(
        item_key(work.recovery_id, work.vault_arn, item["resourceArn"]),
        values,
        only_if={"state": item["state"], "attempt": item["attempt"]},
    )
    work.ledger.write(update, *others, holder=work.holder)
    merge(item, values)


def told(work: VaultWork, item: Record, kind: str, text: str) -> Change:
    """A timeline entry about the item."""
    return entry(work.recovery_id, now(), kind, text, vault=work.vault_arn, resource=item["resourceArn"])


def attempted(item: Record, status: str, message: str, cause: str = "") -> list[dict[str, Any]]:
    """The item's attempts with the present one added, so that nothing that was made is ever forgotten."""
    present = {
        "attempt": item["attempt"],
        "recoveryPointArn": candidate_of(item)["arn"],
        "pointTime": stamp(moment_of(candidate_of(item))),
        "candidate": item["candidate"],
        "jobId": item.get("jobId", ""),
        "startedAt": item.get("startedAt", ""),
        "endedAt": stamp(now()),
        "status": status,
        "message": message,
        "class": cause,
        "createdResourceArn": item.get("createdResourceArn", ""),
        "metadata": item.get("metadata", {}),
    }
    return [*item["attempts"], present]


def names_of(work: VaultWork, item: Record) -> tuple[str, ...]:
    """What a message about the item may quote: the source's names, and what ends those of what is restored."""
    source = re.split("[:/]", item["resourceArn"])[-1]
    return source, safe_text(item.get("resourceName", "")), work.recovery_id


def fresh_attempt(item: Record, *, candidate: int | None = None) -> dict[str, Any]:
    """Attributes for a next attempt: everything that belonged to the last one is removed."""
    gone = dict.fromkeys(
        (
            "token", "metadata", "jobId", "percentDone", "startedAt", "completedAt", "createdResourceArn",
            "statusMessage", "validatedHow", "endedAt", "dueAt", "leaseUntil", "settleSentAt", "settleSends",
            "doing", "doubtedSince", "reason", "nextStep", "heldAt", "heldIn", "heldFrom", "intentAt", "askedSince",
            "unreadSince",
        )
    )  # fmt: skip
    return {
        **gone,
        "state": "waiting",
        "attempt": item["attempt"] + 1,
        "candidate": item["candidate"] if candidate is None else candidate,
    }


def failed(work: VaultWork, item: Record, code: str, message: str) -> None:
    """Records that the present attempt failed, and what follows: tried again, an older point, held, or failed."""
    message = safe_text(message, 300)
    cause = cause_of(code, message, names_of(work, item))
    attempts = attempted(item, code, message, cause.name)
    alike = sum(
        a["class"] == cause.name and a["candidate"] == item["candidate"] for a in attempts[item.get("countedFrom", 0) :]
    )
    older = len(item["candidates"]) - item["candidate"] - 1
    decision = decide(cause, alike, older, work.plan.retries)
    said = f"{code}: {message}" if message else code
    match decision.do:
        case "again":
            values = fresh_attempt(item) | {"dueAt": now().timestamp() + decision.after_seconds}
            text = f"{said} ({cause.name}); the same point again in {decision.after_seconds} s"
        case "nextPoint":
            values = fresh_attempt(item, candidate=item["candidate"] + 1)
            point = item["candidates"][item["candidate"] + 1]
            at = stamp(moment_of(point))
            newer, older = ("newer", "older ") if moment_of(point) < moment_of(candidate_of(item)) else ("other", "")
            values["chosenWhy"] = f"the {newer} point failed ({said}); {at} is the next {older}usable one"
            text = f"{said} ({cause.name}); next {older}usable point, {at}"
        case "fail":
            values = {
                "state": "failed",
                "reason": f"no usable point is left; the last failed: {said}",
                "nextStep": cause.next_step.format(recovery=work.recovery_id),
                "endedAt": stamp(now()),
            }
            text = values["reason"]
        case _:
            hold(work, item, said, cause, attempts)
            return
    values |= {"attempts": attempts, "candidates": item["candidates"]}
    change(work, item, values, told(work, item, "failed", text))


def hold(work: VaultWork, item: Record, reason: str, cause: Cause, attempts: list[dict[str, Any]]) -> None:
    """Leaves the resource for the operator, with the next step."""
    next_step = cause.next_step.format(recovery=work.recovery_id)
    values = {
        "state": "held",
        "reason": reason,
        "heldClass": cause.name,
        "nextStep": next_step,
        "heldAt": stamp(now()),
        "heldIn": work.holder.execution_arn,
        "heldFrom": item["state"],
        "attempts": attempts,
        "candidates": item["candidates"],
    }
    change(work, item, values, told(work, item, "held", f"{reason}. Next step: {next_step}"))


def released(work: VaultWork, item: Record) -> bool:
    """Whether the operator has resumed or continued since the item was held."""
    continued = work.recovery.get("continuedAt", "")
    return bool(item["heldIn"] != work.holder.execution_arn or continued > item["heldAt"])


def release(work: VaultWork, item: Record) -> None:
    """Puts a held item back: to settling if its job was done, else to a new attempt on the same point."""
    if item.get("heldFrom") == "settling":
        values: dict[str, Any] = {"state": "settling", "settleSends": 0, "reason": None, "nextStep": None}
    else:
        values = fresh_attempt(item)
    change(work, item, values | {"countedFrom": len(item["attempts"])}, told(work, item, "released", "tried again"))
