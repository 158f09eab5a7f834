"""Approval sessions: one request, its votes, its end, and the protected operation it runs when approved."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from local.aws.context import Context, page
from local.aws.errors import AccessDenied, AwsError, not_found

if TYPE_CHECKING:
    from local.aws.model import Params
    from local.aws.mpa.team import Team
    from local.aws.mpa.teams import Teams
    from local.aws.wire import Caller

SESSION_SECONDS = 24 * 3600
"""A session lives 24 hours from the request (MPA mpa-concepts.html)."""

Mail = Callable[[dict[str, Any]], None]


class Protected(Protocol):
    """An operation that waits for a team's approval."""

    def execute(self) -> None:
        """Run it with the requester's permissions as they are now. Raises AwsError."""

    def refuse(self, reason: str, /) -> None:
        """It will never run: rejected, expired, cancelled or its team changed."""


@dataclass
class Session:
    """One request to a team. `votes`: identity id -> (response, epoch seconds)."""

    arn: str
    team: Team
    action: str
    resource_arn: str
    requester: Caller
    service: str
    comment: str | None
    operation: Protected
    initiated: float
    threshold: int
    approvers: list[tuple[str, str, str]]
    status: str = "CREATING"
    code: str | None = None
    message: str | None = None
    execution: str | None = None
    completed: float | None = None
    votes: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def expires(self) -> float:
        """When the session ends unanswered."""
        return self.initiated + SESSION_SECONDS

    @property
    def is_open(self) -> bool:
        """Whether it can still be decided."""
        return self.status in ("CREATING", "PENDING")

    def count(self, response: str) -> int:
        """How many approvers gave `response`."""
        return sum(1 for given, _ in self.votes.values() if given == response)


class Sessions:
    """GetSession, ListSessions, CancelSession, and the votes cast through the portal."""

    def __init__(self, context: Context, teams: Teams, mail: Mail) -> None:
        self._context = context
        self._teams = teams
        self._mail = mail
        self._sessions: dict[str, Session] = {}

    def start(
        self,
        team: Team,
        requester: Caller,
        action: str,
        resource_arn: str,
        operation: Protected,
        *,
        comment: str | None = None,
        service: str = "backup.amazonaws.com",
    ) -> Session:
        """Open a session of `team`; approvers are written to once it has left CREATING."""
        now = self._context.clock.now()
        arn = f"arn:aws:mpa:us-east-1:{team.owner}:session/{team.name}/{self._context.ids.uuid()}"
        approvers = [(one.approver_id, one.source_arn, identity) for identity, one in team.approvers.items()]
        session = Session(
            arn, team, action, resource_arn, requester, service, comment, operation, now, team.threshold, approvers
        )
        self._sessions[arn] = session
        self._context.after(self._context.settings.session_creating_seconds, lambda: self._open(session))
        self._context.after(SESSION_SECONDS, lambda: self.end(session, "FAILED", "EXPIRED"))
        return session

    def _open(self, session: Session) -> None:
        if session.status != "CREATING":
            return
        session.status, session.execution = "PENDING", "PENDING"
        for _, _, identity in session.approvers:
            self._mail(
                {
                    "kind": "request",
                    "to": identity,
                    "sessionArn": session.arn,
                    "teamArn": session.team.arn,
                    "action": session.action,
                    "resourceArn": session.resource_arn,
                    "requesterAccount": session.requester.account,
                    "requesterComment": session.comment,
                    "expires": session.expires,
                    "sent": self._context.clock.now(),
                }
            )

    def vote(self, session_arn: str, identity: str, response: str) -> None:
        """Count one approver's APPROVED or REJECTED. A vote is final.

        Raises AwsError ResourceNotFoundException, AccessDeniedException or ConflictException.
        """
        session = self._find(session_arn)
        if identity not in [known for _, _, known in session.approvers]:
            raise AccessDenied(f"{identity} is not an approver of this session.")
        if session.status != "PENDING" or identity in session.votes:
            state = f"already answered by {identity}" if identity in session.votes else session.status
            raise AwsError("ConflictException", f"Session {session_arn} is {state}.", status=409)
        now = self._context.clock.now()
        session.votes[identity] = (response, now)
        session.team.note_activity(identity, "VOTED", now)
        if session.count("APPROVED") >= session.threshold:
            self._approve(session)
        elif session.count("REJECTED") > len(session.approvers) - session.threshold:
            self.end(session, "FAILED", "REJECTED")

    def _approve(self, session: Session) -> None:
        session.status, session.completed = "APPROVED", self._context.clock.now()
        try:
            session.operation.execute()
        except AwsError as error:
            session.execution, session.message = "FAILED", error.message[:500]
        else:
            session.execution = "EXECUTED"

    def end(self, session: Session, status: str, code: str | None) -> None:
        """End an open session without approval; one that has ended stays as it is."""
        if not session.is_open:
            return
        session.status, session.code = status, code
        # No approval: nothing is left to execute, and the model has no better word than leaving it out.
        session.execution, session.completed = None, self._context.clock.now()
        session.operation.refuse(code or status)

    def end_all(self, team: Team, code: str, but: Session | None = None) -> None:
        """End every open session of `team` except `but`: the team changed or goes."""
        for session in list(self._sessions.values()):
            if session.team is team and session is not but:
                self.end(session, "FAILED", code)

    def get_session(self, caller: Caller, params: Params) -> Params:
        """GetSession."""
        session = self._readable(caller, params["SessionArn"])
        responses = []
        for approver_id, source_arn, identity in session.approvers:
            response, when = session.votes.get(identity, ("NO_RESPONSE", None))
            responses.append(
                {
                    "ApproverId": approver_id,
                    "IdentitySourceArn": source_arn,
                    "IdentityId": identity,
                    "Response": response,
                    "ResponseTime": when,
                }
            )
        return _summary(session) | {
            "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": session.threshold}},
            "NumberOfApprovers": len(session.approvers),
            "ExecutionStatus": session.execution,
            "RequesterComment": session.comment,
            "Metadata": {},
            "ApproverResponses": responses,
        }

    def list_sessions(self, caller: Caller, params: Params) -> Params:
        """ListSessions of a team, newest first, 20 a page."""
        team = self._teams.readable(caller, params["ApprovalTeamArn"])
        keep = [_filter(item) for item in params.get("Filters", ())]
        found = [
            _summary(session)
            for session in reversed(self._sessions.values())
            if session.team is team and self._may_read(caller, session)
        ]
        chosen = [item for item in found if all(test(item) for test in keep)]
        items, token = page(chosen, "SessionArn", params, 20, "ValidationException")
        return {"Sessions": items, "NextToken": token}

    def cancel_session(self, caller: Caller, params: Params) -> Params:
        """CancelSession, by the team's owner or the requester (the latter is inferred: BK lists the permission)."""
        session = self._readable(caller, params["SessionArn"])
        if not session.is_open:
            raise AwsError("ConflictException", f"The session is {session.status}.", status=409)
        self.end(session, "CANCELLED", None)
        return {}

    def _find(self, arn: str) -> Session:
        if arn not in self._sessions:
            raise not_found(f"Session {arn}")
        return self._sessions[arn]

    def _may_read(self, caller: Caller, session: Session) -> bool:
        """The owner, and the requester while the team is shared with it (MPA how-it-works.html)."""
        own = session.requester.account == caller.account and self._teams.may_use(session.team, caller.account)
        return own or session.team.owner == caller.account

    def _readable(self, caller: Caller, arn: str) -> Session:
        session = self._find(arn)
        if not self._may_read(caller, session):
            raise AccessDenied
        return session


