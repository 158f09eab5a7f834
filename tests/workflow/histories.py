"""What an execution's history says: where it went, what its tasks asked for, and what they were answered."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from local.asl.execution import Execution

Event = dict[str, Any]
MAX_PERIOD = 4
"""The longest loop of states: Wait, Task, Choice, and one to spare."""


@dataclass
class Told:
    """One execution as plain JSON: how it ended, the states it entered, and by state the calls of functions (what was
    sent) and their answers (`output`, or `error` and `cause`)."""

    arn: str
    name: str
    machine: str
    input: Any
    status: str
    output: Any
    error: str | None
    cause: str | None
    states: list[str] = field(default_factory=list)
    calls: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Error names of failed attempts, by state, nested executions included."""


def told(execution: Execution) -> Told:
    """What an execution's history tells."""
    output = None if execution.output is None else json.loads(execution.output)
    made = Told(
        execution.arn,
        execution.name,
        execution.machine.arn,
        json.loads(execution.input),
        execution.status,
        output,
        execution.error,
        execution.cause,
    )
    within: dict[int, str] = {}
    for event in execution.history.events:
        _read(made, event, within)
    return made


def _read(made: Told, event: Event, within: dict[int, str]) -> None:
    """Take one event in; `within` knows the state that each event before it belongs to."""
    entered = event.get("stateEnteredEventDetails", {}).get("name")
    state = within[event["id"]] = entered or within.get(event["previousEventId"], "")
    if entered:
        made.states.append(entered)
    details = event.get(event["type"][0].lower() + event["type"][1:] + "EventDetails", {})
    function = details.get("resourceType") == "lambda"
    if event["type"] == "TaskScheduled" and function:
        made.calls[state].append(json.loads(details["parameters"]))
    elif event["type"] == "TaskSucceeded" and function:
        made.answers[state].append({"output": json.loads(details["output"])["Payload"]})
    elif event["type"] in ("TaskFailed", "TaskTimedOut"):
        made.failures[state].append(details["error"])
        if function:
            made.answers[state].append({"error": details["error"], "cause": details.get("cause", "")})


def outline(events: Iterable[Event]) -> list[str]:
    """The events of a history as lines, one for each visit of a state; lines that come again and again are counted."""
    return list(_folded(list(_visits(events))))


def _visits(events: Iterable[Event]) -> Iterator[str]:
    line: list[str] = []
    for event in events:
        name = event.get("stateEnteredEventDetails", {}).get("name")
        if name:
            yield " ".join(line)
            line = [f"{name}:"]
        line.append(event["type"])
    yield " ".join(line)


def _folded(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        period, times = max(((p, _times(lines, at, p)) for p in range(1, MAX_PERIOD + 1)), key=lambda x: x[0] * x[1])
        if times < 2:
            period, times = 1, 1
        yield from ([f"{times} times:"] if times > 1 else [])
        yield from (f"  {line}" if times > 1 else line for line in lines[at : at + period])
        at += period * times


def _times(lines: list[str], at: int, period: int) -> int:
    """How many times the `period` lines at `at` stand there one after the other."""
    block, times = lines[at : at + period], 1
    while lines[at + period * times : at + period * (times + 1)] == block:
        times += 1
    return times if len(block) == period else 0
