"""The accounts set up by their templates: each step tried too early is refused, then done; what protects it, binds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from airlift.isolation import Places, look
from botocore.exceptions import ClientError, ConnectionClosedError, WaiterError

from local.cloud import accounts
from local.cloud.accounts import APPROVERS, StackFailed
from local.cloud.running import DETECTOR, MANAGEMENT, ORGANIZATION, PRODUCTION, RECOVERY, REGION, TEAM_REGION, Cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEAM = f"arn:aws:mpa:us-east-1:{ORGANIZATION}:approval-team/recovery"
VAULT = "production-airgapped"


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A local cloud in which nothing was done yet."""
    with Cloud(log="accounts.log") as started:
        yield started


def too_early(cloud: Cloud, words: str) -> None:
    """The vaults' stack is refused in these words, and leaves nothing behind."""
    with pytest.raises(StackFailed, match=words):
        accounts.make_vaults(cloud, TEAM)
    assert cloud.client("backup", PRODUCTION).list_backup_vaults()["BackupVaultList"] == []


def test_the_order_is_the_articles(cloud: Cloud) -> None:
    too_early(cloud, "MPA is not opted-in")
    with pytest.raises(ClientError, match="Only the management account"):
        cloud.client("backup", PRODUCTION).update_global_settings(GlobalSettings={"isMpaEnabled": "true"})
    accounts.opt_in(cloud)
    too_early(cloud, "does not exist or is not shared")
    assert accounts.make_team(cloud) == TEAM
    accounts.share_team(cloud, [PRODUCTION])
    too_early(cloud, "is not shared with account 111122223333")
    accounts.accept_shares(cloud, PRODUCTION)
    too_early(cloud, "PENDING, not ACTIVE")
    accounts.accept_invitations(cloud, TEAM)
    made = accounts.make_vaults(cloud, TEAM)
    accounts.wait_for_team(cloud, VAULT)
    recovery, ask = cloud.client("backup", RECOVERY), {"SourceBackupVaultArn": made["AirGappedVaultArn"]}
    with pytest.raises(ClientError, match="is not shared with account 444455556666"):
        recovery.create_restore_access_backup_vault(**ask)
    accounts.share_team(cloud)  # the same stack, with an account more
    accounts.accept_shares(cloud, RECOVERY)
    assert recovery.create_restore_access_backup_vault(**ask)["VaultState"] == "CREATING"


def test_the_plan_fills_the_air_gapped_vault(cloud: Cloud) -> None:
    backup = cloud.client("backup", PRODUCTION)
    plan = backup.list_backup_plans()["BackupPlansList"][0]["BackupPlanId"]
    rule = backup.get_backup_plan(BackupPlanId=plan)["BackupPlan"]["Rules"][0]
    assert rule["TargetLogicallyAirGappedBackupVaultArn"].endswith(f":{VAULT}")
    assert rule["Lifecycle"] == {"DeleteAfterDays": 30}
    selected = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"][0]
    assert "BackupRole" in selected["IamRoleArn"]


@pytest.mark.parametrize(
    ("region", "threshold", "words"),
    [
        (REGION, "2", "exist only in us-east-1"),
        (TEAM_REGION, "3", "Three approvals need at least four approvers"),
        (TEAM_REGION, "1", "MinApprovalsRequired"),
    ],
)
def test_a_team_that_the_template_refuses(cloud: Cloud, region: str, threshold: str, words: str) -> None:
    approvers = {f"Approver{number}": who for number, who in enumerate(APPROVERS, 1)}
    with pytest.raises(ClientError, match=words):
        accounts.deploy(
            cloud,
            ORGANIZATION,
            "2-recovery-organization/approval-team.yaml",
            "refused",
            region,
            IdentityCenterInstanceArn="arn:aws:sso:::instance/ssoins-0123456789abcdef",
            IdentityCenterRegion=REGION,
            MinApprovalsRequired=threshold,
            **approvers,
        )


