"""Restore-access vaults and the teams of vaults: granted, refused, failed, taken away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.local.refusals import refused
from tests.local.story import LAG, OWNER, POLICY, RECOVERY, REGION, SECURITY, TEAM_OWNER, client

if TYPE_CHECKING:
    from tests.local.story import Story

DAY = 86400


def test_two_votes_of_three_make_the_vault_available(story: Story) -> None:
    team = story.prepare()
    name = story.request(RequesterComment="incident 7", BackupVaultTags={"recovery": "r-1"})
    before = story.describe(name)
    assert (before["VaultState"], before["VaultType"]) == ("CREATING", "RESTORE_ACCESS_BACKUP_VAULT")
    assert (before["SourceBackupVaultArn"], before["MpaApprovalTeamArn"]) == (LAG, team)
    assert story.backup().list_tags(ResourceArn=before["BackupVaultArn"])["Tags"] == {"recovery": "r-1"}
    story.vote(before["MpaSessionArn"], count=1)
    assert story.describe(name)["VaultState"] == "CREATING"
    story.world.portal.vote(before["MpaSessionArn"], "ben", "APPROVE")
    assert story.describe(name)["VaultState"] == "AVAILABLE"
    session = story.mpa(RECOVERY).get_session(SessionArn=before["MpaSessionArn"])
    assert (session["Status"], session["ExecutionStatus"]) == ("APPROVED", "EXECUTED")
    assert session["RequesterComment"] == "incident 7"
    assert session["RequesterAccountId"] == RECOVERY
    listed = story.backup(OWNER).list_restore_access_backup_vaults(BackupVaultName="lag")["RestoreAccessBackupVaults"]
    assert [(one["VaultState"], "ApprovalDate" in one) for one in listed] == [("AVAILABLE", True)]


def test_without_a_name_the_vault_is_named_after_its_source(story: Story) -> None:
    story.prepare()
    made = story.backup().create_restore_access_backup_vault(SourceBackupVaultArn=LAG)
    assert made["RestoreAccessBackupVaultName"].startswith("lag-")
    assert made["VaultState"] == "CREATING"


@pytest.mark.parametrize("how", ["rejected", "expired", "cancelled", "team changed"])
def test_a_request_that_is_not_granted_leaves_a_failed_vault_that_blocks(story: Story, how: str) -> None:
    team = story.prepare()
    name = story.request()
    session = story.session(name)
    if how == "rejected":
        story.vote(session, "REJECT")
    elif how == "expired":
        story.wait(DAY)
    elif how == "cancelled":
        story.mpa(RECOVERY).cancel_session(SessionArn=session)
    else:
        update = story.mpa().update_approval_team(Arn=team, Description="new")
        assert update["VersionId"] == "2"
        story.wait(5)
        story.vote(story.mpa().get_approval_team(Arn=team)["UpdateSessionArn"])
    assert story.describe(name)["VaultState"] == "FAILED"
    ended = story.mpa(RECOVERY).get_session(SessionArn=session)
    assert (ended["Status"], ended.get("StatusCode")) == {
        "rejected": ("FAILED", "REJECTED"),
        "expired": ("FAILED", "EXPIRED"),
        "cancelled": ("CANCELLED", None),
        "team changed": ("FAILED", "CONFIGURATION_CHANGED"),
    }[how]
    with refused("LimitExceededException", "FAILED"):
        story.request("again", CreatorRequestId="two")
    with refused("InvalidRequestException", "not AVAILABLE"):
        story.backup(OWNER).revoke_restore_access_backup_vault(
            BackupVaultName="lag", RestoreAccessBackupVaultArn=story.describe(name)["BackupVaultArn"]
        )
    story.backup().delete_backup_vault(BackupVaultName=name)
    assert story.request("again", CreatorRequestId="two") == "again"


def test_one_vault_per_source_and_account_whatever_its_state(story: Story) -> None:
    story.prepare()
    story.granted()
    with refused("LimitExceededException", "AVAILABLE"):
        story.request("second", CreatorRequestId="two")


def test_the_creator_request_id_makes_a_request_repeatable(story: Story) -> None:
    story.prepare()
    story.request()
    again = story.backup().create_restore_access_backup_vault(
        SourceBackupVaultArn=LAG, BackupVaultName="access", CreatorRequestId="one"
    )
    assert again["RestoreAccessBackupVaultArn"] == story.describe()["BackupVaultArn"]
    with refused("AlreadyExistsException") as raised:
        story.request("access", CreatorRequestId="two")
    answer = raised.value.response
    assert answer["Arn"] == again["RestoreAccessBackupVaultArn"]  # type: ignore[typeddict-item]
    assert answer["CreatorRequestId"] == "one"  # type: ignore[typeddict-item]
    with refused("AlreadyExistsException"):
        story.request("other-name", CreatorRequestId="one")


def test_requests_that_are_refused(story: Story) -> None:
    story.vaults()
    backup = story.backup()
    plain, absent = LAG.replace(":lag", ":plain"), LAG.replace(":lag", ":absent")
    with refused("InvalidRequestException", "no approval team"):
        story.request()
    with refused("InvalidRequestException", "not a logically air-gapped vault"):
        backup.create_restore_access_backup_vault(SourceBackupVaultArn=plain)
    with refused("ResourceNotFoundException"):
        backup.create_restore_access_backup_vault(SourceBackupVaultArn=absent)
    with refused("ResourceNotFoundException"):
        client("backup", RECOVERY, "eu-west-1").create_restore_access_backup_vault(SourceBackupVaultArn=LAG)
    with refused("InvalidParameterValueException"):
        backup.create_restore_access_backup_vault(SourceBackupVaultArn="lag")
    with refused("InvalidParameterValueException", "RequesterComment"):
        story.request(RequesterComment="x" * 201)
    with refused("InvalidParameterValueException", "BackupVaultName"):
        story.request("a name with spaces")


def test_a_team_not_shared_with_the_requester_is_refused(story: Story) -> None:
    story.prepare()
    with refused("InvalidRequestException", "not shared with account 777788889999"):
        story.backup(SECURITY).create_restore_access_backup_vault(SourceBackupVaultArn=LAG)


def test_without_start_session_the_vault_fails(story: Story) -> None:
    story.prepare()
    story.denied.add((RECOVERY, "mpa:StartSession"))
    story.request()
    vault = story.describe()
    assert vault["VaultState"] == "FAILED"
    assert "MpaSessionArn" not in vault


def test_tags_need_a_permission_of_their_own(story: Story) -> None:
    story.prepare()
    story.denied.add((RECOVERY, "backup:TagResource"))
    with refused("AccessDeniedException", "backup:TagResource"):
        story.request(BackupVaultTags={"recovery": "r-1"})
    assert story.request() == "access"


def test_without_the_permission_the_request_is_denied(story: Story) -> None:
    story.prepare()
    story.denied.add((RECOVERY, "backup:CreateRestoreAccessBackupVault"))
    with refused("AccessDeniedException"):
        story.request()
    asked = [resources for _, action, resources in story.asked if action == "backup:CreateRestoreAccessBackupVault"]
    assert asked == [(LAG, f"arn:aws:backup:{REGION}:{RECOVERY}:backup-vault:access")]


@pytest.mark.parametrize("action", ["backup:CreateRestoreAccessBackupVault", "mpa:StartSession"])
def test_the_requesters_permissions_must_hold_when_approvers_have_voted(story: Story, action: str) -> None:
    story.prepare()
    story.request()
    session = story.session()
    story.denied.add((RECOVERY, action))
    story.vote(session)
    assert story.describe()["VaultState"] == "FAILED"
    ended = story.mpa(RECOVERY).get_session(SessionArn=session)
    assert (ended["Status"], ended["ExecutionStatus"]) == ("APPROVED", "FAILED")
    assert action in ended["StatusMessage"]


@pytest.mark.parametrize(
    ("named", "enabled", "state"), [(True, True, "AVAILABLE"), (False, True, "FAILED"), (True, False, "FAILED")]
)
def test_a_customer_key_must_be_enabled_and_name_the_recovery_account(
    story: Story, named: bool, enabled: bool, state: str
) -> None:
    kms = client("kms", TEAM_OWNER)
    policy = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": RECOVERY if named else OWNER}}]}
    key = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    team = story.active_team()
    story.share(team, OWNER, RECOVERY)
    story.opt_in()
    owner = story.backup(OWNER)
    owner.create_logically_air_gapped_backup_vault(
        BackupVaultName="lag", MinRetentionDays=7, MaxRetentionDays=30, EncryptionKeyArn=key
    )
    owner.associate_backup_vault_mpa_approval_team(BackupVaultName="lag", MpaApprovalTeamArn=team)
    story.wait(5)
    story.request()
    if not enabled:
        kms.disable_key(KeyId=key.rpartition("/")[2])
    story.vote(story.session())
    assert story.describe()["VaultState"] == state
    assert story.describe()["EncryptionKeyType"] == "CUSTOMER_MANAGED_KMS_KEY"


def test_deleting_a_vault_that_is_being_created_is_refused(story: Story) -> None:
    story.prepare()
    story.request()
    with refused("InvalidRequestException", "being created"):
        story.backup().delete_backup_vault(BackupVaultName="access")


def test_revoking_needs_the_team_and_ends_the_access(story: Story) -> None:
    story.prepare()
    story.granted()
    arn = story.describe()["BackupVaultArn"]
    owner = story.backup(OWNER)
    for decision in ("REJECT", "APPROVE"):
        owner.revoke_restore_access_backup_vault(BackupVaultName="lag", RestoreAccessBackupVaultArn=arn)
        story.wait(5)
        listed = owner.list_restore_access_backup_vaults(BackupVaultName="lag")["RestoreAccessBackupVaults"][0]
        assert listed["LatestRevokeRequest"]["Status"] == "PENDING"
        story.vote(listed["LatestRevokeRequest"]["MpaSessionArn"], decision)
        if decision == "REJECT":
            listed = owner.list_restore_access_backup_vaults(BackupVaultName="lag")["RestoreAccessBackupVaults"][0]
            assert listed["LatestRevokeRequest"]["Status"] == "FAILED"
            assert story.describe()["VaultState"] == "AVAILABLE"
    with refused("ResourceNotFoundException"):
        story.describe()


def test_association_needs_opt_in_an_active_shared_team_and_an_air_gapped_vault(story: Story) -> None:
    story.vaults()
    owner = story.backup(OWNER)
    source = story.source()
    pending = story.team("pending", source)

    def associate(team: str, vault: str = "lag") -> None:
        owner.associate_backup_vault_mpa_approval_team(BackupVaultName=vault, MpaApprovalTeamArn=team)

    with refused("InvalidRequestException", "MPA is not opted-in"):
        associate(pending)
    story.opt_in()
    with refused("InvalidRequestException", "not shared"):
        associate(pending)
    story.share(pending, OWNER)
    with refused("InvalidRequestException", "PENDING"):
        associate(pending)
    team = story.active_team("active", source)
    story.share(team, OWNER)
    with refused("InvalidRequestException", "not a logically air-gapped vault"):
        associate(team, "plain")
    associate(team)
    assert owner.describe_backup_vault(BackupVaultName="lag")["LatestMpaApprovalTeamUpdate"]["Status"] == "PENDING"
    story.wait(5)
    vault = owner.describe_backup_vault(BackupVaultName="lag")
    assert (vault["MpaApprovalTeamArn"], vault["LatestMpaApprovalTeamUpdate"]["Status"]) == (team, "APPROVED")


def test_changing_and_removing_a_vaults_team_needs_that_team(story: Story) -> None:
    team = story.prepare()
    source = story.mpa().list_identity_sources()["IdentitySources"][0]["IdentitySourceArn"]
    other = story.active_team("other", source)
    story.share(other, OWNER)
    owner = story.backup(OWNER)

    def decide(decision: str) -> str | None:
        story.wait(5)
        update = owner.describe_backup_vault(BackupVaultName="lag")["LatestMpaApprovalTeamUpdate"]
        story.vote(update["MpaSessionArn"], decision)
        return str(owner.describe_backup_vault(BackupVaultName="lag").get("MpaApprovalTeamArn"))

    owner.associate_backup_vault_mpa_approval_team(BackupVaultName="lag", MpaApprovalTeamArn=other)
    assert decide("REJECT") == team
    owner.associate_backup_vault_mpa_approval_team(BackupVaultName="lag", MpaApprovalTeamArn=other)
    assert decide("APPROVE") == other
    owner.disassociate_backup_vault_mpa_approval_team(BackupVaultName="lag")
    assert decide("APPROVE") == "None"
    with refused("InvalidRequestException", "no approval team"):
        owner.disassociate_backup_vault_mpa_approval_team(BackupVaultName="lag")


def test_a_deleted_team_takes_association_and_access_with_it(story: Story) -> None:
    team = story.prepare()
    story.granted()
    story.mpa().start_active_approval_team_deletion(Arn=team, PendingWindowDays=3)
    story.wait(5)
    story.vote(story.mpa().get_approval_team(Arn=team)["UpdateSessionArn"])
    assert story.mpa().get_approval_team(Arn=team)["Status"] == "DELETING"
    story.wait(3 * DAY)
    with refused("ResourceNotFoundException"):
        story.describe()
    assert "MpaApprovalTeamArn" not in story.backup(OWNER).describe_backup_vault(BackupVaultName="lag")
    assert POLICY.startswith("arn:aws:mpa:::")


def test_a_team_that_is_being_deleted_takes_no_requests(story: Story) -> None:
    team = story.prepare()
    story.mpa().start_active_approval_team_deletion(Arn=team, PendingWindowDays=3)
    story.wait(5)
    story.vote(story.mpa().get_approval_team(Arn=team)["UpdateSessionArn"])
    with refused("InvalidRequestException", "DELETING"):
        story.request()


def test_a_customer_key_that_does_not_exist_fails_the_vault(story: Story) -> None:
    team = story.active_team()
    story.share(team, OWNER, RECOVERY)
    story.opt_in()
    owner = story.backup(OWNER)
    owner.create_logically_air_gapped_backup_vault(
        BackupVaultName="lag",
        MinRetentionDays=7,
        MaxRetentionDays=30,
        EncryptionKeyArn=f"arn:aws:kms:{REGION}:{OWNER}:key/00000000-0000-0000-0000-000000000000",
    )
    owner.associate_backup_vault_mpa_approval_team(BackupVaultName="lag", MpaApprovalTeamArn=team)
    story.wait(5)
    story.request()
    story.vote(story.session())
    assert story.describe()["VaultState"] == "FAILED"


def test_an_unknown_vault_can_not_be_revoked(story: Story) -> None:
    story.prepare()
    with refused("ResourceNotFoundException"):
        story.backup(OWNER).revoke_restore_access_backup_vault(
            BackupVaultName="lag", RestoreAccessBackupVaultArn=LAG.replace("lag", "none")
        )
