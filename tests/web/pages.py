"""Writes pages that Airlift writes for people, to be looked at: `python -m tests.web.pages FOLDER`, in .venv.

The drill's is what a drill on the simulation left in the evidence bucket, the pages of readiness are what its daily
check wrote; the others are of made-up recoveries.
"""

from __future__ import annotations

import sys
from pathlib import Path

from airlift.report_page import page

from bench.report import sample
from local.simulation.world import Simulation
from tests.workflow import drills
from tests.workflow.playing import console, played
from tests.workflow.prerequisites import BROKEN, Prepared


def write(folder: Path) -> None:
    """One file for each page."""
    after = played(drills.drilled.__name__)
    key = after.recovery["reportKey"].replace(".json", ".html")
    (folder / "report-drill.html").write_bytes(after.kept[key])
    _readiness(folder)
    for name, resources in (("report", 30), ("report-large", 10_000)):
        (folder / f"{name}.html").write_text(page(sample(resources)), encoding="utf-8")


def _readiness(folder: Path) -> None:
    """A day on which something blocks, something holds, and a vault is open."""
    with Simulation() as sim:
        prepared = Prepared(sim)
        prepared.story.run_to_end(console(prepared.story))
        with BROKEN["requester"][0](prepared), BROKEN["network"][0](prepared):
            prepared.report()
        for name in ("readiness", "card"):
            found = sim.client("s3").get_object(Bucket=sim.outputs["EvidenceBucketName"], Key=f"readiness/{name}.html")
            (folder / f"{name}.html").write_bytes(found["Body"].read())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
