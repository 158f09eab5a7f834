"""Restore jobs as they are kept and told of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.aws.model import iso

if TYPE_CHECKING:
    from local.aws.backup.state import Point, Vault
    from local.aws.wire import Caller

PENDING_SHARE = 0.1
"""Part of a job's time that it is PENDING."""


@dataclass(eq=False)
class RestoreJob:
    """One restore job; times in epoch seconds, `seconds` from start to end."""

    job_id: str
    caller: Caller
    vault: Vault
    point: Point
    metadata: dict[str, str]
    role_arn: str
    copy_tags: bool | None
    created: float
    seconds: float
    status: str = "PENDING"
    message: str | None = None
    completed: float | None = None
    created_resource: str | None = None
    parent: RestoreJob | None = None
    nested: list[RestoreJob] = field(default_factory=list)
    ready: dict[str, str] | None = None
    """The checked metadata of a job whose own time is over."""


def described(job: RestoreJob, now: float) -> dict[str, Any]:
    """A job as DescribeRestoreJob has it."""
    return {
        "AccountId": job.caller.account,
        "RestoreJobId": job.job_id,
        "RecoveryPointArn": job.point.arn,
        "SourceResourceArn": job.point.resource_arn,
        "BackupVaultArn": job.vault.arn,
        "CreationDate": job.created,
        "CompletionDate": job.completed,
        "Status": job.status,
        "StatusMessage": job.message,
        "PercentDone": f"{_percent(job, now):.2f}%",
        "BackupSizeInBytes": job.point.size,
        "IamRoleArn": job.role_arn,
        "ExpectedCompletionTimeMinutes": max(1, round(job.seconds / 60)),
        "CreatedResourceArn": job.created_resource,
        "ResourceType": job.point.resource_type,
        "RecoveryPointCreationDate": job.point.created,
        "IsParent": job.point.is_parent,
        "ParentJobId": job.parent and job.parent.job_id,
    }


def event_detail(job: RestoreJob) -> dict[str, Any]:
    """The detail of a job's event."""
    detail: dict[str, Any] = {
        "restoreJobId": job.job_id,
        "backupSizeInBytes": str(job.point.size),
        "creationDate": iso(job.created),
        "iamRoleArn": job.role_arn,
        "percentDone": 0,
        "resourceType": job.point.resource_type,
        "status": job.status,
        "statusMessage": job.message,
    }
    if job.status == "COMPLETED":
        detail |= {
            "backupVaultArn": job.vault.arn,
            "recoveryPointArn": job.point.arn,
            "sourceResourceArn": job.point.resource_arn,
            "createdResourceArn": job.created_resource,
            "completionDate": job.completed and iso(job.completed),
        }
    return detail


def runs_beside(other: RestoreJob, job: RestoreJob) -> bool:
    """Whether `other` is a job of the same type that hasn't ended."""
    return other.completed is None and other.point.resource_type == job.point.resource_type


def _percent(job: RestoreJob, now: float) -> float:
    if job.status == "RUNNING":
        pending = PENDING_SHARE * job.seconds
        running = now - job.created - pending
        return min(99.0, 100 * running / (job.seconds - pending)) if job.seconds else 99.0
    return 100.0 if job.status == "COMPLETED" else 0.0
