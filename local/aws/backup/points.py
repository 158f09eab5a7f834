"""Recovery points as their vaults show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.aws.backup.state import AIR_GAPPED, RESTORE_ACCESS, Point, State, Vault
from local.aws.backup.types import FAMILIES
from local.aws.context import page
from local.aws.errors import invalid_request

if TYPE_CHECKING:
    from local.aws.model import Params
    from local.aws.wire import Caller


class Points:
    """List, describe and delete recovery points; their restore metadata."""

    def __init__(self, state: State) -> None:
        self._state = state

    def list_recovery_points_by_backup_vault(self, caller: Caller, params: Params) -> Params:
        """ListRecoveryPointsByBackupVault: filters, at most 1,000 a page, newest first (the order is inferred)."""
        vault = self._state.vault(caller, params["BackupVaultName"], params.get("BackupVaultAccountId"))
        found = [
            self._summary(vault, point)
            for point in self._state.points(vault).values()
            if params.get("ByResourceArn") in (None, point.resource_arn)
            and params.get("ByResourceType") in (None, point.resource_type)
            and params.get("ByBackupPlanId") is None
            and params.get("ByParentRecoveryPointArn") in (None, point.parent)
            and params.get("ByCreatedAfter", point.created) <= point.created
            and params.get("ByCreatedBefore", point.created) >= point.created
        ]
        found.sort(key=lambda item: (-item["CreationDate"], item["RecoveryPointArn"]))
        items, token = page(found, "RecoveryPointArn", params, 1000, "InvalidParameterValueException")
        return {"RecoveryPoints": items, "NextToken": token}

    def describe_recovery_point(self, caller: Caller, params: Params) -> Params:
        """DescribeRecoveryPoint."""
        vault = self._state.vault(caller, params["BackupVaultName"], params.get("BackupVaultAccountId"))
        point = self._state.point(vault, params["RecoveryPointArn"])
        return self._summary(vault, point) | {"StorageClass": "WARM"}

    def get_recovery_point_restore_metadata(self, caller: Caller, params: Params) -> Params:
        """GetRecoveryPointRestoreMetadata; values may be null, as AWS documents for EBS."""
        vault = self._state.vault(caller, params["BackupVaultName"], params.get("BackupVaultAccountId"))
        point = self._state.point(vault, params["RecoveryPointArn"])
        return {
            "BackupVaultArn": vault.arn,
            "RecoveryPointArn": point.arn,
            "RestoreMetadata": FAMILIES[point.resource_type].restore_metadata(point.content),
            "ResourceType": point.resource_type,
        }

    def delete_recovery_point(self, caller: Caller, params: Params) -> None:
        """DeleteRecoveryPoint: refused in an air-gapped vault, whose points only their retention ends."""
        vault = self._state.vault(caller, params["BackupVaultName"])
        point = self._state.point(vault, params["RecoveryPointArn"])
        if vault.kind in (AIR_GAPPED, RESTORE_ACCESS):
            raise invalid_request(f"Recovery point {point.arn} can't be deleted before its retention ends.")
        del vault.points[point.arn]

    def _summary(self, vault: Vault, point: Point) -> dict[str, Any]:
        days = point.delete_after_days
        source = vault.source.arn if vault.source else point.source_vault_arn
        return {
            "RecoveryPointArn": point.arn,
            "BackupVaultName": vault.name,
            "BackupVaultArn": vault.arn,
            "SourceBackupVaultArn": source,
            "VaultType": vault.kind,
            "ResourceArn": point.resource_arn,
            "ResourceType": point.resource_type,
            "ResourceName": point.resource_name or None,
            "IamRoleArn": point.role_arn,
            "Status": point.status,
            "CreationDate": point.created,
            "InitiationDate": point.created,
            "CompletionDate": point.completed,
            "BackupSizeInBytes": point.size,
            "Lifecycle": None if days is None else {"DeleteAfterDays": days},
            "CalculatedLifecycle": None if days is None else {"DeleteAt": point.delete_at},
            "IsEncrypted": True,
            "EncryptionKeyType": "CUSTOMER_MANAGED_KMS_KEY" if (vault.source or vault).key_arn else "AWS_OWNED_KMS_KEY",
            "EncryptionKeyArn": (vault.source or vault).key_arn,
            "LastRestoreTime": point.last_restored,
            "IsParent": point.is_parent,
            "ParentRecoveryPointArn": point.parent,
            "CompositeMemberIdentifier": point.member,
        }
