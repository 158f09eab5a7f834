"""The fault switch: planned failures of single calls and of restore jobs, and which of them were hit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.aws.errors import AccessDenied, AwsError, ConnectionDropped

Kind = Literal["throttle", "error500", "error503", "denied", "drop"]
Match = Callable[[Mapping[str, Any]], bool]


@dataclass
class CallFault:
    """A failure planned for the next `times` calls of one operation that `match` accepts."""

    service: str
    operation: str
    kind: Kind
    times: int
    after_effect: bool
    match: Match | None


@dataclass
class RestoreFault:
    """An outcome planned for the next `times` restore jobs of a resource ARN, recovery point ARN or type."""

    match: str
    status: Literal["FAILED", "ABORTED"]
    message: str
    times: int


class Faults:
    """Holds planned failures; everything works as on AWS while none is planned."""

    def __init__(self) -> None:
        self._calls: list[CallFault] = []
        self._restores: list[RestoreFault] = []

    def plan(
        self,
        service: str,
        operation: str,
        kind: Kind,
        times: int = 1,
        *,
        after_effect: bool = False,
        match: Match | None = None,
    ) -> None:
        """Let the next `times` calls of `operation` fail.

        `after_effect`: the call has its effect and only the answer is lost. `match` sees the parameters.
        """
        self._calls.append(CallFault(service, operation, kind, times, after_effect, match))

    def fail_restore(
        self,
        match: str,
        status: Literal["FAILED", "ABORTED"] = "FAILED",
        message: str = "The restore job failed.",
        times: int = 1,
    ) -> None:
        """Let the next `times` restore jobs of a resource ARN, recovery point ARN or resource type end so."""
        self._restores.append(RestoreFault(match, status, message, times))

    def unhit(self) -> list[CallFault | RestoreFault]:
        """Planned faults that have not all happened yet."""
        planned: list[CallFault | RestoreFault] = [*self._calls, *self._restores]
        return [fault for fault in planned if fault.times > 0]

    def strike(self, service: str, operation: str, params: Mapping[str, Any], *, after_effect: bool) -> None:
        """Raise what is planned for this moment of this call, if anything is."""
        for fault in self._calls:
            if (
                fault.times > 0
                and (fault.service, fault.operation, fault.after_effect) == (service, operation, after_effect)
                and (fault.match is None or fault.match(params))
            ):
                fault.times -= 1
                raise _error(service, fault.kind)

    def take_restore(self, *names: str) -> RestoreFault | None:
        """The fault planned for a restore job known by `names`, used up by one."""
        for fault in self._restores:
            if fault.times > 0 and fault.match in names:
                fault.times -= 1
                return fault
        return None


def throttled(service: str) -> AwsError:
    """The service's own throttling error."""
    return AwsError("ThrottlingException", "Rate exceeded", status=429 if service == "mpa" else 400)


def _error(service: str, kind: Kind) -> Exception:
    if kind == "throttle":
        return throttled(service)
    if kind == "denied":
        return AccessDenied()
    if kind == "drop":
        return ConnectionDropped("the connection was closed before an answer")
    if kind == "error503":
        return AwsError("ServiceUnavailableException", "The service is unavailable.", status=503)
    codes = {"mpa": "InternalServerException", "ram": "ServerInternalException"}
    return AwsError(codes.get(service, "InternalFailure"), "An internal error occurred.", status=500)
