"""How access to a vault stands: the one place where the states of vault and session are read.

AWS documents the enumerations, not which of them appear together; so much here is inferred, and each such line has its
own in docs/real-aws-checklist.md. What can't be read is unknown, never a rejection.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airlift.errors import (
    AirliftError,
    ApprovalCancelled,
    ApprovalExpired,
    ApprovalRejected,
    ApprovalTeamChanged,
    VaultAccessRevoked,
    VaultNotCreated,
)
from airlift.values import parse_time, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

UNSEEN_FOR = timedelta(hours=25)
"""How long a request is waited for whose vault can't be described: a session lives 24 hours (mpa-concepts.html)."""

State = Literal["pending", "granted", "rejected", "expired", "cancelled", "changed", "notCreated", "gone"]


@dataclass(frozen=True)
class Vote:
    """One approver's answer."""

    approver: str
    response: str
    at: datetime | None


@dataclass(frozen=True)
class Access:
    """State of a request, with what the session tells; votes and deadline are unknown if it can't be read."""

    state: State
    session_readable: bool
    votes: tuple[Vote, ...] = ()
    threshold: int | None = None
    approvers: int | None = None
    expires_at: datetime | None = None
    message: str = ""

    @property
    def approvals(self) -> int:
        """Votes for the request so far."""
        return sum(vote.response == "APPROVED" for vote in self.votes)

    @property
    def rejections(self) -> int:
        """Votes against the request so far."""
        return sum(vote.response == "REJECTED" for vote in self.votes)


# Session.StatusCode of a session that ended without approval; the service's CloudTrail events name two more.
_ENDED: Mapping[str, State] = {
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "CONFIGURATION_CHANGED": "changed",
    "TEAM_DELETED": "changed",
    "CANCELLED_BY_USER": "cancelled",
}


def read_access(vault: Mapping[str, Any] | None, session: Mapping[str, Any] | None) -> Access:
    """Reads DescribeBackupVault's and GetSession's answers; None stands for not there and not readable.

    The vault decides: AVAILABLE is granted whatever the session says, and while it is CREATING only a session that has
    ended otherwise ends the wait. Where the vault is gone the session may still tell why.
    """
    if vault is None:
        return _access(_ended(session) or "gone", session)  # deleting a team takes its vaults along
    match vault.get("VaultState"):
        case "AVAILABLE":
            return _access("granted", session)
        case "FAILED":
            return _access(_why_failed(session), session)
    ended = _ended(session)
    return _access(ended or "pending", session)


def _ended(session: Mapping[str, Any] | None) -> State | None:
    """How the session ended other than by approval (the mapping is inferred)."""
    if session is None:
        return None
    if session.get("Status") == "CANCELLED":
        return "cancelled"
    if session.get("Status") == "FAILED":
        return _ENDED.get(session.get("StatusCode", ""), "notCreated")
    return None


def _why_failed(session: Mapping[str, Any] | None) -> State:
    """A FAILED vault whose session was approved, or can't be read, could not be created (inferred)."""
    return _ended(session) or "notCreated"


def _access(state: State, session: Mapping[str, Any] | None) -> Access:
    if session is None:
        return Access(state, session_readable=False)
    votes = tuple(
        Vote(answer.get("ApproverId", ""), answer["Response"], answer.get("ResponseTime"))
        for answer in session.get("ApproverResponses", [])
        if answer.get("Response") in ("APPROVED", "REJECTED")
    )
    strategy = session.get("ApprovalStrategy", {}).get("MofN", {})
    return Access(
        state,
        session_readable=True,
        votes=votes,
        threshold=strategy.get("MinApprovalsRequired"),
        approvers=session.get("NumberOfApprovers"),
        expires_at=session.get("ExpirationTime"),
        message=session.get("StatusMessage", ""),
    )


