"""Readiness in a recovery: the work of CheckReadiness.

Only what makes the request itself pointless blocks, and only the vault it concerns. What would be held is told while
people vote, looked at again right before it is restored (`airlift.holding`), and then holds only what it concerns.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airlift.checking import ISOLATION, Scene
from airlift.endings import VAULT_RECOVERED
from airlift.errors import AirliftError
from airlift.ledger import PER_WRITE, Holder, Ledger, Record, Update, again_key, item_key, recovery_key, vault_key
from airlift.plan_store import plan_at
from airlift.readiness import of_account, of_vault
from airlift.timeline import entry
from airlift.values import now, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airlift.checking import Result
    from airlift.plan import Plan

_CHECKING = timedelta(seconds=60)
_WORDS = {"blocks": "Blocked", "holds": "Held back", "warning": "Warning"}


def check_readiness(ledger: Ledger, holder: Holder, recovery_id: str) -> list[dict[str, str]]:
    """The vaults worth asking for, each with the name of its execution: `[{"sourceBackupVaultArn", "executionName"}]`.

    A blocker is recorded as its vault's ending, unless an operator has overridden the checks. Raises it if no vault is
    left and it is the only one's.
    """
    recovery = ledger.get(recovery_key(recovery_id)) or {}
    plan = plan_at(recovery["planKey"])
    override = recovery.get("overrideReadiness", "")
    until = now() + _CHECKING
    scene = Scene(plan, ledger, _in_plan(plan, recovery["vaults"]), recovery_id)
    of_all = of_account(scene, until=until)
    _tell(ledger, holder, recovery_id, _texts(of_all, override))
    ready: list[dict[str, str]] = []
    blockers: list[AirliftError] = []
    for order, arn in enumerate(recovery["vaults"]):
        record = ledger.get(vault_key(recovery_id, arn)) or {}
        if record.get("ending", {}).get("name") == VAULT_RECOVERED and not _wanted_again(ledger, recovery_id, arn):
            continue
        try:
            found = of_vault(scene, plan.vault(arn), until=until)
            blocker, texts = None if override else _blocker([*found, *of_all]), _texts(found, override)
        except AirliftError as error:  # it has left the plan, which nobody can override
            blocker, texts = error, [f"Blocked: {error}"]
        execution_name = _execution_name(recovery_id, order, holder.execution_arn)
        values = {
            "sourceBackupVaultArn": arn,
            "order": order,
            "executionName": execution_name,
            **_anew(record, blocker),
        }
        _tell(ledger, holder, recovery_id, texts, arn)
        ledger.write(Update(vault_key(recovery_id, arn), values, create=True), holder=holder)
        if blocker:
            blockers.append(blocker)
        else:
            ready.append({"sourceBackupVaultArn": arn, "executionName": execution_name})
    if blockers and not ready and len(recovery["vaults"]) == 1:
        raise blockers[0]
    return ready


def _in_plan(plan: Plan, arns: Iterable[str]) -> tuple[Any, ...]:
    wanted = set(arns)
    return tuple(vault for account in plan.accounts for vault in account.vaults if vault.arn in wanted)


def _blocker(results: Iterable[Result]) -> AirliftError | None:
    """The first result that makes the request pointless, as the vault's ending."""
    return next((one.error(one.what, one.remedy) for one in results if one.error and one.severity == "blocks"), None)


def _execution_name(recovery_id: str, order: int, execution_arn: str) -> str:
    """Derives from recovery, vault and parent execution, so that an ending can be looked up by it (80 characters)."""
    return f"{recovery_id}-{order}-{hashlib.sha256(execution_arn.encode()).hexdigest()[:8]}"


def _wanted_again(ledger: Ledger, recovery_id: str, vault_arn: str) -> bool:
    """Whether the operator wants a resource of this vault restored once more."""
    pk, prefix = again_key(recovery_id, "")
    wishes = (wish["resourceArn"] for wish in ledger.query(pk, prefix) if "takenAt" not in wish)
    return any(ledger.get(item_key(recovery_id, vault_arn, resource)) for resource in wishes)


def _texts(results: Iterable[Result], override: str) -> list[str]:
    """What was found, as the timeline tells it; notes are left out."""
    return [_told(result, override) for result in results if result.severity in _WORDS]


def _tell(ledger: Ledger, holder: Holder, recovery_id: str, texts: Iterable[str], vault: str = "") -> None:
    """Writes into the timeline what was found; a plan with many targets may lack more than one write takes."""
    at = now()
    entries = [entry(recovery_id, at, f"readiness{n}", text, vault=vault) for n, text in enumerate(texts)]
    for first in range(0, len(entries), PER_WRITE):
        ledger.write(*entries[first : first + PER_WRITE], holder=holder)


def _told(result: Result, override: str) -> str:
    about = f" ({result.subject})" if result.severity == "holds" else ""
    may_be = result.severity != "warning" and result.check != ISOLATION
    overridden = f" Overridden: {override}." if override and may_be else ""
    return f"{_WORDS[result.severity]}{about}: {result}{overridden}"


def _anew(record: Record, blocker: AirliftError | None) -> dict[str, Any]:
    """The vault's attributes as its execution finds them, or as a blocker ends it."""
    at = stamp(now())
    values: dict[str, Any] = {
        "state": record.get("state", "WAITING") if record.get("state") != "ENDED" else _state_before_end(record),
        "ending": None,
        "rounds": 0,
        "roundsBefore": record.get("roundsBefore", 0) + record.get("rounds", 0),
        "loopSince": at,
        "accessLost": None,
        "accessDoubtedAt": None,
    }
    if blocker:
        values |= {"state": "ENDED", "ending": {"name": blocker.name, "cause": str(blocker), "at": at}}
    return values


def _state_before_end(record: Record) -> str:
    """Where a resumed vault stands: access is looked at again in any case, selection is not repeated."""
    return "RESTORING" if record.get("selectedAt") else "WAITING"
