"""The steps of `airlift probe`: what each calls, how it judges, and what it costs or leaves until the clean-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airlift_cli import probe_calls as calls
from airlift_cli import probe_points as points
from airlift_cli.probe_clean import clean_up, withdraw
from airlift_cli.probe_run import (
    OPEN,
    OWNER,
    RECOVERY,
    TEAM,
    TEAM_REGION,
    Finding,
    Missing,
    Pending,
    Run,
    judged,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable

REASON = (
    "airlift probe: a test of what AWS does. Please approve within the hour; nothing but a small copy is restored. "
)
MAX_COMMENT = 200


@dataclass(frozen=True)
class Step:
    """One step: its id, the beginnings of the checklist's rows it answers, whose profile it needs, what it does, what
    it costs or leaves, and the function that takes it."""

    id: str
    rows: tuple[str, ...]
    who: str
    does: str
    leaves: str
    take: Callable[[Run], Finding]


def _ask(run: Run, purpose: str, request_id: str, **more: str) -> tuple[str, str, str]:
    """Requests access; code, text and the vault's ARN. What it makes is found by the clean-up."""
    name = run.named(purpose)
    run.will_make("vault", name)
    asked = {"SourceBackupVaultArn": run.vault, "BackupVaultName": name, "CreatorRequestId": run.named(request_id)}
    code, text, answer = refusal(run.client("backup").create_restore_access_backup_vault, **{**asked, **more})
    return code, text, str(answer.get("RestoreAccessBackupVaultArn", ""))


def refused_texts(run: Run) -> Finding:
    """The words of a request that must fail."""
    source = f"{run.vault.rpartition(':')[0]}:{run.named('absent')}"
    code, text, _ = _ask(run, "second", "absent", SourceBackupVaultArn=source)
    return judged(code == "ResourceNotFoundException", f"a vault that is not there: {text}")


def long_comment(run: Run) -> Finding:
    """One character more than GetSession shows."""
    code, text, _ = _ask(run, "second", "long", RequesterComment=REASON.ljust(MAX_COMMENT + 1, "."))
    if not code:
        withdraw(run, run.named("second"))
    return judged(code == "InvalidParameterValueException", f"{MAX_COMMENT + 1} characters: {text}")


def request(run: Run) -> Finding:
    """A request, and what shows at once."""
    code, text, arn = _ask(run, "", "one", RequesterComment=REASON.ljust(MAX_COMMENT, "."))
    if code:
        raise Missing(f"the request was refused: {text}")
    run.remember(arn=arn)
    seen = run.client("backup").describe_backup_vault(BackupVaultName=run.named())
    state, told = seen["VaultState"], "MpaSessionArn" in seen
    looks = run.until(lambda: _session_arn(run) is not None, 60)
    if looks:
        run.remember(session=_session_arn(run))
    when = "at once" if told else f"after {looks} looks"
    return judged(state == "CREATING" and told, f"{state}; session told {when}")


def _session_arn(run: Run) -> str | None:
    arn = run.client("backup").describe_backup_vault(BackupVaultName=run.named()).get("MpaSessionArn")
    return None if arn is None else str(arn)


def same_request(run: Run) -> Finding:
    """The same request id, and another."""
    first = run.fact("arn", "request")
    comment = {"RequesterComment": REASON.ljust(MAX_COMMENT, ".")}
    _, text, arn = _ask(run, "", "one", **comment)
    code, other, _ = _ask(run, "", "two", **comment)
    same = f"the same vault: {arn == first}" if arn else text
    return judged(arn == first and code == "AlreadyExistsException", f"same id: {same}; another id: {other}")


def second_request(run: Run) -> Finding:
    """A second vault for the same source."""
    run.fact("arn", "request")
    code, text, _ = _ask(run, "second", "three")
    return judged(code == "LimitExceededException", text)


def session(run: Run) -> Finding:
    """The session, read by who asked."""
    arn = run.fact("session", "request")
    code, text, answer = refusal(run.client("mpa", region=TEAM_REGION).get_session, SessionArn=arn)
    return judged(not code, text if code else f"readable, {answer['Status']}")


def delete_open(run: Run) -> Finding:
    """Deleting the vault while people vote."""
    run.fact("session", "request")
    code, text, _ = refusal(run.client("backup").delete_backup_vault, BackupVaultName=run.named())
    return judged(code == "InvalidRequestException", text)


def cancel(run: Run) -> Finding:
    """Withdrawing by who asked."""
    arn, mpa = run.fact("session", "request"), run.client("mpa", region=TEAM_REGION)
    code, text, _ = refusal(mpa.cancel_session, SessionArn=arn)
    looks = run.until(lambda: _state(run) in ("FAILED", ""), 60)
    seen = f"CancelSession {text}; vault {_state(run) or 'gone'} after {looks} looks"
    return judged(not code and _state(run) == "FAILED", seen)


def _state(run: Run) -> str:
    _, _, answer = refusal(run.client("backup").describe_backup_vault, BackupVaultName=run.named())
    return str(answer.get("VaultState", ""))


def ask_again(run: Run) -> Finding:
    """A request right after the deletion."""
    run.fact("session", "request")
    if _state(run) == "CREATING":
        raise Missing("the first request could not be withdrawn")
    refusal(run.client("backup").delete_backup_vault, BackupVaultName=run.named())
    refused: list[str] = []

    def taken() -> bool:
        refused.append(_ask(run, "", "again", RequesterComment=REASON.strip())[0])
        return not refused[-1]

    if run.until(taken, 120) is None:
        raise Missing(f"access can't be requested again: {refused[-1]}")
    run.remember(again=True)
    return judged(len(refused) == 1, f"taken at call {len(refused)}, after {refused[0] or 'no refusal'}")


