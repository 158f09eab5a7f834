"""What follows for one resource from a failed attempt, from being held, and from being released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import Superseded
from airlift.failures import Cause
from airlift.items import candidate_of, change, failed, fresh_attempt, hold, release, released
from airlift.ledger import Conflict, Put
from airlift.values import stamp

from tests.unit.domain import (
    EXECUTION,
    NOW,
    RECOVERY_ID,
    SECOND_EXECUTION,
    a_lock,
    ago,
    an_item,
    point_arn,
    stored,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    Make = Callable[..., VaultWork]

KEY_ERROR = "The KMS key is disabled"
POINT_ERROR = "The recovery point has expired"
RUNNING: dict[str, Any] = {
    "state": "running",
    "jobId": "job-1",
    "token": "t",
    "startedAt": stamp(ago(minutes=9)),
    "metadata": {"a": "b"},
}


def an_attempt(candidate: int, cause: str) -> dict[str, Any]:
    return {"attempt": 1, "candidate": candidate, "class": cause, "jobId": "job-0"}


@pytest.mark.parametrize("named", [{"name": "malware-scans"}, {"name": "t-1", "resourceName": "Malware scans"}])
def test_a_resource_whose_name_sounds_like_a_failure_loses_no_data_for_it(work: Make, named: dict[str, str]) -> None:
    item = an_item(**RUNNING, **named)
    name = named.get("resourceName", f"{named['name']}-{RECOVERY_ID}-1")
    failed(w := work(item), item, "FAILED", f"{name} already exists")
    assert (stored(w, item)["candidate"], stored(w, item)["attempts"][0]["class"]) == (0, "name taken")


def test_an_environments_failure_tries_the_same_point_again_later_as_a_new_attempt(work: Make) -> None:
    item = an_item(**RUNNING)
    failed(w := work(item), item, "FAILED", KEY_ERROR)
    now = stored(w, item)
    assert (now["state"], now["attempt"], now["candidate"], now["dueAt"]) == ("waiting", 2, 0, NOW.timestamp() + 60)
    assert not now.keys() & {"jobId", "token", "startedAt", "metadata"}
    assert now["open"] == item["open"]
    [attempt] = now["attempts"]
    assert attempt["recoveryPointArn"] == point_arn("new")
    assert (attempt["jobId"], attempt["status"], attempt["class"]) == ("job-1", "FAILED", "key")
    assert texts(w.ledger, "failed") == [f"FAILED: {KEY_ERROR} (key); the same point again in 60 s"]


def test_a_points_own_failure_moves_to_the_next_older_one_and_says_so(work: Make) -> None:
    item = an_item(**RUNNING)
    failed(w := work(item), item, "FAILED", POINT_ERROR)
    now = stored(w, item)
    assert (now["state"], now["attempt"], candidate_of(now)["arn"]) == ("waiting", 2, point_arn("old"))
    assert "dueAt" not in now
    assert now["chosenWhy"].startswith("the newer point failed (FAILED: The recovery point has expired)")


def test_the_last_points_own_failure_is_the_resources(work: Make) -> None:
    item = an_item(candidate=1, **RUNNING)
    failed(w := work(item), item, "FAILED", POINT_ERROR)
    now = stored(w, item)
    assert (now["state"], now["endedAt"]) == ("failed", stamp(NOW))
    assert now["reason"] == f"no usable point is left; the last failed: FAILED: {POINT_ERROR}"
    assert "restore-again" in now["nextStep"]


@pytest.mark.parametrize(
    ("attempts", "counted_from", "state"),
    [
        ([("key", 0)] * 3, 0, "held"),
        ([("key", 0)] * 2, 0, "waiting"),
        ([("quota", 0)] * 3, 0, "waiting"),  # another cause
        ([("key", 1)] * 3, 0, "waiting"),  # another point
        ([("key", 0)] * 3, 1, "waiting"),  # before the operator released it
    ],
)
def test_failures_alike_on_one_point_are_counted_until_it_is_held(
    work: Make, attempts: Any, counted_from: int, state: str
) -> None:
    earlier = [an_attempt(candidate, cause) for cause, candidate in attempts]
    item = an_item(attempts=earlier, countedFrom=counted_from, **RUNNING)
    failed(w := work(item), item, "FAILED", KEY_ERROR)
    assert stored(w, item)["state"] == state


def test_a_held_item_keeps_reason_class_and_next_step_and_stays_open(work: Make) -> None:
    item = an_item(**RUNNING)
    hold(w := work(item), item, "no key", Cause("environment", "key", "mend; `airlift continue {recovery}`."), [])
    now = stored(w, item)
    expected = {
        "state": "held",
        "reason": "no key",
        "heldClass": "key",
        "nextStep": f"mend; `airlift continue {RECOVERY_ID}`.",
        "heldIn": EXECUTION,
        "heldFrom": "running",
        "heldAt": stamp(NOW),
        "open": item["open"],
    }
    assert expected.items() <= now.items()
    assert texts(w.ledger, "held") == [f"no key. Next step: mend; `airlift continue {RECOVERY_ID}`."]


@pytest.mark.parametrize(
    ("held_in", "continued_at", "expected"),
    [
        (EXECUTION, {}, False),
        (EXECUTION, {"continuedAt": stamp(ago(minutes=11))}, False),
        (EXECUTION, {"continuedAt": stamp(ago(minutes=9))}, True),
        (SECOND_EXECUTION, {}, True),
    ],
)
def test_a_held_item_is_released_by_a_later_continue_or_another_execution(
    work: Make, held_in: str, continued_at: Any, expected: bool
) -> None:
    item = an_item(state="held", heldIn=held_in, heldAt=stamp(ago(minutes=10)))
    assert released(work(item, recovery=continued_at), item) is expected


def test_a_released_item_starts_anew_or_is_settled_if_its_job_was_done(work: Make) -> None:
    held = {"state": "held", "heldAt": stamp(NOW), "heldIn": EXECUTION, "reason": "x", "nextStep": "y"}
    attempts = [an_attempt(0, "key")]
    started = an_item("a", attempts=attempts, heldFrom="starting", jobId="job-1", **held)
    settled = an_item("b", attempts=attempts, heldFrom="settling", jobId="job-1", settleSends=5, **held)
    w = work(started, settled)
    release(w, started)
    release(w, settled)
    a, b = stored(w, started), stored(w, settled)
    assert (a["state"], a["attempt"], a["countedFrom"]) == ("waiting", 2, 1)
    assert (b["state"], b["attempt"], b["jobId"], b["settleSends"]) == ("settling", 1, "job-1", 0)
    assert not (a.keys() | b.keys()) & {"reason", "nextStep"}
    assert "jobId" not in a


def test_an_item_that_was_moved_on_meanwhile_is_left_alone(work: Make) -> None:
    item = an_item()
    w = work(an_item(attempt=2))
    with pytest.raises(Conflict):
        change(w, item, {"state": "running"})
    assert stored(w, item)["state"] == "waiting"
    assert item["state"] == "waiting"


def test_an_item_is_never_written_without_the_lock(work: Make) -> None:
    item = an_item()
    w = work(item)
    w.ledger.write(Put(a_lock(SECOND_EXECUTION), replace=True))
    with pytest.raises(Superseded):
        change(w, item, {"state": "running"})
    assert stored(w, item)["state"] == "waiting"


def test_nothing_of_the_last_attempt_is_left_in_a_fresh_one(work: Make) -> None:
    kept = {
        "resourceArn", "resourceType", "wave", "waveName", "priority", "attempts", "candidates", "chosenWhy", "wanted",
        "open", "state", "attempt", "candidate", "pk", "sk",
    }  # fmt: skip
    last = {
        "token", "metadata", "jobId", "percentDone", "startedAt", "completedAt", "createdResourceArn", "statusMessage",
        "validatedHow", "endedAt", "dueAt", "leaseUntil", "settleSentAt", "settleSends", "doing", "reason", "nextStep",
    }  # fmt: skip
    item = an_item(**dict.fromkeys(last, "x"))
    w = work(item)
    change(w, item, fresh_attempt(item))
    assert stored(w, item).keys() == kept
