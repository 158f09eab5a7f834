"""Lambda: ministack's own functions, with the name of an exception kept as AWS keeps it."""

from __future__ import annotations

from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import request_scope
from ministack.services import lambda_svc

from local.asl.errors import TaskError
from local.asl.tasks import LambdaResult

_MARK = "\x1e"
_FAILED = '"error": str(e), "trace": traceback.format_exc()'
_NAMED = '"error": type(e).__name__ + "\\x1e" + str(e), "trace": traceback.format_exc()'


def install() -> None:
    """Let an exception in a handler surface as its class, where ministack says Runtime.HandlerError for all."""
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if _FAILED not in script:
        raise RuntimeError("ministack's Lambda runtime is not the one this was written for")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_FAILED, _NAMED)
    execute = lambda_svc._execute_function_warm

    def named(*arguments: Any, **options: Any) -> dict[str, Any]:
        result: dict[str, Any] = execute(*arguments, **options)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and _MARK in str(body.get("errorMessage")):
            body["errorType"], _, body["errorMessage"] = body["errorMessage"].partition(_MARK)
            body["stackTrace"] = []
        return result

    lambda_svc._execute_function_warm = named


def invoke(function_arn: str, payload: Any) -> LambdaResult:
    """Invoke a function and wait for it. Raises TaskError where Lambda itself refuses."""
    region, account = function_arn.split(":")[3:5]
    with request_scope(account, region):
        function, config, name = lambda_svc._get_func_record_for_ref(function_arn)
        if not function or not config:
            raise TaskError("Lambda.ResourceNotFoundException", f"Function not found: {name}")
        record = lambda_svc._execution_record_for_config(function, config)
        result = lambda_svc._execute_function_with_config_scope(record, payload)
    body = result.get("body")
    if result.get("throttle"):
        raise TaskError("Lambda.TooManyRequestsException", str(body["message"]))
    return LambdaResult(body, "Unhandled" if result.get("error") else None)
