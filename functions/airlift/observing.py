"""What has become of started jobs: one look at ListRestoreJobs, then item by item."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airlift.aws import client
from airlift.failures import Cause
from airlift.items import attempted, change, failed, hold, release, released, told
from airlift.jobs import jobs_since
from airlift.ledger import PER_WRITE, Conflict, Record, Update, item_key
from airlift.pacing import STARTS_PER_SECOND
from airlift.runtime import logger, setting
from airlift.values import now, safe_text, stamp

if TYPE_CHECKING:
    from airlift.jobs import Jobs
    from airlift.vaults import VaultWork

_SENT_AGAIN_AFTER = 60
"""Seconds without an answer of settle_restore before it is sent again; its own lease may make it longer."""
_ANSWERS_WITHIN = 10
"""Seconds, as a rule."""
_SENDS = 5
_AT_ONCE = int(STARTS_PER_SECOND * _SENT_AGAIN_AFTER)
"""Sent and not answered at one time: as many as end, if they end as fast as they start, before one is sent again."""
_PERCENT_STEP = 10
_NO_ANSWER = Cause(
    "environment",
    "not settled",
    "look at settle_restore's log and the dead letters queue; then `airlift continue {recovery}`.",
)


def restore_jobs(work: VaultWork, items: list[Record]) -> Jobs:
    """The account's restore jobs; none are asked for if nothing is under way or about to be."""
    asked = any(item["state"] in ("waiting", "starting", "running") for item in items)
    return jobs_since(work.recovery) if asked else {}


def observe(work: VaultWork, items: list[Record], jobs: Jobs) -> list[Record]:
    """Moves each open item on by what is true now; what settle_restore moved on meanwhile waits for the next look.

    Gives the items that are to be sent to settle_restore (`settle`).
    """
    due: list[Record] = []
    further: list[tuple[Record, int]] = []
    room = _AT_ONCE - sum(_unanswered(item) for item in items)
    for item in items:
        if not work.seconds_left():
            break
        try:
            if item["state"] == "running":
                percent = _running(work, item, jobs)
                if percent is not None and percent >= item.get("percentDone", 0) + _PERCENT_STEP:
                    further.append((item, percent))
            elif item["state"] == "held" and released(work, item):
                release(work, item)
            if item["state"] == "settling" and room > 0 and _due(item) <= now().timestamp():
                room -= 1
                due.append(item)
        except Conflict:
            logger.info("Moved on meanwhile; looked at again next time", extra={"resource": item["resourceArn"]})
    _note_progress(work, further)
    return due


def _unanswered(item: Record) -> bool:
    sent = item["state"] == "settling" and item.get("settleSends", 0) > 0 and "dueAt" not in item
    return sent and _due(item) > now().timestamp()


def _running(work: VaultWork, item: Record, jobs: Jobs) -> int | None:
    """Moves the item on if its job has ended; else gives how much of it is done, in percent, if that is known."""
    job = jobs.get(item["jobId"])
    if job is None:
        return None  # the list is eventually consistent
    if job["Status"] in ("FAILED", "ABORTED"):
        item["createdResourceArn"] = job.get("CreatedResourceArn", "")  # a failed job may have left something
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
    else:
        return int(float((job.get("PercentDone") or "0").rstrip("%")))  # text, such as "12.50%"
    return None


def settle_look_in(item: Record, *, awaited: bool) -> float:
    """Seconds until a resource that settle_restore sees to is looked at again.

    When its next step is due; what was sent, soon if something waits for the answer (`awaited`), as the next wave does.
    """
    due = _due(item) - now().timestamp()
    if due <= 0 or (awaited and _unanswered(item)):
        return _ANSWERS_WITHIN
    return due if "dueAt" in item else float("inf")


def _note_progress(work: VaultWork, items: list[tuple[Record, int]]) -> None:
    """Many at a time: of thousands that run, some have always come a step further."""
    for first in range(0, len(items), PER_WRITE):
        batch = items[first : first + PER_WRITE]
        updates = [
            Update(
                item_key(work.recovery_id, work.vault_arn, item["resourceArn"]),
                {"percentDone": percent},
                only_if={"state": item["state"], "attempt": item["attempt"]},
            )
            for item, percent in batch
        ]
        work.ledger.write(*updates, holder=work.holder)
        for item, percent in batch:
            item["percentDone"] = percent


def settle(work: VaultWork, item: Record) -> None:
    """Sends the item to settle_restore: asynchronously, since its answer is what the ledger says."""
    moment = now().timestamp()
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


def _due(item: Record) -> float:
    """When the item is sent (again): at once, when its step asked for it, or when its answer has not come in time."""
    if "dueAt" in item:
        return float(item["dueAt"])
    sends = item.get("settleSends", 0)
    waited_for = item["settleSentAt"] + _SENT_AGAIN_AFTER * 2 ** (sends - 1) if sends else 0
    return float(max(item.get("leaseUntil", 0), waited_for))
