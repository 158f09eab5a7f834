"""From whatever started the execution to one recovery, or to none."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import AccountNotInPlan, InvalidInput, VaultNotInPlan
from airlift.ledger import Conflict, Ledger, Put, keyed, last_key, listing_key, lock_key, recovery_key, trigger_key
from airlift.receiving import receive
from airlift.recovery import first_sign
from airlift.values import stamp

from tests.unit.domain import (
    ACCOUNT,
    EXECUTION,
    NOW,
    RECOVERY_ID,
    SECOND_EXECUTION,
    SECOND_VAULT,
    VAULT,
    a_lock,
    a_recovery,
    ago,
    plan_document,
    published,
    refused,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.domain import Service, Services

    Receive = Callable[..., dict[str, Any]]

SAMPLES = Path(__file__).parents[2] / "events"
FINDING: dict[str, Any] = json.loads((SAMPLES / "guardduty-finding.json").read_text())
FIRST_SEEN = stamp(ago(hours=3))
START = {"account": ACCOUNT, "reason": "keys stolen"}
THIRD_EXECUTION = EXECUTION.replace(":first", ":third")


def a_finding(**detail: Any) -> dict[str, Any]:
    """A severe finding about the protected account, an hour old, first seen two hours before."""
    service = FINDING["detail"]["service"] | {"eventFirstSeen": FIRST_SEEN}
    return FINDING | {"time": stamp(ago(hours=1)), "detail": FINDING["detail"] | {"service": service} | detail}


@pytest.fixture
def people(services: Services) -> Service:
    """The topics; other executions run."""
    services.play("stepfunctions", describe_execution={"status": "RUNNING"})
    return services.play("sns", publish={})


@pytest.fixture
def receives(ledger: Ledger, people: Service, services: Services) -> Receive:
    """Receives a document for an execution, with a plan that differs so."""

    def call(document: object, execution: str = EXECUTION, **plan: Any) -> dict[str, Any]:
        content = json.dumps(plan_document(**plan)).encode()
        services.play(
            "appconfigdata",
            start_configuration_session={"InitialConfigurationToken": "t"},
            get_latest_configuration=lambda **_: {"Configuration": io.BytesIO(content)},
        )
        return receive(ledger, execution, document)

    return call


def recovery(ledger: Ledger, identity: str) -> dict[str, Any]:
    return ledger.get(recovery_key(identity)) or {}


def test_a_believed_finding_opens_a_recovery_with_lock_listing_and_timeline(ledger: Ledger, receives: Receive) -> None:
    answer = receives(a_finding())
    assert (answer["outcome"], answer["account"]) == ("accepted", ACCOUNT)
    record = recovery(ledger, answer["recoveryId"])
    assert record["vaults"] == [VAULT, SECOND_VAULT]
    assert (record["state"], record["mode"], record["firstSign"]) == ("RUNNING", "real", FIRST_SEEN)
    assert record["trigger"]["kind"] == "guardDuty"
    lock = ledger.get(lock_key(ACCOUNT)) or {}
    assert (lock["recoveryId"], lock["executionArn"]) == (answer["recoveryId"], EXECUTION)
    assert ledger.get(listing_key(answer["recoveryId"]))
    seen = ledger.get(trigger_key(ACCOUNT, FINDING["detail"]["id"])) or {}
    assert seen["expiresEpoch"] == int(NOW.timestamp()) + 90 * 86400


def test_a_repeated_step_gives_the_same_recovery(ledger: Ledger, receives: Receive) -> None:
    first = receives(a_finding())
    again = receives(a_finding())
    assert (again["outcome"], again["recoveryId"]) == ("accepted", first["recoveryId"])


def test_a_step_that_runs_twice_at_once_accepts_in_both(
    ledger: Ledger, receives: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of Lambda that was lost: Step Functions asks again while the first one still runs."""
    twins: list[dict[str, Any]] = []
    write = ledger.write

    def after_the_twin(*changes: Any, **more: Any) -> None:
        if not twins:
            twins.append({})
            twins[0] = receives(a_finding())
        write(*changes, **more)

    monkeypatch.setattr(ledger, "write", after_the_twin)
    answer = receives(a_finding())
    assert (answer["outcome"], answer["recoveryId"]) == ("accepted", twins[0]["recoveryId"])


def test_a_finding_that_comes_again_is_ignored(receives: Receive) -> None:
    first = receives(a_finding())
    again = receives(a_finding(), SECOND_EXECUTION)
    assert (again["outcome"], again["recoveryId"]) == ("ignored", first["recoveryId"])


