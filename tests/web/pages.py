"""Writes pages that Airlift writes for people, to be looked at: `python -m tests.web.pages FOLDER`, in .venv.

The drill's is what a drill on the simulation left in the evidence bucket; the others are of made-up recoveries.
"""

from __future__ import annotations

import sys
from pathlib import Path

from airlift.report_page import page

from bench.report import sample
from tests.workflow import drills
from tests.workflow.playing import played


def write(folder: Path) -> None:
    """One file for each page."""
    after = played(drills.drilled.__name__)
    key = after.recovery["reportKey"].replace(".json", ".html")
    (folder / "report-drill.html").write_bytes(after.kept[key])
    for name, resources in (("report", 30), ("report-large", 10_000)):
        (folder / f"{name}.html").write_text(page(sample(resources)), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
