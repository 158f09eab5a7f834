"""Every feature of the JSONata side that a workflow like this one needs; everything else is refused by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from local.asl.definition import parse
from local.asl.errors import InvalidDefinition
from tests.asl.language import CASES, REFUSED, Case, work
from tests.asl.support import ACCOUNT, Place, machine, passing, result

DOCUMENT = (Path(__file__).parents[2] / "docs/conformance.md").read_text()


def run(case: Case) -> Place:
    """A place in which the case's state machine has run, as the execution `run`."""
    place = Place(work=work)
    place.create(machine(A=passing()), "child")
    place.run(case.definition, case.data)
    return place


@pytest.mark.parametrize("name", CASES)
def test_gives_what_the_documentation_says(name: str) -> None:
    case = CASES[name]
    (execution,) = (one for one in run(case).engine.executions.values() if one.name == "run")
    assert result(execution) == (("FAILED", case.error) if case.error else case.output)
    assert execution.arn.split(":")[4] == ACCOUNT


@pytest.mark.parametrize("name", REFUSED)
def test_the_rest_is_refused_by_name(name: str) -> None:
    definition, words = REFUSED[name]
    with pytest.raises(InvalidDefinition, match=re.escape(words)):
        parse(json.dumps(definition))


def test_the_document_lists_every_case_and_how_many_there_are() -> None:
    listed = re.findall(r"^\| (?!case |-)([^|]+?) \| (?:runs|refused)", DOCUMENT, re.MULTILINE)
    assert listed == [*CASES, *REFUSED]
    assert f"{len(CASES)} of {len(CASES) + len(REFUSED)} run" in DOCUMENT
