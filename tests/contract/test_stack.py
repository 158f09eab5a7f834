"""What is promised of the stack's resources: evidence that holds, a ledger that stays, nothing that is lost unseen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from checks.deployed import OPTIONS, deployed
from local.simulation.template import ROOT, translated
from tests.contract.accounts import holds

MADE = deployed().made
BUCKETS = MADE["AWS::S3::Bucket"]
MACHINES = ("recovery", "vault-recovery")


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_versioned_encrypted_private_and_takes_tls_only(bucket: str) -> None:
    properties = BUCKETS[bucket]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["BucketEncryption"]
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert properties["PublicAccessBlockConfiguration"] == dict.fromkeys(blocks, True)
    name = deployed().arns[bucket].rpartition(":")[2]
    (policy,) = (one for one in MADE["AWS::S3::BucketPolicy"].values() if one["Bucket"] == name)
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]


def test_evidence_is_locked_as_the_parameters_say_under_ones_own_key() -> None:
    evidence, template = BUCKETS["EvidenceBucket"], translated()
    given = {name: template["Parameters"][f"EvidenceLock{name}"]["Default"] for name in ("Mode", "Days")}
    retention = evidence["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert {name: str(value) for name, value in retention.items()} == {n: str(v) for n, v in given.items()}
    rule = template["Resources"]["EvidenceBucket"]["Properties"]["ObjectLockConfiguration"]["Rule"]
    assert rule["DefaultRetention"] == {name: {"Ref": f"EvidenceLock{name}"} for name in given}
    (encryption,) = evidence["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == OPTIONS["EvidenceKeyArn"]


@pytest.mark.parametrize("name", ["Ledger", "EvidenceBucket", "WorkingBucket"])
def test_what_a_recovery_knows_outlives_the_stack(name: str) -> None:
    resource = translated()["Resources"][name]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize(
    ("schedule", "account", "taken"),
    [("", "", True), ("rate(30 days)", "111122223333", True), ("rate(30 days)", "", False)],
)
def test_a_scheduled_drill_needs_its_account(schedule: str, account: str, taken: bool) -> None:
    (assertion,) = translated()["Rules"]["DrillHasAnAccount"]["Assertions"]
    assert holds(assertion["Assert"], {"DrillSchedule": schedule, "DrillAccount": account}) is taken


def test_the_ledger_is_protected_from_deletion_and_can_be_put_back() -> None:
    (ledger,) = MADE["AWS::DynamoDB::Table"].values()
    assert ledger["DeletionProtectionEnabled"] is True
    assert ledger["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_what_comes_by_itself_and_fails_lies_in_a_queue_that_has_an_alarm() -> None:
    arns = deployed().arns
    queue = arns["DeadLetters"]
    targets = [target for rule in MADE["AWS::Events::Rule"].values() for target in rule["Targets"]]
    assert len(targets) > 15
    assert {target["DeadLetterConfig"]["Arn"] for target in targets} == {queue}
    functions = {name for name in MADE["AWS::Lambda::Function"] if arns[name] in {t["Arn"] for t in targets}}
    # AdvanceRestores sends to this one; Lambda takes the invocation and may lose it.
    functions.add("SettleRestoreFunction")
    failed = {
        str(one["FunctionName"]): one["DestinationConfig"]["OnFailure"]["Destination"]
        for one in MADE["AWS::Lambda::EventInvokeConfig"].values()
    }
    assert failed == {arns[name].rpartition(":")[2]: queue for name in functions}
    (alarm,) = (one for one in MADE["AWS::CloudWatch::Alarm"].values() if one["Namespace"] == "AWS/SQS")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": queue.rpartition(":")[2]}]


def test_a_vault_whose_execution_is_not_started_for_a_throttle_is_tried_again() -> None:
    """By the names that Step Functions gives its own errors (connect-stepfunctions.html); else the vault is lost."""
    machine = json.loads((ROOT / "statemachine/recovery.asl.json").read_text())
    task = machine["States"]["RecoverVaults"]["ItemProcessor"]["States"]["RecoverVault"]
    names = {name for retry in task["Retry"] for name in retry["ErrorEquals"]}
    assert {"StepFunctions.ExecutionLimitExceeded", "StepFunctions.AWSStepFunctionsException"} <= names


def test_appconfig_may_have_plans_checked_whatever_it_tells_of_the_caller() -> None:
    """No source is asked for, which no documentation promises; so whoever calls from outside must gain nothing."""
    permission = MADE["AWS::Lambda::Permission"]["ValidatePlanPermission"]
    assert permission["Principal"] == "appconfig.amazonaws.com"
    assert not {key for key in permission if key.startswith("Source")}
    assert deployed().roles()["ValidatePlanFunctionRole"] == []


@pytest.mark.parametrize("machine", MACHINES)
def test_every_task_has_a_time_out_is_tried_again_when_throttled_and_fails_to_a_named_end(machine: str) -> None:
    definition = json.loads((ROOT / f"statemachine/{machine}.asl.json").read_text(encoding="utf-8"))
    tasks = dict(_tasks(definition["States"]))
    assert len(tasks) >= 4
    for name, task in tasks.items():
        assert "TimeoutSeconds" in task, name
        assert any("States.ALL" in one["ErrorEquals"] for one in task["Catch"]), name
        if task["Resource"].endswith("lambda:invoke"):
            throttled = next(one for one in task["Retry"] if "Lambda.TooManyRequestsException" in one["ErrorEquals"])
            assert (throttled["JitterStrategy"], _seconds(throttled) >= 900) == ("FULL", True), name


def _tasks(states: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [(name, state) for name, state in states.items() if state["Type"] == "Task"]
    inner = [state["ItemProcessor"]["States"] for state in states.values() if state["Type"] == "Map"]
    return found + [task for each in inner for task in _tasks(each)]


def _seconds(retry: dict[str, Any]) -> float:
    """How long it is tried again on average: with full jitter a wait is half of what it is at most."""
    waits = (float(retry["IntervalSeconds"] * retry["BackoffRate"] ** n) for n in range(retry["MaxAttempts"]))
    longest = float(retry["MaxDelaySeconds"])
    return sum(min(wait, longest) for wait in waits) / 2
