"""The stories that faults are put into, and the hand that makes good what a fault has left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from local.aws import Settings
from local.simulation.story import Story
from tests.workflow.drills import drill
from tests.workflow.playing import CHAT, HOUR, MACHINES, finding, listen, operator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local.simulation.world import Simulation

DAY = 24 * HOUR
VOTES = (("ana", "APPROVE", 1.0), ("ben", "APPROVE", 2.0))

Outcome = Literal["by itself", "janitor", "next trigger", "one resume", "red drill"]
"""What it takes until all is restored; a drill may also end red, if it tells so and leaves nothing behind."""


def quick() -> Settings:
    """Restore jobs of a minute."""
    return Settings(restore_seconds=lambda _type, _size: 60.0)


@dataclass(frozen=True)
class Base:
    """A story in which faults strike; `trigger` is what begins it, and comes again if nothing began."""

    name: str
    kinds: Sequence[str]
    trigger: Callable[[Story], object]
    play: Callable[[Story], None]
    mode: Literal["real", "drill"] = "real"
    """What must be whole in the end."""
    timed: tuple[str, ...] = ()
    """Titles of notices that depend on what happens first: a late stop stops nothing."""


def prepare(sim: Simulation, base: Base, days: int = 2) -> Story:
    """Backups, plan and listeners, before anything happens."""
    story = Story(sim, votes=VOTES)
    listen(sim, CHAT)
    story.prepare(base.kinds, days=days, approval={"coolDownMinutes": 0})
    return story


def at_rest(story: Story) -> bool:
    """Whether no execution runs."""
    found = [one for machine in MACHINES for one in story.sim.engine.list(story.sim.outputs[machine])]
    return all(one["status"] != "RUNNING" for one in found)


def to_rest(story: Story) -> None:
    """Until nothing is left to happen by itself."""
    story.sim.run(5)
    story.sim.run(30 * DAY, lambda: at_rest(story))
    story.sim.run(HOUR)
    story.sim.run(30 * DAY, lambda: at_rest(story))


def recoveries(story: Story, mode: str) -> list[dict[str, Any]]:
    """The ledger's recoveries of a mode, oldest first."""
    found = [record for record in story.records("RECOVERY#", "RECOVERY") if record["mode"] == mode]
    return sorted(found, key=lambda record: str(record["createdAt"]))


def _stopped(story: Story) -> None:
    """Stopped while a restore job runs, and resumed an hour later."""
    story.sim.run(HOUR, lambda: bool(story.restore_jobs()))
    if recoveries(story, "real"):
        operator(story, "stop", reason="Looking at it first")
        story.sim.run(HOUR)
        operator(story, "resume")
    to_rest(story)


def _met(story: Story) -> None:
    """A finding arrives while a drill restores."""
    story.sim.run(HOUR, lambda: any(job["Status"] == "COMPLETED" for job in story.restore_jobs()))
    finding(story)
    to_rest(story)
    for _ in range(2):  # the janitor starts the clean-up, and sees that it is done
        story.sim.tick()
        to_rest(story)


_OF_A_DRILL = ("access requested", "a vote", "DrillPreempted", "CleanedUp")
"""Notices that are missing when the drill itself never began."""
BASES = (
    Base("recovery", ("table", "volume", "bucket"), finding, to_rest),
    Base("drill", ("table", "volume"), drill, to_rest, "drill"),
    Base("resume", ("table", "volume"), finding, _stopped, timed=("Stopped",)),
    Base("preempted drill", ("table",), drill, _met, timed=_OF_A_DRILL),
)


def make_good(story: Story, base: Base, mend: Callable[[], bool]) -> Outcome:
    """Does what runbook and schedules do after a story, as little as is needed; says what that was.

    `mend` ends a fault that lasts, and says whether there was one.

    Raises AssertionError if that does not help.
    """
    needed: Outcome = "by itself"
    whole, lasting = _whole(story, base), mend()
    if lasting:  # what it has held up is seen to by the next run of the schedule
        story.sim.tick()
        to_rest(story)
    if whole or _whole(story, base):
        return needed if whole else "janitor"
    if not recoveries(story, base.mode):
        needed = "next trigger"
        finding(story) if base.mode == "real" else drill(story)
        to_rest(story)
        assert recoveries(story, base.mode), "the next trigger begins nothing"
    for hours in (0, 0, 1, 24, 24):  # what was refused, it tries again a day later
        if not left_open(story):
            break
        needed = "janitor"
        story.sim.run(hours * HOUR)
        story.sim.tick()
        to_rest(story)
    assert not left_open(story), "the janitor does not bring it to its end"
    if _whole(story, base):
        return needed
    if base.mode == "drill":
        return "red drill"
    operator(story, "resume")
    to_rest(story)
    assert _whole(story, base), f"a resume does not mend it: {recoveries(story, 'real')[-1].get('cause')}"
    return "one resume"


def _untold(story: Story) -> bool:
    """Whether a notice or an event waits in the ledger to be sent."""
    notices = [one for one in story.records(sk="NOTICE#") if "sentAt" not in one]
    return bool(notices or [one for one in story.records(sk="EVENT#") if "open" in one])


def left_open(story: Story) -> bool:
    """Whether a recovery has not ended, a drill is not cleaned up, or something is still to be told."""
    if _untold(story):
        return True
    drills = recoveries(story, "drill")
    ended = all(one["state"] == "ENDED" for one in [*drills, *recoveries(story, "real")])
    return not ended or any("cleanedUpAt" not in one for one in drills)


def _whole(story: Story, base: Base) -> bool:
    found = recoveries(story, base.mode)
    return bool(found) and found[-1].get("outcome") == "Recovered" and not left_open(story)
