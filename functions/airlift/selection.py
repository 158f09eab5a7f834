"""Which point of each resource is restored, and why: pure, over what ListRecoveryPointsByBackupVault gives."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airlift.points import CLEAN, Candidate, Judge, ListedPoint, stamp_of
from airlift.restore import NOT_HELD, family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from airlift.plan import Plan

_LISTED = 20
"""So many of a resource's newest points are told one by one, the rest by number."""
_MOST_KEPT = 1_000_000
"""Records in memory at once, a few hundred bytes each; beyond it the last resources are left to a further pass."""


@dataclass(slots=True)
class _Resource:
    """What has been seen of one resource while the list streams by. Its lists are sorted, the best last."""

    resource_type: str
    name: str
    usable: list[Candidate] = field(default_factory=list)
    clean: list[Candidate] = field(default_factory=list)
    """Those of the usable that were scanned without a finding."""
    newest: list[tuple[float, str, str]] = field(default_factory=list)
    """The newest points of all: moment, ARN, why passed over or empty."""
    seen: int = 0
    newest_usable: float = 0.0
    refused: dict[str, int] = field(default_factory=dict)
    """How many points were passed over, by reason."""
    pinned: tuple[Candidate, str] | None = None


@dataclass(frozen=True)
class Selected:
    """One resource with the points it may be restored from, the best first; skipped if `skip`."""

    resource_arn: str
    resource_type: str
    name: str
    candidates: tuple[dict[str, Any], ...]
    why: str
    """Why the first candidate was chosen, or why the resource is skipped."""
    next_step: str = ""
    wanted: bool = True
    """False if the plan leaves it out or another vault restores it: then its absence is no failure."""
    skip: bool = False
    newest_usable: str | None = None
    """When the newest usable point is from; what a fall-back costs is measured from it."""
    looked: tuple[dict[str, str], ...] = ()
    """The newest points one by one, newest first: `{"arn", "at", "why"}`."""
    rest: Mapping[str, int] = field(default_factory=dict)
    """How many older points there are, by reason."""


