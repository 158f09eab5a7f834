"""What CloudFormation makes of the production template: each resource with its references resolved, all options on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from local.simulation.policies import as_list
from local.simulation.template import Made, Stack, translated

ACCOUNT, REGION, STACK = "444455556666", "ap-northeast-1", "airlift"
PLACE = f"{REGION}:{ACCOUNT}"
DETECTOR = "777788889999"
OPTIONS = {
    "DetectorAccounts": DETECTOR,
    "NotificationEmail": "people@example.com",
    "CaseReaderRoleArn": f"arn:aws:iam::{DETECTOR}:role/airlift-case-reader",
    "DrillSchedule": "rate(30 days)",
    "DrillAccount": "111122223333",
    "EvidenceKeyArn": f"arn:aws:kms:{PLACE}:key/11111111-2222-3333-4444-555555555555",
    "TamperTopicArn": f"arn:aws:sns:{REGION}:{DETECTOR}:airlift-tampering",
    "MapParameters": "true",
}
"""Parameters that turn on everything which the template has a condition for."""

ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{PLACE}:table/",
    "AWS::Events::EventBus": f"arn:aws:events:{PLACE}:event-bus/",
    "AWS::Events::Rule": f"arn:aws:events:{PLACE}:rule/",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/",
    "AWS::Lambda::Function": f"arn:aws:lambda:{PLACE}:function:",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{PLACE}:log-group:",
    "AWS::S3::Bucket": "arn:aws:s3:::",
    "AWS::SNS::Topic": f"arn:aws:sns:{PLACE}:",
    "AWS::SQS::Queue": f"arn:aws:sqs:{PLACE}:",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{PLACE}:stateMachine:",
}
"""What the name of such a resource is appended to."""
KNOWN_BY_ARN = {"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}
"""Types of which `Ref` gives the ARN."""
NAMES = ("RoleName", "TopicName", "StateMachineName", "LogGroupName", "Name")
"""Properties that name a resource; others are named by the stack and their logical id."""

Statement = dict[str, Any]


@dataclass
class Deployed:
    """Resolved properties of the stack's resources, by type and logical id."""

    made: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    arns: dict[str, str] = field(default_factory=dict)
    """ARNs by logical id."""

    def create(self, logical_id: str, kind: str, properties: dict[str, Any]) -> Made:
        """Takes a resource in."""
        self.made[kind][logical_id] = properties
        given = next((str(properties[one]) for one in NAMES if one in properties), f"{STACK}-{logical_id}")
        name = given.lower() if kind == "AWS::S3::Bucket" else given
        arn = self.arns[logical_id] = ARNS.get(kind, "") + name
        attributes = {"Arn": arn, **{f"{part}Name": name for part in ("Queue", "Topic", "Table")}, "Name": name}
        return Made(arn if kind in KNOWN_BY_ARN else name, attributes)

    def roles(self) -> dict[str, list[Statement]]:
        """Statements of each role by its logical id: inline policies, and managed ones that the stack makes."""
        found = {
            role: [statement for policy in made.get("Policies", ()) for statement in statements(policy)]
            for role, made in self.made["AWS::IAM::Role"].items()
        }
        own = {self.arns[role].rpartition("/")[2]: role for role in found}
        for managed in self.made["AWS::IAM::ManagedPolicy"].values():
            for name in managed["Roles"]:
                found[own[name]] += statements(managed)
        return found


def statements(policy: dict[str, Any]) -> list[Statement]:
    """A policy's statements."""
    return as_list(policy["PolicyDocument"]["Statement"])


def deployed() -> Deployed:
    """The production template with every option on."""
    pseudo = {
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::Region": REGION,
        "AWS::StackName": STACK,
        "AWS::URLSuffix": "amazonaws.com",
    }
    stack = Deployed()
    Stack(translated(), pseudo, OPTIONS, stack.create).deploy()
    return stack
