"""The functions' log: one JSON object a line, what is sensitive masked, and a level that the plan can switch."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

MASK = "***"
_SECRETS = r"pass(?:word|wd|phrase)|secret|token|credential|(?:private|access)_?key|authorization|user_?data"
_KEYS = re.compile(rf"{_SECRETS}|requester|description|title", re.IGNORECASE)
"""Attributes whose values are never logged: secrets, who asked for votes, and what a finding or a case says."""
_TOLD = re.compile(
    rf"""(\w*(?:{_SECRETS})\w*["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s"',;&}}]+)""",
    re.IGNORECASE,
)
"""The same in running text: an error of AWS may quote what it refuses."""
_ACCESS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")


def masked(value: Any) -> Any:
    """The value with everything sensitive in it replaced, at any depth."""
    if isinstance(value, Mapping):
        return {k: MASK if _KEYS.search(str(k)) and v is not None else masked(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [masked(one) for one in value]
    return masked_text(value) if isinstance(value, str) else value


def masked_text(text: str) -> str:
    """The text without the values that stand behind a sensitive name, and without access keys."""
    return _ACCESS_KEY.sub(MASK, _TOLD.sub(rf"\1{MASK}", text))


class _Masking(LambdaPowertoolsFormatter):
    def serialize(self, log: Any) -> str:
        return super().serialize(masked(log))


logger = Logger(logger_formatter=_Masking())


def set_level(level: str | None) -> None:
    """The level of what is logged from here on; None: the stack's own.

    Powertools' own setLevel gives way to Lambda's advanced logging controls, which know no switch but a deployment.
    """
    logging.getLogger(logger.name).setLevel(level or os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO"))


def log_call(parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
    """One answered call to AWS, for the level DEBUG: which, and how it ended; neither what was sent nor what came.

    Takes the arguments of botocore's event `after-call`.
    """
    about = parsed.get("ResponseMetadata", {})
    logger.debug(
        "AWS call",
        extra={
            "call": f"{model.service_model.service_name}:{model.name}",
            "status": about.get("HTTPStatusCode"),
            "request_id": about.get("RequestId"),
            "error_code": parsed.get("Error", {}).get("Code"),
        },
    )
