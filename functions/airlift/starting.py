"""Starting one restore job: intent first, frozen, then the call, then its job id."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.access import read_access
from airlift.access_vaults import describe
from airlift.arns import Arn
from airlift.aws import client
from airlift.errors import MetadataRefused
from airlift.failures import Cause, cause_of
from airlift.items import LOST, attempted, candidate_of, change, failed, hold, names_of, told
from airlift.pacing import Throttled
from airlift.points import moment_of
from airlift.restore import family_of, job_resource_type
from airlift.restore.base import Family, RecoveryPoint, Target
from airlift.runtime import NO_ANSWER, THROTTLED, is_transient, logger, setting
from airlift.taking import POINT, take_point
from airlift.values import now, parse_time, safe_text, stamp
from airlift.vault_points import nested_points

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.jobs import Jobs
    from airlift.ledger import Record
    from airlift.vaults import VaultWork

TURNS_UP_WITHIN = timedelta(minutes=5)
"""How long ListRestoreJobs may lag behind (our own bound; AWS states none)."""
_ANSWERED_WITHIN = timedelta(minutes=30)
"""After so long without an answer a start, or a reading before it, counts as failed, so that its wave can end."""
_READ_AGAIN_AFTER = timedelta(seconds=30)


def start(work: VaultWork, item: Record, jobs: Jobs, cut_off: datetime) -> None:
    """Starts the item's present attempt, or repeats one whose answer was lost with the same token and metadata.

    Raises `airlift.pacing.Throttled` if AWS takes no more calls now.
    """
    family = family_for(item)
    repeated = item["state"] == "starting"
    if not repeated and not _freeze(work, item, family, cut_off):
        return
    point = recovery_point(item)
    try:
        family.prepare(client, point, target_of(work, item), item["metadata"])
        job_id = _start_restore_job(item, family)
    except (MetadataRefused, ClientError, *NO_ANSWER) as error:
        found = lost_job(item, jobs) if repeated else None
        if found is None:
            _not_started(work, item, error, repeated=repeated)
            return
        job_id = found
    at = stamp(now())
    text = f"attempt {item['attempt']} from {stamp(moment_of(candidate_of(item)))}: job {job_id}"
    if item.get("pointScan"):
        text += f" (the point: {item['pointScan']})"
    change(
        work,
        item,
        {"state": "running", "jobId": job_id, "startedAt": at, "percentDone": 0},
        told(work, item, "started", text),
    )


def _not_started(work: VaultWork, item: Record, error: Exception, *, repeated: bool) -> None:
    """What follows a start without a job id. While a job of a lost call may still turn up, nothing does."""
    age = now() - parse_time(item["intentAt"])
    if _is_throttled(error) and age < _ANSWERED_WITHIN:
        raise Throttled from error
    if repeated and age < TURNS_UP_WITHIN:
        return
    if is_transient(error) and age < _ANSWERED_WITHIN:
        logger.info("Start not answered; it is repeated with the same token")
    elif isinstance(error, MetadataRefused):
        hold(work, item, error.what, _refused(error), attempted(item, error.name, safe_text(error.what, 300)))
    else:
        _refused_start(work, item, error)


def _is_throttled(error: Exception) -> bool:
    code, _ = _said(error)
    return code in THROTTLED and isinstance(error, ClientError) and error.operation_name == "StartRestoreJob"


def _refused_start(work: VaultWork, item: Record, error: Exception) -> None:
    """A refused call. What sounds like the point's own fault may be access that was lost since this turn began."""
    code, message = _said(error)
    cause = cause_of(code, message, names_of(work, item))
    if cause.kind == "point":
        access = read_access(describe(work.vault["restoreAccessBackupVaultName"]), None)
        if access.state != "granted":
            work.save(accessLost=True)
            hold(work, item, "access to the vault was lost before it was started", LOST, item["attempts"])
            return
    if not item["candidates"]:  # they were looked up: no point was tried yet
        hold(work, item, f"its points can't be read: {code}", cause, item["attempts"])
        return
    failed(work, item, code, message)


