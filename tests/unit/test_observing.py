"""What becomes of started jobs, of restored things that are to be settled, and of held ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airlift.ledger import Update
from airlift.observing import observe, restore_jobs, settle, settle_look_in
from airlift.values import stamp

from tests.unit.domain import EVENT, EXECUTION, NOW, ago, an_item, stored, table_arn, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    from tests.unit.domain import Services

    Make = Callable[..., VaultWork]

RUNNING: dict[str, Any] = {"state": "running", "jobId": "job-1", "percentDone": 20}
SETTLING: dict[str, Any] = {"state": "settling", "jobId": "job-1", "settleSends": 1}
MOMENT = NOW.timestamp()


def looked(work: Make, job: dict[str, Any] | None, **item: Any) -> Any:
    """The item after one look, while its job stands so."""
    record = an_item(**item)
    w = work(record)
    for due in observe(w, [record], {"job-1": job} if job else {}):
        settle(w, due)
    return stored(w, record)


def test_jobs_are_asked_for_since_the_recovery_began_and_only_if_something_is_or_comes_under_way(
    work: Make, services: Services
) -> None:
    aws = services.play("backup", list_restore_jobs={"RestoreJobs": [{"RestoreJobId": "a"}, {"RestoreJobId": "b"}]})
    w = work()
    assert restore_jobs(w, [an_item(state="settling"), an_item(state="held")]) == {}
    assert aws.asked == []
    assert restore_jobs(w, [an_item(state="waiting")]).keys() == {"a", "b"}
    assert restore_jobs(w, [an_item(state="starting")]).keys() == {"a", "b"}
    assert restore_jobs(w, [an_item(state="running")]).keys() == {"a", "b"}
    assert aws.requests("list_restore_jobs")[0] == {"ByCreatedAfter": ago(hours=2, minutes=5)}


@pytest.mark.parametrize(
    ("told", "known", "expected"),
    [("29.99%", 20, 20), ("30.00%", 20, 30), ("0.00%", 0, 0), (None, 20, 20), ("47", 20, 47), ("", 0, 0)],
)
def test_progress_is_noted_in_steps(work: Make, told: str | None, known: int, expected: int) -> None:
    job = {"Status": "RUNNING", **({} if told is None else {"PercentDone": told})}
    assert looked(work, job, **RUNNING | {"percentDone": known})["percentDone"] == expected


def test_a_job_that_the_list_does_not_show_yet_is_waited_for(work: Make) -> None:
    assert looked(work, None, **RUNNING) == an_item(**RUNNING)


@pytest.mark.parametrize("status", ["FAILED", "ABORTED"])
def test_a_failed_job_is_a_failed_attempt(work: Make, status: str) -> None:
    item = looked(work, {"Status": status, "StatusMessage": "Internal failure"}, **RUNNING)
    assert (item["state"], item["attempt"], item["attempts"][0]["status"]) == ("waiting", 2, status)


def test_a_completed_job_is_noted_and_sent_to_be_settled(work: Make, services: Services) -> None:
    aws = services.play("lambda", invoke={})
    created = "arn:aws:dynamodb:ap-northeast-1:444455556666:table/new"
    job = {
        "Status": "COMPLETED",
        "CreatedResourceArn": created,
        "CompletionDate": ago(minutes=1),
        "StatusMessage": "2 objects failed",
    }
    item = looked(work, job, **RUNNING)
    expected = {
        "state": "settling",
        "percentDone": 100,
        "completedAt": stamp(ago(minutes=1)),
        "createdResourceArn": created,
        "statusMessage": "2 objects failed",
        "settleSends": 1,
        "settleSentAt": MOMENT,
    }
    assert expected.items() <= item.items()
    [request] = aws.requests("invoke")
    assert request["InvocationType"] == "Event"
    assert json.loads(request["Payload"]) == {**EVENT, "resourceArn": table_arn("orders"), "attempt": 1}


@pytest.mark.parametrize(
    ("times", "sent"),
    [
        ({"settleSentAt": MOMENT - 59}, False),
        ({"settleSentAt": MOMENT - 61}, True),
        ({"settleSentAt": MOMENT - 119, "settleSends": 2}, False),
        ({"settleSentAt": MOMENT - 121, "settleSends": 2}, True),
        ({"settleSends": 0}, True),
        ({"settleSentAt": MOMENT - 61, "leaseUntil": MOMENT + 1}, False),
        ({"settleSentAt": MOMENT - 300, "leaseUntil": MOMENT - 1}, True),
        ({"settleSentAt": MOMENT - 10, "dueAt": MOMENT - 1}, True),
        ({"settleSentAt": MOMENT - 300, "dueAt": MOMENT + 1}, False),
    ],
)
def test_settling_is_sent_when_due_never_under_a_lease(work: Make, services: Services, times: Any, sent: bool) -> None:
    aws = services.play("lambda", invoke={})
    item = looked(work, None, **SETTLING | times)
    assert len(aws.requests("invoke")) == int(sent)
    assert item["settleSends"] == times.get("settleSends", 1) + sent
    assert ("dueAt" in item) is (not sent and "dueAt" in times)


@pytest.mark.parametrize(
    ("doing", "reason"),
    [({}, "settle_restore gave no answer 5 times"), ({"doing": "finishing failed: x"}, "finishing failed: x")],
)
def test_what_is_never_settled_is_held_in_the_end(work: Make, services: Services, doing: Any, reason: str) -> None:
    aws = services.play("lambda", invoke={})
    item = looked(work, None, **SETTLING | {"settleSends": 5, "settleSentAt": MOMENT - 961} | doing)
    assert (item["state"], item["reason"], item["heldFrom"]) == ("held", reason, "settling")
    assert "airlift continue" in item["nextStep"]
    assert aws.asked == []


def test_a_held_item_is_looked_at_again_once_the_operator_has_continued(work: Make) -> None:
    item = an_item(state="held", heldIn=EXECUTION, heldAt=stamp(ago(minutes=9)), heldFrom="running")
    observe(w := work(item), [item], {})
    assert stored(w, item)["state"] == "held"
    observe(w := work(item, recovery={"continuedAt": stamp(NOW)}), [item], {})
    assert stored(w, item)["state"] == "waiting"
    assert texts(w.ledger, "released") == ["tried again"]


def test_an_item_that_moved_on_meanwhile_costs_no_other_its_turn(work: Make) -> None:
    first, second = an_item("a", **RUNNING), an_item("b", **RUNNING | {"jobId": "job-2"})
    w = work(first, second)
    w.ledger.write(Update((first["pk"], first["sk"]), {"attempt": 2}))
    failed = {"Status": "FAILED", "StatusMessage": "x"}
    observe(w, [first, second], {"job-1": failed, "job-2": failed})
    assert stored(w, first)["state"] == "running"
    assert stored(w, second)["state"] == "waiting"


def test_no_more_are_sent_to_be_settled_than_a_clean_account_answers_in_time(
    work: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airlift.observing._AT_ONCE", 15)
    unanswered = [an_item(f"u{n:02}", **SETTLING, settleSentAt=MOMENT - 1) for n in range(5)]
    ready = [an_item(f"d{n:02}", **SETTLING | {"settleSends": 0}) for n in range(17)]
    items = [*unanswered, *ready]
    assert observe(work(*items), items, {}) == ready[:10]


def test_what_a_failed_job_left_behind_is_not_forgotten(work: Make) -> None:
    item = looked(work, {"Status": "FAILED", "CreatedResourceArn": "arn:half"}, **RUNNING)
    assert item["attempts"][0]["createdResourceArn"] == "arn:half"
    assert "createdResourceArn" not in item


def test_only_what_is_sent_and_not_answered_yet_takes_up_room(work: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airlift.observing._AT_ONCE", 20)
    answered = [an_item(f"a{n:02}", **SETTLING, settleSentAt=MOMENT - 1, dueAt=MOMENT + 9) for n in range(20)]
    late = [an_item(f"l{n:02}", **SETTLING, settleSentAt=MOMENT - 61) for n in range(20)]
    items = [*answered, an_item("held", state="running", jobId="job-1"), *late]
    assert observe(work(*items), items, {}) == late


@pytest.mark.parametrize(
    ("times", "awaited", "seconds"),
    [
        ({"settleSentAt": MOMENT - 1}, True, 10),  # the next wave waits for the answer
        ({"settleSentAt": MOMENT - 1}, False, float("inf")),  # whenever others are looked at
        ({"settleSentAt": MOMENT - 61, "leaseUntil": MOMENT + 200}, True, 10),
        ({"settleSentAt": MOMENT - 61}, False, 10),  # there was no room to send it again
        ({"settleSentAt": MOMENT - 1, "dueAt": MOMENT + 45}, True, 45),  # its step has said when
        ({"settleSentAt": MOMENT - 1, "dueAt": MOMENT + 45}, False, 45),
    ],
)
def test_what_is_being_settled_is_looked_at_soon_only_if_something_waits_for_it(
    work: Make, times: dict[str, Any], awaited: bool, seconds: float
) -> None:
    work()  # at NOW
    assert settle_look_in(an_item(**SETTLING, **times), awaited=awaited) == seconds
