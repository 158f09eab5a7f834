"""How evidence gets into its bucket: what the timeline has grown by, hour by hour and at the end, and the sums."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.errors import Unavailable
from airlift.evidence import (
    SUMS,
    WRITTEN_ANEW,
    digest,
    head,
    hour_name,
    is_written_once,
    listed,
    next_part,
    part_name,
    parts_in,
    sums,
)
from airlift.ledger import Update, recovery_key, timeline_key
from airlift.runtime import setting
from airlift.values import now, parse_time, stamp

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.ledger import Ledger, Record

_HOUR = timedelta(hours=1)
_SETTLED = timedelta(minutes=5)
"""An entry can be written somewhat later than the moment that it tells of."""
_HOURS_A_RUN = 48


def folder(recovery_id: str) -> str:
    """Where a recovery's evidence lies in the bucket."""
    return f"recoveries/{recovery_id}/"


def keep(ledger: Ledger, recovery_id: str) -> dict[str, Any]:
    """Writes what the timeline has grown by since it was kept last, and the sums of all files of the recovery.

    Gives `{"timeline": address, "lines": of all parts, "sha256": of the last line}`; the same however often it is
    repeated. To be called when everything else of an ending is written. Raises `Unavailable` if another writer was
    quicker.
    """
    place = folder(recovery_id)
    digests, kept_files = _files(place)
    parts = parts_in(kept_files)
    recovery = ledger.get(recovery_key(recovery_id)) or {}
    at = now()
    about = {"recoveryId": recovery_id, "createdAt": recovery["createdAt"], "writtenAt": stamp(at)}
    new = next_part(parts, ledger.query(*_prefix(recovery_id)), **about)
    if new:
        name = part_name(len(parts) + 1)
        if not _put_once(place + name, new):
            raise Unavailable(f"{place}{name} was written by another step.", "none; the step is tried again.")
        parts.append(new)
        digests[name] = digest(new)
    # A sum that is listed stays, or what was altered or taken away since would look as it was written.
    known = {name: one for name, one in listed(kept_files.get(SUMS, b"")).items() if name != WRITTEN_ANEW}
    total = sums(digests | known)
    grown = kept_files.get(SUMS) != total
    if grown:
        put(setting("EVIDENCE_BUCKET"), place + SUMS, total, "text/plain; charset=utf-8")
    lines, last = head(parts)
    kept = {"timeline": f"s3://{setting('EVIDENCE_BUCKET')}/{place}{part_name(1)}", "lines": lines, "sha256": last}
    if grown or is_due(recovery):
        ledger.write(Update(recovery_key(recovery_id), {"keptAt": stamp(at), "evidence": kept}))
    return kept


def is_due(recovery: Record) -> bool:
    """Whether something has happened to an ended recovery since its evidence was kept."""
    moments = ("endedAt", "cleanedUpAt", "notCleanedUpAt", "accessClosedAt", "operatorFirstSignAt", "wishedAt")
    newest = max(str(recovery.get(name, "")) for name in moments)
    return str(recovery.get("keptAt", "")) < newest


def keep_hours(ledger: Ledger, recovery: Record) -> None:
    """Writes each full hour of a recovery that runs, once, so that its timeline is out of reach early."""
    identity = recovery["recoveryId"]
    hour = _next_hour(recovery)
    for _ in range(_HOURS_A_RUN):
        if hour + _HOUR + _SETTLED > now():
            return
        name = f"{hour:%Y-%m-%dT%H}"
        about = {"recoveryId": identity, "createdAt": recovery["createdAt"], "writtenAt": stamp(now()), "hour": name}
        if lines := next_part([], ledger.query(*_prefix(identity, name)), **about):
            _put_once(folder(identity) + hour_name(name), lines)
        ledger.write(Update(recovery_key(identity), {"hourKept": name}))
        hour += _HOUR


def _prefix(recovery_id: str, hour: str = "") -> tuple[str, str]:
    """Partition and beginning of the sort keys of what happened, in an hour or at all."""
    pk, sk = timeline_key(recovery_id, hour, "")
    return pk, sk.removesuffix("#")


def _next_hour(recovery: Record) -> datetime:
    if "hourKept" in recovery:
        return parse_time(f"{recovery['hourKept']}:00:00Z") + _HOUR
    return parse_time(recovery["createdAt"]).replace(minute=0, second=0, microsecond=0)


def _files(place: str) -> tuple[dict[str, str], dict[str, bytes]]:
    """The digests of all files of a recovery by name, and the timeline's and the sums' own text: reports are large."""
    s3, bucket = client("s3"), setting("EVIDENCE_BUCKET")
    digests, texts = {}, {}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=place)
    for key in (found["Key"] for page in pages for found in page.get("Contents", [])):
        name, data = key.removeprefix(place), s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        digests[name] = digest(data)
        if is_written_once(name) or name == SUMS:
            texts[name] = data
    return digests, texts


def _put_once(key: str, data: bytes) -> bool:
    """Writes a file that nobody ever writes again; False if it is there already."""
    try:
        put(setting("EVIDENCE_BUCKET"), key, data, "application/jsonl", once=True)
    except ClientError as error:
        # 412 if it exists, 409 if another writer is at it (AmazonS3/latest/userguide/conditional-writes.html).
        if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
            return False
        raise
    return True


def put(bucket: str, key: str, data: bytes, kind: str, *, once: bool = False) -> None:
    """Writes a file; `once` only if there is none of this key."""
    condition = {"IfNoneMatch": "*"} if once else {}
    client("s3").put_object(
        Bucket=bucket, Key=key, Body=data, ContentType=kind, ChecksumAlgorithm="SHA256", **condition
    )
