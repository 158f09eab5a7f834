"""The story: a production account that is backed up, the approvers, a recovery account, an attack, a finding.

It is told through AWS's interfaces and the local-only doors, never by writing into the local cloud's state.
"""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.cloud import accounts
from local.cloud.accounts import APPROVERS
from local.cloud.contents import KINDS
from local.cloud.machines import DISKS
from local.cloud.running import DETECTOR, MANAGEMENT, ORGANIZATION, PRODUCTION, RECOVERY, REGION, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from local.cloud.contents import Resource
    from local.cloud.running import Cloud

DAYS = 3
BEHIND_DAYS = DAYS + 0.5
"""How long ago the story begins; a local cloud it is told in starts with its clock so far behind."""

HOUR, DAY = 3600.0, 86400.0
VAULT = f"arn:aws:backup:{REGION}:{PRODUCTION}:backup-vault:production-airgapped"
CLUSTERS = ("Aurora", "DocumentDB", "Neptune")
CONTINUOUS = "production-buckets"
ALARM = "production-mass-deletion"
_COPYING = 600.0  # how long after a backup the story looks for its copy


@dataclass
class Story:
    """What was prepared. `expected` is what each resource held when the last clean recovery point was made."""

    cloud: Cloud
    resources: list[Resource] = field(default_factory=list)
    expected: dict[str, dict[str, Any]] = field(default_factory=dict)
    team: str = ""
    backup_plan: str = ""
    continuous_plan: str = ""
    restore_key: str = ""
    network: dict[str, list[str]] = field(default_factory=dict)
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
        arn = f"arn:aws:cloudwatch:{REGION}:{DETECTOR}:alarm:{ALARM}"
        alarm = {"arn": arn, "account": PRODUCTION, "lookBackMinutes": 60, "allow": "request"}
        vaults = [{"arn": VAULT, "approvalTeamArn": self.team}]
        account = {"id": PRODUCTION, "name": "production", "managementAccount": MANAGEMENT, "vaults": vaults}
        plan = {
            "version": 1,
            "approval": {"coolDownMinutes": 0},  # several incidents follow each other closely here
            "accounts": [account],
            "detectors": [DETECTOR],
            "triggers": {"guardDuty": {"allow": "request", "minimumSeverity": 7}, "alarms": [alarm]},
            "waves": [
                {"name": "data", "match": [{"types": ["DynamoDB", "S3"]}], "pauseBefore": pause},
                {"name": "storage and databases", "match": [{"types": ["EBS", "EFS", *CLUSTERS]}]},
                {"name": "compute", "match": [{"types": ["EC2"]}]},
            ],
            "targets": {"defaults": self.network, "types": self._types()},
            "objectives": {"rtoMinutes": 60, "rpoMinutes": 1440},
        }
        path.write_text(json.dumps(plan, indent=2))  # JSON is YAML
        return path

    def _types(self) -> dict[str, Any]:
        """Keys of the recovery account for what would else keep one that it can't use."""
        own = {"kmsKeyId": self.restore_key}
        devices = [{"DeviceName": device, "Ebs": {"KmsKeyId": self.restore_key}} for device in DISKS]
        return {
            "EBS": {"metadata": {"volumeType": "gp3"}},
            "EC2": {"metadata": {"BlockDeviceMappings": json.dumps(devices)}},
        } | dict.fromkeys(CLUSTERS, own)


def begin(cloud: Cloud, say: Callable[[str], None], kinds: Sequence[type[Resource]] = KINDS) -> Story:
    """Production with its resources; the accounts set up, up to what Airlift needs to be deployed."""
    story = Story(cloud)
    say(f"Production gets its resources: {', '.join(kind.resource_type for kind in kinds)}")
    with ThreadPoolExecutor(2) as beside:
        made = beside.submit(lambda: [kind(cloud) for kind in kinds])
        network = beside.submit(accounts.make_network, cloud)
        story.team = _team(cloud, say)
        vaults = accounts.make_vaults(cloud, story.team, Method="copy")
        accounts.wait_for_team(cloud, VAULT.rpartition(":")[2])
        say(f"{PRODUCTION} has an air-gapped vault; its team was pending, and now is assigned")
        story.backup_plan = vaults["BackupPlanId"]
        story.resources, (story.network, story.restore_key) = made.result(), network.result()
    story.continuous_plan = _plan_continuous(story)
    return story


def _plan_continuous(story: Story) -> str:
    """Production's own plan for its bucket: followed continuously, in the air-gapped vault itself; the plan's id."""
    backup, rule, role = _rule(story)
    followed = {
        "RuleName": CONTINUOUS,
        "TargetBackupVaultName": rule["TargetBackupVaultName"],
        "TargetLogicallyAirGappedBackupVaultArn": VAULT,
        "EnableContinuousBackup": True,
        "Lifecycle": {"DeleteAfterDays": 35},
    }
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": CONTINUOUS, "Rules": [followed]})["BackupPlanId"]
    buckets = {"SelectionName": "buckets", "IamRoleArn": role, "Resources": ["arn:aws:s3:::*"]}
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=buckets)
    return str(plan)


