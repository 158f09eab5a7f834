"""The events that Airlift puts on its bus for other tools; `schemas/events.schema.json` is made from these models.

Source `airlift`, which no rule of Airlift's own takes. At least once: a repeat carries the same `id`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from airlift.documents import Document

Stamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""Such as 2026-10-01T02:14:07.123Z, in UTC."""


class Announcement(Document):
    """What every event's detail holds."""

    model_config = ConfigDict(populate_by_name=True)
    detail_type: ClassVar[str]

    id: Annotated[str, Field(min_length=32, max_length=32)]
    """The same in every repeat of this event."""
    recovery_id: str
    mode: Literal["real", "drill"]
    account: str
    """The protected account."""
    at: Stamp


class RecoveryRequested(Announcement):
    """A recovery begins: access to the source vaults is about to be asked for."""

    detail_type: ClassVar[str] = "Recovery Requested"

    source_backup_vault_arns: tuple[str, ...]
    trigger: str
    """What kind of trigger: guardDuty, securityHub, alarm, health, case, custom or onDemand."""
    reason: str
    first_sign: str | None = None
    """The first sign of compromise as it is known then: a time, "latest", or left out."""


class AccessApproved(Announcement):
    """Enough approvers have said yes: a restore-access vault is open."""

    detail_type: ClassVar[str] = "Access Approved"

    source_backup_vault_arn: str
    restore_access_backup_vault_name: str


class ResourceRestored(Announcement):
    """A resource was restored, and is final unless the operator wants it once more."""

    detail_type: ClassVar[str] = "Resource Restored"

    source_backup_vault_arn: str
    resource_arn: str
    """What it was restored from."""
    resource_type: str
    created_resource_arn: str
    recovery_point_arn: str
    restore_job_id: str
    validated: bool
    """False: restored, but it did not stand its validation."""


class RecoveryEnded(Announcement):
    """A recovery has ended; a resume lets it go on, and it ends again."""

    detail_type: ClassVar[str] = "Recovery Ended"

    outcome: str
    """Recovered, AccessOpen, or the name of an error (docs/runbook.md)."""
    cause: str
    report: str
    """Where the page of its report lies, s3://…; report.json and map.json lie beside it."""


KINDS: tuple[type[Announcement], ...] = (RecoveryRequested, AccessApproved, ResourceRestored, RecoveryEnded)
