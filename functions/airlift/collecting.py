"""Outcomes become final here, counted by the vault's one writer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airlift.announcements import ResourceRestored
from airlift.announcing import announce
from airlift.endings import VAULT_RECOVERED
from airlift.errors import ResourcesNotRestored
from airlift.failures import Cause
from airlift.items import OUTCOMES, RESTORED, attempted, candidate_of, hold
from airlift.ledger import PER_WRITE, Change, Put, Record, Update, item_key, merge
from airlift.suspecting import after_sign, is_after
from airlift.telemetry import tell_outcomes
from airlift.values import now, stamp
from airlift.waves import is_failure
from airlift.wishes import wanted_here, wishes

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.vaults import VaultWork

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
    for first in range(0, len(ended), PER_WRITE):
        batch = ended[first : first + PER_WRITE]
        counted = counting(work, batch, +1)
        closed: list[Change] = [
            Update(
                item_key(work.recovery_id, work.vault_arn, item["resourceArn"]),
                {"open": None},
                only_if={"open": item["open"], "state": item["state"]},
            )
            for item in batch
        ]
        work.ledger.write(counted, *closed, *_announced(work, batch), holder=work.holder)
        merge(work.vault, counted.values)
        tell_outcomes(batch)
        for item in batch:
            del item["open"]
    return [item for item in items if "open" in item]


def _announced(work: VaultWork, batch: list[Record]) -> list[Put]:
    """One record for the events of all that this batch restored."""
    restored = [
        {
            "source_backup_vault_arn": work.vault_arn,
            "resource_arn": item["resourceArn"],
            "resource_type": item["resourceType"],
            "created_resource_arn": item["createdResourceArn"],
            "recovery_point_arn": candidate_of(item)["arn"],
            "restore_job_id": item["jobId"],
            "validated": item["state"] == "validated",
        }
        for item in batch
        if item["state"] in RESTORED
    ]
    first = f"{work.vault_arn}#{batch[0]['resourceArn']}#{batch[0]['attempt']}"
    return [announce(work.recovery_id, now(), first, ResourceRestored, restored)] if restored else []


def _suspect(work: VaultWork, item: Record, cut: datetime) -> bool:
    """Holds what was restored from a point that lies after the first sign, which has moved since it was started."""
    if item["state"] not in RESTORED:
        return False
    if not is_after(item, cut):
        return False
    reason = after_sign(item)
    hold(work, item, reason, _SUSPECT, attempted(item, "COMPLETED", reason, _SUSPECT.name))
    return True


def counting(work: VaultWork, batch: list[Record], step: int) -> Update:
    """The change that adds these outcomes to the vault's counters, or takes them away.

    Refused if another turn has counted since this one read them: the call of a turn may be lost, and repeated, while it
    goes on. What it writes is to be merged into the vault once it is written.
    """
    counts: Counter[str] = Counter(work.vault.get("counts", {}))
    problems: Counter[str] = Counter(work.vault.get("waveProblems", {}))
    validated: Counter[str] = Counter(work.vault.get("waveRestored", {}))
    restored: Counter[str] = Counter(work.vault.get("restoredByType", {}))
    for item in batch:
        counts[item["state"]] += step
        if item["state"] in RESTORED:
            restored[item["resourceType"]] += step
        if item["state"] == "validated":
            validated[str(item["wave"])] += step
        elif is_failure(work.plan, item):
            problems[str(item["wave"])] += step
    values = {
        "counts": dict(counts),
        "waveProblems": {w: n for w, n in problems.items() if n > 0},
        "waveRestored": dict(validated),
        "restoredByType": dict(restored),
    }
    return replace(work.update(**values), only_if={"counts": work.vault.get("counts")})


def finish(work: VaultWork, cut: datetime) -> dict[str, Any]:
    """No item is open: the vault is recovered only if, in a consistent read, all selected are final and validated."""
    if any(wanted_here(work, wish) for wish in wishes(work)):
        return {"next": "wait", "waitSeconds": 5}
    outcomes: Counter[str] = Counter()
    missing: list[str] = []
    for item in work.ledger.query(item_key(work.recovery_id, work.vault_arn, "")[0]):
        outcomes[item["state"]] += 1
        if item["wanted"] and item["state"] != "validated":
            missing.append(f"{item['resourceArn']} {item['state']}: {item.get('reason', '')}")
        elif item["state"] == "validated" and is_after(item, cut):
            missing.append(f"{item['resourceArn']} {after_sign(item)}")
    selected = work.vault["selected"]
    told_ = ", ".join(f"{n} {state}" for state, n in sorted(outcomes.items()))
    # Up to where points were taken: the first sign may move when this vault has ended (`airlift.suspecting`).
    margin = work.plan.points.margin_minutes
    work.at_end = {"counts": dict(outcomes), "cutOff": stamp(cut), "marginMinutes": margin}
    if missing or sum(outcomes.values()) != selected or set(outcomes) - OUTCOMES:
        raise ResourcesNotRestored(
            f"{work.vault_arn}: of {selected} selected {told_}. {'; '.join(missing[:3])}",
            f"read the reasons (`airlift status {work.recovery_id}`); then "
            f"`airlift restore-again {work.recovery_id} ARN`.",
        )
    work.end(VAULT_RECOVERED, told_)
    return {"next": "done", "waitSeconds": 0}
