"""Whoever publishes to the topics may: its role, the topics' policies and their keys are evaluated for each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.simulation.policies import allows, as_list
from local.simulation.template import Made, Stack, translated

ACCOUNT, REGION = "444455556666", "ap-northeast-1"
PLACE = f"{REGION}:{ACCOUNT}"
TOPICS = {name: f"arn:aws:sns:{PLACE}:airlift-{name}" for name in ("people", "chat")}
PUBLISHERS = {
    "receive_trigger",
    "check_readiness",
    "request_vault_access",
    "check_approval",
    "select_recovery_points",
    "advance_restores",
    "close_recovery",
    "clean_up_drill",
    "janitor",
}
"""Handlers that tell people; the workflow tests see that no other one tries to."""
CLOUDWATCH = "cloudwatch.amazonaws.com"
KEY_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")
"""What a publisher to an encrypted topic needs (sns/latest/dg/sns-key-management.html)."""
DEFAULT_TOPIC_POLICY = [
    {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "sns:*",
        "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
    }
]
"""What a topic has without a policy of its own (sns/latest/dg/sns-access-policy-use-cases.html)."""
AS_OWNER = {"AWS:SourceOwner": ACCOUNT, "aws:SourceAccount": ACCOUNT}


class _Attributes(dict[str, str]):
    """Any attribute of a resource, as a text that names both."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __contains__(self, _attribute: object) -> bool:
        return True

    def __missing__(self, attribute: str) -> str:
        return f"{self._name}.{attribute}"


@dataclass
class Deployed:
    """Resolved properties by type and logical id."""

    found: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))

    def create(self, name: str, kind: str, properties: dict[str, Any]) -> Made:
        """Takes a resource in; topics and roles get ARNs of the right form."""
        self.found[kind][name] = properties
        match kind:
            case "AWS::SNS::Topic":
                return Made(f"arn:aws:sns:{PLACE}:{properties['TopicName']}", _Attributes(name))
            case "AWS::KMS::Key":
                return Made(f"arn:aws:kms:{PLACE}:key/{name}", _Attributes(name))
        return Made(name, _Attributes(name))

    def role_of(self, handler: str) -> tuple[str, list[dict[str, Any]]]:
        """A function's role: ARN and statements of its inline policies."""
        (function,) = [
            one for one in self.found["AWS::Lambda::Function"].values() if one["Handler"].partition(".")[0] == handler
        ]
        name = function["Role"].partition(".")[0]
        policies = self.found["AWS::IAM::Role"][name].get("Policies", [])
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        return arn, [statement for policy in policies for statement in as_list(policy["PolicyDocument"]["Statement"])]

    def topic_policy(self, topic: str) -> list[dict[str, Any]]:
        """The policy that counts for a topic."""
        given = [p for p in self.found["AWS::SNS::TopicPolicy"].values() if topic in p["Topics"]]
        if not given:
            return DEFAULT_TOPIC_POLICY
        return [statement for p in given for statement in as_list(p["PolicyDocument"]["Statement"])]

    def key_of(self, topic: str) -> str:
        """ARN or alias of the key that encrypts a topic; empty without one."""
        (made,) = [t for t in self.found["AWS::SNS::Topic"].values() if topic.endswith(f":{t['TopicName']}")]
        return str(made.get("KmsMasterKeyId", ""))

    def key_policy(self, key: str) -> list[dict[str, Any]]:
        """Statements of a key that the template makes."""
        made = self.found["AWS::KMS::Key"].get(key.rpartition("/")[2], {})
        return as_list(made.get("KeyPolicy", {}).get("Statement", []))


def deployed(template: dict[str, Any] | None = None) -> Deployed:
    """The production template, or another, with its references resolved."""
    pseudo = {
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::Region": REGION,
        "AWS::StackName": "airlift",
        "AWS::URLSuffix": "amazonaws.com",
    }
    stack = Deployed()
    Stack(template or translated(), pseudo, {"DetectorAccounts": "777788889999"}, stack.create).deploy()
    return stack


