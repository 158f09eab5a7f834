"""Lambda: ministack's own functions, with the name of an exception kept as AWS keeps it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any, Self

from ministack.core import lambda_runtime
from ministack.core.responses import request_scope
from ministack.services import lambda_svc

from local.asl.errors import TaskError
from local.asl.tasks import LambdaResult

_MARK = "\x1e"
_DIED = "Worker process died"
"""What ministack says of a process that ended without an answer."""
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
        elif result.get("error") and isinstance(body, dict) and body.get("errorMessage") == _DIED:
            body["errorType"] = "Runtime.ExitError"  # as AWS names it (lambda/latest/dg/troubleshooting-execution)
        return result

    lambda_svc._execute_function_warm = named
    lambda_runtime.zipfile = _Archives


def kill(function: str) -> bool:
    """Kill each process in which a function with this in its name runs now; whether there was one."""
    with lambda_runtime._lock:
        workers = [worker for pool in lambda_runtime._workers.values() for worker in pool]
    running = [one._proc for one in workers if one.in_use and one._proc and function in one.func_name]
    for process in running:
        process.kill()
    return bool(running)


class _Archive:
    """A zip of code or of a layer; the same content is unpacked and checked once, and linked from then on.

    On AWS functions can't write to what they were unpacked to. Here a cold start would mostly be unpacking.
    """

    _lock = threading.Lock()

    def __init__(self, path: str) -> None:
        content = Path(path).read_bytes()
        self._path = path
        self._place = Path(tempfile.gettempdir()) / f"unpacked-{hashlib.sha256(content).hexdigest()[:32]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def namelist(self) -> list[str]:
        """What ministack is to check before it lets this be unpacked."""
        if self._place.exists():
            return []
        with zipfile.ZipFile(self._path) as archive:
            return archive.namelist()

    def extractall(self, directory: str) -> None:
        """Put the files into a directory that is there and empty."""
        with self._lock:
            if not self._place.exists():
                unfinished = self._place.with_suffix(".new")
                with zipfile.ZipFile(self._path) as archive:
                    archive.extractall(unfinished)
                unfinished.rename(self._place)
        shutil.copytree(self._place, directory, copy_function=os.link, dirs_exist_ok=True)


class _Archives:
    """What ministack's Lambda uses of the module zipfile."""

    ZipFile = _Archive
    BadZipFile = zipfile.BadZipFile
    LargeFileError = zipfile.LargeZipFile


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
