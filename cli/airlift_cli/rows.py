"""The table of restores: one line for each resource and, where there is something to say, a note below it. Pure."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.text import Text

from airlift_cli.snapshot import moment, point_of
from airlift_cli.words import bar, cell, cells, date_and_time, duration, shown, style_of, tail, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from airlift.ledger import Record

WIDE = 150
"""Columns from which on there is room for what a resource was restored as, beside it."""
_GROUPS = (
    ("running", "starting", "settling"),
    ("held",),
    ("failed",),
    ("validated", "restored", "skipped"),
    ("waiting",),
)
"""Kinds of rows that share the room when not all fit; the kinds take turns, the most telling one first."""
_PROGRESS = {"validated": 100, "restored": 100, "settling": 100}


def resource_lines(items: Sequence[Record], total: int, now: datetime, width: int, height: int) -> list[Text]:
    """At most `height` lines: the resources by wave, the most telling ones if not all fit, and how many are left out.

    `total` is the number of selected resources, of which `items` may be a part.
    """
    if not items:
        return []
    drawn: list[tuple[Record, list[Text]]] = []
    waves: set[int] = set()
    room = height - 2
    for item in _by_turns(items):
        lines = _lines(item, now, width)
        cost = len(lines) + (item["wave"] not in waves)
        if cost > room:
            break
        room -= cost
        waves.add(item["wave"])
        drawn.append((item, lines))
    drawn.sort(key=lambda row: (row[0]["wave"], row[0]["priority"], row[0]["resourceArn"]))
    result = [_heading(width)]
    wave = None
    for item, lines in drawn:
        if item["wave"] != wave:
            wave = item["wave"]
            result.append(cell(f"wave {wave}  {shown(item.get('waveName', ''))}", width, "bold dim"))
            result[-1].rstrip()
        result += lines
    if left := max(total, len(items)) - len(drawn):
        result.append(Text(f"  … and {left:,} more", style="dim"))
    return result


def _by_turns(items: Sequence[Record]) -> Iterator[Record]:
    for turn in zip_longest(*(_of_group(items, states) for states in _GROUPS)):
        yield from (item for item in turn if item is not None)


def _of_group(items: Sequence[Record], states: tuple[str, ...]) -> list[Record]:
    found = [item for item in items if item["state"] in states]
    if "validated" in states:
        found.sort(key=lambda item: str(item.get("endedAt", "")), reverse=True)
    return found


def _widths(width: int) -> list[int]:
    """Resource, type, point, state, progress, time and, if there is room, restored as."""
    if width >= WIDE:
        room = width - 2 - 12 - 16 - 9 - 17 - 6 - 6 * 2
        restored_as = max(40, room // 2)
        return [room - restored_as, 12, 16, 9, 17, 6, restored_as]
    return [max(8, width - 2 - 8 - 11 - 9 - 10 - 6 - 5 * 2), 8, 11, 9, 10, 6]


def _heading(width: int) -> Text:
    names = ("resource", "type", "point (UTC)", "state", "progress", "time", "restored as")
    return _row([cell(n, w, "dim") for n, w in zip(names, _widths(width), strict=False)], width)


def _lines(item: Record, now: datetime, width: int) -> list[Text]:
    widths, state, wide = _widths(width), str(item["state"]), width >= WIDE
    taken = point_of(item)
    point = date_and_time(taken.get("restoreTime") or taken.get("createdAt"))
    restored_as = shown(tail(str(item.get("createdResourceArn", ""))))
    values = [
        cell(shown(item.get("resourceName") or tail(item["resourceArn"])), widths[0]),
        cell(shown(item["resourceType"]), widths[1]),
        cell(point if wide else point[5:], widths[2]),
        cell(state, widths[3], style_of(state)),
        cell(_progress(item, 12 if wide else 5), widths[4]),
        cell(_elapsed(item, now), widths[5]),
        *([cell(restored_as, widths[6])] if wide else []),
    ]
    note = _note(item, "" if wide else restored_as)
    below = wrapped(Text(note, style="yellow" if state == "held" else "dim"), width - 6) if note else []
    return [_row(values, width), *(Text("      ").append_text(line) for line in below)]


def _row(values: list[Text], width: int) -> Text:
    line = Text("  ").append_text(cells(values))
    line.truncate(width)
    return line


def _progress(item: Record, width: int) -> Text:
    state = str(item["state"])
    if state not in (*_PROGRESS, "running"):
        return Text()
    percent = _PROGRESS.get(state, int(item.get("percentDone", 0)))
    return bar(percent / 100, width).append(f" {percent:>3}%")


def _elapsed(item: Record, now: datetime) -> str:
    started = moment(item.get("startedAt"))
    if not started:
        return ""
    ended = moment(item.get("endedAt")) or moment(item.get("completedAt")) or now
    return duration((ended - started).total_seconds())


def _note(item: Record, restored_as: str) -> str:
    """Why it stands as it does and what to do; on a narrow terminal also what it was restored as."""
    reason, step = shown(item.get("reason", "")), shown(item.get("nextStep", ""))
    if item["state"] in ("validated", "restored"):
        return f"→ {restored_as}" if restored_as else ""
    return f"{reason} Next step: {step}".strip() if step else reason