def recovery_point(item: Record) -> RecoveryPoint:
    """The point of the present attempt."""
    candidate = candidate_of(item)
    nested = (
        RecoveryPoint(
            arn=inside["arn"],
            resource_arn=inside["resourceArn"],
            resource_type=inside["resourceType"],
            created_at=parse_time(inside["createdAt"]),
            size_bytes=inside["sizeBytes"],
        )
        for inside in item.get("nestedPoints") or ()
    )
    return RecoveryPoint(
        arn=candidate["arn"],
        resource_arn=item["resourceArn"],
        resource_type=item["resourceType"],
        created_at=parse_time(candidate["createdAt"]),
        size_bytes=candidate.get("sizeBytes", 0),
        restore_metadata=item.get("pointMetadata", {}),
        tags=item.get("pointTags", {}),
        restore_time=parse_time(candidate["restoreTime"]) if "restoreTime" in candidate else None,
        nested=tuple(nested),
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


def family_for(item: Record) -> Family:
    """The family that restores the item. Raises `MetadataRefused` if there is none, as after a change of Airlift."""
    family = family_of(item["resourceType"])
    if family is None:
        raise MetadataRefused(f"Type {item['resourceType']} is not restored by Airlift.", "restore it by hand.")
    return family


def _freeze(work: VaultWork, item: Record, family: Family, cut_off: datetime) -> bool:
    """Fixes point, token and metadata of this attempt in the ledger, before its first call. False if none can be."""
    target = target_of(work, item)
    tags_wanted = bool(target.options.get("copySourceTags"))
    try:
        told_ = take_point(work, item, cut_off)
        if told_ is None:
            return False
        point_arn = candidate_of(item)["arn"]
        item["pointMetadata"] = _point_metadata(work, point_arn)
        item["nestedPoints"] = nested_points(work, point_arn) if family.composite else None
        metadata = family.metadata(recovery_point(item), target)
        tags = _point_tags(point_arn) if tags_wanted and not family.copies_source_tags else {}
    except MetadataRefused as error:
        hold(work, item, error.what, _refused(error), attempted(item, error.name, safe_text(error.what, 300)))
        return False
    except (ClientError, *NO_ANSWER) as error:
        if not is_transient(error) or not _put_off(work, item):
            _refused_start(work, item, error)
        return False
    token = hashlib.sha256(
        "\n".join((work.recovery_id, work.vault_arn, item["resourceArn"], str(item["attempt"]))).encode()
    ).hexdigest()
    change(
        work,
        item,
        {
            **{name: item[name] for name in POINT},
            "pointMetadata": item["pointMetadata"],
            "pointTags": tags or None,
            "nestedPoints": item["nestedPoints"],
            "metadata": metadata,
            "copySourceTags": (tags_wanted and family.copies_source_tags) or None,
            "token": token,
            "unreadSince": None,
            "intentAt": stamp(now()),
            "state": "starting",
        },
        *told_,
    )
    return True


def _put_off(work: VaultWork, item: Record) -> bool:
    """Lets an item wait whose point can't be read now, so that it keeps back no other; False if it has long enough."""
    since = item.get("unreadSince") or stamp(now())
    if now() - parse_time(since) >= _ANSWERED_WITHIN:
        return False
    change(work, item, {"unreadSince": since, "dueAt": (now() + _READ_AGAIN_AFTER).timestamp()})
    return True


def _point_metadata(work: VaultWork, point_arn: str) -> dict[str, str]:
    """GetRecoveryPointRestoreMetadata without nulls; where it can't be read, what AWS infers for a restore test.

    A help, never a condition: {} if neither can be read here. Only a point that is gone is told at once.
    """
    backup = client("backup")
    this = {"BackupVaultName": work.vault["restoreAccessBackupVaultName"], "RecoveryPointArn": point_arn}
    try:
        found = backup.get_recovery_point_restore_metadata(**this).get("RestoreMetadata", {})
    except ClientError as error:
        if is_transient(error) or cause_of(*_said(error)).kind == "point":
            raise
        try:
            found = backup.get_restore_testing_inferred_metadata(**this).get("InferredMetadata", {})
        except ClientError as refused:
            if is_transient(refused):
                raise
            logger.info("No metadata of the point", extra={"error": refused.response["Error"]["Code"]})
            found = {}
    return {key: value for key, value in found.items() if value is not None}


def _point_tags(point_arn: str) -> dict[str, str]:
    """The recovery point's tags, which AWS Backup took over from the source. A help, like the point's metadata.

    They can be read from a restore-access vault (inferred); {} if not.
    """
    try:  # one page holds more than the 50 tags that a point may have
        tags: dict[str, str] = client("backup").list_tags(ResourceArn=point_arn)["Tags"]
    except ClientError as error:
        if is_transient(error):
            raise
        logger.warning("Tags of the recovery point not read", extra={"point": point_arn, "reason": str(error)})
        return {}
    return tags


def _start_restore_job(item: Record, family: Family) -> str:
    request: dict[str, Any] = {
        "RecoveryPointArn": candidate_of(item)["arn"],
        "Metadata": item["metadata"],
        "IamRoleArn": setting("RESTORE_ROLE_ARN"),
        "IdempotencyToken": item["token"],
    }
    if kind := job_resource_type(family, item["resourceType"]):
        request["ResourceType"] = kind
    if item.get("copySourceTags"):  # where it may not be sent, not even False is taken (restoring-a-backup.html)
        request["CopySourceTagsToRestoredResource"] = True
    job_id: str = client("backup").start_restore_job(**request)["RestoreJobId"]
    return job_id


def lost_job(item: Record, jobs: Jobs) -> str | None:
    """A job that a lost call of this attempt has started: same point and role, since the intent, same metadata.

    AWS documents no lifetime of a token, so a repeated one may be refused although the first call got through.
    """
    own = {a["jobId"] for a in item["attempts"]}
    intent = parse_time(item["intentAt"]).replace(microsecond=0)
    wanted = {key.lower(): value for key, value in item["metadata"].items()}
    for job_id, job in jobs.items():
        same = job.get("RecoveryPointArn") == candidate_of(item)["arn"]
        same = same and job.get("IamRoleArn") == setting("RESTORE_ROLE_ARN")
        if not same or job_id in own or job["CreationDate"] < intent:
            continue
        sent = client("backup").get_restore_job_metadata(RestoreJobId=job_id).get("Metadata", {})
        # AWS Backup may add keys of its own, such as aws:backup:request-id (inferred).
        if wanted.items() <= {key.lower(): value for key, value in sent.items()}.items():
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
