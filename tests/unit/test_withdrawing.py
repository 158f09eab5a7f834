"""What a stopped recovery asked for is withdrawn, as far as AWS allows, and people are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.closing import close_by_status
from airlift.ledger import Ledger, execution_key, keyed, lock_key, recovery_key, vault_key
from airlift.revoking import close_access
from airlift.values import stamp
from botocore.exceptions import ConnectTimeoutError

from tests.unit.domain import (
    ACCOUNT,
    EXECUTION,
    RECOVERY_ID,
    VAULT,
    a_lock,
    a_recovery,
    a_vault,
    ago,
    published,
    refused,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.domain import Service, Services

SERVED = keyed(execution_key(EXECUTION), recoveryId=RECOVERY_ID, account=ACCOUNT)
SESSION = "arn:aws:mpa:us-east-1:999900001111:session/team/s-1"
PENDING = {"state": "REQUESTED", "sessionArn": SESSION, "sessionStatus": "PENDING", "grantedAt": None, "request": 1}
CREATING = {"VaultState": "CREATING", "MpaSessionArn": SESSION}


@pytest.fixture
def people(services: Services) -> Service:
    """The topics."""
    return services.play("sns", publish={})


@pytest.fixture
def states(services: Services) -> Service:
    """Step Functions, where the recovery's execution and its children were stopped."""
    return services.play("stepfunctions", describe_execution={"status": "ABORTED"})


@pytest.fixture
def stop(
    ledger: Ledger, given: Callable[..., None], people: Service, states: Service, services: Services
) -> Callable[..., Service]:
    """Closes a recovery that was stopped while its vault stood so; multi-party approval, as it was asked."""

    def call(answer: Any = None, described: Any = CREATING, **vault: Any) -> Service:
        services.play("backup", describe_backup_vault=described)
        mpa = services.play("mpa", cancel_session=answer or {})
        given(a_lock(), a_recovery(), a_vault(**(PENDING | vault)), SERVED)
        assert close_by_status(ledger, EXECUTION, {"status": "ABORTED"})["outcome"] == "Stopped"
        return mpa

    return call


@pytest.mark.parametrize(
    "vault",
    [
        {},
        {"sessionStatus": "UNKNOWN"},  # it could not be read, so it may be pending
        {"sessionStatus": None, "sessionArn": None},  # stopped before anybody looked at it
        {"restoreAccessBackupVaultName": None, "requesting": "just-now"},  # while it was made
    ],
)
def test_a_pending_request_is_withdrawn_and_people_are_told(
    ledger: Ledger, stop: Callable[..., Service], people: Service, vault: dict[str, Any]
) -> None:
    assert stop(**vault).requests("cancel_session") == [{"SessionArn": SESSION}]
    assert texts(ledger, "withdrawn") == ["The pending request was withdrawn."]
    assert f"{VAULT}: The pending request was withdrawn." in published(people)[0]["Message"]


@pytest.mark.parametrize(
    "answer", [refused("AccessDeniedException", "not the owner"), ConnectTimeoutError(endpoint_url="mpa")]
)
def test_if_aws_refuses_the_withdrawal_the_recovery_ends_and_says_what_to_do(
    ledger: Ledger, stop: Callable[..., Service], people: Service, answer: Exception
) -> None:
    stop(answer)
    [text] = texts(ledger, "withdrawn")
    assert "could not be withdrawn" in text
    assert "tell the approvers" in text
    assert text in published(people)[0]["Message"]
    assert (ledger.get(recovery_key(RECOVERY_ID)) or {})["state"] == "ENDED"
    assert ledger.get(lock_key(ACCOUNT)) is None
    # The request stands, and a resume takes it on.
    vault = ledger.get(vault_key(RECOVERY_ID, VAULT)) or {}
    assert vault["request"] == 1
    assert vault["restoreAccessBackupVaultName"]


