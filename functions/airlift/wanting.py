"""What a trigger or a person wants recovered, by the plan and by what was believed before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airlift.arns import Arn
from airlift.errors import VaultNotInPlan
from airlift.ledger import trigger_key
from airlift.recovery import LATEST, Wanted
from airlift.values import safe_text, stamp

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.deciding import Decision
    from airlift.incident import Incident
    from airlift.inputs import Start
    from airlift.ledger import Ledger, Record
    from airlift.plan import Allow
    from airlift.plan_store import PlanVersion


def wanted_by(incident: Incident, decision: Decision, execution_arn: str, seen: Record | None) -> Wanted:
    """What an event wants, as far as the plan lets it; `seen` is what the ledger remembers of the same trigger."""
    vaults = _of_this_region(decision.vaults, execution_arn)
    incident = replace(incident, first_sign=decision.first_sign, first_sign_from=decision.first_sign_from)
    return wanted_of(incident, decision.account, vaults, seen=seen, allow=decision.allow)


def wanted_of(
    incident: Incident, account: str, vaults: tuple[str, ...], *, seen: Record | None, allow: Allow
) -> Wanted:
    """The same with account, vaults and permission given."""
    return Wanted(
        account=account,
        vaults=vaults,
        trigger={
            "kind": incident.kind,
            "id": incident.trigger_id,
            "type": incident.finding_type,
            "title": incident.title,
            "sender": incident.sender,
            "region": incident.region,
        },
        reason=f"{incident.finding_type}: {incident.title}"[:200],
        first_sign=stamp(incident.first_sign) if incident.first_sign else None,
        first_sign_from=incident.first_sign_from,
        trigger_id=incident.trigger_id,
        allow=allow,
        seen_at=seen["seenAt"] if seen else None,
    )


def _of_this_region(vaults: tuple[str, ...], execution_arn: str) -> tuple[str, ...]:
    """Those vaults that this stack can ask for; a stack serves the Region it is deployed in."""
    region = Arn.parse(execution_arn).region
    here = tuple(vault for vault in vaults if Arn.parse(vault).region == region)
    if not here:
        raise VaultNotInPlan(
            f"None of the vaults {', '.join(vaults)} lies in {region}, the Region of this stack.",
            "start the recovery with the stack of the vault's Region.",
        )
    return here


def wanted(ledger: Ledger, start: Start, plan: PlanVersion, execution_arn: str) -> Wanted:
    """What a person wants. Raises AccountNotInPlan or VaultNotInPlan."""
    if start.vault_arns:
        account = next(plan.plan.account_of_vault(arn) for arn in start.vault_arns)
        for arn in start.vault_arns:
            plan.plan.vault(arn)
        vaults = start.vault_arns
    else:
        account = plan.plan.account(start.account or "")
        vaults = account.vault_arns
    sign, source = _given_or_believed(ledger, account.id, start.first_sign, drill=start.drill)
    return Wanted(
        account=account.id,
        vaults=_of_this_region(vaults, execution_arn),
        trigger={"kind": "onDemand", "id": execution_arn} | ({"by": start.requested_by} if start.requested_by else {}),
        reason=safe_text(start.reason, 200),
        first_sign=sign,
        first_sign_from=source,
        trigger_id=execution_arn,
        adopt_vault=start.adopt_vault,
        override_readiness=start.override_readiness and safe_text(start.override_readiness, 200),
        access_only=start.access_only,
        on_demand=True,
        drill=start.drill,
    )


def _given_or_believed(
    ledger: Ledger, account: str, given: datetime | str | None, *, drill: bool
) -> tuple[str | None, str]:
    if given is not None:
        return (given if isinstance(given, str) else stamp(given)), "given by the operator"
    if drill:
        return LATEST, "a drill's, unless given"
    # Signs that an earlier recovery answered are that recovery's; the others may belong to this incident.
    pk, prefix = trigger_key(account, "")
    open_signs = [t["firstSign"] for t in ledger.query(pk, prefix) if "firstSign" in t and "recoveryId" not in t]
    if open_signs:
        return min(open_signs), "the earliest believed sign for this account"
    return None, ""