EARLIER, LATER = stamp(ago(hours=5)), stamp(ago(hours=2))


def an_update(first_seen: str | None) -> dict[str, Any]:
    return a_finding(service=FINDING["detail"]["service"] | {"eventFirstSeen": first_seen})


@pytest.mark.parametrize(
    ("first", "then", "outcome", "counts"),
    [
        (FIRST_SEEN, EARLIER, "joined", EARLIER),
        (None, FIRST_SEEN, "joined", FIRST_SEEN),
        (FIRST_SEEN, LATER, "ignored", FIRST_SEEN),
        (FIRST_SEEN, None, "ignored", FIRST_SEEN),
    ],
)
def test_an_update_moves_the_first_sign_of_the_recovery_that_its_trigger_started(
    ledger: Ledger, receives: Receive, first: str | None, then: str | None, outcome: str, counts: str
) -> None:
    begun = receives(an_update(first))["recoveryId"]
    answer = receives(an_update(then), SECOND_EXECUTION)
    assert (answer["outcome"], answer["recoveryId"]) == (outcome, begun)
    assert first_sign(recovery(ledger, begun)) == counts
    assert receives(an_update(then), THIRD_EXECUTION)["outcome"] == "ignored"


def test_an_update_starts_nothing_when_its_recovery_has_ended(
    given: Callable[..., None], ledger: Ledger, receives: Receive
) -> None:
    receives(an_update(FIRST_SEEN))
    given(a_lock(THIRD_EXECUTION), a_recovery())
    assert receives(an_update(EARLIER), SECOND_EXECUTION)["outcome"] == "ignored"
    assert texts(ledger, "joined") == []


def test_an_update_of_what_only_told_is_remembered_for_whoever_starts(ledger: Ledger, receives: Receive) -> None:
    telling = {"triggers": {"guardDuty": {"allow": "notify"}}}
    receives(an_update(FIRST_SEEN), **telling)
    assert receives(an_update(EARLIER), SECOND_EXECUTION, **telling)["outcome"] == "ignored"
    assert recovery(ledger, receives(START, THIRD_EXECUTION)["recoveryId"])["firstSign"] == EARLIER


@pytest.mark.parametrize(
    ("event", "plan", "error"),
    [
        (a_finding() | {"account": "123412341234"}, {}, "NotBelieved"),
        (a_finding(accountId="123412341234"), {}, "AccountNotInPlan"),
        (a_finding(severity=2), {}, "TriggerNotAllowed"),
        (a_finding(accountId="x"), {}, "InvalidInput"),
        ({"source": "aws.trustedadvisor", "detail-type": "x"}, {}, "InvalidInput"),
        (a_finding(), {"triggers": {}}, "TriggerNotAllowed"),
    ],
)
def test_an_event_that_is_wrong_or_may_not_start_anything_is_ignored_by_name(
    ledger: Ledger, receives: Receive, people: Service, event: Any, plan: Any, error: str
) -> None:
    answer = receives(event, **plan)
    assert answer["outcome"] == "ignored"
    assert answer["text"].startswith(f"{error}: ")
    assert ledger.get(lock_key(ACCOUNT)) is None
    assert people.asked == []


def test_a_trigger_that_may_only_tell_people_tells_them_once(
    ledger: Ledger, receives: Receive, people: Service
) -> None:
    telling = {"triggers": {"guardDuty": {"allow": "notify"}}}
    assert receives(a_finding(), **telling)["outcome"] == "done"
    assert receives(a_finding(), SECOND_EXECUTION, **telling)["outcome"] == "ignored"
    [message] = published(people)
    assert f"airlift start --account {ACCOUNT}" in message["Message"]
    assert "the plan lets this trigger tell people only" in message["Message"]
    assert len(published(people, "chat")) == 1
    assert ledger.get(lock_key(ACCOUNT)) is None


def test_a_person_starts_with_the_earliest_believed_sign_that_no_recovery_has_answered(
    given: Callable[..., None], ledger: Ledger, receives: Receive
) -> None:
    signs = {"a": (ago(hours=5), None), "b": (ago(hours=7), None), "c": (ago(days=9), "r-earlier")}
    given(
        *(
            keyed(trigger_key(ACCOUNT, name), firstSign=stamp(sign), recoveryId=by, seenAt=stamp(NOW))
            for name, (sign, by) in signs.items()
        )
    )
    record = recovery(ledger, receives(START)["recoveryId"])
    assert (record["firstSign"], record["firstSignFrom"]) == (
        stamp(ago(hours=7)),
        "the earliest believed sign for this account",
    )