def _rule(story: Story) -> tuple[Any, dict[str, Any], str]:
    """A client, the rule of the plan that the vault's stack made, and its role."""
    backup = story.cloud.client("backup", PRODUCTION)
    rule = backup.get_backup_plan(BackupPlanId=story.backup_plan)["BackupPlan"]["Rules"][0]
    selected = backup.list_backup_selections(BackupPlanId=story.backup_plan)["BackupSelectionsList"][0]
    return backup, rule, selected["IamRoleArn"]


def _team(cloud: Cloud, say: Callable[[str], None]) -> str:
    """Steps 1 to 5 of accounts/README.md; the team's ARN."""
    accounts.opt_in(cloud)
    team = accounts.make_team(cloud)
    say(f"{MANAGEMENT} opts in; {ORGANIZATION} makes the team: {', '.join(APPROVERS.values())}")
    accounts.accept_invitations(cloud, team)
    accounts.share_team(cloud)
    for account in (PRODUCTION, RECOVERY):
        accounts.accept_shares(cloud, account)
    say(f"All approvers accept the invitation; {PRODUCTION} and {RECOVERY} accept the team's share")
    accounts.protect(cloud, team)
    return team


def tell(story: Story, say: Callable[[str], None], *, attack: bool = True) -> None:
    """Everything up to the moment before the finding, or before a drill if nobody attacks. It is the present then."""
    cloud, vault = story.cloud, VAULT.rpartition(":")[2]
    for day in range(1, DAYS + 1):
        for resource in story.resources:
            resource.live_a_day(day)
        if day == DAYS:
            story.expected = {one.arn: one.read(PRODUCTION, one.arn) for one in story.resources}
        points = _back_up(story, (DAYS - day) * DAY + 8 * HOUR)
        say(f"Day {day} of {DAYS}: {points} recovery points copied into {vault}")
    if not attack:
        _jump(cloud, 0)
        return
    _jump(cloud, 2 * HOUR)
    story.attacked = datetime.fromtimestamp(time.time() - 2 * HOUR, UTC)
    for resource in story.resources:
        resource.attack()
    say("An attacker encrypts, replaces and deletes data in all of them; an hour later that is backed up and copied")
    _jump(cloud, HOUR)
    _back_up(story, 0)


def _back_up(story: Story, behind: float) -> int:
    """Do on demand what the backup plans do on schedule, and let it be `behind` seconds ago; how many copies.

    A bucket isn't copied: its continuous recovery point is in the air-gapped vault already and goes on.
    """
    cloud, (backup, rule, role) = story.cloud, _rule(story)
    followed = [one for one in story.resources if one.resource_type == "S3"]
    for bucket in followed:
        asked = {"plan_id": story.continuous_plan, "rule_name": CONTINUOUS, "resource_arn": bucket.arn}
        cloud.door("run-rule", {"account": PRODUCTION, "region": REGION, **asked})
    made = [
        backup.start_backup_job(
            BackupVaultName=rule["TargetBackupVaultName"],
            ResourceArn=resource.arn,
            IamRoleArn=role,
            Lifecycle=rule["Lifecycle"],
        )
        for resource in story.resources
        if resource not in followed
    ]
    _jump(cloud, behind + _COPYING)
    _completed(
        lambda job: str(backup.describe_backup_job(BackupJobId=job)["State"]), [one["BackupJobId"] for one in made]
    )
    copies = [
        backup.start_copy_job(
            RecoveryPointArn=one["RecoveryPointArn"],
            SourceBackupVaultName=rule["TargetBackupVaultName"],
            DestinationBackupVaultArn=action["DestinationBackupVaultArn"],
            IamRoleArn=role,
            Lifecycle=action["Lifecycle"],
        )["CopyJobId"]
        for one in made
        for action in rule["CopyActions"]
    ]
    _jump(cloud, behind)
    _completed(lambda job: str(backup.describe_copy_job(CopyJobId=job)["CopyJob"]["State"]), copies)
    return len(copies)


def _jump(cloud: Cloud, behind: float) -> None:
    """Move Backup's clock on."""
    cloud.door("clock", {"behind": behind})


def _completed(look: Callable[[str], str], jobs: Sequence[str]) -> None:
    """See that jobs have completed, which the clock's jump let end."""
    until = time.monotonic() + 10
    for job in jobs:
        while (state := look(job)) != "COMPLETED":
            if time.monotonic() > until:
                raise RuntimeError(f"Job {job} is {state}.")
            time.sleep(0.05)


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
