"""`airlift drills`: how long each drill and each recovery took, so that one can be held against another. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.history import days_since_drill, last_good_drill, times
from airlift.history_page import trends
from airlift.items import RESTORED
from rich.text import Text

from airlift_cli.snapshot import bare
from airlift_cli.words import cell, cells, date_and_time, duration, shown, style_of, tail, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from airlift.ledger import Record

_TIMES = ("approvalSeconds", "firstRestoreSeconds", "lastRestoreSeconds")
_COLUMNS = (
    ("began (UTC)", 16),
    ("mode", 5),
    ("account", 12),
    ("outcome", 20),
    ("approval", 8),
    ("first", 7),
    ("last", 7),
    ("restored", 11),
    ("RTO met", 11),
    ("RPO met", 11),
    ("recovery", 35),
)


@dataclass(frozen=True)
class Run:
    """One drill or recovery."""

    recovery: Record
    facts: Mapping[str, Any]
    """What its ending left in the history (`airlift.history.facts`), or the like of one that runs."""

    @property
    def outcome(self) -> str:
        """The ending's name, or the state of one that has not ended."""
        return str(self.recovery.get("outcome") or self.recovery["state"])

    def document(self) -> dict[str, Any]:
        """The run as `--json` prints it."""
        names = ("recoveryId", "account", "mode", "state", "outcome", "createdAt", "endedAt")
        kept = (*_TIMES, "restored", "selected", "objectives", "changes")
        return {
            **{name: value for name, value in bare(self.recovery).items() if name in names},
            **{name: self.facts.get(name) for name in kept},
        }

    def met(self, kind: str) -> str:
        """How many resources met an objective, `rto` or `rpo`; empty if none has one."""
        counts = self.facts.get("objectives", {}).get(kind, {"met": 0, "missed": 0})
        among = counts["met"] + counts["missed"]
        return f"{counts['met']:,}/{among:,}" if among else ""


def run_of(recovery: Record, vaults: Sequence[Record], items: Iterable[Record]) -> Run:
    """A recovery that has left nothing in the history yet; of the items only state and endedAt are looked at."""
    items = list(items)
    known = {
        "restored": sum(item["state"] in RESTORED for item in items),
        "selected": sum(int(vault.get("selected", 0)) for vault in vaults),
    }
    return Run(recovery, known | times(recovery["createdAt"], vaults, items))


def lines(runs: Sequence[Run], history: Sequence[Record], now: datetime, width: int) -> Text:
    """A heading, one line for each run, and of each account: its last good drill, the trend, and what changed."""
    table = [cells([cell(name, wide, "dim") for name, wide in _COLUMNS]), *(_line(run) for run in runs)]
    for line in table:
        line.truncate(width, overflow="ellipsis")
    accounts = dict.fromkeys(str(run.recovery["account"]) for run in runs)
    below = [line for account in accounts for line in _account(account, history, now, width)]
    return Text("\n", no_wrap=True).join([*table, *below])


def _line(run: Run) -> Text:
    recovery = run.recovery
    took = [duration(seconds) if (seconds := run.facts.get(name)) is not None else "" for name in _TIMES]
    restored = f"{run.facts['restored']:,}/{run.facts['selected']:,}"
    head = (date_and_time(recovery["createdAt"]), recovery["mode"], recovery["account"], run.outcome)
    values = (*head, *took, restored, run.met("rto"), run.met("rpo"), recovery["recoveryId"])
    parts = [cell(shown(value), wide) for value, (_, wide) in zip(values, _COLUMNS, strict=True)]
    parts[3].stylize(style_of(run.outcome))
    return cells(parts)


def _account(account: str, history: Sequence[Record], now: datetime, width: int) -> Iterator[Text]:
    yield Text()
    yield _drilled(account, history, now)
    kept = [one for one in history if one["account"] == account]
    for trend in trends(kept) if kept else []:
        told = f"{trend.name:<13} {duration(trend.newest)}, {trend.words}"
        yield from wrapped(Text(f"  {told}"), width, indent=4)
    changes = next((one["changes"] for one in reversed(kept) if "changes" in one), None)
    if changes:
        yield Text(f"  Since {changes['since']}:", style="dim")
        for key, words in _CHANGES:
            yield from wrapped(_change(changes[key], words), width, indent=6)


_CHANGES = (
    ("vanished", "no longer in the vaults"),
    ("new", "new"),
    ("withoutFreshPoint", "without a fresh point"),
)


def _change(found: Mapping[str, Any], words: str) -> Text:
    examples = ", ".join(shown(tail(arn)) for arn in found["examples"][:3])
    more = ", …" if found["count"] > 3 else ""
    text = f"    {found['count']:,} {words}" + (f": {examples}{more}" if examples else "")
    return Text(text, style="yellow" if found["count"] and words != "new" else "")


def _drilled(account: str, history: Sequence[Record], now: datetime) -> Text:
    at = last_good_drill(history, account)
    if at is None:
        return Text(f"Account {account}: no drill has restored everything yet.", style="yellow")
    days = days_since_drill(history, account, now)
    return Text(f"Account {account}: last drilled with success {at[:10]}, {days} days ago.")
