"""Playing incidents on the simulation, each once a session, and what they leave behind."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.simulation.sdk import Call, ServiceError
from local.simulation.story import Story
from local.simulation.world import KEPT, Simulation
from tests.workflow.reached import catches_reached, states_reached

HOUR = 3600.0
CHAT = "chat"
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
    """What was published to people."""
    chat: list[dict[str, Any]]
    """What was published to chat, decoded."""
    asked: list[dict[str, Any]]
    """Mails that asked an approver for a vote."""
    events: dict[str, list[float]]
    """When the events of each execution's history came, in epoch seconds, by execution ARN."""
    states: dict[str, set[str]]
    """States entered, by machine."""
    catches: dict[str, set[str]]
    """States whose Catch was taken, by machine."""
    denied: list[tuple[str, str, str]]
    dead_letters: list[Any]
    unhit: list[Any]
    """Faults that were planned and never happened."""
    kept: dict[str, bytes]
    """What lies in the evidence bucket, by key."""
    output: str
    """What the functions logged, metrics included."""
    announced: list[dict[str, Any]]
    """Events that were put on the bus for other tools."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The ledger's records whose sort key begins so."""
        return [record for record in self.records if record["sk"].startswith(kind)]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the log, decoded each time: held for all incidents they would take a lot of memory."""
        return [json.loads(line) for line in self.output.splitlines()]

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

    @property
    def told(self) -> list[str]:
        """Titles of the notices to people, in order, without the recovery's id."""
        return [message["Subject"].partition(": ")[2] for message in self.messages]

    def endings(self, which: str = "recoveries") -> list[tuple[str, str | None]]:
        """Status and error of each execution."""
        return [(one["status"], one.get("error")) for one in getattr(self, which)]


def listen(sim: Simulation, topic: str) -> None:
    """Subscribes a queue to the stack's topic of this name."""
    sim.client("sqs").create_queue(QueueName=topic, Attributes=KEPT)
    sim.client("sns").subscribe(
        TopicArn=sim.outputs[f"{topic.capitalize()}TopicArn"],
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{sim.region}:{sim.account}:{topic}",
    )


def read(sim: Simulation, topic: str) -> list[dict[str, Any]]:
    """What was published to a topic since the last call, oldest first; nothing if nobody listens."""
    client, found = sim.client("sqs"), []
    urls = client.list_queues(QueueNamePrefix=topic).get("QueueUrls", [])
    for url in urls:
        while batch := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in batch:
                found.append(json.loads(message["Body"]))
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


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
        [json.loads(message["Message"]) for message in read(sim, CHAT)],
        story.requests(),
        {
            one["executionArn"]: [event["timestamp"] for event in events]
            for machine in MACHINES
            for one, events in zip(executions[machine], histories[machine], strict=True)
        },
        {machine: states_reached(events) for machine, events in histories.items()},
        {machine: catches_reached(events) for machine, events in histories.items()},
        list(sim.permissions.denied),
        sim.dead_letters(),
        [*sim.aws.faults.unhit(), *sim.deliveries.unhit()],
        _kept(sim),
        sim.lambdas.output,
        [event for event in sim.events.log if event["source"] == "airlift"],
    )


def _kept(sim: Simulation) -> dict[str, bytes]:
    bucket, s3 = sim.outputs["EvidenceBucketName"], sim.client("s3")
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


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
        listen(sim, CHAT)
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
