"""AppConfig: hosted configurations, validated by Lambda, deployed at once and read in sessions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.simulation.sdk import Call, ServiceError, stream, unsupported

Validate = Callable[[str, dict[str, Any]], str | None]
"""Asks a validator function (its ARN, the event); returns what it objects to."""

POLL_SECONDS = 60


@dataclass
class Profile:
    """A configuration profile, its hosted versions and what is deployed in each environment."""

    application: str
    validators: tuple[str, ...]
    versions: list[tuple[bytes, str]] = field(default_factory=list)
    deployed: dict[str, int] = field(default_factory=dict)
    deployments: int = 0


class AppConfig:
    """One account's AppConfig. `available` False makes its data plane fail, as in an outage."""

    def __init__(self, validate: Validate) -> None:
        self.profiles: dict[str, Profile] = {}
        self.available = True
        self._validate = validate
        self._sessions: dict[str, tuple[str, str, int]] = {}
        self._tokens = 0

    def control(self, call: Call) -> Mapping[str, Any]:
        """Answers appconfig: CreateHostedConfigurationVersion, StartDeployment and GetDeployment."""
        if call.operation == "CreateHostedConfigurationVersion":
            return self._create_version(call.params)
        if call.operation in ("StartDeployment", "GetDeployment"):
            return self._deployment(call.operation, call.params)
        raise unsupported(call)

    def data(self, call: Call) -> Mapping[str, Any]:
        """Answers appconfigdata: StartConfigurationSession and GetLatestConfiguration."""
        if not self.available:
            raise ServiceError("InternalServerException", "The service is unavailable.", 500)
        params = call.params
        if call.operation == "StartConfigurationSession":
            profile, environment = params["ConfigurationProfileIdentifier"], params["EnvironmentIdentifier"]
            known = self._profile(profile)
            if known.application != params["ApplicationIdentifier"] or environment not in known.deployed:
                raise ServiceError("ResourceNotFoundException", "Nothing is deployed there.", 404)
            return {"InitialConfigurationToken": self._token(profile, environment, 0)}
        if call.operation != "GetLatestConfiguration":
            raise unsupported(call)
        session = self._sessions.pop(params["ConfigurationToken"], None)
        if session is None:
            raise ServiceError("BadRequestException", "The configuration token is not valid.")
        profile, environment, seen = session
        known = self._profile(profile)
        number = known.deployed[environment]
        content, kind = known.versions[number - 1]
        return {
            "NextPollConfigurationToken": self._token(profile, environment, number),
            "NextPollIntervalInSeconds": POLL_SECONDS,
            "ContentType": kind,
            "Configuration": stream(b"" if number == seen else content),
        }

    def _profile(self, identifier: str) -> Profile:
        if identifier not in self.profiles:
            raise ServiceError("ResourceNotFoundException", f"Profile {identifier} does not exist.", 404)
        return self.profiles[identifier]

    def _token(self, profile: str, environment: str, seen: int) -> str:
        self._tokens += 1
        application = self._profile(profile).application
        name = f"application/{application}/environment/{environment}/configuration/{profile}"
        token = f"{name}#{self._tokens}"
        self._sessions[token] = (profile, environment, seen)
        return token

    def _create_version(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        identifier = params["ConfigurationProfileId"]
        profile = self._profile(identifier)
        raw = params["Content"]
        content: bytes = raw.read() if hasattr(raw, "read") else bytes(raw)
        self._check(identifier, profile, content)
        profile.versions.append((content, params["ContentType"]))
        return {
            "ApplicationId": profile.application,
            "ConfigurationProfileId": identifier,
            "VersionNumber": len(profile.versions),
            "ContentType": params["ContentType"],
            "Content": stream(content),
        }

    def _deployment(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if operation == "StartDeployment":
            identifier = params["ConfigurationProfileId"]
            profile, number = self._profile(identifier), int(params["ConfigurationVersion"])
            self._check(identifier, profile, profile.versions[number - 1][0])
            profile.deployed[params["EnvironmentId"]] = number
            profile.deployments += 1
            return {"DeploymentNumber": profile.deployments, "State": "COMPLETE", "PercentageComplete": 100.0}
        number = int(params["DeploymentNumber"])
        if all(number > profile.deployments for profile in self.profiles.values()):
            raise ServiceError("ResourceNotFoundException", f"Deployment {number} does not exist.", 404)
        return {"DeploymentNumber": number, "State": "COMPLETE", "PercentageComplete": 100.0}

    def _check(self, identifier: str, profile: Profile, content: bytes) -> None:
        event = {
            "applicationId": profile.application,
            "configurationProfileId": identifier,
            "configurationVersion": str(len(profile.versions) + 1),
            "content": base64.b64encode(content).decode(),
            "uri": "hosted",
        }
        for validator in profile.validators:
            if objection := self._validate(validator, event):
                raise ServiceError(
                    "BadRequestException",
                    f"Error invoking Lambda validator {validator}: {objection}",
                    Reason="InvalidConfiguration",
                )
