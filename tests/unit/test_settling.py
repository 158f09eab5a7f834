"""Finishing and validating one restored resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.ledger import Put
from airlift.restore.base import Finishing, Validation
from airlift.settling import settle
from airlift.values import stamp

from tests.unit.domain import (
    NOW,
    RECOVERY_ID,
    SECOND_EXECUTION,
    a_lock,
    an_item,
    refused,
    stored,
    table_arn,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.restore.base import Restored
    from airlift.vaults import VaultWork

    Make = Callable[..., VaultWork]
    Play = Callable[["Family"], "Family"]

MOMENT = NOW.timestamp()
SETTLING: dict[str, Any] = {
    "state": "settling",
    "jobId": "job-1",
    "metadata": {"targetTableName": "new"},
    "createdResourceArn": "arn:aws:dynamodb:ap-northeast-1:444455556666:table/new",
    "statusMessage": "2 objects failed",
    "settleSends": 3,
}


class Family:
    """A family that answers as told; `during` happens while it finishes."""

    def __init__(self, finishing: Any, validation: Any = None, during: Callable[[], None] = lambda: None) -> None:
        self.finishing, self.validation, self.during = finishing, validation, during
        self.seen: list[Restored] = []

    def finish(self, clients: Any, restored: Restored) -> Finishing:
        self.seen.append(restored)
        self.during()
        if isinstance(self.finishing, Exception):
            raise self.finishing
        assert isinstance(self.finishing, Finishing)
        return self.finishing

    def validate(self, clients: Any, restored: Restored) -> Any:
        return self.validation


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Family], Family]:
    def put(family: Family) -> Family:
        monkeypatch.setattr("airlift.settling.family_of", lambda _: family)
        return family

    return put


DONE = Finishing(True)


def test_a_validated_resource_has_its_outcome_and_stays_open_for_the_loop(work: Make, play: Play) -> None:
    family = play(Family(DONE, Validation(True, "12 items read")))
    item = an_item(**SETTLING)
    w = work(item)
    assert settle(w, table_arn("orders"), 1) == {"state": "validated"}
    now = stored(w, item)
    assert (now["state"], now["validatedHow"], now["endedAt"]) == ("validated", "12 items read", stamp(NOW))
    assert now["open"] == item["open"]
    assert "leaseUntil" not in now
    assert texts(w.ledger, "validated") == ["12 items read"]
    [restored] = family.seen
    assert (restored.metadata, restored.status_message) == ({"targetTableName": "new"}, "2 objects failed")


def test_what_does_not_validate_is_restored_with_reason_and_next_step(work: Make, play: Play) -> None:
    play(Family(DONE, Validation(False, "no item could be read")))
    item = an_item(**SETTLING)
    w = work(item)
    assert settle(w, table_arn("orders"), 1) == {"state": "restored"}
    now = stored(w, item)
    assert now["reason"] == "restored, but not validated: no item could be read"
    assert f"airlift restore-again {RECOVERY_ID} {table_arn('orders')}" in now["nextStep"]


def test_finishing_that_takes_time_is_taken_up_again_as_often_as_it_needs(work: Make, play: Play) -> None:
    play(Family(Finishing(False, 10, "table new is CREATING")))
    item = an_item(**SETTLING)
    w = work(item)
    assert settle(w, table_arn("orders"), 1) == {"state": "settling"}
    now = stored(w, item)
    assert (now["state"], now["doing"], now["dueAt"]) == ("settling", "table new is CREATING", MOMENT + 10)
    assert now["settleSends"] == 0
    assert "leaseUntil" not in now
    assert texts(w.ledger) == []


def test_an_error_is_kept_in_words_and_counts_as_a_try(work: Make, play: Play) -> None:
    play(Family(refused("AccessDeniedException", "no dynamodb:TagResource")))
    item = an_item(**SETTLING)
    w = work(item)
    assert settle(w, table_arn("orders"), 1) == {"state": "settling"}
    now = stored(w, item)
    assert now["doing"].startswith("finishing failed: ")
    assert "no dynamodb:TagResource" in now["doing"]
    assert (now["dueAt"], now["settleSends"]) == (MOMENT + 60, 3)


@pytest.mark.parametrize(
    ("changed", "attempt"), [({"attempt": 2}, 1), ({}, 2), ({"state": "validated"}, 1), ({"state": "held"}, 1)]
)
def test_an_answer_for_a_past_attempt_or_state_changes_nothing(
    work: Make, play: Play, changed: Any, attempt: int
) -> None:
    family = play(Family(DONE, Validation(True, "")))
    item = an_item(**SETTLING | changed)
    w = work(item)
    assert settle(w, table_arn("orders"), attempt) == {"state": "past"}
    assert stored(w, item) == item
    assert family.seen == []


def test_of_a_resource_that_nobody_selected_nothing_is_written(work: Make, play: Play) -> None:
    play(Family(DONE))
    assert settle(work(), table_arn("other"), 1) == {"state": "past"}


@pytest.mark.parametrize(("lease", "works"), [(MOMENT + 1, False), (MOMENT - 1, True)])
def test_two_never_work_on_one_item(work: Make, play: Play, lease: float, works: bool) -> None:
    family = play(Family(DONE, Validation(True, "")))
    settled = settle(work(an_item(**SETTLING, leaseUntil=lease)), table_arn("orders"), 1)
    assert settled == {"state": "validated" if works else "leased"}
    assert len(family.seen) == int(works)


def test_the_lease_is_held_while_it_works_and_outlasts_the_function(work: Make, play: Play) -> None:
    leases: list[float] = []
    item = an_item(**SETTLING)
    w = work(item)
    play(Family(DONE, Validation(True, ""), lambda: leases.append(stored(w, item)["leaseUntil"])))
    settle(w, table_arn("orders"), 1)
    assert leases == [MOMENT + 260]


def test_who_lost_the_lock_finishes_nothing(work: Make, play: Play) -> None:
    family = play(Family(DONE, Validation(True, "")))
    w = work(an_item(**SETTLING))
    w.ledger.write(Put(a_lock(SECOND_EXECUTION), replace=True))
    assert settle(w, table_arn("orders"), 1) == {"state": "leased"}
    assert family.seen == []


def test_who_loses_the_lock_meanwhile_writes_no_outcome(work: Make, play: Play) -> None:
    item = an_item(**SETTLING)
    w = work(item)
    lose = Put(a_lock(SECOND_EXECUTION), replace=True)
    play(Family(DONE, Validation(True, ""), lambda: w.ledger.write(lose)))
    assert settle(w, table_arn("orders"), 1) == {"state": "past"}
    assert stored(w, item)["state"] == "settling"


def test_a_job_that_names_nothing_created_is_no_success(work: Make, play: Play) -> None:
    family = play(Family(DONE, Validation(True, "")))
    item = an_item(**SETTLING | {"createdResourceArn": ""})
    w = work(item)
    assert settle(w, table_arn("orders"), 1) == {"state": "settling"}
    assert "job job-1 names no created resource" in stored(w, item)["doing"]
    assert family.seen == []