def role_may_publish(stack: Deployed, handler: str, topic: str) -> bool:
    """Within one account the role's own policy is enough, unless the topic's policy denies.

    sns/latest/dg/sns-using-identity-based-policies.html
    """
    arn, statements = stack.role_of(handler)
    anybody = [{"Effect": "Allow", "Action": "*", "Principal": "*"}]
    denied = not allows([*anybody, *stack.topic_policy(topic)], "sns:Publish", topic, AS_OWNER, principal=arn)
    if denied or not allows(statements, "sns:Publish", topic):
        return False
    key = stack.key_of(topic)
    if not key or key == "alias/aws/sns":  # the managed key serves every principal of its account
        return True
    return all(
        allows(stack.key_policy(key), action, key, AS_OWNER, principal=arn) and allows(statements, action, key)
        for action in KEY_ACTIONS
    )


def cloudwatch_may_publish(stack: Deployed, alarm: str, topic: str) -> bool:
    """By the topic's policy and the key's; the managed key's policy has no place for a service (as above)."""
    context = AS_OWNER | {"aws:SourceArn": f"arn:aws:cloudwatch:{PLACE}:alarm:{alarm}"}
    if not allows(stack.topic_policy(topic), "sns:Publish", topic, context, principal=CLOUDWATCH):
        return False
    key = stack.key_of(topic)
    return not key or all(
        allows(stack.key_policy(key), action, key, context, principal=CLOUDWATCH) for action in KEY_ACTIONS
    )


def mentions(value: Any, text: str) -> bool:
    """Whether a text stands anywhere in a resource's properties."""
    if isinstance(value, dict):
        return any(mentions(inner, text) for inner in value.values())
    if isinstance(value, list):
        return any(mentions(inner, text) for inner in value)
    return bool(value == text)


STACK = deployed()


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
@pytest.mark.parametrize("handler", sorted(PUBLISHERS))
def test_every_function_that_tells_people_may_publish_to_both_topics(handler: str, topic: str) -> None:
    assert role_may_publish(STACK, handler, topic)


def test_no_other_function_may_publish() -> None:
    handlers = {one["Handler"].partition(".")[0] for one in STACK.found["AWS::Lambda::Function"].values()}
    assert handlers > PUBLISHERS
    may = {h for h in handlers - PUBLISHERS for topic in TOPICS.values() if role_may_publish(STACK, h, topic)}
    assert may == set()


def test_every_function_that_tells_people_knows_the_topics() -> None:
    for function in STACK.found["AWS::Lambda::Function"].values():
        if function["Handler"].partition(".")[0] in PUBLISHERS:
            variables = function["Environment"]["Variables"]
            assert (variables["PEOPLE_TOPIC_ARN"], variables["CHAT_TOPIC_ARN"]) == tuple(TOPICS.values())


def test_every_alarm_reaches_people() -> None:
    alarms = STACK.found["AWS::CloudWatch::Alarm"]
    assert alarms
    for name, alarm in alarms.items():
        assert TOPICS["people"] in alarm["AlarmActions"], name
        for topic in alarm["AlarmActions"]:
            assert cloudwatch_may_publish(STACK, name, topic), f"{name} can't publish to {topic}"


def test_every_rule_that_tells_people_may_by_the_topics_policy_and_has_no_role() -> None:
    """With a role "event delivery may fail" (eventbridge/latest/userguide/eb-use-resource-based.html)."""
    telling = [
        target
        for rule in STACK.found["AWS::Events::Rule"].values()
        for target in rule["Targets"]
        if target["Arn"] in TOPICS.values()
    ]
    assert telling
    for target in telling:
        assert "RoleArn" not in target
        policy, of_account = STACK.topic_policy(target["Arn"]), {"aws:SourceAccount": ACCOUNT}
        assert allows(policy, "sns:Publish", target["Arn"], of_account, principal="events.amazonaws.com")
        others = {"aws:SourceAccount": "777788889999"}
        assert not allows(policy, "sns:Publish", target["Arn"], others, principal="events.amazonaws.com")


