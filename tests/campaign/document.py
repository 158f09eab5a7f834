"""The table of faults and outcomes in docs/fault-campaign.md, written from what a whole campaign found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.campaign.expected import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.campaign.running import Result

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/fault-campaign.md"
BEGIN, END = "<!-- table: make faults -->\n", "<!-- end of the table -->\n"
COLUMNS = ("by itself", "janitor", "next trigger", "one resume", "red drill")


def table(results: Iterable[Result]) -> str:
    """One row for each kind of fault: how many were played, and what it took until all was restored."""
    played: dict[str, Counter[str]] = {}
    for result in results:
        played.setdefault(result.kind, Counter())[result.outcome] += 1
    lines = [f"| fault | played | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * (len(COLUMNS) + 1)]
    for kind in EXPECTED:
        found = played.get(kind, Counter())
        cells = [str(found[column] or "") for column in COLUMNS]
        lines.append(f"| {kind} | {sum(found.values())} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def write(results: Iterable[Result]) -> None:
    """Replaces the table in the document; what people wrote around it stays."""
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}")


def rows() -> list[str]:
    """The kinds of faults that the document's table has."""
    _, _, rest = DOCUMENT.read_text().partition(BEGIN)
    body, _, _ = rest.partition(END)
    return [line.split(" | ")[0].removeprefix("| ") for line in body.splitlines() if line.startswith("| ")][1:]
