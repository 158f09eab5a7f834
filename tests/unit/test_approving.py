"""Following a request to its end: votes, deadline, the one repetition after an expiry, the named endings."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from airlift.approving import check_approval
from airlift.errors import AirliftError
from airlift.ledger import history_key, keyed, recovery_key
from airlift.values import stamp
from botocore.exceptions import ConnectTimeoutError
from check_approval import handler

from tests.unit.domain import ACCOUNT, EVENT, NOW, RECOVERY_ID, VAULT, ago, refused, stored, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    from tests.unit.domain import Service, Services

    Make = Callable[..., VaultWork]

ASKED = {"state": "REQUESTED", "grantedAt": None, "selectedAt": None, "requestedAt": stamp(ago(minutes=1))}
CONTEXT = SimpleNamespace(function_name="x", memory_limit_in_mb=1, invoked_function_arn="x", aws_request_id="x")
ENDS = ago(minutes=1) + timedelta(hours=24)
SESSION = "arn:aws:mpa:us-east-1:999900001111:session/team/s-1"


def a_session(status: str, code: str | None = None, **votes: str) -> dict[str, Any]:
    return {
        "Status": status,
        **({"StatusCode": code} if code else {}),
        "ApproverResponses": [
            {"ApproverId": who, "Response": said, "ResponseTime": ago(seconds=30)} for who, said in votes.items()
        ],
        "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": 2}},
        "NumberOfApprovers": 3,
        "ExpirationTime": ENDS,
    }


def stands(services: Services, vault_state: str | None, session: Any) -> Service:
    """The vault is in this state (None: gone), and its session is so."""
    vault = {"VaultState": vault_state, "MpaSessionArn": SESSION}
    services.play("backup", describe_backup_vault=vault if vault_state else refused("ResourceNotFoundException"))
    return services.play("mpa", get_session=session)


def test_while_people_vote_each_vote_is_recorded_once_with_threshold_and_deadline(
    work: Make, services: Services
) -> None:
    stands(services, "CREATING", a_session("PENDING", a="APPROVED", b="REJECTED", c="NO_RESPONSE"))
    for _ in range(2):
        w = work(vault=ASKED)
        assert check_approval(w) == {"next": "wait", "waitSeconds": 5}
    vault = stored(w, w.vault)
    expected = {
        "approvals": 1,
        "rejections": 1,
        "threshold": 2,
        "approvers": 3,
        "expiresAt": stamp(ENDS),
        "sessionStatus": "PENDING",
        "sessionArn": SESSION,
        "state": "REQUESTED",
    }
    assert expected.items() <= vault.items()
    votes = list(w.ledger.query(recovery_key(RECOVERY_ID)[0], "VOTE#"))
    assert [(v["approver"], v["response"], v["vault"], v["at"]) for v in votes] == [
        ("a", "APPROVED", VAULT, stamp(ago(seconds=30))),
        ("b", "REJECTED", VAULT, stamp(ago(seconds=30))),
    ]
    told = [e for e in w.ledger.query(recovery_key(RECOVERY_ID)[0], "TIMELINE#") if e["kind"] == "vote"]
    assert [(entry["text"], entry["vault"]) for entry in told] == [("approved by a", VAULT), ("rejected by b", VAULT)]


def test_granted_access_goes_on_and_says_with_how_many_votes(work: Make, services: Services) -> None:
    stands(services, "AVAILABLE", a_session("APPROVED", a="APPROVED", b="APPROVED"))
    w = work(vault=ASKED)
    assert check_approval(w) == {"next": "select", "waitSeconds": 0}
    vault = stored(w, w.vault)
    assert (vault["state"], vault["grantedAt"]) == ("GRANTED", stamp(NOW))
    assert texts(w.ledger, "granted") == ["Access granted: 2 approvals, 2 needed"]
    check_approval(type(w)(dict(EVENT)))
    assert len(texts(w.ledger, "granted")) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        refused("AccessDeniedException"),
        refused("InternalServerException", "", 500),
        ConnectTimeoutError(endpoint_url="mpa"),
    ],
)
def test_a_session_that_can_not_be_read_is_unknown_never_a_rejection(
    work: Make, services: Services, trouble: Exception
) -> None:
    stands(services, "CREATING", trouble)
    w = work(vault=ASKED | {"approvals": 1})
    assert check_approval(w)["next"] == "wait"
    assert (stored(w, w.vault)["sessionStatus"], stored(w, w.vault)["approvals"]) == ("UNKNOWN", 1)
    stands(services, "AVAILABLE", trouble)
    assert check_approval(w)["next"] == "select"
    assert texts(w.ledger, "granted") == ["Access granted: votes unknown"]


@pytest.mark.parametrize(
    ("vault_state", "session", "error"),
    [
        ("FAILED", a_session("FAILED", "REJECTED", a="REJECTED"), "ApprovalRejected"),
        ("CREATING", a_session("CANCELLED"), "ApprovalCancelled"),
        ("FAILED", a_session("FAILED", "CONFIGURATION_CHANGED"), "ApprovalTeamChanged"),
        ("FAILED", a_session("APPROVED"), "VaultNotCreated"),
        (None, refused("AccessDeniedException"), "VaultAccessRevoked"),
    ],
)
def test_an_ended_request_is_an_error_by_name_and_the_next_is_a_new_one(
    work: Make, services: Services, vault_state: str | None, session: Any, error: str
) -> None:
    stands(services, vault_state, session)
    w = work(vault=ASKED | {"accessDoubtedAt": stamp(ago(minutes=2))})
    with pytest.raises(AirliftError) as caught, w.ending():
        check_approval(w)
    assert caught.value.name == error
    vault = stored(w, w.vault)
    assert vault["ending"]["name"] == error
    assert vault["request"] == 2
    assert "restoreAccessBackupVaultName" not in vault


def test_a_vault_that_is_not_shown_once_is_looked_at_again(work: Make, services: Services) -> None:
    """To ask people anew because of one stale read would cost them a day."""
    stands(services, None, refused("AccessDeniedException"))
    w = work(vault=ASKED)
    assert check_approval(w) == {"next": "wait", "waitSeconds": 5}
    assert "ending" not in stored(w, w.vault)
    stands(services, "AVAILABLE", a_session("APPROVED"))
    assert check_approval(w)["next"] == "select"


def test_a_vault_that_has_never_shown_is_waited_for_as_long_as_a_session_lives(work: Make, services: Services) -> None:
    stands(services, None, {})
    w = work(vault=ASKED | {"unseen": True, "requestedAt": stamp(ago(hours=24, minutes=30))})
    assert check_approval(w) == {"next": "wait", "waitSeconds": 300}
    stands(services, "CREATING", a_session("PENDING"))
    check_approval(w)
    assert "unseen" not in stored(w, w.vault)
    stands(services, None, {})
    late = work(vault=ASKED | {"unseen": True, "requestedAt": stamp(ago(hours=25))})
    assert check_approval(late)["next"] == "request"
    assert "unseen" not in stored(late, late.vault)


@pytest.mark.parametrize(
    ("request_number", "allowed", "anew"), [(1, 1, True), (2, 1, False), (1, 0, False), (2, 2, True)]
)
def test_after_an_expiry_it_asks_anew_as_often_as_the_plan_allows(
    work: Make, services: Services, request_number: int, allowed: int, anew: bool
) -> None:
    stands(services, "FAILED", a_session("FAILED", "EXPIRED", a="APPROVED"))
    w = work(vault=ASKED | {"request": request_number}, approval={"requestsAfterExpiry": allowed})
    if anew:
        assert check_approval(w) == {"next": "request", "waitSeconds": 0}
    else:
        with pytest.raises(AirliftError, match="expired"), w.ending():
            check_approval(w)
    vault = stored(w, w.vault)
    assert vault["request"] == request_number + 1
    assert "restoreAccessBackupVaultName" not in vault
    assert ("ending" in vault) is not anew


def test_one_approver_may_vote_in_each_request(work: Make, services: Services) -> None:
    stands(services, "CREATING", a_session("PENDING", a="APPROVED"))
    check_approval(work(vault=ASKED))
    w = work(vault=ASKED | {"request": 2})
    check_approval(w)
    assert len(list(w.ledger.query(recovery_key(RECOVERY_ID)[0], "VOTE#"))) == 2


# -- notices


def notices(w: VaultWork) -> list[tuple[str, str, str]]:
    """Title, text and next step of each notice so far, in the order of their keys."""
    records = w.ledger.query(recovery_key(RECOVERY_ID)[0], "NOTICE#")
    return [(r["title"].removeprefix(f"Airlift {RECOVERY_ID}: "), r["text"], r["nextStep"]) for r in records]


def looks_at(w: VaultWork, fraction: float) -> None:
    """CheckApproval runs when so much of the session's time has passed."""
    asked = ago(minutes=1)
    with time_machine.travel(asked + (ENDS - asked) * fraction, tick=False):
        check_approval(type(w)(dict(EVENT)))


