"""AppConfig: a deployment asks the profile's Lambda validators first, as on AWS, and is refused with their words."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from contextvars import copy_context
from typing import Any

import ministack.app
from ministack.services import appconfig

from local.asl.errors import TaskError
from local.cloud import lambdas

_DEPLOYMENTS = re.compile(r"/applications/([^/]+)/environments/([^/]+)/deployments")


def install() -> None:
    """Put the validators before ministack's StartDeployment."""
    handle = appconfig.handle_request

    async def validated(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
        found = _DEPLOYMENTS.fullmatch(path)
        if found and method == "POST":
            loop = asyncio.get_running_loop()
            objection = await loop.run_in_executor(None, copy_context().run, _objection, found[1], json.loads(body))
            if objection:
                return _refusal(objection)
        return await handle(method, path, headers, body, query)

    appconfig.handle_request = validated
    ministack.app.SERVICE_HANDLERS["appconfig"] = validated


def _objection(application: str, asked: dict[str, Any]) -> str | None:
    """What a validator objects to in the version that is to be deployed."""
    profile, version = asked.get("ConfigurationProfileId", ""), asked.get("ConfigurationVersion", "")
    known = appconfig._config_profiles.get(f"{application}/{profile}") or {}
    hosted = appconfig._hosted_versions.get(f"{application}/{profile}/{version}") or {}
    event = {
        "applicationId": application,
        "configurationProfileId": profile,
        "configurationVersion": str(version),
        "content": base64.b64encode(hosted.get("Content", b"")).decode(),
        "uri": "hosted",
    }
    for validator in known.get("Validators", ()):
        if validator["Type"] != "LAMBDA":
            return f"validators of type {validator['Type']} are not provided by the local cloud"
        try:
            result = lambdas.invoke(validator["Content"], event)
        except TaskError as error:
            return f"Error invoking Lambda validator {validator['Content']}: {error.cause}"
        if result.function_error:
            return str(result.payload.get("errorMessage", result.payload))
    return None


def _refusal(objection: str) -> tuple[int, dict[str, str], bytes]:
    """BadRequestException as the service model has it."""
    detail = {"InvalidConfiguration": [{"Type": "LAMBDA", "Reason": objection}]}
    body = {"Message": objection, "Reason": "InvalidConfiguration", "Details": detail}
    headers = {"Content-Type": "application/json", "x-amzn-errortype": "BadRequestException"}
    return 400, headers, json.dumps(body).encode()
