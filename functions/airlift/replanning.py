"""After a resume with a new plan: the order of what is still open follows the plan that is in force now."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airlift.items import change
from airlift.ledger import item_key
from airlift.selecting import open_key
from airlift.waves import is_failure

if TYPE_CHECKING:
    from airlift.vaults import VaultWork


def follow_new_plan(work: VaultWork) -> None:
    """Gives items the waves and priorities of the new plan, and counts anew how waves have ended."""
    version = work.recovery["planVersion"]
    if work.vault.get("plannedBy") == version:
        return
    problems: Counter[str] = Counter()
    validated: Counter[str] = Counter()
    for item in work.ledger.query(item_key(work.recovery_id, work.vault_arn, "")[0]):
        resource = item["resourceType"], item["resourceArn"]
        wave, priority = work.plan.wave_of(*resource, item.get("resourceName"))
        name = work.plan.wave(wave).name
        if (item["wave"], item["waveName"], item["priority"]) != (wave, name, priority):
            values = {"wave": wave, "waveName": name, "priority": priority}
            if "open" in item:
                values["open"] = open_key(wave, priority, item["resourceArn"])
            change(work, item, values)
        if "open" not in item:
            validated[str(wave)] += item["state"] == "validated"
            problems[str(wave)] += is_failure(work.plan, item)
    work.save(plannedBy=version, waveProblems=dict(+problems), waveRestored=dict(+validated))
