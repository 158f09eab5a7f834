"""What can go wrong at the command line: one line, the next step, and an exit code that means something."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from airlift import errors
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as NotConnected,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    NOT_RECOVERED = 3
    OPERATOR_NEEDED = 4
    NO_AWS = 5
    INTERRUPTED = 130


EXIT_CODES_HELP = (
    "Exit codes: 0 done or recovered · 1 unexpected · 2 input or plan is wrong · 3 not recovered · "
    "4 an operator is needed · 5 AWS or the stack can't be reached · 130 interrupted"
)

_WRONG_INPUT = frozenset(
    error.__name__
    for error in (
        errors.InvalidInput,
        errors.UnknownRecovery,
        errors.VaultNotInPlan,
        errors.AccountNotInPlan,
        errors.TriggerNotAllowed,
        errors.RecoveryAlreadyRuns,
        errors.PlanInvalid,
    )
)


class Problem(Exception):
    """Ends a command: `what` happened, the `next_step`, the exit `code` and, if it has one, the error's `name`."""

    def __init__(self, what: str, next_step: str, code: Exit, *, name: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step
        self.code = code
        self.name = name or code.name

    def document(self) -> dict[str, Any]:
        """The problem as `--json` prints it."""
        return {"error": self.name, "what": self.what, "nextStep": self.next_step, "exitCode": int(self.code)}


def exit_of_error(name: str) -> Exit:
    """The exit code for an error name of the state machines: wrong input, an operator needed, or not recovered."""
    if name in _WRONG_INPUT:
        return Exit.BAD_INPUT
    return Exit.OPERATOR_NEEDED if name == errors.OperatorNeeded.__name__ else Exit.NOT_RECOVERED


def ended_badly(name: str, cause: str) -> Problem:
    """The problem that an execution's error name and cause (`… Next step: …`) tell of."""
    what, _, next_step = cause.partition(" Next step: ")
    return Problem(
        what or f"The execution ended with {name}.",
        next_step or "look at the execution in the Step Functions console.",
        exit_of_error(name),
        name=name,
    )


_SIGN_IN = ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException")
_SIGN_IN_STEP = "sign in again (for example `aws sso login`), then give the same command."
_TRANSIENT_CODES = ("Throttling", "ThrottlingException", "ProvisionedThroughputExceededException")


def is_transient(error: Exception) -> bool:
    """Whether the same read may work in a moment: the connection is lost, or the service fails or throttles."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or _code(error.response) in _TRANSIENT_CODES
    return isinstance(error, HTTPClientError | NotConnected)


def explained(error: Problem | errors.AirliftError | ClientError | BotoCoreError) -> Problem:
    """The problem behind an error of Airlift or of AWS, with the next step."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, errors.AirliftError):
        return Problem(error.what, error.remedy, exit_of_error(error.name), name=error.name)
    if isinstance(error, ClientError):
        return _of_client_error(error)
    return Problem(one_line(error), _next_step(error), Exit.NO_AWS, name=type(error).__name__)


def _of_client_error(error: ClientError) -> Problem:
    code = _code(error.response)
    if code in _SIGN_IN:
        step = _SIGN_IN_STEP
    elif "AccessDenied" in code or code == "UnauthorizedOperation":
        step = "use a profile of the recovery account that may do this (--profile)."
    elif is_transient(error):
        step = "give the same command again in a minute."
    else:
        step = "check --profile, --region and --stack; the service's text says what it refused."
    return Problem(one_line(error), step, Exit.NO_AWS, name=code)


def _next_step(error: BotoCoreError) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return "give --profile, or set AWS_PROFILE to a profile of the recovery account."
    if isinstance(error, NoRegionError):
        return "give --region, or set AWS_DEFAULT_REGION to the source vault's Region."
    if isinstance(error, SSOError | LoginError | TokenRetrievalError | CredentialRetrievalError):
        return _SIGN_IN_STEP
    return "check the connection and --region, then give the same command."


def one_line(error: object) -> str:
    """An error's text as one printable line."""
    return " ".join(str(error).split())


def _code(response: Mapping[str, Any]) -> str:
    return str(response.get("Error", {}).get("Code", ""))
