"""Whole recoveries in the simulation: how fast restores start, and what they cost in transitions, calls and dollars.

`PYTHONPATH=functions python -m bench.recoveries [number[xhours] …]`, for example `1000x6`; hours is 1 unless told.
Volumes are restored out of one vault; the votes take a minute, and the restore jobs end evenly between a tenth of the
hours and all of them. A transition is a state that was entered, an API call one of a handler's SDK calls.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.costing import Usage, usd
from airlift.pacing import STARTS_PER_SECOND
from airlift.values import parse_time

from local.aws import Settings
from local.simulation.story import Story
from local.simulation.world import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.simulation.sdk import Call

HOUR = 3600.0
_MACHINES = ("RecoveryStateMachineArn", "VaultRecoveryStateMachineArn")
_SHARES = 50
"""In so many steps the ends of the restore jobs are spread."""


@dataclass(frozen=True)
class Measured:
    """One recovery of `number` volumes whose last restore job takes `hours`."""

    number: int
    hours: float
    outcome: str
    start_seconds: float
    """From the end of the selection to the last start."""
    jobs_seen: list[int]
    """How many jobs each sweep of ListRestoreJobs gave."""
    pages: int
    throttled: int
    """Calls of StartRestoreJob that were refused as one too many."""
    transitions: int
    events: int
    """Of the longest history."""
    invocations: int
    calls: int
    dollars: float
    """As `airlift.costing` counts: not only transitions and invocations, but the ledger, logs and traces as well."""
    first_start: float
    """Seconds from the approval that opened the vault, the second vote, to the first StartRestoreJob."""
    validated: tuple[float, float]
    """Seconds from a job's end to the resource's validation: median and longest."""

    @property
    def ratio(self) -> float:
        """Of the time that starting took to the time that the pace alone needs."""
        return self.start_seconds / (self.number / STARTS_PER_SECOND)

    @property
    def pages_needed(self) -> int:
        """A page of 1,000 jobs at a time, and one if there is no job."""
        return sum(max(1, math.ceil(jobs / 1000)) for jobs in self.jobs_seen)


class _Watch:
    """Counts the handlers' calls to AWS."""

    def __init__(self, sim: Simulation) -> None:
        self.counts: Counter[str] = Counter()
        self.pages: list[tuple[bool, int]] = []
        self.first_start = math.inf
        self.throttled = 0
        self._sim = sim
        sim.after_call.append(self._see)

    def _see(self, call: Call, parsed: dict[str, Any]) -> None:
        self.counts[call.operation] += 1
        if call.operation == "ListRestoreJobs" and "ByCreatedAfter" in call.params:
            self.pages.append(("NextToken" in call.params, len(parsed.get("RestoreJobs", []))))
        if call.operation == "StartRestoreJob":
            self.first_start = min(self.first_start, self._sim.clock.now())
            self.throttled += "Throttling" in parsed.get("Error", {}).get("Code", "")

    def sweeps(self) -> list[int]:
        seen: list[int] = []
        for further, jobs in self.pages:
            seen[len(seen) - further :] = [seen[-1] + jobs if further else jobs]
        return seen


def transitions_of(histories: Iterable[list[dict[str, Any]]]) -> int:
    """States entered."""
    return sum("stateEnteredEventDetails" in event for events in histories for event in events)


def measure(number: int, hours: float = 1 / 6) -> Measured:
    """Restores so many volumes out of one vault."""
    steps = min(number, _SHARES)
    ends = itertools.cycle(range(steps))

    def seconds(_type: str, _size: int) -> float:
        return hours * HOUR * (0.1 + 0.9 * (next(ends) + 1) / steps)

    with Simulation(settings=Settings(restore_seconds=seconds)) as sim:
        story = Story(sim)
        story.prepare(("volume",) * number, days=1)
        watch, invoked = _Watch(sim), len(sim.lambdas.invocations)
        story.send_finding(first_seen=sim.clock.now() - HOUR)
        story.run_to_end()
        items = story.items().values()
        (vault,) = story.records("RECOVERY#", "VAULT#")
        votes = [parse_time(vote["at"]).timestamp() for vote in story.records("RECOVERY#", "VOTE#")]
        histories = [sim.engine.execution(one["executionArn"]).history.events
                     for machine in _MACHINES for one in story.executions(machine)]  # fmt: skip
        last = max(parse_time(item["startedAt"]) for item in items)
        waits = [(parse_time(i["endedAt"]) - parse_time(i["completedAt"])).total_seconds() for i in items]
        rounds = int(vault.get("roundsBefore", 0)) + int(vault["rounds"])
        return Measured(
            number=number,
            hours=hours,
            outcome=story.recovery()["outcome"],
            start_seconds=(last - parse_time(vault["selectedAt"])).total_seconds(),
            jobs_seen=watch.sweeps(),
            pages=len(watch.pages),
            throttled=watch.throttled,
            transitions=transitions_of(histories),
            events=max(map(len, histories)),
            invocations=len(sim.lambdas.invocations) - invoked,
            calls=watch.counts.total(),
            dollars=usd(Usage(len(story.executions()), 1, rounds, number, watch.counts["StartRestoreJob"], number)),
            first_start=watch.first_start - max(votes),
            validated=(statistics.median(waits), max(waits)),
        )


def main() -> None:
    """A line for each recovery that is named."""
    for text in sys.argv[1:] or ["1000x1", "10000x6"]:
        number, _, hours = text.partition("x")
        found = measure(int(number), float(hours or 1))
        listing = f"{found.pages} pages in {len(found.jobs_seen)} sweeps ({found.pages_needed} needed)"
        pace = f"started in {found.start_seconds:.1f} s, {found.ratio:.3f} of N / rate"
        print(f"{found.number} volumes: {found.outcome}; {pace}; {listing}; {found.throttled} throttled", flush=True)
        print(f"  {found.transitions} transitions, {found.invocations} invocations, {found.calls} calls", flush=True)
        print(f"  {found}"[:60000], flush=True)


if __name__ == "__main__":
    main()
