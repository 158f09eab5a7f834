"""A story that lacks nothing, and how each of its prerequisites is broken and mended."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from local.simulation.sdk import Call, ServiceError
from local.simulation.story import BACKUP_TRUST, Story
from local.simulation.world import MANAGEMENT, ORGANIZATION, OWNER, Simulation
from tests.workflow.waves import ANYWHERE, network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

Found = set[tuple[str, str, str]]
"""Check, severity and subject of each result."""


class Prepared:
    """A story whose recovery account lacks nothing but drills and a detector's daily check."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.story = Story(sim)
        self.places = network(self.story)
        ec2, (self.group,) = sim.client("ec2"), self.places["securityGroupIds"]
        ec2.revoke_security_group_egress(GroupId=self.group, IpPermissions=[ANYWHERE])
        made = sim.client("kms").create_key()["KeyMetadata"]
        self.key_id, self.key = made["KeyId"], made["Arn"]
        self.taken = sim.outputs["LedgerTableName"]
        zone = {"availabilityZone": f"{sim.region}a"}
        self.types: dict[str, Any] = {"DynamoDB": {"kmsKeyId": self.key}}
        self.targets = {"defaults": {**self.places, **zone}, "types": self.types}
        self.story.prepare(("table",), days=1, targets=self.targets)

    def report(self) -> dict[str, Any]:
        """What the daily check answers now."""
        result = self.sim.lambdas.invoke(self.sim.lambdas.named("daily_check").arn, {})
        assert not result.function_error, result.payload
        return dict(result.payload)

    def found(self) -> Found:
        return {(one["check"], one["severity"], one["subject"]) for one in self.report()["results"]}

    def role(self, handler: str) -> str:
        return self.sim.lambdas.named(handler).role_arn


@contextmanager
def denied(prepared: Prepared, handler: str, action: str) -> Iterator[None]:
    roles, role = prepared.sim.permissions.roles, prepared.role(handler)
    before = roles[role]
    roles[role] = [*before, {"Effect": "Deny", "Action": action, "Resource": "*"}]
    yield
    roles[role] = before


@contextmanager
def without_role(prepared: Prepared, name: str, **made: Any) -> Iterator[None]:
    iam = prepared.sim.client("iam")
    iam.delete_role(RoleName=name)
    yield
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(BACKUP_TRUST), **made)


@contextmanager
def answered(prepared: Prepared, operation: str, text: str) -> Iterator[None]:
    def refuse(call: Call) -> None:
        if call.operation == operation:
            raise ServiceError("AccessDeniedException", text, 403)

    prepared.sim.before_call.append(refuse)
    yield
    prepared.sim.before_call.remove(refuse)


@contextmanager
def unset(value: Any, name: str, changed: Any) -> Iterator[None]:
    before = getattr(value, name)
    setattr(value, name, changed)
    yield
    setattr(value, name, before)


@contextmanager
def few_transitions(prepared: Prepared) -> Iterator[None]:
    few = {"states": {"StateTransition throttle token refill rate per second": 10.0}}
    prepared.sim.aws.quotas.values[prepared.sim.account] = few
    yield
    prepared.sim.aws.quotas.values.clear()


@contextmanager
def opted_out(prepared: Prepared) -> Iterator[None]:
    backup = prepared.sim.client("backup")
    backup.update_region_settings(ResourceTypeOptInPreference={"EFS": False})
    yield
    backup.update_region_settings(ResourceTypeOptInPreference={"EFS": True})


@contextmanager
def disabled_key(prepared: Prepared) -> Iterator[None]:
    kms = prepared.sim.client("kms")
    kms.disable_key(KeyId=prepared.key_id)
    yield
    kms.enable_key(KeyId=prepared.key_id)


@contextmanager
def open_group(prepared: Prepared) -> Iterator[None]:
    ec2 = prepared.sim.client("ec2")
    ec2.authorize_security_group_egress(GroupId=prepared.group, IpPermissions=[ANYWHERE])
    yield
    ec2.revoke_security_group_egress(GroupId=prepared.group, IpPermissions=[ANYWHERE])


@contextmanager
def planned(prepared: Prepared, **changes: Any) -> Iterator[None]:
    before = prepared.story.plan
    prepared.story.make_plan(**{"targets": prepared.targets, **changes})
    yield
    prepared.story.plan = before
    prepared.sim.deploy_plan(before)


def of_type(prepared: Prepared, kind: str, **settings: Any) -> AbstractContextManager[None]:
    """A plan with further settings for a type."""
    return planned(prepared, targets=prepared.targets | {"types": prepared.types | {kind: settings}})


def with_clusters(prepared: Prepared) -> AbstractContextManager[None]:
    """A plan with clusters, in an account that never used RDS."""
    ec2, (first,) = prepared.sim.client("ec2"), prepared.places["subnetIds"]
    vpc = ec2.describe_subnets(SubnetIds=[first])["Subnets"][0]["VpcId"]
    zone = f"{prepared.sim.region}c"
    second = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.99.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
    return of_type(prepared, "Aurora", subnetIds=[first, second])


