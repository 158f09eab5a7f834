"""The steps of `airlift probe` in an open vault: its recovery points, and one small restore."""

from __future__ import annotations

from typing import Any

from airlift_cli.probe_run import OPEN, Finding, Missing, Pending, Run, judged, refusal

KIND = "DynamoDB"
ENDED = ("COMPLETED", "FAILED", "ABORTED")
RESTORE_SECONDS = 3600


def listed(run: Run) -> Finding:
    """Points by the vault's name alone."""
    run.fact("available", "approval")
    backup = run.client("backup")
    points = backup.list_recovery_points_by_backup_vault(BackupVaultName=run.named())["RecoveryPoints"]
    if not points:
        raise Missing("waits for a recovery point in the vault")
    small = [point for point in points if point["ResourceType"] == KIND]
    run.remember(point=points[0]["RecoveryPointArn"], small=small[0]["RecoveryPointArn"] if small else None)
    owner = run.vault.split(":")[4]
    foreign = all(point["RecoveryPointArn"].split(":")[4] == owner for point in points)
    dates = [point["CreationDate"] for point in points]
    newest = dates == sorted(dates, reverse=True)
    return judged(foreign and newest, f"{len(points)} points; ARNs of the owner: {foreign}; newest first: {newest}")


def _of_point(run: Run, operation: str) -> tuple[str, str, dict[str, Any]]:
    call = getattr(run.client("backup"), operation)
    return refusal(call, BackupVaultName=run.named(), RecoveryPointArn=run.fact("point", "points"))


def metadata(run: Run) -> Finding:
    """What the point says of itself."""
    code, text, answer = _of_point(run, "get_recovery_point_restore_metadata")
    return judged(not code, text if code else f"keys: {', '.join(sorted(answer['RestoreMetadata']))}")


def inferred(run: Run) -> Finding:
    """What a restore test would use."""
    code, text, answer = _of_point(run, "get_restore_testing_inferred_metadata")
    return judged(not code, text if code else f"keys: {', '.join(sorted(answer['InferredMetadata']))}")


def scan_results(run: Run) -> Finding:
    """Whether the owner's scans show."""
    _, text, answer = _of_point(run, "describe_recovery_point")
    results = answer.get("ScanResults")
    if not results:
        return Finding(OPEN, f"{text}, no scan shown: only a point that its owner has scanned tells")
    return judged(True, f"shown: {', '.join(one['ScanJobState'] for one in results)}")


def tags(run: Run) -> Finding:
    """The point's tags, from here."""
    code, text, answer = refusal(run.client("backup").list_tags, ResourceArn=run.fact("point", "points"))
    return judged(not code, text if code else f"{len(answer['Tags'])} tags")


def _start(run: Run, purpose: str, **more: Any) -> tuple[str, str, str]:
    """Starts a restore of the small point as a table of its own; code, text and job id."""
    name = run.named(purpose)
    point = run.fact("small", "points")
    if point is None:
        raise Missing(f"waits for a recovery point of type {KIND} in the vault")
    if run.restore_role is None:
        raise Missing("waits for --restore-role, or for a deployed stack")
    run.will_make("table", name)
    asked = {
        "RecoveryPointArn": point,
        "IamRoleArn": run.restore_role,
        "ResourceType": KIND,
        "IdempotencyToken": name,
        "Metadata": {"targetTableName": name, "encryptionType": "Default"},
    }
    code, text, answer = refusal(run.client("backup").start_restore_job, **{**asked, **more})
    return code, text, str(answer.get("RestoreJobId", ""))


def _end(run: Run, job: str) -> dict[str, Any]:
    """Waits for a job and describes it. Raises Pending if it takes longer than an hour."""
    backup, seen = run.client("backup"), [{"Status": "PENDING"}]

    def ended() -> bool:
        seen.append(backup.describe_restore_job(RestoreJobId=job))
        return seen[-1]["Status"] in ENDED

    if run.until(ended, RESTORE_SECONDS, every=15) is None:
        raise Pending("the restore job has not ended yet; give the same command again")
    return seen[-1]


def absent_role(run: Run) -> Finding:
    """A role that is not there: refused by the call, or by the job."""
    role = f"{(run.restore_role or '').rpartition('/')[0]}/airlift-probe-absent"
    code, text, job = _start(run, "role", **({"IamRoleArn": role} if run.restore_role else {}))
    if job:
        text = f"accepted, then {_end(run, job)}"
    return judged(code == "InvalidParameterValueException", text)


def token(run: Run) -> Finding:
    """Metadata that is refused, then good metadata with the same token."""
    code, text, _ = _start(run, "token", Metadata={"encryptionType": "Default"})
    again, second, job = _start(run, "token")
    if job:
        _end(run, job)
    return judged(again == code == "InvalidParameterValueException", f"first: {text}; then: {second}")


def job_listed(run: Run) -> Finding:
    """A restore, and how soon it is in the list."""
    _, text, job = _start(run, "job")
    if not job:
        raise Missing(f"the restore was refused: {text}")
    backup = run.client("backup")

    def shown() -> bool:
        return job in [one["RestoreJobId"] for one in backup.list_restore_jobs()["RestoreJobs"]]

    looks = run.until(shown, 60, every=1)
    status = _end(run, job)
    run.remember(job=job)
    return judged(looks == 1, f"listed at look {looks}; ended {status['Status']} {status.get('StatusMessage', '')}")


def job_metadata(run: Run) -> Finding:
    """What AWS Backup says that job was started with."""
    job = run.fact("job", "job-listed")
    code, text, answer = refusal(run.client("backup").get_restore_job_metadata, RestoreJobId=job)
    told = {key.lower(): value for key, value in answer.get("Metadata", {}).items()}
    as_sent = told.get("targettablename") == run.named("job") and told.get("encryptiontype") == "Default"
    return judged(
        as_sent, text if code else f"keys: {', '.join(sorted(answer['Metadata']))}; values as sent: {as_sent}"
    )


def validation(run: Run) -> Finding:
    """A validation result for a job that no restore test started."""
    job = run.fact("job", "job-listed")
    call = run.client("backup").put_restore_validation_result
    code, text, _ = refusal(call, RestoreJobId=job, ValidationStatus="SUCCESSFUL")
    return judged(not code, text)
