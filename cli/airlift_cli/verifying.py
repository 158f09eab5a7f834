"""`airlift report --verify`: whether evidence is as it was written, in the bucket or in a folder on a disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from airlift.evidence import SUMS, Flaw, flaws, head, is_written_once, parts_in, sums_changed
from airlift.keeping import folder

from airlift_cli.problems import Exit, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airlift.ledger import Record

    from airlift_cli.stack import Stack


class Verified(NamedTuple):
    """What was found: where was looked, how much is there, and every flaw."""

    place: str
    files: int
    lines: int
    sha256: str
    flaws: list[Flaw]

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        told = [flaw._asdict() | {"told": str(flaw)} for flaw in self.flaws]
        return self._asdict() | {"flaws": told, "intact": not self.flaws}

    def words(self) -> str:
        """For people."""
        about = f"{self.place}: {self.files} files, {self.lines} lines of timeline, SHA-256 of the last {self.sha256}"
        if not self.flaws:
            return f"{about}.\nAs it was written."
        return "\n".join([f"{about}.", *map(str, self.flaws)])


def in_folder(path: Path) -> Verified:
    """What a folder holds that was copied from the evidence bucket; needs no AWS."""
    files = {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
    return _verified(str(path), files, flaws(files))


def in_bucket(stack: Stack, recovery: Record) -> Verified:
    """What the evidence bucket holds of a recovery, held also against its versions and against the ledger.

    Raises Problem if nothing was kept yet.
    """
    identity, bucket, s3 = str(recovery["recoveryId"]), stack["EvidenceBucketName"], stack.client("s3")
    place = folder(identity)
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=place))
    versions = [found for page in pages for found in page.get("Versions", [])]
    newest = [one["Key"] for one in versions if one["IsLatest"]]
    if not versions:
        raise Problem(
            f"Nothing is kept of recovery {identity} yet: it is {recovery['state']}.",
            "evidence is written every hour while a recovery runs, and when it ends.",
            Exit.BAD_INPUT,
            name="NoEvidence",
        )
    files = {key.removeprefix(place): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in newest}
    found = flaws(files)
    names = [one["Key"].removeprefix(place) for one in versions]
    again = sorted({name for name in names if is_written_once(name) and names.count(name) > 1})
    found += [Flaw(name, 0, "altered: it was written more than once; the versions before are kept") for name in again]
    found += sums_changed([_read(s3, bucket, one) for one in reversed(versions) if one["Key"] == place + SUMS])
    gone = sorted(key.removeprefix(place) for page in pages for key in _deleted(page))
    found += [Flaw(name, 0, "missing: it was deleted; its versions are kept") for name in gone]
    verified = _verified(f"s3://{bucket}/{place}", files, found)
    kept = recovery.get("evidence")
    if kept and (kept["lines"], kept["sha256"]) != (verified.lines, verified.sha256):
        what = f"altered: the ledger says that it had {kept['lines']} lines, the last one's SHA-256 {kept['sha256']}"
        verified.flaws.append(Flaw("the timeline", 0, what))
    return verified


def _read(s3: Any, bucket: str, version: Mapping[str, Any]) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])["Body"].read()
    return content


def _deleted(page: Mapping[str, Any]) -> list[str]:
    return [marker["Key"] for marker in page.get("DeleteMarkers", []) if marker["IsLatest"]]


def _verified(place: str, files: Mapping[str, bytes], found: list[Flaw]) -> Verified:
    return Verified(place, len(files), *head(parts_in(files)), found)
