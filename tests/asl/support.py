"""State machines in few words, an engine on a virtual clock, and functions that are plain callables."""

import json
import random

from local.asl.engine import Engine
from local.asl.tasks import LambdaResult
from local.clock import VirtualClock

LAMBDA = "arn:aws:states:::lambda:invoke"
SYNC = "arn:aws:states:::states:startExecution.sync:2"
START = "arn:aws:states:::states:startExecution"
ACCOUNT, REGION = "444455556666", "ap-northeast-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/machine"
PREFIX = f"arn:aws:states:{REGION}:{ACCOUNT}"


def block(**states):
    """A state machine without its top: the first state given is where it starts."""
    return {"StartAt": next(iter(states)), "States": states}


def machine(**states):
    return {"QueryLanguage": "JSONata", **block(**states)}


def passing(output=None, **fields):
    return {
        "Type": "Pass",
        **({} if output is None else {"Output": output}),
        **({} if "Next" in fields else {"End": True}),
        **fields,
    }


def task(payload=None, function="work", **fields):
    arguments = {"FunctionName": function, "Payload": {} if payload is None else payload}
    ending = {} if "Next" in fields else {"End": True}
    return {"Type": "Task", "Resource": LAMBDA, "Arguments": arguments, "TimeoutSeconds": 60, **ending, **fields}


def nested(name, data=None, resource=SYNC, **fields):
    arguments = {"StateMachineArn": f"{PREFIX}:stateMachine:child", "Input": {} if data is None else data}
    arguments |= {"Name": name} if name else {}
    ending = {} if "Next" in fields else {"End": True}
    return {"Type": "Task", "Resource": resource, "Arguments": arguments, **ending, **fields}


def seeded(seed):
    return random.Random(seed)  # noqa: S311 - repeatable, not secret


class Functions:
    """The integrations: each function is a callable of its payload; ``denied`` holds refused actions."""

    def __init__(self, **functions):
        self.functions = functions
        self.calls = []
        self.denied = set()
        self.asked = []

    def invoke_lambda(self, function_arn, payload):
        name = function_arn.rsplit(":", 1)[1]
        self.calls.append((name, payload))
        try:
            return LambdaResult(self.functions[name](payload))
        except LookupError:
            raise
        except ValueError as error:
            document = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []}
            return LambdaResult(document, "Unhandled")

    def authorize(self, role_arn, action, resource):
        self.asked.append((role_arn, action, resource))
        return action not in self.denied


class Place:
    """An engine with what is around it; ``run`` runs one machine to its end and gives the execution."""

    def __init__(self, seed=0, clock=None, **functions):
        self.clock = clock or VirtualClock()
        self.functions = Functions(**functions)
        self.statuses = []
        self.engine = Engine(
            self.clock,
            self.functions,
            account=ACCOUNT,
            region=REGION,
            rng=seeded(seed),
            on_status=self.statuses.append,
        )

    def create(self, definition, name="machine"):
        return self.engine.create(name, definition, ROLE)

    def start(self, definition, data=None, name="run"):
        return self.engine.start(self.create(definition), name, json.dumps(data))

    def run(self, definition, data=None):
        execution = self.start(definition, data)
        self.clock.run()
        return execution


def result(execution):
    """What an execution ended with: its output, or (status, error)."""
    if execution.status == "SUCCEEDED":
        return json.loads(execution.output)
    return execution.status, execution.error


def types(execution):
    return [event["type"] for event in execution.history.events]
