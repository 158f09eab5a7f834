"""Incidents that end by what is restored, stopped or wrong; those that turn on the approval are in `approvals`."""

from __future__ import annotations

from local.simulation.story import Story, iso, sample
from local.simulation.world import OWNER
from tests.workflow import approvals, asking, choosing, drills, second_tier, waves
from tests.workflow.playing import (
    HOUR,
    MACHINES,
    SCENARIOS,
    Played,
    console,
    deny,
    finding,
    look,
    operator,
    played,
    scenario,
)

__all__ = [
    "HOUR",
    "MACHINES",
    "SCENARIOS",
    "Played",
    "approvals",
    "asking",
    "choosing",
    "console",
    "drills",
    "finding",
    "look",
    "played",
    "second_tier",
    "waves",
]


@scenario
def approved(story: Story) -> None:
    """Four types, a finding, two votes of three; the newest point holds what the attacker changed."""
    story.prepare(("table", "bucket", "volume", "files"), days=3)
    story.votes = (("ana", "APPROVE", 600.0), ("cho", "APPROVE", 700.0))
    finding(story, hours_ago=30)
    story.run_to_end()


@scenario
def aborted_and_resumed(story: Story) -> None:
    """Somebody stops the execution while restore jobs run; later it is resumed by its id alone."""
    story.prepare(("table", "volume"))
    finding(story)
    story.sim.run(1200, lambda: len(story.restore_jobs()) == 2)
    story.sim.client("stepfunctions").stop_execution(executionArn=story.executions()[-1]["executionArn"])
    story.sim.run(HOUR)
    story.run_to_end(story.sim.start({"recoveryId": story.recovery()["recoveryId"]}))


@scenario
def point_fails(story: Story) -> None:
    """The newest clean point can't be read: the next older one serves."""
    arn = story.prepare()[0]
    story.sim.aws.faults.fail_restore(arn, message="The recovery point is corrupt and cannot be restored.")
    finding(story)
    story.run_to_end()


@scenario
def held_then_resumed(story: Story) -> None:
    """The restore role lacks a permission: the same point again with back-off, then held; resume tries again."""
    arn = story.prepare()[0]
    text = "Access Denied: the role is not authorized to perform dynamodb:RestoreTableFromBackup"
    story.sim.aws.faults.fail_restore(arn, message=text, times=4)
    finding(story)
    story.run_to_end()
    story.run_to_end(story.sim.start({"recoveryId": story.recovery()["recoveryId"]}))


@scenario
def three_vaults(story: Story) -> None:
    story.prepare(vaults=3)
    finding(story)
    story.run_to_end()


@scenario
def no_vault_is_ready(story: Story) -> None:
    """Two vaults, and the plan names a team that does not exist: nobody is asked."""
    story.prepare(vaults=2)
    story.team_arn += "-gone"
    story.make_plan()
    finding(story)
    story.run_to_end()


@scenario
def team_is_gone(story: Story) -> None:
    """One vault, and the plan names a team that does not exist."""
    story.prepare()
    story.team_arn += "-gone"
    story.make_plan()
    console(story)
    story.run_to_end()


@scenario
def vault_without_team(story: Story) -> None:
    story.vault("production0", team=False)
    story.back_up(story.vault_arns[0], story.table("orders"))
    story.plan = {"approvalTeamArn": None}
    story.make_plan(accounts=[{"id": OWNER, "vaults": [{"arn": story.vault_arns[0]}]}])
    console(story)
    story.run_to_end()


@scenario
def child_stopped(story: Story) -> None:
    """Of two vaults one's execution is stopped by hand."""
    story.prepare(vaults=2)
    finding(story)
    story.sim.run(1200, lambda: len(story.restore_jobs()) == 2)
    child = story.executions(MACHINES[1])[0]["executionArn"]
    story.sim.client("stepfunctions").stop_execution(executionArn=child, error="Operator", cause="Wrong vault")
    story.run_to_end()


@scenario
def two_findings_at_once(story: Story) -> None:
    story.prepare()
    finding(story, finding_id="a" * 32)
    finding(story, finding_id="b" * 32)
    story.sim.run(60)
    story.run_to_end(story.executions()[0]["executionArn"])


