"""Times, names and numbers as people read them, and lines that keep to a width. Pure."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from airlift_cli.snapshot import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

_MEASURE = Console(width=80, file=io.StringIO())

STYLES = {
    "validated": "green",
    "restored": "green",
    "Recovered": "bold green",
    "VaultRecovered": "bold green",
    "AccessOpen": "bold green",
    "GRANTED": "green",
    "APPROVED": "green",
    "running": "cyan",
    "starting": "cyan",
    "settling": "cyan",
    "RUNNING": "bold cyan",
    "CLOSING": "bold cyan",
    "RESTORING": "cyan",
    "REQUESTED": "yellow",
    "held": "yellow",
    "OperatorNeeded": "bold yellow",
    "failed": "red",
    "REJECTED": "red",
    "skipped": "dim",
    "waiting": "dim",
    "WAITING": "dim",
}


def style_of(word: str) -> str:
    """The colour of a state or outcome; an error's name is red."""
    return STYLES.get(word, "bold red" if word[:1].isupper() else "")


def shown(value: Any) -> str:
    """Text on one line without anything a terminal could obey: control, direction and invisible characters."""
    return "".join(c if c.isprintable() else " " for c in " ".join(str(value).split()))


def tame(words: RenderableType) -> RenderableType:
    """The same words without anything a terminal could obey; unlike `shown`, lines and blanks stay as they are."""
    if isinstance(words, str):
        return "".join(c if c.isprintable() or c == "\n" else " " for c in words)
    if isinstance(words, Text):
        words = words.copy()
        words.plain = str(tame(words.plain))
    return words


def duration(seconds: float) -> str:
    """`12s`, `3m05s`, `4h07m` or `3d04h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def clock(value: Any) -> str:
    """A ledger's time of day in UTC, empty if there is none."""
    return f"{at:%H:%M:%S}" if (at := moment(value)) else ""


def date_and_time(value: Any) -> str:
    """A ledger's time to the minute in UTC, empty if there is none."""
    return f"{at:%Y-%m-%d %H:%M}" if (at := moment(value)) else ""


def tail(arn: str) -> str:
    """The last part of an ARN, the name as a rule."""
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1] or arn


def bar(fraction: float, width: int) -> Text:
    """A bar of `width` cells."""
    full = round(min(1.0, max(0.0, fraction)) * width)
    return Text.assemble(("█" * full, "cyan"), ("░" * (width - full), "dim"))


def cell(value: str | Text, width: int, style: str = "") -> Text:
    """A value cut or filled to exactly `width` cells."""
    text = value.copy() if isinstance(value, Text) else Text(value, style=style)
    text.truncate(width, overflow="ellipsis", pad=True)
    # A character of two cells that had to go can leave the text one cell short.
    return text.append(" " * (width - cell_len(text.plain)))


def cells(values: Iterable[Text]) -> Text:
    """One line of cells, two spaces apart."""
    line = Text("  ").join(values)
    line.rstrip()
    return line


def wrapped(text: Text, width: int, *, indent: int = 0, most: int = 3) -> list[Text]:
    """A text as lines of at most `width` cells, the later ones indented; cut after `most` lines."""
    room = max(1, width - indent)
    lines = list(text.wrap(_MEASURE, room, overflow="fold"))
    if len(lines) > most:
        lines = lines[:most]
        lines[-1].truncate(max(0, room - 2))
        lines[-1].append(" …")
    for line in lines:
        line.rstrip()
    return [lines[0], *(Text(" " * indent).append_text(line) for line in lines[1:])]


def labelled(label: str, parts: Sequence[Text], width: int, *, most: int = 2) -> list[Text]:
    """Lines such as `approval    1 of 2 · alice approved`: parts beside the label, broken between them if possible."""
    room = width - _LABEL
    first, *rest = [line for packed in _packed(parts, room) for line in wrapped(packed, room, most=most)]
    return [
        Text.assemble((f"{label:<{_LABEL}}", "dim")).append_text(first),
        *(Text(" " * _LABEL).append_text(line) for line in rest),
    ]


def _packed(parts: Sequence[Text], width: int) -> list[Text]:
    """The parts with ` · ` between them, as many on a line as fit."""
    lines = [Text().append_text(parts[0])]
    for part in parts[1:]:
        if lines[-1].cell_len + 3 + part.cell_len <= width:
            lines[-1].append(" · ", style="dim").append_text(part)
        else:
            lines.append(Text().append_text(part))
    return lines


_LABEL = 12
