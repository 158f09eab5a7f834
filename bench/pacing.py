"""How fast restore jobs are started, in the simulation.

`PYTHONPATH=functions python -m bench.pacing [number …]`, 1,000 and 10,000 by default. Prints for each number of volumes
how long starting took in the simulation's virtual time, its ratio to the time that the pace alone needs, the pages of
ListRestoreJobs, and the starts that AWS Backup's rate (5 a second) refused. Demanded: at most 1.15, and none refused.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.pacing import STARTS_PER_SECOND
from airlift.values import parse_time

from local.simulation.story import Story
from local.simulation.world import Simulation

if TYPE_CHECKING:
    from local.simulation.sdk import Call


@dataclass(frozen=True)
class Measured:
    """One recovery of `number` volumes."""

    number: int
    outcome: str
    seconds: float
    """From the end of the selection to the last start."""
    jobs_seen: list[int]
    """How many jobs each sweep of ListRestoreJobs gave."""
    pages: int
    throttled: int
    """Calls of StartRestoreJob that were refused as one too many."""

    @property
    def ratio(self) -> float:
        """Of the time that was taken to the time that the pace alone needs."""
        return self.seconds / (self.number / STARTS_PER_SECOND)

    @property
    def pages_needed(self) -> int:
        """A page of 1,000 jobs at a time, and one if there is no job."""
        return sum(max(1, math.ceil(jobs / 1000)) for jobs in self.jobs_seen)


def measure(number: int) -> Measured:
    """Restores so many volumes out of one vault."""
    pages: list[tuple[bool, int]] = []
    throttled = 0

    def watch(call: Call, parsed: dict[str, Any]) -> None:
        nonlocal throttled
        if call.operation == "ListRestoreJobs" and "ByCreatedAfter" in call.params:
            pages.append(("NextToken" in call.params, len(parsed.get("RestoreJobs", []))))
        if call.operation == "StartRestoreJob" and "Throttling" in parsed.get("Error", {}).get("Code", ""):
            throttled += 1

    with Simulation() as sim:
        story = Story(sim)
        story.prepare(("volume",) * number, days=1)
        sim.after_call.append(watch)
        story.send_finding(first_seen=sim.clock.now() - 3600)
        story.run_to_end()
        items = story.items().values()
        (vault,) = story.records("RECOVERY#", "VAULT#")
        seen: list[int] = []
        for further, jobs in pages:
            if further:
                seen[-1] += jobs
            else:
                seen.append(jobs)
        last = max(parse_time(item["startedAt"]) for item in items)
        seconds = (last - parse_time(vault["selectedAt"])).total_seconds()
        return Measured(number, story.recovery()["outcome"], seconds, seen, len(pages), throttled)


def main() -> None:
    """A line for each number."""
    for number in [int(text) for text in sys.argv[1:]] or [1000, 10000]:
        found = measure(number)
        listing = f"{found.pages} pages in {len(found.jobs_seen)} sweeps ({found.pages_needed} needed)"
        pace = f"started in {found.seconds:.1f} s, {found.ratio:.3f} of N / rate"
        print(f"{found.number} volumes: {found.outcome}; {pace}; {listing}; {found.throttled} throttled", flush=True)


if __name__ == "__main__":
    main()
