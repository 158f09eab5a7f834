"""Incidents in which the trigger may only check: people decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.simulation.world import OWNER
from tests.workflow.playing import deny, finding, scenario

if TYPE_CHECKING:
    from local.simulation.story import Story

CHECK = {"guardDuty": {"allow": "check"}}


@scenario
def checked_then_started(story: Story) -> None:
    """A finding is checked and told of; an operator starts, and the finding's first sign counts."""
    story.prepare(triggers=CHECK)
    finding(story)
    story.sim.run(60)
    story.sim.start({"account": OWNER, "reason": "The finding is real"})
    story.run_to_end()


@scenario
def check_fails(story: Story) -> None:
    """What was checked can't be written down: people are told of the finding all the same."""
    story.prepare(triggers=CHECK)
    deny(story, "check_readiness", "TransactWriteItems", times=1)
    finding(story)
    story.sim.run(60)
    story.sim.start({"account": OWNER, "reason": "The finding is real"})
    story.run_to_end()
