"""Every ending closes: report, message, ending and lock; once, and by whoever notices first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airlift import aws
from airlift.closing import close_by_status, close_ended_recovery
from airlift.errors import AirliftError, Unavailable
from airlift.ledger import (
    Conflict,
    Ledger,
    again_key,
    execution_key,
    keyed,
    last_key,
    lock_key,
    recovery_key,
    vault_key,
    vote_key,
)
from airlift.values import stamp

from tests.unit.domain import (
    ACCOUNT,
    BUCKET,
    EVENT,
    EXECUTION,
    NOW,
    RECOVERY_ID,
    SECOND_EXECUTION,
    SECOND_VAULT,
    VAULT,
    a_lock,
    a_recovery,
    a_vault,
    ago,
    an_item,
    published,
    refused,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.domain import Service, Services

CHILD = EXECUTION.replace("airlift-recovery", "airlift-vault-recovery").replace("first", f"{RECOVERY_ID}-0-01234567")
GOOD = {"name": "VaultRecovered", "cause": "3 validated", "at": "x"}
SERVED = keyed(execution_key(EXECUTION), recoveryId=RECOVERY_ID, account=ACCOUNT)


@pytest.fixture
def people(services: Services) -> Service:
    """The people topic."""
    return services.play("sns", publish={})


@pytest.fixture
def states(services: Services) -> Service:
    """Step Functions, where the vault's execution runs."""
    return services.play("stepfunctions", describe_execution={"status": "RUNNING"}, stop_execution={})


def recovery(ledger: Ledger) -> dict[str, Any]:
    return ledger.get(recovery_key(RECOVERY_ID)) or {}


def test_the_normal_end_reports_tells_people_and_frees_the_lock(
    ledger: Ledger, given: Callable[..., None], people: Service
) -> None:
    given(a_lock(), a_recovery(), a_vault(ending=GOOD))
    answer = close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    assert (answer["outcome"], answer["recoveryId"]) == ("Recovered", RECOVERY_ID)
    record = recovery(ledger)
    assert (record["state"], record["outcome"], record["cause"]) == ("ENDED", "Recovered", answer["cause"])
    report = json.loads(aws.client("s3").get_object(Bucket=BUCKET, Key=record["reportKey"])["Body"].read())
    assert report["outcome"] == "Recovered"
    assert ledger.get(lock_key(ACCOUNT)) is None
    for topic in ("people", "chat"):
        [message] = published(people, topic)
        assert message["Subject"] == f"Airlift {RECOVERY_ID}: Recovered"
        assert record["reportKey"].replace(".json", ".html") in message["Message"]
        assert f"airlift status {RECOVERY_ID}" in message["Message"]
    assert len(texts(ledger, "closed")) == 1


def test_a_repeated_close_says_the_same_and_tells_nobody_twice(
    ledger: Ledger, given: Callable[..., None], people: Service
) -> None:
    given(a_lock(), a_recovery(), a_vault(ending=GOOD))
    first = close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    assert close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {}) == first
    assert len(published(people)) == len(published(people, "chat")) == 1


@pytest.mark.parametrize(
    ("ended", "name", "cause"),
    [
        (
            {"error": "PlanUnreadable", "cause": '{"errorMessage": "No plan.", "errorType": "x"}'},
            "PlanUnreadable",
            "No plan.",
        ),
        ({"error": "States.Timeout", "cause": "no JSON"}, "States.Timeout", "no JSON"),
        ({"error": "X", "cause": '["list"]'}, "X", '["list"]'),
        ({"error": "X"}, "X", "no cause given"),
    ],
)
def test_what_the_workflow_caught_is_the_ending_whatever_the_vaults_say(
    ledger: Ledger, given: Callable[..., None], people: Service, ended: Any, name: str, cause: str
) -> None:
    given(a_lock(), a_recovery(), a_vault(ending=GOOD))
    answer = close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, ended)
    assert answer["outcome"] == name
    assert answer["cause"].startswith(cause)
    assert "Next step: " in answer["cause"]


AFTER = stamp(ago(minutes=30))


