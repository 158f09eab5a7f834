"""Asking for access to a source vault: the work of RequestVaultAccess."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.access import comment, creator_request_id, is_unseen, next_request, vault_name
from airlift.access_vaults import describe, recovery_of, restore_access_vaults
from airlift.arns import Arn
from airlift.aws import MPA_REGION, client
from airlift.errors import (
    FailedVaultNotRemovable,
    RequesterLacksPermission,
    Unavailable,
    VaultAccessHeldByOther,
    VaultNotAirGapped,
    VaultWithoutTeam,
)
from airlift.ledger import recovery_key
from airlift.names import RECOVERY_TAG
from airlift.recovery import is_drill
from airlift.runtime import is_transient, logger
from airlift.timeline import entry
from airlift.values import now, parse_time, safe_text, stamp

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.vaults import VaultWork

_VOTE = (
    "approvers: open the approval portal, check the recovery id with the person on duty by another way, then vote. "
    "Everybody: airlift watch"
)
_COUNTS_AFTER_REMOVAL = timedelta(minutes=10)


def request_access(work: VaultWork) -> dict[str, Any]:
    """Creates the restore-access vault, or takes on the one that this recovery has. Says how long to wait.

    Raises the named errors of a request that AWS refuses; nobody is asked then.
    """
    # An ending finds by it what is asked for just now; and without the lock nobody is asked, nor anything touched.
    work.save(requesting=_name(work))
    found = _existing_vault(work) or _unseen(work)
    if found:
        work.access_is_lost(seems_so=False)
    else:
        _count_anew(work)
        found = _create(work)
    at = now()
    name = found["BackupVaultName"]
    unseen = ", which AWS Backup does not show yet" if "unseen" in found else ""
    if work.vault.get("restoreAccessBackupVaultName") == name:
        if "grantedAt" not in work.vault:
            work.save(state="REQUESTED", waitingFor="approval")
    else:
        work.ledger.write(
            work.update(
                state="REQUESTED",
                restoreAccessBackupVaultName=name,
                restoreAccessBackupVaultArn=found["BackupVaultArn"],
                requestedAt=stamp(at),
                waitingFor="approval",
                sessionArn=None,
                grantedAt=None,
                sessionStatus=None,
                unseen=found.get("unseen"),
            ),
            entry(work.recovery_id, at, "request", f"Access requested as {name}{unseen}", vault=work.vault_arn),
            work.notice("request", "access requested", _asked(work, name, at), _VOTE),
            holder=work.holder,
        )
    return {"next": "wait", "waitSeconds": 0 if found.get("VaultState") == "AVAILABLE" else 5}


def _existing_vault(work: VaultWork) -> dict[str, Any] | None:
    """The restore-access vault that may serve this recovery; a FAILED one is removed, since it blocks a request."""
    own_vault = describe(_name(work))
    if own_vault and own_vault["VaultState"] != "FAILED":
        return own_vault
    for vault in restore_access_vaults(work.vault_arn):
        name = vault["BackupVaultName"]
        own = recovery_of(vault) == work.recovery_id
        # Our own vault of an earlier request whose session has ended is on its way to FAILED (inferred).
        ended = own and vault["VaultState"] == "CREATING" and name in _earlier_names(work)
        if vault["VaultState"] == "FAILED" or ended:
            _remove_failed(vault)
            counted = next_request(work.vault) if work.vault.get("restoreAccessBackupVaultName") == name else {}
            work.save(removedAt=stamp(now()), **counted)
            continue
        if own:
            return vault
        match _what_becomes_of(work, vault):
            case "adopt":
                client("backup").tag_resource(
                    ResourceArn=vault["BackupVaultArn"], Tags={RECOVERY_TAG: work.recovery_id}
                )
                _note(work, f"{name} adopted, a vault of another recovery, as {_who_says(vault)}")
                return vault
            case "replace":
                _note(work, f"{name} replaced, a vault of another recovery, as {_who_says(vault)}")
                _delete(name)
                work.save(removedAt=stamp(now()))
            case "withdraw":
                _withdraw_drills(work, vault)
            case _:
                raise VaultAccessHeldByOther(
                    f"Restore-access vault {name} for {work.vault_arn} belongs to "
                    f"{recovery_of(vault) or 'no recovery of Airlift'}; an open one is a standing approval and is "
                    "never used silently.",
                    'start again with "adoptVault": "adopt" to use it, or "replace" to delete it and ask anew.',
                )
    return None


def _unseen(work: VaultWork) -> dict[str, Any] | None:
    """The request of an earlier run of this recovery that people may vote on, though its vault does not show yet."""
    name = work.vault.get("restoreAccessBackupVaultName")
    if name != _name(work) or not is_unseen(work.vault, now()):
        return None
    return {"BackupVaultName": name, "unseen": True}


def _what_becomes_of(work: VaultWork, vault: dict[str, Any]) -> str | None:
    """What is done with the vault of another recovery: what the operator said; for one that a drill left, the plan."""
    owner = recovery_of(vault)
    given: str | None = work.recovery.get("adoptVault")
    if given or not is_drill(owner) or work.ledger.get(recovery_key(owner)) is None:
        return given
    if vault["VaultState"] == "CREATING":
        return "withdraw"
    return "replace" if is_drill(work.recovery_id) else work.plan.access.drill_vault


def _who_says(vault: dict[str, Any]) -> str:
    return "the plan says for a drill's" if is_drill(recovery_of(vault)) else "the operator wants"


def _withdraw_drills(work: VaultWork, vault: dict[str, Any]) -> None:
    """Cancels a drill's request that people may still vote on; raises `Unavailable` until it has ended.

    That the requester may cancel is inferred, as in `airlift.closing`; so is that the session may be told late, and
    what a second cancellation is answered while the vault is not FAILED yet.
    """
    name, session = vault["BackupVaultName"], vault.get("MpaSessionArn")
    try:
        if session is not None:
            client("mpa", MPA_REGION).cancel_session(SessionArn=session)
    except ClientError as error:
        if not is_transient(error) and _is_open(str(session)):
            raise VaultAccessHeldByOther(
                f"The drill's request {name} for {work.vault_arn} is still open and can't be withdrawn: {error}",
                f"have the approvers reject it, then `airlift resume {work.recovery_id}`.",
            ) from error
    raise Unavailable(f"The drill's request {name} is being withdrawn.", "none; the step is tried again.")


def _is_open(session_arn: str) -> bool:
    """Whether people may still vote; a session that can't be read counts as open."""
    try:
        status = client("mpa", MPA_REGION).get_session(SessionArn=session_arn).get("Status")
    except ClientError:
        return True
    return status in ("CREATING", "PENDING")


