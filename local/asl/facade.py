"""Step Functions' operations, for clients in the same process: botocore's requests are answered by an engine."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.handlers import BUILTIN_HANDLERS

from local.asl.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest

    from local.asl.engine import Engine

    EngineForAccount = Callable[[str, str], Engine | None]

PAGE = 100
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/states/")
TARGET = "AWSStepFunctions."


class Facade:
    """Answers operations with parameters and results in the names of AWS's service model."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._operations: dict[str, Callable[..., dict[str, Any]]] = {
            "StartExecution": self._start,
            "StopExecution": self._stop,
            "DescribeExecution": self._describe,
            "GetExecutionHistory": self._history,
            "ListExecutions": self._list,
            "DescribeStateMachine": self._machine,
            "ListStateMachines": self._machines,
        }

    def handle(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of an operation; dates in seconds since 1970.

        Raises ApiError with the service's code; an operation or a parameter that isn't there is refused by name.
        """
        if operation not in self._operations:
            raise ApiError("UnknownOperationException", f"{operation} is not supported here")
        method = self._operations[operation]
        try:
            inspect.signature(method).bind(**params)
        except TypeError as error:
            raise ApiError("ValidationException", f"{operation}: {error}") from error
        return method(**params)

    def _start(
        self,
        stateMachineArn: str,  # noqa: N803 - names of the service model, here and below
        name: str | None = None,
        input: str = "{}",  # noqa: A002
    ) -> dict[str, Any]:
        execution = self._engine.start(stateMachineArn, name, input)
        return {"executionArn": execution.arn, "startDate": execution.started}

    def _stop(
        self,
        executionArn: str,  # noqa: N803
        error: str | None = None,
        cause: str | None = None,
    ) -> dict[str, Any]:
        return {"stopDate": self._engine.stop(executionArn, error, cause)}

    def _describe(self, executionArn: str) -> dict[str, Any]:  # noqa: N803
        return self._engine.describe(executionArn)

    def _history(
        self,
        executionArn: str,  # noqa: N803
        maxResults: int = PAGE,  # noqa: N803
        reverseOrder: bool = False,  # noqa: FBT001, FBT002, N803
        nextToken: str | None = None,  # noqa: N803
        includeExecutionData: bool = True,  # noqa: FBT001, FBT002, N803
    ) -> dict[str, Any]:
        if not includeExecutionData:
            raise ApiError("ValidationException", "includeExecutionData=false is not supported here")
        return self._engine.history(executionArn, reverseOrder, maxResults, nextToken)

    def _list(
        self,
        stateMachineArn: str,  # noqa: N803
        statusFilter: str | None = None,  # noqa: N803
        maxResults: int = PAGE,  # noqa: N803
        nextToken: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        found = self._engine.list(stateMachineArn, statusFilter)
        return _page("executions", found, maxResults, nextToken)

    def _machine(self, stateMachineArn: str) -> dict[str, Any]:  # noqa: N803
        machine = self._engine.machine(stateMachineArn)
        return {
            **_summary(machine),
            "status": "ACTIVE",
            "definition": machine.definition,
            "roleArn": machine.role_arn,
        }

    def _machines(self, maxResults: int = PAGE, nextToken: str | None = None) -> dict[str, Any]:  # noqa: N803
        found = [_summary(machine) for machine in self._engine.machines.values()]
        return _page("stateMachines", found, maxResults, nextToken)


def _summary(machine: Any) -> dict[str, Any]:
    return {
        "stateMachineArn": machine.arn,
        "name": machine.name,
        "type": "STANDARD",
        "creationDate": machine.created,
    }


def _page(field: str, found: list[dict[str, Any]], size: int, token: str | None) -> dict[str, Any]:
    if token is not None and not token.isdecimal():
        raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'")
    first = int(token or 0)
    following = first + (size or PAGE)
    page: dict[str, Any] = {field: found[first:following]}
    return page | ({"nextToken": str(following)} if following < len(found) else {})


class _Body:
    """What botocore reads a response from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> list[bytes]:
        return [self._content]


def install_botocore(engine_for_account: EngineForAccount) -> Callable[[], None]:
    """Answer the Step Functions requests of clients that are created from now on; returns the way to undo it.

    ``engine_for_account(access_key_id, region)``, as the request is signed, gives the engine; with None the request
    goes where it would have gone.
    """

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        asked = {name.lower(): _text(value) for name, value in request.headers.items()}
        signed = CREDENTIAL.search(asked.get("authorization", ""))
        engine = engine_for_account(*signed.groups()) if signed else None
        if engine is None:
            return None
        operation = asked["x-amz-target"].removeprefix(TARGET)
        try:
            status, result = 200, Facade(engine).handle(operation, json.loads(_text(request.body)))
        except ApiError as error:
            status, result = 400, {"__type": error.code, "message": error.message}
        content = json.dumps(result).encode()
        headers = HTTPHeaders()
        headers["content-type"] = "application/x-amz-json-1.0"
        headers["content-length"] = str(len(content))
        return AWSResponse(request.url, status, headers, _Body(content))

    hook = ("before-send.sfn", answer)
    BUILTIN_HANDLERS.append(hook)
    return lambda: BUILTIN_HANDLERS.remove(hook) if hook in BUILTIN_HANDLERS else None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
