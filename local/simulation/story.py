"""The story told in AWS's own interfaces: a vault owner, its backups, the approvers, an attack and a finding."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from local.simulation.template import ROOT
from local.simulation.world import DETECTOR, MANAGEMENT, ORGANIZATION, OWNER, RECOVERY, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local.simulation.sdk import Call

DAY = 86400.0
TEAM_REGION = "us-east-1"
APPROVERS = ("ana", "ben", "cho")
ACCESS_POLICY = "arn:aws:mpa:::aws:policy/backup.amazonaws.com/CreateRestoreAccessVault/$DEFAULT"
BACKUP_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "backup.amazonaws.com"}}],
}
TWO_APPROVE = (("ana", "APPROVE", 20.0), ("ben", "APPROVE", 40.0))
"""Approver, decision, and seconds after the request's mail."""

FORWARDED = ("aws.guardduty", "aws.securityhub", "aws.cloudwatch", "aws.health", "aws.security-ir", "airlift.recovery")
"""Sources of which the detector's account forwards events."""
Votes = tuple[tuple[str, str, float], ...]


def iso(seconds: float) -> str:
    """Epoch seconds as AWS writes a time in a finding."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Story:
    """Prepares and plays incidents in one simulation."""

    def __init__(self, sim: Simulation, votes: Votes = TWO_APPROVE) -> None:
        self.sim = sim
        self.votes = votes
        """What approvers do with every request from now on."""
        self.team_arn = ""
        self.vault_arns: list[str] = []
        self.plan: dict[str, Any] = {}
        self._mails_read = 0
        self._decode = TypeDeserializer()
        sim.after_call.append(self._watch_requests)
        role = sim.client("iam", OWNER).create_role(
            RoleName="backup", AssumeRolePolicyDocument=json.dumps(BACKUP_TRUST)
        )
        self._backup_role = role["Role"]["Arn"]
        # AWS Backup makes it when it is first used; key policies name it.
        sim.client("iam").create_role(
            RoleName="AWSServiceRoleForBackup",
            Path="/aws-service-role/backup.amazonaws.com/",
            AssumeRolePolicyDocument=json.dumps(BACKUP_TRUST),
        )

    # -- the owner's account

    def table(self, name: str, items: int = 3) -> str:
        """A table with a few items; its ARN."""
        client = self.sim.client("dynamodb", OWNER)
        made = client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        for number in range(items):
            client.put_item(TableName=name, Item={"id": {"S": f"{name}-{number}"}, "state": {"S": "good"}})
        return str(made["TableDescription"]["TableArn"])

    def bucket(self, name: str) -> str:
        """A versioned bucket with an object; its ARN."""
        client = self.sim.client("s3", OWNER)
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": self.sim.region})
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        client.put_object(Bucket=name, Key="reports/2026.txt", Body=b"good", Metadata={"owner": "finance"})
        return f"arn:aws:s3:::{name}"

    def volume(self, content: bytes = b"good blocks") -> str:
        """An encrypted volume of 1 GiB with content; its ARN."""
        client = self.sim.client("ec2", OWNER)
        key = self.sim.client("kms", OWNER).create_key()["KeyMetadata"]["Arn"]
        made = client.create_volume(AvailabilityZone=f"{self.sim.region}a", Size=1, Encrypted=True, KmsKeyId=key)
        self.sim.aws.doors.write_volume(OWNER, self.sim.region, made["VolumeId"], content)
        return f"arn:aws:ec2:{self.sim.region}:{OWNER}:volume/{made['VolumeId']}"

    def file_system(self, name: str) -> str:
        """A file system with a file; its ARN."""
        client = self.sim.client("efs", OWNER)
        made = client.create_file_system(CreationToken=name, Tags=[{"Key": "Name", "Value": name}])
        place = (OWNER, self.sim.region, made["FileSystemId"])
        self.sim.aws.doors.write_files(*place, {"home/notes.txt": b"good"})
        return f"arn:aws:elasticfilesystem:{self.sim.region}:{OWNER}:file-system/{made['FileSystemId']}"

    def vault(self, name: str, *, team: bool = True) -> str:
        """A logically air-gapped vault, with the approval team unless told otherwise; its ARN."""
        client = self.sim.client("backup", OWNER)
        if not self.vault_arns:
            client.create_backup_vault(BackupVaultName="plain")
            self.sim.client("backup", MANAGEMENT).update_global_settings(GlobalSettings={"isMpaEnabled": "true"})
        made = client.create_logically_air_gapped_backup_vault(
            BackupVaultName=name, MinRetentionDays=7, MaxRetentionDays=60
        )
        if team:
            self.team_arn = self.team_arn or self._team()
            client.associate_backup_vault_mpa_approval_team(BackupVaultName=name, MpaApprovalTeamArn=self.team_arn)
            self.sim.run(10)
        self.vault_arns.append(made["BackupVaultArn"])
        return self.vault_arns[-1]

    def back_up(self, vault_arn: str, *resource_arns: str) -> dict[str, str]:
        """Back resources up into an air-gapped vault, now; recovery point by resource."""
        client = self.sim.client("backup", OWNER)
        points = {}
        for arn in resource_arns:
            points[arn] = client.start_backup_job(
                BackupVaultName="plain",
                LogicallyAirGappedBackupVaultArn=vault_arn,
                ResourceArn=arn,
                IamRoleArn=self._backup_role,
                Lifecycle={"DeleteAfterDays": 30},
            )["RecoveryPointArn"]
        self.sim.run(self.sim.settings.backup_seconds + 1)
        return points

    def back_up_daily(self, days: int, resources: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
        """Back resources up (vault ARN to resource ARNs) once a day; per day the points by resource."""
        found = []
        for _ in range(days):
            points: dict[str, str] = {}
            for vault_arn, arns in resources.items():
                points |= self.back_up(vault_arn, *arns)
            found.append(points)
            self.sim.run(DAY)
        return found

    def prepare(self, kinds: Sequence[str] = ("table",), *, vaults: int = 1, days: int = 2, **plan: Any) -> list[str]:
        """The usual story: resources of these kinds in each vault, backed up daily, a plan, findings forwarded.

        Returns the resources' ARNs, those of the first vault first.
        """
        makers: dict[str, Callable[[str], str]] = {
            "table": lambda n: self.table(f"orders{n}"),
            "bucket": lambda n: self.bucket(f"documents{n}"),
            "volume": lambda _: self.volume(),
            "files": lambda n: self.file_system(f"home{n}"),
        }
        protected = {
            self.vault(f"production{n}"): [makers[kind](f"-{n}-{i}") for i, kind in enumerate(kinds)]
            for n in range(vaults)
        }
        self.back_up_daily(days, protected)
        self.make_plan(**plan)
        self.forward_findings()
        return [arn for arns in protected.values() for arn in arns]

    # -- the approvers

    def _team(self) -> str:
        client = self.sim.client("mpa", ORGANIZATION, TEAM_REGION)
        center = {"InstanceArn": "arn:aws:sso:::instance/ssoins-0123456789abcdef", "Region": "eu-west-1"}
        source = client.create_identity_source(IdentitySourceParameters={"IamIdentityCenter": center})
        source_arn = source["IdentitySourceArn"]
        team = client.create_approval_team(
            Name="recovery",
            Description="Approves access to backups",
            ApprovalStrategy={"MofN": {"MinApprovalsRequired": 2}},
            Approvers=[{"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": source_arn} for who in APPROVERS],
            Policies=[{"PolicyArn": ACCESS_POLICY}],
        )["Arn"]
        for who in APPROVERS:
            self.sim.aws.portal.accept_invitation(team, who)
        ram = self.sim.client("ram", ORGANIZATION, TEAM_REGION)
        ram.create_resource_share(name="team", resourceArns=[team], principals=[OWNER, RECOVERY])
        for account in (OWNER, RECOVERY):
            invited = self.sim.client("ram", account, TEAM_REGION)
            for one in invited.get_resource_share_invitations()["resourceShareInvitations"]:
                invited.accept_resource_share_invitation(resourceShareInvitationArn=one["resourceShareInvitationArn"])
        return str(team)

    def requests(self) -> list[dict[str, Any]]:
        """Every mail that asked an approver for a vote, oldest first."""
        return [mail for mail in self.sim.aws.portal.outbox if mail["kind"] == "request"]

    def sessions(self) -> list[str]:
        """Every session that approvers were asked in, oldest first."""
        return list(dict.fromkeys(mail["sessionArn"] for mail in self.requests()))

    def vote(self, approver: str, decision: str = "APPROVE", session_arn: str | None = None) -> None:
        """Cast a vote in the portal, in the newest session by default."""
        self.sim.aws.portal.vote(session_arn or self.sessions()[-1], approver, decision)

    def _watch_requests(self, call: Call, _parsed: dict[str, Any]) -> None:
        if call.operation == "CreateRestoreAccessBackupVault":
            seconds = self.sim.settings.session_creating_seconds + 0.1
            self.sim.clock.call_at(self.sim.clock.now() + seconds, self._schedule_votes)

    def _schedule_votes(self) -> None:
        known, mails = self.sessions(), self.requests()
        fresh = dict.fromkeys(mail["sessionArn"] for mail in mails[self._mails_read :])
        self._mails_read = len(mails)
        for session_arn in (arn for arn in known if arn in fresh):
            for approver, decision, seconds in self.votes:
                self.sim.clock.call_at(
                    self.sim.clock.now() + seconds,
                    lambda who=approver, what=decision, arn=session_arn: self._vote_if_open(who, what, arn),  # type: ignore[misc]
                )

    def _vote_if_open(self, approver: str, decision: str, session_arn: str) -> None:
        client = self.sim.client("mpa", ORGANIZATION, TEAM_REGION)
        if client.get_session(SessionArn=session_arn)["Status"] == "PENDING":
            self.vote(approver, decision, session_arn)

    # -- the plan and the trigger

    def make_plan(self, **changes: Any) -> dict[str, Any]:
        """Deploy a plan that protects the vaults made so far; `changes` replace top-level members."""
        self.plan = {
            "version": 1,
            "accounts": [
                {
                    "id": OWNER,
                    "managementAccount": MANAGEMENT,
                    "vaults": [{"arn": arn, "approvalTeamArn": self.team_arn} for arn in self.vault_arns],
                }
            ],
            "detectors": [DETECTOR],
            "triggers": {"guardDuty": {"allow": "request", "minimumSeverity": 7}},
            "targets": {"types": {"EBS": {"availabilityZone": f"{self.sim.region}a"}}},
            **changes,
        }
        self.sim.deploy_plan(self.plan)
        return self.plan

    def forward_findings(self) -> None:
        """Let the detector's account forward its findings to the stack's bus."""
        client = self.sim.client("events", DETECTOR)
        client.put_rule(Name="forward", EventPattern=json.dumps({"source": list(FORWARDED)}))
        client.put_targets(Rule="forward", Targets=[{"Id": "airlift", "Arn": self.sim.outputs["IncidentBusArn"]}])

    def send_finding(self, first_seen: float | None = None, finding_id: str = "b" * 32, **changes: Any) -> None:
        """A GuardDuty finding about the owner appears in the detector's account; times in epoch seconds.

        `changes` replace members of the finding's detail.
        """
        event = copy.deepcopy(sample("guardduty-finding"))
        now = self.sim.clock.now()
        detail = event["detail"]
        detail |= {"id": finding_id, "createdAt": iso(now), "updatedAt": iso(now), **changes}
        detail["service"] |= {"eventFirstSeen": iso(first_seen or now), "eventLastSeen": iso(now)}
        self.send(event)

    def send(self, event: Mapping[str, Any]) -> None:
        """A service's event appears in the detector's account, now."""
        self.sim.events.deliver(
            DETECTOR, self.sim.region, {**event, "account": DETECTOR, "time": iso(self.sim.clock.now())}
        )

    # -- what became of it

    def executions(self, machine: str = "RecoveryStateMachineArn") -> list[dict[str, Any]]:
        """DescribeExecution of every execution of a state machine, oldest first."""
        found = self.sim.engine.list(self.sim.outputs[machine])
        return [self.sim.engine.describe(one["executionArn"]) for one in reversed(found)]

    def run_to_end(self, execution_arn: str | None = None, seconds: float = 30 * DAY) -> dict[str, Any]:
        """Let time pass until an execution (by default the newest) has ended and its events have arrived."""
        if execution_arn is None:
            self.sim.run(60, lambda: bool(self.executions()))
        arn = execution_arn or self.executions()[-1]["executionArn"]
        self.sim.run(seconds, lambda: self.sim.engine.describe(arn)["status"] != "RUNNING")
        self.sim.run(30)
        return self.sim.engine.describe(arn)

    def records(self, pk: str = "", sk: str = "") -> list[dict[str, Any]]:
        """Records of the ledger whose keys begin so, decoded, in the order of their keys."""
        decoded = ({k: self._decode.deserialize(v) for k, v in record.items()} for record in self.sim.ledger())
        return [record for record in decoded if record["pk"].startswith(pk) and record["sk"].startswith(sk)]

    def recovery(self) -> dict[str, Any]:
        """The newest recovery."""
        return max(self.records("RECOVERY#", "RECOVERY"), key=lambda record: str(record["createdAt"]))

    def items(self) -> dict[str, dict[str, Any]]:
        """The ledger's item of each resource, by ARN."""
        return {record["resourceArn"]: record for record in self.records("RECOVERY#", "ITEM#")}

    def restore_jobs(self) -> list[dict[str, Any]]:
        """Every restore job in the recovery account, as AWS Backup itself knows it, oldest first."""
        pages = self.sim.client("backup").get_paginator("list_restore_jobs").paginate()
        return [job for page in pages for job in page["RestoreJobs"]][::-1]


def sample(name: str) -> dict[str, Any]:
    """A sample of the `events` folder."""
    document: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return document
