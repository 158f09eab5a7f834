"""The story: a production account that is backed up, the approvers, a recovery account, an attack, a finding.

It is told through AWS's interfaces and the local-only doors, never by writing into the local cloud's state.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.cloud.contents import KINDS
from local.cloud.running import DETECTOR, ORGANIZATION, PRODUCTION, RECOVERY, REGION, ROOT, TEAM_REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from local.cloud.contents import Resource
    from local.cloud.running import Cloud

DAYS = 3
BEHIND_DAYS = DAYS + 0.5
"""How long ago the story begins; a local cloud it is told in starts with its clock so far behind."""

HOUR, DAY = 3600.0, 86400.0
APPROVERS = ("ana", "ben", "cho")
VAULT = f"arn:aws:backup:{REGION}:{PRODUCTION}:backup-vault:production-airgapped"
PLAIN_VAULT = f"arn:aws:backup:{REGION}:{PRODUCTION}:backup-vault:production"
ALARM = "production-mass-deletion"
_POLICY = "arn:aws:mpa:::aws:policy/backup.amazonaws.com/CreateRestoreAccessVault/$DEFAULT"


@dataclass
class Story:
    """What was prepared. `expected` is what each resource held when the last clean recovery point was made."""

    cloud: Cloud
    resources: list[Resource] = field(default_factory=list)
    expected: dict[str, dict[str, Any]] = field(default_factory=dict)
    team: str = ""
    role: str = ""
    attacked: datetime = field(default_factory=lambda: datetime.now(UTC))

    def vote(self, session_arn: str, approver: str, decision: str = "APPROVE") -> None:
        """An approver's vote in the portal."""
        document = {"sessionArn": session_arn, "approver": approver, "decision": decision}
        self.cloud.door("portal/vote", document)

    def requests(self) -> list[dict[str, Any]]:
        """The mails that asked the approvers for their vote, oldest first."""
        mails = self.cloud.door("portal/outbox")["mails"]
        return [mail for mail in mails if mail["kind"] == "request"]

    def send_finding(self, sender: str = DETECTOR, **changes: Any) -> None:
        """GuardDuty's finding about production, as it arises in the account that gathers findings."""
        event = json.loads((ROOT / "events/guardduty-finding.json").read_text())
        event |= {"id": str(uuid.uuid4()), "time": _iso(datetime.now(UTC)), "account": sender}
        event["detail"] |= {"id": uuid.uuid4().hex} | changes
        event["detail"]["service"] |= {"eventFirstSeen": _iso(self.attacked), "eventLastSeen": event["time"]}
        self.cloud.door("events", {"account": sender, "region": REGION, "event": event})

    def plan(self, path: Path, *, pause: bool = False) -> Path:
        """Write the recovery plan of this story; with `pause`, the operator confirms before anything is restored."""
        zones = [f"{REGION}a", f"{REGION}c"]
        subnet, group = self._network()
        arn = f"arn:aws:cloudwatch:{REGION}:{DETECTOR}:alarm:{ALARM}"
        alarm = {"arn": arn, "account": PRODUCTION, "lookBackMinutes": 60, "allow": "request"}
        account = {"id": PRODUCTION, "name": "production", "vaults": [{"arn": VAULT, "approvalTeamArn": self.team}]}
        plan = {
            "version": 1,
            "approval": {"coolDownMinutes": 0},  # several incidents follow each other closely here
            "accounts": [account],
            "detectors": [DETECTOR],
            "triggers": {"guardDuty": {"allow": "request", "minimumSeverity": 7}, "alarms": [alarm]},
            "waves": [
                {"name": "data", "match": [{"types": ["DynamoDB", "S3"]}], "pauseBefore": pause},
                {"name": "storage", "match": [{"types": ["EBS", "EFS"]}]},
            ],
            "targets": {
                "defaults": {"availabilityZones": zones, "subnetIds": [subnet], "securityGroupIds": [group]},
                "types": {"EBS": {"metadata": {"volumeType": "gp3"}}},
            },
            "objectives": {"rtoMinutes": 60, "rpoMinutes": 1440},
        }
        path.write_text(json.dumps(plan, indent=2))  # JSON is YAML
        return path

    def _network(self) -> tuple[str, str]:
        """An isolated network in the recovery account: a subnet and a security group."""
        ec2 = self.cloud.client("ec2", RECOVERY)
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.1.0/24", AvailabilityZone=f"{REGION}a")
        group = ec2.create_security_group(GroupName="isolated", Description="no way in or out", VpcId=vpc)
        return subnet["Subnet"]["SubnetId"], group["GroupId"]


def begin(cloud: Cloud, say: Callable[[str], None], kinds: Sequence[type[Resource]] = KINDS) -> Story:
    """Production with its resources and vaults, and the approval team."""
    story = Story(cloud)
    say(f"Production gets its resources: {', '.join(kind.resource_type for kind in kinds)}")
    story.resources = [kind(cloud) for kind in kinds]
    say("Three approvers accept their invitation; the team is shared and assigned to the air-gapped vault")
    story.team = _team(cloud)
    story.role = _vaults(cloud, story.team)
    return story


