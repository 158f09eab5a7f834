"""Deleting the restore-access vaults of a recovery, after another look at each one's tag and at the ledger.

Such a vault has no expiry of its own: while it is there, it is a standing approval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.access import is_unseen, vault_name
from airlift.access_vaults import describe, listed_access_vaults, recovery_of
from airlift.aws import client
from airlift.ledger import Ledger, Record, lock_key, vault_key
from airlift.runtime import account_of
from airlift.values import now

if TYPE_CHECKING:
    from collections.abc import Iterator


def close_access(ledger: Ledger, recovery_id: str, vault: Record) -> list[tuple[str, str]]:
    """Deletes what this recovery was granted for one source vault; `vault` is its record in the ledger.

    Gives each restore-access vault that is still there, and why: `[]` if access is closed. One that is not this
    recovery's, or not any more, is none of its business. May be repeated.
    """
    left = []
    for name, arn, state in _own(recovery_id, vault):
        if name not in _names(recovery_id, vault):
            left.append((name, "it has this recovery's tag, but the ledger does not know it"))
        elif (user := _used_by(ledger, recovery_id, vault, name)) == recovery_id:
            left.append((name, "the recovery goes on meanwhile"))
        elif user:
            continue
        elif not state:
            left.append((name, "it is listed, but can't be looked at"))
        elif state == "CREATING":
            # Deleting one in this state is undocumented (inferred: refused); when its session ends it is FAILED.
            left.append((name, "its request is still pending"))
        else:
            client("backup").delete_backup_vault(BackupVaultName=arn.rpartition(":")[2])
            left.append((name, "it is being deleted"))
    return left


def _own(recovery_id: str, vault: Record) -> Iterator[tuple[str, str, str]]:
    """Name, ARN and state of each restore-access vault that carries this recovery's tag now; no state: unknown.

    Those that the ledger knows are looked at by name as well: a list may not show yet what is there (inferred), and an
    approval must not stay open for that.
    """
    listed = dict(listed_access_vaults())
    for name in sorted(_names(recovery_id, vault) - {""}):
        if name not in listed:
            listed[name] = describe(name)
            if listed[name] is None and name == vault.get("restoreAccessBackupVaultName") and is_unseen(vault, now()):
                yield name, "", "CREATING"
        elif listed[name] is None:
            yield name, "", ""
    for found in listed.values():
        if not found or found.get("SourceBackupVaultArn") != vault["sourceBackupVaultArn"]:
            continue
        if recovery_of(found) == recovery_id:
            yield found["BackupVaultName"], found["BackupVaultArn"], found.get("VaultState", "")


def _names(recovery_id: str, vault: Record) -> set[str]:
    """The names that this recovery gave to its requests, and that of a vault it adopted."""
    arn, requests = vault["sourceBackupVaultArn"], range(1, int(vault.get("request", 1)) + 1)
    given = {vault_name(recovery_id, arn, request) for request in requests}
    return given | {vault.get("restoreAccessBackupVaultName", "")}


def _used_by(ledger: Ledger, recovery_id: str, vault: Record, name: str) -> str:
    """The recovery that runs for the account if it has this vault in its own record, or is this one; empty if none."""
    lock = ledger.get(lock_key(account_of(recovery_id)))
    if lock is None:
        return ""
    other = ledger.get(vault_key(lock["recoveryId"], vault["sourceBackupVaultArn"])) or {}
    used = lock["recoveryId"] == recovery_id or other.get("restoreAccessBackupVaultName") == name
    return str(lock["recoveryId"]) if used else ""
