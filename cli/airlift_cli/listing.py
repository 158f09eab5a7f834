"""`airlift status`: one line for each recovery. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from airlift_cli.snapshot import moment
from airlift_cli.words import cell, cells, date_and_time, duration, shown, style_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from airlift.ledger import Record

_COLUMNS = (("recovery", 32), ("state", 20), ("mode", 5), ("began (UTC)", 16), ("took · reason", 220))


def recovery_lines(recoveries: Iterable[Record], now: datetime, width: int) -> Text:
    """A heading and one line for each recovery, none longer than `width`."""
    lines = [cells([cell(name, wide, "dim") for name, wide in _COLUMNS])]
    lines += [_line(recovery, now) for recovery in recoveries]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n", no_wrap=True).join(lines)


def _line(recovery: Record, now: datetime) -> Text:
    state = str(recovery.get("outcome") or recovery["state"])
    began, ended = moment(recovery["createdAt"]), moment(recovery.get("endedAt")) or now
    took = duration((ended - began).total_seconds()) if began else ""
    values = (str(recovery["recoveryId"]), state, recovery["mode"], date_and_time(recovery["createdAt"]))
    parts = [cell(shown(v), wide) for v, (_, wide) in zip(values, _COLUMNS, strict=False)]
    parts[1].stylize(style_of(state))
    return cells([*parts, Text(f"{took} · {shown(recovery.get('reason', ''))}")])
