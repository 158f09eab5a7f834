"""State machines in few words, an engine on a virtual clock, and functions that are plain callables."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from local.asl.engine import Engine
from local.asl.tasks import LambdaResult
from local.clock import VirtualClock

if TYPE_CHECKING:
    from local.asl.execution import Execution

Document: TypeAlias = dict[str, Any]
"""An object of JSON: a state machine, a state, a rule, an event's detail."""

Work: TypeAlias = Callable[[Any], object]
"""What a function does with its payload, which is any JSON."""

LAMBDA = "arn:aws:states:::lambda:invoke"
SYNC = "arn:aws:states:::states:startExecution.sync:2"
START = "arn:aws:states:::states:startExecution"
ACCOUNT, REGION = "444455556666", "ap-northeast-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/machine"
PREFIX = f"arn:aws:states:{REGION}:{ACCOUNT}"


def block(**states: Document) -> Document:
    """A state machine without its top: the first state given is where it starts."""
    return {"StartAt": next(iter(states)), "States": states}


def machine(**states: Document) -> Document:
    return {"QueryLanguage": "JSONata", **block(**states)}


def passing(output: object = None, **fields: object) -> Document:
    return {
        "Type": "Pass",
        **({} if output is None else {"Output": output}),
        **({} if "Next" in fields else {"End": True}),
        **fields,
    }


def task(payload: object = None, function: str = "work", **fields: object) -> Document:
    arguments = {"FunctionName": function, "Payload": {} if payload is None else payload}
    ending = {} if "Next" in fields else {"End": True}
    return {"Type": "Task", "Resource": LAMBDA, "Arguments": arguments, "TimeoutSeconds": 60, **ending, **fields}


def nested(name: str | None, data: object = None, resource: str = SYNC, **fields: object) -> Document:
    arguments: Document = {"StateMachineArn": f"{PREFIX}:stateMachine:child", "Input": {} if data is None else data}
    arguments |= {"Name": name} if name else {}
    ending = {} if "Next" in fields else {"End": True}
    return {"Type": "Task", "Resource": resource, "Arguments": arguments, **ending, **fields}


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable, not secret


class Functions:
    """The integrations: each function is a callable of its payload; ``denied`` holds refused actions."""

    def __init__(self, **functions: Work) -> None:
        self.functions = functions
        self.calls: list[tuple[str, object]] = []
        self.denied: set[str] = set()
        self.asked: list[tuple[str, str, str]] = []

    def invoke_lambda(self, function_arn: str, payload: object) -> LambdaResult:
        name = function_arn.rsplit(":", 1)[1]
        self.calls.append((name, payload))
        try:
            return LambdaResult(self.functions[name](payload))
        except LookupError:
            raise
        except ValueError as error:
            document = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []}
            return LambdaResult(document, "Unhandled")

    def authorize(self, role_arn: str, action: str, resource: str) -> bool:
        self.asked.append((role_arn, action, resource))
        return action not in self.denied


class Place:
    """An engine with what is around it; ``run`` runs one machine to its end and gives the execution."""

    def __init__(self, seed: int = 0, clock: VirtualClock | None = None, **functions: Work) -> None:
        self.clock = clock or VirtualClock()
        self.functions = Functions(**functions)
        self.statuses: list[Document] = []
        self.engine = Engine(
            self.clock,
            self.functions,
            account=ACCOUNT,
            region=REGION,
            rng=seeded(seed),
            on_status=self.statuses.append,
        )

    def create(self, definition: Document, name: str = "machine") -> str:
        return self.engine.create(name, definition, ROLE)

    def start(self, definition: Document, data: object = None, name: str = "run") -> Execution:
        return self.engine.start(self.create(definition), name, json.dumps(data))

    def run(self, definition: Document, data: object = None) -> Execution:
        execution = self.start(definition, data)
        self.clock.run()
        return execution


def result(execution: Execution) -> Any:
    """What an execution ended with: its output, or (status, error)."""
    if execution.status == "SUCCEEDED":
        assert execution.output is not None
        return json.loads(execution.output)
    return execution.status, execution.error


def lasted(execution: Execution) -> float:
    """The seconds from an execution's start to its end."""
    assert execution.stopped is not None
    return execution.stopped - execution.started


def types(execution: Execution) -> list[str]:
    return [event["type"] for event in execution.history.events]
