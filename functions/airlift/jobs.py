"""AWS Backup's list of restore jobs, read whole: one reading for all that is to be known of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airlift.aws import client
from airlift.runtime import setting
from airlift.values import parse_time

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.ledger import Record

Jobs = Mapping[str, Mapping[str, Any]]
"""ListRestoreJobs' members by job id."""

UNDER_WAY = ("PENDING", "RUNNING")
"""Statuses of jobs that have not ended."""
_EARLIER = timedelta(minutes=5)
"""Clocks differ a little."""
_RECENTLY = timedelta(seconds=60)


def jobs_since(recovery: Record) -> Jobs:
    """All restore jobs of the account since the recovery began, 1,000 a page. Raises botocore's errors."""
    since = parse_time(recovery["createdAt"]) - _EARLIER
    pages = client("backup").get_paginator("list_restore_jobs")
    listed = pages.paginate(ByCreatedAfter=since, PaginationConfig={"PageSize": 1000})
    return {job["RestoreJobId"]: job for page in listed for job in page["RestoreJobs"]}


def is_ours(job: Mapping[str, Any]) -> bool:
    """Whether Airlift has started the job: for this vault, another or another recovery."""
    return bool(job.get("IamRoleArn") == setting("RESTORE_ROLE_ARN"))


def started_by_others(jobs: Jobs, at: datetime) -> float:
    """How many jobs a second people and programs beside Airlift have started in the last minute."""
    recent = at - _RECENTLY
    started = [job for job in jobs.values() if job["CreationDate"] > recent and not is_ours(job)]
    return len(started) / _RECENTLY.total_seconds()
