"""Approval teams, sessions, votes, and who may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.aws.errors import AwsError
from tests.local.refusals import refused
from tests.local.story import APPROVERS, LAG, OWNER, POLICY, RECOVERY, SECURITY, TEAM_OWNER, client

if TYPE_CHECKING:
    from tests.local.story import Story

DAY = 86400


def create(story: Story, source: str, **more: Any) -> Any:
    asked: dict[str, Any] = {
        "Name": "team",
        "Description": "d",
        "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": 2}},
        "Approvers": [{"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": source} for who in APPROVERS],
        "Policies": [{"PolicyArn": POLICY}],
    }
    return story.mpa().create_approval_team(**(asked | more))


def test_a_team_is_active_when_every_invitee_has_accepted(story: Story) -> None:
    team = story.team()
    assert [mail["to"] for mail in story.world.portal.outbox if mail["kind"] == "invitation"] == list(APPROVERS)
    for who in APPROVERS[:2]:
        story.world.portal.accept_invitation(team, who)
    found = story.mpa().get_approval_team(Arn=team)
    assert (found["Status"], found["StatusCode"]) == ("PENDING", "PENDING_ACTIVATION")
    story.world.portal.accept_invitation(team, APPROVERS[2])
    found = story.mpa().get_approval_team(Arn=team)
    assert (found["Status"], found["NumberOfApprovers"]) == ("ACTIVE", 3)
    assert {one["PrimaryIdentityStatus"] for one in found["Approvers"]} == {"ACCEPTED"}
    with pytest.raises(AwsError, match="No invitation is open"):
        story.world.portal.accept_invitation(team, "ana")


@pytest.mark.parametrize("how", ["silence", "a refusal"])
def test_a_team_without_every_invitee_becomes_inactive(story: Story, how: str) -> None:
    team = story.team()
    for who in APPROVERS[:2]:
        story.world.portal.accept_invitation(team, who)
    if how == "silence":
        story.wait(DAY)
    else:
        story.world.portal.reject_invitation(team, "cho")
    found = story.mpa().get_approval_team(Arn=team)
    assert (found["Status"], found["StatusCode"]) == ("INACTIVE", "FAILED_ACTIVATION")
    story.mpa().delete_inactive_approval_team_version(Arn=team, VersionId="1")
    with refused("ResourceNotFoundException"):
        story.mpa().get_approval_team(Arn=team)


def test_teams_that_are_refused(story: Story) -> None:
    source = story.source()
    one = {"PrimaryIdentityId": "ana", "PrimaryIdentitySourceArn": source}
    two = {"PrimaryIdentityId": "ben", "PrimaryIdentitySourceArn": source}
    foreign = {"PrimaryIdentityId": "cho", "PrimaryIdentitySourceArn": source.replace(TEAM_OWNER, OWNER)}
    with refused("ValidationException", "at least 3"):
        create(story, source, Approvers=[one, two])
    with refused("ValidationException", "twice"):
        create(story, source, Approvers=[one, two, one])
    with refused("ValidationException", "identity source"):
        create(story, source, Approvers=[one, two, foreign])
    for threshold in (1, 4):
        with refused("ValidationException", "MinApprovalsRequired"):
            create(story, source, ApprovalStrategy={"MofN": {"MinApprovalsRequired": threshold}})
    with refused("ValidationException", "does not exist"):
        create(story, source, Policies=[{"PolicyArn": POLICY.replace("CreateRestoreAccessVault", "Other")}])
    create(story, source)
    with refused("ConflictException", "exists"):
        create(story, source)
    for number in range(9):
        create(story, source, Name=f"team-{number}")
    with refused("ServiceQuotaExceededException"):
        create(story, source, Name="eleventh")
    with refused("ServiceQuotaExceededException"):
        story.source()


def test_multi_party_approval_exists_only_in_us_east_1(story: Story) -> None:
    with refused("UnknownEndpoint", "only in us-east-1"):
        client("mpa", TEAM_OWNER, "ap-northeast-1").list_approval_teams()


def test_policies_are_listed_as_teams_have_to_name_them(story: Story) -> None:
    policy = story.mpa().list_policies()["Policies"][0]
    versions = story.mpa().list_policy_versions(PolicyArn=policy["Arn"])["PolicyVersions"]
    found = story.mpa().get_policy_version(PolicyVersionArn=versions[0]["Arn"])["PolicyVersion"]
    assert (found["PolicyArn"], found["IsDefault"]) == (policy["Arn"], True)
    with refused("ResourceNotFoundException"):
        story.mpa().get_policy_version(PolicyVersionArn=policy["Arn"] + "/7")


def test_a_team_is_seen_by_its_owner_and_by_accounts_that_accepted_the_share(story: Story) -> None:
    team = story.active_team()
    with refused("AccessDeniedException"):
        story.mpa(RECOVERY).get_approval_team(Arn=team)
    client("ram", TEAM_OWNER, "us-east-1").create_resource_share(name="s", resourceArns=[team], principals=[RECOVERY])
    with refused("AccessDeniedException"):
        story.mpa(RECOVERY).get_approval_team(Arn=team)
    story.share(team, RECOVERY)
    assert story.mpa(RECOVERY).get_approval_team(Arn=team)["Status"] == "ACTIVE"
    with refused("AccessDeniedException"):
        story.mpa(RECOVERY).update_approval_team(Arn=team, Description="mine")


def test_sessions_are_seen_by_the_owner_and_by_their_requester(story: Story) -> None:
    story.prepare()
    story.request(RequesterComment="why")
    session = story.session()
    for account in (TEAM_OWNER, RECOVERY):
        found = story.mpa(account).get_session(SessionArn=session)
        assert (found["Status"], found["ProtectedResourceArn"]) == ("PENDING", LAG)
        assert [one["Response"] for one in found["ApproverResponses"]] == ["NO_RESPONSE"] * 3
        assert (found["ExpirationTime"] - found["InitiationTime"]).total_seconds() == DAY
    for account in (OWNER, SECURITY):
        with refused("AccessDeniedException"):
            story.mpa(account).get_session(SessionArn=session)


def test_approvers_get_a_mail_once_the_session_is_open(story: Story) -> None:
    story.prepare()
    made = story.backup().create_restore_access_backup_vault(SourceBackupVaultArn=LAG, RequesterComment="why")
    session = story.session(made["RestoreAccessBackupVaultName"])
    assert story.mpa(RECOVERY).get_session(SessionArn=session)["Status"] == "CREATING"
    with pytest.raises(AwsError, match="CREATING"):
        story.world.portal.vote(session, "ana", "APPROVE")
    story.wait(2)
    mails = [mail for mail in story.world.portal.outbox if mail["kind"] == "request"]
    assert [mail["to"] for mail in mails] == list(APPROVERS)
    assert (mails[0]["sessionArn"], mails[0]["requesterComment"]) == (session, "why")


def test_votes_are_counted_once_per_approver_and_only_while_open(story: Story) -> None:
    story.prepare()
    story.request()
    session = story.session()
    portal = story.world.portal
    with pytest.raises(AwsError, match="not an approver"):
        portal.vote(session, "mallory", "APPROVE")
    with pytest.raises(AwsError, match="APPROVE or REJECT"):
        portal.vote(session, "ana", "YES")
    portal.vote(session, "ana", "REJECT")
    with pytest.raises(AwsError, match="already answered"):
        portal.vote(session, "ana", "APPROVE")
    portal.vote(session, "ben", "APPROVE")
    assert story.describe()["VaultState"] == "CREATING"
    portal.vote(session, "cho", "APPROVE")
    assert story.describe()["VaultState"] == "AVAILABLE"
    found = story.mpa(RECOVERY).get_session(SessionArn=session)
    assert [one["Response"] for one in found["ApproverResponses"]] == ["REJECTED", "APPROVED", "APPROVED"]
    with refused("ConflictException"):
        story.mpa(RECOVERY).cancel_session(SessionArn=session)


def test_sessions_are_listed_with_filters(story: Story) -> None:
    team = story.prepare()
    story.request()
    story.vote(story.session(), "REJECT")
    story.backup().delete_backup_vault(BackupVaultName="access")
    story.request("second", CreatorRequestId="two")
    listed = story.mpa(RECOVERY).list_sessions(ApprovalTeamArn=team)["Sessions"]
    assert [one["Status"] for one in listed] == ["PENDING", "FAILED"]

    def statuses(field: str, operator: str, value: str) -> list[str]:
        filters = [{"FieldName": field, "Operator": operator, "Value": value}]
        found = story.mpa(RECOVERY).list_sessions(ApprovalTeamArn=team, Filters=filters)["Sessions"]
        return [one["Status"] for one in found]

    assert statuses("SessionStatus", "EQ", "FAILED") == ["FAILED"]
    assert statuses("SessionStatus", "NE", "FAILED") == ["PENDING"]
    assert statuses("InitiationTime", "GT", listed[1]["InitiationTime"].isoformat()) == ["PENDING"]
    with refused("ValidationException"):
        statuses("Vote", "EQ", "APPROVED")
    with refused("ValidationException"):
        statuses("InitiationTime", "GT", "yesterday")


def test_a_changed_team_invites_whoever_is_new(story: Story) -> None:
    team = story.active_team()
    source = story.mpa().list_identity_sources()["IdentitySources"][0]["IdentitySourceArn"]
    people = [{"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": source} for who in (*APPROVERS, "dee")]
    story.mpa().update_approval_team(Arn=team, Approvers=people, ApprovalStrategy={"MofN": {"MinApprovalsRequired": 3}})
    with refused("ConflictException", "pending update"):
        story.mpa().update_approval_team(Arn=team, Description="other")
    story.wait(5)
    story.vote(story.mpa().get_approval_team(Arn=team)["UpdateSessionArn"])
    waiting = story.mpa().get_approval_team(Arn=team)
    assert waiting["PendingUpdate"]["StatusCode"] == "UPDATE_PENDING_ACTIVATION"
    story.world.portal.accept_invitation(team, "dee")
    changed = story.mpa().get_approval_team(Arn=team)
    assert (changed["VersionId"], changed["NumberOfApprovers"]) == ("2", 4)
    assert changed["ApprovalStrategy"]["MofN"]["MinApprovalsRequired"] == 3


def test_an_update_or_deletion_the_team_rejects_changes_nothing(story: Story) -> None:
    team = story.active_team()
    story.mpa().update_approval_team(Arn=team, Description="other")
    story.wait(5)
    story.vote(story.mpa().get_approval_team(Arn=team)["UpdateSessionArn"], "REJECT")
    found = story.mpa().get_approval_team(Arn=team)
    assert (found["Status"], found["StatusCode"], found["VersionId"]) == ("ACTIVE", "UPDATE_FAILED_APPROVAL", "1")
    story.mpa().start_active_approval_team_deletion(Arn=team)
    story.wait(5)
    story.vote(story.mpa().get_approval_team(Arn=team)["UpdateSessionArn"], "REJECT")
    assert story.mpa().get_approval_team(Arn=team)["StatusCode"] == "DELETE_FAILED_APPROVAL"


def test_identity_sources_are_read_by_their_account(story: Story) -> None:
    source = story.source()
    found = story.mpa().get_identity_source(IdentitySourceArn=source)
    assert found["Status"] == "ACTIVE"
    assert found["IdentitySourceParameters"]["IamIdentityCenter"]["ApprovalPortalUrl"].startswith("https://")
    with refused("ResourceNotFoundException"):
        story.mpa(OWNER).get_identity_source(IdentitySourceArn=source)
    with refused("ValidationException", "IamIdentityCenter"):
        story.mpa(OWNER).create_identity_source(IdentitySourceParameters={})


def test_a_client_token_makes_a_teams_creation_repeatable(story: Story) -> None:
    source = story.source()
    first = create(story, source, ClientToken="one")
    assert create(story, source, ClientToken="one")["Arn"] == first["Arn"]


def test_a_team_that_is_pending_or_active_can_not_be_deleted_the_other_ones_way(story: Story) -> None:
    source = story.source()
    pending = story.team("pending", source)
    with refused("ConflictException", "not ACTIVE"):
        story.mpa().start_active_approval_team_deletion(Arn=pending)
    active = story.active_team("active", source)
    with refused("ConflictException", "inactive version"):
        story.mpa().delete_inactive_approval_team_version(Arn=active, VersionId="1")


def test_an_approved_change_whose_invitee_declines_is_given_up(story: Story) -> None:
    team = story.active_team()
    source = story.mpa().list_identity_sources()["IdentitySources"][0]["IdentitySourceArn"]
    people = [{"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": source} for who in (*APPROVERS, "dee")]
    story.mpa().update_approval_team(Arn=team, Approvers=people)
    story.wait(5)
    story.vote(story.mpa().get_approval_team(Arn=team)["UpdateSessionArn"])
    story.world.portal.reject_invitation(team, "dee")
    found = story.mpa().get_approval_team(Arn=team)
    assert (found["Status"], found["StatusCode"], found["NumberOfApprovers"]) == (
        "ACTIVE",
        "UPDATE_FAILED_ACTIVATION",
        3,
    )


def test_a_session_cancelled_before_it_opens_writes_to_nobody(story: Story) -> None:
    story.prepare()
    made = story.backup().create_restore_access_backup_vault(SourceBackupVaultArn=LAG)
    session = story.session(made["RestoreAccessBackupVaultName"])
    story.mpa(RECOVERY).cancel_session(SessionArn=session)
    story.wait(5)
    assert [mail for mail in story.world.portal.outbox if mail["kind"] == "request"] == []
