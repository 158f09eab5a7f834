"""Templates in accounts/: what they promise each other, Airlift's own stack, the samples and the guide."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.events.models import EventPattern
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local.aws.mpa.policies import VERSIONS
from tests.contract.test_triggers import ALARMS, FINDINGS, RULE_OF, RULES, sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ACCOUNTS = Path(__file__).resolve().parents[2] / "accounts"
TEMPLATES = {path.stem: yaml_parse(path.read_text()) for path in sorted(ACCOUNTS.glob("*/*.yaml"))}
PROTECTION, TEAM, VAULT = TEMPLATES["protection"], TEMPLATES["approval-team"], TEMPLATES["vault"]
NETWORK, FORWARDING, STACKSET = TEMPLATES["isolated-network"], TEMPLATES["forwarding"], TEMPLATES["stackset"]
README = (ACCOUNTS / "README.md").read_text()
TEAM_ARN = "arn:aws:mpa:us-east-1:999900001111:approval-team/recovery"
PARAMETERS = [(name, key) for name, template in TEMPLATES.items() for key in template["Parameters"]]


def properties(template: Mapping[str, Any], logical_id: str) -> dict[str, Any]:
    found = template["Resources"][logical_id]["Properties"]
    assert isinstance(found, dict)
    return found


def resources(template: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: one for name, one in template["Resources"].items() if one["Type"] == kind}


def accepted(template: Mapping[str, Any], key: str, value: str) -> bool:
    """Whether CloudFormation takes the value, one or comma-separated."""
    parameter = template["Parameters"][key]
    members = value.split(",") if parameter["Type"] == "CommaDelimitedList" else [value]
    if parameter["Type"] == "Number":
        return bool(parameter["MinValue"] <= float(value) <= parameter["MaxValue"])
    if "AllowedValues" in parameter:
        return value in parameter["AllowedValues"]
    return all(re.fullmatch(parameter.get("AllowedPattern", ".*"), member) for member in members)


# parameters


@pytest.mark.parametrize(("name", "key"), PARAMETERS)
def test_parameter_says_what_it_is_and_is_bounded(name: str, key: str) -> None:
    parameter = TEMPLATES[name]["Parameters"][key]
    assert len(parameter["Description"]) > 15
    bounds = {"AllowedPattern", "AllowedValues", "MinLength", "MinValue"}
    assert bounds & set(parameter)
    if "Default" in parameter:
        assert accepted(TEMPLATES[name], key, str(parameter["Default"]))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("protection", "ApprovalTeamArn", "arn:aws:mpa:ap-northeast-1:999900001111:approval-team/recovery"),
        ("protection", "VaultTargetIds", "111122223333,production"),
        ("protection", "ForwardingAdministratorArns", "*"),
        ("approval-team", "Approver1", "ana"),
        ("approval-team", "Approver1", ""),
        ("approval-team", "MinApprovalsRequired", "1"),
        ("approval-team", "IdentityCenterInstanceArn", "arn:aws:sso:::instance/ssoins-1"),
        ("approval-team", "ShareWithAccounts", "111122223333,production"),
        ("vault", "ApprovalTeamArn", "arn:aws:mpa:ap-northeast-1:999900001111:approval-team/recovery"),
        ("vault", "AirGappedVaultName", "production airgapped"),
        ("vault", "MinRetentionDays", "6"),
        ("isolated-network", "AvailabilityZone1", "ap-northeast-1"),
        ("isolated-network", "VpcCidr", "10.20.0.0/24"),
        ("forwarding", "IncidentBusArn", "airlift-incidents"),
        ("stackset", "TemplateUrl", "s3://bucket/forwarding.yaml"),
        ("stackset", "DetectorAccounts", ""),
    ],
)
def test_wrong_value_is_refused_before_anything_is_made(name: str, key: str, value: str) -> None:
    assert not accepted(TEMPLATES[name], key, value)


# the guide


def commands() -> Iterator[tuple[str, dict[str, str]]]:
    """Each `deploy` in the guide: its template's name and the parameters given."""
    for command in re.findall(r"aws cloudformation deploy .*?(?<!\\)\n", README, re.DOTALL):
        found = re.search(r"--template-file accounts/(\S+)\.yaml", command)
        assert found
        assert (ACCOUNTS / f"{found[1]}.yaml").exists()
        yield found[1].rpartition("/")[2], dict(re.findall(r"(\w+)=(\S+)", command))


COMMANDS = list(commands())


