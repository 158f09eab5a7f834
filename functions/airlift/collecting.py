"""Outcomes become final here, counted by the vault's one writer; and may be opened again by the operator."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.errors import InvalidInput, ResourcesNotRestored
from airlift.failures import Cause
from airlift.items import IN_FLIGHT, OUTCOMES, attempted, candidate_of, fresh_attempt, hold, told
from airlift.ledger import Change, Conflict, Record, Update, again_key, claim_key, item_key, merge, recovery_key
from airlift.restore import family_of
from airlift.runtime import is_transient, logger
from airlift.selecting import open_key
from airlift.values import now, parse_time, stamp

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.vaults import VaultWork

_PER_WRITE = 90
_SUSPECT = Cause(
    "environment",
    "suspect point",
    "`airlift resume {recovery}` restores it once more, from a point before the first sign; isolate what was restored.",
)


def collect(work: VaultWork, items: list[Record], cut: datetime) -> list[Record]:
    """Closes the items that have an outcome: they leave the index of open items and are counted, exactly once.

    Gives the items that are still open.
    """
    ended = [item for item in items if item["state"] in OUTCOMES and not _suspect(work, item, cut)]
    for first in range(0, len(ended), _PER_WRITE):
        batch = ended[first : first + _PER_WRITE]
        counted = _counted(work.vault, batch, +1)
        closed: list[Change] = [
            Update(
                item_key(work.recovery_id, work.vault_arn, item["resourceArn"]),
                {"open": None},
                only_if={"open": item["open"], "state": item["state"]},
            )
            for item in batch
        ]
        work.ledger.write(work.update(**counted), *closed, holder=work.holder)
        merge(work.vault, counted)
        for item in batch:
            del item["open"]
    return [item for item in items if "open" in item]


def _suspect(work: VaultWork, item: Record, cut: datetime) -> bool:
    """Holds what was restored from a point that lies after the first sign, which has moved since it was started."""
    if item["state"] not in ("validated", "restored"):
        return False
    if not _is_after(item, cut):
        return False
    reason = _after_sign(item)
    hold(work, item, reason, _SUSPECT, attempted(item, "COMPLETED", reason, _SUSPECT.name))
    return True


def _is_after(item: Record, cut: datetime) -> bool:
    """Whether the item's point lies after the cut-off as it stands now; a point that the operator chose never does."""
    point = candidate_of(item)
    return not point.get("chosen") and parse_time(point["createdAt"]) > cut


def _after_sign(item: Record) -> str:
    at = candidate_of(item)["createdAt"]
    return f"restored from {at}, after the first sign of compromise as it is known now"


def _counted(vault: Record, batch: list[Record], step: int) -> dict[str, Any]:
    """The vault's counters with these outcomes added or taken away."""
    counts: Counter[str] = Counter(vault.get("counts", {}))
    problems: Counter[str] = Counter(vault.get("waveProblems", {}))
    restored: Counter[str] = Counter(vault.get("restoredByType", {}))
    for item in batch:
        counts[item["state"]] += step
        if item["state"] in ("validated", "restored"):
            restored[item["resourceType"]] += step
        if item["state"] != "validated" and item["wanted"]:
            problems[str(item["wave"])] += step
    return {
        "counts": dict(counts),
        "waveProblems": {w: n for w, n in problems.items() if n > 0},
        "restoredByType": dict(restored),
    }


def finish(work: VaultWork, cut: datetime) -> dict[str, Any]:
    """No item is open: the vault is recovered only if, in a consistent read, all selected are final and validated."""
    if any(_is_wanted_here(work, wish) for wish in _wishes(work)):
        return {"next": "wait", "waitSeconds": 5}
    outcomes: Counter[str] = Counter()
    missing: list[str] = []
    for item in work.ledger.query(item_key(work.recovery_id, work.vault_arn, "")[0]):
        outcomes[item["state"]] += 1
        if item["wanted"] and item["state"] != "validated":
            missing.append(f"{item['resourceArn']} {item['state']}: {item.get('reason', '')}")
        elif item["state"] == "validated" and _is_after(item, cut):
            missing.append(f"{item['resourceArn']} {_after_sign(item)}")
    selected = work.vault["selected"]
    told_ = ", ".join(f"{n} {state}" for state, n in sorted(outcomes.items()))
    if missing or sum(outcomes.values()) != selected or set(outcomes) - OUTCOMES:
        raise ResourcesNotRestored(
            f"{work.vault_arn}: of {selected} selected {told_}. {'; '.join(missing[:3])}",
            f"read the reasons (`airlift status {work.recovery_id}`); then "
            f"`airlift restore-again {work.recovery_id} ARN`.",
        )
    work.at_end = {"counts": dict(outcomes)}
    work.end("VaultRecovered", told_)
    return {"next": "done", "waitSeconds": 0}


