"""Restore-access vaults and approval teams of vaults: what multi-party approval protects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.aws.backup.state import AIR_GAPPED, RESTORE_ACCESS, State, Vault, vault_arn
from local.aws.backup.vaults import Vaults, already_exists
from local.aws.context import page
from local.aws.errors import AccessDenied, AwsError, invalid_parameter, invalid_request
from local.aws.wire import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.aws.model import Params
    from local.aws.mpa import Mpa
    from local.aws.mpa.sessions import Session
    from local.aws.mpa.team import Team

MAX_COMMENT = 200
"""GetSession's RequesterComment has at most 200 characters, so the request is held to it (inferred)."""

_CREATE = "backup:CreateRestoreAccessBackupVault"


@dataclass
class _Operation:
    """A protected operation of AWS Backup: what to do when approved and when not."""

    run: Callable[[], None]
    give_up: Callable[[str], None]

    def execute(self) -> None:
        self.run()

    def refuse(self, reason: str) -> None:
        self.give_up(reason)


class Access:
    """Operations that a team approves, and the listing of what it approved."""

    def __init__(self, state: State, vaults: Vaults, mpa: Mpa) -> None:
        self._state = state
        self._vaults = vaults
        self._mpa = mpa

    # restore-access vaults

    def create_restore_access_backup_vault(self, caller: Caller, params: Params) -> Params:
        """CreateRestoreAccessBackupVault: CREATING until the team has decided.

        The same CreatorRequestId and parameters give the same vault; the same name with another id is
        AlreadyExistsException. One vault per source and account, a FAILED one included: LimitExceededException
        (devguide/logicallyairgappedvault.html, troubleshooting).
        """
        source = self._state.vault_by_arn(params["SourceBackupVaultArn"], caller.region)
        if source.kind != AIR_GAPPED:
            raise invalid_request(f"{source.arn} is not a logically air-gapped vault.")
        if len(params.get("RequesterComment", "")) > MAX_COMMENT:
            raise invalid_parameter(f"RequesterComment must not be longer than {MAX_COMMENT} characters.")
        known = self._known(caller, source, params)
        if known is not None:
            return _created(known)
        self._state.check_room(caller)
        team = self._usable_team(source, caller.account)
        # The name, if none is given, follows the source vault's (devguide, requester tasks).
        suffix = f"-restore-access-{self._state.context.ids.hex(6)}"
        name = params.get("BackupVaultName") or source.name[: 50 - len(suffix)] + suffix
        arn = vault_arn(caller.account, caller.region, name)
        self._state.authorize_tags(caller, arn, params.get("BackupVaultTags", {}))
        vault = Vault(
            name,
            arn,
            caller.account,
            caller.region,
            RESTORE_ACCESS,
            self._state.now(),
            params.get("CreatorRequestId"),
            state="CREATING",
            tags=dict(params.get("BackupVaultTags", {})),
            team_arn=team.arn,
            source=source,
            requester=caller,
            comment=params.get("RequesterComment"),
        )
        self._state.vaults[vault.arn] = vault
        answer = _created(vault)
        try:
            self._authorize_start(caller, team.arn)
        except AccessDenied:
            # Without mpa:StartSession the vault itself fails (devguide, troubleshooting).
            vault.state = "FAILED"
            return answer
        operation = _Operation(lambda: self._grant(vault), lambda _reason: self._learn_of_end(vault))
        session = self._start(team, caller, _CREATE, source.arn, operation, vault.comment)
        vault.session_arn = session.arn
        return answer

    def _known(self, caller: Caller, source: Vault, params: Params) -> Vault | None:
        """The vault this request already made. Raises what stands against a new one."""
        request_id, name = params.get("CreatorRequestId"), params.get("BackupVaultName")
        for vault in self._state.vaults_of(caller):
            same_request = request_id is not None and vault.creator_request_id == request_id
            if same_request and vault.source is source and name in (None, vault.name):
                return vault
            if same_request or vault.name == name:
                raise already_exists(vault)
            if vault.source is source:
                message = f"{source.arn} has the restore access backup vault {vault.name} ({vault.state})."
                raise AwsError("LimitExceededException", message)
        return None

    def _grant(self, vault: Vault) -> None:
        """What approval executes: with the requester's permissions as they are at this moment."""
        if vault.requester is None or vault.source is None or vault.team_arn is None:
            raise invalid_request(f"{vault.name} is not a restore access backup vault.")
        try:
            self._state.context.authorize(vault.requester, _CREATE, [vault.source.arn, vault.arn])
            self._authorize_start(vault.requester, vault.team_arn)
            self._check_key(vault.source, vault.account)
        except AwsError:
            self._fail(vault)
            raise
        vault.state, vault.approved = "AVAILABLE", self._state.now()

    def _learn_of_end(self, vault: Vault) -> None:
        if seconds := self._state.context.settings.failing_seconds:
            self._state.context.after(seconds, lambda: self._fail(vault))
        else:
            self._fail(vault)

    def _fail(self, vault: Vault) -> None:
        vault.state = "FAILED"

    def _check_key(self, source: Vault, account: str) -> None:
        """A customer managed key must be enabled and its policy must name the recovery account."""
        if source.key_arn is None:
            return
        _, _, _, region, owner, _ = source.key_arn.split(":", 5)
        kms = self._state.context.clients("kms", owner, region)
        try:
            enabled = kms.describe_key(KeyId=source.key_arn)["KeyMetadata"]["KeyState"] == "Enabled"
            policy = kms.get_key_policy(KeyId=source.key_arn, PolicyName="default")["Policy"]
        except kms.exceptions.NotFoundException:
            enabled, policy = False, ""
        if not enabled or account not in policy:
            raise AccessDenied(f"Access denied to KMS key {source.key_arn}.")

    def list_restore_access_backup_vaults(self, caller: Caller, params: Params) -> Params:
        """ListRestoreAccessBackupVaults of a vault the caller owns."""
        source = self._air_gapped(caller, params["BackupVaultName"])
        found = [
            {
                "RestoreAccessBackupVaultArn": vault.arn,
                "CreationDate": vault.created,
                "ApprovalDate": vault.approved,
                "VaultState": vault.state,
                "LatestRevokeRequest": vault.revoke,
            }
            for vault in self._state.vaults.values()
            if vault.source is source
        ]
        invalid = "InvalidParameterValueException"
        items, token = page(found, "RestoreAccessBackupVaultArn", params, 1000, invalid)
        return {"RestoreAccessBackupVaults": items, "NextToken": token}

    def revoke_restore_access_backup_vault(self, caller: Caller, params: Params) -> None:
        """RevokeRestoreAccessBackupVault: by the owner of the source, of an AVAILABLE one, if the team approves."""
        source = self._air_gapped(caller, params["BackupVaultName"])
        arn = params["RestoreAccessBackupVaultArn"]
        vault = self._state.vaults.get(arn)
        if vault is None or vault.source is not source:
            raise AwsError("ResourceNotFoundException", f"{arn} was not found.")
        if vault.state != "AVAILABLE":
            raise invalid_request(f"{arn} is {vault.state}, not AVAILABLE.")
        team = self._usable_team(source, caller.account)
        self._authorize_start(caller, team.arn)
        revoked = vault

        def run() -> None:
            self._state.vaults.pop(revoked.arn, None)

        def give_up(reason: str) -> None:
            revoked.revoke = (revoked.revoke or {}) | {"Status": "FAILED", "StatusMessage": reason}

        action = "backup:RevokeRestoreAccessBackupVault"
        comment = params.get("RequesterComment")
        session = self._start(team, caller, action, vault.arn, _Operation(run, give_up), comment)
        vault.revoke = _pending(session)

    # a vault's team

    def associate_backup_vault_mpa_approval_team(self, caller: Caller, params: Params) -> None:
        """AssociateBackupVaultMpaApprovalTeam: the first needs no approval, a change needs the present team's."""
        vault = self._air_gapped(caller, params["BackupVaultName"])
        if not self._vaults.is_mpa_enabled(caller.account):
            raise invalid_request("MPA is not opted-in")
        arn = params["MpaApprovalTeamArn"]
        team = self._team(arn, caller.account)
        if team.status != "ACTIVE":
            raise invalid_request(f"Approval team {arn} is {team.status}, not ACTIVE.")

        def assign() -> None:
            vault.team_arn = arn
            vault.team_update = {**(vault.team_update or {}), "Status": "APPROVED"}
            team.ended.append(lambda: self._drop_team(vault, arn))

        if vault.team_arn is None:
            now, seconds = self._state.now(), self._state.context.settings.association_seconds
            vault.team_update = {"Status": "PENDING", "InitiationDate": now, "ExpiryDate": now + 86400}
            self._state.context.after(seconds, assign)
            return
        self._change_team(caller, vault, "backup:AssociateBackupVaultMpaApprovalTeam", assign, params)

    def disassociate_backup_vault_mpa_approval_team(self, caller: Caller, params: Params) -> None:
        """DisassociateBackupVaultMpaApprovalTeam: needs the team's approval."""
        vault = self._air_gapped(caller, params["BackupVaultName"])
        if vault.team_arn is None:
            raise invalid_request(f"Backup vault {vault.name} has no approval team.")

        def remove() -> None:
            vault.team_arn = None
            vault.team_update = {**(vault.team_update or {}), "Status": "APPROVED"}

        self._change_team(caller, vault, "backup:DisassociateBackupVaultMpaApprovalTeam", remove, params)

    def _change_team(self, caller: Caller, vault: Vault, action: str, run: Callable[[], None], params: Params) -> None:
        team = self._usable_team(vault, caller.account)
        self._authorize_start(caller, team.arn)

        def give_up(reason: str) -> None:
            vault.team_update = {**(vault.team_update or {}), "Status": "FAILED", "StatusMessage": reason}

        comment = params.get("RequesterComment")
        session = self._start(team, caller, action, vault.arn, _Operation(run, give_up), comment)
        vault.team_update = _pending(session)

    def _drop_team(self, vault: Vault, arn: str) -> None:
        """A deleted team takes its associations and the access it gave with it (Blog-A in the facts)."""
        if vault.team_arn != arn:
            return
        vault.team_arn = None
        for access in [one for one in self._state.vaults.values() if one.source is vault]:
            del self._state.vaults[access.arn]

    # shared

    def _air_gapped(self, caller: Caller, name: str) -> Vault:
        vault = self._state.vault(caller, name)
        if vault.kind != AIR_GAPPED:
            raise invalid_request(f"{vault.arn} is not a logically air-gapped vault.")
        return vault

    def _team(self, arn: str, account: str) -> Team:
        """A team that `account` may use. Raises InvalidRequestException."""
        try:
            return self._mpa.teams.readable(Caller(account, "us-east-1", f"arn:aws:iam::{account}:root"), arn)
        except AwsError:
            message = f"Approval team {arn} does not exist or is not shared with account {account}."
            raise invalid_request(message) from None

    def _usable_team(self, vault: Vault, account: str) -> Team:
        if vault.team_arn is None:
            raise invalid_request(f"{vault.arn} has no approval team.")
        team = self._team(vault.team_arn, account)
        if team.status != "ACTIVE":
            raise invalid_request(f"Approval team {team.arn} is {team.status}, not ACTIVE.")
        return team

    def _authorize_start(self, caller: Caller, team_arn: str) -> None:
        self._state.context.authorize(caller, "mpa:StartSession", [team_arn])

    def _start(
        self, team: Team, caller: Caller, action: str, arn: str, operation: _Operation, comment: str | None
    ) -> Session:
        return self._mpa.sessions.start(team, caller, action, arn, operation, comment=comment)


def _created(vault: Vault) -> Params:
    return {
        "RestoreAccessBackupVaultArn": vault.arn,
        "RestoreAccessBackupVaultName": vault.name,
        "VaultState": vault.state,
        "CreationDate": vault.created,
    }


def _pending(session: Session) -> dict[str, Any]:
    return {
        "MpaSessionArn": session.arn,
        "Status": "PENDING",
        "InitiationDate": session.initiated,
        "ExpiryDate": session.expires,
    }
