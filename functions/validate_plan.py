"""AppConfig calls this before it takes a new recovery plan."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

from airlift.logs import logger, set_level
from airlift.plan import plan_invalid
from airlift.plan_check import check_json

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 (Powertools reads it)
    """`event` is `{applicationId, configurationProfileId, content (base64), uri}`.

    Whatever is raised makes AppConfig refuse the plan (appconfig-creating-configuration-and-profile-validators.html);
    for a broken plan that is `airlift.errors.PlanInvalid` with every problem.
    """
    set_level(None)
    text = base64.b64decode(event["content"], validate=True)
    problems = check_json(text, region=os.environ["AWS_REGION"])
    logger.info("plan checked", extra={"problems": [f"{p.severity}: {p}" for p in problems]})
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise plan_invalid(errors)
