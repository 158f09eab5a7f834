"""What a drill leaves behind in the recovery account, asked of the services themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from local.cloud.running import RECOVERY

if TYPE_CHECKING:
    from local.cloud.running import Cloud

_SELF: dict[str, Any] = {"OwnerIds": ["self"]}
_KINDS: tuple[tuple[str, str, dict[str, Any], str, str], ...] = (
    ("dynamodb", "list_tables", {}, "TableNames", ""),
    ("s3", "list_buckets", {}, "Buckets", "Name"),
    ("ec2", "describe_volumes", {}, "Volumes", "VolumeId"),
    ("ec2", "describe_images", {"Owners": ["self"]}, "Images", "ImageId"),
    ("ec2", "describe_snapshots", _SELF, "Snapshots", "SnapshotId"),
    ("ec2", "describe_network_interfaces", {}, "NetworkInterfaces", "NetworkInterfaceId"),
    ("efs", "describe_file_systems", {}, "FileSystems", "FileSystemId"),
    ("rds", "describe_db_clusters", {}, "DBClusters", "DBClusterIdentifier"),
    ("rds", "describe_db_instances", {}, "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_cluster_snapshots", {}, "DBClusterSnapshots", "DBClusterSnapshotIdentifier"),
    ("rds", "describe_db_subnet_groups", {}, "DBSubnetGroups", "DBSubnetGroupName"),
    ("fsx", "describe_file_systems", {}, "FileSystems", "FileSystemId"),
    ("fsx", "describe_backups", {}, "Backups", "BackupId"),
    ("backup", "list_backup_vaults", {}, "BackupVaultList", "BackupVaultName"),
)
"""boto3's service and operation, its parameters, the member that lists, and the one that names."""


def inventory(cloud: Cloud) -> set[str]:
    """Everything in the recovery account that a restore may make, as `service name`."""
    found = set()
    for service, operation, parameters, listed, name in _KINDS:
        answer = getattr(cloud.client(service, RECOVERY), operation)(**parameters)
        found |= {f"{service} {one[name] if name else one}" for one in answer[listed]}
    for reservation in cloud.client("ec2", RECOVERY).describe_instances()["Reservations"]:
        running = (one for one in reservation["Instances"] if one["State"]["Name"] != "terminated")
        found |= {f"ec2 {one['InstanceId']}" for one in running}
    return found


def table(items: list[dict[str, Any]]) -> Table:
    """The closing table of a drill: what came back, how it was verified, and that it is gone."""
    shown = Table(title="What came back, and is gone again", title_justify="left", expand=True, show_lines=True)
    for heading, share in (("Resource, restored as", 5), ("Verified how", 6), ("Deleted", 3)):
        shown.add_column(heading, overflow="fold", ratio=share)
    for item in items:
        made = str(item.get("createdResourceArn", "nothing")).rpartition(":")[2].rpartition("/")[2]
        gone = item.get("deletedAt")
        shown.add_row(
            Text(f"{item['resourceType']} {item.get('resourceName', '')}\n→ {made}"),
            Text(str(item.get("validatedHow") or item.get("reason") or "-")),
            Text(f"{str(gone)[11:19]} UTC" if gone else "not deleted", "green" if gone else "red"),
        )
    return shown
