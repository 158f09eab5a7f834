"""The tables of the language: which fields a state has, what each may hold, and what is refused by name.

Only what the interpreter runs is accepted. Source: the Amazon States Language specification and the Step Functions
developer guide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from local.asl.jsonata import is_expression

MAX_SECONDS = 99_999_999
MAX_DELAY_SECONDS = 31_622_400
NAME_LENGTH = 80
LAMBDA_INVOKE = "arn:aws:states:::lambda:invoke"
START_SYNC = "arn:aws:states:::states:startExecution.sync:2"
START = "arn:aws:states:::states:startExecution"

ARGUMENTS = {
    LAMBDA_INVOKE: ({"FunctionName", "Payload"}, "FunctionName"),
    START_SYNC: ({"StateMachineArn", "Name", "Input"}, "StateMachineArn"),
    START: ({"StateMachineArn", "Name", "Input"}, "StateMachineArn"),
}
"""The integrations there are: the arguments each takes, and the one it needs."""

Check: TypeAlias = Callable[[Any], str | None]


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and not is_expression(value) else "must be plain text"


def anything(_: Any) -> str | None:
    return None


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be text or an expression"


def _query(value: Any) -> str | None:
    return None if is_expression(value) or isinstance(value, bool) else "must be an expression, {% … %}"


def _end(value: Any) -> str | None:
    return None if value is True else "must be true"


def _dict(value: Any) -> str | None:
    return None if isinstance(value, dict) else "must be an object"


def _list(value: Any) -> str | None:
    return None if isinstance(value, list) and value else "must be a list that is not empty"


def _items(value: Any) -> str | None:
    return None if isinstance(value, list) or is_expression(value) else "must be a list or an expression"


def _integer(low: int, high: int, *, expression: bool = False) -> Check:
    def check(value: Any) -> str | None:
        if expression and is_expression(value):
            return None
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"must be a whole number from {low} to {high}" + (" or an expression" if expression else "")

    return check


def _backoff(value: Any) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if number and value >= 1 else "must be a number of at least 1.0"


def _jitter(value: Any) -> str | None:
    return None if value in ("FULL", "NONE") else "must be FULL or NONE"


def _jsonata(value: Any) -> str | None:
    return None if value == "JSONata" else "must be JSONata: JSONPath is not supported"


COMMON: dict[str, Check] = {"Type": _text, "Comment": _text, "QueryLanguage": _jsonata}
FLOW: dict[str, Check] = {"Next": _text, "End": _end, "Output": anything, "Assign": _dict}
ERRORS: dict[str, Check] = {"Retry": _list, "Catch": _list}
STATES: dict[str, dict[str, Check]] = {
    "Task": FLOW
    | ERRORS
    | {"Resource": _text, "Arguments": _dict, "TimeoutSeconds": _integer(1, MAX_SECONDS, expression=True)},
    "Pass": FLOW,
    "Choice": {"Choices": _list, "Default": _text, "Output": anything, "Assign": _dict},
    "Wait": FLOW | {"Seconds": _integer(0, MAX_SECONDS, expression=True), "Timestamp": _string},
    "Succeed": {"Output": anything},
    "Fail": {"Error": _string, "Cause": _string},
    "Map": FLOW
    | ERRORS
    | {
        "Items": _items,
        "ItemSelector": anything,
        "ItemProcessor": _dict,
        "MaxConcurrency": _integer(0, MAX_SECONDS, expression=True),
    },
    "Parallel": FLOW | ERRORS | {"Arguments": anything, "Branches": _list},
}
MACHINE: dict[str, Check] = {
    "Comment": _text,
    "QueryLanguage": _jsonata,
    "StartAt": _text,
    "States": _dict,
    "TimeoutSeconds": _integer(1, MAX_SECONDS),
    "Version": _text,
}
PROCESSOR: dict[str, Check] = {"StartAt": _text, "States": _dict, "ProcessorConfig": _dict, "Comment": _text}
BRANCH: dict[str, Check] = {"StartAt": _text, "States": _dict, "Comment": _text}
RULE: dict[str, Check] = {
    "Condition": _query,
    "Next": _text,
    "Output": anything,
    "Assign": _dict,
    "Comment": _text,
}
RETRIER: dict[str, Check] = {
    "ErrorEquals": _list,
    "IntervalSeconds": _integer(1, MAX_SECONDS),
    "MaxAttempts": _integer(0, MAX_SECONDS),
    "BackoffRate": _backoff,
    "MaxDelaySeconds": _integer(1, MAX_DELAY_SECONDS),
    "JitterStrategy": _jitter,
    "Comment": _text,
}
CATCHER: dict[str, Check] = {
    "ErrorEquals": _list,
    "Next": _text,
    "Output": anything,
    "Assign": _dict,
    "Comment": _text,
}
REQUIRED = {
    "Task": ("Resource", "Arguments"),
    "Choice": ("Choices",),
    "Map": ("ItemProcessor",),
    "Parallel": ("Branches",),
}
JSONPATH = {
    "InputPath": "Arguments or Output",
    "Parameters": "Arguments",
    "Result": "Output",
    "ResultSelector": "Output",
    "ResultPath": "Output",
    "OutputPath": "Output",
    "ItemsPath": "Items",
    "Iterator": "ItemProcessor",
    "Variable": "Condition",
    "SecondsPath": "Seconds",
    "TimestampPath": "Timestamp",
    "TimeoutSecondsPath": "TimeoutSeconds",
    "MaxConcurrencyPath": "MaxConcurrency",
    "ErrorPath": "Error",
    "CausePath": "Cause",
}
DISTRIBUTED = ("ItemReader", "ItemBatcher", "ResultWriter", "Label")
UNSUPPORTED = {
    "HeartbeatSeconds": "use TimeoutSeconds; no task here sends heartbeats",
    "Credentials": "let the state machine's own role call",
    **dict.fromkeys(DISTRIBUTED, "it belongs to a Distributed Map; use an INLINE one"),
    "ToleratedFailureCount": "it belongs to a Distributed Map; let each iteration catch its own errors",
    "ToleratedFailurePercentage": "it belongs to a Distributed Map; let each iteration catch its own errors",
}
