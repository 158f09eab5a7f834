"""The workflows and the language's features on a second, independent interpreter: ministack's.

An incident is played in the simulation. Then ministack's interpreter runs the same executions of the same state
machines from the same input, and its Lambda gives the answers that the functions gave; it has to send each the same
payload, go through the same states and end the same way. Where the two disagree the documentation decides, and the case
stands in docs/conformance.md.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.asl.language import CASES
from tests.asl.test_language import run as run_case
from tests.workflow.histories import Told, told
from tests.workflow.scenarios import SCENARIOS, played

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/conformance.md").read_text()
STOPPED = (
    "stopped_by_operator",
    "parent_stopped",
    "stopped_at_once",
    "drill_stopped",
    "drill_preempted_before_approval",
    "drill_preempted_after_approval",
    "aborted_and_resumed",
    "child_stopped",
)
"""Incidents in which somebody stops an execution: the second interpreter has nobody who does."""
INCIDENTS = tuple(name for name in SCENARIOS if name not in STOPPED)
EXPRESSION_FAILED = "The JSONata expression"
"""Begins the words of an expression's failure, which AWS does not promise."""
DIFFERENT: dict[str, dict[str, Any]] = {
    "variables are assigned together, from what they were before": {"output": [6, 60]},
    "parallel branches get the arguments": {
        "status": "FAILED",
        "output": None,
        "error": "States.QueryEvaluationError",
    },
}
"""Features in which ministack disagrees with the documentation, and what it gives."""


def _play(executions: list[Told], machines: dict[str, Any]) -> dict[str, Any]:
    """What the second interpreter needs to do the same: nested executions are started by their parents."""
    nested = {one.arn for one in executions if "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID" in str(one.input)}
    fields = ("machine", "name", "input", "answers")
    return {
        "machines": machines,
        "start": [one.arn for one in executions if one.arn not in nested and ":child:" not in one.arn],
        "executions": {one.arn: {name: getattr(one, name) for name in fields} for one in executions},
    }


@functools.cache
def first(name: str) -> tuple[list[Told], dict[str, Any]]:
    """What the project's interpreter did: an incident's or a case's executions, and their state machines."""
    engine = played(name).story.sim.engine if name in INCIDENTS else run_case(CASES[name]).engine
    machines = {arn: json.loads(machine.definition) for arn, machine in engine.machines.items()}
    return [told(one) for one in engine.executions.values()], machines


@functools.cache
def second() -> dict[str, dict[str, Any]]:
    """What the second interpreter did, by incident or case, then by execution; all in one process of its own."""
    names = [*INCIDENTS, *CASES]
    done = subprocess.run(
        [ROOT / ".venv-cloud/bin/python", "-m", "tests.workflow.second_interpreter"],
        input=json.dumps([_play(*first(name)) for name in names]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(names, json.loads(done.stdout), strict=True))


def _in_order(states: list[str], definition: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The states of a machine in order; those of a Map's iterations, which run side by side, sorted."""
    outer = definition["States"]
    return [name for name in states if name in outer], sorted(name for name in states if name not in outer)


def _wordless(payload: Any) -> Any:
    """A payload without the words of an expression's failure."""
    if isinstance(payload, list):
        return [_wordless(one) for one in payload]
    if not isinstance(payload, dict):
        return payload
    unsaid = {"cause"} if payload.get("error") == "States.QueryEvaluationError" else set()
    return {key: _wordless(value) for key, value in payload.items() if key not in unsaid}


@pytest.mark.parametrize("name", INCIDENTS)
def test_the_workflows_run_the_same(name: str) -> None:
    executions, machines = first(name)
    assert {one.status for one in executions} <= {"SUCCEEDED", "FAILED"}, "nobody stops the second interpreter"
    for ours in executions:
        theirs, definition = second()[name][ours.arn], machines[ours.machine]
        assert _in_order(theirs["states"], definition) == _in_order(ours.states, definition)
        assert _wordless(theirs["calls"]) == _wordless(ours.calls)
        assert (theirs["status"], theirs["output"], theirs["error"]) == (ours.status, ours.output, ours.error)
        if EXPRESSION_FAILED not in (ours.cause or ""):
            assert theirs["cause"] == ours.cause


def test_a_map_ran_with_none_one_two_and_three_elements() -> None:
    lengths = {
        sum(state == "RecoverVault" for state in one.states)
        for name in INCIDENTS
        for one in first(name)[0]
        if "RecoverVaults" in one.states
    }
    assert lengths >= {0, 1, 2, 3}


def test_a_failed_nested_execution_has_the_documented_name_here_and_its_own_there() -> None:
    (ours, *_), _ = first("rejected")
    theirs = second()["rejected"][ours.arn]
    assert ours.failures["RecoverVault"] == ["States.TaskFailed"]
    assert theirs["failures"]["RecoverVault"] == ["ApprovalRejected"]


@pytest.mark.parametrize("name", CASES)
def test_a_feature_gives_the_same(name: str) -> None:
    (ours,) = (one for one in first(name)[0] if one.name == "run")
    theirs = second()[name][ours.arn]
    expected = {"status": ours.status, "output": ours.output, "error": ours.error} | DIFFERENT.get(name, {})
    assert {field: theirs[field] for field in expected} == expected


def test_the_document_tells_every_case_in_which_they_disagree() -> None:
    told_of = set(re.findall(r"^\| ([^|]+?) \| runs \| disagrees", DOCUMENT, re.MULTILINE))
    assert told_of == set(DIFFERENT)
    agree = len(CASES) - len(DIFFERENT)
    assert f"{agree} of {len(CASES)} agree" in DOCUMENT
    (named,) = re.findall(r"somebody stops an execution: ([^;]+);", DOCUMENT)
    assert set(re.findall(r"`(\w+)`", named)) == set(STOPPED)