def test_each_vote_is_told_once_with_how_the_request_stands(work: Make, services: Services) -> None:
    stands(services, "CREATING", a_session("PENDING", ana="APPROVED", ben="REJECTED"))
    w = work(vault=ASKED)
    for _ in range(2):
        check_approval(type(w)(dict(EVENT)))
    standing = f"1 of 2 needed approvals, 1 against, open until {stamp(ENDS)}."
    assert notices(w) == [
        ("a vote", f"Request for {VAULT}: approved by ana.\n{standing}", f"airlift watch {RECOVERY_ID}"),
        ("a vote", f"Request for {VAULT}: rejected by ben.\n{standing}", f"airlift watch {RECOVERY_ID}"),
    ]


def test_the_vote_that_decides_says_how_long_the_rest_takes_if_it_goes_like_before(
    work: Make, services: Services, given: Callable[..., None]
) -> None:
    stands(services, "AVAILABLE", a_session("APPROVED", ana="APPROVED", ben="APPROVED"))
    before = {"recoveryId": "drill-1", "account": ACCOUNT, "createdAt": "x", "approvalSeconds": 60}
    given(keyed(history_key(ACCOUNT, "x", "drill-1"), **before, restoringSeconds=1800))
    w = work(vault=ASKED)
    check_approval(w)
    assert all(
        text.endswith("All restored like the last one: about 08:30 UTC, in 30 min.") for _, text, _ in notices(w)
    )


