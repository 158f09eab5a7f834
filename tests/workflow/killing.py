"""Ends a step's sandbox right after one of its side effects: `python -m tests.workflow.killing` prints what became.

A story is prepared once, and each loss is played in a fork of that moment; hence a process of its own.
"""

from __future__ import annotations

import gc
import json
import os
import re
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.aws import Settings
from local.simulation.lambda_host import Killed
from local.simulation.story import Story
from local.simulation.world import Simulation
from tests.campaign.running import forked
from tests.workflow import invariants
from tests.workflow.playing import CHAT, HOUR, Played, console, listen, look, operator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
Effects = dict[str, list[Effect]]


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
        self.effects: Effects = {name: [] for name in HANDLERS}
        self.killed = False
        self._story, self._handler, self._effect, self._stop = story, handler, effect, stop
        story.sim.after_call.append(self._look)

    def _look(self, call: Call, parsed: dict[str, Any]) -> None:
        running = self._story.sim.lambdas.running[-1].handler.partition(".")[0]
        if not call.mutates or "Error" in parsed or running not in self.effects:
            return
        effect = effect_of(call)
        if effect not in self.effects[running]:
            self.effects[running].append(effect)
        if (running, effect) == (self._handler, self._effect) and not self.killed:
            self.killed = True
            if self._stop:
                self._story.sim.clock.call_at(self._story.sim.clock.now(), self._stop_execution)
            raise Killed

    def _stop_execution(self) -> None:
        states = self._story.sim.client("stepfunctions")
        states.stop_execution(executionArn=self._story.executions()[0]["executionArn"])


@dataclass(frozen=True)
class After:
    """What became of one loss. `problem`: what the invariants object to; numbers count what there is of a kind."""

    handler: str
    effect: Effect | None
    killed: bool
    problem: str
    endings: list[str]
    state: str
    outcome: str
    timeline: list[str]
    jobs: int
    restore_access_vaults: int
    requests: list[int]
    sessions: int
    locks: int
    denied: int
    dead_letters: int
    notices: int
    people: list[str]
    chat: list[str]


def _after(watch: Watch, handler: str, effect: Effect | None, played: Played) -> After:
    try:
        invariants.check(played)
        problem = ""
    except AssertionError as error:
        problem = str(error) or repr(error)
    return After(
        handler,
        effect,
        watch.killed,
        problem,
        [str(status) for status, _ in played.endings()],
        played.recovery["state"],
        played.recovery["outcome"],
        played.timeline,
        len(played.jobs),
        len({vault.get("restoreAccessBackupVaultName") for vault in played.of("VAULT#")}),
        [int(vault.get("request", 0)) for vault in played.of("VAULT#")],
        len(played.story.sessions()),
        len(played.of("LOCK")),
        len(played.denied),
        len(played.dead_letters),
        len(played.of("NOTICE#")),
        [message["Message"] for message in played.messages],
        [str(one) for one in played.chat],
    )


def _recovered(
    story: Story, handler: str = "", effect: Effect | None = None, *, stop: bool = False
) -> tuple[After, Effects]:
    """A recovery of a table; with `stop` it is stopped where the step was lost, and resumed later."""
    watch = Watch(story, handler, effect, stop=stop)
    story.run_to_end(console(story))
    story.sim.run(HOUR)
    if stop:
        known = [record["recoveryId"] for record in story.records("RECOVERY#", "RECOVERY")]
        story.run_to_end(story.sim.start({"recoveryId": known[0]}) if known else console(story))
    return _after(watch, handler, effect, look(story)), watch.effects


def _stopped(story: Story, effect: Effect | None = None) -> tuple[After, Effects]:
    """A recovery that is stopped while people vote; its closing is lost after an effect."""
    watch = Watch(story, "close_recovery", effect)
    operator(story, "stop", reason="False alarm")
    story.sim.run(HOUR)
    return _after(watch, "close_recovery", effect, look(story)), watch.effects


def _once(effects: Effects) -> Iterator[tuple[str, Effect]]:
    """Each effect with the first handler that has it: what several do is one piece of code."""
    known: set[Effect] = set()
    for handler, found in effects.items():
        yield from ((handler, effect) for effect in found if effect not in known)
        known.update(found)


def losses() -> Iterator[tuple[str, After]]:
    """What became of each loss, and which: `lost`, `lost and stopped`, `closing lost`."""
    with Simulation(settings=Settings(restore_seconds=lambda _type, _size: 60.0)) as sim:
        story = Story(sim, votes=(("ana", "APPROVE", 1.0), ("ben", "APPROVE", 2.0)))
        listen(sim, CHAT)
        story.prepare(days=1)
        _settle()
        _, effects = forked(lambda: _recovered(story))
        every = [(handler, effect) for handler, found in effects.items() for effect in found]
        yield from (("lost", after) for after in _each(story, every, stop=False))
        yield from (("lost and stopped", after) for after in _each(story, _once(effects), stop=True))
    with Simulation() as sim:
        story = Story(sim, votes=())
        listen(sim, CHAT)
        story.prepare(days=1)
        console(story)
        sim.run(30)
        _settle()
        _, effects = forked(lambda: _stopped(story))
        for effect in effects["close_recovery"]:
            yield "closing lost", forked(partial(_stopped, story, effect))[0]


def _each(story: Story, effects: Iterable[tuple[str, Effect]], *, stop: bool) -> Iterator[After]:
    for handler, effect in effects:
        yield forked(partial(_recovered, story, handler, effect, stop=stop))[0]


def _settle() -> None:
    """What is there is left alone by the collector, which would make each fork copy it."""
    gc.collect()
    gc.freeze()


def _warm() -> None:
    """Plays a recovery, so that what a process reads and compiles once is there before the first fork."""
    with Simulation() as sim:
        story = Story(sim)
        listen(sim, CHAT)
        story.prepare(days=1)
        _recovered(story)


def main() -> None:
    """Each loss as a line of JSON on stdout."""
    with os.fdopen(os.dup(1), "w") as results, Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # what handlers log
        _warm()
        for which, after in losses():
            results.write(json.dumps([which, asdict(after)]) + "\n")
            results.flush()


if __name__ == "__main__":
    main()
