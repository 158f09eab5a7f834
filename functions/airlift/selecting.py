"""From a granted vault's points to items in the ledger: the work of SelectRecoveryPoints."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.access import ending, next_request, read_access
from airlift.errors import AirliftError, NothingToRestore
from airlift.ledger import Change, Conflict, Put, Record, claim_key, item_key, keyed, looked_key
from airlift.recovery import NO_CUT_OFF, cut_off
from airlift.selection import Selected, Selection
from airlift.timeline import entry
from airlift.values import now, stamp
from airlift.vault_points import pages
from airlift.wishes import wishes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airlift.vaults import VaultWork

_FIRST_SIGN = "airlift first-sign {} TIME, with the time of the first sign, or latest if the newest points are wanted"
_RESOURCES_PER_WRITE = 32
"""Three records each, the vault's and the lock's check stay under DynamoDB's 100 actions a transaction."""
_TURN = timedelta(seconds=660)
"""Short of the function's time-out (template.yaml) by what one write may take at worst."""
_GO_ON = {"next": "advance", "waitSeconds": 0}


def select_recovery_points(work: VaultWork) -> dict[str, Any]:
    """Writes one item per resource, unless they are written already or no first sign is known yet.

    `{"next": "advance" | "select", "waitSeconds": 0}`; "select" if resources are left to a further call, which goes
    on where this one has come to. What is over is read again then: the list has no order that could be relied on.
    """
    if work.vault.get("selectedAt"):
        work.save(state="RESTORING")
        return _GO_ON
    cut = cut_off(work.recovery, work.plan.points.margin_minutes)
    if cut is None:
        _ask_for_first_sign(work)
        return _GO_ON
    selection = _read(work, cut)
    done = work.vault.get("selecting") or {"resources": 0, "chosen": 0, "plan": work.recovery["planVersion"]}
    if not len(selection) and not done["resources"]:
        raise NothingToRestore(
            f"{work.vault_arn} shows no recovery point.",
            "check with the vault's owner that backups are copied into it.",
        )
    at = stamp(now())
    left = len(selection)
    for batch in _batches(selection.results(), _RESOURCES_PER_WRITE):
        left -= len(batch)
        done = done | {
            "upTo": batch[-1].resource_arn,
            "resources": done["resources"] + len(batch),
            "chosen": done["chosen"] + sum(not result.skip for result in batch),
        }
        _write(work, batch, at, work.update(selecting=done))
        if left and not work.seconds_left(_TURN):
            break
    if left or not selection.complete:
        return {"next": "select", "waitSeconds": 0}
    text = f"{done['chosen']} of {done['resources']} resources have a usable point from before {_in_words(cut)}"
    work.ledger.write(
        work.update(
            state="RESTORING",
            plannedBy=done["plan"],
            selectedAt=at,
            selected=done["resources"],
            selecting=None,
            waitingFor=None,
            waitingSince=None,
            counts={},
        ),
        entry(work.recovery_id, now(), "selected", text, vault=work.vault_arn),
        holder=work.holder,
    )
    return _GO_ON


def _ask_for_first_sign(work: VaultWork) -> None:
    if work.vault.get("waitingFor") == "firstSign":
        return
    text = f"Restoring waits for the first sign of compromise: airlift first-sign {work.recovery_id} TIME"
    step = _FIRST_SIGN.format(work.recovery_id)
    work.ledger.write(
        work.update(state="RESTORING", waitingFor="firstSign", waitingSince=stamp(now())),
        entry(work.recovery_id, now(), "waiting", text, vault=work.vault_arn),
        work.notice(f"first-sign#{stamp(now())}", "a first sign is needed", text, step),
        holder=work.holder,
    )


