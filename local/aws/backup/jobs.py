"""Backup and copy jobs as they are kept and told of; filters that lists of jobs have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.aws.errors import AwsError, not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.backup.state import Point, Vault
    from local.aws.model import Params
    from local.aws.wire import Caller


@dataclass
class Job:
    """A backup or a copy job. `origin` is the point a copy is made of, in vault `origin_vault`."""

    job_id: str
    caller: Caller
    vault: Vault
    point: Point
    role_arn: str
    created: float
    ends: float
    state: str = "RUNNING"
    message: str | None = None
    completed: float | None = None
    origin: Point | None = None
    origin_vault: Vault | None = None
    options: dict[str, str] = field(default_factory=dict)
    nested: list[Point] = field(default_factory=list)


def select(items: list[dict[str, Any]], params: Params, filters: Mapping[str, str]) -> list[dict[str, Any]]:
    """The jobs that pass the equality `filters` (parameter -> member) and the time filters in `params`.

    Raises UnsupportedLocally for a filter not provided here.
    """
    times = {"ByCreatedAfter", "ByCreatedBefore", "ByCompleteAfter", "ByCompleteBefore"}
    unknown = {name for name in params if name.startswith("By")} - times - set(filters)
    if unknown:
        raise AwsError("UnsupportedLocally", f"Filter {sorted(unknown)} is not provided locally", status=501)

    def passes(item: dict[str, Any]) -> bool:
        created, completed = item["CreationDate"], item.get("CompletionDate")
        return (
            all(item.get(member) == params[name] for name, member in filters.items() if name in params)
            and params.get("ByCreatedAfter", created) <= created <= params.get("ByCreatedBefore", created)
            and ("ByCompleteAfter" not in params or bool(completed and completed >= params["ByCompleteAfter"]))
            and ("ByCompleteBefore" not in params or bool(completed and completed <= params["ByCompleteBefore"]))
        )

    return [item for item in items if passes(item)]


def common(job: Job) -> dict[str, Any]:
    """What backup and copy jobs tell alike."""
    return {
        "AccountId": job.caller.account,
        "ResourceArn": job.point.resource_arn,
        "ResourceType": job.point.resource_type,
        "CreationDate": job.created,
        "CompletionDate": job.completed,
        "State": job.state,
        "StatusMessage": job.message,
        "BackupSizeInBytes": job.point.size,
        "IamRoleArn": job.role_arn,
        "IsParent": job.point.is_parent,
    }


def find(jobs: Mapping[str, Job], job_id: str) -> Job:
    """A job by its id. Raises ResourceNotFoundException."""
    if job_id not in jobs:
        raise not_found(f"Job {job_id}")
    return jobs[job_id]


def started(job: Job) -> Params:
    """StartBackupJob's answer."""
    return {
        "BackupJobId": job.job_id,
        "RecoveryPointArn": job.point.arn,
        "CreationDate": job.created,
        "IsParent": job.point.is_parent,
    }


def started_copy(job: Job) -> Params:
    """StartCopyJob's answer."""
    return {"CopyJobId": job.job_id, "CreationDate": job.created, "IsParent": job.point.is_parent}
