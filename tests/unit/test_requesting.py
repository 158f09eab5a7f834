"""Asking for access to a source vault, or taking on the restore-access vault that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.access import vault_name
from airlift.access_vaults import recovery_of
from airlift.errors import AirliftError, FailedVaultNotRemovable, Superseded, Unavailable, VaultAccessHeldByOther
from airlift.ledger import keyed, recovery_key
from airlift.requesting import request_access
from airlift.values import stamp

from tests.unit.domain import (
    ACCOUNT,
    NOW,
    RECOVERY_ID,
    SECOND_EXECUTION,
    SECOND_VAULT,
    VAULT,
    Service,
    a_lock,
    a_recovery,
    ago,
    refused,
    stored,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    from tests.unit.domain import Services

    Make = Callable[..., VaultWork]

OURS = vault_name(RECOVERY_ID, VAULT, 1)
FRESH = {
    "state": "WAITING",
    "restoreAccessBackupVaultName": None,
    "requestedAt": None,
    "grantedAt": None,
    "selectedAt": None,
}


class Backup:
    """AWS Backup with some restore-access vaults: name, state, source and tag of each."""

    def __init__(self, services: Services, *vaults: tuple[str, str, str, str]) -> None:
        self.vaults = {name: (state, source, tag) for name, state, source, tag in vaults}
        self.aws: Service = services.play(
            "backup",
            list_backup_vaults=lambda **_: {"BackupVaultList": [{"BackupVaultName": name} for name in self.vaults]},
            describe_backup_vault=self.describe,
            list_tags=lambda ResourceArn: {"Tags": {"airlift:recovery": self.vaults[ResourceArn[6:]][2]}},  # noqa: N803
            tag_resource={},
            delete_backup_vault=self.delete,
            create_restore_access_backup_vault=self.create,
        )

    def describe(self, BackupVaultName: str) -> Any:  # noqa: N803
        if BackupVaultName not in self.vaults:
            return refused("ResourceNotFoundException")
        state, source, _ = self.vaults[BackupVaultName]
        return {
            "BackupVaultName": BackupVaultName,
            "BackupVaultArn": f"vault:{BackupVaultName}",
            "VaultState": state,
            "SourceBackupVaultArn": source,
        }

    def create(self, **request: Any) -> dict[str, Any]:
        tag = request["BackupVaultTags"]["airlift:recovery"]
        self.vaults[request["BackupVaultName"]] = ("CREATING", request["SourceBackupVaultArn"], tag)
        return {}

    def delete(self, BackupVaultName: str) -> dict[str, Any]:  # noqa: N803
        del self.vaults[BackupVaultName]
        return {}

    @property
    def asked(self) -> list[str]:
        """Names of the restore-access vaults that were asked for."""
        return [r["BackupVaultName"] for r in self.aws.requests("create_restore_access_backup_vault")]


def test_access_is_asked_for_by_derived_names_with_a_comment_for_the_approvers(work: Make, services: Services) -> None:
    backup = Backup(services)
    w = work(vault=FRESH)
    assert request_access(w) == {"next": "wait", "waitSeconds": 5}
    [request] = backup.aws.requests("create_restore_access_backup_vault")
    assert (request["SourceBackupVaultArn"], request["BackupVaultName"]) == (VAULT, OURS)
    assert request["BackupVaultTags"] == {"airlift:recovery": RECOVERY_ID}
    assert request["RequesterComment"].startswith(RECOVERY_ID)
    assert "keys stolen" in request["RequesterComment"]
    vault = stored(w, w.vault)
    assert (vault["state"], vault["restoreAccessBackupVaultName"], vault["requestedAt"], vault["waitingFor"]) == (
        "REQUESTED",
        OURS,
        stamp(NOW),
        "approval",
    )
    assert texts(w.ledger, "request") == [f"Access requested as {OURS}"]


def test_a_repeated_step_asks_nobody_again_and_keeps_when_it_was_asked(work: Make, services: Services) -> None:
    backup = Backup(services)
    request_access(work(vault=FRESH))
    again = work(vault=FRESH | {"restoreAccessBackupVaultName": OURS, "requestedAt": stamp(ago(hours=1))})
    request_access(again)
    assert backup.asked == [OURS]
    assert stored(again, again.vault)["requestedAt"] == stamp(ago(hours=1))
    assert len(texts(again.ledger, "request")) == 1


def test_a_request_whose_answer_was_lost_is_taken_on(work: Make, services: Services) -> None:
    backup = Backup(services)

    def lost(**request: Any) -> Any:
        backup.create(**request)
        return refused("AlreadyExistsException")

    backup.aws.answers["create_restore_access_backup_vault"] = lost
    w = work(vault=FRESH)
    request_access(w)
    assert stored(w, w.vault)["restoreAccessBackupVaultName"] == OURS


def test_an_open_vault_of_this_recovery_needs_no_second_vote(work: Make, services: Services) -> None:
    backup = Backup(services, (OURS, "AVAILABLE", VAULT, RECOVERY_ID))
    assert request_access(work(vault=FRESH)) == {"next": "wait", "waitSeconds": 0}
    assert backup.asked == []


@pytest.mark.parametrize("tag", [RECOVERY_ID, "r-other"])
def test_a_failed_vault_is_removed_first_since_it_blocks_the_request(work: Make, services: Services, tag: str) -> None:
    backup = Backup(services, ("failed", "FAILED", VAULT, tag), ("elsewhere", "FAILED", SECOND_VAULT, tag))
    request_access(work(vault=FRESH))
    assert backup.vaults.keys() == {"elsewhere", OURS}


def test_an_earlier_request_of_ours_whose_session_has_ended_is_not_taken_on(work: Make, services: Services) -> None:
    backup = Backup(services, (OURS, "CREATING", VAULT, RECOVERY_ID))
    request_access(work(vault=FRESH | {"request": 2}))
    assert backup.asked == [vault_name(RECOVERY_ID, VAULT, 2)]
    assert OURS not in backup.vaults


def test_an_earlier_request_that_is_not_failed_yet_is_waited_for(work: Make, services: Services) -> None:
    """Its session has ended in us-east-1; AWS Backup may learn of it later, and deletes nothing that is CREATING."""
    backup = Backup(services, (OURS, "CREATING", VAULT, RECOVERY_ID))
    backup.aws.answers["delete_backup_vault"] = refused("InvalidRequestException", "is being created")
    with pytest.raises(Unavailable, match="being created"):
        request_access(work(vault=FRESH | {"request": 2}))
    assert backup.asked == []


DRILL = f"drill-20261124-{ACCOUNT}-cd34"
DRILLS = vault_name(DRILL, VAULT, 1)


def preempting(services: Services, session: str | None, cancelled: Any, status: str = "PENDING") -> Service:
    """A drill's request that people may vote on, whose tags do not show yet; multi-party approval, as it was asked."""
    backup = Backup(services, (DRILLS, "CREATING", VAULT, ""))
    shown = backup.aws.answers["describe_backup_vault"]

    def describe(BackupVaultName: str) -> Any:  # noqa: N803
        vault = shown(BackupVaultName)
        return vault | {"MpaSessionArn": session} if session and isinstance(vault, dict) else vault

    backup.aws.answers["describe_backup_vault"] = describe
    return services.play("mpa", cancel_session=cancelled, get_session={"Status": status})


