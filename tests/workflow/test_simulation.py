"""The simulation itself: it repeats exactly, and it is strict."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from local.simulation.policies import UnknownPermission, allows, needs_of
from local.simulation.story import Story
from local.simulation.template import Made, Stack, translated
from local.simulation.world import Simulation
from tests.workflow.scenarios import finding

ROLE_POLICY: list[dict[str, Any]] = [
    {"Effect": "Allow", "Action": "dynamodb:*Item", "Resource": "arn:aws:dynamodb:*:*:table/ledger"},
    {"Effect": "Deny", "Action": "dynamodb:DeleteItem", "Resource": "*"},
    {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": "*",
        "Condition": {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}},
    },
    {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["ACCOUNT#*"]}},
    },
]
TABLE = "arn:aws:dynamodb:ap-northeast-1:444455556666:table/ledger"


def run(seed: int) -> tuple[Any, Any, str]:
    with Simulation(seed=seed) as sim:
        story = Story(sim)
        story.prepare(("table", "volume"), days=1)
        finding(story)
        story.run_to_end()
        histories = [sim.engine.execution(one["executionArn"]).history.events for one in story.executions()]
        return histories, sim.ledger(), sim.lambdas.output


def test_the_same_seed_gives_the_same_run_bit_for_bit() -> None:
    assert run(7) == run(7)


def test_another_seed_gives_another_run() -> None:
    assert run(7)[1] != run(8)[1]


def test_nothing_of_a_simulation_is_left_behind() -> None:
    environment, sleep = dict(os.environ), time.sleep
    before = time.time()
    with Simulation() as sim:
        Story(sim).prepare(days=1)
        assert time.time() == sim.clock.now()
    assert dict(os.environ) == environment
    assert time.sleep is sleep
    assert 0 <= time.time() - before < 600


def test_one_simulation_at_a_time() -> None:
    with Simulation(), pytest.raises(RuntimeError, match="another simulation"), Simulation():
        pass


@pytest.mark.parametrize(
    ("action", "resource", "context", "expected"),
    [
        ("dynamodb:PutItem", TABLE, {}, True),
        ("DYNAMODB:putitem", TABLE, {}, True),
        ("dynamodb:PutItem", TABLE + "/index/open", {}, False),
        ("dynamodb:Query", TABLE, {}, False),
        ("dynamodb:DeleteItem", TABLE, {}, False),
        ("iam:PassRole", "arn:aws:iam::444455556666:role/x", {"iam:PassedToService": "backup.amazonaws.com"}, True),
        ("iam:PassRole", "arn:aws:iam::444455556666:role/x", {"iam:PassedToService": "ec2.amazonaws.com"}, False),
        ("iam:PassRole", "arn:aws:iam::444455556666:role/x", {}, False),
        ("sqs:SendMessage", "q", {"dynamodb:LeadingKeys": ["ACCOUNT#1", "ACCOUNT#2"]}, True),
        ("sqs:SendMessage", "q", {"dynamodb:LeadingKeys": ["ACCOUNT#1", "RECOVERY#2"]}, False),
        ("sqs:SendMessage", "q", {}, True),
    ],
)
def test_policies_are_evaluated_as_iam_does(action: str, resource: str, context: Any, expected: bool) -> None:
    assert allows(ROLE_POLICY, action, resource, context) is expected


def test_what_the_evaluator_does_not_know_is_an_error() -> None:
    with pytest.raises(UnknownPermission, match="NumericLessThan"):
        allows(
            [{"Effect": "Allow", "Action": "*", "Condition": {"NumericLessThan": {"s3:max-keys": "1"}}}], "s3:X", "*"
        )
    with pytest.raises(UnknownPermission, match="NotAction"):
        allows([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], "s3:X", "*")
    with pytest.raises(UnknownPermission, match="kinesis"):
        needs_of("kinesis", "PutRecord", {}, "ap-northeast-1", "444455556666")


def test_a_handler_without_a_permission_is_refused_as_on_aws() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(days=1)
        role = next(arn for arn in sim.permissions.roles if "ReceiveTrigger" in arn)
        sim.permissions.roles[role] = [s for s in sim.permissions.roles[role] if "dynamodb" not in str(s)]
        finding(story)
        ended = story.run_to_end()

    assert ended["status"] == "FAILED"
    assert "not authorized to perform: dynamodb:" in ended["cause"]


def test_a_workflow_without_a_permission_is_refused_as_on_aws() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(days=1)
        role = next(
            arn for arn in sim.permissions.roles if arn.split("/")[1].startswith("airlift-RecoveryStateMachineR")
        )
        sim.permissions.roles[role] = []
        finding(story)
        ended = story.run_to_end()

    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.AWSLambdaException")


def test_a_handler_that_sleeps_past_its_time_out_is_ended() -> None:
    with Simulation() as sim:
        Story(sim).prepare(days=1)
        sim.lambdas.stand_ins["check_approval"] = lambda _event: time.sleep(3600)
        result = sim.lambdas.invoke(sim.lambdas.named("check_approval").arn, {})

    assert result.payload["errorType"] == "Sandbox.Timedout"


def test_a_template_with_something_unknown_is_refused_by_name() -> None:
    def create(_name: str, kind: str, _properties: Any) -> Made:
        raise LookupError(f"resource type {kind} is not simulated")

    template = translated() | {"Resources": {"Stream": {"Type": "AWS::Kinesis::Stream"}}}
    with pytest.raises(LookupError, match="AWS::Kinesis::Stream"):
        Stack(template, {}, {"DetectorAccounts": "1"}, create).deploy()
    with pytest.raises(LookupError, match="DetectorAccounts"):
        Stack(template, {}, {}, create)
    with pytest.raises(LookupError, match="Colour"):
        Stack(template, {}, {"DetectorAccounts": "1", "Colour": "red"}, create)


def test_events_of_aws_can_not_be_put_and_other_accounts_need_the_policy() -> None:
    with Simulation() as sim:
        answer = sim.client("events", "777788889999").put_events(
            Entries=[{"Source": "aws.guardduty", "DetailType": "GuardDuty Finding", "Detail": "{}"}]
        )
        assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
        with pytest.raises(sim.client("events").exceptions.ClientError, match="AccessDenied"):
            sim.client("events", "111122223333").put_events(
                Entries=[
                    {
                        "Source": "mine",
                        "DetailType": "x",
                        "Detail": "{}",
                        "EventBusName": sim.outputs["IncidentBusArn"],
                    }
                ]
            )
