"""AWS multi-party approval: identity sources, approval teams, sessions and votes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.aws.errors import AwsError
from local.aws.mpa.identity import IdentitySources
from local.aws.mpa.policies import Policies
from local.aws.mpa.sessions import Sessions
from local.aws.mpa.teams import Teams
from local.aws.wire import Caller, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.aws.context import Context

REGION = "us-east-1"
"""Teams, identity sources and sessions exist nowhere else (MPA mpa-region-support.html)."""


class Mpa:
    """The service. `mail` delivers to approvers; `is_shared(team_arn, account)` is RAM's answer."""

    def __init__(
        self,
        context: Context,
        mail: Callable[[dict[str, Any]], None],
        is_shared: Callable[[str, str], bool],
    ) -> None:
        sources = IdentitySources(context)
        self.teams = Teams(context, sources, mail, is_shared)
        self.sessions = Sessions(context, self.teams, mail)
        self.teams.sessions = self.sessions
        self.service = Service((sources, self.teams, self.sessions, Policies()), _resources, _admit)


def _admit(caller: Caller, _operation: str) -> None:
    if caller.region != REGION:
        message = f"Multi-party approval has no endpoint in {caller.region}; it exists only in {REGION}."
        raise AwsError("UnknownEndpoint", message, status=404)


def _resources(_caller: Caller, _operation: str, params: dict[str, Any]) -> tuple[str, ...]:
    names = ("SessionArn", "ApprovalTeamArn", "IdentitySourceArn", "Arn")
    return tuple(params[name] for name in names if name in params) or ("*",)