@pytest.mark.parametrize(
    ("described", "vault"),
    [
        ({"VaultState": "AVAILABLE", "MpaSessionArn": SESSION}, {"grantedAt": stamp(ago(hours=1))}),
        ({"VaultState": "AVAILABLE", "MpaSessionArn": SESSION}, {}),
        (refused("ResourceNotFoundException"), {}),
        (CREATING, {"sessionArn": None, "restoreAccessBackupVaultName": None}),
    ],
)
def test_only_what_people_may_still_vote_on_is_withdrawn(
    ledger: Ledger, stop: Callable[..., Service], described: Any, vault: dict[str, Any]
) -> None:
    assert stop(described=described, **vault).asked == []
    assert texts(ledger, "withdrawn") == []


@pytest.mark.parametrize(
    ("described", "vault"),
    [
        ({"VaultState": "CREATING"}, {"sessionArn": None}),
        (refused("ResourceNotFoundException"), {"sessionArn": None, "unseen": True}),
    ],
)
def test_people_are_told_of_a_request_whose_session_nobody_knows(
    ledger: Ledger, stop: Callable[..., Service], people: Service, described: Any, vault: dict[str, Any]
) -> None:
    assert stop(described=described, **vault).asked == []
    [text] = texts(ledger, "withdrawn")
    assert text.endswith("(AWS Backup does not tell its session); tell the approvers so.")
    assert text in published(people)[0]["Message"]


@pytest.mark.parametrize(("asked", "left"), [(ago(hours=24), ["its request is still pending"]), (ago(hours=25), [])])
def test_access_counts_as_closed_only_when_nobody_can_vote_any_more(
    ledger: Ledger, services: Services, asked: Any, left: list[str]
) -> None:
    services.play(
        "backup", list_backup_vaults={"BackupVaultList": []}, describe_backup_vault=refused("ResourceNotFoundException")
    )
    vault = a_vault(**(PENDING | {"unseen": True, "requestedAt": stamp(asked)}))
    assert [why for _, why in close_access(ledger, RECOVERY_ID, vault)] == left


def test_a_request_that_has_ended_unseen_is_not_said_to_be_withdrawn(
    ledger: Ledger, stop: Callable[..., Service]
) -> None:
    """Rejected, expired or cancelled by an earlier try of this step: nobody knows here, and a resume asks anew."""
    assert stop(described={"VaultState": "FAILED", "MpaSessionArn": SESSION}).asked == []
    assert "The pending request was withdrawn." not in texts(ledger, "withdrawn")
    assert (ledger.get(vault_key(RECOVERY_ID, VAULT)) or {})["request"] == 2


def test_a_repeated_close_does_not_take_back_that_it_was_withdrawn(
    ledger: Ledger, given: Callable[..., None], people: Service, states: Service, services: Services
) -> None:
    """The step is lost after the withdrawal; a session that is cancelled can't be cancelled again."""
    given(a_lock(), a_recovery(), a_vault(**PENDING), SERVED)
    services.play("backup", describe_backup_vault=CREATING)
    mpa = services.play("mpa", cancel_session={})
    broken = refused("InternalError", "", 500)
    bucket = services.play("s3", put_object=broken, get_object=refused("NoSuchKey"), list_objects_v2={})
    with pytest.raises(Exception, match="InternalError"):
        close_by_status(ledger, EXECUTION, {"status": "ABORTED"})
    mpa.answers["cancel_session"] = refused("ConflictException", "The session is CANCELLED.", 409)
    bucket.answers["put_object"] = {}
    close_by_status(ledger, EXECUTION, {"status": "ABORTED"})
    assert texts(ledger, "withdrawn") == ["The pending request was withdrawn."]


def test_a_withdrawn_request_is_not_the_one_that_a_resume_makes(ledger: Ledger, stop: Callable[..., Service]) -> None:
    """AWS may take a repeated CreatorRequestId as the same request, whose session is cancelled."""
    stop()
    vault = ledger.get(vault_key(RECOVERY_ID, VAULT)) or {}
    assert vault["request"] == 2
    assert not {"restoreAccessBackupVaultName", "sessionArn", "reminded", "expiresAt"} & vault.keys()
