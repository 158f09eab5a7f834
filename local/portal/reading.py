"""What approvers see: their invitations and the operations they are asked to approve.

An approver knows what mails told them; how a thing stands now is what MPA's own calls answer to the team's owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from local.aws.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.portal import Portal

_TITLES = {
    "backup:CreateRestoreAccessBackupVault": "Restore access to {resource} for account {account}",
    "backup:RevokeRestoreAccessBackupVault": "Revoke the restore access vault {resource}",
    "backup:AssociateBackupVaultMpaApprovalTeam": "Assign another approval team to {resource}",
    "backup:DisassociateBackupVaultMpaApprovalTeam": "Take the approval team away from {resource}",
    "mpa:UpdateApprovalTeam": "Change the approval team {resource}",
    "mpa:StartActiveApprovalTeamDeletion": "Delete the approval team {resource}",
}


class State(NamedTuple):
    """How a thing stands: a badge and a sentence; `tone` is "open", "good", "bad" or "over"."""

    badge: str
    sentence: str
    tone: str


_INVITATIONS = {
    "PENDING": State("Invited", "The team becomes active when everybody who was invited has accepted.", "open"),
    "ACCEPTED": State("Accepted", "You accepted: you are an approver of this team.", "good"),
    "REJECTED": State("Rejected", "You rejected this invitation.", "bad"),
    "INVALID": State("Expired", "The invitation was not answered in time.", "over"),
}
_CLOSED = State("Closed", "The team or its change was given up before you answered.", "over")

_ENDINGS = {
    ("APPROVED", "EXECUTED"): State("Approved", "Approved by the team and carried out.", "good"),
    ("APPROVED", "FAILED"): State("Approved, but failed", "Approved by the team, but it could not be done.", "bad"),
    ("FAILED", "REJECTED"): State("Rejected", "Rejected by the team: it can no longer be approved.", "bad"),
    ("FAILED", "EXPIRED"): State("Expired", "Not enough approvers answered before the deadline.", "over"),
    ("FAILED", "CONFIGURATION_CHANGED"): State("Ended", "The approval team changed while it voted.", "over"),
    ("CANCELLED", None): State("Cancelled", "Withdrawn by the requester.", "over"),
}
_ASKED = State("Your decision", "Nobody but you can cast your vote, and it is final.", "open")
_VOTED = {
    "APPROVED": State("You approved", "You approved; the other approvers' votes are awaited.", "good"),
    "REJECTED": State("You rejected", "You rejected; the other approvers' votes are awaited.", "bad"),
}


@dataclass(frozen=True)
class Item:
    """One mail and what it is about. `decisions` are the answers its addressee can give now, in order.

    `to` is an identity id, `name` what that person is called.
    """

    number: int
    kind: str
    to: str
    name: str
    sent: float
    expires: float
    title: str
    state: State
    facts: Mapping[str, Any]
    decisions: tuple[str, ...] = ()
    is_pending: bool = False


class Reading:
    """Reads the outbox; mails are numbered from 0, oldest first."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    def approvers(self) -> dict[str, str]:
        """Whoever was ever written to: identity id -> name, by name."""
        people = {mail["to"]: self._portal.name_of(mail["to"]) for mail in self._portal.outbox}
        return dict(sorted(people.items(), key=lambda person: person[1]))

    def item(self, number: int) -> Item | None:
        """What a mail is about; None if there is no such mail."""
        if not 0 <= number < len(self._portal.outbox):
            return None
        mail = self._portal.outbox[number]
        return _KINDS[mail["kind"]](self._portal, number, mail)

    def items(self, approver: str | None = None) -> list[Item]:
        """Every mail's, or an approver's, newest first."""
        found = [self.item(number) for number in reversed(range(len(self._portal.outbox)))]
        return [item for item in found if item and approver in (None, item.to)]


def _invitation(portal: Portal, number: int, mail: Mapping[str, Any]) -> Item:
    team, state = _invited(portal, mail)
    return Item(
        number,
        mail["kind"],
        mail["to"],
        portal.name_of(mail["to"]),
        mail["sent"],
        mail["expires"],
        f"Invitation to the approval team {name_of(mail['teamArn'])}",
        state,
        {"arn": mail["teamArn"], "team": team},
        ("accept", "decline") if state is _INVITATIONS["PENDING"] else (),
        state is _INVITATIONS["PENDING"],
    )


def _invited(portal: Portal, mail: Mapping[str, Any]) -> tuple[dict[str, Any], State]:
    """The team as invitees are to know it, and how the invitation stands."""
    try:
        team = portal.read_team(mail["teamArn"])
    except AwsError:
        return {}, State("Gone", "The team does not exist any more.", "over")
    change = team["PendingUpdate"] if team["StatusCode"] == "UPDATE_PENDING_ACTIVATION" else None
    shown = change or team
    statuses = {one["PrimaryIdentityId"]: one["PrimaryIdentityStatus"] for one in shown["Approvers"]}
    status = statuses.get(mail["to"])
    is_open = change is not None or team["Status"] == "PENDING"
    if status is None or (status == "PENDING" and not is_open):
        return shown, _CLOSED
    return shown, _INVITATIONS[status]


def _request(portal: Portal, number: int, mail: Mapping[str, Any]) -> Item:
    session = portal.read_session(mail["sessionArn"])
    responses = {one["IdentityId"]: one for one in session["ApproverResponses"]}
    given = [one["Response"] for one in responses.values()]
    own = responses[mail["to"]]
    can_vote = session["Status"] == "PENDING" and own["Response"] == "NO_RESPONSE"
    title = _TITLES.get(session["ActionName"], f"{session['ActionName']} on {{resource}}")
    return Item(
        number,
        mail["kind"],
        mail["to"],
        portal.name_of(mail["to"]),
        mail["sent"],
        mail["expires"],
        title.format(resource=name_of(session["ProtectedResourceArn"]), account=session["RequesterAccountId"]),
        _standing(session, own["Response"]),
        {
            "session": session,
            "own": own,
            "threshold": session["ApprovalStrategy"]["MofN"]["MinApprovalsRequired"],
            "approvals": given.count("APPROVED"),
            "rejections": given.count("REJECTED"),
        },
        ("approve", "reject") if can_vote else (),
        session["Status"] == "PENDING",
    )


def _standing(session: Mapping[str, Any], own: str) -> State:
    if session["Status"] == "PENDING":
        return _VOTED.get(own, _ASKED)
    how = session["ExecutionStatus"] if session["Status"] == "APPROVED" else session["StatusCode"]
    state = _ENDINGS.get((session["Status"], how), State(session["Status"].capitalize(), how or "", "over"))
    return state._replace(sentence=f"{state.sentence} {session['StatusMessage'] or ''}".strip())


def name_of(arn: str) -> str:
    """The last part of an ARN, by which people know the thing."""
    return arn.rpartition(":")[2].rpartition("/")[2]


_KINDS = {"invitation": _invitation, "request": _request}
