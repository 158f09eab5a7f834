"""Restore jobs: refused, failed or completed as AWS does it, and a real resource at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.protect import select
from local.aws.backup.roles import check_role
from local.aws.backup.types import FAMILIES
from local.aws.backup.types.base import RestoreProblem, Target, canonical, missing_keys
from local.aws.context import page
from local.aws.errors import AwsError, invalid_parameter, not_found
from local.aws.model import Params, iso

if TYPE_CHECKING:
    from local.aws.backup.events import Events
    from local.aws.backup.state import Point, State, Vault
    from local.aws.wire import Caller

PENDING_SHARE = 0.1
"""Part of a job's time that it is PENDING."""


@dataclass
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


class Restores:
    """StartRestoreJob and what tells about restore jobs. There is no way to stop one, as on AWS."""

    def __init__(self, state: State, events: Events) -> None:
        self._state = state
        self._events = events

    def start_restore_job(self, caller: Caller, params: Params) -> Params:
        """StartRestoreJob.

        The same IdempotencyToken gives the same job. A token is used up even by a call whose metadata is refused
        (field report); repeating it is then InvalidParameterValueException (inferred).
        """
        jobs, token = self._state.jobs(caller), ("restore", params.get("IdempotencyToken", ""))
        if token[1] and token in jobs.tokens:
            known = jobs.tokens[token]
            if known is None:
                raise invalid_parameter(f"IdempotencyToken {token[1]} was already used.")
            return {"RestoreJobId": known}
        vault, point = self._state.readable_point(caller, params["RecoveryPointArn"])
        if "IamRoleArn" not in params:
            raise AwsError("MissingParameterValueException", "IamRoleArn is required.")
        check_role(self._state.context, caller, params["IamRoleArn"])
        if params.get("ResourceType", point.resource_type) != point.resource_type:
            raise invalid_parameter(f"{point.arn} is of type {point.resource_type}.")
        if point.status != "COMPLETED":
            raise invalid_parameter(f"{point.arn} is {point.status}.")
        missing = missing_keys(FAMILIES[point.resource_type], params["Metadata"])
        if missing:
            jobs.tokens[token] = None
            raise invalid_parameter(f"Invalid restore metadata. Missing: {', '.join(missing)}")
        context = self._state.context
        job = RestoreJob(
            job_id=context.ids.uuid().upper(),
            caller=caller,
            vault=vault,
            point=point,
            metadata=dict(params["Metadata"]),
            role_arn=params["IamRoleArn"],
            copy_tags=params.get("CopySourceTagsToRestoredResource"),
            created=self._state.now(),
            seconds=context.settings.restore_seconds(point.resource_type, point.size),
        )
        jobs.restore[job.job_id] = job
        jobs.tokens[token] = job.job_id
        created = {"restoreJobId": job.job_id, "creationDate": iso(job.created), "state": "CREATED"}
        self._send(job, created)
        context.after(PENDING_SHARE * job.seconds, lambda: self._begin(job))
        return {"RestoreJobId": job.job_id}

    def _begin(self, job: RestoreJob) -> None:
        """PENDING is over: look at metadata and target, then run or fail."""
        job.status = "RUNNING"
        self._notify(job)

        def checked(metadata: dict[str, str], error: BaseException | None) -> None:
            if error is not None:
                self._fail(job, error)
                return
            left = job.created + job.seconds - self._state.now()
            self._state.context.after(left, lambda: self._finish(job, metadata))

        self._state.context.work(lambda: self._check(job), checked)

    def _check(self, job: RestoreJob) -> dict[str, str]:
        family = FAMILIES[job.point.resource_type]
        if job.copy_tags is not None and not family.allows_tags:
            message = f"CopySourceTagsToRestoredResource is not supported for {family.resource_type}."
            raise RestoreProblem(message)
        metadata = canonical(family, job.metadata)
        family.check(self._target(job), job.point.content, metadata)
        return metadata

    def _finish(self, job: RestoreJob, metadata: dict[str, str]) -> None:
        names = (job.point.resource_arn, job.point.arn, job.point.resource_type)
        fault = self._state.context.faults.take_restore(*names)
        if fault is not None:
            self._end(job, fault.status, fault.message)
            return
        if not self._state.can_still_read(job.vault, job.point):
            # What AWS does with a running job whose vault goes is undocumented; this is the stricter reading.
            self._end(job, "FAILED", f"Access to recovery point {job.point.arn} was lost.")
            return

        def work() -> str:
            family, target = FAMILIES[job.point.resource_type], self._target(job)
            # What was free at the start may be taken by now.
            family.check(target, job.point.content, metadata)
            return family.restore(target, job.point.content, metadata)

        def done(arn: str, error: BaseException | None) -> None:
            if error is not None:
                self._fail(job, error)
                return
            job.created_resource = arn
            self._end(job, "COMPLETED", None)
            job.point.last_restored = job.completed

        self._state.context.work(work, done)

    def _target(self, job: RestoreJob) -> Target:
        source_account = (job.vault.source or job.vault).account
        caller = job.caller
        return Target(
            self._state.context,
            caller.account,
            caller.region,
            source_account,
            bool(job.copy_tags),
            job.created,
        )

    def _fail(self, job: RestoreJob, error: BaseException) -> None:
        """The job ends FAILED for what AWS would say; anything else is a fault of this program."""
        if not isinstance(error, (RestoreProblem, ClientError, AwsError)):
            self._end(job, "FAILED", f"Internal failure: {type(error).__name__}")
            raise error
        self._end(job, "FAILED", str(error))

    def _end(self, job: RestoreJob, status: str, message: str | None) -> None:
        job.status, job.message, job.completed = status, message, self._state.now()
        self._notify(job)

    def describe_restore_job(self, caller: Caller, params: Params) -> Params:
        """DescribeRestoreJob."""
        return self._describe(self._find(caller, params["RestoreJobId"]))

    def get_restore_job_metadata(self, caller: Caller, params: Params) -> Params:
        """GetRestoreJobMetadata: what the job was started with."""
        job = self._find(caller, params["RestoreJobId"])
        return {"RestoreJobId": job.job_id, "Metadata": dict(job.metadata)}

    def list_restore_jobs(self, caller: Caller, params: Params) -> Params:
        """ListRestoreJobs: filters, at most 1,000 a page, newest first (the order is inferred)."""
        found = [self._describe(job) for job in reversed(self._state.jobs(caller).restore.values())]
        filters = {"ByAccountId": "AccountId", "ByResourceType": "ResourceType", "ByStatus": "Status",
                   "ByParentJobId": "ParentJobId"}  # fmt: skip
        chosen = select(found, params, filters)
        items, token = page(chosen, "RestoreJobId", params, 1000, "InvalidParameterValueException")
        return {"RestoreJobs": items, "NextToken": token}

    def _find(self, caller: Caller, job_id: str) -> RestoreJob:
        jobs: dict[str, RestoreJob] = self._state.jobs(caller).restore
        if job_id not in jobs:
            raise not_found(f"Restore job {job_id}")
        return jobs[job_id]

    def _percent(self, job: RestoreJob) -> float:
        if job.status == "RUNNING":
            pending = PENDING_SHARE * job.seconds
            running = self._state.now() - job.created - pending
            return min(99.0, 100 * running / (job.seconds - pending)) if job.seconds else 99.0
        return 100.0 if job.status == "COMPLETED" else 0.0

    def _describe(self, job: RestoreJob) -> dict[str, Any]:
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
            "PercentDone": f"{self._percent(job):.2f}%",
            "BackupSizeInBytes": job.point.size,
            "IamRoleArn": job.role_arn,
            "ExpectedCompletionTimeMinutes": max(1, round(job.seconds / 60)),
            "CreatedResourceArn": job.created_resource,
            "ResourceType": job.point.resource_type,
            "RecoveryPointCreationDate": job.point.created,
        }

    def _notify(self, job: RestoreJob) -> None:
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
        if job.status != "ABORTED":
            # The API has ABORTED, the documented events have not.
            self._send(job, detail)

    def _send(self, job: RestoreJob, detail: dict[str, Any]) -> None:
        self._events.send(job.caller.account, job.caller.region, "Restore Job State Change", [job.point.arn], detail)
