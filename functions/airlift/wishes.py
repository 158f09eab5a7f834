"""What an operator wants of single resources: once more, or from a pinned point. Noted here, taken in the loop.

A wish is a record of its own beside the running execution's records: `resourceArn`, `recoveryPointArn` or `before`
(a stamp) or neither, `pin` if it is for the first restore, `reason`, `by`; `takenAt` once it was granted or refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.errors import InvalidInput
from airlift.items import IN_FLIGHT, RESTORED
from airlift.ledger import Put, Record, again_key, claim_key, item_key, keyed, recovery_key, vault_key
from airlift.values import stamp

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.inputs import Action
    from airlift.ledger import Ledger
    from airlift.vaults import VaultWork

STARTED = IN_FLIGHT.union(RESTORED)
"""States in which a pin comes too late."""


def noted(ledger: Ledger, recovery: Record, action: Action, execution_arn: str, at: datetime) -> tuple[list[Put], str]:
    """The records of what a restore-again or pin wants, and what it is in words.

    Raises `InvalidInput` for a resource that no vault has selected, or that a pin comes too late for.
    """
    identity = recovery["recoveryId"]
    arns = tuple(dict.fromkeys(action.resource_arns or ()))
    for arn in arns:
        _check(ledger, recovery, action, arn)
    records = [
        Put(
            keyed(
                again_key(identity, arn),
                resourceArn=arn,
                recoveryPointArn=action.recovery_point_arn,
                before=stamp(action.before) if action.before else None,
                pin=True if action.action == "pin" else None,
                reason=action.reason,
                by=action.requested_by,
                at=stamp(at),
                executionArn=execution_arn,
            ),
            replace=True,
        )
        for arn in arns
        if (ledger.get(again_key(identity, arn)) or {}).get("executionArn") != execution_arn
    ]
    why = f" Reason: {action.reason}" if action.reason else ""
    if action.action == "pin":
        return records, f"Pinned: {arns[0]} is restored from {action.recovery_point_arn}.{why}"
    before = f", from before {stamp(action.before)}" if action.before else ""
    return records, f"Restore again{before}: {', '.join(arns)}.{why}"


def _check(ledger: Ledger, recovery: Record, action: Action, arn: str) -> None:
    identity = recovery["recoveryId"]
    found = [item for vault in recovery["vaults"] if (item := ledger.get(item_key(identity, vault, arn)))]
    if not found and not (action.action == "pin" and _is_selecting(ledger, recovery)):
        raise InvalidInput(
            f"resourceArns: {arn} is no resource of recovery {identity}.",
            f"copy the ARN from `airlift status {identity}`.",
        )
    if action.action == "pin" and any(item["state"] in STARTED for item in found):
        raise InvalidInput(
            f"resourceArns: the restore of {arn} has been started.",
            f"`airlift restore-again {identity} {arn} --point ARN` restores it once more.",
        )


def _is_selecting(ledger: Ledger, recovery: Record) -> bool:
    """Whether some vault's points are not selected yet, so that its resources are not known."""
    vaults = (ledger.get(vault_key(recovery["recoveryId"], arn)) or {} for arn in recovery["vaults"])
    return any("selectedAt" not in vault for vault in vaults)


def wishes(work: VaultWork) -> list[Record]:
    """What the operator wants and nobody has granted or refused yet."""
    pk, _ = recovery_key(work.recovery_id)
    return [wish for wish in work.ledger.query(pk, "AGAIN#") if "takenAt" not in wish]


def still_wanted(ledger: Ledger, recovery_id: str) -> list[str]:
    """Resources that the operator wants once more, and that no vault has taken up or refused."""
    pk, prefix = again_key(recovery_id, "")
    open_ = (wish for wish in ledger.query(pk, prefix) if "takenAt" not in wish and "pin" not in wish)
    return [wish["resourceArn"] for wish in open_]


def wanted_here(work: VaultWork, wish: Record) -> Record | None:
    """The item of this vault that the wish is about, unless another vault of the recovery restores the resource."""
    claim = work.ledger.get(claim_key(work.recovery_id, wish["resourceArn"]))
    if refused_here(work) in wish or (claim is not None and claim["vault"] != work.vault_arn):
        return None
    return work.ledger.get(item_key(work.recovery_id, work.vault_arn, wish["resourceArn"]))


def refused_here(work: VaultWork) -> str:
    """Attribute of a wish that says why this vault does not grant it."""
    return f"refusedBy{work.vault['order']}"


def is_open_elsewhere(work: VaultWork, wish: Record) -> bool:
    """Whether another vault of the recovery has the resource and has not refused the wish yet."""
    return any(
        f"refusedBy{order}" not in wish
        and vault != work.vault_arn
        and work.ledger.get(item_key(work.recovery_id, vault, wish["resourceArn"])) is not None
        for order, vault in enumerate(work.recovery["vaults"])
    )


def is_unknown(work: VaultWork, wish: Record) -> bool:
    """Whether no vault of the recovery has, or will have, the resource: a pin may come before points are selected."""
    if "pin" not in wish:
        return False
    for arn in work.recovery["vaults"]:
        vault = work.ledger.get(vault_key(work.recovery_id, arn)) or {}
        if "selectedAt" not in vault and vault.get("state") != "ENDED":
            return False
        if work.ledger.get(item_key(work.recovery_id, arn, wish["resourceArn"])) is not None:
            return False
    return True
