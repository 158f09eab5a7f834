"""Following a request to its end: the work of CheckApproval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from airlift.access import Access, ending, is_unseen, next_request, read_access, seconds_to_wait
from airlift.access_vaults import describe
from airlift.announcements import AccessApproved
from airlift.announcing import announce
from airlift.aws import MPA_REGION, client
from airlift.endings import ACCESS_OPEN
from airlift.ledger import Change, Put, keyed, merge, vote_key
from airlift.runtime import logger
from airlift.telemetry import tell_votes
from airlift.timeline import entry
from airlift.values import now, parse_time, stamp, stamp_in

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.vaults import VaultWork


def check_approval(work: VaultWork) -> dict[str, Any]:
    """Records votes and deadline. Says "select" when access is granted, "request" to ask anew, else how long to wait.

    Raises the named error of a request that ended without access.
    """
    if "restoreAccessBackupVaultName" not in work.vault:
        return {"next": "request", "waitSeconds": 0}  # an earlier try of this step has decided so
    rounds = work.count_round()
    vault = describe(work.vault["restoreAccessBackupVaultName"])
    session_arn = (vault or {}).get("MpaSessionArn") or work.vault.get("sessionArn")
    access = read_access(vault, _session(session_arn))
    moment = now()
    waited = (moment - parse_time(work.vault["requestedAt"])).total_seconds()
    wait = seconds_to_wait(waited)
    if vault is None and "unseen" in work.vault:
        access = Access("pending" if is_unseen(work.vault, moment) else "expired", session_readable=False)
    elif "unseen" in work.vault:
        work.save(unseen=None)
    _record(work, access, session_arn, wait, rounds)
    if access.state == "granted":
        if work.recovery.get("accessOnly") and "resumedAt" not in work.recovery:
            work.end(
                ACCESS_OPEN, f"Access is open, nothing is restored yet. Next step: airlift resume {work.recovery_id}"
            )
            return {"next": "done", "waitSeconds": 0}
        return {"next": "select", "waitSeconds": 0}
    if access.state == "gone" and not work.access_is_lost(seems_so=True):
        return {"next": "wait", "waitSeconds": seconds_to_wait(0)}
    asked = work.vault.get("request", 1)
    if access.state == "expired" and asked <= work.plan.approval.requests_after_expiry:
        _ask_anew(work, asked + 1)
        return {"next": "request", "waitSeconds": 0}
    error = ending(access, work.vault_arn, work.recovery_id)
    if error:
        work.at_end = next_request(work.vault)
        raise error
    return {"next": "wait", "waitSeconds": wait}


def _ask_anew(work: VaultWork, request: int) -> None:
    text = f"The request expired; request {request} follows, as the plan allows"
    work.ledger.write(
        work.update(**next_request(work.vault)),
        entry(work.recovery_id, now(), "request", text, vault=work.vault_arn),
        holder=work.holder,
    )


def _session(arn: str | None) -> dict[str, Any] | None:
    """GetSession, in us-east-1 whatever the vault's Region; None if it can't be read, for whatever reason."""
    if not arn:
        return None
    try:
        answer: dict[str, Any] = client("mpa", MPA_REGION).get_session(SessionArn=arn)
    except (ClientError, BotoCoreError) as error:
        logger.warning("The session can't be read; its votes are unknown", extra={"reason": str(error)})
        return None
    return answer


def _record(work: VaultWork, access: Access, session_arn: str | None, wait: int, rounds: int) -> None:
    """Writes what changed, and each vote once."""
    at = now()
    values: dict[str, Any] = {"rounds": rounds, "sessionArn": session_arn, "nextLookAt": stamp_in(wait)}
    values["sessionStatus"] = access.state.upper() if access.session_readable else "UNKNOWN"
    if access.session_readable:
        values |= {
            "approvals": access.approvals,
            "rejections": access.rejections,
            "threshold": access.threshold,
            "approvers": access.approvers,
            "expiresAt": stamp(access.expires_at) if access.expires_at else None,
        }
    changes: list[Change] = []
    for vote in access.votes:
        key = vote_key(work.recovery_id, f"{work.vault_arn}#{work.vault.get('request', 1)}", vote.approver)
        if work.ledger.get(key) is None:
            when = vote.at or at
            record = keyed(key, vault=work.vault_arn, approver=vote.approver, response=vote.response, at=stamp(when))
            text = f"{vote.response.lower()} by {vote.approver}"
            told = entry(work.recovery_id, when, "vote", text, vault=work.vault_arn, who=vote.approver)
            changes += [Put(record), told, _vote_notice(work, access, vote.approver, text)]
    if access.state == "granted" and "grantedAt" not in work.vault:
        values |= {"state": "GRANTED", "grantedAt": stamp(at), "waitingFor": None, "accessDoubtedAt": None}
        votes = (
            f"{access.approvals} approvals, {access.threshold} needed" if access.session_readable else "votes unknown"
        )
        text = f"Access granted: {votes}"
        opened = {
            "source_backup_vault_arn": work.vault_arn,
            "restore_access_backup_vault_name": work.vault["restoreAccessBackupVaultName"],
        }
        changes += [
            entry(work.recovery_id, at, "granted", text, vault=work.vault_arn),
            announce(work.recovery_id, at, work.vault_arn, AccessApproved, [opened]),
        ]
    elif access.state == "pending" and (due := _reminder_due(work, access, at)):
        values["reminded"] = [*work.vault.get("reminded", []), due]
        changes.append(_reminder(work, access, due))
    work.ledger.write(work.update(**values), *changes, holder=work.holder)
    merge(work.vault, values)
    tell_votes(access)


def _vote_notice(work: VaultWork, access: Access, approver: str, vote: str) -> Put:
    expected = work.expected(grantedAt=stamp(now())) if access.state == "granted" else ""
    text = f"Request for {work.vault_arn}: {vote}.\n{_standing(access)} {expected}".rstrip()
    return work.notice(f"vote#{approver}", "a vote", text, f"airlift watch {work.recovery_id}")


def _standing(access: Access) -> str:
    until = f", open until {stamp(access.expires_at)}" if access.expires_at else ""
    return f"{access.approvals} of {access.threshold} needed approvals, {access.rejections} against{until}."


def _reminder_due(work: VaultWork, access: Access, at: datetime) -> float | None:
    """The latest of the plan's fractions of the session's time that has passed and nobody was reminded at yet."""
    enough = access.threshold is not None and access.approvals >= access.threshold
    if access.expires_at is None or enough:
        return None
    asked = parse_time(work.vault["requestedAt"])
    passed = (at - asked) / (access.expires_at - asked)
    fractions = sorted(work.plan.notifications.remind_at_fractions, reverse=True)
    latest = next((fraction for fraction in fractions if fraction <= passed), None)
    return latest if latest is not None and latest > max(work.vault.get("reminded", []), default=0) else None


def _reminder(work: VaultWork, access: Access, fraction: float) -> Put:
    text = f"{fraction:.0%} of the time for {work.vault_arn} has passed. {_standing(access)}"
    step = "reach the approvers out of band: without enough votes the request expires and has to be made anew."
    return work.notice(f"reminder#{fraction}", "votes are missing", text, step)
