"""Kinds of faults, each in one place: what goes wrong, where it can, and what a recovery may then need."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from local.simulation.lambda_host import Killed
from local.simulation.sdk import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.simulation.sdk import Call
    from local.simulation.world import Simulation
    from tests.campaign.calls import Change, Site, Strike

_URL = "https://aws.invalid/"
EPISODE = 120.0
"""Seconds for which a service goes on to throttle."""
STALE = 60.0
"""Seconds for which a read shows what was before."""
_SDK_GIVES_UP = 75.0
"""Four tries of 15 s and the waits between them (airlift.aws)."""


def _throttled(_sim: Simulation, call: Call) -> None:
    codes = {"ec2": "RequestLimitExceeded", "s3": "SlowDown", "sns": "Throttled", "iam": "Throttling"}
    status = {"s3": 503, "sns": 429}.get(call.service, 400)
    raise ServiceError(codes.get(call.service, "ThrottlingException"), "Rate exceeded", status)


def _error500(_sim: Simulation, _call: Call) -> None:
    raise ServiceError("InternalFailure", "An internal error occurred.", 500)


def _error503(_sim: Simulation, _call: Call) -> None:
    raise ServiceError("ServiceUnavailable", "The service is unavailable.", 503)


def _dropped(_sim: Simulation, _call: Call) -> None:
    raise EndpointConnectionError(endpoint_url=_URL)


def _denied(_sim: Simulation, call: Call) -> None:
    codes = {"ec2": "UnauthorizedOperation", "s3": "AccessDenied", "sns": "AuthorizationError", "iam": "AccessDenied"}
    text = f"no identity-based policy allows the {call.service}:{call.operation} action"
    raise ServiceError(codes.get(call.service, "AccessDeniedException"), text, 403)


def _contended(_sim: Simulation, call: Call) -> None:
    reasons = [{"Code": "TransactionConflict"}] + [{"Code": "None"}] * (len(call.params["TransactItems"]) - 1)
    raise ServiceError("TransactionCanceledException", "Transaction cancelled", CancellationReasons=reasons)


def _twin(sim: Simulation, _call: Call) -> None:
    """The same step, run in full by another sandbox between this one's reads and its write."""
    _, payload = sim.lambdas.invocations[-1]
    sim.lambdas.invoke(sim.lambdas.running[-1].arn, payload)


def _missing(_sim: Simulation, call: Call) -> None:
    codes = {"DescribeExecution": "ExecutionDoesNotExist", "DescribeVolumes": "InvalidVolume.NotFound"}
    raise ServiceError(codes.get(call.operation, "ResourceNotFoundException"), "It does not exist.")


def _answer_lost(_sim: Simulation, _call: Call, _answer: dict[str, Any]) -> None:
    raise ConnectionClosedError(endpoint_url=_URL)


def _slow(sim: Simulation, _call: Call, _answer: dict[str, Any]) -> None:
    sim.clock.sleep(_SDK_GIVES_UP)
    raise ReadTimeoutError(endpoint_url=_URL)


def _overdue(sim: Simulation, _call: Call, _answer: dict[str, Any]) -> None:
    sim.clock.sleep(86_400)  # the function's time-out ends it


def _killed(_sim: Simulation, _call: Call, _answer: dict[str, Any]) -> None:
    raise Killed


def _empty(_sim: Simulation, _call: Call, answer: dict[str, Any]) -> None:
    """A list that does not show yet what is there."""
    for value in answer.values():
        if isinstance(value, list):
            value.clear()


_PLAIN = (str, int, float, list, dict, datetime)


class Stale:
    """Answers of a read as they were at its first time, later ones instead of the new."""

    def __init__(self) -> None:
        self._first: dict[tuple[Any, ...], dict[str, Any]] = {}

    def note(self, call: Call, answer: dict[str, Any]) -> None:
        """Keeps the first answer about a thing."""
        if "Error" not in answer and all(isinstance(value, _PLAIN) for value in answer.values()):
            self._first.setdefault(_about(call), copy.deepcopy(answer))

    def __call__(self, _sim: Simulation, call: Call, answer: dict[str, Any]) -> None:
        first = self._first.get(_about(call))
        if first is not None:
            answer.clear()
            answer.update(copy.deepcopy(first))


def _about(call: Call) -> tuple[Any, ...]:
    names = sorted((k, str(v)) for k, v in call.params.items() if not k.startswith("ByCreated"))
    return (call.service, call.operation, *names)


EVENTUAL = {
    "sfn": ("DescribeExecution",),
    "backup": ("ListRestoreJobs", "DescribeBackupVault", "ListBackupVaults", "ListTags", "DescribeRecoveryPoint"),
    "mpa": ("GetSession",),
    "dynamodb": ("DescribeTable", "DescribeContinuousBackups"),
    "ec2": ("DescribeVolumes", "DescribeTags"),
}
"""Reads that may show what was before (each service's own reference; for backup and mpa inferred)."""


def _any(_site: Site, _mutates: bool) -> bool:
    return True


def _effect(_site: Site, mutates: bool) -> bool:
    return mutates


def _write(site: Site, _mutates: bool) -> bool:
    return site.operation == "TransactWriteItems"


def _eventual(site: Site, _mutates: bool) -> bool:
    return site.operation in EVENTUAL.get(site.service, ())


def _list(site: Site, mutates: bool) -> bool:
    return _eventual(site, mutates) and site.operation.startswith("List")


def _single(site: Site, mutates: bool) -> bool:
    return _eventual(site, mutates) and not site.operation.startswith("List")


@dataclass(frozen=True)
class CallKind:
    """A fault of one call. `crash`: the step cannot know what happened, so a message may be repeated."""

    name: str
    where: Callable[[Site, bool], bool]
    before: tuple[Strike, ...] = ()
    """Several strike by turns, each in one place after the other."""
    after: Change | Callable[[], Stale] | None = None
    lasts: Literal["once", "stale", "episode", "until mended"] = "once"
    crash: bool = False


CALL_KINDS = (
    CallKind("throttled for two minutes", _any, (_throttled,), lasts="episode"),
    CallKind("error 500 or 503", _any, (_error500, _error503)),
    CallKind("dropped before its effect", _any, (_dropped,)),
    CallKind("answer lost after its effect", _effect, after=_answer_lost, crash=True),
    CallKind("slow past the SDK's time-out", _any, after=_slow, crash=True),
    CallKind("slow past the function's time-out", _any, after=_overdue, crash=True),
    CallKind("step killed after the side effect", _effect, after=_killed, crash=True),
    CallKind("access denied until mended", _any, (_denied,), lasts="until mended"),
    CallKind("stale: not there yet", _single, (_missing,)),
    CallKind("stale: not listed yet", _list, after=_empty),
    CallKind("stale: as it was before", _eventual, after=Stale, lasts="stale"),
    CallKind("write in conflict for a moment", _write, (_contended,)),
    CallKind("write in conflict for two minutes", _write, (_contended,), lasts="episode"),
    CallKind("the same step twice at once", _write, (_twin,), crash=True),
)
