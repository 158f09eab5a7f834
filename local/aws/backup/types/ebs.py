"""EBS volumes; what is on the disk comes and goes through the data door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local.aws.backup.types.base import (
    RestoreProblem,
    Snapshot,
    Target,
    barred_by_key,
    check_key,
    flag,
    gone,
    number,
    tag_list,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context


@dataclass(frozen=True)
class Volume:
    """A volume's blocks and properties; `size` in GiB, `throughput` in MiB/s."""

    volume_id: str
    size: int
    kind: str
    encrypted: bool
    blocks: bytes
    tags: Mapping[str, str]
    iops: int | None = None
    throughput: int | None = None


def read_volume(context: Context, account: str, region: str, volume_id: str) -> tuple[Volume, str | None]:
    """A volume with its blocks as they are now, and the ARN of its key. Raises ClientError if it isn't there."""
    found = context.clients("ec2", account, region).describe_volumes(VolumeIds=[volume_id])["Volumes"][0]
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
    blocks = context.doors.read_volume(account, region, volume_id)
    volume = Volume(
        volume_id,
        found["Size"],
        found.get("VolumeType", "gp2"),
        found.get("Encrypted", False),
        blocks,
        tags,
        found.get("Iops"),
        found.get("Throughput"),
    )
    return volume, found.get("KmsKeyId")


class Ebs:
    """Restores a new volume (restoring-ebs.html)."""

    resource_type = "EBS"
    arn_prefix = "arn:aws:ec2:*:*:volume/"
    keys = frozenset(
        {
            "aws:backup:request-id",
            "availabilityZone",
            "encrypted",
            "iops",
            "kmsKeyId",
            "throughput",
            "volumeType",
            "volumeSize",
        }
    )
    required = frozenset({"availabilityZone"})
    any_case = True
    allows_tags = True
    native_arn: str | None = "arn:aws:ec2:{region}::snapshot/snap-{id}"

    def snapshot(self, context: Context, account: str, region: str, arn: str) -> Snapshot:
        """The blocks as they are now."""
        try:
            volume, key = read_volume(context, account, region, arn.rpartition("/")[2])
        except ClientError:
            raise gone(arn) from None
        barred = barred_by_key(context.clients("kms", account, region), "ebs", key) if volume.encrypted else None
        name = volume.tags.get("Name", "")
        return Snapshot(name, volume.size * 1024**3, volume, volume.tags, barred=barred)

    def restore_metadata(self, content: Volume) -> dict[str, str | None]:
        """As in restoring-ebs.html, the null included."""
        encrypted = str(content.encrypted).lower()
        return {"encrypted": encrypted, "volumeId": content.volume_id, "availabilityZone": None}

    def check(self, target: Target, content: Volume, metadata: Mapping[str, str]) -> None:
        """The Availability Zone, the key and the size."""
        zones = target.client("ec2").describe_availability_zones()["AvailabilityZones"]
        if metadata["availabilityZone"] not in [zone["ZoneName"] for zone in zones]:
            raise RestoreProblem(f"The zone '{metadata['availabilityZone']}' does not exist.")
        encrypted = flag(metadata, "encrypted", str(content.encrypted).lower())
        if content.encrypted and not encrypted:
            raise RestoreProblem("An encrypted volume can't be restored unencrypted.")
        if metadata.get("kmsKeyId"):
            if not encrypted:
                raise RestoreProblem("kmsKeyId needs encrypted=true.")
            check_key(target, metadata["kmsKeyId"])
        for key in ("iops", "throughput", "volumeSize"):
            number(metadata, key)
        if int(metadata.get("volumeSize", content.size)) < content.size:
            raise RestoreProblem("The volume can't be smaller than the backup.")

    def restore(self, target: Target, content: Volume, metadata: Mapping[str, str]) -> str:
        """Create the volume and put the blocks on it."""
        asked: dict[str, Any] = {
            "AvailabilityZone": metadata["availabilityZone"],
            "Size": int(metadata.get("volumeSize", content.size)),
            "VolumeType": metadata.get("volumeType", content.kind),
            "Encrypted": flag(metadata, "encrypted", str(content.encrypted).lower()),
        }
        numbers = {"Iops": "iops", "Throughput": "throughput"}
        asked |= {name: int(metadata[key]) for name, key in numbers.items() if key in metadata}
        if metadata.get("kmsKeyId"):
            asked["KmsKeyId"] = metadata["kmsKeyId"]
        if target.copy_tags and content.tags:
            asked["TagSpecifications"] = [{"ResourceType": "volume", "Tags": tag_list(content.tags)}]
        volume_id = target.client("ec2").create_volume(**asked)["VolumeId"]
        target.context.doors.write_volume(target.account, target.region, volume_id, content.blocks)
        return f"arn:aws:ec2:{target.region}:{target.account}:volume/{volume_id}"
