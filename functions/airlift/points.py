"""What one recovery point says of itself: the moment its data is from, whether it may be taken, its scan. Pure.

`ListedPoint` is a member of ListRecoveryPointsByBackupVault's RecoveryPoints; DescribeRecoveryPoint's answer has the
same names, but for the scan.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airlift.values import parse_time, stamp

if TYPE_CHECKING:
    from airlift.plan_parts import Points

ListedPoint = Mapping[str, Any]

SCANNABLE = frozenset({"EBS", "EC2", "S3"})
"""Types whose points can be scanned for malware (malware-protection.html)."""
CLEAN, INFECTED, NOT_SCANNED = "scanned without a finding", "with a malware finding", "not scanned"
AFTER_SIGN = "from after the first sign of compromise"

_CONTINUOUS = ":recovery-point:continuous:"
_LAG = timedelta(minutes=15)
"""How far a continuous point may lie behind what it follows (inferred)."""
_LONGEST_WINDOW = timedelta(days=35)
"""A continuous point goes back no further (point-in-time-recovery.html)."""


class Candidate(NamedTuple):
    """A point that may be taken. Sorts by preference, the best last: the ARN makes the order of equals certain."""

    lasting: bool
    """Whether its retention does not end soon."""
    moment: float
    """When the data is from, in epoch seconds: its creation, or the moment a continuous point is taken at."""
    arn: str
    created: float
    size: int
    continuous: bool
    scan: str

    def record(self) -> dict[str, Any]:
        """As an item of the ledger keeps it."""
        kept = {"arn": self.arn, "createdAt": stamp_of(self.created), "sizeBytes": self.size}
        if self.continuous:
            kept["restoreTime"] = stamp_of(self.moment)
        if self.scan:
            kept["scan"] = self.scan
        if not self.lasting:
            kept["expires"] = True
        return kept


def stamp_of(moment: float) -> str:
    """Epoch seconds as a stamp."""
    return stamp(datetime.fromtimestamp(moment, UTC))


def moment_of(candidate: Mapping[str, Any]) -> datetime:
    """When the data of a kept candidate is from."""
    return parse_time(candidate.get("restoreTime") or candidate["createdAt"])


def is_continuous(arn: str) -> bool:
    """Whether a point is a continuous one. The API has no field for it; its ARN says so (inferred)."""
    return _CONTINUOUS in arn


def taken_at(candidate: dict[str, Any], cut_off: datetime) -> dict[str, Any] | None:
    """The candidate as it may be taken under a cut-off that may have moved: a continuous point at an earlier moment.

    None if it lies after the cut-off; what the operator chose never does.
    """
    if candidate.get("chosen") or moment_of(candidate) <= cut_off:
        return candidate
    if "restoreTime" not in candidate or parse_time(candidate["createdAt"]) > cut_off:
        return None
    return candidate | {"restoreTime": stamp(cut_off.replace(microsecond=0))}


def own_scan(described: ListedPoint) -> str:
    """What the scans of one point say, from DescribeRecoveryPoint's ScanResults.

    Only a completed scan without a finding counts as one; a scan with issues may still say that it found nothing
    (inferred).
    """
    results = described.get("ScanResults") or []
    if any(result.get("Findings") for result in results):
        return INFECTED
    if not results:
        return NOT_SCANNED
    if all(result.get("ScanJobState") == "COMPLETED" for result in results):
        return CLEAN
    return f"{NOT_SCANNED} to the end: {', '.join(str(result.get('ScanJobState')) for result in results)}"


def _listed_scan(point: ListedPoint) -> str:
    """The list's aggregate. Without the time at which it was computed there has been no scan (inferred)."""
    scan = point.get("AggregatedScanResult") or {}
    if scan.get("Findings"):
        return INFECTED
    return CLEAN if scan.get("LastComputed") and not scan.get("FailedScan") else NOT_SCANNED


class Judge:
    """Says of each point whether it may be taken by the plan's policy, and as of which moment."""

    def __init__(self, policy: Points, cut_off: datetime, now: datetime) -> None:
        self._policy = policy
        self._cut_off = cut_off.timestamp()
        self._now = now.timestamp()
        self._expiring = self._now + policy.expiring_within_hours * 3600
        days = policy.maximum_age_days
        self._oldest = self._now - days * 86400 if days else 0.0

    def __call__(self, point: ListedPoint, known_scan: str = "") -> tuple[Candidate, str]:
        """The point as a candidate, and why it is passed over; empty if it may be taken.

        `known_scan` is what its own scans say; without it the list's aggregate counts.
        """
        created = point["CreationDate"].timestamp()
        continuous = is_continuous(point["RecoveryPointArn"])
        moment, reason = self._within(point, created) if continuous else (created, "")
        scan = (known_scan or _listed_scan(point)) if self._policy.malware != "ignore" else ""
        if scan != INFECTED and point.get("ResourceType") not in SCANNABLE:
            scan = ""
        # A continuous point that goes on has no end; what its retention drops is its oldest part.
        goes_on = continuous and point.get("Status") != "STOPPED"
        ends = None if goes_on else (point.get("CalculatedLifecycle") or {}).get("DeleteAt")
        lasting = ends is None or ends.timestamp() > self._expiring
        candidate = Candidate(
            lasting,
            moment,
            point["RecoveryPointArn"],
            created,
            int(point.get("BackupSizeInBytes") or 0),
            continuous,
            scan,
        )
        if point.get("Status") not in self._policy.statuses:
            reason = sys.intern(f"in status {point.get('Status')}")
        elif created > self._cut_off:
            reason = AFTER_SIGN
        elif not reason:
            reason = self._refused(moment, scan, ends)
        return candidate, reason

    def _refused(self, moment: float, scan: str, ends: datetime | None) -> str:
        if ends is not None and ends.timestamp() <= self._now:
            return "past its retention"
        if moment < self._oldest:
            return "older than the plan allows"
        if scan == INFECTED:
            return INFECTED
        if scan not in ("", CLEAN) and self._policy.malware == "require":
            return "not scanned, or whose scan failed"
        return ""

    def _within(self, point: ListedPoint, created: float) -> tuple[float, str]:
        """The moment at which a continuous point is taken, in whole seconds, and why it can't be taken at it.

        AWS does not say when a stopped one was stopped; its completion is the last that is known of it (inferred).
        """
        until = self._now - _LAG.total_seconds()
        if point.get("Status") == "STOPPED":
            completed = point.get("CompletionDate")
            if completed is None:
                return created, "continuous and stopped, at a time that is not known"
            until = completed.timestamp()
        moment = float(int(min(self._cut_off, until)))
        days = (point.get("Lifecycle") or {}).get("DeleteAfterDays")
        window = min(timedelta(days=days), _LONGEST_WINDOW) if days else _LONGEST_WINDOW
        if moment < created:
            return created, "continuous, begun too late"
        if moment < until - window.total_seconds():
            return moment, "continuous, and no longer reaching back so far"
        return moment, ""
