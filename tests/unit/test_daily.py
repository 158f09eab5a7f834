"""The daily check's look into vaults that are open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.daily import open_vaults

from tests.unit.domain import NOW, REGION, SECOND_VAULT, VAULT, a_plan, ago, point_arn, table_arn

if TYPE_CHECKING:
    from tests.unit.domain import Services


def test_open_vaults_are_read_until_then_and_what_is_not_read_is_said(services: Services) -> None:
    point = {
        "RecoveryPointArn": point_arn("new"),
        "ResourceArn": table_arn("orders"),
        "ResourceType": "DynamoDB",
        "Status": "COMPLETED",
        "CreationDate": ago(hours=1),
    }
    open_ = [
        {"BackupVaultName": name, "SourceBackupVaultArn": source, "VaultState": "AVAILABLE"}
        for name, source in (("one", VAULT), ("two", SECOND_VAULT), ("foreign", VAULT + "-other"))
    ]
    services.play(
        "backup",
        list_backup_vaults={"BackupVaultList": open_},
        describe_backup_vault=lambda BackupVaultName: next(  # noqa: N803 - AWS's own name
            one for one in open_ if one["BackupVaultName"] == BackupVaultName
        ),
        list_recovery_points_by_backup_vault={"RecoveryPoints": [point]},
    )

    def told(until: Any) -> list[tuple[Any, ...]]:
        found = open_vaults(a_plan(), REGION, until)
        return [(one["sourceBackupVaultArn"], len(one["resources"]), one["complete"]) for one in found]

    assert told(NOW) == [(VAULT, 1, True), (SECOND_VAULT, 1, True)]
    assert told(ago(seconds=1)) == [(VAULT, 0, False), (SECOND_VAULT, 0, False)]
