"""One execution: its record and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.asl.process import Future

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.asl.history import History
    from local.asl.process import Process
    from local.asl.visit import Scope

INCLUDED = {"included": True}
CLOSING_EVENT = {
    "SUCCEEDED": "ExecutionSucceeded",
    "FAILED": "ExecutionFailed",
    "ABORTED": "ExecutionAborted",
    "TIMED_OUT": "ExecutionTimedOut",
}


@dataclass(frozen=True)
class StateMachine:
    """A state machine as the service keeps it; ``role_arn`` is what its calls are authorized against."""

    arn: str
    name: str
    definition: str
    role_arn: str
    created: float


@dataclass
class Execution:
    """Status, input and output (JSON text) and times (seconds since 1970); ``closed`` is set at the end."""

    arn: str
    name: str
    machine: StateMachine
    input: str
    started: float
    history: History
    on_status: Callable[[dict[str, Any]], None]
    status: str = "RUNNING"
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    stopped: float | None = None
    process: Process | None = None

    def __post_init__(self) -> None:
        self.closed = Future()

    def summary(self) -> dict[str, Any]:
        """The shape ListExecutions has."""
        facts = {
            "executionArn": self.arn,
            "stateMachineArn": self.machine.arn,
            "name": self.name,
            "status": self.status,
            "startDate": self.started,
            "stopDate": self.stopped,
        }
        return {key: value for key, value in facts.items() if value is not None} | {"redriveCount": 0}

    def describe(self) -> dict[str, Any]:
        """The shape of DescribeExecution, dates in seconds since 1970."""
        facts = {
            "input": self.input,
            "inputDetails": INCLUDED,
            "output": self.output,
            "outputDetails": INCLUDED if self.output is not None else None,
            "error": self.error,
            "cause": self.cause,
        }
        return self.summary() | {key: value for key, value in facts.items() if value is not None}

    def detail(self) -> dict[str, Any]:
        """The detail of "Step Functions Execution Status Change": dates in milliseconds, nulls kept."""
        known = self.describe()
        return {
            "executionArn": self.arn,
            "stateMachineArn": self.machine.arn,
            "name": self.name,
            "status": self.status,
            "startDate": milliseconds(self.started),
            "stopDate": None if self.stopped is None else milliseconds(self.stopped),
            **{key: known.get(key) for key in ("input", "output", "error", "cause")},
            "inputDetails": INCLUDED,
            "outputDetails": known.get("outputDetails"),
        }

    def close(self, status: str, now: float, previous: int, **facts: str | None) -> None:
        """End it, once: the last event, the status event, and whoever waits for it."""
        if self.status != "RUNNING":
            return
        self.status, self.stopped = status, now
        self.output, self.error, self.cause = facts.get("output"), facts.get("error"), facts.get("cause")
        self.history.add(CLOSING_EVENT[status], previous, last=True, **facts)
        self.on_status(self.detail())
        self.closed.set(self)

    def abort_event(self, scope: Scope, kind: str, **details: Any) -> None:
        """Write that something was cut short, if the history has room for it."""
        if self.history.has_room():
            scope.previous = self.history.add(kind, scope.previous, **details)


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