@pytest.mark.parametrize(
    ("given_sign", "expected"),
    [({}, None), ({"firstSign": "latest"}, "latest"), ({"firstSign": FIRST_SEEN}, FIRST_SEEN)],
)
def test_a_person_gives_the_first_sign_or_none_is_known(
    ledger: Ledger, receives: Receive, given_sign: Any, expected: str | None
) -> None:
    assert first_sign(recovery(ledger, receives(START | given_sign)["recoveryId"])) == expected


@pytest.mark.parametrize(
    ("what", "vaults"),
    [
        ({"account": ACCOUNT}, [VAULT, SECOND_VAULT]),
        ({"sourceBackupVaultArn": SECOND_VAULT}, [SECOND_VAULT]),
        ({"sourceBackupVaultArns": [SECOND_VAULT, VAULT]}, [SECOND_VAULT, VAULT]),
    ],
)
def test_a_person_names_vaults_or_an_account(ledger: Ledger, receives: Receive, what: Any, vaults: list[str]) -> None:
    assert recovery(ledger, receives({"reason": "x", **what})["recoveryId"])["vaults"] == vaults


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"account": ACCOUNT}, InvalidInput),
        ({"reason": "x", "account": "123412341234"}, AccountNotInPlan),
        ({"reason": "x", "sourceBackupVaultArn": VAULT + "-other"}, VaultNotInPlan),
        ([], InvalidInput),
    ],
)
def test_what_a_person_gives_wrong_is_an_error_by_name(receives: Receive, document: object, error: Any) -> None:
    with pytest.raises(error):
        receives(document)


def test_a_stack_serves_its_own_region_only(ledger: Ledger, receives: Receive) -> None:
    elsewhere = VAULT.replace("ap-northeast-1", "eu-west-1")
    accounts = [{"id": ACCOUNT, "vaults": [{"arn": elsewhere}, {"arn": VAULT}]}]
    assert recovery(ledger, receives(START, accounts=accounts)["recoveryId"])["vaults"] == [VAULT]


def test_without_a_vault_in_its_region_it_says_so(receives: Receive) -> None:
    elsewhere = VAULT.replace("ap-northeast-1", "eu-west-1")
    with pytest.raises(VaultNotInPlan, match="lies in ap-northeast-1"):
        receives(START, accounts=[{"id": ACCOUNT, "vaults": [{"arn": elsewhere}]}])


@pytest.mark.parametrize(
    ("known", "counts", "moves"),
    [
        ({"firstSign": stamp(ago(hours=1))}, FIRST_SEEN, True),
        ({"firstSign": None}, FIRST_SEEN, True),
        ({"firstSign": stamp(ago(hours=4))}, stamp(ago(hours=4)), False),
        ({"firstSign": "latest"}, "latest", False),
        ({"operatorFirstSign": stamp(ago(hours=1))}, stamp(ago(hours=1)), False),
    ],
)
def test_another_trigger_joins_the_running_recovery_and_may_move_the_first_sign(
    given: Callable[..., None], ledger: Ledger, receives: Receive, known: Any, counts: str, moves: bool
) -> None:
    given(a_lock(SECOND_EXECUTION), a_recovery(**known))
    answer = receives(a_finding())
    assert (answer["outcome"], answer["recoveryId"]) == ("joined", RECOVERY_ID)
    assert first_sign(recovery(ledger, RECOVERY_ID)) == counts
    assert ("It moves the first sign" in answer["text"]) is moves
    assert len(texts(ledger, "joined")) == 1
    seen = ledger.get(trigger_key(ACCOUNT, FINDING["detail"]["id"])) or {}
    assert seen["recoveryId"] == RECOVERY_ID


@pytest.mark.parametrize("given_sign", ["latest", stamp(ago(hours=2))])
def test_a_person_who_joins_with_a_later_sign_is_told_that_nothing_moves(
    given: Callable[..., None], ledger: Ledger, receives: Receive, given_sign: str
) -> None:
    """A forged finding may have come first, with a sign from before all points."""
    given(a_lock(SECOND_EXECUTION), a_recovery(firstSign=FIRST_SEEN))
    answer = receives(START | {"firstSign": given_sign})
    assert f"airlift first-sign {RECOVERY_ID} {given_sign}`" in answer["text"]
    assert first_sign(recovery(ledger, RECOVERY_ID)) == FIRST_SEEN


