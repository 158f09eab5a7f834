"""What approvers are asked about: teams, air-gapped vaults and requests for access, made through AWS's interfaces."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from local.cloud.running import MANAGEMENT, ORGANIZATION, PRODUCTION, RECOVERY, REGION, TEAM_REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.running import Cloud

APPROVERS = {
    "ana": "4a6b1c20-0001-70aa-8f00-0a1b2c3d4e5f",
    "ben": "4a6b1c20-0002-70aa-8f00-0a1b2c3d4e5f",
    "cho": "4a6b1c20-0003-70aa-8f00-0a1b2c3d4e5f",
}
"""What people are called, and their user ids in IAM Identity Center."""
_POLICY = "arn:aws:mpa:::aws:policy/backup.amazonaws.com/CreateRestoreAccessVault/$DEFAULT"


class Setting:
    """A local cloud in which production has opted in to multi-party approval."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._mpa = cloud.client("mpa", ORGANIZATION, TEAM_REGION)
        self._production = cloud.client("backup", PRODUCTION)
        self._recovery = cloud.client("backup", RECOVERY)
        center = {"InstanceArn": "arn:aws:sso:::instance/ssoins-0123456789abcdef", "Region": REGION}
        made = self._mpa.create_identity_source(IdentitySourceParameters={"IamIdentityCenter": center})
        self._source = made["IdentitySourceArn"]
        cloud.door("portal/names", {identity: name for name, identity in APPROVERS.items()})
        cloud.client("backup", MANAGEMENT).update_global_settings(GlobalSettings={"isMpaEnabled": "true"})

    def invite(self, name: str) -> str:
        """A team whose three approvers have their invitations; its ARN."""
        made = self._mpa.create_approval_team(
            Name=name,
            Description="Approves access to production's air-gapped backups",
            ApprovalStrategy={"MofN": {"MinApprovalsRequired": 2}},
            Approvers=[
                {"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": self._source} for who in APPROVERS.values()
            ],
            Policies=[{"PolicyArn": _POLICY}],
        )
        return str(made["Arn"])

    def team_status(self, arn: str) -> str:
        """A team's status."""
        return str(self._mpa.get_approval_team(Arn=arn)["Status"])

    def delete_team(self, arn: str) -> None:
        """Delete a team that didn't become active."""
        self._mpa.delete_inactive_approval_team_version(Arn=arn, VersionId="1")

    def ask(self, name: str, comment: str) -> str:
        """A vault that a team protects, and recovery's request for access; the restore access vault's name."""
        vault = self._production.create_logically_air_gapped_backup_vault(
            BackupVaultName=name, MinRetentionDays=7, MaxRetentionDays=60
        )["BackupVaultArn"]
        self._production.associate_backup_vault_mpa_approval_team(BackupVaultName=name, MpaApprovalTeamArn=self._team)
        self._until(lambda: self._association(name) == "APPROVED")
        access = f"{name}-access"
        self._recovery.create_restore_access_backup_vault(
            SourceBackupVaultArn=vault, BackupVaultName=access, RequesterComment=comment
        )
        self._until(lambda: any(mail.get("resourceArn") == vault for mail in self.mails()))
        return access

    def state(self, access: str) -> str:
        """A restore access vault's state."""
        return str(self._recovery.describe_backup_vault(BackupVaultName=access)["VaultState"])

    def mails(self) -> list[dict[str, Any]]:
        """Every mail to approvers, oldest first."""
        return list(self.cloud.door("portal/outbox")["mails"])

    @cached_property
    def _team(self) -> str:
        """A team that is active and shared with production and recovery."""
        team = self.invite("recovery")
        for who in APPROVERS.values():
            self.cloud.door("portal/accept", {"teamArn": team, "approver": who})
        self._share(team)
        return team

    def _association(self, name: str) -> str:
        found = self._production.describe_backup_vault(BackupVaultName=name)
        return str(found["LatestMpaApprovalTeamUpdate"]["Status"])

    def _share(self, team: str) -> None:
        accounts = [PRODUCTION, RECOVERY]
        owner = self.cloud.client("ram", ORGANIZATION, TEAM_REGION)
        owner.create_resource_share(name=team.rpartition("/")[2], resourceArns=[team], principals=accounts)
        for account in accounts:
            ram = self.cloud.client("ram", account, TEAM_REGION)
            for one in ram.get_resource_share_invitations()["resourceShareInvitations"]:
                if one["status"] == "PENDING":
                    ram.accept_resource_share_invitation(resourceShareInvitationArn=one["resourceShareInvitationArn"])

    def _until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < end, "the local cloud did not get there in 10 s"
            time.sleep(0.05)
