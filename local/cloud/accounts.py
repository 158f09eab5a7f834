"""The other accounts are set up as accounts/README.md says, in its order: its templates deployed, its calls made."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from local.cloud.running import (
    DETECTOR,
    MANAGEMENT,
    ORGANIZATION,
    PRODUCTION,
    RECOVERY,
    REGION,
    ROOT,
    TEAM_REGION,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.cloud.running import Cloud

APPROVERS = {
    "c4f8a4e8-10b1-70f1-1a2b-0123456789ab": "Ana",
    "c4f8a4e8-10b1-70f2-1a2b-0123456789ab": "Ben",
    "c4f8a4e8-10b1-70f3-1a2b-0123456789ab": "Cho",
}
"""The approvers' user ids in IAM Identity Center, and what they are called."""

BUS = f"arn:aws:events:{REGION}:{RECOVERY}:event-bus/airlift-incidents"

BACKED_UP = ("Aurora", "DocumentDB", "DynamoDB", "EBS", "EC2", "EFS", "Neptune", "S3")

_TEAM_STACK = "airlift-approval-team"
_PATIENCE = 30.0


class StackFailed(RuntimeError):
    """A stack was not made or changed; holds the reasons of its resources."""


def deploy(
    cloud: Cloud, account: str, template: str, stack: str, region: str = REGION, **parameters: str
) -> dict[str, str]:
    """Deploy a template of accounts/ as an account's root and wait; the stack's outputs.

    A parameter that is left out of a later deployment keeps its value. Raises StackFailed, having deleted a stack
    that could not be made, and ClientError for what CloudFormation refuses at once.
    """
    client = cloud.client("cloudformation", account, region)
    known = _describe(client, stack)
    given: list[dict[str, Any]]
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    asked: dict[str, Any] = {
        "StackName": stack,
        "TemplateBody": (ROOT / "accounts" / template).read_text("utf-8"),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    if known:
        kept = [one["ParameterKey"] for one in known["Parameters"] if one["ParameterKey"] not in parameters]
        given += [{"ParameterKey": name, "UsePreviousValue": True} for name in kept]
    (client.update_stack if known else client.create_stack)(**asked, Parameters=given)
    made = _ended(client, stack)
    if made["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        reasons = _reasons(client, stack)
        if not known:
            client.delete_stack(StackName=stack)
            _ended(client, made["StackId"])
        raise StackFailed(f"{stack} in {account}: {made['StackStatus']}. {'; '.join(reasons)}")
    return {one["OutputKey"]: one["OutputValue"] for one in made.get("Outputs", ())}


def opt_in(cloud: Cloud) -> None:
    """Step 1, in the management account."""
    cloud.client("backup", MANAGEMENT).update_global_settings(GlobalSettings={"isMpaEnabled": "true"})


def make_team(cloud: Cloud) -> str:
    """Step 2: identity source and team, whose approvers are invited; the team's ARN."""
    approvers = {f"Approver{number}": who for number, who in enumerate(APPROVERS, 1)}
    made = deploy(
        cloud,
        ORGANIZATION,
        "2-recovery-organization/approval-team.yaml",
        _TEAM_STACK,
        TEAM_REGION,
        IdentityCenterInstanceArn="arn:aws:sso:::instance/ssoins-0123456789abcdef",
        IdentityCenterRegion=REGION,
        MinApprovalsRequired="2",
        **approvers,
    )
    return made["ApprovalTeamArn"]


def accept_invitations(cloud: Cloud, team: str) -> None:
    """Step 2, each approver: accepts the invitation, in the portal."""
    cloud.door("portal/names", APPROVERS)
    for who in APPROVERS:
        cloud.door("portal/accept", {"teamArn": team, "approver": who})


def share_team(cloud: Cloud, accounts: Sequence[str] = (PRODUCTION, RECOVERY)) -> None:
    """Step 3."""
    template = "2-recovery-organization/approval-team.yaml"
    deploy(cloud, ORGANIZATION, template, _TEAM_STACK, TEAM_REGION, ShareWithAccounts=",".join(accounts))


def accept_shares(cloud: Cloud, account: str) -> None:
    """Step 4, in one account that the team is shared with."""
    ram = cloud.client("ram", account, TEAM_REGION)
    for one in ram.get_resource_share_invitations()["resourceShareInvitations"]:
        if one["status"] == "PENDING":
            ram.accept_resource_share_invitation(resourceShareInvitationArn=one["resourceShareInvitationArn"])


def protect(cloud: Cloud, team: str, **more: str) -> None:
    """Step 5, in the management account: no other team, and no vault deleted."""
    template = "1-primary-management/protection.yaml"
    parameters = {"ApprovalTeamArn": team, "VaultTargetIds": PRODUCTION, **more}
    deploy(cloud, MANAGEMENT, template, "airlift-protection", TEAM_REGION, **parameters)


def make_vaults(cloud: Cloud, team: str, stack: str = "airlift-vault", **more: str) -> dict[str, str]:
    """Step 6, in production: vaults with the team, the plan that fills them; the stack's outputs."""
    cloud.client("backup", PRODUCTION).update_region_settings(
        ResourceTypeOptInPreference=dict.fromkeys(BACKED_UP, True),
        ResourceTypeManagementPreference=dict.fromkeys(("DynamoDB", "EFS"), True),
    )
    return deploy(cloud, PRODUCTION, "3-vault-account/vault.yaml", stack, ApprovalTeamArn=team, **more)


def wait_for_team(cloud: Cloud, vault: str) -> None:
    """Step 6: until the team of a vault, pending at first, is assigned."""
    backup, until = cloud.client("backup", PRODUCTION), time.monotonic() + _PATIENCE
    while "MpaApprovalTeamArn" not in (found := backup.describe_backup_vault(BackupVaultName=vault)):
        if time.monotonic() > until:
            raise RuntimeError(f"The team of {vault} is not assigned: {found.get('LatestMpaApprovalTeamUpdate')}.")
        time.sleep(0.25)


def make_network(cloud: Cloud) -> tuple[dict[str, list[str]], str]:
    """Step 7, in the recovery account; the plan's `targets.defaults`, and a key for what is restored."""
    iam = cloud.client("iam", RECOVERY)
    for service in ("backup", "rds", "elasticfilesystem", "fsx"):
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_service_linked_role(AWSServiceName=f"{service}.amazonaws.com")
    zones = {"AvailabilityZone1": f"{REGION}a", "AvailabilityZone2": f"{REGION}c"}
    made = deploy(
        cloud, RECOVERY, "4-recovery-account/isolated-network.yaml", "airlift-isolated", MakeKey="yes", **zones
    )
    names = ("AvailabilityZones", "SubnetIds", "SecurityGroupIds")
    return {name[0].lower() + name[1:]: made[name].split(",") for name in names}, made["RestoreKeyArn"]


def admit_people(cloud: Cloud, stack: Mapping[str, str]) -> dict[str, str]:
    """Step 8, in the recovery account, given the outputs of Airlift's stack: the policies' ARNs, by output."""
    needed = ("LedgerTableName", "EvidenceBucketName", "WorkingBucketName", "PlanApplicationId", "RestoreRoleArn")
    template = "4-recovery-account/operators.yaml"
    policies = deploy(cloud, RECOVERY, template, "airlift-operators", **{name: stack[name] for name in needed})
    deploy(
        cloud,
        RECOVERY,
        "4-recovery-account/break-glass.yaml",
        "airlift-break-glass",
        PolicyArns=",".join(policies.values()),
        NotificationEmail="security@example.com",
    )
    return policies


def forward_findings(cloud: Cloud, account: str = DETECTOR) -> None:
    """Step 9, in an account that gathers findings."""
    deploy(cloud, account, "5-detector-accounts/forwarding.yaml", "airlift-forwarding", IncidentBusArn=BUS)


def _describe(client: Any, stack: str) -> dict[str, Any] | None:
    found = [one for page in client.get_paginator("describe_stacks").paginate() for one in page["Stacks"]]
    return next((one for one in found if one["StackName"] == stack), None)


def _ended(client: Any, stack: str) -> dict[str, Any]:
    """A stack, by name or id, once nothing is in progress."""
    until = time.monotonic() + _PATIENCE
    while True:
        found: dict[str, Any] = client.describe_stacks(StackName=stack)["Stacks"][0]
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            return found
        if time.monotonic() > until:
            raise StackFailed(f"{stack} is {found['StackStatus']} for {_PATIENCE:.0f} s.")
        time.sleep(0.05)


def _reasons(client: Any, stack: str) -> list[str]:
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    return [
        f"{one['LogicalResourceId']}: {one['ResourceStatusReason']}"
        for one in reversed(events)
        if one["ResourceStatus"].endswith("_FAILED") and one["LogicalResourceId"] != stack
    ]