_ENDINGS: Mapping[State, tuple[type[AirliftError], str, str]] = {
    "rejected": (
        ApprovalRejected,
        "The approvers rejected the request for {vault}.",
        "speak with them; then start again with `airlift resume {recovery}`, which asks anew.",
    ),
    "expired": (
        ApprovalExpired,
        "The request for {vault} expired before enough approvers had voted.",
        "reach the approvers out of band, then ask anew with `airlift resume {recovery}`.",
    ),
    "cancelled": (
        ApprovalCancelled,
        "The approval session for {vault} was cancelled.",
        "find out who cancelled it (CloudTrail of the team's account), then `airlift resume {recovery}`.",
    ),
    "changed": (
        ApprovalTeamChanged,
        "The approval team of {vault} was changed or deleted while people voted.",
        "check with the team's owner that the change was theirs, then `airlift resume {recovery}`.",
    ),
    "notCreated": (
        VaultNotCreated,
        "The request for {vault} did not fail by vote, but AWS Backup could not create the restore-access vault.",
        (
            "find CreateRestoreAccessBackupVaultFailed in CloudTrail: most likely the key policy of the vault's key "
            "does not let this account use it, or the requesting role lost mpa:StartSession; mend it, then "
            "`airlift resume {recovery}`."
        ),
    ),
    "gone": (
        VaultAccessRevoked,
        "The restore-access vault of {vault} is gone: revoked by its owner, or deleted here.",
        "check that this was meant; `airlift resume {recovery}` asks for access anew.",
    ),
}


def ending(access: Access, vault_arn: str, recovery_id: str) -> AirliftError | None:
    """The named error of a request that ended without access; None while it is open or when it is granted."""
    if access.state not in _ENDINGS:
        return None
    error, what, remedy = _ENDINGS[access.state]
    said = f" ({safe_text(access.message)})" if access.message else ""
    text = what.format(vault=vault_arn, recovery=recovery_id)
    if access.state == "notCreated" and not access.session_readable:
        text += " The session can't be read, so it may as well have been rejected or have expired."
    return error(text + said, remedy.format(vault=vault_arn, recovery=recovery_id))


def vault_name(recovery_id: str, source_vault_arn: str, request: int) -> str:
    """Name of the restore-access vault: derived, so that a repeated request is the same one (2 to 50 characters)."""
    mark = hashlib.sha256(source_vault_arn.encode()).hexdigest()[:6]
    return f"{recovery_id}-{mark}-{request}"


def is_unseen(vault: Mapping[str, Any], at: datetime) -> bool:
    """Whether a request, by the vault's record in the ledger, may still be voted on whose vault never showed."""
    return "unseen" in vault and at - parse_time(vault["requestedAt"]) < UNSEEN_FOR


def named_recovery(vault: str) -> str:
    """The recovery in a name that `vault_name` gave; empty for any other name."""
    found = re.fullmatch(r"((?:r|drill)-[0-9]{8}-[0-9]{12}-[0-9a-f]{4})-[0-9a-f]{6}-[0-9]+", vault)
    return found[1] if found else ""


def creator_request_id(recovery_id: str, source_vault_arn: str, request: int) -> str:
    """CreatorRequestId of one request (at most 50 characters)."""
    return hashlib.sha256(f"{recovery_id}\n{source_vault_arn}\n{request}".encode()).hexdigest()[:40]


def comment(recovery_id: str, account: str, mode: str, reason: str) -> str:
    """What approvers read: at most 200 characters (RequesterComment in MPA's GetSession), safe whatever a finding says.

    The recovery id comes first: by it approvers check with the person on duty.
    """
    head = f"{recovery_id} ({'DRILL' if mode == 'drill' else 'REAL INCIDENT'}, account {account}): "
    return head + safe_text(reason, 200 - len(head))


def next_request(vault: Mapping[str, Any]) -> dict[str, Any]:
    """What makes the next request, after an expiry or by a resume, a new one with a name of its own."""
    gone = (
        "restoreAccessBackupVaultName",
        "requesting",
        "unseen",
        "approvals",
        "rejections",
        "expiresAt",
        "grantedAt",
        "sessionArn",
        "reminded",
        "accessDoubtedAt",
    )
    return {"request": vault.get("request", 1) + 1, **dict.fromkeys(gone)}


def seconds_to_wait(waiting_for: float) -> int:
    """Seconds until the next look: 5 for two minutes, then growing with the time waited, to 5 minutes."""
    return 5 if waiting_for < 120 else int(min(300, max(5, (waiting_for - 110) / 2)))
