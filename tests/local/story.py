"""The story's accounts on a virtual clock, with boto3 clients that reach the local services and moto."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from local.aws.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.aws import Caller, Request, Response, Settings, World
    from local.clock import VirtualClock

MANAGEMENT, OWNER, SECURITY = "121212121212", "111122223333", "777788889999"
RECOVERY, TEAM_OWNER = "444455556666", "999900001111"
REGION, TEAM_REGION = "ap-northeast-1", "us-east-1"
POLICY = "arn:aws:mpa:::aws:policy/backup.amazonaws.com/CreateRestoreAccessVault/$DEFAULT"
APPROVERS = ("ana", "ben", "cho")
LAG = f"arn:aws:backup:{REGION}:{OWNER}:backup-vault:lag"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "backup.amazonaws.com"}}],
}


@cache
def _session() -> Any:
    return boto3.Session()


@cache
def client(service: str, account: str, region: str = REGION) -> Any:
    """A boto3 client of an account, whose id is the access key; kept from test to test."""
    made = _session().client(
        service,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}),
    )
    # moto doesn't read the account from the key.
    made.meta.events.register(
        "before-sign", lambda request, **_: request.headers.add_header("x-moto-account-id", account)
    )
    return made


def forget_clients() -> None:
    """Clients know the handlers that were there when their session was made."""
    client.cache_clear()
    _session.cache_clear()


class Switch:
    """The front of whichever story is being told; between stories requests pass on."""

    world: World | None = None

    def handle(self, request: Request) -> Response | None:
        return self.world.front.handle(request) if self.world else None


@dataclass
class Story:
    """A world and what tests do with it again and again."""

    world: World
    clock: VirtualClock
    settings: Settings
    events: list[dict[str, Any]] = field(default_factory=list)
    denied: set[tuple[str, str]] = field(default_factory=set)
    asked: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)

    def authorize(self, caller: Caller, action: str, resources: Sequence[str]) -> None:
        self.asked.append((caller.account, action, tuple(resources)))
        if (caller.account, action) in self.denied:
            raise AccessDenied(f"{caller.principal_arn} is not authorized to perform: {action}")

    def backup(self, account: str = RECOVERY) -> Any:
        return client("backup", account)

    def mpa(self, account: str = TEAM_OWNER) -> Any:
        return client("mpa", account, TEAM_REGION)

    def wait(self, seconds: float) -> None:
        self.clock.run(until=self.clock.now() + seconds)

    def role(self, account: str) -> str:
        iam = client("iam", account)
        try:
            made = iam.create_role(RoleName="backup", AssumeRolePolicyDocument=json.dumps(TRUST))
        except iam.exceptions.EntityAlreadyExistsException:
            made = iam.get_role(RoleName="backup")
        return str(made["Role"]["Arn"])

    def source(self) -> str:
        center = {"InstanceArn": "arn:aws:sso:::instance/ssoins-0123456789abcdef", "Region": "eu-west-1"}
        made = self.mpa().create_identity_source(IdentitySourceParameters={"IamIdentityCenter": center})
        return str(made["IdentitySourceArn"])

    def team(self, name: str = "vault-team", source: str | None = None, threshold: int = 2) -> str:
        source = source or self.source()
        made = self.mpa().create_approval_team(
            Name=name,
            Description="Approves access to the vault",
            ApprovalStrategy={"MofN": {"MinApprovalsRequired": threshold}},
            Approvers=[{"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": source} for who in APPROVERS],
            Policies=[{"PolicyArn": POLICY}],
        )
        return str(made["Arn"])

    def active_team(self, name: str = "vault-team", source: str | None = None) -> str:
        team = self.team(name, source)
        for who in APPROVERS:
            self.world.portal.accept_invitation(team, who)
        return team

    def share(self, team: str, *accounts: str) -> None:
        client("ram", TEAM_OWNER, TEAM_REGION).create_resource_share(
            name="team", resourceArns=[team], principals=list(accounts)
        )
        for account in accounts:
            ram = client("ram", account, TEAM_REGION)
            for one in ram.get_resource_share_invitations()["resourceShareInvitations"]:
                if one["status"] == "PENDING":
                    ram.accept_resource_share_invitation(resourceShareInvitationArn=one["resourceShareInvitationArn"])

    def opt_in(self) -> None:
        self.backup(MANAGEMENT).update_global_settings(GlobalSettings={"isMpaEnabled": "true"})

    def vaults(self) -> None:
        owner = self.backup(OWNER)
        owner.create_backup_vault(BackupVaultName="plain")
        owner.create_logically_air_gapped_backup_vault(BackupVaultName="lag", MinRetentionDays=7, MaxRetentionDays=30)

    def prepare(self) -> str:
        """Team, shares, vaults and their association; the team's ARN."""
        team = self.active_team()
        self.share(team, OWNER, RECOVERY)
        self.opt_in()
        self.vaults()
        self.backup(OWNER).associate_backup_vault_mpa_approval_team(BackupVaultName="lag", MpaApprovalTeamArn=team)
        self.wait(5)
        return team

    def request(self, name: str = "access", **more: Any) -> str:
        made = self.backup().create_restore_access_backup_vault(
            **{"SourceBackupVaultArn": LAG, "BackupVaultName": name, "CreatorRequestId": "one"} | more
        )
        self.wait(5)
        return str(made["RestoreAccessBackupVaultName"])

    def describe(self, name: str = "access") -> dict[str, Any]:
        return dict(self.backup().describe_backup_vault(BackupVaultName=name))

    def session(self, name: str = "access") -> str:
        return str(self.describe(name)["MpaSessionArn"])

    def vote(self, session: str, decision: str = "APPROVE", count: int = 2) -> None:
        for who in APPROVERS[:count]:
            self.world.portal.vote(session, who, decision)

    def granted(self) -> str:
        """A restore-access vault that approvers granted."""
        name = self.request()
        self.vote(self.session(name))
        return name

    def protect(self, resource_arn: str, **more: Any) -> str:
        """Back a resource of the owner up into its air-gapped vault; the recovery point's ARN."""
        job = self.backup(OWNER).start_backup_job(
            BackupVaultName="plain",
            LogicallyAirGappedBackupVaultArn=LAG,
            ResourceArn=resource_arn,
            IamRoleArn=self.role(OWNER),
            Lifecycle={"DeleteAfterDays": 14},
            **more,
        )
        self.wait(self.settings.backup_seconds)
        done = self.backup(OWNER).describe_backup_job(BackupJobId=job["BackupJobId"])
        assert done["State"] == "COMPLETED", done
        return str(job["RecoveryPointArn"])

    def restore(self, point: str, metadata: dict[str, str], **more: Any) -> dict[str, Any]:
        """Start a restore job, let it end, describe it."""
        job = self.backup().start_restore_job(
            RecoveryPointArn=point, Metadata=metadata, IamRoleArn=self.role(RECOVERY), **more
        )["RestoreJobId"]
        self.wait(601)
        return dict(self.backup().describe_restore_job(RestoreJobId=job))

    def table(self, account: str = OWNER, name: str = "orders", items: int = 30) -> str:
        """A table with a sort key, an index, binary and number attributes; its ARN."""
        dynamodb = client("dynamodb", account)
        made = dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "line", "AttributeType": "N"},
                {"AttributeName": "status", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "id", "KeyType": "HASH"},
                {"AttributeName": "line", "KeyType": "RANGE"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-status",
                    "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            Tags=[{"Key": "team", "Value": "shop"}],
        )
        for number in range(items):
            dynamodb.put_item(
                TableName=name,
                Item={
                    "id": {"S": f"order-{number}"},
                    "line": {"N": str(number)},
                    "status": {"S": "open"},
                    "blob": {"B": bytes([number])},
                },
            )
        return str(made["TableDescription"]["TableArn"])
