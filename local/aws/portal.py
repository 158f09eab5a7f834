"""The approvers' door: mails, invitations and votes, which AWS gives to people in a web portal and not in an API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.aws.errors import AwsError
from local.aws.model import error_status
from local.aws.wire import Caller

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from local.aws.mpa import Mpa

DOORS = ("outbox", "accept", "reject", "vote", "names")
"""The names of what `Portal.handle` answers."""

_RESPONSES = {"APPROVE": "APPROVED", "REJECT": "REJECTED"}


class Portal:
    """What approvers see and do. An approver is named by the identity id the team was made with."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self.outbox: list[dict[str, Any]] = []
        """Mails, oldest first: `kind` ("invitation" or "request"), `to`, `teamArn`, `sent`, `expires`, and for a
        request `sessionArn`, `action`, `resourceArn`, `requesterAccount`, `requesterComment`."""
        self.names: dict[str, str] = {}
        """What people are called, by identity id: IAM Identity Center's directory, which MPA itself never shows."""
        self.mpa: Mpa

    def name_of(self, identity: str) -> str:
        """What a person is called; the identity id itself if nobody said."""
        return self.names.get(identity, identity)

    def accept_invitation(self, team_arn: str, approver: str) -> None:
        """Accept to be an approver. Raises AwsError if no invitation is open."""
        with self._lock:
            self.mpa.teams.respond(team_arn, approver, accept=True)

    def reject_invitation(self, team_arn: str, approver: str) -> None:
        """Decline to be an approver. Raises AwsError if no invitation is open."""
        with self._lock:
            self.mpa.teams.respond(team_arn, approver, accept=False)

    def vote(self, session_arn: str, approver: str, decision: str) -> None:
        """Cast "APPROVE" or "REJECT". Raises AwsError if this approver can't vote in this session now."""
        if decision not in _RESPONSES:
            raise AwsError("ValidationException", f"A decision is APPROVE or REJECT, not {decision!r}.")
        with self._lock:
            self.mpa.sessions.vote(session_arn, approver, _RESPONSES[decision])

    def read_team(self, team_arn: str) -> dict[str, Any]:
        """GetApprovalTeam's answer to the owner, times in epoch seconds. Raises AwsError if the team is gone."""
        with self._lock:
            return self.mpa.teams.get_approval_team(_owner(team_arn), {"Arn": team_arn})

    def read_session(self, session_arn: str) -> dict[str, Any]:
        """GetSession's answer to the owner, times in epoch seconds."""
        with self._lock:
            return self.mpa.sessions.get_session(_owner(session_arn), {"SessionArn": session_arn})

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """The door over HTTP, in JSON.

        GET `/_local/portal/outbox` → `{"mails": […]}`; POST `/_local/portal/names` `{identity id: name}`;
        POST `/_local/portal/accept` and `/reject` `{"teamArn", "approver"}`; POST `/_local/portal/vote`
        `{"sessionArn", "approver", "decision"}`.
        """
        doors: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "outbox"): lambda _: {"mails": list(self.outbox)},
            ("POST", "names"): lambda asked: self.names.update({str(who): str(name) for who, name in asked.items()}),
            ("POST", "accept"): lambda asked: self.accept_invitation(asked["teamArn"], asked["approver"]),
            ("POST", "reject"): lambda asked: self.reject_invitation(asked["teamArn"], asked["approver"]),
            ("POST", "vote"): lambda asked: self.vote(asked["sessionArn"], asked["approver"], asked["decision"]),
        }
        prefix, _, name = path.rstrip("/").rpartition("/")
        door = doors.get((method, name)) if prefix == "/_local/portal" else None
        if door is None:
            return 404, json.dumps({"message": f"no such door: {method} {path}"}).encode()
        try:
            answer = door(json.loads(body or b"{}"))
        except AwsError as error:
            document = {"code": error.code, "message": error.message}
            return error_status("mpa", error.code, error.status), json.dumps(document).encode()
        except (ValueError, KeyError, TypeError) as error:
            return 400, json.dumps({"message": f"not what this door takes: {error!r}"}).encode()
        return 200, json.dumps(answer or {}).encode()


def _owner(arn: str) -> Caller:
    """The account that a team or its session belongs to."""
    _, _, _, region, account, _ = arn.split(":", 5)
    return Caller(account, region, f"arn:aws:iam::{account}:root")
