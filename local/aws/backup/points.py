"""Recovery points as their vaults show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.aws.backup.state import AIR_GAPPED, RESTORE_ACCESS, Point, State, Vault
from local.aws.backup.types import FAMILIES
from local.aws.context import page
from local.aws.errors import invalid_parameter, invalid_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.aws.model import Params
    from local.aws.wire import Caller

SCANNABLE = ("EBS", "EC2", "S3")
"""Types whose points can be scanned (devguide/malware-protection.html)."""


class Points:
    """List, describe and delete recovery points; their restore metadata."""

    def __init__(self, state: State) -> None:
        self._state = state

    def list_recovery_points_by_backup_vault(self, caller: Caller, params: Params) -> Params:
        """ListRecoveryPointsByBackupVault: filters, at most 1,000 a page, newest first (the order is inferred)."""
        vault = self._state.vault(caller, params["BackupVaultName"], params.get("BackupVaultAccountId"))
        found = [
            self._summary(vault, point) | {"AggregatedScanResult": self._aggregate(vault, point)}
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
        return self._summary(vault, point) | {"StorageClass": "WARM", "ScanResults": self._scans(vault, point) or None}

    def scan(self, point_arn: str, state: str = "COMPLETED", findings: Sequence[str] = ()) -> None:
        """Let a malware scan of a point end: COMPLETED, COMPLETED_WITH_ISSUES, FAILED or CANCELED.

        Stands for StartScanJob by the vault's owner and for what the scanner finds, such as MALWARE.
        Raises KeyError for a point that isn't there and ValueError for a type that can't be scanned.
        """
        held = {arn: point for vault in self._state.vaults.values() for arn, point in vault.points.items()}
        point = held[point_arn]
        if point.resource_type not in SCANNABLE:
            raise ValueError(f"{point.resource_type} can't be scanned.")
        result = {
            "MalwareScanner": "GUARDDUTY",
            "ScanJobState": state,
            "LastScanTimestamp": self._state.now(),
            "Findings": list(findings),
        }
        point.scans = [result, *point.scans][:5]

    def _scans(self, vault: Vault, point: Point) -> list[dict[str, Any]]:
        hidden = vault.source is not None and not self._state.context.settings.scan_results_visible
        return [] if hidden else point.scans

    def _aggregate(self, vault: Vault, point: Point) -> dict[str, Any] | None:
        scans = self._scans(vault, point)
        if not scans:
            return None
        return {
            "FailedScan": any(scan["ScanJobState"] == "FAILED" for scan in scans),
            "Findings": sorted({finding for scan in scans for finding in scan["Findings"]}),
            "LastComputed": max(scan["LastScanTimestamp"] for scan in scans),
        }

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

    def get_restore_testing_inferred_metadata(self, caller: Caller, params: Params) -> None:
        """GetRestoreTestingInferredMetadata: restore testing knows no such vault (inferred), nor others here."""
        vault = self._state.vault(caller, params["BackupVaultName"], params.get("BackupVaultAccountId"))
        self._state.point(vault, params["RecoveryPointArn"])
        raise invalid_parameter(f"Restore testing does not support recovery points of vault {vault.name}.")

    def delete_recovery_point(self, caller: Caller, params: Params) -> None:
        """DeleteRecoveryPoint: refused in an air-gapped vault, whose points only their retention ends."""
        vault = self._state.vault(caller, params["BackupVaultName"])
        point = self._state.point(vault, params["RecoveryPointArn"])
        if vault.kind in (AIR_GAPPED, RESTORE_ACCESS):
            raise invalid_request(f"Recovery point {point.arn} can't be deleted before its retention ends.")
        del vault.points[point.arn]

    def place(self, vault_arn: str, resource_arn: str, resource_type: str) -> str:
        """A local-only door: a point of any type, known here or not, appears in a vault of any kind; its ARN."""
        vault, now = self._state.vaults[vault_arn], self._state.now()
        arn = f"arn:aws:backup:{vault.region}:{vault.account}:recovery-point:{self._state.context.ids.uuid()}"
        name = resource_arn.rpartition(":")[2]
        vault.points[arn] = Point(
            arn, resource_arn, resource_type, name, None, 0, now, now, f"arn:aws:iam::{vault.account}:role/backup"
        )
        return arn

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
            "CalculatedLifecycle": None if point.delete_at is None else {"DeleteAt": point.delete_at},
            "IsEncrypted": True,
            "EncryptionKeyType": "CUSTOMER_MANAGED_KMS_KEY" if (vault.source or vault).key_arn else "AWS_OWNED_KMS_KEY",
            "EncryptionKeyArn": (vault.source or vault).key_arn,
            "LastRestoreTime": point.last_restored,
            "IsParent": point.is_parent,
            "ParentRecoveryPointArn": point.parent,
            "CompositeMemberIdentifier": point.member,
        }
