"""Starting one restore job: intent first, frozen, then the call, then its job id."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.access import read_access
from airlift.arns import Arn
from airlift.aws import client
from airlift.errors import MetadataRefused
from airlift.failures import Cause, cause_of
from airlift.items import LOST, attempted, candidate_of, change, failed, hold, told
from airlift.requesting import describe
from airlift.restore import family_of
from airlift.restore.base import Family, RecoveryPoint, Target
from airlift.runtime import NO_ANSWER, is_transient, logger, setting
from airlift.values import now, parse_time, safe_text, stamp

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.ledger import Record
    from airlift.vaults import VaultWork

Jobs = Mapping[str, Mapping[str, Any]]
"""ListRestoreJobs' members by job id."""

_TURNS_UP_WITHIN = timedelta(minutes=5)
"""How long ListRestoreJobs may lag behind (our own bound; AWS states none)."""
_ANSWERED_WITHIN = timedelta(minutes=30)
"""After so long without an answer a start counts as failed, so that its wave can end."""
_SENT_AS_TYPE = re.compile(r"[a-zA-Z0-9\-_.]{1,50}")
"""StartRestoreJob's pattern for ResourceType; names outside it are left to AWS Backup to find out."""


def start(work: VaultWork, item: Record, jobs: Jobs, cut_off: datetime) -> None:
    """Starts the item's present attempt, or repeats one whose answer was lost with the same token and metadata."""
    family = _family(item)
    repeated = item["state"] == "starting"
    if not repeated and not _freeze(work, item, family, cut_off):
        return
    point = recovery_point(item)
    try:
        family.prepare(client, point, target_of(work, item), item["metadata"])
        job_id = _start_restore_job(item)
    except (MetadataRefused, ClientError, *NO_ANSWER) as error:
        found = _lost_job(item, jobs) if repeated else None
        if found is None:
            _not_started(work, item, error, repeated=repeated)
            return
        job_id = found
    at = stamp(now())
    text = f"attempt {item['attempt']} from {candidate_of(item)['createdAt']}: job {job_id}"
    change(
        work,
        item,
        {"state": "running", "jobId": job_id, "startedAt": at, "percentDone": 0},
        told(work, item, "started", text),
    )


def _not_started(work: VaultWork, item: Record, error: Exception, *, repeated: bool) -> None:
    """What follows a start without a job id. While a job of a lost call may still turn up, nothing does."""
    age = now() - parse_time(item["intentAt"])
    if repeated and age < _TURNS_UP_WITHIN:
        return
    if is_transient(error) and age < _ANSWERED_WITHIN:
        logger.info("Start not answered; it is repeated with the same token")
    elif isinstance(error, MetadataRefused):
        hold(work, item, error.what, _refused(error), attempted(item, error.name, safe_text(error.what, 300)))
    else:
        _refused_start(work, item, error)


def _refused_start(work: VaultWork, item: Record, error: Exception) -> None:
    """A refused call. What sounds like the point's own fault may be access that was lost since this turn began."""
    code, message = _said(error)
    if cause_of(code, message).kind == "point":
        access = read_access(describe(work.vault["restoreAccessBackupVaultName"]), None)
        if access.state != "granted":
            work.save(accessLost=True)
            hold(work, item, "access to the vault was lost before it was started", LOST, item["attempts"])
            return
    failed(work, item, code, message)


def recovery_point(item: Record) -> RecoveryPoint:
    """The point of the present attempt."""
    candidate = candidate_of(item)
    return RecoveryPoint(
        arn=candidate["arn"],
        resource_arn=item["resourceArn"],
        resource_type=item["resourceType"],
        created_at=parse_time(candidate["createdAt"]),
        size_bytes=candidate.get("sizeBytes", 0),
        restore_metadata=item.get("pointMetadata", {}),
    )


def target_of(work: VaultWork, item: Record) -> Target:
    """Where the present attempt restores to, by the plan."""
    holder = Arn.parse(work.holder.execution_arn)
    return work.plan.target(
        item["resourceType"],
        item["resourceArn"],
        recovery_id=work.recovery_id,
        account=holder.account,
        region=holder.region,
        attempt=item["attempt"],
    )


def _family(item: Record) -> Family:
    family = family_of(item["resourceType"])
    if family is None:  # such resources are skipped when points are selected
        raise MetadataRefused(f"Type {item['resourceType']} is not restored by Airlift.", "restore it by hand.")
    return family


