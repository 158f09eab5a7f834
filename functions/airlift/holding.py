"""Looked at once more right before restores start: what would fail, or could be reached, is held; the rest goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.failures import Cause
from airlift.isolation import REASON, look, places_of
from airlift.items import NOT_ISOLATED, NOT_READY, hold
from airlift.ledger import Conflict
from airlift.runtime import NO_ANSWER, is_transient, logger
from airlift.starting import target_of
from airlift.surroundings import look_around
from airlift.timeline import entry
from airlift.values import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.ledger import Record
    from airlift.restore.base import Target
    from airlift.surroundings import Lack
    from airlift.vaults import VaultWork

    Targets = list[tuple[Record, Target]]
    Reasons = dict[str, tuple[str, Cause]]
    """Why a resource (by its ARN) is held, in words and by cause."""
    Seen = tuple[Reasons, str]
    """Beside it, what AWS said of what can't be looked at; empty if all was."""


def ready_to_start(work: VaultWork, items: list[Record]) -> list[Record]:
    """Those of the items about to be started that lack nothing; holds the others, unless readiness is overridden."""
    if work.recovery.get("overrideReadiness"):
        return items
    return _held_back(work, items, "surroundings", _lacking, "whether places, keys and images are ready")


def isolated(work: VaultWork, items: list[Record]) -> list[Record]:
    """Those of the items about to be started that may be; holds those whose network is open without the plan's word."""
    return _held_back(work, items, "network", _open, "whether the targets' network is isolated")


def _lacking(targets: Targets) -> Seen:
    around = look_around(client, [(item["resourceType"], target) for item, target in targets])
    reasons = {
        item["resourceArn"]: (f"{lack.what} {lack.why}".rstrip("."), cause_of(lack))
        for item, target in targets
        if (lack := next(around.lacks(item["resourceType"], target), None))
    }
    return reasons, "; ".join(f"{one.what}: {one.said}" for one in around.unread)


def _open(targets: Targets) -> Seen:
    places = {item["resourceArn"]: places_of(item["resourceType"], target) for item, target in targets}
    network = look(client, places.values())
    reasons = {
        item["resourceArn"]: (leak, NOT_ISOLATED)
        for item, target in targets
        if not target.options.get(REASON) and (leak := network.leaks(places[item["resourceArn"]]))
    }
    return reasons, ""


def _held_back(
    work: VaultWork, items: list[Record], kind: str, reasons_of: Callable[[Targets], Seen], unknown: str
) -> list[Record]:
    """Holds those of the items that have a reason, gives the others; those that the turn has no time for are neither.

    What can't be looked at is no reason to hold anything: `unknown` is told once per execution.
    """
    targets = [(item, target_of(work, item)) for item in items if item["state"] == "waiting"]
    if not targets:
        return items
    try:
        reasons, unread = reasons_of(targets)
    except (ClientError, *NO_ANSWER) as error:
        if is_transient(error):
            raise
        reasons, unread = {}, str(error)
    if unread:
        _tell_once(work, kind, f"Warning: {unknown} can't be checked ({unread})")
    for item in items:
        if item["resourceArn"] in reasons and work.seconds_left():
            try:
                hold(work, item, *reasons[item["resourceArn"]], item["attempts"])
            except Conflict:
                logger.info("Moved on meanwhile", extra={"resource": item["resourceArn"]})
    return [item for item in items if item["resourceArn"] not in reasons]


def cause_of(lack: Lack) -> Cause:
    """Why an item that lacks something is held."""
    step = lack.remedy.rstrip(". ")
    text = f"{step}; then `airlift continue {{recovery}}`, or `airlift resume {{recovery}}` if the plan was changed"
    return Cause("environment", NOT_READY[lack.kind], f"{text}.")


def _tell_once(work: VaultWork, kind: str, text: str) -> None:
    name = f"{kind}UnknownTo"
    if work.vault.get(name) == work.holder.execution_arn:
        return
    told = entry(work.recovery_id, now(), kind, text, vault=work.vault_arn)
    work.ledger.write(work.update(**{name: work.holder.execution_arn}), told, holder=work.holder)
    work.vault[name] = work.holder.execution_arn
