"""The plan's own validation: a Lambda function of the user's that looks at what was restored.

Its contract is told to people in docs/validation.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ReadTimeoutError

from airlift.aws import client
from airlift.recovery import is_drill
from airlift.restore.base import Finishing, Validation
from airlift.runtime import is_transient
from airlift.values import safe_text, stamp

if TYPE_CHECKING:
    from airlift.restore.base import Restored

LONGEST_ANSWER = 10_000
"""Bytes; whatever is longer was not meant as an answer."""
_TEXT = 300
_SOONEST, _LATEST = 5, 3600  # seconds until it is asked again


def ask(function: str, restored: Restored) -> Validation | Finishing:
    """What the user's function says: a verdict, or `Finishing` if it wants to be asked again.

    Anything that is no answer (an error, silence, another shape) is a verdict, too: not validated, for that reason.
    Raises ClientError if AWS may take the call a little later.
    """
    try:
        answer = client("lambda").invoke(
            FunctionName=function, InvocationType="RequestResponse", Payload=json.dumps(payload(restored))
        )
        text = answer["Payload"].read(LONGEST_ANSWER + 1)
    except ReadTimeoutError:
        return Validation(False, f"{function} gave no answer in time")
    except ClientError as error:
        if is_transient(error):
            raise
        return Validation(False, f"{function} could not be called: {safe_text(str(error), _TEXT)}")
    if "FunctionError" in answer:
        return Validation(False, f"{function} failed: {safe_text(_message(text, 'errorMessage'), _TEXT)}")
    return _read(function, text)


def payload(restored: Restored) -> dict[str, Any]:
    """What the function is asked with."""
    point, target = restored.point, restored.target
    return {
        "recoveryId": target.recovery_id,
        "drill": is_drill(target.recovery_id),
        "resourceArn": point.resource_arn,
        "resourceType": point.resource_type,
        "createdResourceArn": restored.created_resource_arn,
        "recoveryPointArn": point.arn,
        "recoveryPointCreatedAt": stamp(point.created_at),
        "attempt": target.attempt,
    }


def _read(function: str, text: bytes) -> Validation | Finishing:
    said = safe_text(_message(text, "message"), _TEXT)
    match _parsed(text):
        case {"valid": bool(valid)}:
            return Validation(valid, f"{function} says: {said or ('valid' if valid else 'not valid')}")
        case {"again": True, "afterSeconds": int(seconds)} if not isinstance(seconds, bool):
            wait = min(max(seconds, _SOONEST), _LATEST)
            return Finishing(False, wait, f"{function} asks for more time{f': {said}' if said else ''}")
    return Validation(
        False, f"{function} gave an answer that is none: {safe_text(text.decode(errors='replace'), _TEXT)}"
    )


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(text) if len(text) <= LONGEST_ANSWER else None
    except ValueError:
        answer = None
    return answer if isinstance(answer, dict) else {}


def _message(text: bytes, key: str) -> str:
    message = _parsed(text).get(key, "")
    return message if isinstance(message, str) else ""
