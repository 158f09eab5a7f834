"""After a resume with a new plan: the order of what is still open follows the plan that is in force now."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airlift.items import change
from airlift.ledger import item_key
from airlift.selecting import open_key

if TYPE_CHECKING:
    from airlift.vaults import VaultWork


def follow_new_plan(work: VaultWork) -> None:
    """Gives open items the waves and priorities of the new plan, and counts anew which waves ended badly.

    Pauses that the operator let pass belong to the old plan; those of the new one hold anew.
    """
    version = work.recovery["planVersion"]
    if work.vault.get("plannedBy") == version:
        return
    problems: Counter[str] = Counter()
    for item in work.ledger.query(item_key(work.recovery_id, work.vault_arn, "")[0]):
        resource = item["resourceType"], item["resourceArn"]
        wave, priority = work.plan.wave_of(*resource, item.get("resourceName"))
        if "open" not in item:
            problems[str(wave)] += item["wanted"] and item["state"] != "validated"
        elif (item["wave"], item["priority"]) != (wave, priority):
            values = {"wave": wave, "waveName": work.plan.wave(wave).name, "priority": priority}
            change(work, item, values | {"open": open_key(wave, priority, item["resourceArn"])})
    work.save(
        plannedBy=version,
        waveProblems={wave: number for wave, number in problems.items() if number},
        passedWaves=None,
        pausedWave=None,
    )