def a_drill() -> dict[str, Any]:
    return a_recovery(mode="drill", recoveryId=DRILL) | keyed(recovery_key(DRILL))


SESSION = "arn:aws:mpa:us-east-1:999900001111:session/team/s-1"
NOT_ALLOWED = refused("ValidationException", "The session can't be cancelled.")


@pytest.mark.parametrize(
    ("session", "cancelled", "status"),
    [
        (SESSION, {}, "PENDING"),
        (SESSION, refused("ConflictException", "", 409), "CANCELLED"),
        (SESSION, NOT_ALLOWED, "CANCELLED"),  # by an earlier try of this step; the vault is not FAILED yet
        (None, {}, "PENDING"),  # AWS does not tell it yet
    ],
)
def test_a_drills_request_is_withdrawn_and_waited_for_by_its_name(
    work: Make, given: Callable[..., None], services: Services, session: str | None, cancelled: Any, status: str
) -> None:
    mpa = preempting(services, session, cancelled, status)
    given(a_drill())
    with pytest.raises(Unavailable, match=f"{DRILLS} is being withdrawn"):
        request_access(work(vault=FRESH))
    assert mpa.requests("cancel_session") == ([{"SessionArn": session}] if session else [])


def test_a_drills_request_that_can_not_be_withdrawn_is_named(
    work: Make, given: Callable[..., None], services: Services
) -> None:
    preempting(services, SESSION, NOT_ALLOWED)
    given(a_drill())
    with pytest.raises(VaultAccessHeldByOther, match="can't be withdrawn"):
        request_access(work(vault=FRESH))


