"""The chart of the report: who waited for approval and what was restored when, drawn from the report itself. Pure.

A row of the chart is a line of text and one small SVG that is as wide as there is room; so text stays readable on a
phone and on paper, and the colours follow the page. A plotting library can do neither, and would weigh more than the
report.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from airlift.items import RESTORED
from airlift.values import parse_time, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WIDTH = 1000
"""Units across of each row's view box."""
MOST_ROWS = 120
"""So many resources have a row each; of more, those of one wave and type share a row that shows how many ran."""
_HEIGHT = 20
_BINS = 125
_STEPS = (60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
_MOST_TICKS = 6


@dataclass(frozen=True)
class Bar:
    """A piece of a row: `kind` is `wait`, `run`, `check` or `fail`."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True)
class Row:
    """One line of the chart: bars, or the outline of how many ran at a time."""

    label: str
    text: str
    bars: tuple[Bar, ...] = ()
    outline: str = ""


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Chart:
    """The whole chart; `ticks` are places across, of `WIDTH`, with how long after the trigger that is."""

    groups: list[Group]
    ticks: list[tuple[float, int]]
    shared: bool
    """Whether resources share rows."""


class _Scale:
    """From moments to places across."""

    def __init__(self, start: str, end: str) -> None:
        self.start = parse_time(start).timestamp()
        self.seconds = max(1.0, parse_time(end).timestamp() - self.start)

    def at(self, moment: str) -> float:
        share = (parse_time(moment).timestamp() - self.start) / self.seconds
        return round(min(1.0, max(0.0, share)) * WIDTH, 1)

    def bar(self, kind: str, start: str, end: str) -> Bar:
        """At least a hair wide, so that it can be seen."""
        x, until = self.at(start), self.at(end)
        return Bar(kind, min(x, WIDTH - 2), max(2, round(until - x, 1)))

    def ticks(self) -> list[tuple[float, int]]:
        step = next((s for s in _STEPS if self.seconds / s <= _MOST_TICKS), _STEPS[-1])
        return [(round(s / self.seconds * WIDTH, 1), s) for s in range(0, int(self.seconds) + 1, step)]


def chart(report: Mapping[str, Any]) -> Chart:
    """The chart of a report, from the trigger to the last thing that happened."""
    resources = [one for vault in report["vaults"] for one in vault["resources"] if "startedAt" in one]
    ended = [one[name] for one in resources for name in ("endedAt", "startedAt") if name in one]
    granted = [vault[name] for vault in report["vaults"] for name in ("requestedAt", "grantedAt") if name in vault]
    until = max([*ended, *granted], default=report["writtenAt"])
    if any(one["state"] == "left running" for one in resources) or not granted:
        until = max(until, report.get("endedAt", report["writtenAt"]))
    scale = _Scale(report["createdAt"], until)
    shared = len(resources) > MOST_ROWS
    groups = [Group("Waiting for approval", [_approval(vault, scale, until) for vault in _asked(report["vaults"])])]
    for title, members in _by_wave(resources):
        rows = _shared_rows(members, scale, until) if shared else [_row(one, scale, until) for one in members]
        groups.append(Group(title, rows))
    return Chart([group for group in groups if group.rows], scale.ticks(), shared)


def _asked(vaults: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [vault for vault in vaults if "requestedAt" in vault]


def _approval(vault: Mapping[str, Any], scale: _Scale, until: str) -> Row:
    end = vault.get("grantedAt", until)
    text = f"{vault.get('approvals', 0)} of {vault['threshold']}" if "threshold" in vault else ""
    if "grantedAt" not in vault:
        text = f"{text}, not granted".removeprefix(", ")
    name = vault["sourceBackupVaultArn"].rpartition(":")[2]
    return Row(name, text, (scale.bar("wait", vault["requestedAt"], end),))


def _by_wave(resources: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Waves in the plan's order; within them resources as they were started."""
    waves: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for one in sorted(resources, key=lambda one: (one["startedAt"], one["resourceArn"])):
        waves.setdefault((one["wave"], one["waveName"]), []).append(one)
    return [(f"Wave {name}", waves[index, name]) for index, name in sorted(waves)]


def _row(one: Mapping[str, Any], scale: _Scale, until: str) -> Row:
    bars = [
        scale.bar("fail", attempt["startedAt"], attempt["endedAt"])
        for attempt in one["attempts"]
        if attempt.get("startedAt") and attempt.get("endedAt")
    ]
    restored = one.get("completedAt") or _end_of(one, until)
    kind = "run" if one["state"] in (*RESTORED, "left running") else "fail"
    bars.append(scale.bar(kind, one["startedAt"], restored))
    if one.get("completedAt") and one.get("endedAt", "") > one["completedAt"]:
        bars.append(scale.bar("check", one["completedAt"], one["endedAt"]))
    told = "" if one["state"] == "validated" else one["state"]
    return Row(f"{one['resourceType']} {name_of(one)}", told, tuple(bars))


def name_of(resource: Mapping[str, Any]) -> str:
    """What people call the resource: its name if AWS Backup told one, else the end of its ARN."""
    return str(resource.get("resourceName") or re.split("[:/]", resource["resourceArn"])[-1])


def _end_of(one: Mapping[str, Any], until: str) -> str:
    """When it was done with; one that is left running goes on to the chart's end."""
    known = one.get("endedAt") or one.get("completedAt")
    return str(known or (until if one["state"] == "left running" else one["startedAt"]))


def _shared_rows(members: Iterable[Mapping[str, Any]], scale: _Scale, until: str) -> list[Row]:
    types: dict[str, list[Mapping[str, Any]]] = {}
    for one in members:
        types.setdefault(one["resourceType"], []).append(one)
    return [_shared(kind, ones, scale, until) for kind, ones in sorted(types.items())]


def _shared(kind: str, ones: Sequence[Mapping[str, Any]], scale: _Scale, until: str) -> Row:
    """How many of a type ran at a time, as an outline; the highest place is the most that ran."""
    changes = [0] * (_BINS + 1)
    for one in ones:
        changes[_bin(scale, one["startedAt"])] += 1
        changes[_bin(scale, _end_of(one, until)) + 1] -= 1
    running = list(accumulate(changes))[:_BINS]
    most = max(running)
    wide = WIDTH / _BINS
    heights = [round(_HEIGHT * (1 - number / most), 1) for number in running]
    points = " ".join(f"{n * wide:g},{h:g} {(n + 1) * wide:g},{h:g}" for n, h in enumerate(heights))
    first, last = ones[0]["startedAt"], max(_end_of(one, until) for one in ones)
    text = f"at most {most:,} at once, {_clock(first)} to {_clock(last)}"
    return Row(f"{kind}, {len(ones):,}", text, outline=f"0,{_HEIGHT} {points} {WIDTH},{_HEIGHT}")


def _bin(scale: _Scale, moment: str) -> int:
    return min(_BINS - 1, int(scale.at(moment) / WIDTH * _BINS))


def _clock(moment: str) -> str:
    return stamp(parse_time(moment))[11:16]
