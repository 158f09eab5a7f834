"""ministack's interpreter of the Amazon States Language, run with the answers that functions gave in another run.

Runs in .venv-cloud: standard input has a list of plays, standard output gets what became of each. A play is
`{"machines": {arn: definition}, "start": [arn, …], "executions": {arn: {"machine", "name", "input", "answers"}}}`, with
answers by state, in order. Nothing is mended: ministack's code runs as it is, except that Lambda answers what is in the
play, and that no time passes. A call beyond the answers there are, or of an unknown execution, fails the execution.
"""

from __future__ import annotations

import contextvars
import json
import os
import sys
import time
import types
from collections import defaultdict
from typing import Any

os.environ["SFN_WAIT_SCALE"] = "0"

from ministack.core.responses import request_scope
from ministack.services import stepfunctions as states

HANDLERS = ("pass", "task", "choice", "wait", "parallel", "map")
NOTHING_LEFT = "Conformance.NoAnswerLeft"


class Replay:
    """One play: where its executions went, and what they asked for."""

    def __init__(self, play: dict[str, Any]) -> None:
        self.executions = play["executions"]
        self.states: dict[str, list[str]] = defaultdict(list)
        self.calls: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        self.failures: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def enter(self, context: dict[str, Any]) -> None:
        self.states[context["Execution"]["Id"]].append(context["State"]["Name"])

    def answer(self, execution: str, state: str, function: str, payload: Any) -> Any:
        """What the function answered. Raises its error."""
        self.calls[execution][state].append({"FunctionName": function, "Payload": payload})
        left = self.executions.get(execution, {}).get("answers", {}).get(state)
        if not left:
            raise states._ExecutionError(NOTHING_LEFT, f"{state} of {execution}")
        given = left.pop(0)
        if "error" in given:
            raise states._ExecutionError(given["error"], given["cause"])
        return given["output"]

    def result(self, arn: str) -> dict[str, Any]:
        record = states._executions.get(arn) or {"status": "NOT_STARTED"}
        succeeded = record["status"] == "SUCCEEDED"
        return {
            "status": record["status"],
            "output": json.loads(record["output"]) if succeeded else None,
            "error": record.get("error"),
            "cause": record.get("cause"),
            "states": self.states[arn],
            "calls": self.calls[arn],
            "failures": self.failures[arn],
        }


_NOW: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar("execution and state")
_REPLAY: list[Replay] = []


def _install() -> None:
    """Stand between ministack's interpreter and what is around it."""
    for kind in HANDLERS:
        name = f"_execute_{kind}"
        setattr(states, name, _watched(getattr(states, name)))
    fail_error, input_path, failed = states._fail_state_error, states._apply_input_path, states._add_event

    def fail(state: dict[str, Any], data: Any, context: dict[str, Any]) -> Any:
        _REPLAY[-1].enter(context)
        return fail_error(state, data, context)

    def apply(state: dict[str, Any], data: Any, context: Any = None) -> Any:
        if state.get("Type") == "Succeed":
            _REPLAY[-1].enter(context)
        return input_path(state, data, context)

    def event(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> Any:
        if kind == "TaskFailed":
            arn, state = _NOW.get()
            _REPLAY[-1].failures[arn][state].append((details or {})["taskFailedEventDetails"]["error"])
        return failed(execution, kind, details)

    states._fail_state_error, states._apply_input_path, states._add_event = fail, apply, event
    states._call_lambda = lambda function, payload: _REPLAY[-1].answer(*_NOW.get(), function, payload)
    states.time = types.SimpleNamespace(**{**vars(time), "sleep": lambda _seconds: None})


def _watched(handler: Any) -> Any:
    def handle(state: dict[str, Any], data: Any, *more: Any) -> Any:
        context = more[-1]
        _REPLAY[-1].enter(context)
        token = _NOW.set((context["Execution"]["Id"], context["State"]["Name"]))
        try:
            return handler(state, data, *more)
        finally:
            _NOW.reset(token)

    return handle


def run(play: dict[str, Any]) -> dict[str, Any]:
    """Start what a play starts, one after the other; what became of each of its executions, by ARN."""
    _REPLAY[:] = [Replay(play)]
    for store in (states._executions, states._state_machines):
        store.clear()
    for arn, definition in play["machines"].items():
        role = f"arn:aws:iam::{arn.split(':')[4]}:role/machine"
        with request_scope(arn.split(":")[4], arn.split(":")[3]):
            made = {"name": arn.rpartition(":")[2], "definition": json.dumps(definition), "roleArn": role}
            states._create_state_machine(made)
    for arn in play["start"]:
        one = play["executions"][arn]
        with request_scope(arn.split(":")[4], arn.split(":")[3]):
            asked = {"stateMachineArn": one["machine"], "name": one["name"], "input": json.dumps(one["input"])}
            status, _, body = states._start_sync_execution(asked)
            if status != 200:
                raise RuntimeError(body)
    return {arn: _result_of(arn) for arn in play["executions"]}


def _result_of(arn: str) -> dict[str, Any]:
    with request_scope(arn.split(":")[4], arn.split(":")[3]):
        return _REPLAY[-1].result(arn)


if __name__ == "__main__":
    _install()
    json.dump([run(play) for play in json.load(sys.stdin)], sys.stdout)