@scenario
def joined_with_earlier_sign(story: Story) -> None:
    """While people vote, a second finding shows that the attack began before the newest point."""
    story.prepare(days=3)
    story.votes = (("ana", "APPROVE", 600.0), ("ben", "APPROVE", 610.0))
    finding(story, finding_id="a" * 32)
    story.sim.run(120)
    finding(story, hours_ago=30, finding_id="b" * 32)
    story.sim.run(60)
    story.run_to_end(story.executions()[0]["executionArn"])


@scenario
def earlier_sign_while_restoring(story: Story) -> None:
    """A second finding shows that what is being restored was poisoned already: held, and resumed from before."""
    story.prepare(days=3)
    finding(story, finding_id="a" * 32)
    story.sim.run(HOUR, lambda: bool(story.restore_jobs()))
    finding(story, hours_ago=30, finding_id="b" * 32)
    story.run_to_end(story.executions()[0]["executionArn"])
    story.run_to_end(operator(story, "resume"))


@scenario
def sign_corrected_after_the_end(story: Story) -> None:
    """Recovered; then it turns out that the attack began before the point that was taken, and an operator says so."""
    arn = story.prepare(days=3)[0]
    finding(story)
    story.run_to_end()
    operator(story, "first-sign", firstSign=iso(story.sim.clock.now() - 30 * HOUR))
    story.run_to_end(operator(story, "resume"))
    story.run_to_end(operator(story, "restore-again", resourceArns=[arn]))


@scenario
def sign_given_later(story: Story) -> None:
    """No first sign is known: access is granted, restoring waits until an operator gives one."""
    story.prepare()
    execution = story.sim.start({"sourceBackupVaultArn": story.vault_arns[0], "reason": "Ransom note found"})
    sign = iso(story.sim.clock.now() - HOUR)
    story.sim.run(6 * HOUR)
    operator(story, "first-sign", firstSign=sign)
    story.run_to_end(execution)


@scenario
def paused_wave_continued(story: Story) -> None:
    """The plan pauses before the second wave until an operator lets it go on."""
    waves = [
        {"name": "data", "match": [{"types": ["DynamoDB"]}]},
        {"name": "storage", "match": [{"types": ["EBS"]}], "pauseBefore": True},
    ]
    story.prepare(("table", "volume"), waves=waves)
    execution = console(story)
    story.sim.run(4 * HOUR)
    operator(story, "continue", wave="storage")
    story.run_to_end(execution)


@scenario
def restored_again(story: Story) -> None:
    """Recovered, and then one table once more."""
    arn = story.prepare(("table", "volume"))[0]
    story.run_to_end(console(story))
    story.run_to_end(operator(story, "restore-again", resourceArns=[arn], reason="Changed by a test"))


@scenario
def only_told(story: Story) -> None:
    """The plan lets findings tell people, no more."""
    story.prepare(triggers={"guardDuty": {"allow": "notify"}})
    finding(story)
    story.run_to_end()


@scenario
def alarm(story: Story) -> None:
    """A CloudWatch alarm; the plan says whose account it concerns."""
    event = sample("cloudwatch-alarm")
    entry = {"arn": event["resources"][0], "account": OWNER, "allow": "request", "lookBackMinutes": 60}
    story.prepare(triggers={"alarms": [entry]})
    event["detail"]["state"]["timestamp"] = iso(story.sim.clock.now())
    story.send(event)
    story.run_to_end()


@scenario
def nothing_to_restore(story: Story) -> None:
    story.vault("production0")
    story.make_plan()
    story.run_to_end(console(story))


@scenario
def closing_fails(story: Story) -> None:
    """CloseRecovery can't write its summary; the rule on failed executions closes later."""
    story.prepare()
    deny(story, "close_recovery", "PutObject", times=1)
    story.run_to_end(console(story))
    story.sim.run(HOUR)


@scenario
def readiness_answers_nonsense(story: Story) -> None:
    """Vaults without the name of an execution: the Map itself fails, and the recovery is closed all the same."""
    story.prepare()
    broken = {"vaults": [{"sourceBackupVaultArn": story.vault_arns[0]}]}
    story.sim.lambdas.stand_ins["check_readiness"] = lambda _event: broken
    story.run_to_end(console(story))


@scenario
def not_severe_enough(story: Story) -> None:
    """A finding that the plan does not take."""
    story.prepare()
    finding(story, severity=5, type="Recon:EC2/Portscan")
    story.run_to_end()


@scenario
def vault_not_in_plan(story: Story) -> None:
    story.prepare()
    story.run_to_end(console(story, sourceBackupVaultArn=story.vault_arns[0] + "-typo"))
