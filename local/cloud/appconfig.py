"""AppConfig: a deployment asks the profile's Lambda validators first, as on AWS, and is refused with their words.

Nor is a profile deleted that has hosted versions, as AWS says in field reports (aws-cdk issue 26804).
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from contextvars import copy_context
from typing import Any

import ministack.app
from ministack.services import appconfig
from ministack.services.cloudformation import provisioners

from local.asl.errors import TaskError
from local.cloud import lambdas

_KIND = "AWS::AppConfig::ConfigurationProfile"
_PROFILE = re.compile(r"/applications/([^/]+)/configurationprofiles/([^/]+)")
_DEPLOYMENTS = re.compile(r"/applications/([^/]+)/environments/([^/]+)/deployments")


def install() -> None:
    """Put the validators before ministack's StartDeployment, and a look at the versions before a profile's end."""
    handle, delete = appconfig.handle_request, provisioners._RESOURCE_HANDLERS[_KIND]["delete"]

    async def validated(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
        found = _DEPLOYMENTS.fullmatch(path)
        if found and method == "POST":
            loop = asyncio.get_running_loop()
            objection = await loop.run_in_executor(None, copy_context().run, _objection, found[1], json.loads(body))
            if objection:
                return _refusal(objection, "InvalidConfiguration")
        profile = _PROFILE.fullmatch(path)
        if profile and method == "DELETE" and (objection := _in_the_way(profile[1], profile[2])):
            return _refusal(objection)
        return await handle(method, path, headers, body, query)

    def emptied(physical_id: str, properties: dict[str, Any]) -> None:
        if objection := _in_the_way(properties["ApplicationId"], physical_id):
            raise ValueError(objection)
        delete(physical_id, properties)

    provisioners._RESOURCE_HANDLERS[_KIND]["delete"] = emptied
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


def _in_the_way(application: str, profile: str) -> str | None:
    """What keeps a profile from being deleted."""
    if any(key.startswith(f"{application}/{profile}/") for key in appconfig._hosted_versions):
        return (
            f"Cannot delete configuration profile {profile} because there are still hosted configuration versions "
            "existing under it."
        )
    return None


def _refusal(objection: str, reason: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """BadRequestException as the service model has it."""
    body: dict[str, Any] = {"Message": objection}
    if reason:
        body |= {"Reason": reason, "Details": {reason: [{"Type": "LAMBDA", "Reason": objection}]}}
    headers = {"Content-Type": "application/json", "x-amzn-errortype": "BadRequestException"}
    return 400, headers, json.dumps(body).encode()
