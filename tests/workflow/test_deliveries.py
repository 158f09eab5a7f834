"""Events and invocations that are lost, repeated or late change nothing in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.simulation.story import Story
from local.simulation.world import Simulation
from tests.workflow import invariants
from tests.workflow.scenarios import HOUR, finding, look

if TYPE_CHECKING:
    from local.simulation.delivery import Deliveries


def is_finding(event: Any) -> bool:
    return bool(event.get("source") == "aws.guardduty")


def is_status(event: Any) -> bool:
    return bool(event.get("source") == "aws.states" and event["detail"]["status"] != "RUNNING")


def is_settling(payload: Any) -> bool:
    return "attempt" in payload


def lose_settling(deliveries: Deliveries) -> None:
    deliveries.lose("invocation", is_settling, times=2)


def repeat_settling(deliveries: Deliveries) -> None:
    deliveries.duplicate("invocation", is_settling, times=2)


def settle_late(deliveries: Deliveries) -> None:
    deliveries.delay("invocation", is_settling, seconds=400, times=1)


def repeat_findings(deliveries: Deliveries) -> None:
    deliveries.duplicate("event", is_finding, times=2)


@pytest.mark.parametrize("mishap", [lose_settling, repeat_settling, settle_late, repeat_findings])
def test_the_recovery_ends_as_if_nothing_had_happened(mishap: Any) -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(("table", "volume"), days=1)
        mishap(sim.deliveries)
        finding(story)
        story.run_to_end()
        sim.run(HOUR)
        after = look(story)

    assert [one for one in after.endings() if one != ("SUCCEEDED", None)] == []
    assert after.recovery["outcome"] == "Recovered"
    assert len(after.jobs) == 2
    assert not after.unhit
    invariants.check(after)


def test_a_lost_status_event_is_made_good_by_the_next_trigger() -> None:
    """Nobody tells that the execution was stopped: its lock is freed when the next finding comes."""
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(days=1, approval={"coolDownMinutes": 0})
        story.votes = ()
        sim.deliveries.lose("event", is_status, times=2)
        finding(story, finding_id="a" * 32)
        sim.run(60)
        sim.client("stepfunctions").stop_execution(executionArn=story.executions()[0]["executionArn"])
        sim.run(60)
        assert story.recovery()["state"] == "RUNNING"

        finding(story, finding_id="c" * 32)
        sim.run(60)
        recoveries = sorted(story.records("RECOVERY#", "RECOVERY"), key=lambda r: str(r["createdAt"]))

    # What the first one asked for is withdrawn, which leaves the way free for the second.
    assert [(one["state"], one.get("outcome")) for one in recoveries] == [("ENDED", "Stopped"), ("RUNNING", None)]
    assert len(story.sessions()) == 2


def test_throttled_functions_are_tried_again() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(days=1)
        handlers = ("receive_trigger", "check_readiness", "request_vault_access", "check_approval", "advance_restores")
        sim.lambdas.throttles = dict.fromkeys((*handlers, "close_recovery", "settle_restore"), 3)
        finding(story)
        story.run_to_end()
        after = look(story)

    assert after.endings() == [("SUCCEEDED", None)]
    assert not any(sim.lambdas.throttles.values())
    invariants.check(after)
