"""What can be known before anybody is asked: the work of CheckReadiness.

Only what makes the request itself pointless blocks, and only the vault it concerns. What can't be checked is a warning.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from airlift.arns import Arn
from airlift.aws import MPA_REGION, client
from airlift.errors import (
    AirliftError,
    ApprovalTeamUnreachable,
    RequesterLacksPermission,
    VaultNotAirGapped,
)
from airlift.isolation import open_targets, unreadable
from airlift.ledger import Holder, Ledger, Record, Update, item_key, recovery_key, vault_key
from airlift.plan_store import plan_at
from airlift.runtime import setting
from airlift.timeline import entry
from airlift.values import now, stamp

if TYPE_CHECKING:
    from airlift.plan import Plan, Vault

_CHECKING = timedelta(seconds=60)
AIR_GAPPED = "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"


def check_readiness(ledger: Ledger, holder: Holder, recovery_id: str) -> list[dict[str, str]]:
    """The vaults worth asking for, each with the name of its execution: `[{"sourceBackupVaultArn", "executionName"}]`.

    A blocker is recorded as its vault's ending. Raises it if no vault is left and it is the only one's.
    """
    recovery = ledger.get(recovery_key(recovery_id)) or {}
    plan = plan_at(recovery["planKey"])
    requester = _requester_problem()
    network = _network(plan, holder)
    ready: list[dict[str, str]] = []
    blockers: list[AirliftError] = []
    begun = now()
    for order, arn in enumerate(recovery["vaults"]):
        record = ledger.get(vault_key(recovery_id, arn)) or {}
        if record.get("ending", {}).get("name") == "VaultRecovered" and not _wanted_again(ledger, recovery_id, arn):
            continue
        execution_name = _execution_name(recovery_id, order, holder.execution_arn)
        if now() - begun > _CHECKING:
            warnings, blocker = ["not checked, as the checks of other vaults took too long"], None
        else:
            warnings, blocker = _check(plan, arn)
        warnings += network
        blocker = blocker or requester
        _record(ledger, holder, recovery_id, arn, record, order, execution_name, warnings, blocker)
        if blocker:
            blockers.append(blocker)
        else:
            ready.append({"sourceBackupVaultArn": arn, "executionName": execution_name})
    if blockers and not ready and len(recovery["vaults"]) == 1:
        raise blockers[0]
    return ready


def _execution_name(recovery_id: str, order: int, execution_arn: str) -> str:
    """Derives from recovery, vault and parent execution, so that an ending can be looked up by it (80 characters)."""
    return f"{recovery_id}-{order}-{hashlib.sha256(execution_arn.encode()).hexdigest()[:8]}"


def _wanted_again(ledger: Ledger, recovery_id: str, vault_arn: str) -> bool:
    """Whether the operator wants a resource of this vault restored once more."""
    pk, _ = recovery_key(recovery_id)
    wishes = (wish["resourceArn"] for wish in ledger.query(pk, "AGAIN#") if "takenAt" not in wish)
    return any(ledger.get(item_key(recovery_id, vault_arn, resource)) for resource in wishes)


def _record(
    ledger: Ledger,
    holder: Holder,
    recovery_id: str,
    arn: str,
    record: Record,
    order: int,
    execution_name: str,
    warnings: list[str],
    blocker: AirliftError | None,
) -> None:
    at = now()
    values: dict[str, Any] = {
        "sourceBackupVaultArn": arn,
        "order": order,
        "executionName": execution_name,
        "state": record.get("state", "WAITING") if record.get("state") != "ENDED" else _state_before_end(record),
        "ending": None,
        "rounds": 0,
        "loopSince": stamp(at),
        "accessLost": None,
    }
    texts = [f"Warning: {warning}" for warning in warnings]
    if blocker:
        values |= {
            "state": "ENDED",
            "ending": {"name": blocker.name, "cause": str(blocker), "at": stamp(at)},
        }
        texts.append(f"Blocked: {blocker}")
    entries = [entry(recovery_id, at, f"readiness{n}", text, vault=arn) for n, text in enumerate(texts)]
    ledger.write(Update(vault_key(recovery_id, arn), values, create=True), *entries, holder=holder)


def _state_before_end(record: Record) -> str:
    """Where a resumed vault stands: access is looked at again in any case, selection is not repeated."""
    return "RESTORING" if record.get("selectedAt") else "WAITING"


def _check(plan: Plan, arn: str) -> tuple[list[str], AirliftError | None]:
    """Warnings, and the blocker if there is one."""
    warnings: list[str] = []
    try:
        vault = plan.vault(arn)
        _source_vault(vault)
        _team(vault)
    except AirliftError as error:
        return warnings, error
    except (ClientError, BotoCoreError) as error:
        warnings.append(f"the approval team can't be read ({error}); the request is made all the same")
    return warnings, None


def _source_vault(vault: Vault) -> None:
    """Readable only if the owner shares the vault with RAM, which nobody has to (logicallyairgappedvault.html)."""
    try:
        described = client("backup").describe_backup_vault(
            BackupVaultName=vault.name, BackupVaultAccountId=Arn.parse(vault.arn).account
        )
    except (ClientError, BotoCoreError):
        return
    if described.get("VaultType", AIR_GAPPED) != AIR_GAPPED:
        raise VaultNotAirGapped(
            f"{vault.arn} is a vault of type {described['VaultType']}.",
            "name a logically air-gapped vault in the recovery plan; access to others can't be requested.",
        )


def _team(vault: Vault) -> None:
    """The team that the plan names, in us-east-1."""
    arn = vault.approval_team_arn
    if arn is None:
        return
    mpa = client("mpa", MPA_REGION)
    try:
        team = mpa.get_approval_team(Arn=arn)
    except mpa.exceptions.ResourceNotFoundException as error:
        raise ApprovalTeamUnreachable(
            f"Approval team {arn} of vault {vault.arn} does not exist.",
            "correct approvalTeamArn in the plan, or have the team created and assigned to the vault.",
        ) from error
    needed = team.get("ApprovalStrategy", {}).get("MofN", {}).get("MinApprovalsRequired", 0)
    if team.get("Status") != "ACTIVE":
        raise ApprovalTeamUnreachable(
            f"Approval team {arn} is {team.get('Status')}, not ACTIVE.",
            "have its owner finish the team: every invited approver must accept.",
        )
    if team.get("NumberOfApprovers", 0) < needed:
        raise ApprovalTeamUnreachable(
            f"Approval team {arn} has {team.get('NumberOfApprovers')} approvers and needs {needed} approvals.",
            "have its owner add approvers.",
        )


def _network(plan: Plan, holder: Holder) -> list[str]:
    """Warnings about targets that are not isolated: what would be restored there is held, the rest goes on."""
    recovery = Arn.parse(holder.execution_arn)
    try:
        return open_targets(plan, recovery.account, recovery.region)
    except (ClientError, BotoCoreError) as error:
        return [unreadable(error)]


def _requester_problem() -> RequesterLacksPermission | None:
    """Whether the requester's role may start a session; None as well if that can't be evaluated."""
    role = setting("REQUESTER_ROLE_ARN")
    try:
        results = client("iam").simulate_principal_policy(PolicySourceArn=role, ActionNames=["mpa:StartSession"])
    except (ClientError, BotoCoreError):
        return None
    decisions = {result["EvalDecision"] for result in results["EvaluationResults"]}
    # Simulated without a resource, an action allowed for some resources only comes out as an implicit denial.
    if "explicitDeny" in decisions:
        return RequesterLacksPermission(
            f"Role {role} is denied mpa:StartSession.",
            "remove the denial (permissions boundary, policy or service control policy), then start again.",
        )
    return None