def _delete(name: str) -> None:
    """DeleteBackupVault, also if another run of this step has been quicker."""
    try:
        client("backup").delete_backup_vault(BackupVaultName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise


def _remove_failed(vault: dict[str, Any]) -> None:
    """DeleteBackupVault is permitted in FAILED and deletes no recovery points (logicallyairgappedvault.html).

    One whose session has ended may be CREATING for a while yet, and refuse to be deleted (inferred): it is waited for.
    """
    name = vault["BackupVaultName"]
    try:
        _delete(name)
    except ClientError as error:
        if is_transient(error):
            raise
        if vault["VaultState"] != "FAILED":
            raise Unavailable(f"{name}, whose session has ended, is {vault['VaultState']}: {error}", "none.") from error
        raise FailedVaultNotRemovable(
            f"Restore-access vault {name} has failed, blocks a new request and can't be deleted: {error}",
            f"delete it by hand (aws backup delete-backup-vault --backup-vault-name {name}), then resume.",
        ) from error


def _note(work: VaultWork, text: str) -> None:
    work.ledger.write(entry(work.recovery_id, now(), "adoption", text, vault=work.vault_arn), holder=work.holder)


def _name(work: VaultWork) -> str:
    return vault_name(work.recovery_id, work.vault_arn, work.vault.get("request", 1))


def _asked(work: VaultWork, name: str, at: datetime) -> str:
    recovery = work.recovery
    expected = work.expected(requestedAt=stamp(at), state="REQUESTED")
    return (
        f"Access to {work.vault_arn} of account {recovery['account']} is requested as {name} ({recovery['mode']}).\n"
        f"Why: {recovery['reason']}\nThe approvers have 24 hours. {expected}".rstrip()
    )


def _earlier_names(work: VaultWork) -> set[str]:
    requests = range(1, work.vault.get("request", 1))
    return {vault_name(work.recovery_id, work.vault_arn, request) for request in requests}


def _count_anew(work: VaultWork) -> None:
    """If what was asked for is gone, as when access was closed after the end, the next request is one of its own.

    Else AWS could take it for the same (CreatorRequestId); people would not be told, nor would their votes be recorded.
    """
    if name := work.vault.get("restoreAccessBackupVaultName"):
        if not work.access_is_lost(seems_so=True):
            raise Unavailable(f"{name} can't be found; it is looked at once more.", "none; the step is tried again.")
        work.save(**next_request(work.vault))


def _create(work: VaultWork) -> dict[str, Any]:
    request = work.vault.get("request", 1)
    name = _name(work)
    recovery = work.recovery
    if work.vault.get("requesting") != name:
        work.save(requesting=name)
    arn = None
    try:
        answer = client("backup").create_restore_access_backup_vault(
            SourceBackupVaultArn=work.vault_arn,
            BackupVaultName=name,
            BackupVaultTags={RECOVERY_TAG: work.recovery_id},
            CreatorRequestId=creator_request_id(work.recovery_id, work.vault_arn, request),
            RequesterComment=comment(work.recovery_id, recovery["account"], recovery["mode"], recovery["reason"]),
        )
        arn = answer.get("RestoreAccessBackupVaultArn") if answer.get("VaultState") != "FAILED" else None
    except ClientError as error:
        _raise_refusal(error, work, name)
    created = describe(name)
    if created is None and arn is None:
        raise Unavailable(f"{name} was requested but can't be read yet.", "none; the step is tried again.")
    logger.info("Access requested", extra={"vault": name})
    # That a vault can be described before the approvers have decided is inferred; the answer is enough to wait for it.
    return created or {"BackupVaultName": name, "BackupVaultArn": arn, "unseen": True}


def _raise_refusal(error: ClientError, work: VaultWork, name: str) -> None:
    """The named error of a refused request. AWS documents the codes, not the texts, so the reading is inferred."""
    vault_arn = work.vault_arn
    code, said = error.response["Error"]["Code"], safe_text(error.response["Error"].get("Message", ""), 300)
    text = said.lower()
    if code == "AlreadyExistsException":
        # The name derives from this recovery and request: an earlier try got through and its answer was lost.
        return
    if code in ("AccessDeniedException", "AccessDenied"):
        raise RequesterLacksPermission(
            f"AWS refused the request for {vault_arn}: {said}",
            "give RequestVaultAccess's role backup:CreateRestoreAccessBackupVault and mpa:StartSession, and look for "
            "a service control policy that denies them.",
        ) from error
    if code == "LimitExceededException":
        removed_at = work.vault.get("removedAt")
        # A vault that was just deleted may count for a moment (inferred).
        if removed_at and now() - parse_time(removed_at) < _COUNTS_AFTER_REMOVAL:
            raise Unavailable(
                f"AWS still counts a deleted vault of {vault_arn}: {said}", "none; tried again."
            ) from error
        raise VaultAccessHeldByOther(
            f"AWS refused {name} for {vault_arn}: {said}",
            "another restore-access vault of this source exists; list them with `aws backup list-backup-vaults "
            '--by-vault-type RESTORE_ACCESS_BACKUP_VAULT`, then start again with "adoptVault": "adopt" or "replace".',
        ) from error
    if "approval team" in text or "mpa" in text.split() or "multi-party" in text:
        raise VaultWithoutTeam(
            f"AWS refused the request for {vault_arn}: {said}",
            "have the vault's owner associate an approval team with it and share the team (RAM, us-east-1) with "
            f"account {Arn.parse(vault_arn).account} and with this one.",
        ) from error
    if code in ("InvalidParameterValueException", "InvalidRequestException", "ResourceNotFoundException"):
        raise VaultNotAirGapped(
            f"AWS refused {vault_arn} as a source vault: {said}",
            "give the ARN of an existing logically air-gapped vault; compare it with the recovery plan.",
        ) from error
    raise error
