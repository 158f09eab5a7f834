"""Which point of each resource is restored, and why: pure, over what ListRecoveryPointsByBackupVault gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airlift.restore import NOT_HELD, family_of
from airlift.values import stamp

if TYPE_CHECKING:
    from airlift.plan import Plan

ListedPoint = Mapping[str, Any]
"""A member of RecoveryPoints as boto3 gives it."""


@dataclass
class _Resource:
    """What has been seen of one resource while the list streams by."""

    resource_type: str
    name: str
    clean: list[ListedPoint] = field(default_factory=list)
    seen: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """How many points were passed over, by reason."""


@dataclass(frozen=True)
class Selected:
    """One resource with the points it may be restored from, newest first; without any if it is skipped."""

    resource_arn: str
    resource_type: str
    name: str
    candidates: tuple[dict[str, Any], ...]
    why: str
    """Why the first candidate was chosen, or why the resource is skipped."""
    next_step: str = ""
    wanted: bool = True
    """False if the plan leaves it out or another vault restores it: then its absence is no failure."""


class Selection:
    """Collects a vault's points page by page, keeping no more than the plan's number of candidates per resource."""

    def __init__(self, plan: Plan, cut_off: datetime, now: datetime) -> None:
        self._plan = plan
        self._cut_off = cut_off
        self._oldest = now - timedelta(days=plan.points.maximum_age_days) if plan.points.maximum_age_days else None
        self._resources: dict[str, _Resource] = {}

    def add(self, points: Iterable[ListedPoint]) -> None:
        """Takes one page of the list."""
        for point in points:
            # Nested points of a composite are restored with their parent (restoring-eks.html).
            if point.get("ParentRecoveryPointArn") and not point.get("IsParent"):
                continue
            resource = self._resources.setdefault(
                point["ResourceArn"], _Resource(point.get("ResourceType", ""), point.get("ResourceName", ""))
            )
            resource.seen += 1
            reason = self._unusable(point)
            if reason:
                resource.refused[reason] = resource.refused.get(reason, 0) + 1
                continue
            resource.clean.append(point)
            # Copies keep the source's creation date, so it is the moment the data is from.
            resource.clean.sort(key=_age, reverse=True)
            del resource.clean[self._plan.points.candidates :]

    def _unusable(self, point: ListedPoint) -> str:
        """Why a point is passed over; empty if it may be taken."""
        if point["CreationDate"] > self._cut_off:
            return "from after the first sign of compromise"
        if point.get("Status") not in self._plan.points.statuses:
            return f"in status {point.get('Status')}"
        if self._oldest and point["CreationDate"] < self._oldest:
            return "older than the plan allows"
        scan = point.get("AggregatedScanResult") or {}
        if scan.get("Findings"):
            return "with a malware finding"
        if self._plan.points.malware == "requireClean" and (not scan or scan.get("FailedScan")):
            return "never scanned, or whose scan failed"
        return ""

    def results(self) -> list[Selected]:
        """All resources seen, each with candidates or with the reason why it is skipped."""
        return [self._result(arn, resource) for arn, resource in sorted(self._resources.items())]

    def _result(self, arn: str, resource: _Resource) -> Selected:
        excluded = self._plan.excluded(resource.resource_type, arn, resource.name)
        if excluded:
            return Selected(arn, resource.resource_type, resource.name, (), f"excluded: {excluded}", wanted=False)
        why_not, next_step = self._skipped(resource)
        if why_not:
            return Selected(arn, resource.resource_type, resource.name, (), why_not, next_step)
        candidates = tuple(
            {
                "arn": point["RecoveryPointArn"],
                "createdAt": stamp(point["CreationDate"]),
                "sizeBytes": int(point.get("BackupSizeInBytes") or 0),
            }
            for point in resource.clean
        )
        why = f"newest of {resource.seen} points that is usable{_passed_over(resource)}"
        return Selected(arn, resource.resource_type, resource.name, candidates, why)

    def _skipped(self, resource: _Resource) -> tuple[str, str]:
        if family_of(resource.resource_type) is None:
            known = NOT_HELD.get(resource.resource_type)
            reason = known or f"type {resource.resource_type or 'unknown'} is not restored by Airlift"
            return reason, "restore it by hand from the restore-access vault if it is needed."
        if not resource.clean:
            return f"no usable point{_passed_over(resource)}", (
                "if an older or newer point will do, give it with `airlift restore-again … --point ARN`."
            )
        return "", ""


def _age(point: ListedPoint) -> tuple[datetime, str]:
    """Sorts by age; copies of one backup keep its date, so the ARN makes the order the same every time."""
    return point["CreationDate"], point["RecoveryPointArn"]


def _passed_over(resource: _Resource) -> str:
    if not resource.refused:
        return ""
    told = ", ".join(f"{n} {reason}" for reason, n in sorted(resource.refused.items()))
    return f" (passed over: {told})"
