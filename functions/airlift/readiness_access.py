"""Readiness of the way in: source vaults, restore-access vaults, the approval team, the requester's rights."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from airlift.access_vaults import recovery_of
from airlift.arns import Arn
from airlift.aws import client
from airlift.checking import ACCOUNT, Result, reason_of
from airlift.errors import (
    ApprovalTeamUnreachable,
    RequesterLacksPermission,
    VaultNotAirGapped,
)
from airlift.runtime import setting
from airlift.values import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.checking import Scene
    from airlift.plan import Vault

AIR_GAPPED = "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"
_QUIET_AFTER = timedelta(days=90)
"""AWS calls an approver unhealthy after so long without a reply (mpa, team health)."""
_POINTLESS = "AWS refuses a request for this vault."
_CAN_T_VOTE = "Fewer approvers are left than the plan of the team counts on."


def source_vault(_scene: Scene, vault: Vault) -> Iterator[Result]:
    """Readable only if the owner shares the vault with RAM, which nobody has to (logicallyairgappedvault.html)."""
    name = "source vault"
    try:
        described = client("backup").describe_backup_vault(
            BackupVaultName=vault.name, BackupVaultAccountId=Arn.parse(vault.arn).account
        )
    except ClientError as error:
        what = f"The vault can't be seen from here ({reason_of(error)}): its kind, team and key are not checked."
        why = "Only a vault that its owner shares with RAM can be seen; it need not be shared to be recovered."
        yield Result(name, "note", vault.arn, what, why, "look at it in its own account.")
        return
    if described.get("VaultType", AIR_GAPPED) != AIR_GAPPED:
        what = f"{vault.arn} is a vault of type {described['VaultType']}."
        remedy = "name a logically air-gapped vault in the recovery plan; access to others can't be requested."
        yield Result(name, "blocks", vault.arn, what, _POINTLESS, remedy, VaultNotAirGapped)
    team = described.get("MpaApprovalTeamArn")
    if vault.approval_team_arn and team != vault.approval_team_arn:
        shown = f"has the approval team {team}" if team else "shows no approval team"
        what = f"The vault {shown}, and the plan says {vault.approval_team_arn}."
        why = "Who votes is not who was meant to, or nobody can: without a team AWS refuses the request."
        remedy = "have the vault's owner assign the team (only the first needs no vote), or correct the plan."
        yield Result(name, "warning", vault.arn, what, why, remedy)
    key = described.get("EncryptionKeyArn")
    if key and Arn.parse(key).account == Arn.parse(vault.arn).account:
        what = f"The vault's key {key} lies in the protected account."
        why = "Who holds that account can disable the key, and with it every restore."
        remedy = "use a vault whose key AWS owns or another account holds; the key of a vault can't be changed."
        yield Result(name, "warning", vault.arn, what, why, remedy)


def access_vault(scene: Scene, vault: Vault) -> Iterator[Result]:
    """A restore-access vault of the source that is there already, and whose it is."""
    for found in (one for one in scene.access_vaults if one.get("SourceBackupVaultArn") == vault.arn):
        name, state = found["BackupVaultName"], found["VaultState"]
        owner = recovery_of(found)
        if owner and owner == scene.recovery_id:
            continue
        whose = f"of {owner}" if owner else "that no recovery of Airlift has made"
        what = f"A restore-access vault is there already: {name}, {state}, {whose}."
        if state == "FAILED":
            why, remedy = "It stands in the way of a request, and is deleted right before one.", "nothing."
            yield Result("restore-access vault", "note", vault.arn, what, why, remedy)
            continue
        why = "An open one is a standing approval; a request for this vault ends VaultAccessHeldByOther."
        remedy = 'wait for its recovery or drill to end, delete it, or start with "adoptVault": "adopt" or "replace".'
        yield Result("restore-access vault", "warning", vault.arn, what, why, remedy)


def approval_team(scene: Scene, vault: Vault) -> Iterator[Result]:
    """The team that the plan names, in us-east-1: there, ACTIVE, large enough, awake."""
    arn, name = vault.approval_team_arn, "approval team"
    if arn is None:
        what = "The plan names no approval team for this vault, so none is checked."
        remedy = "give approvalTeamArn under accounts, and deploy the plan."
        yield Result(name, "warning", vault.arn, what, "A team that can't vote is noticed too late.", remedy)
        return
    try:
        team = scene.team(arn)
    except ClientError as error:
        yield _unreadable_team(vault, arn, error)
        return
    except BotoCoreError as error:
        what = f"The approval team can't be read: {reason_of(error)}. Multi-party approval answers in us-east-1 only."
        why = "While us-east-1 does not answer nobody can vote; the request is made all the same."
        yield Result(name, "warning", vault.arn, what, why, "look at the AWS Health dashboard; the card has the calls.")
        return
    yield from _standing(vault, arn, team)


def _unreadable_team(vault: Vault, arn: str, error: ClientError) -> Result:
    code, said = error.response["Error"]["Code"], str(error)
    if code == "ResourceNotFoundException":
        return _no_team(
            vault,
            f"Approval team {arn} of vault {vault.arn} does not exist.",
            "correct approvalTeamArn in the plan, or have the team created and assigned to the vault.",
        )
    what = f"The approval team can't be read: {reason_of(error)}."
    why = "Without it AWS may refuse the request; the request is made all the same."
    remedy = "have the team's owner share it with this account (RAM, us-east-1), and accept the share here."
    if "service control policy" in said:
        remedy = "except mpa:* in us-east-1 from the policy of the organization that denies Regions."
    return Result("approval team", "warning", vault.arn, what, why, remedy)


def _no_team(vault: Vault, what: str, remedy: str) -> Result:
    return Result("approval team", "blocks", vault.arn, what, _POINTLESS, remedy, ApprovalTeamUnreachable)


def _standing(vault: Vault, arn: str, team: dict[str, Any]) -> Iterator[Result]:
    needed = team.get("ApprovalStrategy", {}).get("MofN", {}).get("MinApprovalsRequired", 0)
    identities = Counter(one.get("PrimaryIdentityStatus", "ACCEPTED") for one in team.get("Approvers", []))
    accepted = identities["ACCEPTED"] if identities else team.get("NumberOfApprovers", 0)
    if team.get("Status") != "ACTIVE":
        remedy = "have its owner finish the team: every invited approver must accept."
        yield _no_team(vault, f"Approval team {arn} is {team.get('Status')}, not ACTIVE.", remedy)
        return
    if accepted < needed:
        what = f"Approval team {arn} has {accepted} approvers and needs {needed} approvals."
        yield _no_team(vault, what, "have its owner add approvers.")
        return
    if accepted - 1 < needed:
        what = f"Approval team {arn} has {accepted} approvers and needs {needed} approvals: nobody may be absent."
        why = "A single approver on leave keeps everything closed."
        yield Result("approval team", "warning", vault.arn, what, why, "have its owner add approvers.")
    if others := {status: count for status, count in identities.items() if status != "ACCEPTED"}:
        told = ", ".join(f"{count} {status}" for status, count in sorted(others.items()))
        what = f"Not all approvers of {arn} can vote: {told}."
        remedy = "have its owner invite them again, or replace them."
        yield Result("approval team", "warning", vault.arn, what, _CAN_T_VOTE, remedy)
    quiet = [one["PrimaryIdentityId"] for one in team.get("Approvers", []) if _is_quiet(one)]
    if quiet:
        what = f"Approvers of {arn} not heard of for {_QUIET_AFTER.days} days: {', '.join(quiet)}."
        why = "Whoever has left, or lost a second factor, is missed at the vote."
        remedy = f"run a drill, or `aws mpa start-approval-team-baseline --region us-east-1 --arn {arn}` as its owner."
        yield Result("approval team", "warning", vault.arn, what, why, remedy)


def _is_quiet(approver: dict[str, Any]) -> bool:
    heard = [approver[name] for name in ("LastActivityTime", "ResponseTime") if approver.get(name)]
    return bool(heard) and now() - max(heard) > _QUIET_AFTER


def requester(scene: Scene) -> Iterator[Result]:
    """Whether the requester's role may make the request and start the session that people vote in."""
    role, teams = setting("REQUESTER_ROLE_ARN"), {v.approval_team_arn for v in scene.vaults if v.approval_team_arn}
    asked = {
        "mpa:StartSession": sorted(teams),
        "backup:CreateRestoreAccessBackupVault": sorted(vault.arn for vault in scene.vaults),
    }
    for action, resources in asked.items():
        if resources and (refusal := refused(role, action, resources)):
            yield Result(
                "requester",
                "blocks",
                ACCOUNT,
                f"Role {role} may not {action}: {refusal}.",
                "AWS refuses each request for access.",
                "remove the denial (policy, permissions boundary, service control policy), or deploy the stack again.",
                RequesterLacksPermission,
            )


def refused(role: str, action: str, resources: list[str], **context: str) -> str:
    """How IAM would refuse an action of a role on any of these resources; empty if it allows it on all.

    Policies of the organization are part of the answer, without their conditions (iam, API_SimulatePrincipalPolicy).
    Raises botocore's errors.
    """
    entries = [
        {"ContextKeyName": key.replace("_", ":"), "ContextKeyType": "string", "ContextKeyValues": [value]}
        for key, value in context.items()
    ]
    answer = client("iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=[action], ResourceArns=resources, ContextEntries=entries
    )
    decisions = {result["EvalDecision"] for result in answer["EvaluationResults"]} - {"allowed"}
    return ", ".join(sorted(decisions))
