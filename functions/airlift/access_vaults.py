"""The restore-access vaults that are there, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.access import named_recovery
from airlift.aws import client
from airlift.names import RECOVERY_TAG

if TYPE_CHECKING:
    from collections.abc import Iterator


def describe(name: str) -> dict[str, Any] | None:
    """DescribeBackupVault of a vault in this account; None if there is none."""
    backup = client("backup")
    try:
        answer: dict[str, Any] = backup.describe_backup_vault(BackupVaultName=name)
    except ClientError as error:
        # For a vault that does not exist AWS Backup answers either (inferred for restore-access vaults).
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "AccessDeniedException"):
            return None
        raise
    return answer


def restore_access_vaults(source_arn: str) -> Iterator[dict[str, Any]]:
    """All restore-access vaults of this source."""
    return (vault for vault in all_access_vaults() if vault.get("SourceBackupVaultArn") == source_arn)


def all_access_vaults() -> Iterator[dict[str, Any]]:
    """All restore-access vaults of this account and Region, as they are described."""
    return (vault for _, vault in listed_access_vaults() if vault)


def listed_access_vaults() -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Name and description of every restore-access vault that is listed: the list does not name sources.

    One that can't be described (None) may be gone meanwhile, or a permission is missing.
    """
    pages = client("backup").get_paginator("list_backup_vaults")
    for page in pages.paginate(ByVaultType="RESTORE_ACCESS_BACKUP_VAULT"):
        for listed in page["BackupVaultList"]:
            yield listed["BackupVaultName"], describe(listed["BackupVaultName"])


def recovery_of(vault: dict[str, Any]) -> str:
    """The recovery whose tag a vault carries now; empty if it has none.

    Of one that is not AVAILABLE the name tells as well: it may get its tags with the approval only (inferred), and a
    request that people may still vote on must not be taken for nobody's.
    """
    try:
        tags = client("backup").list_tags(ResourceArn=vault["BackupVaultArn"]).get("Tags", {})
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":  # else it is gone since it was listed
            raise
        tags = {}
    named = "" if vault.get("VaultState") == "AVAILABLE" else named_recovery(vault["BackupVaultName"])
    return str(tags.get(RECOVERY_TAG) or named)
