"""The story's instance and clusters; what they hold goes through the data door."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, ClassVar

from local.cloud.running import PRODUCTION, REGION

if TYPE_CHECKING:
    from local.cloud.running import Cloud

TAG = {"Key": "airlift", "Value": "protected"}
"""What the backup plan selects by (accounts/3-vault-account)."""

DISKS = {"/dev/xvda": 8, "/dev/sdf": 4}
_KIB = 64


def make_key(cloud: Cloud) -> str:
    """A customer managed key of production: an air-gapped vault takes nothing that AWS's own keys encrypt."""
    return str(cloud.client("kms", PRODUCTION).create_key()["KeyMetadata"]["Arn"])


class Instance:
    """An instance with an encrypted root and data volume; their blocks go through the data door."""

    resource_type: ClassVar[str] = "EC2"
    parts: ClassVar[str] = "KiB and settings"

    def __init__(self, cloud: Cloud) -> None:
        self.name = "order-desk"
        self._cloud = cloud
        ec2, key = cloud.client("ec2", PRODUCTION), make_key(cloud)
        made = ec2.run_instances(
            ImageId=ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
            MinCount=1,
            MaxCount=1,
            InstanceType="t3.small",
            BlockDeviceMappings=[
                {
                    "DeviceName": device,
                    "Ebs": {"VolumeSize": size, "VolumeType": "gp3", "Encrypted": True, "KmsKeyId": key},
                }
                for device, size in DISKS.items()
            ],
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": self.name}, TAG]}],
        )["Instances"][0]
        self.arn = f"arn:aws:ec2:{REGION}:{PRODUCTION}:instance/{made['InstanceId']}"
        mappings = made["BlockDeviceMappings"]
        self._volumes = {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in mappings}
        self.live_a_day(0)

    def live_a_day(self, day: int) -> None:
        for device, volume in self._volumes.items():
            blocks = random.Random(f"{device} {day}").randbytes(_KIB * 1024)  # noqa: S311 - filler
            self._cloud.write_volume(PRODUCTION, volume, blocks)

    def attack(self) -> None:
        for volume in self._volumes.values():
            self._cloud.write_volume(PRODUCTION, volume, bytes(_KIB * 1024))

    def read(self, account: str, arn: str) -> dict[str, Any]:
        """Type, volumes and their blocks."""
        ec2 = self._cloud.client("ec2", account)
        found = ec2.describe_instances(InstanceIds=[arn.rpartition("/")[2]])["Reservations"][0]["Instances"][0]
        held: dict[str, Any] = {"type": found["InstanceType"], "root": found["RootDeviceName"]}
        for mapping in found["BlockDeviceMappings"]:
            device, volume_id = mapping["DeviceName"], mapping["Ebs"]["VolumeId"]
            volume = ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]
            held |= {f"{device} {name}": volume[name] for name in ("Size", "VolumeType", "Encrypted")}
            blocks = self._cloud.read_volume(account, volume_id)
            held |= {f"{device} {at}": blocks[at * 1024 : (at + 1) * 1024] for at in range(len(blocks) // 1024)}
        return held


class _Cluster:
    """An encrypted cluster; the rows of its databases go through the data door."""

    parts: ClassVar[str] = "rows and settings"
    resource_type: ClassVar[str]
    service: ClassVar[str]
    engine: ClassVar[str]
    name: str
    settings: ClassVar[dict[str, Any]] = {}
    login: ClassVar[dict[str, str]] = {"MasterUsername": "keeper", "MasterUserPassword": "not-a-real-secret"}

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        made = cloud.client(self.service, PRODUCTION).create_db_cluster(
            DBClusterIdentifier=self.name,
            Engine=self.engine,
            StorageEncrypted=True,
            KmsKeyId=make_key(cloud),
            Tags=[{"Key": "Name", "Value": self.name}, TAG],
            **self.login,
            **self.settings,
        )["DBCluster"]
        self.arn: str = made["DBClusterArn"]
        self.live_a_day(0)

    def live_a_day(self, day: int) -> None:
        rows = [f"{number}|{self.name}|written on day {min(day, number % 4)}" for number in range(200)]
        self._write("\n".join(rows))

    def attack(self) -> None:
        self._write("\n".join(f"{number}|pay" for number in range(0, 200, 2)))

    def read(self, account: str, arn: str) -> dict[str, Any]:
        """What the service describes of the cluster, and every row."""
        name = arn.rpartition(":")[2]
        found = self._cloud.client(self.service, account).describe_db_clusters(DBClusterIdentifier=name)
        cluster = found["DBClusters"][0]
        kept = ("Engine", "EngineVersion", "Port", "DatabaseName", "MasterUsername", "StorageEncrypted")
        rows = self._cloud.read_database(account, name).decode().splitlines()
        return {key: cluster.get(key) for key in kept} | {f"row {row.partition('|')[0]}": row for row in rows}

    def _write(self, text: str) -> None:
        self._cloud.write_database(PRODUCTION, self.name, text.encode())


class Aurora(_Cluster):
    """A PostgreSQL-compatible cluster."""

    resource_type, service, engine, name = "Aurora", "rds", "aurora-postgresql", "ledger"
    settings: ClassVar[dict[str, Any]] = {"DatabaseName": "ledger", "Port": 5433}


class DocumentDb(_Cluster):
    """A document cluster."""

    resource_type, service, engine, name = "DocumentDB", "docdb", "docdb", "catalogue"


class Neptune(_Cluster):
    """A graph cluster."""

    resource_type, service, engine, name = "Neptune", "neptune", "neptune", "relations"
    login: ClassVar[dict[str, str]] = {}
