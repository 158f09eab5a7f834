"""CloudFormation's resource types: made, changed and deleted through the services, as stacks do it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from local.cloud.resources import TYPES
from tests.local.refusals import refused
from tests.local.story import APPROVERS, LAG, OWNER, POLICY, RECOVERY, REGION, SECURITY, TEAM_OWNER, TEAM_REGION, client

if TYPE_CHECKING:
    from local.cloud.resources import Api
    from tests.local.story import Story

SOURCE, TEAM = TYPES["AWS::MPA::IdentitySource"], TYPES["AWS::MPA::ApprovalTeam"]
SHARE, SCP = TYPES["AWS::RAM::ResourceShare"], TYPES["AWS::Organizations::Policy"]
VAULT, AIR_GAPPED = TYPES["AWS::Backup::BackupVault"], TYPES["AWS::Backup::LogicallyAirGappedBackupVault"]
PLAN, SELECTION = TYPES["AWS::Backup::BackupPlan"], TYPES["AWS::Backup::BackupSelection"]
CENTER = {"InstanceArn": "arn:aws:sso:::instance/ssoins-0123456789abcdef", "Region": REGION}
DENY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "backup:DeleteBackupVault", "Resource": "*"}],
}


def api(account: str, region: str = REGION) -> Api:
    return lambda service: client(service, account, region)


OWNERS, TEAMS = api(OWNER), api(TEAM_OWNER, TEAM_REGION)


def team(source: str, **changes: Any) -> dict[str, Any]:
    return {
        "Name": "recovery",
        "Description": "Approves access",
        "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": "2"}},
        "Approvers": [{"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": source} for who in APPROVERS],
        "Policies": [{"PolicyArn": POLICY}],
    } | changes


def vault(**changes: Any) -> dict[str, Any]:
    return {"BackupVaultName": "lag", "MinRetentionDays": "7", "MaxRetentionDays": "30"} | changes


def plan(days: str = "7") -> dict[str, Any]:
    rule = {
        "RuleName": "hourly",
        "TargetBackupVault": "plain",
        "ScheduleExpression": "cron(0 * * * ? *)",
        "Lifecycle": {"DeleteAfterDays": days},
        "CopyActions": [{"DestinationBackupVaultArn": LAG, "Lifecycle": {"DeleteAfterDays": "14"}}],
    }
    return {"BackupPlan": {"BackupPlanName": "plan", "BackupPlanRule": [rule]}}


@pytest.mark.usefixtures("story")
def test_an_identity_source_gives_the_portals_address_and_stays_while_a_team_needs_it() -> None:
    source = SOURCE.create(TEAMS, {"IdentitySourceParameters": {"IamIdentityCenter": CENTER}})
    known = SOURCE.attributes(TEAMS, source)
    assert known["IdentitySourceArn"] == source
    assert known["IdentitySourceParameters.IamIdentityCenter.ApprovalPortalUrl"].startswith("https://")
    made = TEAM.create(TEAMS, team(source))
    with refused("ConflictException", "used by an approval team"):
        SOURCE.delete(TEAMS, source)
    TEAM.delete(TEAMS, made)
    SOURCE.delete(TEAMS, source)
    with refused("ResourceNotFoundException"):
        SOURCE.delete(TEAMS, source)


def test_an_active_team_approves_its_change_and_its_end(story: Story) -> None:
    source = SOURCE.create(TEAMS, {"IdentitySourceParameters": {"IamIdentityCenter": CENTER}})
    made = TEAM.create(TEAMS, team(source))
    assert (TEAM.attributes(TEAMS, made)["Status"], TEAM.attributes(TEAMS, made)["NumberOfApprovers"]) == (
        "PENDING",
        "3",
    )
    for who in APPROVERS:
        story.world.portal.accept_invitation(made, who)
    three = {"MofN": {"MinApprovalsRequired": "3"}}
    TEAM.update(TEAMS, made, team(source), team(source, ApprovalStrategy=three))
    found = story.mpa().get_approval_team(Arn=made)
    assert found["PendingUpdate"]["ApprovalStrategy"]["MofN"]["MinApprovalsRequired"] == 3
    story.wait(5)
    story.vote(found["UpdateSessionArn"])
    assert story.mpa().get_approval_team(Arn=made)["ApprovalStrategy"]["MofN"]["MinApprovalsRequired"] == 3
    TEAM.delete(TEAMS, made)
    assert story.mpa().get_approval_team(Arn=made)["StatusCode"] == "DELETE_PENDING_APPROVAL"


def test_a_share_is_changed_by_its_principals(story: Story) -> None:
    made = story.active_team()
    old: dict[str, Any] = {
        "Name": "s",
        "AllowExternalPrincipals": "true",
        "PermissionArns": ["arn:aws:ram::aws:permission/AWSRAMMPAApprovalTeamAccess"],
        "Principals": [OWNER, SECURITY],
        "ResourceArns": [made],
    }
    share = SHARE.create(TEAMS, old)
    assert SHARE.attributes(TEAMS, share)["Arn"] == share

    def invited(account: str) -> list[str]:
        found = client("ram", account, TEAM_REGION).get_resource_share_invitations()["resourceShareInvitations"]
        return [one["status"] for one in found]

    SHARE.update(TEAMS, share, old, old | {"Principals": [OWNER, RECOVERY]})
    assert (invited(OWNER), invited(SECURITY), invited(RECOVERY)) == (["PENDING"], [], ["PENDING"])
    with pytest.raises(ValueError, match="Name can't be changed"):
        SHARE.update(TEAMS, share, old, old | {"Name": "t"})
    SHARE.delete(TEAMS, share)
    assert invited(OWNER) == []
    with refused("UnknownResourceException", "Permission"):
        SHARE.create(TEAMS, old | {"PermissionArns": ["arn:aws:ram::aws:permission/Other"]})


def test_a_lapsed_invitation_comes_again_for_who_is_taken_out_and_put_back(story: Story) -> None:
    made = story.active_team()
    share, old = "", {"Name": "s", "Principals": [OWNER, RECOVERY], "ResourceArns": [made]}
    share = SHARE.create(TEAMS, old)
    story.wait(12 * 3600)
    ram = client("ram", RECOVERY, TEAM_REGION)
    assert ram.get_resource_share_invitations()["resourceShareInvitations"][0]["status"] == "EXPIRED"
    SHARE.update(TEAMS, share, old, old | {"Principals": [OWNER]})
    SHARE.update(TEAMS, share, old | {"Principals": [OWNER]}, old)
    assert ram.get_resource_share_invitations()["resourceShareInvitations"][0]["status"] == "PENDING"


def test_an_air_gapped_vault_gets_its_team_once(story: Story) -> None:
    made = story.active_team()
    story.share(made, OWNER)
    story.opt_in()
    name = AIR_GAPPED.create(OWNERS, vault())
    assert AIR_GAPPED.attributes(OWNERS, name)["BackupVaultArn"] == LAG
    AIR_GAPPED.update(OWNERS, name, vault(), vault(MpaApprovalTeamArn=made))
    story.wait(5)
    assert story.backup(OWNER).describe_backup_vault(BackupVaultName="lag")["MpaApprovalTeamArn"] == made
    with pytest.raises(ValueError, match="can't be changed by CloudFormation once"):
        AIR_GAPPED.update(OWNERS, name, vault(MpaApprovalTeamArn=made), vault(MpaApprovalTeamArn="another"))
    AIR_GAPPED.delete(OWNERS, name)


def test_a_vault_whose_team_is_refused_is_not_left_behind_or_named(story: Story) -> None:
    asked = vault(MpaApprovalTeamArn="arn:aws:mpa:us-east-1:999900001111:approval-team/none")
    with refused("InvalidRequestException", "MPA is not opted-in"):
        AIR_GAPPED.create(OWNERS, asked)
    assert story.backup(OWNER).list_backup_vaults()["BackupVaultList"] == []
    story.denied.add((OWNER, "backup:DeleteBackupVault"))
    with pytest.raises(ValueError, match=r"MPA is not opted-in; lag is left behind: .*AccessDenied"):
        AIR_GAPPED.create(OWNERS, asked)


def test_a_plan_and_what_it_selects(story: Story) -> None:
    VAULT.create(OWNERS, {"BackupVaultName": "plain", "BackupVaultTags": {"a": "b"}})
    AIR_GAPPED.create(OWNERS, vault())
    made = PLAN.create(OWNERS, plan())
    assert PLAN.attributes(OWNERS, made)["BackupPlanArn"].endswith(f":backup-plan:{made}")
    rule = story.backup(OWNER).get_backup_plan(BackupPlanId=made)["BackupPlan"]["Rules"][0]
    assert (rule["TargetBackupVaultName"], rule["Lifecycle"]["DeleteAfterDays"]) == ("plain", 7)
    PLAN.update(OWNERS, made, plan(), plan("9"))
    rule = story.backup(OWNER).get_backup_plan(BackupPlanId=made)["BackupPlan"]["Rules"][0]
    assert rule["Lifecycle"]["DeleteAfterDays"] == 9
    tags = [{"ConditionType": "STRINGEQUALS", "ConditionKey": "airlift", "ConditionValue": "protected"}]
    document = {"SelectionName": "by-tag", "IamRoleArn": story.role(OWNER), "ListOfTags": tags}
    selection = SELECTION.create(OWNERS, {"BackupPlanId": made, "BackupSelection": document})
    assert SELECTION.attributes(OWNERS, selection)["Id"] == selection
    with refused("InvalidRequestException", "selections must be deleted"):
        PLAN.delete(OWNERS, made)
    SELECTION.delete(OWNERS, selection)
    PLAN.delete(OWNERS, made)
    VAULT.delete(OWNERS, "plain")
    for kind, physical_id in ((VAULT, "plain"), (SELECTION, selection)):
        with pytest.raises(ValueError, match="can't be changed by CloudFormation here"):
            kind.update(OWNERS, physical_id, {}, {"BackupVaultTags": {}, "BackupSelection": {}})


@pytest.mark.usefixtures("story")
def test_a_policy_follows_its_targets() -> None:
    organizations = client("organizations", OWNER, TEAM_REGION)
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    unit = organizations.create_organizational_unit(ParentId=root, Name="vaults")["OrganizationalUnit"]["Id"]
    asked = {"Name": "keep", "Type": "SERVICE_CONTROL_POLICY", "Content": DENY, "TargetIds": [root]}
    made = SCP.create(OWNERS, asked)
    assert SCP.attributes(OWNERS, made)["Id"] == made
    SCP.update(OWNERS, made, asked, asked | {"TargetIds": [unit], "Content": json.dumps(DENY)})
    targets = organizations.list_targets_for_policy(PolicyId=made)["Targets"]
    assert [one["TargetId"] for one in targets] == [unit]
    assert json.loads(organizations.describe_policy(PolicyId=made)["Policy"]["Content"]) == DENY
    SCP.delete(OWNERS, made)
    left = organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert made not in [one["Id"] for one in left]
