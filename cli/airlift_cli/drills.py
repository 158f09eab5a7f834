"""`airlift drills`: how long each drill and each recovery took, so that one can be held against another. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.endings import RECOVERED
from airlift.history_page import trends
from rich.text import Text

from airlift_cli.snapshot import bare, moment
from airlift_cli.words import cell, cells, date_and_time, duration, shown, style_of, tail, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from airlift.ledger import Record

_RESTORED = ("validated", "restored")
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
    """One drill or recovery; times in seconds, None for what has not come about.

    `approval` counts from the first request to the last vault's access, `first_restore` and `last_restore` from the
    trigger to the first and to the newest resource that was restored.
    """

    recovery: Record
    approval: float | None
    first_restore: float | None
    last_restore: float | None
    restored: int
    selected: int
    history: Record | None = None
    """What its ending left in the history; None before it has ended."""

    @property
    def outcome(self) -> str:
        """The ending's name, or the state of one that has not ended."""
        return str(self.recovery.get("outcome") or self.recovery["state"])

    def document(self) -> dict[str, Any]:
        """The run as `--json` prints it."""
        names = ("recoveryId", "account", "mode", "state", "outcome", "createdAt", "endedAt")
        return {name: value for name, value in bare(self.recovery).items() if name in names} | {
            "approvalSeconds": self.approval,
            "firstRestoreSeconds": self.first_restore,
            "lastRestoreSeconds": self.last_restore,
            "restored": self.restored,
            "selected": self.selected,
            "objectives": self.history["objectives"] if self.history else None,
            "changes": self.history.get("changes") if self.history else None,
        }

    def met(self, kind: str) -> str:
        """How many resources met an objective, `rto` or `rpo`; empty if none has one."""
        counts = self.history["objectives"][kind] if self.history else {"met": 0, "missed": 0}
        among = counts["met"] + counts["missed"]
        return f"{counts['met']:,}/{among:,}" if among else ""


def run_of(recovery: Record, vaults: Sequence[Record], items: Iterable[Record], history: Record | None = None) -> Run:
    """The times of one recovery, out of its records; of the items only state and endedAt are looked at."""
    ended = [item.get("endedAt") for item in items if item["state"] in _RESTORED]
    began = moment(recovery["createdAt"])
    return Run(
        recovery,
        approval=_between(_first(vaults, "requestedAt"), _last(vaults, "grantedAt")),
        first_restore=_between(began, moment(min(filter(None, ended), default=None))),
        last_restore=_between(began, moment(max(filter(None, ended), default=None))),
        restored=len(ended),
        selected=sum(int(vault.get("selected", 0)) for vault in vaults),
        history=history,
    )


def _first(vaults: Sequence[Record], attribute: str) -> datetime | None:
    return moment(min((vault[attribute] for vault in vaults if attribute in vault), default=None))


def _last(vaults: Sequence[Record], attribute: str) -> datetime | None:
    return moment(max((vault[attribute] for vault in vaults if attribute in vault), default=None))


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, (end - start).total_seconds()) if start and end else None


def lines(runs: Sequence[Run], history: Sequence[Record], now: datetime, width: int) -> Text:
    """A heading, one line for each run, and of each account: its last good drill, the trend, and what changed."""
    table = [cells([cell(name, wide, "dim") for name, wide in _COLUMNS]), *(_line(run) for run in runs)]
    for line in table:
        line.truncate(width, overflow="ellipsis")
    accounts = dict.fromkeys(str(run.recovery["account"]) for run in runs)
    below = [line for account in accounts for line in _account(account, runs, history, now, width)]
    return Text("\n", no_wrap=True).join([*table, *below])


def _line(run: Run) -> Text:
    recovery = run.recovery
    times = [duration(t) if t is not None else "" for t in (run.approval, run.first_restore, run.last_restore)]
    restored = f"{run.restored:,}/{run.selected:,}"
    head = (date_and_time(recovery["createdAt"]), recovery["mode"], recovery["account"], run.outcome)
    values = (*head, *times, restored, run.met("rto"), run.met("rpo"), recovery["recoveryId"])
    parts = [cell(shown(value), wide) for value, (_, wide) in zip(values, _COLUMNS, strict=True)]
    parts[3].stylize(style_of(run.outcome))
    return cells(parts)


def _account(account: str, runs: Sequence[Run], history: Sequence[Record], now: datetime, width: int) -> Iterator[Text]:
    yield Text()
    yield _drilled(account, runs, now)
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


def _drilled(account: str, runs: Iterable[Run], now: datetime) -> Text:
    good = [
        run.recovery
        for run in runs
        if run.recovery["account"] == account and run.recovery["mode"] == "drill" and run.outcome == RECOVERED
    ]
    newest = moment(max((str(recovery["endedAt"]) for recovery in good), default=None))
    if newest is None:
        return Text(f"Account {account}: no drill among these that restored everything.", style="yellow")
    return Text(f"Account {account}: last drilled with success {newest:%Y-%m-%d}, {(now - newest).days} days ago.")
