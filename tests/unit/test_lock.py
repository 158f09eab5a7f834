"""Who holds an account's lock, and how one that nobody holds any more comes free."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import Unavailable
from airlift.ledger import Conflict, Delete, Holder, Ledger, lock_key
from airlift.lock import freeing, running_holder, taking
from airlift.values import stamp

from tests.unit.domain import ACCOUNT, EXECUTION, NOW, RECOVERY_ID, SECOND_EXECUTION, a_lock, ago

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.domain import Service, Services

US = EXECUTION
THEIRS = a_lock(SECOND_EXECUTION)


@pytest.fixture
def states(services: Services) -> Service:
    """Step Functions; by its word nothing runs."""
    return services.play("stepfunctions", describe_execution={"status": "SUCCEEDED"})


def closing(services: Services, ledger: Ledger, frees: bool = True, error: bool = False) -> Service:
    """CloseRecovery, which frees the lock or doesn't."""

    def invoke(**_: Any) -> dict[str, Any]:
        if frees:
            ledger.write(Delete(lock_key(ACCOUNT), only_if={}))
        return {"Payload": io.BytesIO(b'{"errorMessage": "x"}'), **({"FunctionError": "Unhandled"} if error else {})}

    return services.play("lambda", invoke=invoke)


def test_a_free_lock_is_taken_once_and_freed_only_by_its_holder(ledger: Ledger) -> None:
    ledger.write(taking(ACCOUNT, RECOVERY_ID, EXECUTION, NOW))
    with pytest.raises(Conflict):
        ledger.write(taking(ACCOUNT, RECOVERY_ID, SECOND_EXECUTION, NOW))
    with pytest.raises(Conflict):
        ledger.write(freeing(Holder(ACCOUNT, SECOND_EXECUTION)))
    ledger.write(freeing(Holder(ACCOUNT, EXECUTION)))
    assert ledger.get(lock_key(ACCOUNT)) is None


def test_a_lock_that_is_free_or_our_own_has_no_running_holder(ledger: Ledger, given: Callable[..., None]) -> None:
    assert running_holder(ledger, ACCOUNT, US) is None
    given(a_lock(US))
    assert running_holder(ledger, ACCOUNT, US) is None


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_a_running_execution_holds_its_lock(
    ledger: Ledger, given: Callable[..., None], states: Service, status: str
) -> None:
    given(THEIRS)
    states.answers["describe_execution"] = {"status": status}
    assert running_holder(ledger, ACCOUNT, US) == THEIRS


@pytest.mark.parametrize(("minutes", "holds"), [(14, True), (16, False)])
def test_a_young_execution_that_is_not_found_counts_as_running(
    ledger: Ledger, given: Callable[..., None], services: Services, states: Service, minutes: int, holds: bool
) -> None:
    given(a_lock(SECOND_EXECUTION, takenAt=stamp(ago(minutes=minutes))))
    states.answers["describe_execution"] = states.error("ExecutionDoesNotExist")
    closing(services, ledger)
    assert bool(running_holder(ledger, ACCOUNT, US)) is holds


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_a_holder_that_does_not_run_is_closed_first(
    ledger: Ledger, given: Callable[..., None], services: Services, states: Service, status: str
) -> None:
    given(THEIRS)
    states.answers["describe_execution"] = {"status": status}
    close = closing(services, ledger)
    assert running_holder(ledger, ACCOUNT, US) is None
    [request] = close.requests("invoke")
    assert json.loads(request["Payload"]) == {"executionArn": SECOND_EXECUTION}
    assert request.get("InvocationType", "RequestResponse") == "RequestResponse"


@pytest.mark.parametrize("told", [{"frees": False}, {"frees": False, "error": True}])
def test_a_lock_that_can_not_be_freed_is_tried_again_and_never_broken(
    ledger: Ledger, given: Callable[..., None], services: Services, states: Service, told: Any
) -> None:
    given(THEIRS)
    closing(services, ledger, **told)
    with pytest.raises(Unavailable):
        running_holder(ledger, ACCOUNT, US)
    assert ledger.get(lock_key(ACCOUNT)) == THEIRS
