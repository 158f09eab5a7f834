"""Word of tampering: the rules against calls as CloudTrail tells them, with near misses, and the way to people."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from local.simulation.patterns import matches
from local.simulation.template import Made, Stack
from local.simulation.world import Simulation
from tests.contract.accounts import TEMPLATES, resources

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = "arn:aws:sns:ap-northeast-1:777788889999:airlift-tampering"
ACCOUNT = "444455556666"
RECOVERY = f"arn:aws:states:ap-northeast-1:{ACCOUNT}:execution:airlift-recovery:r-1"
OF_A_VAULT = RECOVERY.replace("recovery:", "vault-recovery:")
MACHINE = f"arn:aws:states:ap-northeast-1:{ACCOUNT}:stateMachine:airlift-recovery"
PEOPLE = f"arn:aws:sns:ap-northeast-1:{ACCOUNT}:airlift-people"
OTHER_MACHINE = f"arn:aws:states:ap-northeast-1:{ACCOUNT}:execution:billing:r-1"
CLOUDFORMATION, BACKUP = "cloudformation.amazonaws.com", "backup.amazonaws.com"
FUNCTION = "airlift-AdvanceRestoresFunction-0A1B2C3D4E5F"
FUNCTION_ARN = f"arn:aws:lambda:ap-northeast-1:{ACCOUNT}:function:{FUNCTION}"


def called(source: str, name: str, parameters: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One call, as CloudTrail tells it on the default bus (eventbridge/latest/userguide/eb-ct-api-tutorial.html)."""
    who = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/eve", "accountId": ACCOUNT, "userName": "eve"}
    detail = {
        "eventVersion": "1.11",
        "userIdentity": who,
        "eventTime": "2026-10-01T02:14:07Z",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": "ap-northeast-1",
        "sourceIPAddress": "203.0.113.7",
        "requestParameters": parameters,
        "responseElements": None,
        "eventID": "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        **more,
    }
    kind = "AWS API Call via CloudTrail"
    return {"source": f"aws.{source}", "detail-type": kind, "account": ACCOUNT, "detail": detail}


def by_role(arn: str) -> dict[str, Any]:
    """Who calls, when a role does."""
    return {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"type": "Role", "arn": arn}}}


@pytest.fixture(scope="module")
def deployed() -> Iterator[Simulation]:
    with Simulation(parameters={"TamperTopicArn": ELSEWHERE}) as sim:
        yield sim


@pytest.fixture
def names(deployed: Simulation) -> dict[str, str]:
    """Names of what the stack made."""
    outputs = deployed.outputs
    close, advance = (deployed.lambdas.named(name) for name in ("close_recovery", "advance_restores"))
    return {
        "evidence": outputs["EvidenceBucketName"],
        "working": outputs["WorkingBucketName"],
        "ledger": outputs["LedgerTableName"],
        "closer": close.role_arn,
        "starter": advance.role_arn,
        "requester": deployed.lambdas.named("request_vault_access").role_arn,
        "plan": outputs["PlanApplicationId"],
    }


def told_by(sim: Simulation, event: dict[str, Any]) -> list[str]:
    """Logical ids of the tampering rules that match."""
    bus = sim.events.bus(f"arn:aws:events:{sim.region}:{sim.account}:event-bus/default")
    rules = {name: rule for name, rule in bus.rules.items() if "-Tampered" in name}
    assert len(rules) == 4
    return [name.split("-")[1] for name, rule in rules.items() if matches(rule.pattern.get_pattern(), event)]