@pytest.mark.parametrize(
    ("state", "tags", "whose"),
    [
        ("CREATING", {}, DRILL),
        ("FAILED", refused("ResourceNotFoundException"), DRILL),
        ("CREATING", {"Tags": {"airlift:recovery": "r-other"}}, "r-other"),
        ("AVAILABLE", {"Tags": {}}, ""),
        ("AVAILABLE", refused("ResourceNotFoundException"), ""),
    ],
)
def test_whose_a_vault_is_tells_its_tag_or_before_it_is_open_its_name(
    services: Services, state: str, tags: Any, whose: str
) -> None:
    services.play("backup", list_tags=tags)
    assert recovery_of({"BackupVaultArn": "arn", "BackupVaultName": DRILLS, "VaultState": state}) == whose


@pytest.mark.parametrize("theirs", [False, True])
def test_after_access_was_closed_a_resume_asks_anew_and_tells_people(
    work: Make, services: Services, theirs: bool
) -> None:
    """Under a number of its own, or AWS might take it for the request of then; also if an adopted vault served it."""
    backup = Backup(services)
    old = "theirs" if theirs else OURS
    w = work(vault=FRESH)
    w.ledger.write(w.notice("request", "access requested", "then", "vote"))
    w = work(vault=FRESH | {"restoreAccessBackupVaultName": old, "grantedAt": stamp(ago(days=9))})
    with pytest.raises(Unavailable, match="looked at once more"):  # a read may be stale
        request_access(w)
    w = work(vault=w.vault | {"accessDoubtedAt": stamp(ago(minutes=2))})
    request_access(w)
    assert backup.asked == [vault_name(RECOVERY_ID, VAULT, 2)]
    vault = stored(w, w.vault)
    assert (vault["restoreAccessBackupVaultName"], vault["requestedAt"]) == (backup.asked[0], stamp(NOW))
    assert "grantedAt" not in vault
    assert len(told(w)) == 2


def test_what_is_asked_for_after_a_request_of_ours_has_failed_is_another_request(
    work: Make, services: Services
) -> None:
    backup = Backup(services, (OURS, "FAILED", VAULT, RECOVERY_ID))
    request_access(work(vault=FRESH | {"restoreAccessBackupVaultName": OURS}))
    assert backup.asked == [vault_name(RECOVERY_ID, VAULT, 2)]


def test_without_the_lock_nobody_is_asked_and_nothing_is_touched(
    work: Make, services: Services, given: Callable[..., None]
) -> None:
    """As by a child of an earlier execution that somebody redrives."""
    backup = Backup(services, ("failed", "FAILED", VAULT, RECOVERY_ID))
    w = work(vault=FRESH)
    given(a_lock(SECOND_EXECUTION))
    with pytest.raises(Superseded):
        request_access(w)
    assert backup.vaults.keys() == {"failed"}
    assert backup.asked == []


def test_a_failed_vault_that_can_not_be_removed_is_named_with_the_command(work: Make, services: Services) -> None:
    backup = Backup(services, ("failed", "FAILED", VAULT, "r-other"))
    backup.aws.answers["delete_backup_vault"] = refused("AccessDeniedException", "denied by an SCP")
    with pytest.raises(FailedVaultNotRemovable, match="denied by an SCP") as caught:
        request_access(work(vault=FRESH))
    assert "delete-backup-vault --backup-vault-name failed" in caught.value.remedy


@pytest.mark.parametrize("state", ["AVAILABLE", "CREATING"])
@pytest.mark.parametrize("tag", ["r-other", ""])
def test_another_recoverys_vault_is_never_used_silently(work: Make, services: Services, state: str, tag: str) -> None:
    backup = Backup(services, ("theirs", state, VAULT, tag))
    with pytest.raises(VaultAccessHeldByOther, match=tag or "no recovery of Airlift"):
        request_access(work(vault=FRESH))
    assert backup.asked == []
    assert "theirs" in backup.vaults


