"""Approval teams: created, accepted, changed and deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.aws.context import Context, page
from local.aws.errors import AccessDenied, AwsError, not_found
from local.aws.mpa.policies import VERSIONS
from local.aws.mpa.team import Approver, Change, Team, created, describe, listed

if TYPE_CHECKING:
    from local.aws.model import Params
    from local.aws.mpa.identity import IdentitySources
    from local.aws.mpa.sessions import Sessions
    from local.aws.wire import Caller

INVITATION_SECONDS = 24 * 3600
"""Every invitee has to accept within 24 hours (MPA create-team.html)."""

MIN_APPROVERS, MIN_THRESHOLD, MAX_TEAMS = 3, 2, 10
"""MPA create-team.html and mpa-limits.html; the model alone would allow less."""

Mail = Callable[[dict[str, Any]], None]
IsShared = Callable[[str, str], bool]


class Teams:
    """Operations on approval teams. `is_shared(team_arn, account)` is RAM's answer."""

    def __init__(self, context: Context, sources: IdentitySources, mail: Mail, is_shared: IsShared) -> None:
        self._context = context
        self._sources = sources
        self._mail = mail
        self._is_shared = is_shared
        self._teams: dict[str, Team] = {}
        sources.is_used = self._has_approvers_of
        self.sessions: Sessions

    def create_approval_team(self, caller: Caller, params: Params) -> Params:
        """CreateApprovalTeam: PENDING until every invitee has accepted."""
        arn = f"arn:aws:mpa:us-east-1:{caller.account}:approval-team/{params['Name']}"
        existing = self._teams.get(arn)
        if existing is not None:
            if params.get("ClientToken") and existing.token == params["ClientToken"]:
                return created(existing)
            raise AwsError("ConflictException", f"Team {params['Name']} exists.", status=409)
        if sum(1 for team in self._teams.values() if team.owner == caller.account) >= MAX_TEAMS:
            raise AwsError("ServiceQuotaExceededException", f"At most {MAX_TEAMS} teams.", status=402)
        for policy in params["Policies"]:
            if policy["PolicyArn"] not in VERSIONS:
                raise AwsError("ValidationException", f"Policy {policy['PolicyArn']} does not exist.")
        approvers = self._invitees(caller.account, params["Approvers"])
        threshold = _threshold(params["ApprovalStrategy"], len(approvers))
        now = self._context.clock.now()
        team = Team(
            arn,
            params["Name"],
            caller.account,
            params["Description"],
            threshold,
            approvers,
            now,
            params.get("ClientToken"),
        )
        self._teams[arn] = team
        self._invite(team, approvers)
        self._context.after(INVITATION_SECONDS, lambda: self._close_invitations(team, approvers))
        return created(team)

    def get_approval_team(self, caller: Caller, params: Params) -> Params:
        """GetApprovalTeam, by the owner and by accounts the team is shared with."""
        return describe(self.readable(caller, params["Arn"]))

    def list_approval_teams(self, caller: Caller, params: Params) -> Params:
        """ListApprovalTeams the caller's account owns."""
        own = [listed(team) for team in self._teams.values() if team.owner == caller.account]
        items, token = page(own, "Arn", params, 20, "ValidationException")
        return {"ApprovalTeams": items, "NextToken": token}

    def update_approval_team(self, caller: Caller, params: Params) -> Params:
        """UpdateApprovalTeam: the present team has to approve, then every new invitee has to accept."""
        team = self._owned(caller, params["Arn"])
        if team.status != "ACTIVE" or team.change is not None:
            raise AwsError("ConflictException", "The team is not ACTIVE or has a pending update.", status=409)
        approvers = team.approvers
        if "Approvers" in params:
            invited = self._invitees(caller.account, params["Approvers"])
            approvers = {identity: team.approvers.get(identity, one) for identity, one in invited.items()}
        strategy = params.get("ApprovalStrategy") or {"MofN": {"MinApprovalsRequired": team.threshold}}
        change = Change(
            _threshold(strategy, len(approvers)),
            params.get("Description", team.description),
            approvers,
            str(int(team.version) + 1),
            self._context.clock.now(),
        )
        team.change, team.code = change, change.code
        session = self.sessions.start(
            team, caller, "mpa:UpdateApprovalTeam", team.arn, _Update(self, team), service="mpa.amazonaws.com"
        )
        team.update_session = session.arn
        return {"VersionId": change.version}

    def start_active_approval_team_deletion(self, caller: Caller, params: Params) -> Params:
        """StartActiveApprovalTeamDeletion: the team has to approve its own end."""
        team = self._owned(caller, params["Arn"])
        if team.status != "ACTIVE" or team.change is not None:
            raise AwsError("ConflictException", "The team is not ACTIVE or has a pending update.", status=409)
        days = params.get("PendingWindowDays", 7)
        team.code = "DELETE_PENDING_APPROVAL"
        operation = _Deletion(self, team, days * 86400)
        session = self.sessions.start(
            team,
            caller,
            "mpa:StartActiveApprovalTeamDeletion",
            team.arn,
            operation,
            service="mpa.amazonaws.com",
        )
        team.update_session = session.arn
        now = self._context.clock.now()
        return {"DeletionStartTime": now, "DeletionCompletionTime": now + days * 86400}

    def delete_inactive_approval_team_version(self, caller: Caller, params: Params) -> Params:
        """DeleteInactiveApprovalTeamVersion: of a team that never became ACTIVE."""
        team = self._owned(caller, params["Arn"])
        if team.status == "ACTIVE" or team.version != params["VersionId"]:
            raise AwsError("ConflictException", "Only an inactive version can be deleted.", status=409)
        self.remove(team)
        return {}

    # what the rest of the local services asks

    def owns(self, arn: str, account: str) -> bool:
        """Whether `arn` is a team of `account`."""
        return arn in self._teams and self._teams[arn].owner == account

    def may_use(self, team: Team, account: str) -> bool:
        """Whether `account` owns the team or has accepted a share of it."""
        return team.owner == account or self._is_shared(team.arn, account)

    def readable(self, caller: Caller, arn: str) -> Team:
        """The team, for a caller that may read it. Raises ResourceNotFoundException or AccessDenied."""
        team = self._teams.get(arn)
        if team is None:
            raise not_found(f"Approval team {arn}")
        if not self.may_use(team, caller.account):
            raise AccessDenied
        return team

    def respond(self, arn: str, identity: str, *, accept: bool) -> None:
        """An invitee's answer to the invitation. Raises AwsError if none is open for it."""
        team = self._teams.get(arn)
        if team is None:
            raise not_found(f"Approval team {arn}")
        activating = team.change is not None and team.change.code == "UPDATE_PENDING_ACTIVATION"
        approvers = team.change.approvers if team.change and activating else team.approvers
        approver = approvers.get(identity)
        open_ = activating or team.status == "PENDING"
        if approver is None or approver.status != "PENDING" or not open_:
            raise AwsError("ConflictException", f"No invitation is open for {identity}.", status=409)
        now = self._context.clock.now()
        approver.status = "ACCEPTED" if accept else "REJECTED"
        approver.responded = approver.active_at = now
        approver.activity = "RESPONDED_TO_INVITATION"
        if not accept:
            self._fail_activation(team)
        elif all(one.status == "ACCEPTED" for one in approvers.values()):
            self._activate(team)

    def begin_activation(self, team: Team) -> None:
        """The team approved its change: invite whoever is new, or take it at once."""
        change = team.change
        if change is None:
            return
        change.code = team.code = "UPDATE_PENDING_ACTIVATION"
        new = {identity: one for identity, one in change.approvers.items() if one.status == "PENDING"}
        if not new:
            self._activate(team)
            return
        self._invite(team, new)
        self._context.after(INVITATION_SECONDS, lambda: self._close_invitations(team, new))

    def remove(self, team: Team) -> None:
        """The team is gone: its open sessions end, and vaults lose it."""
        self._teams.pop(team.arn, None)
        # CloudTrail calls this TEAM_DELETED; the session's own enumeration has no such value.
        self.sessions.end_all(team, "CONFIGURATION_CHANGED")
        for action in team.ended:
            action()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Run `action` in `seconds`."""
        self._context.after(seconds, action)

    def _activate(self, team: Team) -> None:
        change = team.change
        if change is not None:
            team.threshold, team.description = change.threshold, change.description
            team.approvers, team.version = change.approvers, change.version
            team.change, team.updated = None, self._context.clock.now()
            self.sessions.end_all(team, "CONFIGURATION_CHANGED")
        team.status, team.code = "ACTIVE", None

    def _fail_activation(self, team: Team) -> None:
        if team.change is not None:
            team.change, team.code = None, "UPDATE_FAILED_ACTIVATION"
        else:
            team.status, team.code = "INACTIVE", "FAILED_ACTIVATION"

    def _close_invitations(self, team: Team, approvers: Mapping[str, Approver]) -> None:
        waiting = [one for one in approvers.values() if one.status == "PENDING"]
        for one in waiting:
            one.status = "INVALID"
        if waiting and team.code in ("PENDING_ACTIVATION", "UPDATE_PENDING_ACTIVATION"):
            self._fail_activation(team)

    def _invite(self, team: Team, approvers: Mapping[str, Approver]) -> None:
        now = self._context.clock.now()
        for identity in approvers:
            self._mail(
                {
                    "kind": "invitation",
                    "to": identity,
                    "teamArn": team.arn,
                    "expires": now + INVITATION_SECONDS,
                    "sent": now,
                }
            )

    def _invitees(self, account: str, requested: Sequence[Mapping[str, str]]) -> dict[str, Approver]:
        source = self._sources.arn(account)
        if any(one["PrimaryIdentitySourceArn"] != source for one in requested):
            raise AwsError("ValidationException", "An approver's identity source is not this account's.")
        identities = [one["PrimaryIdentityId"] for one in requested]
        if len(set(identities)) != len(identities):
            raise AwsError("ValidationException", "An approver is named twice.")
        if len(identities) < MIN_APPROVERS:
            raise AwsError("ValidationException", f"A team needs at least {MIN_APPROVERS} approvers.")
        return {identity: Approver(self._context.ids.hex(16), source or "") for identity in identities}

    def _has_approvers_of(self, source_arn: str) -> bool:
        return any(one.source_arn == source_arn for team in self._teams.values() for one in team.approvers.values())

    def _owned(self, caller: Caller, arn: str) -> Team:
        team = self.readable(caller, arn)
        if team.owner != caller.account:
            raise AccessDenied
        return team


@dataclass
class _Update:
    """The protected operation that changes a team."""

    teams: Teams
    team: Team

    def execute(self) -> None:
        self.teams.begin_activation(self.team)

    def refuse(self, _reason: str) -> None:
        self.team.change, self.team.code = None, "UPDATE_FAILED_APPROVAL"


@dataclass
class _Deletion:
    """The protected operation that deletes a team after a pending window."""

    teams: Teams
    team: Team
    window: float

    def execute(self) -> None:
        self.team.status, self.team.code = "DELETING", None
        self.teams.later(self.window, lambda: self.teams.remove(self.team))

    def refuse(self, _reason: str) -> None:
        self.team.code = "DELETE_FAILED_APPROVAL"


def _threshold(strategy: Mapping[str, Any], approvers: int) -> int:
    wanted = int(strategy["MofN"]["MinApprovalsRequired"])
    if not MIN_THRESHOLD <= wanted <= approvers:
        message = f"MinApprovalsRequired must be from {MIN_THRESHOLD} to the number of approvers."
        raise AwsError("ValidationException", message)
    return wanted
