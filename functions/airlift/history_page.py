"""The page of all drills and recoveries: by account what the last one took, the trend, and what has changed. Pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from airlift.endings import ACCESS_OPEN, RECOVERED
from airlift.history import NEVER_DRILLED_DAYS, days_since_drill
from airlift.pages import render
from airlift.report_page import span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airlift.ledger import Record

WIDTH = 1000
"""Units across of a bar's view box."""
_SHOWN = 50
"""Runs of an account that the page shows; the ledger has all."""
_COMPARED = 5
_TREND = (
    ("approvalSeconds", "Approval"),
    ("firstRestoreSeconds", "First restore"),
    ("lastRestoreSeconds", "Last restore"),
)


class Trend(NamedTuple):
    """A time of the newest run beside the median of those before it, in seconds."""

    name: str
    newest: int
    before: int | None
    """None if no earlier run has this time."""
    runs: int

    @property
    def words(self) -> str:
        """How they compare; within a tenth they are about equal."""
        if not self.before:
            return "nothing to compare with yet"
        share = self.newest / self.before - 1
        of = "the one before" if self.runs == 1 else f"the median of the {self.runs} before"
        if abs(share) < 0.1:
            return f"about as {of}, {span(self.before)}"
        if share > 1:
            return f"{share + 1:.1f} times {of}, {span(self.before)}"
        return f"{abs(share):.0%} {'more' if share > 0 else 'less'} than {of}, {span(self.before)}"


def trends(records: Sequence[Record]) -> list[Trend]:
    """The newest run's times against those of up to five before it; `records` in the order of time."""
    *earlier, newest = records
    found = []
    for name, words in _TREND:
        if name in newest:
            before = [one[name] for one in earlier if name in one][-_COMPARED:]
            found.append(Trend(words, newest[name], round(median(before)) if before else None, len(before)))
    return found


def page(records: Sequence[Record], accounts: Sequence[str], at: datetime) -> str:
    """history.html. `accounts` are shown in any case, those of the records besides."""
    names = sorted({*accounts, *(str(one["account"]) for one in records)})
    return render(
        "history.html", accounts=[_account(name, records, at) for name in names], at=at, width=WIDTH, span=span
    )


def _account(name: str, records: Sequence[Record], at: datetime) -> dict[str, Any]:
    runs = sorted((one for one in records if one["account"] == name), key=lambda one: str(one["createdAt"]))
    days = days_since_drill(runs, name, at)
    longest = max((one.get("approvalSeconds", 0) + one.get("restoringSeconds", 0) for one in runs), default=0)
    return {
        "name": name,
        "days": None if days == NEVER_DRILLED_DAYS else days,
        "trends": trends(runs) if runs else [],
        "changes": next((one["changes"] for one in reversed(runs) if "changes" in one), None),
        "left_out": max(0, len(runs) - _SHOWN),
        "runs": [_run(one, longest) for one in reversed(runs[-_SHOWN:])],
    }


def _run(one: Record, longest: int) -> dict[str, Any]:
    scale = WIDTH / longest if longest else 0.0
    return {
        "record": one,
        "good": one["outcome"] in (RECOVERED, ACCESS_OPEN),
        "waited": round(one.get("approvalSeconds", 0) * scale, 1),
        "restored": round(one.get("restoringSeconds", 0) * scale, 1),
        "objectives": [(kind.upper(), one["objectives"][kind]) for kind in ("rto", "rpo")],
    }