def managed_by(prepared: Prepared, account: str | None) -> AbstractContextManager[None]:
    """A plan that names another management account, or none, for the protected account's organization."""
    accounts = [one | {"managementAccount": account} for one in prepared.story.plan["accounts"]]
    return planned(prepared, accounts=accounts)


def room_for_vaults(_prepared: Prepared) -> AbstractContextManager[None]:
    """An account that may have no vault more."""
    from airlift import readiness_account  # the handlers' own module, of this simulation

    return unset(readiness_account, "_MOST_VAULTS", 0)


def rule(prepared: Prepared) -> Any:
    bus = next(bus for arn, bus in prepared.sim.events.buses.items() if arn.endswith("-incidents"))
    return next(rule for name, rule in bus.rules.items() if "GuardDuty" in name)


def one_organization(prepared: Prepared) -> AbstractContextManager[None]:
    both = {MANAGEMENT: frozenset({OWNER, prepared.sim.account, ORGANIZATION})}
    return unset(prepared.sim.settings, "organizations", both)


ALLOWED_AMIS = {"State": "enabled", "ImageCriteria": [{"ImageProviders": ["amazon"]}]}
VAULT = f"arn:aws:backup:ap-northeast-1:{OWNER}:backup-vault:production0"
ACCOUNT, IMAGES = "recovery account", "EC2, VirtualMachine"
SCP = "with an explicit deny in a service control policy"
IN_PLACES = "EC2, VirtualMachine, EFS, Aurora, DocumentDB, Neptune, FSx"
Break = tuple["Callable[[Prepared], AbstractContextManager[None]]", "tuple[str, str, str]"]
BROKEN: dict[str, Break] = {
    "requester": (
        lambda p: denied(p, "request_vault_access", "mpa:StartSession"),
        ("requester", "blocks", ACCOUNT),
    ),
    "starter": (lambda p: denied(p, "advance_restores", "iam:PassRole"), ("restore rights", "holds", "all types")),
    "restore role": (
        lambda p: without_role(p, p.sim.outputs["RestoreRoleArn"].rpartition("/")[2]),
        ("restore role", "holds", "all types"),
    ),
    "service role": (
        lambda p: without_role(p, "AWSServiceRoleForBackup", Path="/aws-service-role/backup.amazonaws.com/"),
        ("service-linked roles", "warning", ACCOUNT),
    ),
    "region denied": (lambda p: answered(p, "GetApprovalTeam", SCP), ("approval team", "warning", VAULT)),
    "AppConfig": (lambda p: answered(p, "GetLatestConfiguration", "no"), ("plan", "warning", ACCOUNT)),
    "unreadable": (lambda p: answered(p, "DescribeRegionSettings", "no"), ("service opt-in", "warning", ACCOUNT)),
    "images": (lambda p: unset(p.sim.about, "images", ALLOWED_AMIS), ("Allowed AMIs", "holds", IMAGES)),
    "concurrency": (lambda p: unset(p.sim.about, "concurrency", 10), ("quotas", "warning", ACCOUNT)),
    "transitions": (few_transitions, ("quotas", "warning", ACCOUNT)),
    "vaults": (room_for_vaults, ("quotas", "warning", ACCOUNT)),
    "opt-in": (opted_out, ("service opt-in", "warning", "EFS")),
    "key": (disabled_key, ("target keys", "holds", "DynamoDB")),
    "network": (open_group, ("isolation", "holds", IN_PLACES)),
    "zone": (
        lambda p: planned(p, targets=p.targets | {"types": {"EBS": {"availabilityZone": f"{p.sim.region}x"}}}),
        ("target places", "holds", "EBS"),
    ),
    "name": (
        lambda p: planned(p, targets=p.targets | {"types": {"DynamoDB": {"metadata": {"targetTableName": p.taken}}}}),
        ("target names", "holds", "DynamoDB"),
    ),
    "directory": (lambda p: of_type(p, "FSx", activeDirectoryId="d-0a1b2c3d4e"), ("target places", "holds", "FSx")),
    "machine": (
        lambda p: of_type(p, "FSx", storageVirtualMachineId="svm-0a1b2c3d4e5f60718"),
        ("target places", "holds", "FSx"),
    ),
    "role of RDS": (with_clusters, ("service-linked roles", "holds", "Aurora")),
    "role of DSQL": (lambda p: of_type(p, "DSQL"), ("service-linked roles", "holds", "DSQL")),
    "database": (lambda p: of_type(p, "Timestream", database="plant"), ("target places", "holds", "Timestream")),
    "cluster": (lambda p: of_type(p, "EKS", clusterName="ready"), ("target places", "holds", "EKS")),
    "bucket": (
        lambda p: of_type(p, "S3", metadata={"DestinationBucketName": "ready-0a1b2c3d"}),
        ("target places", "holds", "S3"),
    ),
    "rule": (lambda p: unset(rule(p), "enabled", False), ("rules", "warning", ACCOUNT)),
    "team's organization": (lambda p: managed_by(p, ORGANIZATION), ("independence", "warning", ORGANIZATION)),
    "organization not told": (lambda p: managed_by(p, None), ("independence", "warning", ACCOUNT)),
    "organization": (one_organization, ("independence", "warning", MANAGEMENT)),
}
