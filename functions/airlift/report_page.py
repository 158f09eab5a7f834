"""The report as a page: one file for the screen and for paper, made of report.json alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from airlift.endings import ACCESS_OPEN, RECOVERED
from airlift.items import RESTORED
from airlift.pages import render
from airlift.report_chart import WIDTH, chart, name_of
from airlift.values import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST_DETAILED = 500
"""So many resources stand on the page one by one. Of more, all that were not validated do, up to this number again,
and the first of the others; report.json has them all."""
_SOME_VALIDATED = 100
_MOST_ENTRIES = 400
_TELLING = ("failed", "held", "skipped", "again", "released", "passed-over", "deleted", "restored")
"""Kinds of entries about one resource that a long timeline keeps."""
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_STATES = (*RESTORED, "left running", "not started", "held", "failed", "skipped")
_LINKS = (
    ("timeline", "Timeline"),
    ("chart", "Chart"),
    ("waves", "Objectives"),
    ("resources", "Resources"),
    ("left-out", "Left out"),
    ("rotate", "Credentials"),
    ("cost", "Cost"),
)


def page(report: Mapping[str, Any]) -> str:
    """report.html of a report."""
    resources = [one | {"vault": vault} for vault in report["vaults"] for one in vault["resources"]]
    detailed = _detailed([one for one in resources if one["wanted"]])
    entries = _entries(report["timeline"])
    return render(
        "report.html",
        report=report,
        good=report["outcome"] in (RECOVERED, ACCESS_OPEN),
        running="endedAt" not in report,
        resources=resources,
        wanted=sum(one["wanted"] for one in resources),
        shares=_shares(report["counts"]),
        detailed=detailed,
        left_out=[one for one in resources if not one["wanted"]][:MOST_DETAILED],
        deleted=[one for one in resources if "deletedAt" in one][:MOST_DETAILED],
        entries=entries,
        omitted=len(report["timeline"]) - len(entries) + report["timelineLeftOut"],
        chart=chart(report),
        width=WIDTH,
        links=_LINKS,
        span=span,
        coded=coded,
        moment=moment,
        name_of=name_of,
        waited=_waited(report["vaults"]),
        worst=_worst(report["waves"]),
    )


def coded(text: str) -> Markup:
    """Text with what stands between backticks set as code."""
    pieces = (escape(piece) for piece in text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if number % 2 else piece for number, piece in enumerate(pieces)
    )


def span(seconds: float) -> str:
    """Seconds in words, in its two largest units: `1 h 12 min`."""
    left, parts = round(seconds), []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


def moment(stamped: str) -> str:
    """A moment as people read it: `2026-11-24 08:12:05`."""
    return stamped[:19].replace("T", " ")


def _detailed(wanted: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources that stand on the page one by one: those without a good outcome first."""
    bad = [one for one in wanted if one["state"] != "validated"]
    good = [one for one in wanted if one["state"] == "validated"]
    if len(wanted) <= MOST_DETAILED:
        return [*bad, *good]
    return [*bad[:MOST_DETAILED], *good[:_SOME_VALIDATED]]


def _entries(timeline: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What a reader can still take in: all if there are few, else what is about the whole or went wrong."""
    if len(timeline) <= _MOST_ENTRIES:
        return list(timeline)
    telling = [one for one in timeline if "resource" not in one or one["kind"] in _TELLING]
    half = _MOST_ENTRIES // 2
    return telling if len(telling) <= _MOST_ENTRIES else [*telling[:half], *telling[-half:]]


def _shares(counts: Mapping[str, int]) -> list[tuple[str, int, float, float]]:
    """State, number, place across and width of each piece of the bar of outcomes."""
    total, x, pieces = sum(counts.values()), 0.0, []
    for state in _STATES:
        if number := counts.get(state):
            width = number / total * WIDTH
            pieces.append((state, number, round(x, 1), round(width, 1)))
            x += width
    return pieces


def _waited(vaults: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds from the first request to the last vault's access."""
    asked = [vault["requestedAt"] for vault in vaults if "requestedAt" in vault]
    granted = [vault["grantedAt"] for vault in vaults if "grantedAt" in vault]
    if not asked or not granted:
        return None
    return (parse_time(max(granted)) - parse_time(min(asked))).total_seconds()


def _worst(waves: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The longest recovery time, and the oldest data, of any resource that was restored."""
    found: dict[str, int] = {}
    for kind in ("rto", "rpo"):
        if seconds := [wave[f"{kind}Seconds"] for wave in waves if f"{kind}Seconds" in wave]:
            found[kind] = max(seconds)
    return found
