"""Finishing and validating one restored resource."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from airlift.ledger import Put
from airlift.restore.base import Finishing, Validation
from airlift.settling import settle
from airlift.values import stamp
from botocore.exceptions import ReadTimeoutError

from tests.unit.domain import (
    NOW,
    RECOVERY_ID,
    SECOND_EXECUTION,
    Service,
    Services,
    a_lock,
    ago,
    an_item,
    point_arn,
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
DOUBTED: dict[str, Any] = {"doubtedSince": stamp(ago(minutes=2))}
"""It has looked wrong for so long that it is."""


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

    def endpoints(self, clients: Any, restored: Restored) -> dict[str, str]:
        return {"tableName": restored.metadata["targetTableName"]}


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Family], Family]:
    def put(family: Family) -> Family:
        monkeypatch.setattr("airlift.settling.family_for", lambda _: family)
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
    assert now["endpoints"] == {"tableName": "new"}
    assert now["open"] == item["open"]
    assert "leaseUntil" not in now
    assert texts(w.ledger, "validated") == ["12 items read"]
    [restored] = family.seen
    assert (restored.metadata, restored.status_message) == ({"targetTableName": "new"}, "2 objects failed")


def test_what_does_not_validate_is_restored_with_reason_and_next_step(work: Make, play: Play) -> None:
    play(Family(DONE, Validation(False, "no item could be read")))
    item = an_item(**SETTLING, **DOUBTED)
    w = work(item)
    assert settle(w, table_arn("orders"), 1) == {"state": "restored"}
    now = stored(w, item)
    assert now["reason"] == "restored, but not validated: no item could be read"
    assert f"airlift restore-again {RECOVERY_ID} {table_arn('orders')}" in now["nextStep"]


def test_what_looks_wrong_is_looked_at_again_before_it_is_believed(work: Make, play: Play) -> None:
    """DescribeTable and EC2's reads are eventually consistent: what was just made may not be there yet."""
    family = play(Family(DONE, Validation(False, "table new does not exist")))
    item = an_item(**SETTLING)
    w = work(item)
    assert settle(w, table_arn("orders"), 1) == {"state": "settling"}
    now = stored(w, item)
    assert (now["doing"], now["dueAt"]) == ("table new does not exist; looked at again", MOMENT + 30)
    assert (now["doubtedSince"], now["settleSends"]) == (stamp(NOW), 0)
    family.validation = Validation(True, "12 items read")
    assert settle(w, table_arn("orders"), 1) == {"state": "validated"}


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


FUNCTION = "airlift-validate-orders"
ASKING = {"targets": {"defaults": {"validationFunction": FUNCTION}}}


def replies(services: Services, text: Any, **more: Any) -> Service:
    body = text if isinstance(text, str) else json.dumps(text)
    return services.play("lambda", invoke=lambda **_: {"Payload": BytesIO(body.encode()), **more})


def test_the_plans_function_has_the_last_word(work: Make, play: Play, services: Services) -> None:
    play(Family(DONE, Validation(True, "12 items read")))
    aws = replies(services, {"valid": True, "message": "newest order <b>is</b> there"})
    item = an_item(**SETTLING)
    w = work(item, **ASKING)
    assert settle(w, table_arn("orders"), 1) == {"state": "validated"}
    assert stored(w, item)["validatedHow"] == f"12 items read; {FUNCTION} says: newest order bis/b there"
    [request] = aws.requests("invoke")
    assert (request["FunctionName"], request["InvocationType"]) == (FUNCTION, "RequestResponse")
    assert json.loads(request["Payload"]) == {
        "recoveryId": RECOVERY_ID,
        "drill": False,
        "resourceArn": table_arn("orders"),
        "resourceType": "DynamoDB",
        "createdResourceArn": SETTLING["createdResourceArn"],
        "recoveryPointArn": point_arn("new"),
        "recoveryPointCreatedAt": item["candidates"][0]["createdAt"],
        "attempt": 1,
    }


def test_it_is_not_asked_about_what_is_not_valid_anyway(work: Make, play: Play, services: Services) -> None:
    play(Family(DONE, Validation(False, "empty")))
    aws = replies(services, {"valid": True})
    assert settle(work(an_item(**SETTLING, **DOUBTED), **ASKING), table_arn("orders"), 1) == {"state": "restored"}
    assert aws.asked == []