def test_the_vote_that_decides_is_told_as_well(work: Make, services: Services) -> None:
    stands(services, "AVAILABLE", a_session("APPROVED", ana="APPROVED", ben="APPROVED"))
    w = work(vault=ASKED)
    assert check_approval(w)["next"] == "select"
    assert [title for title, _, _ in notices(w)] == ["a vote", "a vote"]
    stands(services, "FAILED", a_session("FAILED", "REJECTED", ana="REJECTED", cho="REJECTED"))
    w = work(vault=ASKED | {"request": 2})
    with pytest.raises(AirliftError):
        check_approval(w)
    assert len(notices(w)) == 4


def test_people_are_reminded_at_half_and_at_nine_tenths_once_each(work: Make, services: Services) -> None:
    stands(services, "CREATING", a_session("PENDING", ana="APPROVED"))
    w = work(vault=ASKED)
    counts = {}
    for fraction in (0.1, 0.4999, 0.5, 0.5001, 0.8, 0.8999, 0.9, 0.95, 0.9999):
        looks_at(w, fraction)
        counts[fraction] = len([title for title, _, _ in notices(w) if title == "votes are missing"])
    assert list(counts.values()) == [0, 0, 1, 1, 1, 1, 2, 2, 2]
    texts = sorted(text for title, text, _ in notices(w) if title == "votes are missing")
    assert texts[0].startswith(f"50% of the time for {VAULT} has passed. 1 of 2 needed approvals, 0 against")
    assert texts[1].startswith("90% of the time")


def test_a_long_pause_is_made_good_by_one_reminder(work: Make, services: Services) -> None:
    stands(services, "CREATING", a_session("PENDING"))
    w = work(vault=ASKED)
    looks_at(w, 0.95)
    looks_at(w, 0.96)
    assert [title for title, _, _ in notices(w)] == ["votes are missing"]