def tell(story: Story, say: Callable[[str], None]) -> None:
    """Everything up to the moment before the finding; the local cloud's clock arrives in the present."""
    cloud, role = story.cloud, story.role
    for day in range(1, DAYS + 1):
        for resource in story.resources:
            resource.live_a_day(day)
        if day == DAYS:
            story.expected = {one.arn: one.read(PRODUCTION, one.arn) for one in story.resources}
        points = _back_up(cloud, story.resources, role)
        _jump(cloud, (DAYS - day) * DAY + 8 * HOUR, points)
        say(f"Day {day} of {DAYS}: {len(points)} recovery points in {VAULT.rpartition(':')[2]}")
    _jump(cloud, 2 * HOUR)
    story.attacked = datetime.fromtimestamp(time.time() - 2 * HOUR, UTC)
    for resource in story.resources:
        resource.attack()
    say("An attacker encrypts, replaces and deletes data in all of them; an hour later that is backed up")
    _jump(cloud, HOUR)
    poisoned = _back_up(cloud, story.resources, role)
    _jump(cloud, 0, poisoned)


def forward_findings(cloud: Cloud, account: str = DETECTOR) -> None:
    """An account forwards its findings and its alarms' events to the recovery account's bus."""
    iam, events = cloud.client("iam", account), cloud.client("events", account)
    bus = f"arn:aws:events:{REGION}:{RECOVERY}:event-bus/airlift-incidents"
    trust = _document("sts:AssumeRole", Principal={"Service": "events.amazonaws.com"})
    role = iam.create_role(RoleName="forward-findings", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    allowed = _document("events:PutEvents", Resource=bus)
    iam.put_role_policy(RoleName="forward-findings", PolicyName="bus", PolicyDocument=allowed)
    pattern = {"source": ["aws.guardduty", "aws.cloudwatch"]}
    events.put_rule(Name="forward-findings", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="forward-findings", Targets=[{"Id": "recovery", "Arn": bus, "RoleArn": role}])


def _document(action: str, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more}]})


def _team(cloud: Cloud) -> str:
    """A team of three, threshold two, accepted, shared with production and recovery."""
    mpa = cloud.client("mpa", ORGANIZATION, TEAM_REGION)
    center = {"InstanceArn": "arn:aws:sso:::instance/ssoins-0123456789abcdef", "Region": REGION}
    source = mpa.create_identity_source(IdentitySourceParameters={"IamIdentityCenter": center})["IdentitySourceArn"]
    team = mpa.create_approval_team(
        Name="recovery",
        Description="Approves access to production's air-gapped backups",
        ApprovalStrategy={"MofN": {"MinApprovalsRequired": 2}},
        Approvers=[{"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": source} for who in APPROVERS],
        Policies=[{"PolicyArn": _POLICY}],
    )["Arn"]
    for who in APPROVERS:
        cloud.door("portal/accept", {"teamArn": team, "approver": who})
    accounts = [PRODUCTION, RECOVERY]
    owner = cloud.client("ram", ORGANIZATION, TEAM_REGION)
    owner.create_resource_share(name="recovery-team", resourceArns=[team], principals=accounts)
    for account in accounts:
        ram = cloud.client("ram", account, TEAM_REGION)
        for invitation in ram.get_resource_share_invitations()["resourceShareInvitations"]:
            if invitation["status"] == "PENDING":
                arn = invitation["resourceShareInvitationArn"]
                ram.accept_resource_share_invitation(resourceShareInvitationArn=arn)
    return str(team)


def _vaults(cloud: Cloud, team: str) -> str:
    """Production's vaults, the team assigned to the air-gapped one; the role that backups are made with."""
    backup, iam = cloud.client("backup", PRODUCTION), cloud.client("iam", PRODUCTION)
    trust = _document("sts:AssumeRole", Principal={"Service": "backup.amazonaws.com"})
    role = iam.create_role(RoleName="backup", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    backup.update_global_settings(GlobalSettings={"isMpaEnabled": "true"})
    backup.create_backup_vault(BackupVaultName=PLAIN_VAULT.rpartition(":")[2])
    name = VAULT.rpartition(":")[2]
    backup.create_logically_air_gapped_backup_vault(BackupVaultName=name, MinRetentionDays=7, MaxRetentionDays=60)
    backup.associate_backup_vault_mpa_approval_team(BackupVaultName=name, MpaApprovalTeamArn=team)
    return str(role)


def _back_up(cloud: Cloud, resources: list[Resource], role: str) -> list[str]:
    """Start a backup of each resource, straight into the air-gapped vault; the jobs."""
    backup = cloud.client("backup", PRODUCTION)
    return [
        backup.start_backup_job(
            BackupVaultName=PLAIN_VAULT.rpartition(":")[2],
            LogicallyAirGappedBackupVaultArn=VAULT,
            ResourceArn=resource.arn,
            IamRoleArn=role,
            Lifecycle={"DeleteAfterDays": 30},
        )["BackupJobId"]
        for resource in resources
    ]


def _jump(cloud: Cloud, behind: float, jobs: list[str] | None = None) -> None:
    """Move Backup's clock on, and see that the backup jobs have completed."""
    cloud.door("clock", {"behind": behind})
    backup, until = cloud.client("backup", PRODUCTION), time.monotonic() + 10
    for job in jobs or []:
        while (state := backup.describe_backup_job(BackupJobId=job)["State"]) != "COMPLETED":
            if time.monotonic() > until:
                raise RuntimeError(f"Backup job {job} is {state}.")
            time.sleep(0.05)


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
