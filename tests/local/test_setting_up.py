"""Setting up as on AWS, in the article's order: what is refused, where, and in which words, if a step is left out.

The steps are those of accounts/README.md. "MPA is not opted-in" is AWS's own; the other refusals are inferred and have
a row each in docs/real-aws-checklist.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.aws.errors import AwsError
from local.cloud.resources import TYPES
from tests.local.refusals import refused
from tests.local.story import (
    APPROVERS,
    LAG,
    MANAGEMENT,
    OWNER,
    POLICY,
    RECOVERY,
    REGION,
    TEAM_OWNER,
    TEAM_REGION,
    Story,
    client,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.resources import Api

TEAM = f"arn:aws:mpa:us-east-1:{TEAM_OWNER}:approval-team/recovery"
INVALID = "InvalidRequestException"
NOT_SHARED = "does not exist or is not shared with account"


def api(account: str, region: str = REGION) -> Api:
    return lambda service: client(service, account, region)


def opt_in(story: Story) -> None:
    story.backup(MANAGEMENT).update_global_settings(GlobalSettings={"isMpaEnabled": "true"})


def make_source(_story: Story) -> None:
    center = {"InstanceArn": "arn:aws:sso:::instance/ssoins-0123456789abcdef", "Region": REGION}
    TYPES["AWS::MPA::IdentitySource"].create(
        api(TEAM_OWNER, TEAM_REGION), {"IdentitySourceParameters": {"IamIdentityCenter": center}}
    )


def make_team(_story: Story) -> None:
    sources = client("mpa", TEAM_OWNER, TEAM_REGION).list_identity_sources()["IdentitySources"]
    source = sources[0]["IdentitySourceArn"] if sources else f"arn:aws:mpa:us-east-1:{TEAM_OWNER}:identity-source/none"
    made = TYPES["AWS::MPA::ApprovalTeam"].create(
        api(TEAM_OWNER, TEAM_REGION),
        {
            "Name": "recovery",
            "Description": "Approves access",
            "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": "2"}},
            "Approvers": [{"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": source} for who in APPROVERS],
            "Policies": [{"PolicyArn": POLICY}],
        },
    )
    assert made == TEAM


def accept_invitations(story: Story) -> None:
    for who in APPROVERS:
        story.world.portal.accept_invitation(TEAM, who)


def share_with(account: str) -> Callable[[Story], None]:
    def share(_story: Story) -> None:
        TYPES["AWS::RAM::ResourceShare"].create(
            api(TEAM_OWNER, TEAM_REGION), {"Name": f"for-{account}", "Principals": [account], "ResourceArns": [TEAM]}
        )

    return share


def accept_in(account: str) -> Callable[[Story], None]:
    def accept(_story: Story) -> None:
        ram = client("ram", account, TEAM_REGION)
        for one in ram.get_resource_share_invitations()["resourceShareInvitations"]:
            ram.accept_resource_share_invitation(resourceShareInvitationArn=one["resourceShareInvitationArn"])

    return accept


def make_vault(_story: Story) -> None:
    days = {"MinRetentionDays": "7", "MaxRetentionDays": "30"}
    TYPES["AWS::Backup::LogicallyAirGappedBackupVault"].create(
        api(OWNER), {"BackupVaultName": "lag", "MpaApprovalTeamArn": TEAM, **days}
    )


def wait_until_assigned(story: Story) -> None:
    story.wait(5)


def request_access(story: Story) -> None:
    story.backup(RECOVERY).create_restore_access_backup_vault(SourceBackupVaultArn=LAG, BackupVaultName="access")
    story.wait(5)


STEPS: dict[str, Callable[[Story], None]] = {
    "opt in": opt_in,
    "make the identity source": make_source,
    "make the team": make_team,
    "accept the invitations": accept_invitations,
    "share with the vault account": share_with(OWNER),
    "share with the recovery account": share_with(RECOVERY),
    "accept in the vault account": accept_in(OWNER),
    "accept in the recovery account": accept_in(RECOVERY),
    "make the vault": make_vault,
    "wait until the team is assigned": wait_until_assigned,
    "request access": request_access,
}


@pytest.mark.parametrize(
    ("left_out", "refused_at", "code", "words"),
    [
        ("opt in", "make the vault", INVALID, "MPA is not opted-in"),
        ("make the identity source", "make the team", "ValidationException", "identity source"),
        ("make the team", "accept the invitations", "ResourceNotFoundException", "Approval team"),
        ("accept the invitations", "make the vault", INVALID, "PENDING, not ACTIVE"),
        ("share with the vault account", "make the vault", INVALID, f"{NOT_SHARED} {OWNER}"),
        ("accept in the vault account", "make the vault", INVALID, f"{NOT_SHARED} {OWNER}"),
        ("share with the recovery account", "request access", INVALID, f"{NOT_SHARED} {RECOVERY}"),
        ("accept in the recovery account", "request access", INVALID, f"{NOT_SHARED} {RECOVERY}"),
        ("make the vault", "request access", "ResourceNotFoundException", "Backup vault"),
        ("wait until the team is assigned", "request access", INVALID, "has no approval team"),
    ],
)
def test_what_a_step_left_out_leads_to(story: Story, left_out: str, refused_at: str, code: str, words: str) -> None:
    for name, step in STEPS.items():
        if name == refused_at:
            with pytest.raises((ClientError, AwsError), match=f"{code}.*{words}"):
                step(story)
            return
        if name != left_out:
            step(story)
    pytest.fail("nothing was refused")


def set_up(story: Story) -> None:
    for step in STEPS.values():
        step(story)


def test_nothing_left_out_opens_the_vault_once_two_have_approved(story: Story) -> None:
    set_up(story)
    assert story.describe()["VaultState"] == "CREATING"
    story.vote(story.session())
    assert story.describe()["VaultState"] == "AVAILABLE"


def test_a_team_without_its_vault_shared_is_enough(story: Story) -> None:
    set_up(story)
    shared = client("ram", RECOVERY, TEAM_REGION).list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"]
    assert [one["arn"] for one in shared] == [TEAM]
    with refused("UnknownResourceException", LAG):
        client("ram", OWNER, REGION).create_resource_share(name="vault", resourceArns=[LAG], principals=[RECOVERY])


def test_the_team_is_nowhere_but_in_us_east_1(story: Story) -> None:
    set_up(story)
    with refused("UnknownEndpoint", "only in us-east-1"):
        client("mpa", RECOVERY, REGION).get_approval_team(Arn=TEAM)
    assert story.mpa(RECOVERY).get_approval_team(Arn=TEAM)["Status"] == "ACTIVE"


def test_the_team_is_pending_first_and_then_assigned(story: Story) -> None:
    for name, step in STEPS.items():
        if name == "wait until the team is assigned":
            break
        step(story)
    owner: Any = story.backup(OWNER)
    before = owner.describe_backup_vault(BackupVaultName="lag")
    assert before["LatestMpaApprovalTeamUpdate"]["Status"] == "PENDING"
    assert "MpaApprovalTeamArn" not in before
    story.wait(5)
    assert owner.describe_backup_vault(BackupVaultName="lag")["MpaApprovalTeamArn"] == TEAM


def test_what_was_not_copied_in_is_not_there(story: Story) -> None:
    """Left out, the backups are refused to nobody: the opened vault is empty."""
    set_up(story)
    story.backup(OWNER).create_backup_vault(BackupVaultName="plain")
    role = story.role(OWNER)
    job = story.backup(OWNER).start_backup_job(
        BackupVaultName="plain", ResourceArn=story.table(items=3), IamRoleArn=role, Lifecycle={"DeleteAfterDays": 7}
    )
    story.wait(story.settings.backup_seconds)
    story.vote(story.session())

    def points() -> list[Any]:
        found = story.backup(RECOVERY).list_recovery_points_by_backup_vault(BackupVaultName="access")
        return list(found["RecoveryPoints"])

    assert points() == []
    story.backup(OWNER).start_copy_job(
        RecoveryPointArn=job["RecoveryPointArn"],
        SourceBackupVaultName="plain",
        DestinationBackupVaultArn=LAG,
        IamRoleArn=role,
        Lifecycle={"DeleteAfterDays": 14},
    )
    story.wait(story.settings.copy_seconds)
    assert [one["ResourceType"] for one in points()] == ["DynamoDB"]