def _summary(session: Session) -> dict[str, Any]:
    return {
        "SessionArn": session.arn,
        "ApprovalTeamArn": session.team.arn,
        "ApprovalTeamName": session.team.name,
        "InitiationTime": session.initiated,
        "ExpirationTime": session.expires,
        "CompletionTime": session.completed,
        "Description": f"{session.action} for account {session.requester.account}",
        "ActionName": session.action,
        "ProtectedResourceArn": session.resource_arn,
        "RequesterServicePrincipal": session.service,
        "RequesterPrincipalArn": session.requester.principal_arn,
        "RequesterRegion": session.requester.region,
        "RequesterAccountId": session.requester.account,
        "Status": session.status,
        "StatusCode": session.code,
        "StatusMessage": session.message,
        "ActionCompletionStrategy": "AUTO_COMPLETION_UPON_APPROVAL",
    }


_FILTERS = {"ActionName": "ActionName", "SessionStatus": "Status", "InitiationTime": "InitiationTime"}
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "NE": operator.ne,
    "GT": operator.gt,
    "LT": operator.lt,
    "GTE": operator.ge,
    "LTE": operator.le,
}


def _filter(wanted: Mapping[str, str]) -> Callable[[Mapping[str, Any]], bool]:
    name, compare = _FILTERS.get(wanted.get("FieldName", "")), _OPERATORS.get(wanted.get("Operator", ""))
    if name is None or compare is None:
        raise AwsError("ValidationException", f"Filter {dict(wanted)} can't be applied to sessions of a team.")
    value: Any = wanted.get("Value", "")
    if name == "InitiationTime":
        try:
            value = datetime.fromisoformat(value).timestamp()
        except ValueError:
            raise AwsError("ValidationException", f"{value!r} is not a time.") from None
    return lambda item: compare(item[name], value)
