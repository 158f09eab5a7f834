"""The checker: each contradiction is found at its place, and a sound plan has none."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
import validate_plan
from airlift.documents import Problem
from airlift.errors import PlanInvalid
from airlift.plan import Plan
from airlift.plan_check import check, check_json, what_is_not_covered
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_plan import json_values

REGION = "ap-northeast-1"


def vault(name: str = "airgapped", account: str = "111122223333", region: str = REGION) -> dict[str, Any]:
    team = "arn:aws:mpa:us-east-1:999900001111:approval-team/recovery"
    return {"arn": f"arn:aws:backup:{region}:{account}:backup-vault:{name}", "approvalTeamArn": team}


def alarm(account: str = "111122223333", sender: str = "777788889999") -> dict[str, Any]:
    arn = f"arn:aws:cloudwatch:{REGION}:{sender}:alarm:deletions"
    return {"arn": arn, "account": account, "allow": "request"}


def plan(**fields: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "accounts": [{"id": "111122223333", "vaults": [vault()]}],
        "detectors": ["777788889999"],
        "triggers": {"guardDuty": {"allow": "request"}},
        "waves": [{"name": "all", "match": [{"types": ["DynamoDB", "S3", "EBS", "EFS"]}]}],
        "targets": {"defaults": {"availabilityZones": [REGION + "a"], "subnetIds": ["subnet-1"]}},
    } | fields


def waves(*matches: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return plan(waves=[{"name": f"w{i}", "match": [match]} | fields for i, match in enumerate(matches)])


def targets(types: dict[str, Any] | None = None, **defaults: Any) -> dict[str, Any]:
    base = {"availabilityZones": [REGION + "a"], "subnetIds": ["subnet-1"]}
    return plan(targets={"defaults": base | defaults, "types": types or {}})


def resource(arn: str, types: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    document = targets(types)
    return document | {"targets": document["targets"] | {"resources": [{"arn": arn} | settings]}}


def team(arn: str | None) -> dict[str, Any]:
    one = vault()
    one.pop("approvalTeamArn")
    return plan(accounts=[{"id": "111122223333", "vaults": [one | ({"approvalTeamArn": arn} if arn else {})]}])


A_WAVE = {"name": "a", "match": [{"names": ["a"]}]}


def follow(**after: Any) -> dict[str, Any]:
    """Waves of these names, each after those given; None: by default."""
    named = [{"name": name, "match": [{"names": [name]}]} for name in after]
    return plan(waves=[w | ({"after": a} if a is not None else {}) for w, a in zip(named, after.values(), strict=True)])


TWICE = {"id": "111122223333", "vaults": [vault()]}

CASES: list[tuple[dict[str, Any], str, str, str]] = [
    (plan(accounts=[TWICE, TWICE | {"vaults": [vault("bb")]}]), "accounts[1].id", "error", "listed twice"),
    (plan(accounts=[TWICE | {"vaults": [vault(), vault()]}]), "accounts[0].vaults[1].arn", "error", "listed twice"),
    (
        plan(accounts=[TWICE | {"vaults": [vault(account="444455556666")]}]),
        "accounts[0].vaults[0].arn",
        "error",
        "belongs to account 444455556666, not to 111122223333",
    ),
    (team(None), "accounts[0].vaults[0]", "warning", "Add approvalTeamArn."),
    (
        team("arn:aws:mpa:eu-west-1:999900001111:approval-team/r"),
        "accounts[0].vaults[0].approvalTeamArn",
        "error",
        "Teams exist in us-east-1 only",
    ),
    (
        team("arn:aws:mpa:us-east-1:111122223333:approval-team/r"),
        "accounts[0].vaults[0].approvalTeamArn",
        "warning",
        "an attacker may hold",
    ),
    (plan(accounts=[TWICE | {"vaults": [vault(), vault(region="us-west-2")]}]), "accounts", "warning", "us-west-2"),
    (plan(accounts=[TWICE | {"vaults": [vault(region="us-west-2")]}]), "accounts", "error", "where this stack is"),
    (plan(detectors=["111122223333"]), "detectors[0]", "error", "protected account"),
    (plan(detectors=["777788889999"] * 2), "detectors[1]", "error", "listed twice"),
    (plan(detectors=[]), "detectors", "error", "no event is believed"),
    (plan(triggers={}), "triggers", "warning", "only a person can start"),
    (
        plan(triggers={"guardDuty": {"allow": "request", "minimumSeverity": 2.5}}),
        "triggers.guardDuty.minimumSeverity",
        "warning",
        "severity 2.5 come daily",
    ),
    (plan(triggers={"alarms": [alarm("444455556666")]}), "triggers.alarms[0].account", "error", "not under accounts"),
    (plan(triggers={"alarms": [alarm(sender="444455556666")]}), "triggers.alarms[0].arn", "error", "not believed"),
    (plan(triggers={"alarms": [alarm(), alarm()]}), "triggers.alarms[1].arn", "error", "listed twice"),
    (waves({"types": ["S3"]}, {"types": ["EFS"]}, name="a"), "waves[1].name", "error", "twice"),
    (waves({"types": ["S3"]}, name="unmatched"), "waves[0].name", "error", "another name"),
    (waves({"types": ["S3"]}, {"types": ["S3"], "names": ["x"]}), "waves[1].match", "warning", "Earlier waves"),
    (
        follow(a=["b"], b=["a"]),
        "waves[0].after",
        "error",
        "wait for each other: a, b, a. A wave without after follows all earlier ones",
    ),
    (follow(a=["b"], b=None), "waves[0].after", "error", "wait for each other"),
    (follow(a=["a"]), "waves[0].after", "error", "wait for each other: a, a."),
    (follow(tables=[], volumes=["table"]), "waves[1].after[0]", "error", 'called table. Did you mean "tables"?'),
    (
        plan(waves=[A_WAVE | {"halt": {"resources": [{"types": ["Dynamodb"]}]}}]),
        "waves[0].halt.resources[0].types[0]",
        "error",
        '"DynamoDB"?',
    ),
    (plan(limits={"DynamoDb": 1}), "limits.DynamoDb", "error", '"DynamoDB"?'),
    (waves({"types": ["DynamoDb"]}), "waves[0].match[0].types[0]", "error", 'Did you mean "DynamoDB"?'),
    (waves({"types": ["RDS"]}), "waves[0].match[0].types[0]", "warning", "Nothing of type RDS can come back"),
    (waves({"types": ["EKS"]}), "targets.types.EKS", "error", "names no cluster to restore"),
    (targets({"FSx": {}}), "targets.types.FSx", "warning", "no ActiveDirectoryId for FSx for Windows File Server"),
    (targets({"FSx": {}}, subnetIds=None), "targets.types.FSx", "error", "FSx for Lustre of deployment type"),
    (targets({"FSx": {"fileSystemType": "NTFS"}}), "targets.types.FSx", "error", "write one of WINDOWS, LUSTRE"),
    (
        targets({"FSx": {"metadata": {"lustreConfiguration": {"PerUnitThroughput": 100}}}}),
        "targets.types.FSx.metadata.lustreConfiguration.PerUnitThroughput",
        "error",
        'Did you mean "PerUnitStorageThroughput"?',
    ),
    (
        targets({"EKS": {"clusterName": "spare", "metadata": {"nodeGroups": [{"nodeGroupName": "workers"}]}}}),
        "targets.types.EKS.metadata.nodeGroups.nodeGroupName",
        "error",
        'Did you mean "nodeGroupId"?',
    ),
    (waves({"types": ["Mainframe"]}), "waves[0].match[0].types[0]", "warning", "knows no resource type Mainframe"),
    (waves({"types": ["S3"]}, priority=[{"types": ["s3"]}]), "waves[0].priority[0].types[0]", "error", '"S3"?'),
    (plan(exclude=[{"types": ["ebs"]}]), "exclude[0].types[0]", "error", '"EBS"?'),
    (targets({"efs": {}}), "targets.types.efs", "error", '"EFS"?'),
    (targets({"RDS": {}}), "targets.types.RDS", "warning", "RDS"),
    (targets(metadata={"encrypted": True}), "targets.defaults.metadata", "error", "Move it to targets.types"),
    (targets({"EBS": {"metadata": {"volumTyp": "gp3"}}}), "targets.types.EBS.metadata.volumTyp", "error", "volumeType"),
    (targets({"EFS": {"metadata": {"zzzzzzzzzz": "1"}}}), "targets.types.EFS.metadata.zzzzzzzzzz", "error", "It takes"),
    (
        targets({"EFS": {"metadata": {"Encrypted": True, "encrypted": True}}}),
        "targets.types.EFS.metadata.encrypted",
        "error",
        "same key",
    ),
    (targets({"EBS": {"volumeType": "gp3"}}), "targets.types.EBS.volumeType", "error", "Write it under metadata."),
    (targets({"EFS": {"subnetId": ["a"]}}), "targets.types.EFS.subnetId", "error", '"subnetIds"?'),
    (targets(subnetIds="subnet-1"), "targets.defaults.subnetIds", "error", "A list of texts"),
    (targets(subnetIds=[1]), "targets.defaults.subnetIds", "error", "A list of texts"),
    (
        targets({"DynamoDB": {"deletionProtection": "yes"}}),
        "targets.types.DynamoDB.deletionProtection",
        "error",
        "true",
    ),
    (
        targets(kmsKeyId="arn:aws:kms:ap-northeast-1:111122223333:key/1"),
        "targets.defaults.kmsKeyId",
        "error",
        "Use a key of the recovery account.",
    ),
    (targets(availabilityZones=["us-west-2a"]), "targets.defaults.availabilityZones", "error", "Name zones of"),
    (targets(availabilityZones=None), "targets.types.EBS", "error", "vailabilityZone"),
    (targets(copySourceTags="yes"), "targets.defaults.copySourceTags", "error", "true or false"),
    (targets(tags={"stage": 1}), "targets.defaults.tags", "error", "A map of texts to texts"),
    (targets(tags={"AWS:stage": "1"}), "targets.defaults.tags.AWS:stage", "error", "another key"),
    (targets(tags={"a" * 129: "1"}), f"targets.defaults.tags.{'a' * 129}", "error", "1 to 128 characters"),
    (targets(tags={f"t{i}": "" for i in range(41)}), "targets.defaults.tags", "error", "41 tags are too many"),
    (targets(validationFunction="check-orders"), "targets.defaults.validationFunction", "error", "airlift-validate-"),
    (targets({"Aurora": {"instances": True}}), "targets.types.Aurora.instances", "error", "A whole number"),
    (targets({"Aurora": {"instances": 17}}), "targets.types.Aurora.instances", "error", "at most 16"),
    (
        targets({"Neptune": {"serverlessV2ScalingConfiguration": {"MinCapacity": "1", "MaxCapacity": 4}}}),
        "targets.types.Neptune.serverlessV2ScalingConfiguration",
        "error",
        "A map of texts to numbers",
    ),
    (
        targets({"Neptune": {"serverlessV2ScalingConfiguration": {"MinCapacity": 0.5}}}),
        "targets.types.Neptune.serverlessV2ScalingConfiguration",
        "error",
        "Give both",
    ),
    (
        targets({"DocumentDB": {"metadata": {"engineMode": "serverless"}}}),
        "targets.types.DocumentDB.metadata.engineMode",
        "error",
        "no such metadata",
    ),
    (targets({"Aurora": {}}, subnetIds=["subnet-1"]), "targets.types.Aurora", "error", "at least two"),
    (targets({"Timestream": {}}), "targets.types.Timestream", "error", "names no database"),
    (targets({"EC2": {}}), "targets.types.EC2", "error", "securityGroupIds of an isolated network"),
    (
        targets({"EC2": {"metadata": {"VpcId": "vpc-1"}}}),
        "targets.types.EC2.metadata.VpcId",
        "error",
        "takes no such metadata",
    ),
    (
        targets({"VirtualMachine": {}}, securityGroupIds=["sg-1"]),
        "targets.types.VirtualMachine",
        "error",
        "InstanceTyp",
    ),
    (waves({"types": ["Storage Gateway"]}, {"types": ["Gateway"]}), "waves[1].match[0].types[0]", "warning", "Gateway"),
    (targets({"RDS": {}}, subnetIds=[]), "targets.types.EFS", "warning", "no network"),
    (targets(subnetIds=[]), "targets.types.EFS", "warning", "no network"),
    (
        plan(targets={"resources": [{"arn": "*", "metadata": {"nope": "1"}}]}),
        "targets.resources[0].metadata.nope",
        "error",
        "no such metadata",
    ),
    (
        resource(f"arn:aws:dynamodb:{REGION}:111122223333:table/orders", metadata={"TableName": "orders"}),
        "targets.resources[0].metadata.TableName",  # Timestream has such a key
        "error",
        'A restore of DynamoDB takes no such metadata. Did you mean "targetTableName"?',
    ),
    (
        resource("arn:aws:elasticfilesystem:*:*:file-system/*", streamViewType="KEYS_ONLY"),
        "targets.resources[0].streamViewType",
        "error",
        "A restore of EFS knows no such option.",
    ),
    (
        resource("arn:aws:ec2:*:111122223333:*", metadata={"volumeType": "gp3"}),
        "targets.resources[0]",
        "warning",
        "EC2: A restore of EC2 takes no metadata key 'volumeType'.",
    ),
    (
        resource("arn:aws:ec2:*:111122223333:volume/vol-1", availabilityZones=None),
        "targets.resources[0]",
        "error",
        "EBS: The plan names no Availability Zone for the volume arn:aws:ec2:*:111122223333:volume/vol-1",
    ),
    (resource("arn:aws:sqs:*:*:orders"), "targets.resources[0].arn", "warning", "No resource that Airlift restores"),
    (
        resource("arn:aws:timestream:*:*:database/a/table/*", types={"Timestream": {}}, database="spare"),
        "targets.types.Timestream",
        "warning",
        "names no database",
    ),
    (plan(points={"marginMinutes": 0}), "points.marginMinutes", "warning", "first minutes"),
    (plan(points={"statuses": ["PARTIAL"]}), "points.statuses", "warning", "nested points"),
    (plan(objectives={"rpoMinutes": 5}), "objectives.rpoMinutes", "warning", "points are taken 15 before"),
    (plan(notifications={"remindAtFractions": [0.9, 0.5]}), "notifications.remindAtFractions", "error", "ascend"),
    (plan(version=3), "version", "error", "Only 1"),
]


def test_a_sound_plan_has_no_problem() -> None:
    assert check(plan(), region=REGION) == []
    options: dict[str, Any] = {
        "copySourceTags": True,
        "tags": {"stage": "recovery"},
        "validationFunction": "airlift-validate-orders",
    }
    assert check(targets(**options)) == []
    assert check(plan(exclude=[{"types": ["*"]}], triggers={"alarms": [alarm()]})) == []
    assert check(waves({"types": ["*"]}, {"types": ["E?S"], "names": ["a"]})) == []


def test_what_a_type_lacks_is_told_beside_the_mistakes_in_another() -> None:
    problems = check(targets({"EFS": {"metadata": {"perfmode": "x"}}, "Timestream": {}}), region=REGION)
    errors = [problem.where for problem in problems if problem.severity == "error"]
    assert errors == ["targets.types.EFS.metadata.perfmode", "targets.types.Timestream"]


@pytest.mark.parametrize(("document", "where", "severity", "words"), CASES, ids=[f"{c[1]}-{c[3]}" for c in CASES])
def test_each_problem_is_found_at_its_place(document: dict[str, Any], where: str, severity: str, words: str) -> None:
    problems = check(document, region=REGION)
    found = [p for p in problems if p.where == where and p.severity == severity and words in str(p)]
    assert found, [str(problem) for problem in problems]


def test_the_region_is_looked_at_only_if_it_is_known() -> None:
    document = plan(
        accounts=[{"id": "111122223333", "vaults": [vault(region="us-west-2")]}],
        targets={"defaults": {"availabilityZones": ["us-west-2a"], "subnetIds": ["subnet-1"]}},
    )
    assert check(document) == []
    assert check(document, region="us-west-2") == []


@given(st.sampled_from([*plan(), "targets", "exclude", "points", "objectives"]), json_values)
def test_any_document_is_checked(field: str, value: Any) -> None:
    assert all(isinstance(problem, Problem) and problem.remedy for problem in check(plan(**{field: value})))


@given(st.dictionaries(st.sampled_from(["metadata", "kmsKeyId", "subnetIds", "availabilityZones"]), json_values))
def test_any_settings_are_checked(settings: dict[str, Any]) -> None:
    for place in ({"defaults": settings}, {"types": {"EBS": settings}}, {"resources": [{"arn": "*"} | settings]}):
        check(plan(targets=place))


def test_what_is_not_covered_names_what_the_plan_leaves_out() -> None:
    text = "\n".join(
        what_is_not_covered(
            Plan.from_document(waves({"types": ["S3"]}) | {"exclude": [{"names": ["a*", "b"], "reason": "old"}]})
        )
    )
    assert "CloudWatch alarms start nothing." in text
    assert "GuardDuty" not in text
    assert "Left alone: names a* or b (old)." in text
    assert "DynamoDB is named by no wave" in text
    assert "If the vaults hold VirtualMachine: The plan names no securityGroupIds" in text
    assert "S3 is named by no wave" not in text
    assert "If the vaults hold FSx: The plan gives no storageVirtualMachineId for FSx for NetApp ONTAP" in text
    assert "RDS is not recovered: " in text


def event(text: str | bytes) -> dict[str, Any]:
    content = base64.b64encode(text.encode() if isinstance(text, str) else text).decode()
    return {"applicationId": "a", "configurationProfileId": "p", "content": content, "uri": ""}


CONTEXT: Any = SimpleNamespace(
    function_name="validate_plan",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:ap-northeast-1:444455556666:function:validate_plan",
    aws_request_id="1",
)


def test_the_validator_takes_a_plan_that_has_only_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", REGION)
    document = plan(points={"marginMinutes": 0})
    assert [p.severity for p in check(document)] == ["warning"]
    validate_plan.handler(event(json.dumps(document)), CONTEXT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps(plan(detectors=[])), "no event is believed"),
        (json.dumps(plan(accounts=[])), "accounts: At least 1"),
        ("{", "JSON"),
        (b"\xff", "JSON"),
    ],
)
def test_the_validator_refuses_a_broken_plan(monkeypatch: pytest.MonkeyPatch, text: str | bytes, words: str) -> None:
    monkeypatch.setenv("AWS_REGION", REGION)
    assert check_json(text)
    with pytest.raises(PlanInvalid, match=words):
        validate_plan.handler(event(text), CONTEXT)