TOLD = [
    ("TamperedExecutions", "states", "StopExecution", {"executionArn": RECOVERY}),
    ("TamperedExecutions", "states", "StopExecution", {"executionArn": OF_A_VAULT}),
    ("TamperedExecutions", "backup", "DeleteBackupVault", {"backupVaultName": "airlift-r-1"}),
    ("TamperedExecutions", "backup", "StartRestoreJob", {"recoveryPointArn": "arn:aws:backup:r:1:recovery-point:x"}),
    ("TamperedExecutions", "backup", "StartCopyJob", {"sourceBackupVaultName": "airlift-r-1"}),
    ("TamperedExecutions", "backup", "CreateBackupAccessPoint", {"recoveryPointArn": "x"}),
    ("TamperedExecutions", "backup", "CreateRestoreAccessBackupVault", {"backupVaultName": "mine"}),
    ("TamperedWatch", "events", "DeleteRule", {"name": "airlift-RecoveryStateMachineGuardDutyFinding-0A1B"}),
    ("TamperedWatch", "events", "DisableRule", {"name": "airlift-TamperedWatch-0A1B", "eventBusName": "default"}),
    ("TamperedWatch", "events", "RemoveTargets", {"rule": "airlift-TamperedWatch-0A1B", "ids": ["people"]}),
    ("TamperedWatch", "events", "RemovePermission", {"eventBusName": "airlift-incidents", "statementId": "x"}),
    ("TamperedWatch", "sns", "Unsubscribe", {"subscriptionArn": f"{PEOPLE}:1"}),
    ("TamperedWatch", "sns", "SetSubscriptionAttributes", {"subscriptionArn": f"{PEOPLE}:1"}),
    ("TamperedWatch", "monitoring", "DisableAlarmActions", {"alarmNames": ["airlift-DeadLettersAlarm-0A1B"]}),
    ("TamperedWatch", "cloudtrail", "StopLogging", {"name": "trail"}),
    ("TamperedCode", "appconfig", "StartDeployment", {"applicationId": "{plan}", "configurationVersion": "2"}),
    ("TamperedCode", "appconfig", "CreateHostedConfigurationVersion", {"applicationId": "{plan}"}),
    ("TamperedCode", "states", "UpdateStateMachine", {"stateMachineArn": MACHINE}),
    ("TamperedCode", "lambda", "UpdateFunctionCode20150331v2", {"functionName": FUNCTION}),
    ("TamperedCode", "lambda", "UpdateFunctionConfiguration20150331v2", {"functionName": FUNCTION_ARN}),
    ("TamperedCode", "lambda", "AddPermission20150331v2", {"functionName": "airlift-validate-orders"}),
    ("TamperedCode", "cloudformation", "ExecuteChangeSet", {"stackName": "airlift"}),
    ("TamperedEvidence", "s3", "PutBucketLifecycle", {"bucketName": "{evidence}"}),
    ("TamperedEvidence", "s3", "PutBucketObjectLockConfiguration", {"bucketName": "{evidence}"}),
    ("TamperedEvidence", "s3", "DeleteBucketPolicy", {"bucketName": "{working}"}),
    ("TamperedEvidence", "dynamodb", "UpdateTable", {"tableName": "{ledger}"}),
    ("TamperedEvidence", "logs", "DeleteLogGroup", {"logGroupName": "/airlift/airlift/functions"}),
    ("TamperedEvidence", "kms", "ScheduleKeyDeletion", {"keyId": "0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9"}),
    ("TamperedEvidence", "kms", "DisableKey", {"keyId": "0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9"}),
]  # fmt: skip