def _wishes(work: VaultWork) -> list[Record]:
    """What the operator wants restored once more and nobody has taken yet."""
    pk, _ = recovery_key(work.recovery_id)
    return [wish for wish in work.ledger.query(pk, "AGAIN#") if "takenAt" not in wish]


def _is_wanted_here(work: VaultWork, wish: Record) -> Record | None:
    """The item of this vault that the wish is about, unless another vault of the recovery restores the resource."""
    claim = work.ledger.get(claim_key(work.recovery_id, wish["resourceArn"]))
    if _refused_here(work) in wish or (claim is not None and claim["vault"] != work.vault_arn):
        return None
    return work.ledger.get(item_key(work.recovery_id, work.vault_arn, wish["resourceArn"]))


def _refused_here(work: VaultWork) -> str:
    """Attribute of a wish that says why this vault does not grant it."""
    return f"refusedBy{work.vault['order']}"


def _is_open_elsewhere(work: VaultWork, wish: Record) -> bool:
    """Whether another vault of the recovery has the resource and has not refused the wish yet."""
    return any(
        f"refusedBy{order}" not in wish
        and vault != work.vault_arn
        and work.ledger.get(item_key(work.recovery_id, vault, wish["resourceArn"])) is not None
        for order, vault in enumerate(work.recovery["vaults"])
    )


def reopen_wanted_again(work: VaultWork) -> None:
    """Opens resources that the operator wants restored once more; those in flight wait until they have an outcome."""
    for wish in _wishes(work):
        item = _is_wanted_here(work, wish)
        if item is None or item["state"] in IN_FLIGHT:
            continue
        taken = {"takenAt": stamp(now())}
        try:
            changes = _granted(work, item, wish)
        except InvalidInput as error:
            changes = [told(work, item, "again", f"not restored again: {error}")]
            if _is_open_elsewhere(work, wish):  # the point may be one of another vault's
                taken = {}
            taken[_refused_here(work)] = str(error)
        key = again_key(work.recovery_id, item["resourceArn"])
        changes.append(Update(key, taken, only_if={"at": wish["at"], "takenAt": None}))
        try:
            work.ledger.write(*changes, holder=work.holder)
        except Conflict:
            logger.info("Another vault has taken the wish", extra={"resource": item["resourceArn"]})
        else:
            if _refused_here(work) not in taken and "open" not in item:
                merge(work.vault, _counted(work.vault, [item], -1))


def _granted(work: VaultWork, item: Record, wish: Record) -> list[Change]:
    text = f"restored again, attempt {item['attempt'] + 1}, as the operator wants"
    changes: list[Change] = [_reopened(work, item, wish), told(work, item, "again", text)]
    if "open" not in item:
        changes.append(work.update(**_counted(work.vault, [item], -1)))
    return changes


def _reopened(work: VaultWork, item: Record, wish: Record) -> Update:
    """The change that opens the item again. Raises `InvalidInput` if what the operator wants can't be done."""
    if family_of(item["resourceType"]) is None:
        raise InvalidInput(f"type {item['resourceType']} is not restored by Airlift.", "restore it by hand.")
    attempts = attempted(item, item["state"].upper(), "restored again") if item.get("jobId") else item["attempts"]
    values = fresh_attempt(item) | {
        "open": open_key(item["wave"], item["priority"], item["resourceArn"]),
        "attempts": attempts,
        "countedFrom": len(attempts),
        "wanted": True,
    }
    if "recoveryPointArn" in wish:
        values |= {
            "candidates": [_chosen(work, item, wish["recoveryPointArn"]), *item["candidates"]],
            "candidate": 0,
            "chosenWhy": "chosen by the operator",
        }
    key = item_key(work.recovery_id, work.vault_arn, item["resourceArn"])
    return Update(key, values, only_if={"state": item["state"], "attempt": item["attempt"]})


def _chosen(work: VaultWork, item: Record, point_arn: str) -> dict[str, Any]:
    """The point that the operator names, if it can be read and is one of this resource."""
    copy = "copy a point's ARN from the restore-access vault and give it once more."
    try:
        point = client("backup").describe_recovery_point(
            BackupVaultName=work.vault["restoreAccessBackupVaultName"], RecoveryPointArn=point_arn
        )
    except ClientError as error:
        if is_transient(error):
            raise
        raise InvalidInput(f"point {point_arn} can't be read: {error.response['Error']['Code']}.", copy) from error
    if point.get("ResourceArn") != item["resourceArn"]:
        raise InvalidInput(f"point {point_arn} is one of {point.get('ResourceArn')}.", copy)
    return {
        "arn": point_arn,
        "createdAt": stamp(point["CreationDate"]),
        "sizeBytes": int(point.get("BackupSizeInBytes") or 0),
        "chosen": True,
    }
