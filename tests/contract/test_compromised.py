"""What somebody may who holds another account entirely: the stack's resource policies and trust policies, evaluated.

Across accounts IAM asks for an Allow on both sides (reference_policies_evaluation-logic-cross-account). Whoever holds
an account gives himself his own, so the resource's side alone decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checks.deployed import DETECTOR, PLACE, deployed, statements
from local.simulation.policies import allows, as_list
from tests.contract.test_publishers import DEFAULT_TOPIC_POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from checks.deployed import Statement

STACK = deployed()
ATTACKED = "111122223333"
STRANGER = "000011112222"
ADMINISTRATOR = "arn:aws:iam::{}:role/administrator"
BUS = "IncidentBus"

TRIED = {
    BUS: ("events:PutEvents", "events:PutRule", "events:DeleteEventBus", "events:PutPermission"),
    "Ledger": ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:DeleteTable", "dynamodb:Scan"),
    "EvidenceBucket": (
        "s3:ListBucket",
        "s3:PutBucketPolicy",
        "s3:DeleteBucket",
        "s3:GetObject",
        "s3:DeleteObjectVersion",
    ),
    "WorkingBucket": ("s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    "PeopleTopic": ("sns:Publish", "sns:Subscribe", "sns:DeleteTopic"),
    "ChatTopic": ("sns:Publish", "sns:Subscribe", "sns:DeleteTopic"),
    "DeadLetters": ("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:PurgeQueue"),
    "RecoveryStateMachine": ("states:StartExecution", "states:StopExecution", "states:UpdateStateMachine"),
    "VaultRecoveryStateMachine": ("states:StartExecution", "states:DeleteStateMachine"),
    **dict.fromkeys(STACK.made["AWS::Lambda::Function"], ("lambda:InvokeFunction", "lambda:UpdateFunctionCode")),
}
"""Calls by the logical id of the resource that they are about."""
OF_RESOURCE = {
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::SQS::QueuePolicy": "Queues",
    "AWS::SNS::TopicPolicy": "Topics",
}
"""Types of resource policies, and the property that names the resources."""


def policy_of(name: str) -> list[Statement]:
    """Statements of a resource's own policy; none where the template gives none."""
    for kind, member in OF_RESOURCE.items():
        for made in STACK.made[kind].values():
            if any(STACK.arns[name].endswith(str(one)) for one in as_list(made[member])):
                return statements(made)
    if name == BUS:
        return as_list(STACK.made["AWS::Events::EventBus"][BUS]["Policy"]["Statement"])
    if name in STACK.made["AWS::SNS::Topic"]:
        return DEFAULT_TOPIC_POLICY
    return [
        {"Effect": "Allow", "Action": made["Action"], "Principal": {"Service": made["Principal"]}}
        for made in STACK.made["AWS::Lambda::Permission"].values()
        if STACK.arns[name].endswith(f":{made['FunctionName']}") or made["FunctionName"] == STACK.arns[name]
    ]


def resources_of(name: str, action: str) -> str:
    """The ARN that a call is about."""
    arn = STACK.arns[name]
    return f"{arn}/recoveries/report.json" if action.startswith("s3:") and "Object" in action else arn


def may(account: str, action: str, name: str, **more: str | Sequence[str]) -> bool:
    context = {"AWS:SourceOwner": account, "aws:SourceAccount": account, "aws:SecureTransport": "true", **more}
    return allows(policy_of(name), action, resources_of(name, action), context, ADMINISTRATOR.format(account))


def tried() -> Iterator[tuple[str, str]]:
    yield from ((name, action) for name, actions in TRIED.items() for action in actions)


@pytest.mark.parametrize("account", [ATTACKED, STRANGER])
def test_another_account_may_nothing_on_any_resource_of_the_stack(account: str) -> None:
    assert [(name, action) for name, action in tried() if may(account, action, name)] == []


def test_a_detector_may_put_events_and_nothing_else() -> None:
    assert [(name, action) for name, action in tried() if may(DETECTOR, action, name)] == [(BUS, "events:PutEvents")]


def test_a_detector_may_not_speak_as_airlift() -> None:
    """Other tools listen on the same bus to what Airlift says of a recovery."""

    def put(*sources: str) -> bool:
        return may(DETECTOR, "events:PutEvents", BUS, **{"events:source": sources})

    assert put("aws.guardduty")
    assert put("airlift.recovery", "aws.cloudwatch")
    assert not put("airlift")
    assert not put("airlift.recovery", "airlift")


def test_nobody_in_another_account_can_take_on_a_role() -> None:
    for role, made in STACK.made["AWS::IAM::Role"].items():
        trust = as_list(made["AssumeRolePolicyDocument"]["Statement"])
        assert all(set(one["Principal"]) == {"Service"} for one in trust), role
        for account in (ATTACKED, DETECTOR, STRANGER):
            assert not allows(trust, "sts:AssumeRole", STACK.arns[role], {}, ADMINISTRATOR.format(account)), role


def test_every_resource_that_can_have_a_policy_is_tried() -> None:
    kinds = {"AWS::DynamoDB::Table", "AWS::Events::EventBus", "AWS::Lambda::Function", "AWS::S3::Bucket"}
    kinds |= {"AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::StepFunctions::StateMachine"}
    assert {name for kind in kinds for name in STACK.made[kind]} == set(TRIED)
    assert not any("ResourcePolicy" in made for made in STACK.made["AWS::DynamoDB::Table"].values())


def test_rules_of_other_accounts_find_no_queue_either() -> None:
    """EventBridge itself may send dead letters, but for this account only."""
    queue = policy_of("DeadLetters")
    sent: dict[str, Any] = {"action": "sqs:SendMessage", "resource": STACK.arns["DeadLetters"]}
    service = "events.amazonaws.com"
    assert allows(queue, **sent, context={"aws:SourceAccount": PLACE.partition(":")[2]}, principal=service)
    assert not allows(queue, **sent, context={"aws:SourceAccount": ATTACKED}, principal=service)
