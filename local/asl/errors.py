"""What goes wrong in a state machine, and in asking for one."""

from __future__ import annotations

from typing import NamedTuple

RUNTIME = "States.Runtime"
TIMEOUT = "States.Timeout"
TASK_FAILED = "States.TaskFailed"
DATA_LIMIT = "States.DataLimitExceeded"
QUERY = "States.QueryEvaluationError"
NO_CHOICE = "States.NoChoiceMatched"


class StateError(Exception):
    """An error a state ends with: the name that Retry and Catch see, and the cause as text."""

    def __init__(self, error: str | None, cause: str | None = None) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause


class TaskError(StateError):
    """What an integration raises when the called service answers with an error."""


class QueryError(StateError):
    """States.QueryEvaluationError: a JSONata expression, in the field ``location``, failed or gave nothing."""

    def __init__(self, cause: str, location: str = "") -> None:
        super().__init__(QUERY, cause)
        self.location = location
        self.reported = False


class ApiError(Exception):
    """A Step Functions operation refused: ``code`` is the exception's name in AWS's service model."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Problem(NamedTuple):
    """One finding about a definition: where it is, what is wrong, and what to do."""

    path: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}; {self.remedy}"


class InvalidDefinition(ApiError):
    """Raised when a state machine is created from a definition with problems; carries every one."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("InvalidDefinition", "\n".join(map(str, problems)))
        self.problems = problems
