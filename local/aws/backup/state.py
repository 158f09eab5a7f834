"""What AWS Backup keeps per account and Region: vaults, recovery points, jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.aws.errors import AccessDenied, AwsError, invalid_parameter, not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context
    from local.aws.wire import Caller

PLAIN, AIR_GAPPED, RESTORE_ACCESS = (
    "BACKUP_VAULT",
    "LOGICALLY_AIR_GAPPED_BACKUP_VAULT",
    "RESTORE_ACCESS_BACKUP_VAULT",
)
DAY = 86400
CONTINUOUS_DAYS = 35
"""The longest that a continuous recovery point looks back (devguide/point-in-time-recovery.html)."""
_VAULT_ARN = re.compile(r"arn:aws:backup:[a-z0-9-]+:\d{12}:backup-vault:[a-zA-Z0-9_-]{2,50}")

MAX_VAULTS = 300
"""In an account and Region (devguide/aws-backup-limits.html)."""


@dataclass
class Point:
    """A recovery point. `content` is the resource type's own frozen copy of the data.

    `barred` says why an air-gapped vault does not take it; `continuous` whether it holds all changes since
    `created`, `stopped` until when; `scans` are its malware scans, each as DescribeRecoveryPoint has it; `parent` is
    the composite point it is nested in, as `member`.
    """

    arn: str
    resource_arn: str
    resource_type: str
    resource_name: str
    content: Any
    size: int
    created: float
    completed: float | None
    role_arn: str
    source_vault_arn: str | None = None
    delete_after_days: int | None = None
    last_restored: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    barred: str | None = None
    continuous: bool = False
    stopped: float | None = None
    scans: list[dict[str, Any]] = field(default_factory=list)
    is_parent: bool = False
    parent: str | None = None
    member: str | None = None

    @property
    def delete_at(self) -> float | None:
        """When its retention ends; None keeps it for ever. A continuous point moves on: what it holds is what ends."""
        since = self.created
        if self.continuous:
            if self.stopped is None:
                return None
            since = self.stopped
        return None if self.delete_after_days is None else since + self.delete_after_days * DAY

    @property
    def status(self) -> str:
        """CREATING until its job is done; AVAILABLE or STOPPED if it is continuous (API_DescribeRecoveryPoint.html)."""
        if self.completed is None:
            return "CREATING"
        if self.continuous:
            return "AVAILABLE" if self.stopped is None else "STOPPED"
        return "COMPLETED"

    def window(self, now: float) -> tuple[float, float]:
        """From when to when a continuous point can be restored to, in epoch seconds."""
        until = now if self.stopped is None else self.stopped
        kept = DAY * (self.delete_after_days or CONTINUOUS_DAYS)
        return max(self.created, until - kept), until


@dataclass
class Vault:
    """A vault of any type; a restore-access vault keeps no points and shows those of `source`."""

    name: str
    arn: str
    account: str
    region: str
    kind: str
    created: float
    creator_request_id: str | None = None
    state: str = "AVAILABLE"
    key_arn: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    min_days: int | None = None
    max_days: int | None = None
    points: dict[str, Point] = field(default_factory=dict)
    team_arn: str | None = None
    team_update: dict[str, Any] | None = None
    source: Vault | None = None
    session_arn: str | None = None
    requester: Caller | None = None
    comment: str | None = None
    approved: float | None = None
    revoke: dict[str, Any] | None = None


@dataclass
class Jobs:
    """Jobs and used idempotency tokens of one account and Region, in the order they were made."""

    restore: dict[str, Any] = field(default_factory=dict)
    backup: dict[str, Any] = field(default_factory=dict)
    copy: dict[str, Any] = field(default_factory=dict)
    tokens: dict[tuple[str, str], str | None] = field(default_factory=dict)


class State:
    """All vaults and jobs, and who may see what."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.vaults: dict[str, Vault] = {}
        self._jobs: dict[tuple[str, str], Jobs] = {}

    def now(self) -> float:
        """Epoch seconds."""
        return self.context.clock.now()

    def jobs(self, caller: Caller) -> Jobs:
        """The jobs of the caller's account and Region."""
        return self._jobs.setdefault((caller.account, caller.region), Jobs())

    def authorize_tags(self, caller: Caller, arn: str, tags: Mapping[str, str]) -> None:
        """Tags given at creation need backup:TagResource too (service-authorization reference)."""
        if tags:
            self.context.authorize(caller, "backup:TagResource", [arn])

    def check_room(self, caller: Caller) -> None:
        """One vault more. Raises LimitExceededException at the quota; all kinds count, the stricter reading."""
        if len(self.vaults_of(caller)) >= MAX_VAULTS:
            message = f"The account has {MAX_VAULTS} backup vaults in {caller.region}."
            raise AwsError("LimitExceededException", message)

    def vaults_of(self, caller: Caller) -> list[Vault]:
        """The vaults of the caller's account and Region."""
        here = (caller.account, caller.region)
        return [vault for vault in self.vaults.values() if (vault.account, vault.region) == here]

    def vault(self, caller: Caller, name: str, owner: str | None = None) -> Vault:
        """The caller's vault of that name. Raises AccessDenied if `owner` is another account, and the settings'
        error for a missing vault."""
        if owner not in (None, caller.account):
            raise AccessDenied
        arn = vault_arn(caller.account, caller.region, name)
        if arn not in self.vaults or not self.shows(self.vaults[arn]):
            code = self.context.settings.missing_vault_code
            raise AwsError(code, f"Backup vault {name} was not found.")
        return self.vaults[arn]

    def shows(self, vault: Vault) -> bool:
        """Whether its account sees the vault: one that approvers have yet to grant only if the settings say so."""
        pending = vault.kind == RESTORE_ACCESS and vault.state == "CREATING"
        return self.context.settings.pending_visible or not pending

    def vault_by_arn(self, arn: str, region: str) -> Vault:
        """The vault of any account, in `region`. Raises AwsError."""
        if not _VAULT_ARN.fullmatch(arn):
            raise invalid_parameter(f"{arn} is not a backup vault ARN.")
        vault = self.vaults.get(arn)
        if vault is None or vault.region != region:
            raise not_found(f"Backup vault {arn} in {region}")
        return vault

    def points(self, vault: Vault) -> dict[str, Point]:
        """The points that can be seen through `vault`; those past their retention are deleted first."""
        holder = vault.source or vault
        if vault.source and vault.state != "AVAILABLE":
            return {}
        now = self.now()
        for point in [p for p in holder.points.values() if p.delete_at is not None and p.delete_at <= now]:
            del holder.points[point.arn]
        return holder.points

    def point(self, vault: Vault, arn: str) -> Point:
        """A point seen through `vault`. Raises ResourceNotFoundException."""
        found = self._shown(vault, arn)
        if found is None:
            raise not_found(f"Recovery point {arn}")
        return found

    def _shown(self, vault: Vault, arn: str) -> Point | None:
        """As `points`, without looking at all the others: a vault holds ten thousands."""
        found = (vault.source or vault).points.get(arn)
        if found is None or (vault.source and vault.state != "AVAILABLE"):
            return None
        return None if found.delete_at is not None and found.delete_at <= self.now() else found

    def readable_point(self, caller: Caller, arn: str) -> tuple[Vault, Point]:
        """The vault and point for a caller that names only the point, as StartRestoreJob does.

        Raises ResourceNotFoundException for a point of the caller's own account that isn't there, AccessDenied
        for one of another account that no available restore-access vault shows.
        """
        for vault in self.vaults_of(caller):
            point = self._shown(vault, arn)
            if point is not None:
                return vault, point
        if arn.split(":")[4:5] in ([caller.account], [""]):
            raise not_found(f"Recovery point {arn}")
        raise AccessDenied

    def can_still_read(self, vault: Vault, point: Point) -> bool:
        """Whether the vault is still there and shows the point."""
        return self.vaults.get(vault.arn) is vault and self._shown(vault, point.arn) is not None


def vault_arn(account: str, region: str, name: str) -> str:
    """A vault's ARN."""
    return f"arn:aws:backup:{region}:{account}:backup-vault:{name}"
