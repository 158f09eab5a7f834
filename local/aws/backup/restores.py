"""Restore jobs: refused, failed or completed as AWS does it, and a real resource at the end."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ParamValidationError

from local.aws.backup import composite
from local.aws.backup.jobs import select
from local.aws.backup.limits import check_limits
from local.aws.backup.restore_jobs import PENDING_SHARE, RestoreJob, described, event_detail, runs_beside
from local.aws.backup.roles import check_role
from local.aws.backup.types import FAMILIES
from local.aws.backup.types.base import RestoreProblem, Target, canonical, missing_keys
from local.aws.backup.types.s3 import restore_time
from local.aws.context import page
from local.aws.errors import AwsError, invalid_parameter, not_found
from local.aws.model import Params, iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.backup.events import Events
    from local.aws.backup.state import Point, State, Vault
    from local.aws.wire import Caller

RESTORED_AS = {"Storage Gateway": "EBS"}
"""A gateway's volume can come back as a volume of EBS; what a restore job of one is then called is inferred."""

MAX_METADATA = 200 * 1024
"""Bytes; stated for EFS (devguide/restoring-efs.html), here for every type."""

REFUSE_UNKNOWN = ("DSQL",)
"""Types whose calls are refused, where other types' jobs fail, for a metadata key that they don't know."""


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
        if params.get("ResourceType", point.resource_type) not in (
            point.resource_type,
            RESTORED_AS.get(point.resource_type),
        ):
            raise invalid_parameter(f"{point.arn} is of type {point.resource_type}.")
        if point.status not in ("COMPLETED", "AVAILABLE", "STOPPED"):
            raise invalid_parameter(f"{point.arn} is {point.status}.")
        if point.parent and not point.member:
            raise invalid_parameter(f"Restore the composite recovery point {point.parent}.")
        if problem := _refusal(point, params["Metadata"]):
            jobs.tokens[token] = None
            raise invalid_parameter(f"Invalid restore metadata. {problem}")
        role, tags = params["IamRoleArn"], params.get("CopySourceTagsToRestoredResource")
        job = self._start(caller, vault, point, dict(params["Metadata"]), role, copy_tags=tags)
        jobs.tokens[token] = job.job_id
        return {"RestoreJobId": job.job_id}

    def _start(
        self,
        caller: Caller,
        vault: Vault,
        point: Point,
        metadata: dict[str, str],
        role_arn: str,
        *,
        copy_tags: bool | None = None,
        parent: RestoreJob | None = None,
    ) -> RestoreJob:
        context = self._state.context
        seconds = context.settings.restore_seconds(point.resource_type, point.size)
        job = RestoreJob(
            context.ids.uuid().upper(), caller, vault, point, metadata, role_arn, copy_tags, self._state.now(), seconds,
            parent=parent,
        )  # fmt: skip
        self._state.jobs(caller).restore[job.job_id] = job
        created = {"restoreJobId": job.job_id, "creationDate": iso(job.created), "state": "CREATED"}
        self._send(job, created)
        context.after(PENDING_SHARE * job.seconds, lambda: self._begin(job))
        return job

    def _begin(self, job: RestoreJob) -> None:
        """PENDING is over: look at metadata and target, then run or fail."""
        job.status = "RUNNING"
        self._notify(job)

        def checked(metadata: dict[str, str], error: BaseException | None) -> None:
            if error is not None:
                self._fail(job, error)
                return
            self._start_nested(job, metadata)
            left = job.created + job.seconds - self._state.now()
            self._state.context.after(left, lambda: self._finish(job, metadata))

        self._state.context.work(lambda: self._check(job), checked)

    def _check(self, job: RestoreJob) -> dict[str, str]:
        family = FAMILIES[job.point.resource_type]
        if job.copy_tags is not None and not family.allows_tags:
            message = f"CopySourceTagsToRestoredResource is not supported for {family.resource_type}."
            raise RestoreProblem(message)
        metadata = canonical(family, job.metadata)
        earlier = takewhile(lambda other: other is not job, self._state.jobs(job.caller).restore.values())
        check_limits(family.resource_type, metadata, (other for other in earlier if runs_beside(other, job)))
        for point, text in self._nested(job, metadata):
            composite.metadata_of(point, text)
        if job.point.continuous:
            earliest, latest = job.point.window(job.created)
            if not earliest <= restore_time(metadata) <= latest:
                span = f"{iso(earliest)} to {iso(latest)}"
                raise RestoreProblem(f"RestoreTime {metadata['RestoreTime']} is not within {span}")
        family.check(self._target(job), job.point.content, metadata)
        return metadata

    def _nested(self, job: RestoreJob, metadata: dict[str, str]) -> list[tuple[Point, str]]:
        if not job.point.is_parent:
            return []
        return composite.to_restore(job.point, self._state.points(job.vault), metadata)

    def _start_nested(self, job: RestoreJob, metadata: dict[str, str]) -> None:
        for point, text in self._nested(job, metadata):
            sent = composite.metadata_of(point, text)
            child = self._start(job.caller, job.vault, point, sent, job.role_arn, parent=job)
            job.nested.append(child)

    def _finish(self, job: RestoreJob, metadata: dict[str, str]) -> None:
        job.ready = metadata
        if any(child.completed is None for child in job.nested):
            return  # the last of them comes back here
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
            return family.restore(target, composite.with_restored(job), metadata)

        def done(arn: str, error: BaseException | None) -> None:
            if error is not None:
                self._fail(job, error)
                return
            job.created_resource = arn
            failed = [child.job_id for child in job.nested if child.status != "COMPLETED"]
            # That the parent job completes nevertheless is the stricter reading.
            self._end(job, "COMPLETED", f"Nested restore jobs failed: {', '.join(failed)}" if failed else None)
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
        if not isinstance(error, (RestoreProblem, ClientError, ParamValidationError, AwsError)):
            self._end(job, "FAILED", f"Internal failure: {type(error).__name__}")
            raise error
        self._end(job, "FAILED", str(error))

    def _end(self, job: RestoreJob, status: str, message: str | None) -> None:
        job.status, job.message, job.completed = status, message, self._state.now()
        self._notify(job)
        parent = job.parent
        if parent is not None and parent.completed is None and parent.ready is not None:
            self._finish(parent, parent.ready)

    def describe_restore_job(self, caller: Caller, params: Params) -> Params:
        """DescribeRestoreJob."""
        return described(self._find(caller, params["RestoreJobId"]), self._state.now())

    def get_restore_job_metadata(self, caller: Caller, params: Params) -> Params:
        """GetRestoreJobMetadata: what the job was started with."""
        job = self._find(caller, params["RestoreJobId"])
        return {"RestoreJobId": job.job_id, "Metadata": dict(job.metadata)}

    def list_restore_jobs(self, caller: Caller, params: Params) -> Params:
        """ListRestoreJobs: filters, at most 1,000 a page, newest first (the order is inferred)."""
        jobs = [{"RestoreJobId": name, "job": job} for name, job in self._state.jobs(caller).restore.items()][::-1]
        filters = {"ByAccountId": "AccountId", "ByResourceType": "ResourceType", "ByStatus": "Status",
                   "ByParentJobId": "ParentJobId"}  # fmt: skip
        now, sent = self._state.now(), {name: value for name, value in params.items() if name.startswith("By")}
        if sent.keys() <= {"ByCreatedAfter"}:  # asked again and again: only the page itself is looked at closely
            since = sent.get("ByCreatedAfter", 0)
            chosen = [one for one in jobs if one["job"].created >= since]
        else:
            told = select([described(one["job"], now) for one in jobs], params, filters)
            names = {one["RestoreJobId"] for one in told}
            chosen = [one for one in jobs if one["RestoreJobId"] in names]
        items, token = page(chosen, "RestoreJobId", params, 1000, "InvalidParameterValueException")
        return {"RestoreJobs": [described(one["job"], now) for one in items], "NextToken": token}

    def _find(self, caller: Caller, job_id: str) -> RestoreJob:
        jobs: dict[str, RestoreJob] = self._state.jobs(caller).restore
        if job_id not in jobs:
            raise not_found(f"Restore job {job_id}")
        return jobs[job_id]

    def _notify(self, job: RestoreJob) -> None:
        if job.status != "ABORTED":
            # The API has ABORTED, the documented events have not.
            self._send(job, event_detail(job))

    def _send(self, job: RestoreJob, detail: dict[str, Any]) -> None:
        self._events.send(job.caller.account, job.caller.region, "Restore Job State Change", [job.point.arn], detail)


def _refusal(point: Point, metadata: Mapping[str, str]) -> str | None:
    """Why the call itself is refused: a key that is missing, and for DSQL one that it doesn't know (field report)."""
    family = FAMILIES[point.resource_type]
    if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > MAX_METADATA:
        return f"It is larger than {MAX_METADATA // 1024} KB."
    missing = missing_keys(family, metadata)
    if point.continuous and "RestoreTime" not in metadata:
        missing.append("RestoreTime")
    if missing:
        return f"Missing: {', '.join(missing)}"
    if family.resource_type in REFUSE_UNKNOWN:
        known = {key.lower() for key in family.keys}
        unknown = sorted(key for key in metadata if key.lower() not in known)
        return f"Unknown: {', '.join(unknown)}" if unknown else None
    return None
