"""A step that is lost after any of its side effects is done again, and nothing is done twice."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import pytest

from local.aws import Settings
from local.simulation.lambda_host import Killed
from local.simulation.story import Story
from local.simulation.world import Simulation
from tests.workflow import invariants
from tests.workflow.playing import CHAT, HOUR, Played, console, listen, look, operator

if TYPE_CHECKING:
    from local.simulation.sdk import Call

HANDLERS = (
    "receive_trigger",
    "check_readiness",
    "request_vault_access",
    "check_approval",
    "select_recovery_points",
    "advance_restores",
    "settle_restore",
    "close_recovery",
)
Effect = tuple[str, str]
"""What a mutating call does: its operation, and which attributes of which kinds of records it writes."""


def effect_of(call: Call) -> Effect:
    """Two calls with the same effect differ only in whom they concern and in values."""
    parts = []
    for item in call.params.get("TransactItems", []):
        ((kind, part),) = item.items()
        if kind == "ConditionCheck":
            continue
        key = {**part.get("Item", {}), **part.get("Key", {})}["sk"]["S"]
        names = part.get("ExpressionAttributeNames", {}).values()
        parts.append(f"{kind} {re.split('[#:]', key)[0]} {','.join(sorted(names))}")
    return call.operation, "; ".join(sorted(set(parts)))


class Watch:
    """Notes the effects of each handler's calls, and ends the sandbox right after a chosen one."""

    def __init__(self, story: Story, handler: str = "", effect: Effect | None = None, *, stop: bool = False) -> None:
        self.effects: dict[str, dict[Effect, None]] = {name: {} for name in HANDLERS}
        self.killed = False
        self._story, self._handler, self._effect, self._stop = story, handler, effect, stop
        story.sim.after_call.append(self._look)

    def _look(self, call: Call, parsed: dict[str, Any]) -> None:
        running = self._story.sim.lambdas.running[-1].handler.partition(".")[0]
        if not call.mutates or "Error" in parsed or running not in self.effects:
            return
        self.effects[running].setdefault(effect_of(call))
        if (running, effect_of(call)) == (self._handler, self._effect) and not self.killed:
            self.killed = True
            if self._stop:
                self._story.sim.clock.call_at(self._story.sim.clock.now(), self._stop_execution)
            raise Killed

    def _stop_execution(self) -> None:
        states = self._story.sim.client("stepfunctions")
        states.stop_execution(executionArn=self._story.executions()[0]["executionArn"])


def play(handler: str = "", effect: Effect | None = None, *, stop: bool = False) -> tuple[Watch, Played]:
    """A recovery of a table; with `stop` it is stopped where the step was lost, and resumed later."""
    with Simulation(settings=Settings(restore_seconds=lambda _type, _size: 60.0)) as sim:
        story = Story(sim, votes=(("ana", "APPROVE", 1.0), ("ben", "APPROVE", 2.0)))
        listen(sim, CHAT)
        story.prepare(days=1)
        watch = Watch(story, handler, effect, stop=stop)
        story.run_to_end(console(story))
        sim.run(HOUR)
        if stop:
            known = [record["recoveryId"] for record in story.records("RECOVERY#", "RECOVERY")]
            story.run_to_end(sim.start({"recoveryId": known[0]}) if known else console(story))
        return watch, look(story)


@functools.cache
def effects() -> dict[str, list[Effect]]:
    """Every effect of each handler in a recovery in which nothing is lost."""
    watch, _ = play()
    return {name: list(found) for name, found in watch.effects.items()}


def check(watch: Watch, after: Played, lost: Effect) -> None:
    assert watch.killed
    assert after.recovery["outcome"] == "Recovered", (lost, after.recovery)
    invariants.check(after)
    assert len(after.jobs) == 1, lost
    assert len({vault["restoreAccessBackupVaultName"] for vault in after.of("VAULT#")}) == 1, lost
    withdrawn = after.timeline.count("withdrawn")  # what a stop withdraws is asked for anew by the resume
    assert 1 <= len(after.story.sessions()) <= 1 + withdrawn, f"people were asked twice after {lost}"
    assert not after.denied
    check_notices(after, lost)


def check_notices(after: Played, lost: Effect) -> None:
    """None is lost; a crash between publishing and noting repeats one, word for word."""
    notices = len(after.of("NOTICE#"))
    assert len({message["Message"] for message in after.messages}) == notices, lost
    assert len({str(one) for one in after.chat}) == notices, lost
    assert max(len(after.messages), len(after.chat)) <= notices + 1, lost


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_step_lost_after_any_side_effect_is_done_again(handler: str) -> None:
    assert effects()[handler], "a step without side effects needs no test here"
    for lost in effects()[handler]:
        watch, after = play(handler, lost)

        assert [status for status, _ in after.endings()] == ["SUCCEEDED"], lost
        check(watch, after, lost)


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_recovery_stopped_after_any_side_effect_is_resumed(handler: str) -> None:
    for lost in effects()[handler]:
        watch, after = play(handler, lost, stop=True)

        check(watch, after, lost)


def stopped_while_voting(effect: Effect | None = None) -> tuple[Watch, Played]:
    """A recovery that is stopped while people vote; its closing is lost after an effect."""
    with Simulation() as sim:
        story = Story(sim, votes=())
        listen(sim, CHAT)
        story.prepare(days=1)
        console(story)
        sim.run(30)
        watch = Watch(story, "close_recovery", effect)
        operator(story, "stop", reason="False alarm")
        sim.run(HOUR)
        return watch, look(story)


def test_closing_what_was_stopped_is_done_again_after_any_side_effect() -> None:
    made, _ = stopped_while_voting()
    assert any(operation == "CancelSession" for operation, _ in made.effects["close_recovery"])
    for lost in made.effects["close_recovery"]:
        watch, after = stopped_while_voting(lost)

        assert watch.killed
        assert (after.recovery["state"], after.recovery["outcome"]) == ("ENDED", "Stopped"), lost
        assert not after.of("LOCK"), lost
        # Lost right after the withdrawal nobody knows any more who ended the request: no word, and nothing wrong.
        assert after.timeline.count("withdrawn") == (0 if lost[0] == "CancelSession" else 1), lost
        assert after.timeline.count("closed") == 1, lost
        (vault,) = after.of("VAULT#")
        assert vault["request"] == 2, lost
        assert not after.dead_letters, lost
        assert not after.denied
        check_notices(after, lost)
