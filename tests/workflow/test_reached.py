"""Every state and every Catch of the two state machines is reached by some incident."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from local.simulation.template import ROOT
from tests.workflow.scenarios import MACHINES, SCENARIOS, played

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = dict(zip(MACHINES, ("recovery", "vault-recovery"), strict=True))


def states_in(block: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state of a definition, those inside a Map included."""
    for name, state in block["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states_in(state["ItemProcessor"])


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_and_every_catch_is_reached(machine: str) -> None:
    definition = json.loads((ROOT / "statemachine" / f"{FILES[machine]}.asl.json").read_text())
    states = dict(states_in(definition))
    entered: set[str] = set()
    caught: set[str] = set()
    for name in SCENARIOS:
        entered |= played(name).states[machine]
        caught |= played(name).catches[machine]

    assert set(states) - entered == set()
    assert {name for name, state in states.items() if "Catch" in state} - caught == set()
