"""What differs between embeddings: how long things take, how fast one may call, who belongs to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STORY_ORGANIZATIONS: dict[str, frozenset[str]] = {
    "121212121212": frozenset({"111122223333", "777788889999"}),
    "999900001111": frozenset({"444455556666"}),
}
"""Management account -> member accounts: the primary and the recovery organization of the story.

Vaults lie in a member account, since no service control policy binds a management account."""

RATES: dict[str, float] = {
    "StartRestoreJob": 5,
    "DescribeBackupVault": 5,
    "DeleteBackupVault": 5,
    "DescribeRestoreJob": 15,
    "DescribeRecoveryPoint": 15,
    "GetRecoveryPointRestoreMetadata": 15,
    "ListRecoveryPointsByBackupVault": 20,
    "ListRestoreJobs": 20,
    "ListBackupVaults": 20,
}
"""AWS Backup's calls a second, per account and Region (general/latest/gr/bk.html)."""


def the_same(moment: float) -> float:
    """Both clocks go alike."""
    return moment


def ten_minutes(_resource_type: str, _size: int) -> float:
    """How long a restore takes unless the embedding says otherwise, in seconds."""
    return 600.0


def no_images_refused() -> dict[str, Any]:
    """EC2's Allowed AMIs as an account has them until somebody switches them on."""
    return {"State": "disabled", "ImageCriteria": [], "ManagedBy": "account"}


@dataclass
class Settings:
    """Knobs of the local AWS Backup and multi-party approval. Durations are seconds.

    `restore_seconds(resource_type, size_in_bytes)`: from StartRestoreJob to the end of the job; `backup_seconds`
    and `copy_seconds`: of a backup and a copy job; `association_seconds`: until a team's first association holds;
    `session_creating_seconds`: until approvers get their mail; `events_period`: AWS sends Backup's events in
    batches every 5 minutes (devguide/eventbridge.html). `rates` and `total_rate` are calls a second per account and
    Region. `missing_vault_code`: AWS documents ResourceNotFoundException for a vault that isn't there, and clients
    have met AccessDeniedException. `scan_results_visible`: whether a restore-access vault shows the results of malware
    scans that its source's owner made (undocumented). `failing_seconds`: from the end of a session without approval
    until its vault is FAILED; `pending_visible`: whether a vault shows before its approvers have decided (both
    undocumented).
    `allowed_images`: GetAllowedImagesSettings' answer.
    `emulator_time`: a moment of the emulator's clock as Backup's
    clock has it, in epoch seconds. `seed` makes every id repeatable.
    """

    restore_seconds: Callable[[str, int], float] = ten_minutes
    backup_seconds: float = 60.0
    copy_seconds: float = 60.0
    association_seconds: float = 1.0
    session_creating_seconds: float = 1.0
    events_period: float = 300.0
    rates: Mapping[str, float] = field(default_factory=lambda: dict(RATES))
    total_rate: float = 50.0
    missing_vault_code: str = "ResourceNotFoundException"
    scan_results_visible: bool = True
    failing_seconds: float = 0.0
    pending_visible: bool = True
    allowed_images: dict[str, Any] = field(default_factory=no_images_refused)
    emulator_time: Callable[[float], float] = the_same
    organizations: Mapping[str, frozenset[str]] = field(default_factory=lambda: dict(STORY_ORGANIZATIONS))
    seed: int | None = None

    def management_account(self, account: str) -> str:
        """The management account of the organization `account` is in; an account in none is its own."""
        return next((top for top, members in self.organizations.items() if account in members), account)