def test_guide_deploys_every_template() -> None:
    assert {name for name, _ in COMMANDS} == set(TEMPLATES)
    for name in TEMPLATES:
        assert f"/{name}.yaml)" in README


@pytest.mark.parametrize(("name", "given"), COMMANDS)
def test_guide_gives_parameters_that_are_taken(name: str, given: dict[str, str]) -> None:
    for key, value in given.items():
        assert accepted(TEMPLATES[name], key, value.replace("BUCKET", "a-bucket"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_guide_gives_what_has_no_default(name: str) -> None:
    first = next(given for deployed, given in COMMANDS if deployed == name)
    needed = {key for key, parameter in TEMPLATES[name]["Parameters"].items() if "Default" not in parameter}
    assert needed <= set(first)


def test_guide_leaves_what_later_steps_need_to_them() -> None:
    """The team is shared when it is ACTIVE, and the forwarding is protected when it is there."""
    orders = {"approval-team": "ShareWithAccounts", "protection": "DetectorTargetIds"}
    for template, key in orders.items():
        assert [key in given for name, given in COMMANDS if name == template] == [False, True]


# 1: service control policies


def statements(logical_id: str) -> list[dict[str, Any]]:
    written = properties(PROTECTION, logical_id)["Content"]["Statement"]
    return [one["Fn::If"][1] if "Fn::If" in one else one for one in written]


def test_only_this_team_may_be_assigned() -> None:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html"""
    rule = next(one for one in statements("VaultProtection") if one["Sid"] == "OnlyThisTeam")
    assert rule["Action"] == "backup:AssociateBackupVaultMpaApprovalTeam"
    assert rule["Condition"] == {"ArnNotEquals": {"backup:MpaApprovalTeamArn": {"Ref": "ApprovalTeamArn"}}}
    assert rule["Resource"] == "*"


def test_team_cannot_be_taken_away_and_the_account_cannot_leave() -> None:
    denied = {one["Action"]: one.get("Condition") for one in statements("VaultProtection")}
    assert denied["backup:DisassociateBackupVaultMpaApprovalTeam"] is None
    assert denied["organizations:LeaveOrganization"] is None


@pytest.mark.parametrize("policy", ["VaultProtection", "ForwardingProtection"])
def test_policy_denies_actions_that_exist_and_is_short_enough(policy: str) -> None:
    session = botocore.session.get_session()
    for one in statements(policy):
        assert one["Effect"] == "Deny"
        for action in [one["Action"]] if isinstance(one["Action"], str) else one["Action"]:
            service, operation = action.split(":")
            assert operation in session.get_service_model(service).operation_names
    assert properties(PROTECTION, policy)["Type"] == "SERVICE_CONTROL_POLICY"
    assert len(json.dumps(properties(PROTECTION, policy)["Content"])) < 5120  # characters, an SCP's limit


def test_forwarding_that_is_protected_is_the_one_that_is_deployed() -> None:
    resource = {one["Sid"]: one["Resource"] for one in statements("ForwardingProtection")}
    prefix = resource["RulesStay"]["Fn::Sub"].rpartition("rule/")[2].rstrip("*")
    for rule in resources(FORWARDING, "AWS::Events::Rule").values():
        assert rule["Properties"]["Name"].startswith(prefix)
    path = resource["RoleStays"]["Fn::Sub"].rpartition(":role")[2].rstrip("*")
    assert properties(FORWARDING, "ForwardingRole")["Path"] == path


def test_administrators_of_the_forwarding_are_exempt_and_nobody_can_become_one() -> None:
    exempt = {"ArnNotLike": {"aws:PrincipalArn": {"Ref": "ForwardingAdministratorArns"}}}
    rules = {one["Sid"]: one for one in statements("ForwardingProtection")}
    assert [rules[sid]["Condition"] for sid in ("RulesStay", "RoleStays", "AdministratorsStay")] == [exempt] * 3
    assert rules["AdministratorsStay"]["Resource"] == {"Ref": "ForwardingAdministratorArns"}
    assert {"iam:CreateRole", "iam:UpdateAssumeRolePolicy"} <= set(rules["AdministratorsStay"]["Action"])


# 2: the team


def holds(expression: Any, values: Mapping[str, str]) -> Any:
    """The value of a rule's expression."""
    match expression:
        case {"Ref": name}:
            return values[name]
        case {"Fn::Equals": [left, right]}:
            return holds(left, values) == holds(right, values)
        case {"Fn::Not": [inner]}:
            return not holds(inner, values)
        case {"Fn::Or": parts}:
            return any(holds(part, values) for part in parts)
    return expression


def team_is_taken(region: str = "us-east-1", threshold: int = 2, approvers: tuple[int, ...] = (1, 2, 3)) -> bool:
    values = {"AWS::Region": region, "MinApprovalsRequired": str(threshold)}
    values |= {f"Approver{n}": f"user-{n}" if n in approvers else "" for n in range(1, 8)}
    return all(
        holds(assertion["Assert"], values) for rule in TEAM["Rules"].values() for assertion in rule["Assertions"]
    )


def test_team_is_made_in_us_east_1_only() -> None:
    assert team_is_taken()
    assert not team_is_taken(region="ap-northeast-1")


@pytest.mark.parametrize("threshold", range(2, 7))
@pytest.mark.parametrize("approvers", range(3, 8))
def test_one_approver_can_be_missing(threshold: int, approvers: int) -> None:
    assert team_is_taken(threshold=threshold, approvers=tuple(range(1, approvers + 1))) is (threshold < approvers)


@pytest.mark.parametrize("gap", [4, 5, 6])
def test_approvers_are_given_in_order(gap: int) -> None:
    assert not team_is_taken(approvers=tuple(n for n in range(1, gap + 2) if n != gap))


def test_team_approves_access_to_vaults() -> None:
    assert properties(TEAM, "ApprovalTeam")["Policies"] == [{"PolicyArn": VERSIONS[1]}]


def test_every_approver_parameter_is_an_approver() -> None:
    listed = [one["Fn::If"][1] if "Fn::If" in one else one for one in properties(TEAM, "ApprovalTeam")["Approvers"]]
    assert [one["PrimaryIdentityId"]["Ref"] for one in listed] == [f"Approver{n}" for n in range(1, 8)]


def test_team_is_shared_with_accounts_outside_the_organization() -> None:
    share = properties(TEAM, "TeamShare")
    assert share["AllowExternalPrincipals"] is True
    assert share["ResourceArns"] == [{"Ref": "ApprovalTeam"}]
    assert share["PermissionArns"][0]["Fn::Sub"].endswith(":ram::aws:permission/AWSRAMMPAApprovalTeamAccess")


@pytest.mark.parametrize(
    ("name", "logical_id"),
    [
        ("approval-team", "IdentitySource"),
        ("approval-team", "ApprovalTeam"),
        ("vault", "AirGappedVault"),
        ("vault", "Vault"),
        ("isolated-network", "RestoreKey"),
    ],
)
def test_what_a_recovery_depends_on_outlives_its_stack(name: str, logical_id: str) -> None:
    resource = TEMPLATES[name]["Resources"][logical_id]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"


# 3: the vaults


def test_either_method_ends_in_the_air_gapped_vault() -> None:
    (rule,) = properties(VAULT, "BackupPlan")["BackupPlan"]["BackupPlanRule"]
    condition, primary, copy = rule["Fn::If"]
    air_gapped = {"Fn::GetAtt": ["AirGappedVault", "BackupVaultArn"]}
    assert condition == "IsPrimary"
    assert primary["TargetLogicallyAirGappedBackupVaultArn"] == air_gapped
    assert [one["DestinationBackupVaultArn"] for one in copy["CopyActions"]] == [air_gapped]
    assert (
        primary["Lifecycle"] == copy["CopyActions"][0]["Lifecycle"] == {"DeleteAfterDays": {"Ref": "DeleteAfterDays"}}
    )


def test_air_gapped_vault_has_the_team_and_no_key_of_the_account() -> None:
    vault = properties(VAULT, "AirGappedVault")
    assert vault["MpaApprovalTeamArn"] == {"Ref": "ApprovalTeamArn"}
    assert "EncryptionKeyArn" not in vault


# 4: the isolated network


def test_network_has_no_way_in_or_out() -> None:
    kinds = {one["Type"] for one in NETWORK["Resources"].values() if one["Type"].startswith("AWS::EC2::")}
    assert kinds == {"AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::SecurityGroup"}
    group = properties(NETWORK, "Quarantine")
    assert "SecurityGroupIngress" not in group
    assert [one["CidrIp"] for one in group["SecurityGroupEgress"]] == ["127.0.0.1/32"]


def test_key_is_used_by_this_account_through_services_only() -> None:
    administration, *use = properties(NETWORK, "RestoreKey")["KeyPolicy"]["Statement"]
    assert administration["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    for one in use:
        assert set(one["Condition"]["StringEquals"]) == {"kms:CallerAccount", "kms:ViaService"}


# 5: forwarding

PATTERNS = {
    name: EventPattern(None, rule["Properties"]["EventPattern"])
    for name, rule in resources(FORWARDING, "AWS::Events::Rule").items()
}
REPEATABLE = settings(deadline=None, derandomize=True, max_examples=200)


def forwarded(event: Mapping[str, Any]) -> list[str]:
    return [name for name, pattern in PATTERNS.items() if pattern.matches_event(event)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RULE_OF)
def test_sample_is_forwarded_once(name: str) -> None:
    expected = {"GuardDutyFinding": "GuardDutyFindings", "CloudWatchAlarm": "CloudWatchAlarms"}
    assert forwarded(sample(name)) == [expected[RULE_OF[name]]]


@REPEATABLE
@given(st.one_of(FINDINGS, ALARMS))
def test_what_the_stack_takes_is_forwarded(event: dict[str, Any]) -> None:
    if any(EventPattern(None, rule).matches_event(event) for rule in RULES.values()):  # type: ignore[arg-type]
        assert len(forwarded(event)) == 1


HUB, HEALTH = "aws.securityhub", "aws.health"


@pytest.mark.parametrize(
    ("source", "detail_type", "detail", "expected"),
    [
        (HUB, "Security Hub Findings - Imported", {"findings": {"Severity": {"Label": "CRITICAL"}}}, True),
        (HUB, "Security Hub Findings - Imported", {"findings": {"Severity": {"Label": "MEDIUM"}}}, False),
        (HUB, "Findings Imported V2", {"findings": {"severity_id": 5}}, True),
        (HUB, "Findings Imported V2", {"findings": {"severity_id": 2}}, False),
        (HUB, "Security Hub Findings - Custom Action", {"findings": {"Severity": {"Label": "LOW"}}}, True),
        (HUB, "Security Hub Insight Results", {}, False),
        (HEALTH, "AWS Health Event", {"eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED"}, True),
        (HEALTH, "AWS Health Event", {"eventTypeCode": "AWS_EC2_OPERATIONAL_ISSUE"}, False),
        (HEALTH, "AWS Health Abuse Event", {"eventTypeCode": "AWS_ABUSE_DOS_REPORT"}, True),
    ],
)
def test_other_sources(source: str, detail_type: str, detail: dict[str, Any], expected: bool) -> None:
    """On AWS `findings` is a list, into which EventBridge looks and moto does not; an event of these has one."""
    event = sample("guardduty-finding") | {"source": source, "detail-type": detail_type, "detail": detail}
    assert bool(forwarded(event)) is expected


def test_rule_goes_straight_to_the_incident_bus_and_loses_nothing() -> None:
    for rule in resources(FORWARDING, "AWS::Events::Rule").values():
        assert "EventBusName" not in rule["Properties"]  # services send to the default bus
        (target,) = rule["Properties"]["Targets"]
        assert target["Arn"] == {"Ref": "IncidentBusArn"}
        assert target["RoleArn"] == {"Fn::GetAtt": ["ForwardingRole", "Arn"]}
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}


def test_health_is_forwarded_where_aws_health_sends_it() -> None:
    _, where = FORWARDING["Conditions"]["Health"]["Fn::And"]
    in_regions = {region: holds(where, {"AWS::Region": region}) for region in ("us-east-1", "us-west-2", "eu-west-1")}
    assert in_regions == {"us-east-1": True, "us-west-2": True, "eu-west-1": False}


def test_many_regions_share_an_account() -> None:
    """A name in IAM is global, so the role's may not be given."""
    assert "RoleName" not in properties(FORWARDING, "ForwardingRole")


def test_stack_set_passes_every_parameter_on() -> None:
    stack_set = properties(STACKSET, "Forwarding")
    passed = {one["ParameterKey"]: one["ParameterValue"] for one in stack_set["Parameters"]}
    assert passed == {key: {"Ref": key} for key in FORWARDING["Parameters"]}
    for key in passed:
        for rule in ("Type", "Default", "AllowedPattern", "AllowedValues"):
            assert STACKSET["Parameters"][key].get(rule) == FORWARDING["Parameters"][key].get(rule)


def test_stack_set_reaches_detector_accounts_only() -> None:
    (group,) = properties(STACKSET, "Forwarding")["StackInstancesGroup"]
    _, service_managed, self_managed = group["DeploymentTargets"]["Fn::If"]
    accounts = {"Ref": "DetectorAccounts"}
    assert (service_managed["AccountFilterType"], service_managed["Accounts"]) == ("INTERSECTION", accounts)
    assert self_managed == {"Accounts": accounts}
