"""Following a request to its end: votes, deadline, the one repetition after an expiry, the named endings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.approving import check_approval
from airlift.errors import AirliftError
from airlift.ledger import recovery_key
from airlift.values import stamp
from botocore.exceptions import ConnectTimeoutError

from tests.unit.domain import EVENT, NOW, RECOVERY_ID, VAULT, ago, refused, stored, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    from tests.unit.domain import Service, Services

    Make = Callable[..., VaultWork]

ASKED = {"state": "REQUESTED", "grantedAt": None, "selectedAt": None, "requestedAt": stamp(ago(minutes=1))}
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
        "ExpirationTime": NOW,
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
        "expiresAt": stamp(NOW),
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
    w = work(vault=ASKED)
    with pytest.raises(AirliftError) as caught, w.ending():
        check_approval(w)
    assert caught.value.name == error
    vault = stored(w, w.vault)
    assert vault["ending"]["name"] == error
    assert vault["request"] == 2
    assert "restoreAccessBackupVaultName" not in vault


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
