"""What the story's resources hold: made, changed by the days, destroyed by the attacker, and read back to compare."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from local.cloud.running import PRODUCTION, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.cloud.running import Cloud

ITEMS = 3000
_INDEX = "by-state"
_PREFIXES = ("invoices/2026/10", "invoices/2026/11", "reports/quarter 3", "фото", "日本/東京", "a+b & c", "plain")


@dataclass(frozen=True)
class Resource:
    """One resource of the production account: its type, name and ARN, and how what it holds is read anywhere.

    `read(cloud, account, arn)` returns a dict of parts that compare equal if they are the same.
    """

    resource_type: str
    name: str
    arn: str
    read: Callable[[Cloud, str, str], dict[str, Any]]


def make(cloud: Cloud) -> list[Resource]:
    """A table, a bucket, a volume and a file system, filled."""
    dynamodb, s3 = cloud.client("dynamodb", PRODUCTION), cloud.client("s3", PRODUCTION)
    table = dynamodb.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in (("customer", "S"), ("order", "N"), ("state", "S"))
        ],
        KeySchema=[{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "order", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": _INDEX,
                "KeySchema": [
                    {"AttributeName": "state", "KeyType": "HASH"},
                    {"AttributeName": "order", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )["TableDescription"]["TableArn"]
    _put(dynamodb, [_order(number, "new") for number in range(ITEMS)])
    bucket = "production-documents"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    _each(lambda number: _document(s3, bucket, number, "first"), range(60))
    volume = cloud.client("ec2", PRODUCTION).create_volume(
        AvailabilityZone=f"{REGION}a",
        Size=1,
        Encrypted=True,
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": "ledger-disk"}]}],
    )["VolumeId"]
    cloud.write_volume(PRODUCTION, volume, _blocks("first"))
    files = cloud.client("efs", PRODUCTION).create_file_system(
        CreationToken="shared", Encrypted=True, Tags=[{"Key": "Name", "Value": "shared-files"}]
    )["FileSystemId"]
    cloud.write_files(PRODUCTION, files, {f"teams/{n % 4}/note {n}.txt": f"note {n}".encode() for n in range(40)})
    return [
        Resource("DynamoDB", "orders", table, read_table),
        Resource("S3", bucket, f"arn:aws:s3:::{bucket}", read_bucket),
        Resource("EBS", "ledger-disk", f"arn:aws:ec2:{REGION}:{PRODUCTION}:volume/{volume}", read_volume),
        Resource("EFS", "shared-files", f"arn:aws:elasticfilesystem:{REGION}:{PRODUCTION}:file-system/{files}", read_files),
    ]


def live_a_day(cloud: Cloud, resources: list[Resource], day: int) -> None:
    """The business goes on: some of everything changes, so that no two recovery points are the same."""
    _, bucket, volume, files = (_name(resource) for resource in resources)
    dynamodb, s3 = cloud.client("dynamodb", PRODUCTION), cloud.client("s3", PRODUCTION)
    _put(dynamodb, [_order(number, f"packed on day {day}") for number in range(day * 100, day * 100 + 100)])
    _each(lambda number: _document(s3, bucket, number, f"day {day}"), range(day * 5, day * 5 + 5))
    cloud.write_volume(PRODUCTION, volume, _blocks(f"day {day}"))
    cloud.write_files(PRODUCTION, files, {f"teams/new/day {day}.txt": f"written on day {day}".encode()})


def attack(cloud: Cloud, resources: list[Resource]) -> None:
    """Data is encrypted, replaced and deleted in all four."""
    table, bucket, volume, files = (_name(resource) for resource in resources)
    dynamodb, s3 = cloud.client("dynamodb", PRODUCTION), cloud.client("s3", PRODUCTION)
    _put(dynamodb, [_order(number, "ENCRYPTED") for number in range(0, 1000)])
    _delete(dynamodb, table, [_order(number, "") for number in range(1000, 2000)])
    keys = sorted(read_bucket(cloud, PRODUCTION, f"arn:aws:s3:::{bucket}"))
    _each(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"pay"), keys[:20])
    _each(lambda key: s3.delete_object(Bucket=bucket, Key=key), keys[20:45])
    cloud.write_volume(PRODUCTION, volume, b"\0" * len(_blocks("")))
    held = cloud.read_files(PRODUCTION, files)
    cloud.write_files(PRODUCTION, files, dict.fromkeys(list(held)[::2]) | {"README-PAY.txt": b"pay"})


# -- reading


def read_table(cloud: Cloud, account: str, arn: str) -> dict[str, Any]:
    """Item by key, and the index."""
    client, name = cloud.client("dynamodb", account), arn.rpartition("/")[2]
    described = client.describe_table(TableName=name)["Table"]
    pages = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    items = {
        f"item {item['customer']['S']}/{item['order']['N']}": item for page in pages for item in page["Items"]
    }
    indexes = {
        f"index {index['IndexName']}": (index["KeySchema"], index["Projection"])
        for index in described.get("GlobalSecondaryIndexes", ())
    }
    return items | indexes | {"keys": described["KeySchema"]}


def read_bucket(cloud: Cloud, account: str, arn: str) -> dict[str, Any]:
    """Per key: body, content type, metadata and tags."""
    client, bucket = cloud.client("s3", account), arn.rpartition(":")[2]
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [item["Key"] for page in pages for item in page.get("Contents", ())]

    def read(key: str) -> tuple[bytes, str, dict[str, str], list[tuple[str, str]]]:
        found = client.get_object(Bucket=bucket, Key=key)
        tags = client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        return found["Body"].read(), found["ContentType"], found["Metadata"], sorted((t["Key"], t["Value"]) for t in tags)

    return dict(zip(keys, _each(read, keys), strict=True))


def read_volume(cloud: Cloud, account: str, arn: str) -> dict[str, Any]:
    """The blocks, by KiB."""
    blocks = cloud.read_volume(account, arn.rpartition("/")[2])
    return {f"block {start // 1024}": blocks[start : start + 1024] for start in range(0, len(blocks), 1024)}


def read_files(cloud: Cloud, account: str, arn: str) -> dict[str, Any]:
    """The files; those that AWS Backup restored lie in one directory of its own."""
    files = cloud.read_files(account, arn.rpartition("/")[2])
    return {
        path.partition("/")[2] if path.startswith("aws-backup-restore_") else path: data for path, data in files.items()
    }


# -- making


def _order(number: int, state: str) -> dict[str, Any]:
    chance = random.Random(number)
    return {
        "customer": {"S": f"customer-{number % 400:03d}"},
        "order": {"N": str(number)},
        "state": {"S": state},
        "total": {"N": f"{chance.randint(1, 10**6)}.{chance.randint(10, 99)}"},
        "signature": {"B": chance.randbytes(24)},
        "lines": {"L": [{"M": {"article": {"S": f"A-{chance.randint(1, 999)}"}, "count": {"N": "2"}}}]},
        "gift": {"BOOL": bool(number % 2)},
    }


def _document(client: Any, bucket: str, number: int, text: str) -> None:
    client.put_object(
        Bucket=bucket,
        Key=f"{_PREFIXES[number % len(_PREFIXES)]}/document {number}.txt",
        Body=f"{text}: {number}\n".encode() * 20,
        ContentType="text/plain; charset=utf-8" if number % 3 else "application/octet-stream",
        Metadata={"owner": f"team-{number % 5}", "class": "internal"},
        Tagging=urlencode({"project": "airlift demo", "number": str(number)}),
    )


def _blocks(text: str) -> bytes:
    return random.Random(text).randbytes(256 * 1024)


def _put(client: Any, items: list[dict[str, Any]]) -> None:
    batches = [items[start : start + 25] for start in range(0, len(items), 25)]
    _each(lambda batch: _write(client, "orders", [{"PutRequest": {"Item": item}} for item in batch]), batches)


def _delete(client: Any, table: str, items: list[dict[str, Any]]) -> None:
    keys = [{name: item[name] for name in ("customer", "order")} for item in items]
    batches = [keys[start : start + 25] for start in range(0, len(keys), 25)]
    _each(lambda batch: _write(client, table, [{"DeleteRequest": {"Key": key}} for key in batch]), batches)


def _write(client: Any, table: str, requests: list[dict[str, Any]]) -> None:
    asked = {table: requests}
    while asked:
        asked = client.batch_write_item(RequestItems=asked)["UnprocessedItems"]


def _each(work: Callable[[Any], Any], things: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, things))


def _name(resource: Resource) -> str:
    return resource.arn.rpartition("/")[2].rpartition(":")[2]