def _freeze(work: VaultWork, item: Record, family: Family, cut_off: datetime) -> bool:
    """Fixes point, token and metadata of this attempt in the ledger, before its first call. False if none can be."""
    index = item["candidate"]
    candidates = item["candidates"]
    while index < len(candidates) and not _is_clean(candidates[index], cut_off):
        index += 1
    if index == len(candidates):
        text = "no point is left from before the first sign of compromise, which has moved"
        if not candidates:
            text = "no usable point was found for it"
        step = "if a newer point will do, give it with `airlift restore-again … --point ARN`."
        values = {"state": "skipped", "reason": text, "nextStep": step, "endedAt": stamp(now())}
        change(work, item, values, told(work, item, "skipped", text))
        return False
    if index != item["candidate"]:
        item["chosenWhy"] = "the first sign of compromise has moved; the newest usable point before it"
    item["candidate"] = index
    try:
        item["pointMetadata"] = _point_metadata(work, candidates[index]["arn"])
        metadata = family.metadata(recovery_point(item), target_of(work, item))
    except MetadataRefused as error:
        hold(work, item, error.what, _refused(error), attempted(item, error.name, safe_text(error.what, 300)))
        return False
    except ClientError as error:
        if is_transient(error):
            raise
        _refused_start(work, item, error)
        return False
    token = hashlib.sha256(
        "\n".join((work.recovery_id, work.vault_arn, item["resourceArn"], str(item["attempt"]))).encode()
    ).hexdigest()
    change(
        work,
        item,
        {
            "candidate": index,
            "chosenWhy": item["chosenWhy"],
            "pointMetadata": item["pointMetadata"],
            "metadata": metadata,
            "token": token,
            "intentAt": stamp(now()),
            "state": "starting",
        },
    )
    return True


def _is_clean(candidate: dict[str, Any], cut_off: datetime) -> bool:
    """Whether the point is from before the cut-off as it stands now, or was chosen by the operator."""
    return bool(candidate.get("chosen")) or parse_time(candidate["createdAt"]) <= cut_off


def _point_metadata(work: VaultWork, point_arn: str) -> dict[str, str]:
    """GetRecoveryPointRestoreMetadata without nulls. A help, never a condition: {} if it may not be read here."""
    try:
        answer = client("backup").get_recovery_point_restore_metadata(
            BackupVaultName=work.vault["restoreAccessBackupVaultName"], RecoveryPointArn=point_arn
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in ("AccessDeniedException", "InvalidRequestException"):
            return {}
        raise
    return {key: value for key, value in answer.get("RestoreMetadata", {}).items() if value is not None}


def _start_restore_job(item: Record) -> str:
    request: dict[str, Any] = {
        "RecoveryPointArn": candidate_of(item)["arn"],
        "Metadata": item["metadata"],
        "IamRoleArn": setting("RESTORE_ROLE_ARN"),
        "IdempotencyToken": item["token"],
    }
    if _SENT_AS_TYPE.fullmatch(item["resourceType"]):
        request["ResourceType"] = item["resourceType"]
    job_id: str = client("backup").start_restore_job(**request)["RestoreJobId"]
    return job_id


def _lost_job(item: Record, jobs: Jobs) -> str | None:
    """A job that a lost call of this attempt has started: same point and role, since the intent, same metadata.

    AWS documents no lifetime of a token, so a repeated one may be refused although the first call got through.
    """
    own = {a["jobId"] for a in item["attempts"]}
    intent = parse_time(item["intentAt"]).replace(microsecond=0)
    for job_id, job in jobs.items():
        same = job.get("RecoveryPointArn") == candidate_of(item)["arn"]
        same = same and job.get("IamRoleArn") == setting("RESTORE_ROLE_ARN")
        if not same or job_id in own or job["CreationDate"] < intent:
            continue
        sent = client("backup").get_restore_job_metadata(RestoreJobId=job_id).get("Metadata", {})
        if {k.lower(): v for k, v in sent.items()} == {k.lower(): v for k, v in item["metadata"].items()}:
            return job_id
    return None


def _refused(error: MetadataRefused) -> Cause:
    """The plan is fixed for an execution, so metadata that it lacks is not tried again by itself."""
    step = error.remedy.rstrip(". ").replace("{", "(").replace("}", ")")
    return Cause("environment", "metadata", f"{step}; deploy the plan, then `airlift resume {{recovery}}`.")


def _said(error: Exception) -> tuple[str, str]:
    if isinstance(error, ClientError):
        return error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return type(error).__name__, str(error)