class Selection:
    """Collects a vault's points page by page and keeps a bounded number for each resource.

    `pins` are points that the operator wants, by resource. Of very many resources only those that come first by ARN
    after `after` are kept; unless `complete`, the last of `results` is where a further pass goes on.
    """

    def __init__(
        self, plan: Plan, cut_off: datetime, now: datetime, pins: Mapping[str, str] | None = None, after: str = ""
    ) -> None:
        self._plan = plan
        self._judge = Judge(plan.points, cut_off, now)
        self._pins = pins or {}
        self._after = after
        self._last = ""
        self._kept = 0
        self._resources: dict[str, _Resource] = {}

    @property
    def complete(self) -> bool:
        """Whether no resource was left to a further pass."""
        return not self._last

    def add(self, points: Iterable[ListedPoint]) -> None:
        """Takes one page of the list."""
        for point in points:
            arn = point["ResourceArn"]
            if arn <= self._after or (self._last and arn > self._last):
                continue
            # Nested points of a composite are restored with their parent (restoring-eks.html).
            if point.get("ParentRecoveryPointArn") and not point.get("IsParent"):
                continue
            resource = self._resources.get(arn)
            if resource is None:
                resource = _Resource(point.get("ResourceType", ""), point.get("ResourceName", ""))
                self._resources[arn] = resource
                self._kept += 1
            self._take(resource, arn, point)
        if self._kept > _MOST_KEPT and len(self._resources) > 1:
            self._leave_half()

    def _take(self, resource: _Resource, arn: str, point: ListedPoint) -> None:
        candidate, reason = self._judge(point)
        resource.seen += 1
        if self._pins.get(arn) == candidate.arn:
            resource.pinned = candidate, reason
        self._kept += _keep(resource.newest, (candidate.moment, candidate.arn, reason), _LISTED)
        if reason:
            resource.refused[reason] = resource.refused.get(reason, 0) + 1
            return
        resource.newest_usable = max(resource.newest_usable, candidate.moment)
        self._kept += _keep(resource.usable, candidate, self._plan.points.candidates)
        if candidate.scan == CLEAN:
            _keep(resource.clean, candidate, self._plan.points.candidates)

    def _leave_half(self) -> None:
        """Forgets the resources that come last by ARN; no more points of them are taken in this pass."""
        arns = sorted(self._resources)
        for arn in arns[len(arns) // 2 :]:
            gone = self._resources.pop(arn)
            self._kept -= 1 + len(gone.newest) + len(gone.usable)
        self._last = arns[len(arns) // 2 - 1]

    def results(self) -> Iterator[Selected]:
        """All resources kept, by ARN, each with candidates or with the reason why it is skipped."""
        return (self._result(arn, self._resources[arn]) for arn in sorted(self._resources))

    def __len__(self) -> int:
        return len(self._resources)

    def _result(self, arn: str, resource: _Resource) -> Selected:
        kind, name = resource.resource_type, resource.name
        if excluded := self._plan.excluded(kind, arn, name):
            return Selected(arn, kind, name, (), f"excluded: {excluded}", wanted=False, skip=True)
        if family_of(kind) is None:
            reason = NOT_HELD.get(kind) or f"unknown type {kind or '(none given)'}, which Airlift does not restore"
            step = "restore it by hand from the restore-access vault if it is needed."
            return Selected(arn, kind, name, (), reason, step, skip=True)
        order = self._in_order(resource)
        candidates = [candidate.record() for candidate in order]
        why, step, skip = self._why(resource, order), "", not order
        if skip:
            step = "if an older or newer point will do, give it with `airlift restore-again … --point ARN`."
        if arn in self._pins:
            if resource.pinned is None:
                why, skip = f"the pinned point {self._pins[arn]} is not one of this resource in this vault", True
                step = "pin another, or take the plan's choice with `airlift restore-again …`."
            else:
                candidate, warning = resource.pinned
                others = (record for record in candidates if record["arn"] != candidate.arn)
                candidates = [candidate.record() | {"chosen": True}, *others]
                why, step, skip = chosen_why(warning), "", False
        return Selected(
            arn,
            kind,
            name,
            tuple(candidates),
            why,
            step,
            skip=skip,
            newest_usable=stamp_of(resource.newest_usable) if resource.usable else None,
            looked=tuple(_told(resource, candidates, skip=skip)),
            rest=_rest(resource),
        )

    def _in_order(self, resource: _Resource) -> list[Candidate]:
        """The candidates, the best first: scanned ones that are not much older than the newest, then the newest."""
        usable = resource.usable[::-1]
        if self._plan.points.malware != "prefer" or not resource.clean:
            return usable
        since = usable[0].moment - self._plan.points.prefer_within_hours * 3600
        first = [c for c in reversed(resource.clean) if c.lasting >= usable[0].lasting and c.moment >= since]
        return [*first, *(c for c in usable if c not in first)][: self._plan.points.candidates]

    def _why(self, resource: _Resource, order: list[Candidate]) -> str:
        if not order:
            return f"no usable point{_passed_over(resource)}"
        best, newest = order[0], resource.usable[-1]
        passed = _passed_over(resource)
        words = [f"newest of {resource.seen} points that is usable{passed}"]
        if best != newest:
            older = (resource.newest_usable - best.moment) / 3600
            words = [f"the newest of {resource.seen} points that was scanned without a finding{passed}"]
            words.append(f"{older:.1f} h older than the newest usable one, which was not")
        elif best.moment < resource.newest_usable:
            words = [f"newest of {resource.seen} points that is usable and whose retention does not end soon{passed}"]
        elif best.scan:
            words.append(best.scan)
        if best.continuous:
            words.append(f"continuous, taken as of {stamp_of(best.moment)}")
        if not best.lasting:
            words.append("its retention ends soon, and there is no other")
        return "; ".join(words)


def chosen_why(warning: str) -> str:
    """Why a point that the operator wants is taken, and loudly what speaks against it."""
    return f"chosen by the operator{f', ALTHOUGH IT IS {warning.upper()}' if warning else ''}"


def _keep(best: list[Any], entry: Any, most: int) -> int:
    """Puts an entry into a sorted list that holds the greatest `most`; gives by how many entries it grew."""
    if len(best) < most:
        insort(best, entry)
        return 1
    if entry > best[0]:
        insort(best, entry)
        del best[0]
    return 0


def _told(resource: _Resource, candidates: list[dict[str, Any]], *, skip: bool) -> Iterator[dict[str, str]]:
    places = {record["arn"]: place for place, record in enumerate(candidates)}
    known = {record["arn"]: record for record in candidates}
    for moment, arn, reason in reversed(resource.newest):
        why = f"passed over: {reason}" if reason else "usable, but others are preferred to it"
        if arn in places:
            place = places[arn]
            words = ["taken" if place == 0 and not skip else f"kept to fall back on, number {place + 1}"]
            words += [known[arn]["scan"]] if "scan" in known[arn] else []
            words += ["its retention ends soon"] if "expires" in known[arn] else []
            words += [reason] if reason else []
            why = "; ".join(words)
        yield {"arn": arn, "at": stamp_of(moment), "why": why}


def _rest(resource: _Resource) -> dict[str, int]:
    """Counts of the points that are not told one by one."""
    left = dict(resource.refused)
    for _, _, reason in resource.newest:
        if reason:
            left[reason] -= 1
    usable = resource.seen - sum(resource.refused.values()) - sum(not reason for _, _, reason in resource.newest)
    return {reason: n for reason, n in {**left, "usable": usable}.items() if n > 0}


def _passed_over(resource: _Resource) -> str:
    if not resource.refused:
        return ""
    told = ", ".join(f"{n} {reason}" for reason, n in sorted(resource.refused.items()))
    return f" (passed over: {told})"
