"""The integrations of a Task state: Lambda functions and other state machines."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from local.asl.errors import TASK_FAILED, ApiError, StateError, TaskError
from local.asl.execution import Execution, milliseconds
from local.asl.fields import LAMBDA_INVOKE, START, START_SYNC
from local.asl.history import NOT_TRUNCATED, dumps
from local.asl.process import Steps, blocking

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.asl.engine import Engine
    from local.asl.visit import Scope

MANAGED_RULE = "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
MANAGED_RULE_ACTIONS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")


@dataclass(frozen=True)
class LambdaResult:
    """What Lambda's Invoke answers: the payload, and as ``function_error`` the text of X-Amz-Function-Error.

    With ``function_error`` the payload is Lambda's error document: errorType, errorMessage, stackTrace.
    """

    payload: Any = None
    function_error: str | None = None
    executed_version: str = "$LATEST"


class Integrations(Protocol):
    """What the embedding supplies; called where the clock runs work that blocks."""

    def invoke_lambda(self, function_arn: str, payload: Any) -> LambdaResult:
        """Invoke and wait. Raises TaskError if Lambda itself refuses (``Lambda.TooManyRequestsException``)."""
        ...

    def authorize(self, role_arn: str, action: str, resource: str) -> bool:
        """Whether the state machine's role may do this."""
        ...


class Call:
    """One call of a Task state, and its events."""

    def __init__(
        self, engine: Engine, execution: Execution, scope: Scope, resource: str, arguments: dict[str, Any]
    ) -> None:
        self.engine = engine
        self.execution = execution
        self.arguments = arguments
        self.region, self.account = execution.machine.arn.split(":")[3:5]
        self._scope = scope
        self._resource = resource
        service, action = resource.removeprefix("arn:aws:states:::").split(":", 1)
        self._facts = {"resourceType": service, "resource": action}

    def run(self) -> Steps:
        """Make the call; returns its result, raises TaskError."""
        return INTEGRATIONS[self._resource](self)

    def scheduled(self, parameters: str, timeout: int | None) -> None:
        self._event("TaskScheduled", region=self.region, parameters=parameters, timeoutInSeconds=timeout)
        self._event("TaskStarted")

    def submitted(self, output: dict[str, Any]) -> None:
        self._event("TaskSubmitted", output=dumps(output), outputDetails=NOT_TRUNCATED)

    def succeeded(self, output: str) -> None:
        self._event("TaskSucceeded", output=output, outputDetails=NOT_TRUNCATED)

    def failed(self, failure: StateError, *, timed_out: bool) -> None:
        kind = "TaskTimedOut" if timed_out else "TaskFailed"
        self._event(kind, error=failure.error, cause=failure.cause or None)

    def _event(self, kind: str, **details: Any) -> None:
        facts: dict[str, Any] = self._facts | details
        self._scope.previous = self.execution.history.add(kind, self._scope.previous, **facts)

    def text(self, name: str, default: str | None = None) -> str:
        """An argument that must be text. Raises States.Runtime otherwise."""
        value = self.arguments.get(name, default)
        if not isinstance(value, str):
            raise StateError("States.Runtime", f"The Parameter '{name}' must be a string, not {dumps(value)}.")
        return value

    def require(self, action: str, resource: str, error: str) -> None:
        """Raise the error AWS gives if the role may not do this."""
        role = self.execution.machine.role_arn
        if not self.engine.integrations.authorize(role, action, resource):
            caller = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
            text = f"User: {caller} is not authorized to perform: {action} on resource: {resource}"
            reason = f"no identity-based policy allows the {action} action"
            raise TaskError(error, f"{text} because {reason} (Status Code: 403; Error Code: AccessDeniedException)")


def _invoke_lambda(call: Call) -> Steps:
    name = call.text("FunctionName")
    arn = name if name.startswith("arn:") else f"arn:aws:lambda:{call.region}:{call.account}:function:{name}"
    payload = json.loads(dumps(call.arguments.get("Payload", {})))  # the function gets a copy of its own

    def work() -> LambdaResult:
        call.require("lambda:InvokeFunction", arn, "Lambda.AWSLambdaException")
        return call.engine.integrations.invoke_lambda(arn, payload)

    result: LambdaResult = yield from blocking(call.engine.clock, work)
    if result.function_error:
        document = result.payload if isinstance(result.payload, dict) else {}
        raise TaskError(document.get("errorType", "Lambda.Unknown"), dumps(result.payload))
    return {"ExecutedVersion": result.executed_version, "Payload": result.payload, "StatusCode": 200}


def _start(call: Call, *, wait: bool) -> Steps:
    """Start a child. Its input gets nothing added; what it may need of the parent the definition must pass."""
    machine = call.text("StateMachineArn")
    name = call.text("Name", str(uuid.UUID(int=call.engine.rng.getrandbits(128), version=4)))
    data = call.arguments.get("Input", {})
    child = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
    needed = [("states:StartExecution", machine)]
    if wait:
        rule = f"arn:aws:events:{call.region}:{call.account}:{MANAGED_RULE}"
        needed += [("states:DescribeExecution", child), ("states:StopExecution", child)]
        needed += [(action, rule) for action in MANAGED_RULE_ACTIONS]

    started: list[str] = []
    given_up: list[bool] = []

    def work() -> str:
        for action, resource in needed:
            call.require(action, resource, "StepFunctions.AccessDeniedException")
        started.append(call.engine.start_child(machine, name, data if isinstance(data, str) else dumps(data)))
        if given_up:
            call.engine.abandon(started[0])
        return started[0]

    try:
        return (yield from blocking(call.engine.clock, work))
    except GeneratorExit:
        if wait:  # the start may be under way in another thread, or done and not yet noticed
            given_up.append(True)
            for arn in started:
                call.engine.abandon(arn)
        raise
    except ApiError as error:
        code = error.code if error.code.endswith("Exception") else f"{error.code}Exception"
        raise TaskError(f"StepFunctions.{code}", error.message) from error


def _start_execution(call: Call) -> Steps:
    arn = yield from _start(call, wait=False)
    return {"ExecutionArn": arn, "StartDate": milliseconds(call.engine.clock.now())}


def _start_and_wait(call: Call) -> Steps:
    arn = yield from _start(call, wait=True)
    call.submitted({"ExecutionArn": arn, "StartDate": milliseconds(call.engine.clock.now())})
    try:
        child: Execution = yield call.engine.closing(arn)
    except GeneratorExit:
        call.engine.abandon(arn)
        raise
    facts = {
        "ExecutionArn": child.arn,
        "Input": child.input,
        "InputDetails": {"Included": True},
        "Name": child.name,
        "RedriveCount": 0,
        "StartDate": milliseconds(child.started),
        "StateMachineArn": child.machine.arn,
        "Status": child.status,
        "StopDate": milliseconds(child.stopped or child.started),
    }
    if child.status == "SUCCEEDED":
        output = {"Output": json.loads(child.output or "null"), "OutputDetails": {"Included": True}}
        return facts | {"Input": json.loads(child.input)} | output
    why = {"Error": child.error, "Cause": child.cause}
    facts |= {key: value for key, value in why.items() if value is not None}
    raise TaskError(TASK_FAILED, dumps(facts))


INTEGRATIONS: dict[str, Callable[[Call], Steps]] = {
    LAMBDA_INVOKE: _invoke_lambda,
    START: _start_execution,
    START_SYNC: _start_and_wait,
}
