"""What an operator may have done to a recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import InvalidInput, RecoveryAlreadyRuns, Unavailable, UnknownRecovery
from airlift.inputs import Action, parse_input
from airlift.ledger import Conflict, Ledger, again_key, execution_key, lock_key, recovery_key
from airlift.operator import act
from airlift.plan_store import PlanVersion
from airlift.recovery import first_sign
from airlift.values import stamp

from tests.unit.domain import (
    ACCOUNT,
    EXECUTION,
    NOW,
    RECOVERY_ID,
    SECOND_EXECUTION,
    a_lock,
    a_plan,
    a_recovery,
    a_vault,
    ago,
    an_item,
    point_arn,
    table_arn,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.domain import Service, Services

RUNNING = [a_lock(), a_recovery()]
ENDED = [a_recovery(state="ENDED", outcome="OperatorNeeded", cause="x", endedAt=stamp(ago(minutes=1)))]
ITEM = an_item("orders")


@pytest.fixture
def states(services: Services, monkeypatch: pytest.MonkeyPatch) -> Service:
    """Step Functions, where the lock's holder runs; the plan in force is of a new version."""
    newest = PlanVersion(a_plan(), "newer", "plans/newer.json", "a warning")
    monkeypatch.setattr("airlift.operator.newest_plan", lambda: newest)
    return services.play("stepfunctions", describe_execution={"status": "RUNNING"}, stop_execution={})


def acts(ledger: Ledger, action: str, **fields: Any) -> dict[str, Any]:
    """Carries an action out in a second execution."""
    read = parse_input({"recoveryId": RECOVERY_ID, "action": action, **fields}, now=NOW)
    assert isinstance(read, Action)
    return act(ledger, SECOND_EXECUTION, read, NOW)


def recovery(ledger: Ledger) -> dict[str, Any]:
    return ledger.get(recovery_key(RECOVERY_ID)) or {}


ACTIONS: list[tuple[str, dict[str, Any]]] = [
    ("resume", {}),
    ("continue", {"wave": "tables"}),
    ("first-sign", {"firstSign": stamp(ago(hours=9))}),
    ("restore-again", {"resourceArns": [table_arn("orders")], "recoveryPointArn": point_arn("p")}),
    ("stop", {"reason": "wrong account"}),
]


@pytest.mark.parametrize(("action", "fields"), ACTIONS)
def test_an_action_on_a_running_recovery_is_done_at_once_and_never_takes_its_lock(
    ledger: Ledger, given: Callable[..., None], states: Service, action: str, fields: Any
) -> None:
    given(*RUNNING, ITEM)
    assert acts(ledger, action, **fields)["outcome"] == "done"
    assert (ledger.get(lock_key(ACCOUNT)) or {})["executionArn"] == EXECUTION
    assert recovery(ledger)["executionArn"] == EXECUTION
    assert len(texts(ledger, "operator")) == (0 if action == "resume" else 1)


@pytest.mark.parametrize(("action", "fields"), ACTIONS)
def test_on_an_ended_recovery_it_goes_on_if_the_action_needs_that(
    ledger: Ledger, given: Callable[..., None], states: Service, action: str, fields: Any
) -> None:
    given(*ENDED, ITEM)
    answer = acts(ledger, action, **fields)
    goes_on = action in ("resume", "continue", "restore-again")
    assert (answer["outcome"], answer["account"]) == (("accepted", ACCOUNT) if goes_on else ("done", ""))
    record = recovery(ledger)
    assert record["state"] == ("RUNNING" if goes_on else "ENDED")
    if goes_on:
        assert (record["executionArn"], record["planVersion"], record["planWarning"]) == (
            SECOND_EXECUTION,
            "newer",
            "a warning",
        )
        assert not record.keys() & {"outcome", "cause", "endedAt"}
        assert (ledger.get(lock_key(ACCOUNT)) or {})["executionArn"] == SECOND_EXECUTION
        assert (ledger.get(execution_key(SECOND_EXECUTION)) or {})["recoveryId"] == RECOVERY_ID
    else:
        assert ledger.get(lock_key(ACCOUNT)) is None
        assert "airlift" in answer["text"] or "nothing to stop" in answer["text"]


