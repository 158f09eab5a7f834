"""Reading how access stands, and what approvers get to read."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from airlift.access import comment, creator_request_id, ending, read_access, seconds_to_wait, vault_name
from airlift.errors import AirliftError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain import ACCOUNT, NOW, RECOVERY_ID, VAULT
from tests.unit.restoring import REPEATABLE

ENDED = {
    ("CANCELLED", None): "cancelled",
    ("FAILED", "REJECTED"): "rejected",
    ("FAILED", "EXPIRED"): "expired",
    ("FAILED", "CONFIGURATION_CHANGED"): "changed",
    ("FAILED", "TEAM_DELETED"): "changed",
    ("FAILED", "CANCELLED_BY_USER"): "cancelled",
    ("FAILED", "SOMETHING_NEW"): "notCreated",
    ("FAILED", None): "notCreated",
}
OPEN = [("CREATING", None), ("PENDING", None), ("PENDING", "ALL_APPROVERS_IN_SESSION"), ("APPROVED", None)]
EVERY_SESSION = [None, *OPEN, *ENDED]


def session_of(status: tuple[str, str | None] | None) -> dict[str, Any] | None:
    if status is None:
        return None
    return {"Status": status[0], **({"StatusCode": status[1]} if status[1] else {})}


def test_every_combination_of_vault_and_session() -> None:
    for status in EVERY_SESSION:
        session = session_of(status)
        ended = ENDED.get(status) if status else None
        expected = {"AVAILABLE": "granted", "CREATING": ended or "pending", "FAILED": ended or "notCreated"}
        for vault_state, state in expected.items():
            assert read_access({"VaultState": vault_state}, session).state == state, (vault_state, status)
        assert read_access(None, session).state == (ended or "gone"), status


def test_a_vault_whose_state_is_not_told_is_waited_for() -> None:
    assert read_access({}, None).state == "pending"


def test_a_session_that_can_not_be_read_has_unknown_votes_and_is_no_rejection() -> None:
    access = read_access({"VaultState": "CREATING"}, None)
    assert (access.state, access.session_readable, access.threshold, access.expires_at) == (
        "pending",
        False,
        None,
        None,
    )


def test_votes_threshold_and_deadline_come_from_the_session() -> None:
    answers = [("a", "APPROVED"), ("b", "REJECTED"), ("c", "NO_RESPONSE"), ("d", "APPROVED")]
    session = {
        "Status": "PENDING",
        "ApproverResponses": [{"ApproverId": who, "Response": said} for who, said in answers],
        "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": 3}},
        "NumberOfApprovers": 4,
        "ExpirationTime": NOW,
    }
    access = read_access({"VaultState": "CREATING"}, session)
    assert (access.approvals, access.rejections, access.threshold, access.approvers) == (2, 1, 3, 4)
    assert [vote.approver for vote in access.votes] == ["a", "b", "d"]
    assert access.expires_at == NOW


@pytest.mark.parametrize(
    ("vault", "status", "error"),
    [
        ("FAILED", ("FAILED", "REJECTED"), "ApprovalRejected"),
        ("FAILED", ("FAILED", "EXPIRED"), "ApprovalExpired"),
        ("CREATING", ("CANCELLED", None), "ApprovalCancelled"),
        ("FAILED", ("FAILED", "CONFIGURATION_CHANGED"), "ApprovalTeamChanged"),
        ("FAILED", ("APPROVED", None), "VaultNotCreated"),
        (None, None, "VaultAccessRevoked"),
    ],
)
def test_each_ending_has_its_error_with_vault_and_next_step(vault: str | None, status: Any, error: str) -> None:
    access = read_access({"VaultState": vault} if vault else None, session_of(status))
    raised = ending(access, VAULT, RECOVERY_ID)
    assert isinstance(raised, AirliftError)
    assert raised.name == error
    assert VAULT in raised.what
    assert f"airlift resume {RECOVERY_ID}" in raised.remedy


def test_no_ending_while_open_or_granted() -> None:
    assert ending(read_access({"VaultState": "CREATING"}, None), VAULT, RECOVERY_ID) is None
    assert ending(read_access({"VaultState": "AVAILABLE"}, None), VAULT, RECOVERY_ID) is None


def test_what_the_session_says_of_its_end_is_told_without_anything_harmful() -> None:
    session = {"Status": "FAILED", "StatusCode": "REJECTED", "StatusMessage": "no\n{recovery} <b>`rm`"}
    error = ending(read_access({"VaultState": "FAILED"}, session), VAULT, RECOVERY_ID)
    assert error
    assert "(no recovery brm)" in error.what


@REPEATABLE
@given(st.text(max_size=5000), st.sampled_from(["real", "drill"]))
def test_whatever_the_reason_the_comment_fits_and_begins_with_the_recovery(reason: str, mode: str) -> None:
    said = comment(RECOVERY_ID, ACCOUNT, mode, reason)
    assert len(said) <= 200
    assert said.startswith(f"{RECOVERY_ID} ({'DRILL' if mode == 'drill' else 'REAL INCIDENT'}, account {ACCOUNT})")
    assert said.isprintable()
    assert not set(said) & set('<>"`\\{}[]|$')


def test_a_short_reason_stands_in_the_comment_as_it_is() -> None:
    assert comment(RECOVERY_ID, ACCOUNT, "real", "Keys stolen, 3 buckets empty").endswith(
        ": Keys stolen, 3 buckets empty"
    )


NAMES = st.text("abcXYZ019-_", min_size=2, max_size=50)


@REPEATABLE
@given(NAMES, st.integers(1, 99))
def test_names_and_request_ids_are_what_aws_takes(source: str, request: int) -> None:
    arn = f"arn:aws:backup:ap-northeast-1:{ACCOUNT}:backup-vault:{source}"
    assert re.fullmatch(r"[a-zA-Z0-9\-_]{2,50}", vault_name(RECOVERY_ID, arn, request))
    assert re.fullmatch(r"[a-zA-Z0-9\-_.]{1,50}", creator_request_id(RECOVERY_ID, arn, request))


def test_each_vault_and_request_has_a_name_of_its_own_and_always_the_same() -> None:
    asked = [
        (RECOVERY_ID, VAULT, 1),
        (RECOVERY_ID, VAULT, 2),
        (RECOVERY_ID, VAULT + "2", 1),
        (RECOVERY_ID[:-1] + "3", VAULT, 1),
    ]
    for derive in (vault_name, creator_request_id):
        assert len({derive(*args) for args in asked}) == len(asked)
        assert derive(*asked[0]) == derive(*asked[0])


def test_a_day_of_waiting_stays_below_three_thousand_events_and_begins_quickly() -> None:
    waited, looks = 0, 0
    while waited < timedelta(days=1).total_seconds():
        wait = seconds_to_wait(waited)
        assert wait == 5 if waited < 120 else 5 <= wait <= 300
        waited, looks = waited + wait, looks + 1
    assert looks * 9 < 3000
    assert seconds_to_wait(3600) == 300
