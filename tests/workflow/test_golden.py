"""Histories of a few incidents as they were when somebody last looked: what changes them is meant to.

`make golden` writes them anew; the difference then belongs into the review.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.workflow.histories import outline
from tests.workflow.scenarios import played

FOLDER = Path(__file__).parent / "golden"
RENEW = "RENEW_GOLDEN"
INCIDENTS = ("drilled", "three_vaults", "rejected", "no_vault_is_ready", "paused_wave_continued", "vault_not_in_plan")


@pytest.mark.parametrize("name", INCIDENTS)
def test_history_is_as_it_was(name: str) -> None:
    engine = played(name).story.sim.engine
    now = [
        {"machine": one.machine.name, "status": one.status, "history": outline(one.history.events)}
        for one in engine.executions.values()
    ]
    path = FOLDER / f"{name}.json"
    if os.environ.get(RENEW):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n")
    assert now == json.loads(path.read_text())


def test_there_is_no_other_file() -> None:
    assert {path.stem for path in FOLDER.glob("*")} == set(INCIDENTS)
