"""Sharing an approval team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.local.refusals import refused
from tests.local.story import OWNER, RECOVERY, SECURITY, TEAM_OWNER, client

if TYPE_CHECKING:
    from tests.local.story import Story


def test_an_invitation_gives_access_once_accepted(story: Story) -> None:
    team = story.active_team()
    owner = client("ram", TEAM_OWNER, "us-east-1")
    share = owner.create_resource_share(name="team", resourceArns=[team])["resourceShare"]["resourceShareArn"]
    made = owner.associate_resource_share(resourceShareArn=share, principals=[RECOVERY])
    assert [one["status"] for one in made["resourceShareAssociations"]] == ["ASSOCIATING"]
    ram = client("ram", RECOVERY, "us-east-1")
    assert ram.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"] == []
    invitation = ram.get_resource_share_invitations()["resourceShareInvitations"][0]
    assert (invitation["senderAccountId"], invitation["status"]) == (TEAM_OWNER, "PENDING")
    arn = invitation["resourceShareInvitationArn"]
    ram.accept_resource_share_invitation(resourceShareInvitationArn=arn)
    assert [one["arn"] for one in ram.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"]] == [team]
    assert [one["name"] for one in ram.get_resource_shares(resourceOwner="OTHER-ACCOUNTS")["resourceShares"]] == [
        "team"
    ]
    found = owner.get_resource_share_associations(associationType="PRINCIPAL", resourceShareArns=[share])
    assert [one["status"] for one in found["resourceShareAssociations"]] == ["ASSOCIATED"]
    with refused("ResourceShareInvitationAlreadyAcceptedException"):
        ram.accept_resource_share_invitation(resourceShareInvitationArn=arn)


def test_an_invitation_lives_twelve_hours(story: Story) -> None:
    team = story.active_team()
    client("ram", TEAM_OWNER, "us-east-1").create_resource_share(
        name="team", resourceArns=[team], principals=[RECOVERY]
    )
    story.wait(12 * 3600)
    ram = client("ram", RECOVERY, "us-east-1")
    invitation = ram.get_resource_share_invitations()["resourceShareInvitations"][0]
    with refused("ResourceShareInvitationExpiredException"):
        ram.accept_resource_share_invitation(resourceShareInvitationArn=invitation["resourceShareInvitationArn"])
    story.share(team, RECOVERY)
    assert story.mpa(RECOVERY).get_approval_team(Arn=team)["Status"] == "ACTIVE"


def test_shares_that_are_refused(story: Story) -> None:
    team = story.active_team()
    with refused("UnknownResourceException"):
        client("ram", OWNER, "us-east-1").create_resource_share(name="s", resourceArns=[team])
    with refused("UnknownResourceException"):
        client("ram", TEAM_OWNER, "eu-west-1").create_resource_share(name="s", resourceArns=[team])
    ram = client("ram", TEAM_OWNER, "us-east-1")
    with refused("InvalidParameterException", "account id"):
        ram.create_resource_share(name="s", resourceArns=[team], principals=["everybody"])
    with refused("OperationNotPermittedException", "outside"):
        ram.create_resource_share(name="s", resourceArns=[team], principals=[SECURITY], allowExternalPrincipals=False)
    with refused("UnknownResourceException"):
        ram.associate_resource_share(resourceShareArn="arn:aws:ram:us-east-1:999900001111:resource-share/x")
    with refused("ResourceShareInvitationArnNotFoundException"):
        ram.accept_resource_share_invitation(resourceShareInvitationArn="arn:x")
