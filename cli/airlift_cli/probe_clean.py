"""What `airlift probe` made is deleted: tables, then restore-access vaults; only what it noted before making it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift_cli.probe_run import TEAM_REGION, Finding, Pending, judged, refusal

if TYPE_CHECKING:
    from airlift_cli.probe_run import Run

GONE = ("ResourceNotFoundException", "AccessDeniedException")


def withdraw(run: Run, name: str) -> tuple[str, int | None]:
    """Withdraws and deletes a restore-access vault; the text of the deletion, and how many looks still showed it."""
    backup = run.client("backup")
    _, _, seen = refusal(backup.describe_backup_vault, BackupVaultName=name)
    if not seen:
        return "was not there", 0
    if seen.get("SourceBackupVaultArn") != run.vault:
        return "is of another vault and stays", None
    if seen["VaultState"] == "CREATING" and "MpaSessionArn" in seen:
        refusal(run.client("mpa", region=TEAM_REGION).cancel_session, SessionArn=seen["MpaSessionArn"])
        run.until(lambda: backup.describe_backup_vault(BackupVaultName=name)["VaultState"] != "CREATING", 60)
    _, text, _ = refusal(backup.delete_backup_vault, BackupVaultName=name)
    looks = run.until(lambda: refusal(backup.describe_backup_vault, BackupVaultName=name)[0] in GONE, 60, every=1)
    return text, None if looks is None else looks - 1


def _drop(run: Run, name: str) -> bool:
    """Deletes a table; whether it is gone, or was never made."""
    dynamodb = run.client("dynamodb")
    code, _, _ = refusal(dynamodb.delete_table, TableName=name)
    return code in ("", "ResourceNotFoundException")


def clean_up(run: Run) -> Finding:
    """Deletes all that this walk noted. Raises Pending for what could not be deleted."""
    made = run.state.facts.get("made", [])
    left = [f"table {name}" for kind, name in made if kind == "table" and not _drop(run, name)]
    ended = [(name, *withdraw(run, name)) for kind, name in made if kind == "vault"]
    left += [f"vault {name} ({text})" for name, text, looks in ended if looks is None]
    if left:
        raise Pending(f"still there: {', '.join(left)}; give the same command again")
    run.state.facts.clear()
    run.state.keep()
    stale = max((looks or 0 for _, _, looks in ended), default=0)
    return judged(stale == 0, f"all deleted; {stale} looks after DeleteBackupVault still showed the vault")