@pytest.mark.parametrize(
    ("sign", "good"),
    [
        ({}, True),
        ({"joinedFirstSign": stamp(ago(hours=3))}, False),
        ({"operatorFirstSign": stamp(ago(hours=3))}, False),
        ({"joinedFirstSign": stamp(ago(minutes=31))}, True),  # the point is older still
    ],
)
def test_a_vault_that_ended_before_an_earlier_first_sign_was_known_is_not_recovered_by_later_points(
    ledger: Ledger, given: Callable[..., None], people: Service, sign: Any, good: bool
) -> None:
    vault = a_vault(ending=GOOD, cutOff=AFTER, marginMinutes=0)
    given(a_lock(), a_recovery(**sign), vault, an_item(open=None, state="validated"))
    answer = close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    assert answer["outcome"] == ("Recovered" if good else "ResourcesNotRestored")
    assert answer["vaults"] == {VAULT: "VaultRecovered" if good else "ResourcesNotRestored"}
    assert good is ("restore-again" not in answer["cause"])


def test_what_was_wanted_when_its_vault_had_ended_keeps_the_recovery_from_being_green(
    ledger: Ledger, given: Callable[..., None], people: Service
) -> None:
    wish = keyed(again_key(RECOVERY_ID, "arn:wanted"), resourceArn="arn:wanted", at=stamp(NOW))
    given(a_lock(), a_recovery(), a_vault(ending=GOOD), wish)
    answer = close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    assert answer["outcome"] == "OperatorNeeded"
    assert "arn:wanted" in answer["cause"]
    assert f"`airlift resume {RECOVERY_ID}`" in answer["cause"]


def test_a_run_that_another_was_quicker_than_tells_what_that_came_to(
    ledger: Ledger, given: Callable[..., None], people: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(a_lock(), a_recovery(), a_vault(ending=GOOD))
    monkeypatch.setattr("airlift.closing.is_held_by", lambda *_: bool(the_other()))

    def the_other() -> object:
        monkeypatch.setattr("airlift.closing.is_held_by", lambda *_: True)
        return close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})

    with pytest.raises(Unavailable):
        close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    assert close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})["outcome"] == "Recovered"
    assert len(published(people)) == 1


