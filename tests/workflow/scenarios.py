"""Incidents played on the simulation, each once a session, and what they left behind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.simulation.sdk import Call, ServiceError
from local.simulation.story import DAY, TWO_APPROVE, Story, iso, sample
from local.simulation.world import OWNER, Simulation
from tests.workflow.reached import catches_reached, states_reached

HOUR = 3600.0
MACHINES = ("RecoveryStateMachineArn", "VaultRecoveryStateMachineArn")
Script = Callable[[Story], None]


@dataclass(frozen=True)
class Played:
    """A finished incident: what is left when the simulation is gone."""

    story: Story
    recoveries: list[dict[str, Any]]
    vaults: list[dict[str, Any]]
    jobs: list[dict[str, Any]]
    records: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    asked: list[dict[str, Any]]
    """Mails that asked an approver for a vote."""
    events: dict[str, int]
    """Number of history events by execution ARN."""
    states: dict[str, set[str]]
    """States entered, by machine."""
    catches: dict[str, set[str]]
    """States whose Catch was taken, by machine."""
    denied: list[tuple[str, str, str]]
    dead_letters: list[Any]
    unhit: list[Any]
    """Faults that were planned and never happened."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The ledger's records whose sort key begins so."""
        return [record for record in self.records if record["sk"].startswith(kind)]

    @property
    def recovery(self) -> dict[str, Any]:
        """The ledger's newest recovery."""
        return max(self.of("RECOVERY"), key=lambda record: str(record["createdAt"]))

    @property
    def items(self) -> dict[str, dict[str, Any]]:
        """Items by resource ARN."""
        return {r["resourceArn"]: r for r in self.of("ITEM#")}

    @property
    def timeline(self) -> list[str]:
        """Kinds of the timeline's entries, in order."""
        return [r["kind"] for r in self.of("TIMELINE#")]

    def endings(self, which: str = "recoveries") -> list[tuple[str, str | None]]:
        """Status and error of each execution."""
        return [(one["status"], one.get("error")) for one in getattr(self, which)]


def look(story: Story) -> Played:
    """Everything worth asserting on, while the simulation still lives."""
    sim = story.sim
    executions = {machine: story.executions(machine) for machine in MACHINES}
    histories = {
        machine: [sim.engine.execution(one["executionArn"]).history.events for one in found]
        for machine, found in executions.items()
    }
    return Played(
        story,
        executions[MACHINES[0]],
        executions[MACHINES[1]],
        story.restore_jobs(),
        story.records(),
        sim.messages(),
        story.requests(),
        {
            one["executionArn"]: len(events)
            for machine in MACHINES
            for one, events in zip(executions[machine], histories[machine], strict=True)
        },
        {machine: states_reached(events) for machine, events in histories.items()},
        {machine: catches_reached(events) for machine, events in histories.items()},
        list(sim.permissions.denied),
        sim.dead_letters(),
        [*sim.aws.faults.unhit(), *sim.deliveries.unhit()],
    )


SCENARIOS: dict[str, Script] = {}


def scenario(script: Script) -> Script:
    """Make an incident known by its name."""
    SCENARIOS[script.__name__] = script
    return script


@functools.cache
def played(name: str) -> Played:
    """Plays an incident, unless this session has played it before."""
    with Simulation() as sim:
        story = Story(sim)
        SCENARIOS[name](story)
        return look(story)


def console(story: Story, **more: Any) -> str:
    """Starts a recovery as a person would, for the first vault; the execution's ARN."""
    document = {"sourceBackupVaultArn": story.vault_arns[0], "reason": "Ransom note found", "firstSign": "latest"}
    return story.sim.start({**document, **more})


def finding(story: Story, hours_ago: float = 1.0, **more: Any) -> None:
    """A finding arrives that was first seen some hours ago."""
    story.send_finding(first_seen=story.sim.clock.now() - hours_ago * HOUR, **more)


def operator(story: Story, action: str, **more: Any) -> str:
    """Starts an operator action on the newest recovery; the execution's ARN."""
    execution = story.sim.start({"recoveryId": story.recovery()["recoveryId"], "action": action, **more})
    story.sim.run(5)
    return execution


