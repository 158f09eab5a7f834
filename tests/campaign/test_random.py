"""Triggers, votes, failures, lost steps, operators and time in any order; the observer finds nothing wrong in the end.

`make test` plays a few sequences, always the same; `make faults` plays `SEQUENCES` new ones. One that fails is shrunk
to the shortest story, printed as the steps that people and AWS took.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ConnectionClosedError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from local.aws.errors import AwsError
from local.simulation.lambda_host import Killed
from local.simulation.story import iso
from local.simulation.world import Simulation
from tests.campaign.calls import Calls
from tests.campaign.observer import observe
from tests.campaign.stories import Base, left_open, prepare, quick, recoveries, to_rest
from tests.workflow.drills import drill
from tests.workflow.playing import HOUR, finding, operator

if TYPE_CHECKING:
    from local.simulation.sdk import Call

SEQUENCES = os.environ.get("SEQUENCES")
BASE = Base("any", ("table", "volume"), finding, to_rest)
STEPS = ("receive_trigger", "request_vault_access", "check_approval", "select_recovery_points", "advance_restores",
         "settle_restore", "close_recovery", "clean_up_drill")  # fmt: skip
FAILURES = {
    "point": "The recovery point is corrupt and cannot be restored.",
    "environment": "Access Denied: the role is not authorized",
    "unknown": "Something went wrong.",
}


class Incidents(RuleBasedStateMachine):
    """One account, one vault with a table and a volume, backed up on two days."""

    def __init__(self) -> None:
        super().__init__()
        self._sim = Simulation(settings=quick())
        self._sim.__enter__()
        self.story = prepare(self._sim, BASE, days=2)
        self.story.votes = ()
        self.calls = Calls(self._sim)
        self._findings = 0
        self._lost: list[tuple[str, Literal["killed", "answer lost"]]] = []
        self._sim.after_call.append(self._lose)

    def teardown(self) -> None:
        """Lets everything come to its end, and looks."""
        try:
            self._lost.clear()
            to_rest(self.story)
            for _ in range(8):
                self._sim.tick()  # once at least: what is noted of an ended recovery is kept by the janitor
                to_rest(self.story)
                if not left_open(self.story):
                    break
            assert not left_open(self.story), "the janitor does not bring it to its end"
            seen = observe(self.story, self.calls.log, set(), once=False)
            assert [one for one in seen.problems if not one.startswith("dead letter")] == []
        finally:
            self._sim.__exit__()

    # -- what happens to the account

    @rule(hours_ago=st.sampled_from([1.0, 30.0]))
    def finding(self, hours_ago: float) -> None:
        self._findings += 1
        finding(self.story, hours_ago, finding_id=f"{self._findings:032x}")
        self._sim.run(5)

    @rule(first_sign=st.sampled_from(["latest", None]))
    def somebody_starts_a_recovery(self, first_sign: str | None) -> None:
        arn = self.story.vault_arns[0]
        more = {} if first_sign is None else {"firstSign": first_sign}
        self._sim.start({"sourceBackupVaultArn": arn, "reason": "Ransom note found", **more})
        self._sim.run(5)

    @rule()
    def somebody_starts_a_drill(self) -> None:
        drill(self.story)
        self._sim.run(5)

    @rule(minutes=st.sampled_from([1, 15, 180, 1500]))
    def time_passes(self, minutes: int) -> None:
        self._sim.run(60.0 * minutes)

    @precondition(lambda self: self.story.sessions())
    @rule(decision=st.sampled_from(["APPROVE", "APPROVE", "REJECT"]))
    def two_approvers_vote(self, decision: str) -> None:
        for who in ("ana", "ben"):
            try:
                self.story.vote(who, decision)
            except AwsError:  # the session has ended, or this one has voted
                return
        self._sim.run(30)

    # -- what goes wrong

    @rule(kind=st.sampled_from(["DynamoDB", "EBS"]), why=st.sampled_from(sorted(FAILURES)), times=st.integers(1, 4))
    def next_restores_fail(self, kind: str, why: str, times: int) -> None:
        self._sim.aws.faults.fail_restore(kind, message=FAILURES[why], times=times)

    @rule(step=st.sampled_from(STEPS), how=st.sampled_from(["killed", "answer lost"]))
    def next_effect_is_lost(self, step: str, how: Any) -> None:
        self._lost.append((step, how))

    @rule()
    def next_status_event_is_lost(self) -> None:
        self._sim.deliveries.lose("event", lambda event: event.get("source") == "aws.states")

    @rule()
    def newest_execution_is_stopped(self) -> None:
        if executions := self.story.executions():
            self._sim.client("stepfunctions").stop_execution(executionArn=executions[-1]["executionArn"])
            self._sim.run(5)

    # -- what operators and schedules do

    @rule(action=st.sampled_from(["resume", "continue", "stop"]))
    def operator_says(self, action: str) -> None:
        if self._known():
            operator(self.story, action)

    @rule(hours_ago=st.sampled_from([1, 30]))
    def operator_gives_first_sign(self, hours_ago: int) -> None:
        if self._known():
            operator(self.story, "first-sign", firstSign=iso(self._sim.clock.now() - hours_ago * HOUR))

    @rule(action=st.sampled_from(["restore-again", "pin"]))
    def operator_wants(self, action: str) -> None:
        for arn, item in list(self.story.items().items())[:1]:
            more: dict[str, Any] = {"resourceArns": [arn]}
            if action == "pin":
                more["recoveryPointArn"] = item["candidates"][-1]["arn"]
            operator(self.story, action, reason="A test says so", **more)

    @rule()
    def schedules_come_due(self) -> None:
        self._sim.tick()

    # -- inside

    def _known(self) -> bool:
        return bool(recoveries(self.story, "real") or recoveries(self.story, "drill"))

    def _lose(self, call: Call, answer: dict[str, Any]) -> None:
        step = self._sim.lambdas.running[-1].handler.partition(".")[0]
        for planned in self._lost:
            if planned[0] == step and call.mutates and "Error" not in answer:
                self._lost.remove(planned)
                raise Killed if planned[1] == "killed" else ConnectionClosedError(endpoint_url="https://aws.invalid/")


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(
    max_examples=int(SEQUENCES or 2),
    stateful_step_count=10 if SEQUENCES is None else 25,
    derandomize=SEQUENCES is None,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
