"""What the attempts of a drill's resource made, or may still make: read from its item and AWS Backup's list of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.jobs import UNDER_WAY
from airlift.starting import TURNS_UP_WITHIN, lost_job
from airlift.values import now, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.jobs import Jobs
    from airlift.ledger import Record


@dataclass(frozen=True)
class Made:
    """What one attempt made: `created` is empty if its job names nothing, as where only a bucket was prepared."""

    attempt: int
    candidate: int
    """Index of its recovery point among the item's candidates."""
    metadata: Mapping[str, str]
    job_id: str
    created: str


def why_not_yet(item: Record, jobs: Jobs, made: list[Made]) -> str:
    """Why what this resource's attempts make is not all there yet; empty if nothing more can come.

    `made` is what `made_by` gives for the item. A step that was under way when the drill ended may have gone on for as
    long as its function may run, and restore jobs can't be cancelled.
    """
    if float(item.get("leaseUntil", 0)) > now().timestamp():
        return "its finishing steps may still be under way"
    started = any(each.attempt == item["attempt"] and each.job_id for each in made)
    if item["state"] == "starting" and not started and now() - parse_time(item["intentAt"]) < TURNS_UP_WITHIN:
        return "its start may still turn up as a restore job"
    for job_id in (each.job_id for each in made if each.job_id):
        if job_id in jobs and jobs[job_id]["Status"] in UNDER_WAY:
            return f"restore job {job_id} runs; it can't be cancelled"
        if job_id not in jobs and item["state"] == "running" and job_id == item.get("jobId"):
            return f"restore job {job_id} is not in AWS Backup's list"
    return ""


def made_by(item: Record, jobs: Jobs) -> list[Made]:
    """Every attempt that may have made something, each once."""
    return [
        Made(
            attempt=attempt["attempt"],
            candidate=_index_of(item, attempt),
            metadata=attempt["metadata"],
            job_id=attempt["jobId"],
            created=attempt["createdResourceArn"] or jobs.get(attempt["jobId"], {}).get("CreatedResourceArn", ""),
        )
        for attempt in _attempts(item, jobs)
    ]


def _attempts(item: Record, jobs: Jobs) -> list[Record]:
    """Past attempts and the present one, by number; those that never had metadata called nothing."""
    present = {
        "attempt": item["attempt"],
        "candidate": item["candidate"],
        "jobId": _job_of(item, jobs),
        "metadata": item.get("metadata", {}),
        "createdResourceArn": item.get("createdResourceArn", ""),
    }
    found: dict[int, dict[str, Any]] = {}
    for attempt in [*item["attempts"], present]:
        known = found.setdefault(attempt["attempt"], dict(attempt))
        known.update({key: value for key, value in attempt.items() if value})
    return [attempt for attempt in found.values() if attempt["metadata"]]


def _job_of(item: Record, jobs: Jobs) -> str:
    """The present attempt's job, also one whose start was not recorded any more."""
    if item.get("jobId") or item["state"] != "starting":
        return str(item.get("jobId", ""))
    return lost_job(item, jobs) or ""


def _index_of(item: Record, attempt: Record) -> int:
    """Where its point stands now: one that the operator chose later has moved the others down."""
    points = [candidate["arn"] for candidate in item["candidates"]]
    arn = attempt.get("recoveryPointArn")
    return points.index(arn) if arn in points else int(attempt["candidate"])