def test_a_preempted_drill_is_closed_once_however_often_that_is_begun(
    ledger: Ledger, given: Callable[..., None], people: Service, states: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no lock that would keep the second one out, as where an event came twice, or the janitor meets it."""
    drill = RECOVERY_ID.replace("r-", "drill-", 1)
    pk, _ = recovery_key(drill)
    served = SERVED | {"recoveryId": drill}
    given(a_recovery(recoveryId=drill, pk=pk, mode="drill", preemptedBy=RECOVERY_ID), a_lock(SECOND_EXECUTION), served)
    ended = {"status": "ABORTED"}
    monkeypatch.setattr("airlift.closing.stop_children", lambda *_: the_other())

    def the_other() -> None:
        monkeypatch.setattr("airlift.closing.stop_children", lambda *_: None)
        real = ledger.write
        monkeypatch.setattr(ledger, "write", lambda *changes, **more: meanwhile(real, *changes, **more))

    def meanwhile(real: Any, *changes: Any, **more: Any) -> None:
        monkeypatch.setattr(ledger, "write", real)
        close_by_status(ledger, EXECUTION, ended)
        real(*changes, **more)

    with pytest.raises(Conflict):
        close_by_status(ledger, EXECUTION, ended)
    assert (ledger.get(recovery_key(drill)) or {})["state"] == "ENDED"
    assert close_by_status(ledger, EXECUTION, ended)["outcome"] == "closed before"


@pytest.mark.parametrize("lock", [[], [a_lock(SECOND_EXECUTION)]])
def test_who_no_longer_holds_the_lock_closes_nothing(
    ledger: Ledger, given: Callable[..., None], people: Service, lock: list[Any]
) -> None:
    given(*lock, a_recovery(), a_vault(ending=GOOD))
    assert close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})["outcome"] == "Superseded"
    assert recovery(ledger)["state"] == "RUNNING"
    assert people.asked == []


def test_what_fails_before_the_lock_is_freed_leaves_it_to_be_done_again(
    ledger: Ledger, given: Callable[..., None], services: Services, people: Service
) -> None:
    given(a_lock(), a_recovery(), a_vault(ending=GOOD))
    broken = refused("InternalError", "", 500)
    bucket = services.play("s3", put_object=broken, get_object=refused("NoSuchKey"), list_objects_v2={})
    with pytest.raises(Exception, match="InternalError"):
        close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    assert ledger.get(lock_key(ACCOUNT))
    assert recovery(ledger)["state"] == "CLOSING"
    assert people.asked == []
    bucket.answers["put_object"] = {}
    assert close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})["outcome"] == "Recovered"
    assert len(published(people)) == 1


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ({"status": "ABORTED", "error": "Stopped", "cause": "wrong account"}, "Stopped"),
        ({"status": "ABORTED"}, "Stopped"),
        ({"status": "TIMED_OUT"}, "TimedOut"),
        ({"status": "FAILED", "error": "States.Runtime", "cause": "x"}, "States.Runtime"),
        ({}, "Stopped"),  # only the ARN is known: Step Functions is asked
    ],
)
def test_an_execution_that_ended_otherwise_is_closed_and_its_children_are_stopped(
    ledger: Ledger, given: Callable[..., None], people: Service, states: Service, status: Any, name: str
) -> None:
    given(a_lock(), a_recovery(), a_vault(), SERVED)
    states.answers["describe_execution"] = lambda executionArn: {  # noqa: N803
        "status": "RUNNING" if executionArn == CHILD else "ABORTED"
    }
    answer = close_by_status(ledger, EXECUTION, status)
    assert answer["outcome"] == name
    assert f"airlift resume {RECOVERY_ID}" in answer["cause"]
    assert [request["executionArn"] for request in states.requests("stop_execution")] == [CHILD]
    assert (ledger.get(vault_key(RECOVERY_ID, VAULT)) or {})["ending"]["name"] == "Stopped"
    assert ledger.get(lock_key(ACCOUNT)) is None
    assert recovery(ledger)["state"] == "ENDED"


def test_a_child_that_never_began_does_not_keep_its_parent_from_closing(
    ledger: Ledger, given: Callable[..., None], people: Service, states: Service
) -> None:
    given(a_lock(), a_recovery(), a_vault(), SERVED)
    states.answers["describe_execution"] = states.error("ExecutionDoesNotExist")
    assert close_by_status(ledger, EXECUTION, {"status": "ABORTED"})["outcome"] == "Stopped"


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        ([], "nothing to close"),
        ([SERVED], "closed before"),
        ([SERVED, a_lock(SECOND_EXECUTION)], "closed before"),
        ([SERVED, a_lock()], "still running"),
    ],
)
def test_only_what_still_holds_the_lock_and_does_not_run_is_closed(
    ledger: Ledger, given: Callable[..., None], people: Service, states: Service, records: Any, outcome: str
) -> None:
    if records:
        given(*records)
    assert close_by_status(ledger, EXECUTION, {}) == {"outcome": outcome}
    assert people.asked == []


def child_status(**told: Any) -> dict[str, Any]:
    return {"status": "ABORTED", "input": json.dumps(EVENT), **told}


@pytest.mark.parametrize(
    ("told", "name"),
    [({}, "Stopped"), ({"status": "FAILED", "error": "States.Runtime", "cause": "x"}, "States.Runtime")],
)
def test_a_vaults_ending_that_it_could_not_write_itself_is_recorded(
    ledger: Ledger, given: Callable[..., None], told: Any, name: str
) -> None:
    given(a_lock(), a_recovery(), a_vault())
    assert close_by_status(ledger, CHILD, child_status(**told)) == {"outcome": "recorded"}
    vault = ledger.get(vault_key(RECOVERY_ID, VAULT)) or {}
    assert (vault["state"], vault["ending"]["name"]) == ("ENDED", name)
    assert ledger.get(lock_key(ACCOUNT))


@pytest.mark.parametrize(
    ("records", "given_input", "outcome"),
    [
        ([a_lock(), a_vault(ending=GOOD)], json.dumps(EVENT), "recorded before"),
        ([a_lock(SECOND_EXECUTION), a_vault()], json.dumps(EVENT), "recorded before"),
        ([a_vault()], json.dumps(EVENT), "recorded before"),
        ([a_lock()], json.dumps(EVENT), "recorded before"),
        ([a_lock(), a_vault()], "{}", "not an execution of Airlift's"),
    ],
)
def test_a_vaults_recorded_ending_is_never_written_over(
    ledger: Ledger, given: Callable[..., None], records: Any, given_input: str, outcome: str
) -> None:
    given(*records)
    before = ledger.get(vault_key(RECOVERY_ID, VAULT))
    assert close_by_status(ledger, CHILD, child_status(input=given_input)) == {"outcome": outcome}
    assert ledger.get(vault_key(RECOVERY_ID, VAULT)) == before


def test_an_execution_that_step_functions_has_forgotten_is_closed(
    ledger: Ledger, given: Callable[..., None], people: Service, states: Service
) -> None:
    given(a_lock(), a_recovery(), a_vault(), SERVED)
    states.answers["describe_execution"] = states.error("ExecutionDoesNotExist")
    assert close_by_status(ledger, EXECUTION, {})["outcome"] == "Stopped"
    assert ledger.get(lock_key(ACCOUNT)) is None


def test_a_topic_that_is_down_keeps_no_recovery_from_ending_and_the_word_is_kept(
    ledger: Ledger, given: Callable[..., None], people: Service
) -> None:
    given(a_lock(), a_recovery(), a_vault(ending=GOOD))
    people.answers["publish"] = refused("InternalError", "", 500)
    with pytest.raises(AirliftError):  # so that the step is tried again
        close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    assert ledger.get(lock_key(ACCOUNT)) is None
    assert recovery(ledger)["outcome"] == "Recovered"
    people.answers["publish"] = {}
    people.asked.clear()
    assert close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})["outcome"] == "Recovered"
    assert [message["Subject"] for message in published(people)] == [f"Airlift {RECOVERY_ID}: Recovered"]


def test_an_event_that_comes_again_publishes_what_its_first_run_could_not(
    ledger: Ledger, given: Callable[..., None], people: Service, states: Service
) -> None:
    """Lambda repeats an asynchronous run that failed; by then the lock is free."""
    given(a_lock(), a_recovery(), a_vault(ending=GOOD), SERVED)
    people.answers["publish"] = refused("InternalError", "", 500)
    with pytest.raises(AirliftError):
        close_by_status(ledger, EXECUTION, {"status": "ABORTED"})
    people.answers["publish"] = {}
    people.asked.clear()
    close_by_status(ledger, EXECUTION, {"status": "ABORTED"})
    assert [message["Subject"] for message in published(people)] == [f"Airlift {RECOVERY_ID}: Stopped"]


def test_the_output_holds_the_votes_and_each_vaults_ending(
    ledger: Ledger, given: Callable[..., None], people: Service
) -> None:
    key = vote_key(RECOVERY_ID, f"{VAULT}#1", "ana")
    vote = {"vault": VAULT, "approver": "ana", "response": "REJECTED", "at": stamp(ago(hours=1))}
    rejected = {"name": "ApprovalRejected", "cause": "no. Next step: talk", "at": "x"}
    given(a_lock(), a_recovery(), a_vault(ending=rejected), keyed(key, **vote))
    answer = close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    assert answer["votes"] == [vote]
    assert answer["vaults"] == {VAULT: "ApprovalRejected"}
    assert answer["report"] == f"s3://{BUCKET}/{recovery(ledger)['reportKey']}".replace(".json", ".html")


def test_the_account_remembers_when_its_last_recovery_ended(
    ledger: Ledger, given: Callable[..., None], people: Service
) -> None:
    given(a_lock(), a_recovery(), a_vault(ending=GOOD), keyed(last_key(ACCOUNT), recoveryId="r-before"))
    close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    last = ledger.get(last_key(ACCOUNT)) or {}
    assert (last["recoveryId"], last["outcome"], last["endedAt"]) == (RECOVERY_ID, "Recovered", stamp(NOW))


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [("AccessOpen", "AccessOpen"), ("VaultRecovered", "PartlyRecovered"), ("ApprovalRejected", "PartlyRecovered")],
)
def test_access_alone_is_an_ending_of_its_own_if_every_vault_ended_so(
    ledger: Ledger, given: Callable[..., None], people: Service, ending: str, outcome: str
) -> None:
    words = f"Access is open. Next step: airlift resume {RECOVERY_ID}"
    both = [
        a_vault(ending={"name": "AccessOpen", "cause": words, "at": "x"}),
        keyed(
            vault_key(RECOVERY_ID, SECOND_VAULT),
            sourceBackupVaultArn=SECOND_VAULT,
            ending={"name": ending, "cause": words, "at": "x"},
        ),
    ]
    given(a_lock(), a_recovery(vaults=[VAULT, SECOND_VAULT]), *both)
    answer = close_ended_recovery(ledger, RECOVERY_ID, EXECUTION, {})
    assert answer["outcome"] == outcome
    assert f"airlift resume {RECOVERY_ID}" in answer["cause"]


def test_the_report_says_who_stopped_it(
    ledger: Ledger, given: Callable[..., None], people: Service, states: Service
) -> None:
    arn = "arn:aws:sts::444455556666:assumed-role/operator/ana"
    given(a_lock(), a_recovery(stoppedBy=arn, stopReason="False alarm"), a_vault(ending=GOOD), SERVED)
    close_by_status(ledger, EXECUTION, {"status": "ABORTED", "error": "Stopped", "cause": "False alarm"})
    report = json.loads(aws.client("s3").get_object(Bucket=BUCKET, Key=recovery(ledger)["reportKey"])["Body"].read())
    assert (report["stoppedBy"], report["stopReason"]) == (arn, "False alarm")
