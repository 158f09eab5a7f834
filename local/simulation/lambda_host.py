"""Runs the real handlers in this process, each call in its function's environment and on the virtual clock."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import traceback
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.logging import logger as powertools_logger

from local.asl.tasks import LambdaResult
from local.simulation.sdk import Call, ServiceError, stream, unsupported
from local.simulation.timeline import OutOfTime, SimulationClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local.aws.context import Ids
    from local.simulation.delivery import Deliveries

RETRY_SECONDS = (60.0, 120.0)
"""Waits before the second and third asynchronous attempt (Lambda developer guide, invocation-async)."""

MAX_ANSWER = 6 * 1024 * 1024


class Killed(BaseException):
    """Ends a handler at a chosen point as the loss of its sandbox does: no handler can catch it."""


@dataclass
class Function:
    """A function of the stack; `handler` is `module.attribute`, `timeout` is in seconds."""

    name: str
    arn: str
    handler: str
    role_arn: str
    timeout: int
    memory: int
    environment: Mapping[str, str]
    retries: int = 2
    on_failure: str | None = None
    permissions: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Context:
    """What Lambda hands to a handler beside the event."""

    function: Function
    clock: SimulationClock
    deadline: float
    aws_request_id: str
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None

    @property
    def function_name(self) -> str:
        """The function's name."""
        return self.function.name

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN."""
        return self.function.arn

    @property
    def memory_limit_in_mb(self) -> int:
        """The function's memory."""
        return self.function.memory

    @property
    def log_group_name(self) -> str:
        """Where a deployed function would log."""
        return f"/aws/lambda/{self.function.name}"

    @property
    def log_stream_name(self) -> str:
        """Where a deployed function would log."""
        return self.aws_request_id

    def get_remaining_time_in_millis(self) -> int:
        """Until the function times out."""
        return max(int((self.deadline - self.clock.now()) * 1000), 0)


class _Lines:
    """Stands for stdout."""

    def __init__(self) -> None:
        self.text: list[str] = []

    def write(self, text: str) -> int:
        self.text.append(text)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


_STDOUT = _Lines()