@pytest.mark.parametrize(
    ("text", "more", "reason"),
    [
        ({"valid": False, "message": "orders missing"}, {}, "says: orders missing"),
        ({"valid": False, "message": 7}, {}, "says: not valid"),
        ({"valid": 1}, {}, "gave an answer that is none: valid: 1"),
        ({"again": True}, {}, "that is none"),
        ({"again": True, "afterSeconds": True}, {}, "that is none"),
        ({"again": False, "afterSeconds": 5}, {}, "that is none"),
        ([{"valid": True}], {}, "that is none"),
        ("null", {}, "that is none"),
        ("\ud7ffnot json", {}, "that is none"),
        ('{"valid": true, "message": "' + "x" * 10_000 + '"}', {}, "that is none"),
        ({"errorMessage": "KeyError: 'pk'"}, {"FunctionError": "Unhandled"}, "failed: KeyError: 'pk'"),
        ({"valid": True}, {"FunctionError": "Unhandled"}, "failed"),
    ],
)
def test_what_is_no_approval_is_restored_not_validated(
    work: Make, play: Play, services: Services, text: Any, more: Any, reason: str
) -> None:
    play(Family(DONE, Validation(True, "12 items read")))
    replies(services, text, **more)
    item = an_item(**SETTLING)
    w = work(item, **ASKING)
    assert settle(w, table_arn("orders"), 1) == {"state": "restored"}
    assert stored(w, item)["reason"].startswith(f"restored, but not validated: {FUNCTION} ")
    assert reason in stored(w, item)["reason"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (refused("ResourceNotFoundException", "Function not found"), "could not be called: "),
        (refused("AccessDeniedException"), "could not be called: "),
        (ReadTimeoutError(endpoint_url="lambda"), "gave no answer in time"),
    ],
)
def test_a_function_that_cannot_be_asked_validates_nothing(
    work: Make, play: Play, services: Services, error: Exception, reason: str
) -> None:
    play(Family(DONE, Validation(True, "12 items read")))
    services.play("lambda", invoke=error)
    item = an_item(**SETTLING)
    w = work(item, **ASKING)
    assert settle(w, table_arn("orders"), 1) == {"state": "restored"}
    assert f"{FUNCTION} {reason}" in stored(w, item)["reason"]


def test_a_call_that_aws_does_not_take_now_is_made_again(work: Make, play: Play, services: Services) -> None:
    play(Family(DONE, Validation(True, "12 items read")))
    services.play("lambda", invoke=refused("TooManyRequestsException"))
    item = an_item(**SETTLING)
    w = work(item, **ASKING)
    assert settle(w, table_arn("orders"), 1) == {"state": "settling"}
    assert (stored(w, item)["dueAt"], stored(w, item)["settleSends"]) == (MOMENT + 60, 3)


@pytest.mark.parametrize(("seconds", "wait"), [(60, 60), (0, 5), (10**9, 3600)])
def test_it_may_ask_for_more_time(work: Make, play: Play, services: Services, seconds: int, wait: int) -> None:
    play(Family(DONE, Validation(True, "12 items read")))
    replies(services, {"again": True, "afterSeconds": seconds, "message": "counting"})
    item = an_item(**SETTLING)
    w = work(item, **ASKING)
    assert settle(w, table_arn("orders"), 1) == {"state": "settling"}
    now = stored(w, item)
    assert now["doing"] == f"{FUNCTION} asks for more time: counting"
    assert (now["dueAt"], now["settleSends"], now["askedSince"]) == (MOMENT + wait, 0, stamp(NOW))


def test_but_not_for_ever(work: Make, play: Play, services: Services) -> None:
    play(Family(DONE, Validation(True, "12 items read")))
    replies(services, {"again": True, "afterSeconds": 60})
    item = an_item(**SETTLING, askedSince=stamp(ago(hours=6)))
    w = work(item, **ASKING)
    assert settle(w, table_arn("orders"), 1) == {"state": "restored"}
    assert "asks for more time, after 6 hours" in stored(w, item)["reason"]
