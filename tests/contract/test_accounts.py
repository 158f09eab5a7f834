"""Templates in accounts/: what they promise each other and the guide."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest

from local.aws.mpa.policies import VERSIONS
from tests.contract.accounts import ACCOUNTS, TEMPLATES, holds, properties, resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROTECTION, TEAM, VAULT = TEMPLATES["protection"], TEMPLATES["approval-team"], TEMPLATES["vault"]
NETWORK, FORWARDING = TEMPLATES["isolated-network"], TEMPLATES["forwarding"]
README = (ACCOUNTS / "README.md").read_text()
PARAMETERS = [(name, key) for name, template in TEMPLATES.items() for key in template["Parameters"]]


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
        ("operators", "PlanApplicationId", "Airlift"),
        ("operators", "LedgerTableName", "*"),
        ("break-glass", "PolicyArns", "AdministratorAccess"),
        ("break-glass", "NotificationEmail", "security"),
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
        first, *_, last = [key in given for name, given in COMMANDS if name == template]
        assert (first, last) == (False, True)


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
        assert rule["Properties"]["Name"]["Fn::Sub"].startswith(prefix)
    path = resource["RoleStays"]["Fn::Sub"].rpartition(":role")[2].rstrip("*")
    assert properties(FORWARDING, "ForwardingRole")["Path"] == path


def test_administrators_of_the_forwarding_are_exempt_and_nobody_can_become_one() -> None:
    exempt = {"ArnNotLike": {"aws:PrincipalArn": {"Ref": "ForwardingAdministratorArns"}}}
    rules = {one["Sid"]: one for one in statements("ForwardingProtection")}
    assert [rules[sid]["Condition"] for sid in ("RulesStay", "RoleStays", "AdministratorsStay")] == [exempt] * 3
    assert rules["AdministratorsStay"]["Resource"] == {"Ref": "ForwardingAdministratorArns"}
    assert {"iam:CreateRole", "iam:UpdateAssumeRolePolicy"} <= set(rules["AdministratorsStay"]["Action"])


# 2: the team


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
        services = one["Condition"]["StringEquals"]["kms:ViaService"]
        through = {service["Fn::Sub"].partition(".")[0] for service in services}
        # AWS's managed policies let the restore role use keys through the others, but not through Amazon FSx.
        assert through == {"backup", "dynamodb", "ec2", "elasticfilesystem", "fsx", "rds", "s3"}
