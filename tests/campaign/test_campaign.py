"""A short form of `make faults`: some places of every kind of fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.campaign.cases import KINDS
from tests.campaign.document import DOCUMENT, rows
from tests.campaign.expected import EXPECTED
from tests.campaign.running import Result
from tests.e2e.faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 9
"""Cases of each story; kinds that no story has had come first, so that all of them together reach every kind."""


def results() -> Iterator[Result]:
    """In a process of its own, since it forks."""
    options = json.dumps({"limit": LIMIT})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.campaign.running", options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    return (Result(**json.loads(line)) for line in done.stdout.splitlines())


def test_each_kind_of_fault_ends_well_somewhere() -> None:
    found = list(results())

    assert {result.kind for result in found} == {"no fault", *KINDS}
    assert [f"{result}: {result.problems}" for result in found if result.problems] == []


def test_the_document_has_every_kind() -> None:
    assert rows() == list(EXPECTED)
    assert set(EXPECTED) == set(KINDS)


def test_the_document_has_every_case_of_the_local_cloud() -> None:
    text = DOCUMENT.read_text()
    assert [fault.name for fault in FAULTS if f"| {fault.name} |" not in text] == []
