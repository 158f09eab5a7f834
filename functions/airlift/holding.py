"""Looked at once more right before restores start: what would fail for a known reason is held, the rest goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.failures import Cause
from airlift.items import hold
from airlift.ledger import Conflict
from airlift.runtime import NO_ANSWER, is_transient, logger
from airlift.starting import target_of
from airlift.surroundings import look_around
from airlift.timeline import entry
from airlift.values import now

if TYPE_CHECKING:
    from airlift.ledger import Record
    from airlift.surroundings import Lack
    from airlift.vaults import VaultWork


def ready_to_start(work: VaultWork, items: list[Record]) -> list[Record]:
    """Those of the items about to be started that lack nothing; holds the others, unless readiness is overridden.

    What can't be looked at is no reason to hold anything: it is told once per execution.
    """
    targets = [(item, target_of(work, item)) for item in items if item["state"] == "waiting"]
    if not targets or work.recovery.get("overrideReadiness"):
        return items
    try:
        around = look_around(client, [(item["resourceType"], target) for item, target in targets])
    except (ClientError, *NO_ANSWER) as error:
        if is_transient(error):
            raise
        _not_looked_at(work, error)
        return items
    lacking = {
        item["resourceArn"]: lack
        for item, target in targets
        if (lack := next(around.lacks(item["resourceType"], target), None))
    }
    for item in items:
        if (lack := lacking.get(item["resourceArn"])) and work.seconds_left():
            try:
                hold(work, item, f"{lack.what} {lack.why}".rstrip("."), cause_of(lack), item["attempts"])
            except Conflict:
                logger.info("Moved on meanwhile", extra={"resource": item["resourceArn"]})
    return [item for item in items if item["resourceArn"] not in lacking]


def cause_of(lack: Lack) -> Cause:
    """Why an item that lacks something is held."""
    step = lack.remedy.rstrip(". ")
    text = f"{step}; then `airlift continue {{recovery}}`, or `airlift resume {{recovery}}` if the plan was changed"
    return Cause("environment", f"{lack.kind} not ready", f"{text}.")


def _not_looked_at(work: VaultWork, error: Exception) -> None:
    if work.vault.get("surroundingsUnknownTo") == work.holder.execution_arn:
        return
    text = f"Warning: whether places, keys and images are ready can't be checked ({error})"
    work.ledger.write(
        work.update(surroundingsUnknownTo=work.holder.execution_arn),
        entry(work.recovery_id, now(), "surroundings", text, vault=work.vault_arn),
        holder=work.holder,
    )
    work.vault["surroundingsUnknownTo"] = work.holder.execution_arn