def test_no_other_kind_of_publisher_is_unknown_here() -> None:
    """A rule or bucket that publishes as well would need a policy of its own, and a row above."""
    kinds = {
        kind
        for kind, made in STACK.found.items()
        for properties in made.values()
        for topic in TOPICS.values()
        if mentions(properties, topic)
    }
    publishers = {"AWS::Lambda::Function", "AWS::CloudWatch::Alarm", "AWS::Events::Rule"}
    assert kinds - publishers <= {"AWS::IAM::Role", "AWS::SNS::Subscription", "AWS::SNS::TopicPolicy"}


# -- the evaluation itself: what would shut somebody out is seen

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
OF_ACCOUNT = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
OWNER_ONLY = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sns:Publish", "Resource": "*"}
ALARMS = {
    "Effect": "Allow",
    "Principal": {"Service": CLOUDWATCH},
    "Action": "sns:Publish",
    "Resource": "*",
    "Condition": OF_ACCOUNT,
}
TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sns:Publish",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
NOBODY = {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": "*"}
KEY_FOR_ACCOUNT = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
KEY_FOR_ALARMS = {
    "Effect": "Allow",
    "Principal": {"Service": CLOUDWATCH},
    "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
    "Resource": "*",
    "Condition": OF_ACCOUNT,
}
MAY_USE_KEYS = {"Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*"}


def changed(
    *, policy: list[Any] | None = None, key: Any = None, key_policy: list[Any] | None = None, role: Any = None
) -> Deployed:
    """The template with a policy or a key on the people topic, and another statement for the closing function."""
    template = translated()
    made = template["Resources"]
    if policy is not None:
        document = {"Version": "2012-10-17", "Statement": policy}
        made["PeopleTopicPolicy"]["Properties"]["PolicyDocument"] = document
    if key_policy is not None:
        document = {"Version": "2012-10-17", "Statement": key_policy}
        made["TopicKey"] = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": document}}
        key = {"Ref": "TopicKey"}
    if key:
        made["PeopleTopic"]["Properties"]["KmsMasterKeyId"] = key
    if role:
        policies = made["CloseRecoveryFunctionRole"]["Properties"]["Policies"]
        policies[0]["PolicyDocument"]["Statement"].append(role)
    return deployed(template)


@pytest.mark.parametrize(
    ("change", "function", "alarm"),
    [
        ({}, True, True),
        ({"policy": [OWNER_ONLY]}, True, False),
        ({"policy": [OWNER_ONLY, ALARMS]}, True, True),
        ({"policy": [OWNER_ONLY, ALARMS, NOBODY]}, False, False),
        ({"policy": [ALARMS, TLS_ONLY]}, True, True),
        ({"key": "alias/aws/sns"}, True, False),
        ({"key_policy": [KEY_FOR_ACCOUNT]}, False, False),
        ({"key_policy": [KEY_FOR_ACCOUNT], "role": MAY_USE_KEYS}, True, False),
        ({"key_policy": [KEY_FOR_ACCOUNT, KEY_FOR_ALARMS], "role": MAY_USE_KEYS}, True, True),
        ({"key_policy": [KEY_FOR_ALARMS], "role": MAY_USE_KEYS}, False, True),
    ],
)
def test_a_policy_or_key_that_shuts_a_publisher_out_is_seen(change: Any, function: bool, alarm: bool) -> None:
    stack = changed(**change)
    assert role_may_publish(stack, "close_recovery", TOPICS["people"]) is function
    name = next(iter(stack.found["AWS::CloudWatch::Alarm"]))
    assert cloudwatch_may_publish(stack, name, TOPICS["people"]) is alarm
