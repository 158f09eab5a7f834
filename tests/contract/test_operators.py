"""What people may do: the policies of accounts/4-recovery-account/operators.yaml, each action asked for."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airlift.card import Deployed, card
from airlift.plan import Plan
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local.simulation.policies import allows
from tests.contract.accounts import ACCOUNTS, TEMPLATES, properties

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUES = {
    "AWS::Partition": "aws",
    "AWS::Region": "ap-northeast-1",
    "AWS::AccountId": "444455556666",
    "AirliftStackName": "airlift",
    "LedgerTableName": "airlift-Ledger-1A2B3C",
    "EvidenceBucketName": "airlift-evidencebucket-1a2b3c",
    "WorkingBucketName": "airlift-workingbucket-1a2b3c",
    "EvidenceKeyArn": f"arn:aws:kms:ap-northeast-1:444455556666:key/{'0a1b':0<12}",
    "PlanApplicationId": "abc1234",
    "RestoreRoleArn": "arn:aws:iam::444455556666:role/airlift-RestoreRole-1A2B",
}
PLACE = "ap-northeast-1:444455556666"
MACHINE, EXECUTION = f"arn:aws:states:{PLACE}:stateMachine:airlift", f"arn:aws:states:{PLACE}:execution:airlift"
TABLE, FUNCTION = f"arn:aws:dynamodb:{PLACE}:table/airlift-Ledger-1A2B3C", f"arn:aws:lambda:{PLACE}:function:airlift-"
EVIDENCE, PLAN = "arn:aws:s3:::airlift-evidencebucket-1a2b3c", f"arn:aws:appconfig:{PLACE}:application/abc1234"
VAULT, TOPIC = f"arn:aws:backup:{PLACE}:backup-vault:some", f"arn:aws:sns:{PLACE}:airlift-people"
STACK = f"arn:aws:cloudformation:{PLACE}:stack/airlift/0a1b"

ALL, NOBODY = {"Viewer", "Responder", "Operator", "ByHand"}, set[str]()
# The others stand for themselves together with Viewer.
MAY: list[tuple[str, str, set[str]]] = [
    ("cloudformation:DescribeStacks", STACK, ALL),
    ("cloudformation:UpdateStack", STACK, NOBODY),
    ("dynamodb:GetItem", TABLE, ALL),
    ("dynamodb:Query", f"{TABLE}/index/open", ALL),
    ("dynamodb:PutItem", TABLE, NOBODY),
    ("dynamodb:DeleteItem", TABLE, NOBODY),
    ("s3:GetObject", f"{EVIDENCE}/recoveries/r-1/summary.json", ALL),
    ("s3:ListBucket", EVIDENCE, ALL),
    ("s3:GetObject", f"{EVIDENCE.replace('evidence', 'working')}/readiness/readiness.html", ALL),
    ("s3:PutObject", f"{EVIDENCE.replace('evidence', 'working')}/readiness/readiness.html", NOBODY),
    ("kms:Decrypt", VALUES["EvidenceKeyArn"], NOBODY),  # not past S3
    ("s3:DeleteObject", f"{EVIDENCE}/recoveries/r-1/summary.json", NOBODY),
    ("states:DescribeExecution", f"{EXECUTION}-recovery:cli-1", ALL),
    ("states:GetExecutionHistory", f"{EXECUTION}-vault-recovery:one", ALL),
    ("states:StartExecution", f"{MACHINE}-recovery", {"Responder"}),
    ("states:StartExecution", f"{MACHINE}-vault-recovery", NOBODY),
    ("states:StopExecution", f"{EXECUTION}-recovery:cli-1", {"Responder"}),
    ("states:StopExecution", f"{EXECUTION}-vault-recovery:one", NOBODY),
    ("states:UpdateStateMachine", f"{MACHINE}-recovery", NOBODY),
    ("lambda:InvokeFunction", f"{FUNCTION}DailyCheckFunction-1A2B", {"Responder", "Operator"}),
    ("lambda:InvokeFunction", f"{FUNCTION}WriteReportFunction-1A2B", {"Responder"}),
    ("lambda:InvokeFunction", f"{FUNCTION}ValidatePlanFunction-1A2B", {"Operator"}),
    ("lambda:InvokeFunction", f"{FUNCTION}AdvanceRestoresFunction-1A2B", NOBODY),
    ("appconfig:ListDeployments", f"{PLAN}/environment/e1", ALL),
    (
        "appconfig:GetHostedConfigurationVersion",
        f"{PLAN}/configurationprofile/p1/hostedconfigurationversion/3",
        ALL,
    ),
    ("appconfig:CreateHostedConfigurationVersion", f"{PLAN}/configurationprofile/p1", {"Operator"}),
    ("appconfig:StartDeployment", f"{PLAN}/environment/e1", {"Operator"}),
    ("appconfig:StartDeployment", PLAN.replace("abc1234", "other12"), NOBODY),
    ("sns:Publish", TOPIC, {"Operator"}),
    ("backup:ListRecoveryPointsByBackupVault", VAULT, ALL),
    ("backup:StartRestoreJob", f"arn:aws:ec2:{PLACE}:snapshot/snap-1", NOBODY),
    ("backup:StartRestoreJob", "arn:aws:backup:ap-northeast-1:111122223333:recovery-point:1", {"ByHand"}),
    ("backup:CreateRestoreAccessBackupVault", VAULT, {"ByHand"}),
    ("backup:DeleteBackupVault", f"{VAULT[:-4]}by-hand-production", {"ByHand"}),
    ("mpa:StartSession", "arn:aws:mpa:us-east-1:999900001111:approval-team/recovery", {"ByHand"}),
    ("iam:PassRole", "arn:aws:iam::444455556666:role/airlift-RestoreRole-1A2B", NOBODY),  # but to AWS Backup
]


def _resolved(value: Any) -> Any:
    match value:
        case {"Fn::Sub": text}:
            for name, given in VALUES.items():
                text = text.replace(f"${{{name}}}", given)
            return text
        case {"Fn::If": [_, given, _]}:
            return _resolved(given)
        case {"Ref": name}:
            return VALUES[name]
        case dict():
            return {key: _resolved(part) for key, part in value.items()}
        case list():
            return [_resolved(part) for part in value]
    return value


def _may(who: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
    statements = [
        statement
        for policy in {"Viewer", who}
        for statement in _resolved(properties(TEMPLATES["operators"], policy)["PolicyDocument"]["Statement"])
    ]
    return allows(statements, action, resource, context)


@pytest.mark.parametrize(("action", "resource", "allowed"), MAY)
def test_who_may(action: str, resource: str, allowed: set[str]) -> None:
    assert {who for who in ALL if _may(who, action, resource)} == allowed


def test_whoever_goes_by_the_card_passes_the_restore_role_to_aws_backup_alone() -> None:
    role = VALUES["RestoreRoleArn"]
    assert _may("ByHand", "iam:PassRole", role, {"iam:PassedToService": "backup.amazonaws.com"})
    assert not _may("ByHand", "iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"})
    assert not _may("ByHand", "iam:PassRole", f"{role}X", {"iam:PassedToService": "backup.amazonaws.com"})


def test_the_cards_calls_are_allowed_by_hand() -> None:
    """Each call of the offline card is one that the policy, or the viewer's, lets its user make."""
    plan = Plan.from_document(yaml_parse((ACCOUNTS.parent / "plans/example.yaml").read_text()))
    deployed = Deployed(f"{MACHINE}-recovery", VALUES["RestoreRoleArn"])
    page = card(plan, deployed, at=datetime(2026, 11, 24, tzinfo=UTC), version="1")
    calls = set(re.findall(r"aws (backup|mpa) ([a-z-]+) ", page))
    assert len(calls) > 6
    resources = {
        "start-restore-job": "arn:aws:backup:ap-northeast-1:111122223333:recovery-point:1",
        "get-session": "arn:aws:mpa:us-east-1:999900001111:session/recovery/1",
    }
    for service, operation in calls:
        action = f"{service}:{''.join(map(str.capitalize, operation.split('-')))}"
        assert _may("ByHand", action, resources.get(operation, f"{VAULT[:-4]}by-hand-production")), action