@pytest.mark.parametrize(("fractions", "reminders"), [([], 0), ([0.25, 0.5, 0.75], 3)])
def test_the_plan_says_when_people_are_reminded(
    work: Make, services: Services, fractions: list[float], reminders: int
) -> None:
    stands(services, "CREATING", a_session("PENDING"))
    w = work(vault=ASKED, notifications={"remindAtFractions": fractions})
    for tenth in range(10):
        looks_at(w, tenth / 10)
    assert len(notices(w)) == reminders


def test_nobody_is_reminded_once_enough_have_approved(work: Make, services: Services) -> None:
    """AWS Backup takes a while to make the vault: it is still CREATING while its session is approved."""
    stands(services, "CREATING", a_session("APPROVED", ana="APPROVED", ben="APPROVED"))
    w = work(vault=ASKED)
    for fraction in (0.5, 0.9, 0.95):
        looks_at(w, fraction)
    assert [title for title, _, _ in notices(w)] == ["a vote"] * 2


def test_nobody_is_reminded_by_what_can_not_be_read(work: Make, services: Services) -> None:
    stands(services, "CREATING", refused("AccessDeniedException"))
    w = work(vault=ASKED)
    looks_at(w, 0.9)
    assert notices(w) == []


def test_a_request_that_is_made_anew_reminds_anew(work: Make, services: Services) -> None:
    stands(services, "CREATING", a_session("PENDING"))
    w = work(vault=ASKED)
    looks_at(w, 0.5)
    first = {r["noticeId"] for r in w.ledger.query(recovery_key(RECOVERY_ID)[0], "NOTICE#")}
    stands(services, "FAILED", a_session("FAILED", "EXPIRED"))
    assert check_approval(type(w)(dict(EVENT)))["next"] == "request"
    stands(services, "CREATING", a_session("PENDING"))
    again = stored(w, w.vault) | ASKED
    w = work(vault={k: v for k, v in again.items() if k not in ("pk", "sk")})
    looks_at(w, 0.5)
    both = {r["noticeId"] for r in w.ledger.query(recovery_key(RECOVERY_ID)[0], "NOTICE#")}
    assert len(first) == 1
    assert len(both) == 2


# -- access only


def test_access_alone_ends_green_when_the_vault_is_open(work: Make, services: Services) -> None:
    stands(services, "AVAILABLE", a_session("APPROVED", ana="APPROVED", ben="APPROVED"))
    w = work(vault=ASKED, recovery={"accessOnly": True})
    with w.ending():
        assert check_approval(w) == {"next": "done", "waitSeconds": 0}
    vault = stored(w, w.vault)
    assert (vault["state"], vault["ending"]["name"]) == ("ENDED", "AccessOpen")
    assert vault["ending"]["cause"].endswith(f"Next step: airlift resume {RECOVERY_ID}")
    assert vault["grantedAt"] == stamp(NOW)
    assert vault["restoreAccessBackupVaultName"] == w.vault["restoreAccessBackupVaultName"]


def test_access_alone_ends_as_any_other_if_it_is_not_granted(work: Make, services: Services) -> None:
    stands(services, "FAILED", a_session("FAILED", "REJECTED", ana="REJECTED"))
    w = work(vault=ASKED, recovery={"accessOnly": True})
    with pytest.raises(AirliftError) as caught, w.ending():
        check_approval(w)
    assert caught.value.name == "ApprovalRejected"


def test_a_resume_restores_what_only_access_was_asked_for(work: Make, services: Services) -> None:
    stands(services, "AVAILABLE", a_session("APPROVED", ana="APPROVED", ben="APPROVED"))
    w = work(vault=ASKED, recovery={"accessOnly": True, "resumedAt": stamp(NOW)})
    assert check_approval(w) == {"next": "select", "waitSeconds": 0}


def test_a_lost_step_of_access_alone_says_the_same(work: Make, services: Services) -> None:
    """The answer of a step that has recorded the ending is lost: the step is done again."""
    stands(services, "AVAILABLE", a_session("APPROVED", ana="APPROVED", ben="APPROVED"))
    work(vault=ASKED, recovery={"accessOnly": True})
    first, again = (handler(dict(EVENT), CONTEXT) for _ in range(2))
    assert first == again == {"next": "done", "waitSeconds": 0}
