"""What the deployed stack refuses: bad input by name, a bad plan by its validator, and everything IAM forbids."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from local.cloud import accounts
from local.cloud.running import PRODUCTION, RECOVERY, REGION
from tests.e2e.desk import PLAN, until

if TYPE_CHECKING:
    from tests.e2e.desk import Desk

ROLE = f"airlift-request-vault-access-{REGION}"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        (
            {"sourceBackupVaultArn": f"arn:aws:backup:{REGION}:{PRODUCTION}:backup-vault:other"},
            "VaultNotInPlan",
            "other",
        ),
        ({"sourceBackupVaultArn": "production"}, "InvalidInput", "sourceBackupVaultArn"),
        ({"raeson": "a slip"}, "InvalidInput", "reason"),
        ({"firstSign": "yesterday"}, "InvalidInput", "firstSign"),
    ],
)
def test_wrong_console_input_ends_by_name_and_nobody_is_asked(
    desk: Desk, changes: dict[str, str], error: str, words: str
) -> None:
    asked = len(desk.story.requests())
    ended = desk.ended(desk.console(desk.sample("console-minimal", **changes)))
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert words in ended["cause"]
    assert len(desk.story.requests()) == asked


def test_an_event_that_may_start_nothing_is_ignored(desk: Desk) -> None:
    known = desk.executions()
    desk.story.send_finding(severity=4.5)
    newest = until(lambda: found[0] if len(found := desk.executions()) > len(known) else None, "an execution")
    ended = desk.ended(newest)
    assert ended["status"] == "SUCCEEDED"
    assert ended["output"]["outcome"] == "ignored"


def test_the_bus_takes_findings_from_nobody_but_the_detectors(desk: Desk) -> None:
    known = desk.executions()
    accounts.forward_findings(desk.cloud, PRODUCTION)
    desk.story.send_finding(PRODUCTION)
    desk.story.send_finding(severity=2)  # the rule lets this one pass by its type, and the plan ignores it
    until(lambda: len(desk.executions()) > len(known), "the detector's finding")
    assert len(desk.executions()) == len(known) + 1


def test_appconfig_refuses_a_plan_that_the_validator_refuses(desk: Desk) -> None:
    stack = desk.cloud.client("cloudformation", RECOVERY).describe_stacks(StackName="airlift")["Stacks"][0]
    output = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    client = desk.cloud.client("appconfig", RECOVERY)
    plan = json.loads(PLAN.read_text()) | {"detectors": [PRODUCTION]}
    profile = {
        "ApplicationId": output["PlanApplicationId"],
        "ConfigurationProfileId": output["PlanConfigurationProfileId"],
    }
    version = client.create_hosted_configuration_version(
        **profile, Content=json.dumps(plan).encode(), ContentType="application/json"
    )["VersionNumber"]
    with pytest.raises(ClientError) as refused:
        client.start_deployment(
            **profile,
            EnvironmentId=output["PlanEnvironmentId"],
            DeploymentStrategyId=output["PlanDeploymentStrategyId"],
            ConfigurationVersion=str(version),
        )
    assert refused.value.response["Error"]["Code"] == "BadRequestException"
    assert PRODUCTION in str(refused.value)
    assert json.loads(desk.airlift("plan", "show").stdout)["plan"] == json.loads(PLAN.read_text())


def test_iam_holds_the_functions_to_their_roles(desk: Desk) -> None:
    iam = desk.cloud.client("iam", RECOVERY)
    denied = {"Effect": "Deny", "Action": "mpa:StartSession", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    iam.put_role_policy(RoleName=ROLE, PolicyName="test-denies", PolicyDocument=policy)
    try:
        asked = len(desk.story.requests())
        ended = desk.ended(desk.console(desk.sample("console-latest")))
    finally:
        iam.delete_role_policy(RoleName=ROLE, PolicyName="test-denies")
    assert ended["status"] == "FAILED"
    assert "mpa:StartSession" in ended["cause"]
    assert len(desk.story.requests()) == asked