@pytest.mark.parametrize(("action", "fields"), ACTIONS[:-1])
def test_while_a_recovery_is_ending_an_action_waits_until_it_has(
    ledger: Ledger, given: Callable[..., None], states: Service, action: str, fields: Any
) -> None:
    given(a_lock(), a_recovery(state="CLOSING"), ITEM)
    with pytest.raises(Unavailable):
        acts(ledger, action, **fields)
    assert texts(ledger) == []


@pytest.mark.parametrize(("action", "fields"), ACTIONS[1:-1])
def test_an_action_is_not_lost_to_an_ending_that_began_just_now(
    ledger: Ledger,
    given: Callable[..., None],
    states: Service,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    fields: Any,
) -> None:
    given(*RUNNING, ITEM)

    def closing(*_: object) -> Any:
        given(a_recovery(state="CLOSING"))
        return a_lock()

    monkeypatch.setattr("airlift.operator.running_holder", closing)
    with pytest.raises(Conflict):
        acts(ledger, action, **fields)


@pytest.mark.parametrize(
    ("action", "fields", "ending", "waits"),
    [
        (*ACTIONS[1], "OperatorNeeded", True),
        (*ACTIONS[1], "VaultRecovered", False),
        (*ACTIONS[3], "VaultRecovered", True),
        (*ACTIONS[3], None, False),
    ],
)
def test_what_is_wanted_of_a_vault_that_has_ended_waits_for_a_resume(
    ledger: Ledger, given: Callable[..., None], states: Service, action: str, fields: Any, ending: Any, waits: bool
) -> None:
    given(*RUNNING, ITEM, a_vault(ending=ending and {"name": ending, "cause": "x", "at": "y"}))
    text = acts(ledger, action, **fields)["text"]
    assert (f"waits for `airlift resume {RECOVERY_ID}`" in text) is waits


def test_a_resource_that_is_named_twice_is_wanted_once(
    ledger: Ledger, given: Callable[..., None], states: Service
) -> None:
    given(*RUNNING, ITEM)
    assert acts(ledger, "restore-again", resourceArns=[table_arn("orders")] * 2)["outcome"] == "done"


def test_continue_notes_when_and_for_which_wave(ledger: Ledger, given: Callable[..., None], states: Service) -> None:
    given(*RUNNING)
    acts(ledger, "continue", wave="tables")
    assert (recovery(ledger)["continuedAt"], recovery(ledger)["continuedWaves"]) == (stamp(NOW), {"tables": stamp(NOW)})
    acts(ledger, "continue")
    assert recovery(ledger)["continuedWaves"] == {"tables": stamp(NOW), "*": stamp(NOW)}