def test_responder_closes_access_of_airlift_only() -> None:
    ours = {"aws:ResourceTag/airlift:recovery": "r-20261001-111122223333-7f3a"}
    assert _may("Responder", "backup:DeleteBackupVault", VAULT, ours)
    assert not _may("Responder", "backup:DeleteBackupVault", VAULT)
    assert not _may("Operator", "backup:DeleteBackupVault", VAULT, ours)


@pytest.mark.parametrize("policy", sorted(ALL))
def test_policy_is_short_enough(policy: str) -> None:
    """Of a managed policy 6,144 characters, white space apart (reference_iam-quotas.html)."""
    document = _resolved(properties(TEMPLATES["operators"], policy)["PolicyDocument"])
    assert len(json.dumps(document, separators=(",", ":"))) < 5000  # longer names of stacks, tables, buckets fit in


def test_evidence_under_a_key_is_read_through_s3() -> None:
    through = {"kms:ViaService": "s3.ap-northeast-1.amazonaws.com"}
    assert _may("Viewer", "kms:Decrypt", VALUES["EvidenceKeyArn"], through)


def test_policies_name_what_the_stack_holds() -> None:
    stack = yaml_parse((ACCOUNTS.parent / "template.yaml").read_text())
    needed = {"LedgerTableName", "EvidenceBucketName", "WorkingBucketName", "PlanApplicationId", "RestoreRoleArn"}
    assert needed <= set(stack["Outputs"])
    assert {"DailyCheckFunction", "ValidatePlanFunction"} <= set(stack["Resources"])
    assert properties(stack, "PeopleTopic")["TopicName"] == {"Fn::Sub": "${AWS::StackName}-people"}
    assert properties(stack, "RecoveryStateMachine")["Name"] == {"Fn::Sub": "${AWS::StackName}-recovery"}


def test_an_emergency_user_has_nothing_of_its_own_and_needs_a_second_factor() -> None:
    template = TEMPLATES["break-glass"]
    for user in ("User1", "User2"):
        assert set(properties(template, user)) == {"UserName", "ManagedPolicyArns"}
    factor = properties(template, "SecondFactor")
    denied = factor["PolicyDocument"]["Statement"][-1]
    assert factor["Users"] == [{"Ref": "User1"}, {"Ref": "User2"}]
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
    assert not [action for action in denied["NotAction"] if action.split(":")[0] not in ("iam", "sts")]