def test_when_somebody_else_was_faster_it_looks_again_and_joins(
    ledger: Ledger, receives: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ledger.write
    faster = [Put(a_lock(SECOND_EXECUTION)), Put(a_recovery())]

    def second(*changes: Any, **settings: Any) -> None:
        if faster:
            write(faster.pop(), faster.pop())
        write(*changes, **settings)

    monkeypatch.setattr(ledger, "write", second)
    assert receives(START)["outcome"] == "joined"


def test_a_lock_that_changes_hands_too_fast_is_a_named_error(
    ledger: Ledger, receives: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise Conflict("x", "y")

    monkeypatch.setattr(ledger, "write", refused)
    with pytest.raises(Conflict, match="changes hands too fast"):
        receives(START)


# -- after an ending, and what people ask for


def ended(at: datetime, **more: Any) -> dict[str, Any]:
    """The account's last recovery ended then."""
    return keyed(last_key(ACCOUNT), recoveryId="r-before", outcome="ApprovalRejected", endedAt=stamp(at), **more)


@pytest.mark.parametrize(
    ("minutes", "ended_ago", "cools"),
    [
        (60, timedelta(seconds=1), True),
        (60, timedelta(minutes=60) - timedelta(milliseconds=1), True),
        (60, timedelta(minutes=60), False),
        (90, timedelta(minutes=60), True),
        (0, timedelta(0), False),
    ],
)
def test_shortly_after_an_ending_an_event_only_tells_people(
    given: Callable[..., None],
    ledger: Ledger,
    receives: Receive,
    people: Service,
    minutes: int,
    ended_ago: timedelta,
    cools: bool,
) -> None:
    given(ended(NOW - ended_ago))
    answer = receives(a_finding(), approval={"coolDownMinutes": minutes})
    assert answer["outcome"] == ("done" if cools else "accepted")
    assert bool(ledger.get(lock_key(ACCOUNT))) is not cools
    assert len(published(people)) == (1 if cools else 0)
    if cools:
        why = f"recovery r-before ended ApprovalRejected less than {minutes} minutes ago"
        assert why in answer["text"]
        assert why in published(people)[0]["Message"]
        assert f"airlift start --account {ACCOUNT}" in published(people)[0]["Message"]


def test_the_cool_down_keeps_no_person_from_starting(
    given: Callable[..., None], ledger: Ledger, receives: Receive
) -> None:
    given(ended(ago(seconds=1)))
    assert receives(START)["outcome"] == "accepted"


def test_during_a_cool_down_a_finding_still_joins_what_runs(
    given: Callable[..., None], receives: Receive, people: Service
) -> None:
    given(ended(ago(seconds=1)), a_lock(SECOND_EXECUTION), a_recovery())
    assert receives(a_finding())["outcome"] == "joined"
    assert people.asked == []


def test_the_first_sign_of_a_finding_that_only_told_counts_when_a_person_starts(
    given: Callable[..., None], ledger: Ledger, receives: Receive
) -> None:
    given(ended(ago(seconds=1)))
    receives(a_finding())
    record = recovery(ledger, receives(START, SECOND_EXECUTION)["recoveryId"])
    assert record["firstSign"] == FIRST_SEEN


def test_a_step_lost_before_it_told_people_tells_them_when_it_is_done_again(
    ledger: Ledger, receives: Receive, people: Service
) -> None:
    telling = {"triggers": {"guardDuty": {"allow": "notify"}}}
    people.answers["publish"] = refused("InternalError", "", 500)
    with suppress(Exception):  # whether it asks to be done again is its own affair
        receives(a_finding(), **telling)
    people.answers["publish"] = {}
    people.asked.clear()
    receives(a_finding(), **telling)
    assert len(published(people)) == len(published(people, "chat")) == 1


@pytest.mark.parametrize(
    ("given_input", "only"), [({"accessOnly": True}, True), ({}, None), ({"accessOnly": False}, None)]
)
def test_a_person_may_ask_for_access_alone(
    ledger: Ledger, receives: Receive, given_input: Any, only: bool | None
) -> None:
    assert recovery(ledger, receives(START | given_input)["recoveryId"]).get("accessOnly") is only


def test_who_asks_is_recorded(ledger: Ledger, receives: Receive) -> None:
    arn = "arn:aws:sts::444455556666:assumed-role/operator/ana"
    identity = receives(START | {"requestedBy": arn})["recoveryId"]
    assert recovery(ledger, identity)["trigger"] == {"kind": "onDemand", "id": EXECUTION, "by": arn}
    entries = [e["text"] for e in ledger.query(recovery_key(identity)[0], "TIMELINE#")]
    assert entries[0].startswith(f"{arn}: keys stolen")