def test_the_policies_bind_roots_of_member_accounts(cloud: Cloud) -> None:
    denied = "explicit deny in a service control policy"
    backup, events = cloud.client("backup", PRODUCTION), cloud.client("events", DETECTOR)
    accounts.forward_findings(cloud)
    administrator = _administrator(cloud)
    accounts.protect(cloud, TEAM, DetectorTargetIds=DETECTOR)
    with pytest.raises(ClientError, match=denied):
        backup.delete_backup_vault(BackupVaultName="production")
    other = TEAM.replace("/recovery", "/other")
    with pytest.raises(ClientError, match=denied):
        backup.associate_backup_vault_mpa_approval_team(BackupVaultName=VAULT, MpaApprovalTeamArn=other)
    with pytest.raises(ClientError, match="explicit deny"):
        events.disable_rule(Name="airlift-forward-guardduty")
    iam = cloud.client("iam", DETECTOR)
    role = next(one["RoleName"] for one in iam.list_roles(PathPrefix="/airlift-forward/")["Roles"])
    with pytest.raises(ClientError, match="explicit deny"):
        iam.delete_role_policy(RoleName=role, PolicyName="forward")
    with pytest.raises(ClientError, match="explicit deny"):
        iam.delete_role_policy(RoleName="stacksets-exec-1", PolicyName="events")
    administrator.disable_rule(Name="airlift-forward-guardduty")  # a StackSet's role may
    events.put_rule(Name="anything-else", ScheduleExpression="rate(1 day)")
    organizations = cloud.client("organizations", MANAGEMENT, TEAM_REGION)
    bound = organizations.list_policies_for_target(TargetId=PRODUCTION, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert [one["Name"] for one in bound] == ["airlift-protection-vaults"]
    cloud.client("backup", RECOVERY).create_backup_vault(BackupVaultName="mine")
    cloud.client("backup", RECOVERY).delete_backup_vault(BackupVaultName="mine")


def _administrator(cloud: Cloud) -> Any:
    """EventBridge as a StackSet's role in the detector account reaches it."""
    rights = {"Effect": "Allow", "Action": "events:*", "Resource": "*"}
    name = _role(cloud, DETECTOR, "stacksets-exec-1")
    cloud.client("iam", DETECTOR).put_role_policy(
        RoleName=name, PolicyName="events", PolicyDocument=json.dumps({"Statement": [rights]})
    )
    return _assumed(cloud, DETECTOR, name)("events")


def _role(cloud: Cloud, account: str, name: str) -> str:
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Statement": [trust]})
    made = cloud.client("iam", account).create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return str(made["Role"]["RoleName"])


def _assumed(cloud: Cloud, account: str, role: str) -> Callable[[str], Any]:
    """Clients of whoever has assumed a role of the account."""
    arn = f"arn:aws:iam::{account}:role/{role}"
    key = cloud.client("sts", account).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return _clients(cloud, key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])


def _clients(cloud: Cloud, key: str, secret: str, token: str | None = None) -> Callable[[str], Any]:
    session: Any = boto3.Session(key, secret, token, REGION)
    return lambda service: session.client(service, endpoint_url=f"http://127.0.0.1:{cloud.port}")


def test_people_may_do_what_their_policies_say_and_break_glass_needs_a_second_factor(cloud: Cloud) -> None:
    stack = {"LedgerTableName": "airlift-Ledger-1", "PlanApplicationId": "abc1234"}
    stack |= {"EvidenceBucketName": "evidence", "WorkingBucketName": "working"}
    stack |= {"RestoreRoleArn": f"arn:aws:iam::{RECOVERY}:role/airlift-RestoreRole-1"}
    policies, iam = accounts.admit_people(cloud, stack), cloud.client("iam", RECOVERY)
    role = _role(cloud, RECOVERY, "on-duty")
    for policy in ("ViewerPolicyArn", "ResponderPolicyArn"):
        iam.attach_role_policy(RoleName=role, PolicyArn=policies[policy])
    machine = f"arn:aws:states:{REGION}:{RECOVERY}:stateMachine:airlift"
    on_duty = _assumed(cloud, RECOVERY, role)("stepfunctions")
    with pytest.raises(ClientError, match="StateMachineDoesNotExist"):  # allowed, and not deployed here
        on_duty.start_execution(stateMachineArn=f"{machine}-recovery")
    with pytest.raises(ClientError, match="AccessDenied"):
        on_duty.start_execution(stateMachineArn=f"{machine}-vault-recovery")
    key = iam.create_access_key(UserName="airlift-break-glass-1")["AccessKey"]
    alone = _clients(cloud, key["AccessKeyId"], key["SecretAccessKey"])("stepfunctions")
    with pytest.raises(ClientError, match="explicit deny"):
        alone.start_execution(stateMachineArn=f"{machine}-recovery")