def approval(run: Run) -> Finding:
    """What the approvers decided."""
    run.fact("again", "request-again")
    if _state(run) == "CREATING":
        raise Pending("approvers have to approve in the portal; then give the same command again")
    if _state(run) != "AVAILABLE":
        return Finding(OPEN, f"the request ended {_state(run) or 'without a vault'}")
    run.remember(available=True)
    answer = run.client("mpa", region=TEAM_REGION).get_session(SessionArn=_session_arn(run))
    return judged(
        (answer["Status"], answer["ExecutionStatus"]) == ("APPROVED", "EXECUTED"),
        f"AVAILABLE; session {answer['Status']}, {answer['ExecutionStatus']}",
    )


NOTHING = "costs and leaves nothing"
ASKED = "approvers get a mail; withdrawn again"
GRANTED = "needs the approvers; access to the vault until the clean-up"
COPY = "a table of the recovery point's size until the clean-up: cents"

STEPS = (
    Step(
        "missing-vault",
        ("For a vault that is not there",),
        RECOVERY,
        "DescribeBackupVault",
        NOTHING,
        calls.missing_vault,
    ),
    Step("quota-name", ("Service Quotas names Step",), RECOVERY, "ListServiceQuotas", NOTHING, calls.quota_name),
    Step(
        "event-pattern",
        ("An event pattern looks into",),
        RECOVERY,
        "TestEventPattern, twice",
        NOTHING,
        calls.event_pattern,
    ),
    Step("team-type", ("RAM's resource type of a team",), RECOVERY, "ListResources of RAM", NOTHING, calls.team_type),
    Step(
        "plan-vault",
        ("A backup plan whose rules name", "A backup plan's rules must name"),
        OWNER,
        "CreateBackupPlan with a vault that is not there",
        "nothing; if it is accepted it is deleted",
        calls.plan_of_absent_vault,
    ),
    Step(
        "share-elsewhere",
        ("A team can't be shared from another Region",),
        TEAM,
        "CreateResourceShare in the vault's Region",
        "nothing; if it is accepted it is deleted",
        calls.share_elsewhere,
    ),
    Step(
        "refused-texts",
        ("The texts of a refused request",),
        RECOVERY,
        "a request that must fail",
        NOTHING,
        refused_texts,
    ),
    Step("long-comment", ("RequesterComment may have",), RECOVERY, "a request of 201 characters", ASKED, long_comment),
    Step("request", ("While people vote the vault",), RECOVERY, "a request of 200 characters", ASKED, request),
    Step("same-request", ("The same CreatorRequestId",), RECOVERY, "the request repeated", NOTHING, same_request),
    Step("second-request", ("There is one restore-access",), RECOVERY, "a second request", ASKED, second_request),
    Step("session", ("The requester can read the",), RECOVERY, "GetSession in us-east-1", NOTHING, session),
    Step(
        "delete-open", ("DeleteBackupVault on a vault",), RECOVERY, "DeleteBackupVault while open", NOTHING, delete_open
    ),
    Step("cancel", ("CancelSession of an access",), RECOVERY, "CancelSession by the requester", NOTHING, cancel),
    Step(
        "request-again",
        ("A restore-access vault that was just",),
        RECOVERY,
        "deletes the failed vault and requests again at once",
        GRANTED,
        ask_again,
    ),
    Step("approval", (), RECOVERY, "looks whether the approvers have approved", GRANTED, approval),
    Step(
        "points",
        ("Points in a restore-access vault are", "The list's order, newest first"),
        RECOVERY,
        "ListRecoveryPointsByBackupVault by name alone",
        NOTHING,
        points.listed,
    ),
    Step(
        "point-metadata",
        ("Restore metadata of a",),
        RECOVERY,
        "GetRecoveryPointRestoreMetadata",
        NOTHING,
        points.metadata,
    ),
    Step(
        "inferred",
        ("AWS infers metadata of a restore",),
        RECOVERY,
        "GetRestoreTestingInferredMetadata",
        NOTHING,
        points.inferred,
    ),
    Step("scan", ("Malware scan results of the",), RECOVERY, "DescribeRecoveryPoint", NOTHING, points.scan_results),
    Step("point-tags", ("The tags of a recovery point",), RECOVERY, "ListTags of the point", NOTHING, points.tags),
    Step("role", ("A role that AWS Backup can't",), RECOVERY, "a restore with no such role", COPY, points.absent_role),
    Step("token", ("An IdempotencyToken is used up",), RECOVERY, "two restores with one token", COPY, points.token),
    Step(
        "job-listed", ("ListRestoreJobs: newest first",), RECOVERY, "a restore, and the list", COPY, points.job_listed
    ),
    Step(
        "job-metadata",
        ("GetRestoreJobMetadata gives what was",),
        RECOVERY,
        "GetRestoreJobMetadata of that job",
        NOTHING,
        points.job_metadata,
    ),
    Step(
        "validation",
        ("PutRestoreValidationResult works",),
        RECOVERY,
        "the result for that job",
        NOTHING,
        points.validation,
    ),
    Step("clean-up", ("A read of a vault may be stale",), RECOVERY, "deletes all that was made", NOTHING, clean_up),
)
