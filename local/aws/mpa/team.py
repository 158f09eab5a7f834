"""An approval team and its approvers: what they are, and how the API shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.aws.mpa.policies import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.aws.model import Params


@dataclass
class Approver:
    """One invitee of a team."""

    approver_id: str
    source_arn: str
    status: str = "PENDING"
    responded: float | None = None
    activity: str | None = None
    active_at: float | None = None


@dataclass
class Change:
    """An update of a team that waits for approval and then for its invitees."""

    threshold: int
    description: str
    approvers: dict[str, Approver]
    version: str
    initiated: float
    code: str = "UPDATE_PENDING_APPROVAL"


@dataclass
class Team:
    """An approval team; `approvers` by identity id."""

    arn: str
    name: str
    owner: str
    description: str
    threshold: int
    approvers: dict[str, Approver]
    created: float
    token: str | None = None
    status: str = "PENDING"
    code: str | None = "PENDING_ACTIVATION"
    version: str = "1"
    updated: float | None = None
    change: Change | None = None
    update_session: str | None = None
    ended: list[Callable[[], None]] = field(default_factory=list)

    def note_activity(self, identity: str, activity: str, when: float) -> None:
        """Record what an approver did last."""
        if identity in self.approvers:
            self.approvers[identity].activity, self.approvers[identity].active_at = activity, when


def created(team: Team) -> Params:
    """CreateApprovalTeam's answer."""
    return {"CreationTime": team.created, "Arn": team.arn, "Name": team.name, "VersionId": team.version}


def listed(team: Team) -> Params:
    """A team in ListApprovalTeams."""
    return {
        "CreationTime": team.created,
        "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": team.threshold}},
        "NumberOfApprovers": len(team.approvers),
        "Arn": team.arn,
        "Name": team.name,
        "Description": team.description,
        "Status": team.status,
        "StatusCode": team.code,
    }


def describe(team: Team) -> Params:
    """GetApprovalTeam's answer."""
    change = team.change
    return listed(team) | {
        "Approvers": _approvers(team.approvers),
        "UpdateSessionArn": team.update_session,
        "VersionId": team.version,
        "Policies": [{"PolicyArn": VERSIONS[0]}],
        "LastUpdateTime": team.updated,
        "PendingUpdate": change
        and {
            "VersionId": change.version,
            "Description": change.description,
            "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": change.threshold}},
            "NumberOfApprovers": len(change.approvers),
            "Status": "PENDING",
            "StatusCode": change.code,
            "Approvers": _approvers(change.approvers),
            "UpdateInitiationTime": change.initiated,
        },
    }


def _approvers(approvers: Mapping[str, Approver]) -> list[dict[str, Any]]:
    return [
        {
            "ApproverId": one.approver_id,
            "ResponseTime": one.responded,
            "PrimaryIdentityId": identity,
            "PrimaryIdentitySourceArn": one.source_arn,
            "PrimaryIdentityStatus": one.status,
            "LastActivity": one.activity,
            "LastActivityTime": one.active_at,
        }
        for identity, one in approvers.items()
    ]
