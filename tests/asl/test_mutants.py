"""Each usual mistake in a definition is refused by the validator alone: a production workflow, changed in one place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from checks.workflows import problems
from local.asl.check import SUBSTITUTION, check
from local.simulation.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = (ROOT / "statemachine" / "recovery.asl.json").read_text()
GIVEN = set(SUBSTITUTION.findall(TEXT))
States = dict[str, Any]
MUTANTS: dict[str, tuple[Callable[[States], object], str]] = {
    "unknown next state": (lambda s: s["ReceiveTrigger"].update(Next="Nowhere"), "unknown state"),
    "no next state": (lambda s: s["ReceiveTrigger"].pop("Next"), "Next and End"),
    "unreachable state": (lambda s: s.update(Left={"Type": "Succeed"}), "unreachable"),
    "unknown type": (lambda s: s["ReceiveTrigger"].update(Type="Job"), "unknown type"),
    "unknown field": (lambda s: s["ReceiveTrigger"].update(Timeout=3), "unknown field"),
    "field of JSONPath": (lambda s: s["ReceiveTrigger"].update(ResultPath="$.x"), "JSONPath"),
    "no expression": (lambda s: s["ReceiveTrigger"].update(Output="{% $states.result. %}"), "Output"),
    "undefined variable": (lambda s: s["ReceiveTrigger"].update(Output="{% $nobody %}"), "nobody"),
    "unknown function": (lambda s: s["ReceiveTrigger"].update(Output="{% $shout('x') %}"), "shout"),
    "wrong field of $states": (lambda s: s["ReceiveTrigger"].update(Output="{% $states.errorOutput %}"), "errorOutput"),
    "negative attempts": (lambda s: s["ReceiveTrigger"]["Retry"][0].update(MaxAttempts=-1), "MaxAttempts"),
    "heartbeat": (lambda s: s["ReceiveTrigger"].update(HeartbeatSeconds=999), "HeartbeatSeconds"),
    "all and others": (lambda s: s["ReceiveTrigger"]["Catch"][0]["ErrorEquals"].append("Mine"), "States.ALL"),
    "unknown service action": (
        lambda s: s["ReceiveTrigger"].update(Resource="arn:aws:states:::aws-sdk:backup:startRestoring"),
        "not supported",
    ),
    "batches of an inline Map": (
        lambda s: s["RecoverVaults"].update(ItemBatcher={"MaxItemsPerBatch": 2}),
        "ItemBatcher",
    ),
    "argument that is none": (lambda s: s["ReceiveTrigger"]["Arguments"].update(Name="x"), "Name"),
    "substitution that is not given": (
        lambda s: s["ReceiveTrigger"]["Arguments"].update(FunctionName="${Other}"),
        "Other",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_is_refused_and_said(mutant: str) -> None:
    definition = json.loads(TEXT)
    change, words = MUTANTS[mutant]
    change(definition["States"])
    found = [str(problem) for problem in check(json.dumps(definition), GIVEN)]
    assert any(words in one for one in found), found


def test_a_machine_that_starts_nowhere_is_refused() -> None:
    definition = json.loads(TEXT)
    del definition["StartAt"]
    assert check(json.dumps(definition), GIVEN)


def test_the_workflows_themselves_have_none_with_what_the_template_gives() -> None:
    assert list(problems()) == []