def test_a_continue_that_meets_another_is_done_again_and_loses_none(
    ledger: Ledger, given: Callable[..., None], states: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(*RUNNING)
    monkeypatch.setattr("airlift.operator.running_holder", lambda *_: acts_first())

    def acts_first() -> dict[str, Any]:
        monkeypatch.setattr("airlift.operator.running_holder", lambda *_: a_lock())
        acts(ledger, "continue", wave="databases")
        return a_lock()

    with pytest.raises(Conflict):
        acts(ledger, "continue", wave="tables")
    assert list(recovery(ledger)["continuedWaves"]) == ["databases"]


@pytest.mark.parametrize("sign", [stamp(ago(hours=9)), stamp(ago(minutes=1)), "latest"])
def test_the_operators_first_sign_stands(
    ledger: Ledger, given: Callable[..., None], states: Service, sign: str
) -> None:
    given(*RUNNING)
    acts(ledger, "first-sign", firstSign=sign)
    assert first_sign(recovery(ledger)) == sign


def test_restore_again_leaves_a_wish_for_the_loop(ledger: Ledger, given: Callable[..., None], states: Service) -> None:
    given(*RUNNING, ITEM)
    acts(ledger, "restore-again", resourceArns=[table_arn("orders")], recoveryPointArn=point_arn("p"))
    wish = ledger.get(again_key(RECOVERY_ID, table_arn("orders"))) or {}
    assert (wish["resourceArn"], wish["recoveryPointArn"], wish["at"]) == (
        table_arn("orders"),
        point_arn("p"),
        stamp(NOW),
    )


def test_a_resource_that_nobody_selected_is_refused_before_anything_is_written(
    ledger: Ledger, given: Callable[..., None], states: Service
) -> None:
    given(*RUNNING, ITEM)
    with pytest.raises(InvalidInput, match="is no resource of recovery"):
        acts(ledger, "restore-again", resourceArns=[table_arn("orders"), table_arn("other")])
    assert ledger.get(again_key(RECOVERY_ID, table_arn("orders"))) is None


def test_stop_stops_the_execution_with_the_reason(ledger: Ledger, given: Callable[..., None], states: Service) -> None:
    given(*RUNNING)
    acts(ledger, "stop", reason="wrong account")
    assert states.requests("stop_execution") == [
        {"executionArn": EXECUTION, "error": "Stopped", "cause": "wrong account"},
    ]
    assert recovery(ledger)["stopReason"] == "wrong account"


def test_an_unknown_recovery_is_named(ledger: Ledger, states: Service) -> None:
    with pytest.raises(UnknownRecovery, match=RECOVERY_ID):
        acts(ledger, "resume")


@pytest.mark.parametrize("action", ["resume", "continue"])
def test_while_another_recovery_of_the_account_runs_it_can_not_go_on(
    ledger: Ledger, given: Callable[..., None], states: Service, action: str
) -> None:
    given(*ENDED, a_lock(EXECUTION, "r-20261124-111122223333-0000"))
    with pytest.raises(RecoveryAlreadyRuns, match="r-20261124-111122223333-0000"):
        acts(ledger, action)
    assert recovery(ledger)["state"] == "ENDED"


def test_a_stop_never_hits_another_recovery_of_the_account(
    ledger: Ledger, given: Callable[..., None], states: Service
) -> None:
    given(*ENDED, a_lock(EXECUTION, "r-20261124-111122223333-0000"))
    assert "nothing to stop" in acts(ledger, "stop")["text"]
    assert states.requests("stop_execution") == []


@pytest.mark.parametrize(
    ("by", "who"), [({"requestedBy": "arn:aws:iam::444455556666:user/ana"}, "user/ana"), ({}, "somebody")]
)
def test_who_stopped_it_is_recorded_if_known(
    ledger: Ledger, given: Callable[..., None], states: Service, by: dict[str, str], who: str
) -> None:
    given(*RUNNING)
    acts(ledger, "stop", reason="False alarm", **by)
    assert recovery(ledger).get("stoppedBy") == by.get("requestedBy")
    assert (recovery(ledger)["stopReason"], recovery(ledger)["stoppedAt"]) == ("False alarm", stamp(NOW))
    [text] = texts(ledger, "operator")
    assert who in text
    assert text.endswith(": False alarm")


def test_resuming_what_was_to_open_access_only_restores(
    ledger: Ledger, given: Callable[..., None], states: Service
) -> None:
    given(a_recovery(state="ENDED", outcome="AccessOpen", cause="x", accessOnly=True))
    assert acts(ledger, "resume")["outcome"] == "accepted"
    assert recovery(ledger)["resumedAt"] == stamp(NOW)


PIN = {"resourceArns": [table_arn("orders")], "recoveryPointArn": point_arn("p"), "reason": "known good"}


def test_a_pin_is_noted_with_its_reason_before_resources_are_known(
    ledger: Ledger, given: Callable[..., None], states: Service
) -> None:
    given(*RUNNING, a_vault(selectedAt=None))
    assert "known good" in acts(ledger, "pin", **PIN)["text"]
    noted = ledger.get(again_key(RECOVERY_ID, table_arn("orders"))) or {}
    assert (noted["pin"], noted["recoveryPointArn"], noted["reason"]) == (True, point_arn("p"), "known good")
    assert any("known good" in text for text in texts(ledger, "operator"))


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (None, "is no resource of recovery"),
        (an_item("orders", state="running"), "the restore of .* has been started"),
        (an_item("orders", state="validated"), "the restore of .* has been started"),
    ],
)
def test_a_pin_that_comes_too_late_is_refused(
    ledger: Ledger, given: Callable[..., None], states: Service, item: Any, words: str
) -> None:
    given(*RUNNING, a_vault(), *([item] if item else []))
    with pytest.raises(InvalidInput, match=words):
        acts(ledger, "pin", **PIN)


def test_a_pin_on_a_recovery_that_has_ended_is_kept_for_its_resume(
    ledger: Ledger, given: Callable[..., None], states: Service
) -> None:
    given(*ENDED, a_vault(), ITEM)
    done = acts(ledger, "pin", **PIN)
    assert (done["outcome"], "airlift resume" in done["text"]) == ("done", True)
