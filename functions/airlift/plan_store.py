"""Where the plan comes from: AppConfig, or the last copy in the working bucket if AppConfig can't be read.

Every version that was read is evidence: it is kept once under its digest, and never written again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from airlift.aws import client
from airlift.errors import PlanInvalid, PlanUnreadable, Unavailable
from airlift.keeping import put
from airlift.logs import set_level
from airlift.runtime import is_transient, logger, setting

if TYPE_CHECKING:
    from airlift.plan import Plan

_LAST = "plans/last.json"


@dataclass(frozen=True)
class PlanVersion:
    """A plan as it was read, with the key of its copy in the evidence bucket."""

    plan: Plan
    version: str
    """The first 12 hex digits of the SHA-256 of the document."""
    key: str
    warning: str = ""


def newest_plan() -> PlanVersion:
    """The plan in force, and a copy of it kept.

    Raises `PlanUnreadable` if there is neither plan nor copy, `Unavailable` if that may be otherwise in a moment.
    """
    try:
        document = _from_app_config()
        version = _version(document)
        plan = _read_plan(document)
    except (ClientError, BotoCoreError, PlanInvalid, PlanUnreadable) as error:
        logger.warning("AppConfig gives no usable plan; the last copy serves", extra={"reason": str(error)})
        return _last_copy(error)
    set_level(plan.log_level)
    key = _key(version)
    _keep(key, document)
    return PlanVersion(plan, version, key)


@lru_cache(maxsize=8)
def plan_at(key: str) -> Plan:
    """The plan version that an execution recorded.

    Raises `PlanInvalid` if another document lies under its digest: whoever may write there is not who deploys plans.
    """
    document = _read("EVIDENCE_BUCKET", key)
    if key != _key(_version(document)):
        raise PlanInvalid(
            f"The evidence bucket's {key} is not the plan that was kept there: somebody wrote another one.",
            "find out who did (docs/runbook.md, Tampering) and put the first of its versions back, or end the recovery "
            "and resume it: that takes the plan in force.",
        )
    return _read_plan(document)


def _version(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()[:12]


def _key(version: str) -> str:
    return f"plans/{version}.json"


def _from_app_config() -> bytes:
    app_config = client("appconfigdata")
    token = app_config.start_configuration_session(
        ApplicationIdentifier=setting("PLAN_APPLICATION"),
        EnvironmentIdentifier=setting("PLAN_ENVIRONMENT"),
        ConfigurationProfileIdentifier=setting("PLAN_PROFILE"),
    )["InitialConfigurationToken"]
    document: bytes = app_config.get_latest_configuration(ConfigurationToken=token)["Configuration"].read()
    if not document:
        raise PlanUnreadable("AppConfig holds no deployed plan.", "deploy one with `airlift plan deploy`.")
    return document


def _keep(key: str, document: bytes) -> None:
    """Writes the version unless it is there already, and makes it the last one."""
    for bucket, copy in (("EVIDENCE_BUCKET", key), ("WORKING_BUCKET", _LAST)):
        try:
            if _read(bucket, copy) == document:
                continue
        except ClientError as error:
            # Without s3:ListBucket a missing object answers AccessDenied (API_GetObject.html).
            if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied"):
                raise
        put(setting(bucket), copy, document, "application/json")


def _last_copy(reason: Exception) -> PlanVersion:
    try:
        document = _read("WORKING_BUCKET", _LAST)
    except ClientError as error:
        if is_transient(reason) or is_transient(error):
            remedy = "wait a minute; the step is tried again."
            raise Unavailable(f"No recovery plan can be read now: {reason}", remedy) from error
        raise PlanUnreadable(
            f"No recovery plan can be read: {reason}",
            "deploy a plan with `airlift plan deploy FILE`, then start again.",
        ) from error
    version = _version(document)
    warning = f"AppConfig could not be read; the last copy of the plan serves ({version})."
    return PlanVersion(_read_plan(document), version, _key(version), warning)


def _read(bucket: str, key: str) -> bytes:
    answer: Any = client("s3").get_object(Bucket=setting(bucket), Key=key)
    document: bytes = answer["Body"].read()
    return document


def _read_plan(document: bytes) -> Plan:
    # Only here: its models take long to load, and not every invocation reads a plan.
    from airlift.plan import Plan

    return Plan.from_json(document)
