"""Vaults, their tags, and the settings of accounts and Regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.aws.backup.state import AIR_GAPPED, PLAIN, RESTORE_ACCESS, State, Vault, vault_arn
from local.aws.backup.types import FAMILIES
from local.aws.context import page
from local.aws.errors import AwsError, invalid_parameter, invalid_request, not_found

if TYPE_CHECKING:
    from local.aws.backup.events import Events
    from local.aws.model import Params
    from local.aws.wire import Caller

MIN_RETENTION_DAYS = 7
"""A logically air-gapped vault's least retention (devguide/logicallyairgappedvault.html)."""


class Vaults:
    """Operations on vaults other than requesting and ending access."""

    def __init__(self, state: State, events: Events) -> None:
        self._state = state
        self._events = events
        self._global: dict[str, dict[str, str]] = {}
        self._opt_in: dict[tuple[str, str], dict[str, bool]] = {}
        self._managed: dict[tuple[str, str], dict[str, bool]] = {}

    def create_backup_vault(self, caller: Caller, params: Params) -> Params:
        """CreateBackupVault: a plain vault."""
        vault = self._create(caller, params, PLAIN)
        return {"BackupVaultName": vault.name, "BackupVaultArn": vault.arn, "CreationDate": vault.created}

    def create_logically_air_gapped_backup_vault(self, caller: Caller, params: Params) -> Params:
        """CreateLogicallyAirGappedBackupVault: retention from 7 days up, minimum not above maximum."""
        least, most = params["MinRetentionDays"], params["MaxRetentionDays"]
        if not MIN_RETENTION_DAYS <= least <= most:
            raise invalid_parameter("MinRetentionDays must be at least 7 and at most MaxRetentionDays.")
        vault = self._create(caller, params, AIR_GAPPED)
        vault.min_days, vault.max_days = least, most
        return {
            "BackupVaultName": vault.name,
            "BackupVaultArn": vault.arn,
            "CreationDate": vault.created,
            "VaultState": vault.state,
        }

    def _create(self, caller: Caller, params: Params, kind: str) -> Vault:
        name, request_id = params["BackupVaultName"], params.get("CreatorRequestId")
        arn = vault_arn(caller.account, caller.region, name)
        existing = self._state.vaults.get(arn)
        if existing is not None:
            if existing.kind == kind and request_id and existing.creator_request_id == request_id:
                return existing
            raise already_exists(existing)
        self._state.authorize_tags(caller, arn, params.get("BackupVaultTags", {}))
        self._state.check_room(caller)
        vault = Vault(
            name, arn, caller.account, caller.region, kind, self._state.now(), request_id,
            key_arn=params.get("EncryptionKeyArn"), tags=dict(params.get("BackupVaultTags", {})),
        )  # fmt: skip
        self._state.vaults[arn] = vault
        self._notify(vault, "CREATED")
        return vault

    def describe_backup_vault(self, caller: Caller, params: Params) -> Params:
        """DescribeBackupVault."""
        vault = self._state.vault(caller, params["BackupVaultName"], params.get("BackupVaultAccountId"))
        return self._summary(vault) | {
            "SourceBackupVaultArn": vault.source and vault.source.arn,
            "MpaApprovalTeamArn": vault.team_arn,
            "MpaSessionArn": vault.session_arn,
            "LatestMpaApprovalTeamUpdate": vault.team_update,
        }

    def list_backup_vaults(self, caller: Caller, params: Params) -> Params:
        """ListBackupVaults: without SourceBackupVaultArn and MpaSessionArn, as the model has it."""
        kind = params.get("ByVaultType")
        seen = [vault for vault in self._state.vaults_of(caller) if self._state.shows(vault)]
        found = [self._summary(vault) for vault in seen if kind in (None, vault.kind)]
        items, token = page(found, "BackupVaultName", params, 1000, "InvalidParameterValueException")
        return {"BackupVaultList": items, "NextToken": token}

    def delete_backup_vault(self, caller: Caller, params: Params) -> None:
        """DeleteBackupVault: an empty vault, or a restore-access vault that is AVAILABLE or FAILED.

        Deleting one that is still CREATING is undocumented and refused here (inferred).
        """
        vault = self._state.vault(caller, params["BackupVaultName"])
        if vault.kind == RESTORE_ACCESS:
            if vault.state == "CREATING":
                raise invalid_request(f"Backup vault {vault.name} is being created.")
        elif self._state.points(vault):
            raise invalid_request(f"Backup vault {vault.name} contains recovery points.")
        del self._state.vaults[vault.arn]
        self._notify(vault, "DELETED")

    def tag_resource(self, caller: Caller, params: Params) -> None:
        """TagResource: vaults and recovery points of the caller's account."""
        self._tags(caller, params["ResourceArn"]).update(params["Tags"])

    def untag_resource(self, caller: Caller, params: Params) -> None:
        """UntagResource."""
        tags = self._tags(caller, params["ResourceArn"])
        for key in params["TagKeyList"]:
            tags.pop(key, None)

    def list_tags(self, caller: Caller, params: Params) -> Params:
        """ListTags."""
        for vault in self._state.vaults_of(caller):
            point = self._state.points(vault).get(params["ResourceArn"])
            if point:  # through a restore-access vault as well, where its tags can only be read
                return {"Tags": dict(point.tags)}
        return {"Tags": dict(self._tags(caller, params["ResourceArn"]))}

    def update_global_settings(self, caller: Caller, params: Params) -> None:
        """UpdateGlobalSettings, from an organization's management account only."""
        if self._management(caller) != caller.account:
            raise invalid_request("Only the management account of the organization can change global settings.")
        known = {"isCrossAccountBackupEnabled", "isMpaEnabled"}
        for name, value in params.get("GlobalSettings", {}).items():
            if name not in known or value not in ("true", "false"):
                raise invalid_parameter(f"Global setting {name}={value} is not valid.")
        self._settings(caller).update(params.get("GlobalSettings", {}))

    def describe_global_settings(self, caller: Caller, _params: Params) -> Params:
        """DescribeGlobalSettings of the caller's organization."""
        return {"GlobalSettings": dict(self._settings(caller))}

    def is_mpa_enabled(self, account: str) -> bool:
        """Whether the account's organization switched on multi-party approval."""
        top = self._state.context.settings.management_account(account)
        return self._global.get(top, {}).get("isMpaEnabled") == "true"

    def update_region_settings(self, caller: Caller, params: Params) -> None:
        """UpdateRegionSettings: opt-in and full management by resource type."""
        self._opted(caller).update(params.get("ResourceTypeOptInPreference", {}))
        self._managed_types(caller).update(params.get("ResourceTypeManagementPreference", {}))

    def describe_region_settings(self, caller: Caller, _params: Params) -> Params:
        """DescribeRegionSettings. Everything is opted in until changed; preferences change nothing here."""
        return {
            "ResourceTypeOptInPreference": dict(self._opted(caller)),
            "ResourceTypeManagementPreference": dict(self._managed_types(caller)),
        }

    def get_supported_resource_types(self, _caller: Caller, _params: Params) -> Params:
        """GetSupportedResourceTypes: those provided here."""
        return {"ResourceTypes": sorted(FAMILIES)}

    def _management(self, caller: Caller) -> str:
        return self._state.context.settings.management_account(caller.account)

    def _settings(self, caller: Caller) -> dict[str, str]:
        defaults = {"isCrossAccountBackupEnabled": "false", "isMpaEnabled": "false"}
        return self._global.setdefault(self._management(caller), defaults)

    def _opted(self, caller: Caller) -> dict[str, bool]:
        return self._opt_in.setdefault((caller.account, caller.region), dict.fromkeys(FAMILIES, True))

    def _managed_types(self, caller: Caller) -> dict[str, bool]:
        return self._managed.setdefault((caller.account, caller.region), {})

    def _tags(self, caller: Caller, arn: str) -> dict[str, str]:
        for vault in self._state.vaults_of(caller):
            if vault.arn == arn:
                return vault.tags
            if vault.source is None and arn in self._state.points(vault):
                return vault.points[arn].tags
        raise not_found(f"Resource {arn}")

    def _summary(self, vault: Vault) -> dict[str, Any]:
        holder = vault.source or vault
        return {
            "BackupVaultName": vault.name,
            "BackupVaultArn": vault.arn,
            "VaultType": vault.kind,
            "VaultState": vault.state,
            "CreationDate": vault.created,
            "CreatorRequestId": vault.creator_request_id,
            "NumberOfRecoveryPoints": len(self._state.points(vault)),
            "Locked": holder.kind == AIR_GAPPED,
            "MinRetentionDays": holder.min_days,
            "MaxRetentionDays": holder.max_days,
            "EncryptionKeyArn": holder.key_arn,
            "EncryptionKeyType": "CUSTOMER_MANAGED_KMS_KEY" if holder.key_arn else "AWS_OWNED_KMS_KEY",
        }

    def _notify(self, vault: Vault, state: str) -> None:
        # No event is documented for restore-access vaults, so none is sent for them.
        if vault.kind != RESTORE_ACCESS:
            detail = {"backupVaultName": vault.name, "state": state}
            self._events.send(vault.account, vault.region, "Backup Vault State Change", [vault.arn], detail)


def already_exists(vault: Vault) -> AwsError:
    """AlreadyExistsException with the members by which a caller finds out whose vault that is."""
    return AwsError(
        "AlreadyExistsException",
        f"Backup vault {vault.name} already exists.",
        Arn=vault.arn,
        CreatorRequestId=vault.creator_request_id or "",
    )