class LambdaHost:
    """Invokes functions by ARN, at once or queued. `dead_letter(queue_arn, role_arn, body)` takes what failed."""

    def __init__(
        self,
        clock: SimulationClock,
        credentials: Mapping[str, str],
        deliveries: Deliveries,
        ids: Ids,
        dead_letter: Callable[[str, str, str], None],
    ) -> None:
        self.functions: dict[str, Function] = {}
        self.running: list[Function] = []
        """Functions whose handlers run now, the innermost last."""
        self.invocations: list[tuple[str, Any]] = []
        """Handler and payload of every invocation, in order."""
        self.throttles: dict[str, int] = {}
        """How many of the next invocations of a handler Lambda refuses with TooManyRequestsException."""
        self.stand_ins: dict[str, Callable[[Any], Any]] = {}
        """What runs in place of a handler, by its module: for what the real one never answers or raises."""
        self._clock = clock
        self._credentials = credentials
        self._deliveries = deliveries
        self._ids = ids
        self._dead_letter = dead_letter
        _STDOUT.text.clear()

    def add(self, function: Function) -> None:
        """Make a function known."""
        self.functions[function.arn] = function

    def named(self, handler: str) -> Function:
        """The function whose handler module has this name."""
        return next(f for f in self.functions.values() if f.handler.partition(".")[0] == handler)

    @property
    def output(self) -> str:
        """What the handlers have written to stdout: log lines and metrics."""
        return "".join(_STDOUT.text)

    def invoke(self, function_arn: str, payload: Any) -> LambdaResult:
        """Run a handler now. Its `time.sleep` raises the clock's skew. Raises ServiceError."""
        function = self._function(function_arn)
        module = function.handler.partition(".")[0]
        if self.throttles.get(module, 0) > 0:
            self.throttles[module] -= 1
            raise ServiceError("TooManyRequestsException", "Rate Exceeded.", 429)
        self.invocations.append((module, payload))
        request_id = self._ids.uuid()
        with self._running(function):
            context = Context(function, self._clock, self._clock.deadlines[-1], request_id)
            try:
                event = json.loads(json.dumps(payload))
                stand_in = self.stand_ins.get(module)
                work = (lambda given, _: stand_in(given)) if stand_in else _load(function.handler)
                with _log_kept(function.environment.get("POWERTOOLS_SERVICE_NAME", "airlift")):
                    answer = json.dumps(work(event, context))
            except OutOfTime:
                text = f"RequestId: {request_id} Error: Task timed out after {function.timeout}.00 seconds"
                return _error("Sandbox.Timedout", text)
            except Killed:
                text = f"RequestId: {request_id} Error: the sandbox was lost"
                return _error("Sandbox.Timedout", text)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is its answer
                trace = traceback.format_tb(error.__traceback__)
                return _error(type(error).__name__, str(error), requestId=request_id, stackTrace=trace)
        if len(answer) > MAX_ANSWER:
            return _error("Function.ResponseSizeTooLarge", "Response payload size exceeded")
        return LambdaResult(json.loads(answer))

    def invoke_later(self, function_arn: str, payload: Any) -> None:
        """Queue an asynchronous invocation, with Lambda's own retries and the function's failure destination."""
        function = self._function(function_arn)
        for delay in self._deliveries.delays("invocation", payload):
            self._attempt(function, payload, delay, 0)

    def facade(self, call: Call) -> Mapping[str, Any]:
        """Answers lambda:Invoke for the SDK."""
        if call.operation != "Invoke":
            raise unsupported(call)
        raw = call.params.get("Payload", b"{}")
        payload = json.loads(raw.read() if hasattr(raw, "read") else raw)
        name = call.params["FunctionName"]
        arn = name if name.startswith("arn:") else f"arn:aws:lambda:{call.region}:{call.account}:function:{name}"
        if call.params.get("InvocationType") == "Event":
            self.invoke_later(arn, payload)
            return {"StatusCode": 202, "Payload": stream(b"")}
        result = self.invoke(arn, payload)
        failed = {"FunctionError": result.function_error} if result.function_error else {}
        body = json.dumps(result.payload).encode()
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": stream(body), **failed}

    def _function(self, arn: str) -> Function:
        if arn not in self.functions:
            raise ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)
        return self.functions[arn]

    @contextmanager
    def _running(self, function: Function) -> Iterator[None]:
        region = function.arn.split(":")[3]
        environment = {
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ.get("HOME", ""),
            **self._credentials,
            **function.environment,
        }
        self.running.append(function)
        self._clock.deadlines.append(self._clock.now() + function.timeout)
        self._clock.follow()
        try:
            with patch.dict(os.environ, environment, clear=True), redirect_stdout(_STDOUT):
                yield
        finally:
            self._clock.deadlines.pop()
            self.running.pop()

    def _attempt(self, function: Function, payload: Any, delay: float, number: int) -> None:
        def done(result: LambdaResult | None, error: BaseException | None) -> None:
            if isinstance(error, ServiceError):  # throttled: Lambda keeps trying for hours
                self._attempt(function, payload, RETRY_SECONDS[0], number)
            elif error is not None:
                raise error
            elif result is not None and result.function_error is not None:
                self._failed(function, payload, number, result)

        self._clock.call_at(
            self._clock.now() + delay,
            lambda: _ignore(self._clock.submit(lambda: self.invoke(function.arn, payload), done)),
        )

    def _failed(self, function: Function, payload: Any, number: int, result: LambdaResult) -> None:
        if number < function.retries:
            self._attempt(function, payload, RETRY_SECONDS[number], number + 1)
        elif function.on_failure:
            body = {
                "version": "1.0",
                "requestContext": {
                    "functionArn": f"{function.arn}:$LATEST",
                    "condition": "RetriesExhausted",
                    "approximateInvokeCount": number + 1,
                },
                "requestPayload": payload,
                "responseContext": {"statusCode": 200, "functionError": result.function_error},
                "responsePayload": result.payload,
            }
            self._dead_letter(function.on_failure, function.role_arn, json.dumps(body))


@contextmanager
def _log_kept(name: str) -> Iterator[None]:
    """Lets the functions' logger write here; it writes to what was stdout when its module was loaded."""
    kept = [one for one in logging.getLogger(name).handlers if isinstance(one, logging.StreamHandler)]
    before = [one.setStream(_STDOUT) for one in kept]
    try:
        yield
    finally:
        for handler, stream in zip(kept, before, strict=True):
            if stream is not None:
                handler.setStream(stream)


def _ignore(_: object) -> None:
    """A queued invocation is never taken back."""


def _load(handler: str) -> Callable[[Any, Context], Any]:
    module, _, attribute = handler.rpartition(".")
    loaded: Callable[[Any, Context], Any] = getattr(importlib.import_module(module), attribute)
    return loaded


def _error(kind: str, message: str, **more: Any) -> LambdaResult:
    return LambdaResult({"errorMessage": message, "errorType": kind, **more}, function_error="Unhandled")


_SAME_EVERYWHERE = ("airlift.pages",)
"""What these modules keep is the bundle's own: templates, which are the same in every account."""


def forget_state() -> None:
    """Clear the caches of the production code, as new execution environments start cold and without any."""
    powertools_logger.is_cold_start = True
    Metrics().clear_metrics()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "airlift" and name not in _SAME_EVERYWHERE:
            for value in list(vars(module).values()):
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()