def test_a_vault_stack_that_fails_under_the_policy_leaves_its_vault_until_deletion_is_allowed(cloud: Cloud) -> None:
    other, names = TEAM.replace("/recovery", "/other"), {"AirGappedVaultName": "second", "VaultName": "second-plain"}
    with pytest.raises(StackFailed, match="explicit deny"):
        accounts.make_vaults(cloud, other, "airlift-vault-2", **names)
    backup = cloud.client("backup", PRODUCTION)
    left = {one["BackupVaultName"] for one in backup.list_backup_vaults()["BackupVaultList"]} & set(names.values())
    assert left
    accounts.protect(cloud, TEAM, VaultDeletion="allowed")
    for name in left:
        backup.delete_backup_vault(BackupVaultName=name)
    accounts.protect(cloud, TEAM, VaultDeletion="denied")


def test_the_isolated_network_is_what_a_plan_names_and_leads_nowhere_until_somebody_opens_it(cloud: Cloud) -> None:
    found, key = accounts.make_network(cloud)
    assert key.startswith(f"arn:aws:kms:{REGION}:{RECOVERY}:key/")
    assert [len(found[name]) for name in ("availabilityZones", "subnetIds", "securityGroupIds")] == [2, 2, 1]
    for service, role in (("rds", "RDS"), ("elasticfilesystem", "AmazonElasticFileSystem"), ("backup", "Backup")):
        made = cloud.client("iam", RECOVERY).get_role(RoleName=f"AWSServiceRoleFor{role}")["Role"]
        assert made["Path"] == f"/aws-service-role/{service}.amazonaws.com/"
    places = Places(frozenset([*found["subnetIds"], *found["securityGroupIds"]]))
    subnets_alone = Places(frozenset(found["subnetIds"]))

    def clients(service: str) -> Any:
        return cloud.client(service, RECOVERY)

    assert look(clients, [places]).leaks(places) == ""
    assert "lets traffic out to 0.0.0.0/0" in look(clients, [places]).leaks(subnets_alone)  # the VPC's default group
    ec2, (subnet, *_) = clients("ec2"), found["subnetIds"]
    vpc = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    assert look(clients, [places]).leaks(places) == f"subnet {subnet} routes to internet gateway {gateway}"


def test_a_dropped_connection_had_its_effect_and_no_answer(cloud: Cloud) -> None:
    fault = {"service": "backup", "operation": "CreateBackupVault", "kind": "drop", "after_effect": True, "times": 3}
    cloud.door("fail-call", fault)
    backup = cloud.client("backup", RECOVERY)
    with pytest.raises(ConnectionClosedError):
        backup.create_backup_vault(BackupVaultName="dropped", CreatorRequestId="one")
    assert backup.describe_backup_vault(BackupVaultName="dropped")["CreatorRequestId"] == "one"


def test_a_stack_whose_plan_was_put_in_force_ends_only_without_its_versions(cloud: Cloud) -> None:
    """As accounts/README.md deletes Airlift's: versions first."""
    application = {"Type": "AWS::AppConfig::Application", "Properties": {"Name": "plans"}}
    given = {"ApplicationId": {"Ref": "Plans"}, "Name": "plan", "LocationUri": "hosted"}
    profile = {"Type": "AWS::AppConfig::ConfigurationProfile", "Properties": given}
    template = json.dumps({"Resources": {"Plans": application, "Plan": profile}})
    stacks, appconfig = cloud.client("cloudformation", RECOVERY), cloud.client("appconfig", RECOVERY)
    stacks.create_stack(StackName="plans", TemplateBody=template)
    stacks.get_waiter("stack_create_complete").wait(StackName="plans", WaiterConfig={"Delay": 1})
    made = {
        one["LogicalResourceId"]: one for one in stacks.describe_stack_resources(StackName="plans")["StackResources"]
    }
    names = {
        "ApplicationId": made["Plans"]["PhysicalResourceId"],
        "ConfigurationProfileId": made["Plan"]["PhysicalResourceId"],
    }
    version = appconfig.create_hosted_configuration_version(**names, Content=b"{}", ContentType="application/json")
    with pytest.raises(ClientError, match="hosted configuration versions"):
        appconfig.delete_configuration_profile(**names)
    stacks.delete_stack(StackName="plans")
    with pytest.raises(WaiterError):
        stacks.get_waiter("stack_delete_complete").wait(StackName="plans", WaiterConfig={"Delay": 1})
    appconfig.delete_hosted_configuration_version(**names, VersionNumber=version["VersionNumber"])
    stacks.delete_stack(StackName="plans")
    stacks.get_waiter("stack_delete_complete").wait(StackName="plans", WaiterConfig={"Delay": 1})
