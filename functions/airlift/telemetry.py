"""The metrics that dashboard and alarms read, written into the log once an invocation (embedded metric format).

Their only dimension is the service: no recovery, account, vault or resource makes a metric of its own. What is counted
adds up over vaults and recoveries; of what is measured, the largest value counts.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from airlift.endings import ACCESS_OPEN, RECOVERED
from airlift.recovery import is_drill
from airlift.runtime import logger, metrics
from airlift.values import now, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airlift.access import Access
    from airlift.ledger import Record

_OUTCOMES = {
    "validated": "RestoresValidated",
    "restored": "RestoresNotValidated",
    "failed": "RestoresFailed",
    "skipped": "RestoresLeftOut",
}


def count(**numbers: float) -> None:
    """Adds to this invocation's metrics, by name."""
    for name, number in numbers.items():
        metrics.add_metric(name, MetricUnit.Count, number)


def tell_votes(access: Access) -> None:
    """How many votes a request has, and how many it lacks; nothing if its session can't be read."""
    if access.session_readable and access.threshold is not None:
        missing = 0 if access.state == "granted" else max(0, access.threshold - access.approvals)
        votes = {"approvals": access.approvals, "approvals_missing": missing, "rejections": access.rejections}
        logger.info("Votes", extra={"state": access.state, **votes})
        count(Approvals=access.approvals, ApprovalsMissing=missing, Rejections=access.rejections)


def tell_outcomes(items: Iterable[Record]) -> None:
    """Restores that have their outcome now."""
    count(**Counter(_OUTCOMES[item["state"]] for item in items))


def tell_turn(items: Iterable[Record], counts: Mapping[str, int], answer: Mapping[str, object]) -> None:
    """One turn of a vault's loop: its one line in the log, and how it stands. `counts` is of all its resources."""
    began = [parse_time(item["startedAt"]) for item in items if item["state"] == "running"]
    at = now()
    oldest = (at - min(began, default=at)) / timedelta(hours=1)
    logger.info("Turn", extra={"resources": dict(counts), "oldest_job_hours": oldest, "next": dict(answer)})
    metrics.add_metric("OldestRunningJobHours", MetricUnit.NoUnit, oldest)
    count(ResourcesWaiting=counts["waiting"], RestoresRunning=counts["running"], ResourcesHeld=counts["held"])


def tell_end(recovery_id: str, outcome: str, usd: float) -> None:
    """A recovery or drill that is closed now, and what its orchestration has cost, resumes included."""
    kind = "Drills" if is_drill(recovery_id) else "Recoveries"
    well = outcome in (RECOVERED, ACCESS_OPEN)
    count(**{f"{kind}{'Succeeded' if well else 'NotSucceeded'}": 1})
    metrics.add_metric("OrchestrationCost", MetricUnit.NoUnit, usd)
