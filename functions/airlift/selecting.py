"""From a granted vault's points to items in the ledger: the work of SelectRecoveryPoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.access import ending, read_access
from airlift.approving import next_request
from airlift.aws import client
from airlift.errors import AirliftError, NothingToRestore
from airlift.ledger import Change, Conflict, Put, Record, claim_key, item_key, keyed
from airlift.recovery import cut_off
from airlift.selection import Selected, Selection
from airlift.timeline import entry
from airlift.values import now, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airlift.vaults import VaultWork

_PAGE = 1000
_FIRST_SIGN = "airlift first-sign {} TIME, with the time of the first sign, or latest if the newest points are wanted"
_RESOURCES_PER_WRITE = 45
"""Two records each and the lock's check stay under DynamoDB's 100 actions a transaction."""


def select_recovery_points(work: VaultWork) -> dict[str, Any]:
    """Writes one item per resource, unless they are written already or no first sign is known yet."""
    if work.vault.get("selectedAt"):
        work.save(state="RESTORING")
        return {"next": "advance"}
    cut = cut_off(work.recovery, work.plan.points.margin_minutes)
    if cut is None:
        if work.vault.get("waitingFor") != "firstSign":
            text = f"Restoring waits for the first sign of compromise: airlift first-sign {work.recovery_id} TIME"
            work.ledger.write(
                work.update(state="RESTORING", waitingFor="firstSign", waitingSince=stamp(now())),
                entry(work.recovery_id, now(), "waiting", text, vault=work.vault_arn),
                work.notice(
                    f"first-sign#{stamp(now())}", "a first sign is needed", text, _FIRST_SIGN.format(work.recovery_id)
                ),
                holder=work.holder,
            )
        return {"next": "advance"}
    selection = Selection(work.plan, cut, now())
    try:
        for page in _pages(work.vault["restoreAccessBackupVaultName"]):
            selection.add(page)
    except ClientError as error:
        if lost := _gone(work, error):
            work.at_end = next_request(work.vault)
            raise lost from error
        raise
    results = selection.results()
    if not results:
        raise NothingToRestore(
            f"{work.vault_arn} shows no recovery point.",
            "check with the vault's owner that backups are copied into it.",
        )
    at = stamp(now())
    for batch in _batches(results, _RESOURCES_PER_WRITE):
        _write(work, batch, at)
    chosen = sum(bool(result.candidates) for result in results)
    text = f"{chosen} of {len(results)} resources have a usable point from before {stamp_of(cut)}"
    work.ledger.write(
        work.update(
            state="RESTORING",
            plannedBy=work.recovery["planVersion"],
            selectedAt=at,
            selected=len(results),
            waitingFor=None,
            waitingSince=None,
            counts={},
        ),
        entry(work.recovery_id, now(), "selected", text, vault=work.vault_arn),
        holder=work.holder,
    )
    return {"next": "advance"}


def _pages(vault_name: str) -> Iterator[list[dict[str, Any]]]:
    pages = client("backup").get_paginator("list_recovery_points_by_backup_vault")
    for page in pages.paginate(BackupVaultName=vault_name, PaginationConfig={"PageSize": _PAGE}):
        yield page["RecoveryPoints"]


def _gone(work: VaultWork, error: ClientError) -> AirliftError | None:
    """The named error if the points can't be listed because the vault was revoked or deleted meanwhile."""
    if error.response["Error"]["Code"] not in ("ResourceNotFoundException", "AccessDeniedException"):
        return None
    return ending(read_access(None, None), work.vault_arn, work.recovery_id)


def _write(work: VaultWork, batch: Iterable[Selected], at: str) -> None:
    """Writes items with their claims; a batch that was written before, or meets a claim, goes one by one."""
    results = list(batch)
    try:
        work.ledger.write(*(change for r in results for change in _changes(work, r, at)), holder=work.holder)
    except Conflict:
        if len(results) > 1:
            for result in results:
                _write(work, [result], at)
        else:
            _write_claimed(work, results[0], at)


def _write_claimed(work: VaultWork, result: Selected, at: str) -> None:
    """The resource is written already, by an earlier try, or belongs to another vault of this recovery."""
    claim = work.ledger.get(claim_key(work.recovery_id, result.resource_arn)) or {}
    if claim.get("vault") == work.vault_arn:
        return
    elsewhere = Selected(
        result.resource_arn,
        result.resource_type,
        result.name,
        (),
        f"restored from {claim.get('vault')}, which was granted first",
        wanted=False,
    )
    try:
        work.ledger.write(Put(_item(work, elsewhere, at)), holder=work.holder)
    except Conflict:
        return  # written by an earlier try of this step


def _changes(work: VaultWork, result: Selected, at: str) -> list[Change]:
    item = Put(_item(work, result, at))
    if not result.candidates:
        return [item]
    key = claim_key(work.recovery_id, result.resource_arn)
    return [item, Put(keyed(key, vault=work.vault_arn))]


def _item(work: VaultWork, result: Selected, at: str) -> Record:
    wave, priority = work.plan.wave_of(result.resource_type, result.resource_arn, result.name)
    skipped = not result.candidates
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
        wanted=result.wanted,
        endedAt=at if skipped else None,
    )


def open_key(wave: int, priority: int, resource_arn: str) -> str:
    """Sort key of the index of open items: restored in this order."""
    return f"{wave:04d}#{priority:04d}#{resource_arn}"


def stamp_of(moment: Any) -> str:
    """The cut-off in words; there is none if the newest points are wanted."""
    return "now" if moment.year == 9999 else stamp(moment)


def _batches(results: list[Selected], size: int) -> Iterator[tuple[Selected, ...]]:
    for start in range(0, len(results), size):
        yield tuple(results[start : start + size])