@pytest.mark.parametrize(
    ("choice", "name", "words"), [("adopt", "theirs", "theirs adopted"), ("replace", OURS, "theirs replaced")]
)
def test_the_operator_has_it_adopted_or_replaced_and_that_is_recorded(
    work: Make, services: Services, choice: str, name: str, words: str
) -> None:
    backup = Backup(services, ("theirs", "AVAILABLE", VAULT, "r-other"))
    w = work(vault=FRESH, recovery={"adoptVault": choice})
    request_access(w)
    assert backup.vaults.keys() == {name}
    assert stored(w, w.vault)["restoreAccessBackupVaultName"] == name
    assert words in " ".join(texts(w.ledger, "adoption"))
    tagged = [request["Tags"] for request in backup.aws.requests("tag_resource")]
    assert tagged == ([{"airlift:recovery": RECOVERY_ID}] if choice == "adopt" else [])


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        ("AccessDeniedException", "not authorized to perform mpa:StartSession", "RequesterLacksPermission"),
        ("LimitExceededException", "one restore access vault", "VaultAccessHeldByOther"),
        ("InvalidRequestException", "The vault has no approval team", "VaultWithoutTeam"),
        ("InvalidRequestException", "MPA is not enabled", "VaultWithoutTeam"),
        ("InvalidParameterValueException", "not a logically air-gapped vault", "VaultNotAirGapped"),
        ("ResourceNotFoundException", "", "VaultNotAirGapped"),
    ],
)
def test_a_refused_request_is_an_error_by_name_with_vault_and_what_aws_said(
    work: Make, services: Services, code: str, message: str, error: str
) -> None:
    Backup(services).aws.answers["create_restore_access_backup_vault"] = refused(code, message)
    with pytest.raises(AirliftError) as caught:
        request_access(work(vault=FRESH))
    assert caught.value.name == error
    assert VAULT in caught.value.what
    assert message in caught.value.what
    assert caught.value.remedy


def test_a_limit_just_after_a_vault_was_removed_is_tried_again(work: Make, services: Services) -> None:
    backup = Backup(services, ("failed", "FAILED", VAULT, "r-other"))
    backup.aws.answers["create_restore_access_backup_vault"] = refused("LimitExceededException")
    with pytest.raises(Unavailable):
        request_access(work(vault=FRESH))
    assert backup.vaults == {}


def test_a_request_that_can_not_be_read_yet_is_tried_again(work: Make, services: Services) -> None:
    Backup(services).aws.answers["create_restore_access_backup_vault"] = {}
    with pytest.raises(Unavailable, match="can't be read yet"):
        request_access(work(vault=FRESH))


def test_a_request_whose_vault_does_not_show_before_the_vote_is_waited_for(work: Make, services: Services) -> None:
    arn = f"arn:aws:backup:ap-northeast-1:444455556666:backup-vault:{OURS}"
    answer = {"RestoreAccessBackupVaultArn": arn, "VaultState": "CREATING"}
    Backup(services).aws.answers["create_restore_access_backup_vault"] = answer
    w = work(vault=FRESH)
    assert request_access(w) == {"next": "wait", "waitSeconds": 5}
    vault = stored(w, w.vault)
    assert (vault["state"], vault["restoreAccessBackupVaultArn"], vault["unseen"]) == ("REQUESTED", arn, True)
    assert texts(w.ledger, "request") == [f"Access requested as {OURS}, which AWS Backup does not show yet"]


@pytest.mark.parametrize(("hours", "asked"), [(24, []), (25, [vault_name(RECOVERY_ID, VAULT, 2)])])
def test_a_request_that_has_not_shown_is_not_made_twice_while_people_may_vote_on_it(
    work: Make, services: Services, hours: int, asked: list[str]
) -> None:
    backup = Backup(services)
    known = {"restoreAccessBackupVaultName": OURS, "requestedAt": stamp(ago(hours=hours)), "unseen": True}
    known["accessDoubtedAt"] = stamp(ago(minutes=2))
    assert request_access(work(vault=FRESH | known))["next"] == "wait"
    assert backup.asked == asked


def told(w: VaultWork) -> list[dict[str, Any]]:
    return list(w.ledger.query(recovery_key(RECOVERY_ID)[0], "NOTICE#"))


def test_people_are_told_once_that_access_is_requested_and_what_to_do(work: Make, services: Services) -> None:
    Backup(services)
    request_access(work(vault=FRESH))
    w = work(vault=FRESH | {"restoreAccessBackupVaultName": OURS, "requestedAt": stamp(NOW)})
    request_access(w)
    [notice] = told(w)
    assert notice["title"] == f"Airlift {RECOVERY_ID}: access requested"
    assert f"Access to {VAULT} of account {ACCOUNT} is requested as {OURS} (real).\nWhy: keys stolen" in notice["text"]
    assert "check the recovery id with the person on duty" in notice["nextStep"]


def test_a_request_made_anew_is_told_anew(work: Make, services: Services) -> None:
    Backup(services)
    request_access(work(vault=FRESH))
    w = work(vault=FRESH | {"request": 2})
    request_access(w)
    first, second = told(w)
    assert first["noticeId"] != second["noticeId"]