def deny(story: Story, handler: str, operation: str, times: int = 1000) -> None:
    """AWS refuses an operation of one handler, without effect."""
    left = [times]

    def refuse(call: Call) -> None:
        running = story.sim.lambdas.running[-1].handler.partition(".")[0]
        if left[0] > 0 and (running, call.operation) == (handler, operation):
            left[0] -= 1
            raise ServiceError("AccessDeniedException", "no identity-based policy allows it", 403)

    story.sim.before_call.append(refuse)


@scenario
def approved(story: Story) -> None:
    """Four types, a finding, two votes of three; the newest point holds what the attacker changed."""
    story.prepare(("table", "bucket", "volume", "files"), days=3)
    story.votes = (("ana", "APPROVE", 600.0), ("cho", "APPROVE", 700.0))
    finding(story, hours_ago=30)
    story.run_to_end()


@scenario
def rejected(story: Story) -> None:
    story.prepare()
    story.votes = (("ana", "REJECT", 20.0), ("ben", "REJECT", 40.0))
    finding(story)
    story.run_to_end()


@scenario
def expired(story: Story) -> None:
    """Nobody votes; the plan asks once only."""
    story.prepare(approval={"requestsAfterExpiry": 0})
    story.votes = ()
    finding(story)
    story.run_to_end()


@scenario
def expired_then_approved(story: Story) -> None:
    """Nobody votes in time; the second request, which the plan allows, is approved."""
    story.prepare()
    story.votes = ()
    finding(story)
    story.sim.run(DAY)
    story.votes = TWO_APPROVE
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
def environment_fails(story: Story) -> None:
    """The restore role lacks a permission: the same point again with back-off, then held."""
    arn = story.prepare()[0]
    text = "Access Denied: the role is not authorized to perform dynamodb:RestoreTableFromBackup"
    story.sim.aws.faults.fail_restore(arn, message=text, times=4)
    finding(story)
    story.run_to_end()


@scenario
def held_then_resumed(story: Story) -> None:
    """What was held is tried again when an operator resumes."""
    environment_fails(story)
    story.run_to_end(story.sim.start({"recoveryId": story.recovery()["recoveryId"]}))


@scenario
def one_vault_of_three_rejected(story: Story) -> None:
    story.prepare(vaults=3)
    story.votes = ()
    finding(story)
    story.sim.run(60)
    by_vault = {mail["resourceArn"]: mail["sessionArn"] for mail in story.requests()}
    for number, arn in enumerate(story.vault_arns):
        for who in ("ana", "ben"):
            story.vote(who, "REJECT" if number == 1 else "APPROVE", by_vault[arn])
    story.run_to_end()


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
def parent_stopped(story: Story) -> None:
    """Stopped while people vote."""
    story.prepare(vaults=2)
    story.votes = ()
    finding(story)
    story.sim.run(60)
    story.sim.client("stepfunctions").stop_execution(executionArn=story.executions()[-1]["executionArn"])
    story.sim.run(HOUR)


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
def stopped_by_operator(story: Story) -> None:
    story.prepare()
    story.votes = ()
    execution = console(story)
    story.sim.run(60)
    operator(story, "stop", reason="False alarm")
    story.run_to_end(execution)


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
def access_revoked(story: Story) -> None:
    """The owner's team revokes the access before the second wave is started."""
    waves = [
        {"name": "data", "match": [{"types": ["DynamoDB"]}]},
        {"name": "storage", "match": [{"types": ["EBS"]}], "pauseBefore": True},
    ]
    story.prepare(("table", "volume"), waves=waves)
    execution = console(story)
    story.sim.run(4 * HOUR)
    vault = next(r for r in story.records() if r["sk"].startswith("VAULT#"))
    story.sim.client("backup").delete_backup_vault(BackupVaultName=vault["restoreAccessBackupVaultName"])
    operator(story, "continue", wave="storage")
    story.run_to_end(execution)


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
