"""Errors as AWS's services give them."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """A service's answer that is an error.

    `code` is AWS's name of it, `members` are further members of the modelled error shape, and `status` is the
    HTTP status where the model gives none.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


class AccessDenied(AwsError):
    """The caller may not do this. What an `authorize` hook raises."""

    def __init__(self, message: str = "Insufficient privileges to perform this action.") -> None:
        super().__init__("AccessDeniedException", message, status=403)


class ConnectionDropped(Exception):
    """The connection broke before an answer arrived; the embedding decides how that looks."""


def not_found(what: str) -> AwsError:
    """ResourceNotFoundException naming what is missing."""
    return AwsError("ResourceNotFoundException", f"{what} was not found.", status=404)


def invalid_request(message: str) -> AwsError:
    """Backup's InvalidRequestException: well-formed, and refused in this state."""
    return AwsError("InvalidRequestException", message)


def invalid_parameter(message: str) -> AwsError:
    """Backup's InvalidParameterValueException."""
    return AwsError("InvalidParameterValueException", message)
