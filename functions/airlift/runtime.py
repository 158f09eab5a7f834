"""What every handler shares: metrics, the function's environment, and errors that are worth another try."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore import exceptions
from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.errors import AirliftError, Unavailable
from airlift.ledger import Conflict, Holder, Ledger
from airlift.logs import logger as logger
from airlift.logs import set_level

# A step that counts nothing is the usual case and no reason for a line in the log.
warnings.filterwarnings("ignore", "No application metrics to publish", UserWarning)
metrics = Metrics()

Event = dict[str, Any]
Handler = Callable[[Event, Any], dict[str, Any] | None]

NO_ANSWER = (exceptions.HTTPClientError, exceptions.ConnectionError)
"""botocore's errors of calls that may or may not have reached AWS."""
THROTTLED = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "Throttled",  # SNS's code of its ThrottledException (API_Publish.html)
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
    }
)
_TRANSIENT = THROTTLED | frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ServiceUnavailableException",
        "ServiceUnavailable",
        "InternalServerException",
        "InternalServerError",
        "TransactionInProgressException",
    }
)
_LOGGED = {
    "recovery_id": "recoveryId",
    "source_backup_vault_arn": "sourceBackupVaultArn",
    "execution_arn": "executionArn",
    "resource_arn": "resourceArn",
    "attempt": "attempt",
}
"""What every line of a step's log carries of its event."""


def setting(name: str) -> str:
    """An environment variable of the function. Raises KeyError if the template does not set it."""
    return os.environ[name]


def ledger() -> Ledger:
    """The stack's ledger."""
    return Ledger(client("dynamodb"), setting("LEDGER_TABLE"))


def holder_of(event: Event) -> Holder:
    """The execution for which a step acts; the account is part of the recovery's id."""
    return Holder(account_of(event["recoveryId"]), event["executionArn"])


def account_of(recovery_id: str) -> str:
    """The protected account in `r-YYYYMMDD-<account>-<4 hex>`."""
    return recovery_id.split("-")[2]


def is_transient(error: Exception) -> bool:
    """Whether the same call may succeed a little later: throttled, failed on AWS's side, or no connection."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.response["Error"].get("Code") in _TRANSIENT or status >= 500
    return isinstance(error, NO_ANSWER)


def step(work: Callable[[Event], dict[str, Any] | None]) -> Handler:
    """Makes a Lambda handler of a state's work.

    Named errors pass as they are, so that the workflow catches them by name; what AWS may answer differently a little
    later becomes `Unavailable`, which the workflow retries by name. The event is never logged: it may hold a finding.
    """

    @wraps(work)
    def handler(event: Event, _context: Any) -> dict[str, Any] | None:
        set_level(None)
        logger.append_keys(**{key: event[name] for key, name in _LOGGED.items() if name in event})
        try:
            return work(event)
        except Conflict as error:
            raise Unavailable(error.what, "none; the step is tried again.") from error
        except AirliftError as error:
            logger.warning(error.what, extra={"error": error.name, "next_step": error.remedy})
            raise
        except (ClientError, *NO_ANSWER) as error:
            logger.exception("A call to AWS failed")
            if is_transient(error):
                raise Unavailable(f"AWS did not answer: {error}", "none; the step is tried again.") from error
            metrics.add_metric("UnexpectedErrors", MetricUnit.Count, 1)
            raise
        except Exception:
            logger.exception("Failed")
            metrics.add_metric("UnexpectedErrors", MetricUnit.Count, 1)
            raise

    return logger.inject_lambda_context(metrics.log_metrics(handler), clear_state=True)
