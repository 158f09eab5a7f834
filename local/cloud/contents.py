"""What the story's resources hold: made, changed by the days, spoilt by the attacker, read back to be compared."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import urlencode

from local.cloud.machines import TAG, Aurora, DocumentDb, Instance, Neptune, make_key
from local.cloud.running import PRODUCTION, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.cloud.running import Cloud

ITEMS, DOCUMENTS, BLOCKS = 3000, 60, 256 * 1024

_PREFIXES = ("invoices/2026/10", "invoices/2026/11", "reports/quarter 3", "фото", "日本/東京", "a+b & c", "plain")


class Resource(Protocol):
    """A resource of the production account. Making one creates and fills it."""

    resource_type: ClassVar[str]
    parts: ClassVar[str]
    """What `read` tells apart, as a word."""
    name: str
    arn: str

    def __init__(self, cloud: Cloud) -> None: ...

    def live_a_day(self, day: int) -> None:
        """The business goes on: something changes, so that no two recovery points are the same."""
        ...

    def attack(self) -> None:
        """Data is encrypted, replaced and deleted."""
        ...

    def read(self, account: str, arn: str) -> dict[str, Any]:
        """What this or a restored resource holds, as parts that are equal if they are the same."""
        ...


class Table:
    """A table with a sort key, an index, and binary, number, list and boolean attributes."""

    resource_type: ClassVar[str] = "DynamoDB"
    parts: ClassVar[str] = "items and keys"

    def __init__(self, cloud: Cloud) -> None:
        self.name = "orders"
        self._cloud = cloud
        self._client = cloud.client("dynamodb", PRODUCTION)
        keys = [{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "order", "KeyType": "RANGE"}]
        by_state = [{"AttributeName": "state", "KeyType": "HASH"}, {"AttributeName": "order", "KeyType": "RANGE"}]
        types = {"customer": "S", "order": "N", "state": "S"}
        self.arn: str = self._client.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            Tags=[TAG],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()],
            KeySchema=keys,
            GlobalSecondaryIndexes=[
                {"IndexName": "by-state", "KeySchema": by_state, "Projection": {"ProjectionType": "ALL"}}
            ],
        )["TableDescription"]["TableArn"]
        self._put(range(ITEMS), "new")

    def live_a_day(self, day: int) -> None:
        self._put(range(day * 100, day * 100 + 100), f"packed on day {day}")

    def attack(self) -> None:
        self._put(range(1000), "ENCRYPTED")
        keys = [{name: _order(number, "")[name] for name in ("customer", "order")} for number in range(1000, 2000)]
        self._write([{"DeleteRequest": {"Key": key}} for key in keys])

    def read(self, account: str, arn: str) -> dict[str, Any]:
        client, name = self._cloud.client("dynamodb", account), arn.rpartition("/")[2]
        described = client.describe_table(TableName=name)["Table"]
        pages = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
        items = {f"item {item['customer']['S']}/{item['order']['N']}": item for page in pages for item in page["Items"]}
        indexes = {
            f"index {index['IndexName']}": (index["KeySchema"], index["Projection"])
            for index in described.get("GlobalSecondaryIndexes", ())
        }
        return items | indexes | {"keys": described["KeySchema"]}

    def _put(self, numbers: Iterable[int], state: str) -> None:
        self._write([{"PutRequest": {"Item": _order(number, state)}} for number in numbers])

    def _write(self, requests: list[dict[str, Any]]) -> None:
        def write(batch: list[dict[str, Any]]) -> None:
            asked = {self.name: batch}
            while asked:
                asked = self._client.batch_write_item(RequestItems=asked)["UnprocessedItems"]

        _each(write, [requests[start : start + 25] for start in range(0, len(requests), 25)])


class Bucket:
    """A versioned bucket: metadata, content types, tags, nested prefixes, keys with spaces and of other scripts."""

    resource_type: ClassVar[str] = "S3"
    parts: ClassVar[str] = "objects"

    def __init__(self, cloud: Cloud) -> None:
        self.name = "production-documents"
        self.arn = f"arn:aws:s3:::{self.name}"
        self._cloud = cloud
        self._client = cloud.client("s3", PRODUCTION)
        where = {"LocationConstraint": REGION}
        self._client.create_bucket(Bucket=self.name, CreateBucketConfiguration=where)
        self._client.put_bucket_tagging(Bucket=self.name, Tagging={"TagSet": [TAG]})
        self._client.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        _each(lambda number: self._put(number, "first"), range(DOCUMENTS))

    def live_a_day(self, day: int) -> None:
        _each(lambda number: self._put(number, f"day {day}"), range(day * 5, day * 5 + 5))

    def attack(self) -> None:
        keys = sorted(self.read(PRODUCTION, self.arn))
        _each(lambda key: self._client.put_object(Bucket=self.name, Key=key, Body=b"pay"), keys[:20])
        _each(lambda key: self._client.delete_object(Bucket=self.name, Key=key), keys[20:45])

    def read(self, account: str, arn: str) -> dict[str, Any]:
        client, bucket = self._cloud.client("s3", account), arn.rpartition(":")[2]
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]

        def read(key: str) -> tuple[bytes, str, dict[str, str], dict[str, str]]:
            found = client.get_object(Bucket=bucket, Key=key)
            tags = client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
            return (
                found["Body"].read(),
                found["ContentType"],
                found["Metadata"],
                {tag["Key"]: tag["Value"] for tag in tags},
            )

        return dict(zip(keys, _each(read, keys), strict=True))

    def _put(self, number: int, text: str) -> None:
        self._client.put_object(
            Bucket=self.name,
            Key=f"{_PREFIXES[number % len(_PREFIXES)]}/document {number}.txt",
            Body=f"{text}: {number}\n".encode() * 20,
            ContentType="text/plain; charset=utf-8" if number % 3 else "application/octet-stream",
            Metadata={"owner": f"team-{number % 5}", "class": "internal"},
            Tagging=urlencode({"project": "airlift demo", "number": str(number)}),
        )


class Volume:
    """An encrypted volume; its blocks go through the data door."""

    resource_type: ClassVar[str] = "EBS"
    parts: ClassVar[str] = "KiB"

    def __init__(self, cloud: Cloud) -> None:
        self.name = "ledger-disk"
        self._cloud = cloud
        tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": self.name}, TAG]}]
        made = cloud.client("ec2", PRODUCTION).create_volume(
            AvailabilityZone=f"{REGION}a", Size=1, Encrypted=True, KmsKeyId=make_key(cloud), TagSpecifications=tags
        )
        self._id = made["VolumeId"]
        self.arn = f"arn:aws:ec2:{REGION}:{PRODUCTION}:volume/{self._id}"
        self._write(0)

    def live_a_day(self, day: int) -> None:
        self._write(day)

    def attack(self) -> None:
        self._cloud.write_volume(PRODUCTION, self._id, bytes(BLOCKS))

    def read(self, account: str, arn: str) -> dict[str, Any]:
        blocks = self._cloud.read_volume(account, arn.rpartition("/")[2])
        return {f"block {start // 1024}": blocks[start : start + 1024] for start in range(0, len(blocks), 1024)}

    def _write(self, day: int) -> None:
        self._cloud.write_volume(PRODUCTION, self._id, random.Random(day).randbytes(BLOCKS))  # noqa: S311 - filler


class Files:
    """An encrypted file system; its files go through the data door."""

    resource_type: ClassVar[str] = "EFS"
    parts: ClassVar[str] = "files"

    def __init__(self, cloud: Cloud) -> None:
        self.name = "shared-files"
        self._cloud = cloud
        made = cloud.client("efs", PRODUCTION).create_file_system(
            CreationToken=self.name, Encrypted=True, Tags=[{"Key": "Name", "Value": self.name}, TAG]
        )
        self._id = made["FileSystemId"]
        self.arn = f"arn:aws:elasticfilesystem:{REGION}:{PRODUCTION}:file-system/{self._id}"
        self._write({f"teams/{number % 4}/note {number}.txt": f"note {number}".encode() for number in range(40)})

    def live_a_day(self, day: int) -> None:
        self._write({f"teams/new/day {day}.txt": f"written on day {day}".encode()})

    def attack(self) -> None:
        held = self._cloud.read_files(PRODUCTION, self._id)
        self._write(dict.fromkeys(list(held)[::2]) | {"README-PAY.txt": b"pay"})

    def read(self, account: str, arn: str) -> dict[str, Any]:
        """The files; those that AWS Backup restored lie in one directory of its own, which is left out here."""
        files = self._cloud.read_files(account, arn.rpartition("/")[2])
        return {
            path.partition("/")[2] if path.startswith("aws-backup-restore_") else path: data
            for path, data in files.items()
        }

    def _write(self, files: dict[str, bytes | None]) -> None:
        self._cloud.write_files(PRODUCTION, self._id, files)


KINDS: tuple[type[Resource], ...] = (Table, Bucket, Volume, Files, Instance, Aurora, DocumentDb, Neptune)


def _order(number: int, state: str) -> dict[str, Any]:
    chance = random.Random(number)  # noqa: S311 - filler
    return {
        "customer": {"S": f"customer-{number % 400:03d}"},
        "order": {"N": str(number)},
        "state": {"S": state},
        "total": {"N": f"{chance.randint(1, 10**6)}.{chance.randint(10, 99)}"},
        "signature": {"B": chance.randbytes(24)},
        "lines": {"L": [{"M": {"article": {"S": f"A-{chance.randint(1, 999)}"}, "count": {"N": "2"}}}]},
        "gift": {"BOOL": bool(number % 2)},
    }


def _each(work: Callable[[Any], Any], things: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, things))
