"""Recovery time and recovery point of every resource and wave, against the plan's objectives. Pure.

The recovery time (RTO) counts from the trigger to the moment at which the resource was validated. The recovery point
(RPO) counts from the moment that the data is from to the first sign of compromise; where the newest points were
wanted, or no sign is known, to the trigger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.items import RESTORED
from airlift.points import moment_of
from airlift.recovery import LATEST, first_sign
from airlift.values import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from airlift.ledger import Record
    from airlift.plan import Plan
    from airlift.plan_parts import Objectives


class Measure:
    """What the items of one recovery are measured by."""

    def __init__(self, recovery: Record, plan: Plan | None) -> None:
        """`plan` is the one that the recovery recorded; None if it can't be read, so that no objective is known."""
        self._plan = plan
        self._began = parse_time(recovery["createdAt"])
        sign = first_sign(recovery)
        self._reference = self._began if sign in (None, LATEST) else parse_time(sign)

    def objectives(self, wave: int) -> Objectives:
        """The objectives of a wave."""
        if self._plan:
            return self._plan.objectives_of(wave)
        from airlift.plan_parts import Objectives  # only here: it loads the plan's models

        return Objectives()

    def of(self, item: Record, point: Mapping[str, Any] | None) -> dict[str, Any]:
        """`{"rtoSeconds", "rtoMinutes", "rtoMet", "rpoSeconds", "rpoMinutes", "rpoMet"}` of a wanted item.

        Seconds are there when it was restored, minutes when the plan has an objective, and `…Met` with the minutes:
        what was not validated has met none.
        """
        goal, restored = self.objectives(int(item["wave"])), item["state"] in RESTORED
        measured: dict[str, Any] = {}
        if restored and item.get("endedAt"):
            measured["rtoSeconds"] = _between(self._began, parse_time(item["endedAt"]))
        if restored and point:
            measured["rpoSeconds"] = _between(moment_of(point), self._reference)
        for name, minutes in (("rto", goal.rto_minutes), ("rpo", goal.rpo_minutes)):
            if minutes is not None:
                seconds = measured.get(f"{name}Seconds") if item["state"] == "validated" else None
                measured[f"{name}Minutes"] = minutes
                measured[f"{name}Met"] = seconds is not None and seconds <= minutes * 60
        return measured


def _between(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds()))


def waves(resources: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line for each wave of the report's resources, in the plan's order; what was left out does not count.

    A wave's recovery time is that of its last resource, and its recovery point the worst, as far as restored.
    """
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for resource in resources:
        if resource["wanted"]:
            groups.setdefault((resource["wave"], resource["waveName"]), []).append(resource)
    return [_wave(name, groups[index, name]) for index, name in sorted(groups)]


def _wave(name: str, members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the wave's resources have in common."""
    line: dict[str, Any] = {
        "name": name,
        "resources": len(members),
        "validated": sum(one["state"] == "validated" for one in members),
        "restored": sum(one["state"] == "restored" for one in members),
    }
    for key, first_or_last, values in (
        ("startedAt", min, [one["startedAt"] for one in members if "startedAt" in one]),
        ("endedAt", max, [one["endedAt"] for one in members if one["state"] in RESTORED and "endedAt" in one]),
    ):
        if values:
            line[key] = first_or_last(values)
    for kind in ("rto", "rpo"):
        measured = [one["objectives"] for one in members]
        if seconds := [each[f"{kind}Seconds"] for each in measured if f"{kind}Seconds" in each]:
            line[f"{kind}Seconds"] = max(seconds)
        if minutes := [each[f"{kind}Minutes"] for each in measured if f"{kind}Minutes" in each]:
            line[f"{kind}Minutes"] = min(minutes)
            line[f"{kind}Missed"] = sum(not each[f"{kind}Met"] for each in measured if f"{kind}Met" in each)
            line[f"{kind}Met"] = not line[f"{kind}Missed"]
    return line


def met(resources: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """How many resources met their objectives: `{"rto": {"met", "missed", "none"}, "rpo": …}`."""
    counts = {kind: {"met": 0, "missed": 0, "none": 0} for kind in ("rto", "rpo")}
    for resource in resources:
        if resource["wanted"]:
            for kind, count in counts.items():
                verdict = resource["objectives"].get(f"{kind}Met")
                count["none" if verdict is None else "met" if verdict else "missed"] += 1
    return counts
