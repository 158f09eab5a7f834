"""The operator's confirmation of what was selected, if the plan asks for it, before the first restore starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.ledger import merge
from airlift.timeline import entry
from airlift.values import now, stamp

if TYPE_CHECKING:
    from airlift.vaults import VaultWork


def awaits_confirmation(work: VaultWork) -> bool:
    """Whether nothing may be started yet; people are told once. A continue after the selection confirms it."""
    if not work.plan.points.confirm_before_restoring or "confirmedAt" in work.vault:
        return False
    at = stamp(now())
    if work.recovery.get("continuedAt", "") > work.vault["selectedAt"]:
        work.save(confirmedAt=at, waitingFor=None, waitingSince=None)
        return False
    if "confirmationAskedAt" not in work.vault:
        step = f"airlift continue {work.recovery_id}"
        text = (
            f"{work.vault['selected']} resources are selected, and the plan wants that confirmed: look at the points "
            f"(`airlift points {work.recovery_id}`), then {step}"
        )
        values = {"confirmationAskedAt": at, "waitingSince": at}
        work.ledger.write(
            work.update(**values),
            entry(work.recovery_id, now(), "paused", text, vault=work.vault_arn),
            work.notice(f"confirm#{at}", "confirm the selected points", text, step),
            holder=work.holder,
        )
        merge(work.vault, values)
    return True
