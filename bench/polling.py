"""The common design on the same engine: an execution for each resource that polls its own job (polling.asl.json).

It looks every five minutes, as seldom as Airlift ever does. What it would need besides is left out in its favour: the
pace of StartRestoreJob (its children start at once and are throttled), waves, a ledger, the parent's own transitions.
Children know nothing of each other, so a few with every length of job stand for any number.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airlift.costing import PRICES

from bench.recoveries import HOUR, transitions_of
from local.asl.engine import Engine
from local.asl.tasks import LambdaResult
from local.clock import VirtualClock

_DEFINITION = Path(__file__).with_name("polling.asl.json").read_text(encoding="utf-8")
_ROLE = "arn:aws:iam::444455556666:role/polling"
_SECONDS, _GIGABYTES, _LOG_KILOBYTES = 0.25, 0.5, 3
"""Of one invocation: as little as Airlift's estimate has for one start (`airlift.costing`)."""


@dataclass(frozen=True)
class Polled:
    """A recovery of that many resources."""

    transitions: int
    invocations: int
    events: int
    """Of the longest history."""
    dollars: float


class _Jobs:
    """The three functions: a job is known by the moment at which it ends."""

    def __init__(self, clock: VirtualClock) -> None:
        self.invocations = 0
        self._clock = clock

    def invoke_lambda(self, function_arn: str, payload: Any) -> LambdaResult:
        """Starts by noting the end; describes by comparing it with the clock."""
        self.invocations += 1
        now = self._clock.now()
        if function_arn.endswith(":start"):
            return LambdaResult({"ends": now + payload["seconds"], "status": "PENDING"})
        return LambdaResult({**payload, "status": "COMPLETED" if payload["ends"] <= now else "RUNNING"})

    def authorize(self, _role: str, _action: str, _resource: str) -> bool:
        """Rights are not what is compared."""
        return True


def measure(number: int, hours: float, children: int = 10) -> Polled:
    """What `number` children need, out of `children` that run with jobs of evenly spread lengths."""
    clock = VirtualClock()
    jobs = _Jobs(clock)
    rng = random.Random(0)  # noqa: S311 - repeatable, not secret
    engine = Engine(clock, jobs, account="444455556666", region="ap-northeast-1", rng=rng)
    machine = engine.create("polling", _DEFINITION, _ROLE)
    begun = [
        engine.start(machine, None, f'{{"seconds": {hours * HOUR * (0.1 + 0.9 * (child + 1) / children)}}}')
        for child in range(children)
    ]
    clock.run()
    assert all(one.status == "SUCCEEDED" for one in begun)  # noqa: S101 - a measurement of failures would be none
    histories = [one.history.events for one in begun]
    transitions = round(transitions_of(histories) * number / children)
    invocations = round(jobs.invocations * number / children)
    units = {
        "stateTransitions": transitions,
        "invocations": invocations,
        "gigabyteSeconds": invocations * _SECONDS * _GIGABYTES,
        "logGigabytes": invocations * _LOG_KILOBYTES / 1e6,
        "traces": invocations,
    }
    dollars = sum(PRICES[name].each * quantity for name, quantity in units.items())
    return Polled(transitions, invocations, max(map(len, histories)), dollars)