def _read(work: VaultWork, cut: datetime) -> Selection:
    """All pages of the vault, less what an earlier call has written. Raises the named error if access is lost."""
    pins = {wish["resourceArn"]: wish["recoveryPointArn"] for wish in wishes(work) if "pin" in wish}
    after = work.vault.get("selecting", {}).get("upTo", "")
    selection = Selection(work.plan, cut, now(), pins, after)
    try:
        for page in pages(work.vault["restoreAccessBackupVaultName"]):
            selection.add(page)
    except ClientError as error:
        if lost := _gone(work, error):
            work.at_end = next_request(work.vault)
            raise lost from error
        raise
    return selection


def _gone(work: VaultWork, error: ClientError) -> AirliftError | None:
    """The named error if the points can't be listed because the vault was revoked or deleted meanwhile."""
    if error.response["Error"]["Code"] not in ("ResourceNotFoundException", "AccessDeniedException"):
        return None
    return ending(read_access(None, None), work.vault_arn, work.recovery_id)


def _write(work: VaultWork, results: list[Selected], at: str, progress: Change) -> None:
    """Writes items with their claims; a batch that was written before, or meets a claim, goes one by one."""
    try:
        work.ledger.write(progress, *(c for result in results for c in _changes(work, result, at)), holder=work.holder)
    except Conflict:
        for result in results:
            try:
                work.ledger.write(*_changes(work, result, at), holder=work.holder)
            except Conflict:
                _write_claimed(work, result, at)
        work.ledger.write(progress, holder=work.holder)


def _write_claimed(work: VaultWork, result: Selected, at: str) -> None:
    """The resource is written already, by an earlier try, or belongs to another vault of this recovery."""
    claim = work.ledger.get(claim_key(work.recovery_id, result.resource_arn)) or {}
    if claim.get("vault") == work.vault_arn:
        return
    why = f"restored from {claim.get('vault')}, which was granted first"
    elsewhere = replace(result, candidates=(), why=why, wanted=False, skip=True, looked=())
    try:
        work.ledger.write(Put(_item(work, elsewhere, at)), holder=work.holder)
    except Conflict:
        return  # written by an earlier try of this step


def _changes(work: VaultWork, result: Selected, at: str) -> list[Change]:
    changes: list[Change] = [Put(_item(work, result, at))]
    if not result.skip:
        changes.append(Put(keyed(claim_key(work.recovery_id, result.resource_arn), vault=work.vault_arn)))
    if result.looked:
        key = looked_key(work.recovery_id, work.vault_arn, result.resource_arn)
        looked = {"looked": list(result.looked), "rest": dict(result.rest) or None}
        changes.append(Put(keyed(key, resourceArn=result.resource_arn, **looked), replace=True))
    return changes


def _item(work: VaultWork, result: Selected, at: str) -> Record:
    wave, priority = work.plan.wave_of(result.resource_type, result.resource_arn, result.name)
    skipped = result.skip
    return keyed(
        item_key(work.recovery_id, work.vault_arn, result.resource_arn),
        open=open_key(wave, priority, result.resource_arn),
        resourceArn=result.resource_arn,
        resourceType=result.resource_type,
        resourceName=result.name or None,
        vault=work.vault_arn,
        wave=wave,
        waveName=work.plan.wave(wave).name,
        priority=priority,
        state="skipped" if skipped else "waiting",
        reason=result.why if skipped else None,
        nextStep=result.next_step or None,
        candidates=list(result.candidates),
        candidate=0,
        chosenWhy=None if skipped else result.why,
        attempt=1,
        attempts=[],
        newestUsable=result.newest_usable,
        wanted=result.wanted,
        endedAt=at if skipped else None,
    )


def open_key(wave: int, priority: int, resource_arn: str) -> str:
    """Sort key of the index of open items: restored in this order."""
    return f"{wave:04d}#{priority:04d}#{resource_arn}"


def _in_words(moment: datetime) -> str:
    """The cut-off in words; there is none if the newest points are wanted."""
    return "now" if moment == NO_CUT_OFF else stamp(moment)


def _batches(results: Iterator[Selected], size: int) -> Iterator[list[Selected]]:
    while batch := list(islice(results, size)):
        yield batch
