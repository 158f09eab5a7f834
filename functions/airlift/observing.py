"""What has become of started jobs: one look at ListRestoreJobs, then item by item."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airlift.aws import client
from airlift.failures import Cause
from airlift.items import attempted, change, failed, hold, release, released, told
from airlift.ledger import Conflict, Record
from airlift.runtime import logger, setting
from airlift.values import now, parse_time, safe_text, stamp

if TYPE_CHECKING:
    from airlift.starting import Jobs
    from airlift.vaults import VaultWork

_SENT_AGAIN_AFTER = 60
"""Seconds without an answer of settle_restore before it is sent again; its own lease may make it longer."""
_SENDS = 5
_PERCENT_STEP = 10
_NO_ANSWER = Cause(
    "environment",
    "not settled",
    "look at settle_restore's log and the dead letters queue; then `airlift continue {recovery}`.",
)


def restore_jobs(work: VaultWork, items: list[Record]) -> Jobs:
    """All restore jobs since the recovery began, by id, 1,000 a page; none asked for if no item waits for one."""
    if not any(item["state"] in ("starting", "running") for item in items):
        return {}
    since = parse_time(work.recovery["createdAt"]) - timedelta(minutes=5)
    pages = client("backup").get_paginator("list_restore_jobs")
    listed = pages.paginate(ByCreatedAfter=since, PaginationConfig={"PageSize": 1000})
    return {job["RestoreJobId"]: job for page in listed for job in page["RestoreJobs"]}


def observe(work: VaultWork, items: list[Record], jobs: Jobs) -> None:
    """Moves each open item on by what is true now; what settle_restore moved on meanwhile waits for the next look."""
    for item in items:
        looked = {"running": _running, "settling": _settling, "held": _held}.get(item["state"])
        if looked is None:
            continue
        try:
            looked(work, item, jobs)
        except Conflict:
            logger.info(
                "Moved on meanwhile; looked at again in the next round", extra={"resource": item["resourceArn"]}
            )


def _running(work: VaultWork, item: Record, jobs: Jobs) -> None:
    job = jobs.get(item["jobId"])
    if job is None:
        return  # the list is eventually consistent
    if job["Status"] in ("FAILED", "ABORTED"):
        failed(work, item, job["Status"], job.get("StatusMessage", ""))
    elif job["Status"] == "COMPLETED":
        ended = {
            "state": "settling",
            "percentDone": 100,
            "completedAt": stamp(job.get("CompletionDate") or now()),
            "createdResourceArn": job.get("CreatedResourceArn", ""),
            "statusMessage": safe_text(job.get("StatusMessage", ""), 300) or None,
            "settleSends": 0,
        }
        text = f"job {item['jobId']} completed: {ended['createdResourceArn']}"
        change(work, item, ended, told(work, item, "completed", text))
        _settling(work, item, jobs)
    else:
        percent = int(float((job.get("PercentDone") or "0").rstrip("%")))  # text, such as "12.50%"
        if percent >= item.get("percentDone", 0) + _PERCENT_STEP:
            change(work, item, {"percentDone": percent})


def _settling(work: VaultWork, item: Record, _jobs: Jobs) -> None:
    """Sends the item to settle_restore if it is due: asynchronously, since its answer is what the ledger says."""
    moment = now().timestamp()
    due = max(item.get("leaseUntil", 0), item.get("dueAt", 0), item.get("settleSentAt", 0) + _SENT_AGAIN_AFTER)
    if item.get("dueAt") and not item.get("leaseUntil"):
        due = item["dueAt"]
    if moment < due:
        return
    sends = item.get("settleSends", 0)
    if sends >= _SENDS:
        reason = item.get("doing") or f"settle_restore gave no answer {sends} times"
        hold(work, item, reason, _NO_ANSWER, attempted(item, "COMPLETED", reason, _NO_ANSWER.name))
        return
    change(work, item, {"settleSends": sends + 1, "settleSentAt": moment, "dueAt": None})
    payload: dict[str, Any] = {
        "recoveryId": work.recovery_id,
        "executionArn": work.holder.execution_arn,
        "sourceBackupVaultArn": work.vault_arn,
        "resourceArn": item["resourceArn"],
        "attempt": item["attempt"],
    }
    client("lambda").invoke(
        FunctionName=setting("SETTLE_RESTORE_FUNCTION_ARN"),
        InvocationType="Event",
        Payload=json.dumps(payload).encode(),
    )


def _held(work: VaultWork, item: Record, _jobs: Jobs) -> None:
    if released(work, item):
        release(work, item)
