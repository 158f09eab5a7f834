"""Drills: exercised to the end, stopped half-way, and met by a real finding."""

from __future__ import annotations

import functools
from typing import Any

from local.simulation.story import DAY, Story
from tests.workflow.playing import HOUR, Script, console, deny, finding, operator, scenario

KINDS = ("table", "bucket", "volume", "files")


def drill(story: Story, **more: Any) -> str:
    """Starts a drill as a person would; the execution's ARN."""
    return console(story, reason="Yearly exercise", drill=True, **more)


def left_of(story: Story) -> dict[str, list[str]]:
    """What the recovery account itself still shows of restored things, by type."""
    sim = story.sim
    names = {
        "tables": sim.client("dynamodb").list_tables()["TableNames"],
        "buckets": [bucket["Name"] for bucket in sim.client("s3").list_buckets()["Buckets"]],
        "volumes": [volume["VolumeId"] for volume in sim.client("ec2").describe_volumes()["Volumes"]],
        "file systems": [one["FileSystemId"] for one in sim.client("efs").describe_file_systems()["FileSystems"]],
        "vaults": [vault["BackupVaultName"] for vault in sim.client("backup").list_backup_vaults()["BackupVaultList"]],
    }
    mine = {kind: [name for name in found if not name.startswith("airlift-")] for kind, found in names.items()}
    return {kind: found for kind, found in mine.items() if found}


LEFT: dict[str, dict[str, list[str]]] = {}
"""What was left in the recovery account, by the incident's name."""


def drill_scenario(script: Script) -> Script:
    """Make an incident known by its name, and note at its end what is left."""

    @functools.wraps(script)
    def noted(story: Story) -> None:
        script(story)
        LEFT[script.__name__] = left_of(story)

    return scenario(noted)


@drill_scenario
def drilled(story: Story) -> None:
    """A drill of all that the first types need, to its end."""
    story.prepare(KINDS)
    story.run_to_end(drill(story))


@drill_scenario
def drill_stopped(story: Story) -> None:
    """Stopped while its restore jobs run; the janitor comes back for it until nothing is left."""
    story.prepare(KINDS)
    execution = drill(story)
    story.sim.run(120, lambda: any(job["Status"] == "RUNNING" for job in story.restore_jobs()))
    operator(story, "stop", reason="Enough")
    story.run_to_end(execution)
    for _ in range(3):
        story.sim.run(900)
        story.sim.tick(HOUR / 2)


@drill_scenario
def drill_preempted_before_approval(story: Story) -> None:
    """Nobody has voted on the drill's request when a finding arrives."""
    story.prepare(("table", "volume"))
    votes, story.votes = story.votes, ()
    drill(story)
    story.sim.run(30)
    story.votes = votes
    finding(story)
    story.sim.run(5)
    story.run_to_end()
    story.sim.tick(HOUR)


@drill_scenario
def drill_preempted_after_approval(story: Story) -> None:
    """The drill restores when a finding arrives; its own things go, the real ones stay."""
    story.prepare(("table", "volume"))
    drill(story)
    story.sim.run(1200, lambda: any(job["Status"] == "COMPLETED" for job in story.restore_jobs()))
    finding(story)
    story.sim.run(5)
    story.run_to_end()
    story.sim.tick(HOUR)


@drill_scenario
def access_closed(story: Story) -> None:
    """A real recovery ends; a week later its access is closed."""
    story.prepare()
    finding(story)
    story.run_to_end()
    story.sim.tick()
    story.sim.run(7 * DAY)
    story.sim.tick()
    story.sim.tick()


@drill_scenario
def drill_not_cleaned_at_once(story: Story) -> None:
    """The clean-up's execution fails; the janitor starts another when the claim of the first has run out."""
    story.prepare(days=1)
    deny(story, "clean_up_drill", "ListRestoreJobs", times=1)
    story.run_to_end(drill(story))
    story.sim.run(900)
    story.sim.tick(HOUR)