def filled(parameters: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {key: value.format(**names) if isinstance(value, str) else value for key, value in parameters.items()}


@pytest.mark.parametrize(("rule", "source", "name", "parameters"), TOLD)
def test_tampering_is_told_once_and_a_refused_try_too(
    deployed: Simulation, names: dict[str, str], rule: str, source: str, name: str, parameters: dict[str, Any]
) -> None:
    given = filled(parameters, names)
    assert told_by(deployed, called(source, name, given)) == [rule]
    assert told_by(deployed, called(source, name, given, errorCode="AccessDenied")) == [rule]
    assumed = by_role(f"arn:aws:iam::{ACCOUNT}:role/airlift-eve")
    assert told_by(deployed, called(source, name, given, userIdentity=assumed)) == [rule]


@pytest.mark.parametrize(
    ("source", "name", "parameters", "more"),
    [
        ("states", "StopExecution", {"executionArn": OTHER_MACHINE}, {}),
        ("states", "StartExecution", {"stateMachineArn": "airlift-recovery"}, {}),
        ("states", "StopExecution", {"executionArn": RECOVERY}, {"userIdentity": by_role("{closer}")}),
        ("backup", "DeleteBackupVault", {"backupVaultName": "x"}, {"userIdentity": by_role("{closer}")}),
        ("backup", "CreateRestoreAccessBackupVault", {}, {"userIdentity": by_role("{requester}")}),
        ("backup", "StartRestoreJob", {}, {"userIdentity": by_role("{starter}")}),
        ("backup", "StartRestoreJob", {}, {"userIdentity": {"type": "AWSService", "invokedBy": BACKUP}}),
        ("backup", "StartBackupJob", {}, {}),
        ("events", "DeleteRule", {"name": "billing"}, {}),
        ("events", "PutRule", {"name": "StepFunctionsGetEventsForStepFunctionsExecutionRule"}, {}),
        ("sns", "Subscribe", {"topicArn": "airlift-people"}, {}),
        ("lambda", "UpdateFunctionCode20150331v2", {"functionName": "billing"}, {}),
        ("lambda", "UpdateFunctionCode20150331v2", {"functionName": FUNCTION}, {"sourceIPAddress": CLOUDFORMATION}),
        ("s3", "PutBucketLifecycle", {"bucketName": "billing"}, {}),
        ("s3", "CreateBucket", {"bucketName": "table-r-20261001-111122223333-0a1b-1"}, {}),
        ("dynamodb", "UpdateTable", {"tableName": "orders-r-20261001-111122223333-0a1b-1"}, {}),
        ("kms", "CreateGrant", {"keyId": "x"}, {}),
    ],
)
def test_what_is_ordinary_is_not_told(
    deployed: Simulation,
    names: dict[str, str],
    source: str,
    name: str,
    parameters: dict[str, Any],
    more: dict[str, Any],
) -> None:
    event = called(source, name, parameters, **more)
    if session := event["detail"]["userIdentity"].get("sessionContext"):
        event["detail"]["userIdentity"] = by_role(session["sessionIssuer"]["arn"].format(**names))
    assert told_by(deployed, event) == []


def test_people_and_the_other_account_get_words(deployed: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []
    topics = SimpleNamespace(publish=lambda TopicArn, Message: sent.append((TopicArn, Message)))  # noqa: N803 (SNS's)
    monkeypatch.setattr(deployed, "client", lambda _service: topics)
    event = called("states", "StopExecution", {"executionArn": RECOVERY}, errorCode="AccessDenied")
    deployed.events.deliver(deployed.account, deployed.region, event)
    deployed.run(5)
    assert {topic for topic, _ in sent} == {deployed.outputs["PeopleTopicArn"], ELSEWHERE}
    for _, words in sent:
        assert f"StopExecution (states.amazonaws.com) by arn:aws:iam::{ACCOUNT}:user/eve from 203.0.113.7" in words
        assert "AccessDenied" in words
        assert "docs/runbook.md" in words


IAM = TEMPLATES["tampering"]


def of_iam() -> dict[str, Any]:
    """The pattern of the rule in us-east-1, resolved."""
    (rule,) = resources(IAM, "AWS::Events::Rule").values()
    pseudo = {"AWS::Partition": "aws", "AWS::AccountId": ACCOUNT}
    stack = Stack(IAM, pseudo, {"TamperTopicArn": ELSEWHERE}, lambda *_: Made(""))
    pattern = stack.resolve(rule["Properties"]["EventPattern"])
    assert isinstance(pattern, dict)
    return pattern


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("PutRolePolicy", {"roleName": "airlift-RestoreRole-0A1B", "policyName": "x"}, True),
        ("UpdateAssumeRolePolicy", {"roleName": "airlift-request-vault-access-ap-northeast-1"}, True),
        ("CreatePolicyVersion", {"policyArn": f"arn:aws:iam::{ACCOUNT}:policy/airlift-viewer-ap-northeast-1"}, True),
        ("CreateAccessKey", {"userName": "airlift-break-glass-1"}, True),
        ("DetachUserPolicy", {"userName": "airlift-break-glass-1", "policyArn": "arn:aws:iam::1:policy/x"}, True),
        (
            "CreatePolicyVersion",
            {"policyArn": f"arn:aws:iam::{ACCOUNT}:policy/airlift-break-glass-second-factor"},
            True,
        ),
        ("UpdateSAMLProvider", {"sAMLProviderArn": "x"}, True),
        ("PutRolePolicy", {"roleName": "billing", "policyName": "x"}, False),
        ("CreatePolicyVersion", {"policyArn": f"arn:aws:iam::{ACCOUNT}:policy/billing"}, False),
        ("TagRole", {"roleName": "airlift-RestoreRole-0A1B"}, False),
    ],
)
def test_changes_of_roles_are_told_in_us_east_1(name: str, parameters: dict[str, Any], expected: bool) -> None:
    assert matches(of_iam(), called("iam", name, parameters)) is expected
    by_stack = called("iam", name, parameters, sourceIPAddress=CLOUDFORMATION)
    assert matches(of_iam(), by_stack) is expected
