"""Backup jobs and copy jobs: how recovery points come into vaults."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from local.aws.backup import composite
from local.aws.backup.jobs import Job, common, find, select, started, started_copy
from local.aws.backup.roles import check_role
from local.aws.backup.state import AIR_GAPPED, PLAIN, Point, State, Vault
from local.aws.backup.types import FAMILIES, family_of
from local.aws.context import page
from local.aws.errors import invalid_parameter, invalid_request
from local.aws.model import Params, iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.aws.backup.events import Events
    from local.aws.backup.types.base import Family, Snapshot
    from local.aws.wire import Caller


class Protect:
    """StartBackupJob, StartCopyJob and what tells about their jobs."""

    def __init__(self, state: State, events: Events) -> None:
        self._state = state
        self._events = events

    def start_backup_job(self, caller: Caller, params: Params) -> Params:
        """StartBackupJob: copies the resource as it is at this moment.

        With LogicallyAirGappedBackupVaultArn the point goes into that vault directly
        (devguide/lag-vault-primary-backup.html); BackupVaultName has to be a plain vault in any case.
        """
        vault = self._state.vault(caller, params["BackupVaultName"])
        if vault.kind != PLAIN:
            raise invalid_parameter(f"{vault.name} is a {vault.kind}; name a backup vault.")
        if "LogicallyAirGappedBackupVaultArn" in params:
            vault = self._own_vault(caller, params["LogicallyAirGappedBackupVaultArn"])
            if vault.kind != AIR_GAPPED:
                raise invalid_parameter(f"{vault.arn} is not a logically air-gapped vault.")
        jobs, token = self._state.jobs(caller), ("backup", params.get("IdempotencyToken", ""))
        known = jobs.tokens.get(token)
        if token[1] and known is not None:
            return started(jobs.backup[known])
        check_role(self._state.context, caller, params["IamRoleArn"])
        family, context = family_of(params["ResourceArn"]), self._state.context
        options = params.get("BackupOptions", {})
        if "WindowsVSS" in options and family.resource_type != "EC2":
            raise invalid_parameter(f"WindowsVSS is an option of EC2, not of {family.resource_type}.")
        copy = family.snapshot(context, caller.account, caller.region, params["ResourceArn"])
        job = self.begin_backup(caller, vault, params, copy, self._point_arn(caller, vault, family))
        jobs.tokens[token] = job.job_id
        return started(job)

    def begin_backup(self, caller: Caller, vault: Vault, params: Params, copy: Snapshot, arn: str) -> Job:
        """A backup job that puts `copy` into `vault` as point `arn`; `params` are StartBackupJob's."""
        context, now, resource = self._state.context, self._state.now(), params["ResourceArn"]
        point = Point(
            arn=arn,
            resource_arn=resource,
            resource_type=copy.resource_type or family_of(resource).resource_type,
            resource_name=copy.name,
            content=copy.content,
            size=copy.size,
            created=now,
            completed=None,
            role_arn=params["IamRoleArn"],
            delete_after_days=params.get("Lifecycle", {}).get("DeleteAfterDays"),
            # A resource's tags are put on its recovery points (devguide/creating-a-backup.html).
            tags={**copy.tags, **params.get("RecoveryPointTags", {})},
            barred=copy.barred,
            is_parent=copy.members is not None,
        )
        seconds = context.settings.backup_seconds
        job = Job(context.ids.uuid().upper(), caller, vault, point, params["IamRoleArn"], now, now + seconds)
        job.options = dict(params.get("BackupOptions", {}))
        if copy.members is not None:
            members = {member: self._copied(caller, member) for member in copy.members}
            job.nested = composite.backed_up(point, members, self._namer(caller, vault))
        self._state.jobs(caller).backup[job.job_id] = job
        self._begin(job, "Backup")
        return job

    def describe_backup_job(self, caller: Caller, params: Params) -> Params:
        """DescribeBackupJob."""
        return self._backup(find(self._state.jobs(caller).backup, params["BackupJobId"]))

    def list_backup_jobs(self, caller: Caller, params: Params) -> Params:
        """ListBackupJobs, newest first."""
        found = [self._backup(job) for job in reversed(self._state.jobs(caller).backup.values())]
        filters = {"ByResourceArn": "ResourceArn", "ByState": "State", "ByResourceType": "ResourceType",
                   "ByBackupVaultName": "BackupVaultName", "ByAccountId": "AccountId"}  # fmt: skip
        chosen = select(found, params, filters)
        items, token = page(chosen, "BackupJobId", params, 1000, "InvalidParameterValueException")
        return {"BackupJobs": items, "NextToken": token}

    def start_copy_job(self, caller: Caller, params: Params) -> Params:
        """StartCopyJob, between vaults of one account and Region. The copy keeps the source's CreationDate.

        Other destinations, copies out of a restore-access vault and of continuous points are not provided.
        """
        origin_vault = self._state.vault(caller, params["SourceBackupVaultName"])
        origin = self._state.point(origin_vault, params["RecoveryPointArn"])
        if origin_vault.kind != PLAIN or origin.status != "COMPLETED":
            raise invalid_request(f"{origin.arn} is {origin.status} in a {origin_vault.kind}; it can't be copied.")
        vault = self._own_vault(caller, params["DestinationBackupVaultArn"])
        jobs, token = self._state.jobs(caller), ("copy", params.get("IdempotencyToken", ""))
        known = jobs.tokens.get(token)
        if token[1] and known is not None:
            return started_copy(jobs.copy[known])
        check_role(self._state.context, caller, params["IamRoleArn"])
        now, context = self._state.now(), self._state.context
        point = replace(
            origin,
            arn=self._point_arn(caller, vault, FAMILIES[origin.resource_type]),
            completed=None,
            source_vault_arn=origin_vault.arn,
            delete_after_days=params.get("Lifecycle", {}).get("DeleteAfterDays"),
            tags=dict(origin.tags),
        )
        job = Job(
            context.ids.uuid().upper(), caller, vault, point, params["IamRoleArn"], now,
            now + context.settings.copy_seconds, origin=origin, origin_vault=origin_vault,
        )  # fmt: skip
        job.nested = composite.copied(point, origin, origin_vault, self._namer(caller, vault))
        jobs.copy[job.job_id] = job
        jobs.tokens[token] = job.job_id
        self._begin(job, "Copy")
        return started_copy(job)

    def describe_copy_job(self, caller: Caller, params: Params) -> Params:
        """DescribeCopyJob."""
        return {"CopyJob": self._copy(find(self._state.jobs(caller).copy, params["CopyJobId"]))}

    def list_copy_jobs(self, caller: Caller, params: Params) -> Params:
        """ListCopyJobs, newest first."""
        found = [self._copy(job) for job in reversed(self._state.jobs(caller).copy.values())]
        filters = {"ByResourceArn": "ResourceArn", "ByState": "State", "ByResourceType": "ResourceType",
                   "ByDestinationVaultArn": "DestinationBackupVaultArn", "ByAccountId": "AccountId",
                   "BySourceRecoveryPointArn": "SourceRecoveryPointArn"}  # fmt: skip
        chosen = select(found, params, filters)
        items, token = page(chosen, "CopyJobId", params, 1000, "InvalidParameterValueException")
        return {"CopyJobs": items, "NextToken": token}

    def _own_vault(self, caller: Caller, arn: str) -> Vault:
        vault = self._state.vault_by_arn(arn, caller.region)
        if vault.account != caller.account or vault.source is not None:
            raise invalid_request(f"{arn} is not a vault of account {caller.account} that can take copies.")
        return vault

    def _copied(self, caller: Caller, resource_arn: str) -> tuple[str, Snapshot]:
        """Type and copy of a resource inside a composite one."""
        family = family_of(resource_arn)
        copy = family.snapshot(self._state.context, caller.account, caller.region, resource_arn)
        return copy.resource_type or family.resource_type, copy

    def _namer(self, caller: Caller, vault: Vault) -> Callable[[str], str]:
        return lambda kind: self._point_arn(caller, vault, FAMILIES[kind])

    def _point_arn(self, caller: Caller, vault: Vault, family: Family) -> str:
        ids = self._state.context.ids
        if vault.kind == PLAIN and family.native_arn:
            return family.native_arn.format(region=caller.region, account=caller.account, id=ids.hex(17))
        return f"arn:aws:backup:{caller.region}:{caller.account}:recovery-point:{ids.uuid()}"

    def _begin(self, job: Job, kind: str) -> None:
        self._notify(job, kind)
        days, vault = job.point.delete_after_days, job.vault
        # What is nested is in the vault as well: one point that it does not take fails the whole job (inferred).
        barred = next((one.barred for one in (job.point, *job.nested) if one.barred), None)
        if vault.kind == AIR_GAPPED and not (
            days is not None and (vault.min_days or 0) <= days <= (vault.max_days or 0)
        ):
            job.message = f"Retention of {days} days is outside {vault.min_days} to {vault.max_days} of the vault."
        elif vault.kind == AIR_GAPPED and barred:
            job.message = barred
        else:
            vault.points |= {point.arn: point for point in (job.point, *job.nested)}
        self._state.context.after(job.ends - job.created, lambda: self._end(job, kind))

    def _end(self, job: Job, kind: str) -> None:
        job.completed = self._state.now()
        job.state = "FAILED" if job.message else "COMPLETED"
        if not job.message:
            for point in (job.point, *job.nested):
                point.completed = job.completed
            detail = {
                "backupVaultName": job.vault.name,
                "backupVaultArn": job.vault.arn,
                "creationDate": iso(job.point.created),
                "resourceType": job.point.resource_type,
                "resourceArn": job.point.resource_arn,
                "status": "COMPLETED",
                "isEncrypted": "true",
                "storageClass": "WARM",
                "completionDate": iso(job.completed),
            }
            self._send(job, "Recovery Point State Change", detail)
        self._notify(job, kind)

    def _notify(self, job: Job, kind: str) -> None:
        detail: dict[str, Any] = {
            "resourceArn": job.point.resource_arn,
            "resourceType": job.point.resource_type,
            "state": "CREATED" if job.completed is None else job.state,
            "statusMessage": job.message,
            "completionDate": job.completed and iso(job.completed),
        }
        if kind == "Copy":
            # A number here, a string in restore jobs; an empty object for a copy that isn't there.
            detail |= {
                "copyJobId": job.job_id,
                "backupSizeInBytes": job.point.size,
                "sourceBackupVaultArn": job.origin_vault and job.origin_vault.arn,
                "destinationBackupVaultArn": job.vault.arn,
                "destinationRecoveryPointArn": job.point.arn if job.state == "COMPLETED" else {},
            }
        else:
            detail |= {
                "backupJobId": job.job_id,
                "backupSizeInBytes": str(job.point.size),
                "backupVaultArn": job.vault.arn,
                "backupVaultName": job.vault.name,
            }
        self._send(job, f"{kind} Job State Change", detail)

    def _send(self, job: Job, kind: str, detail: Mapping[str, Any]) -> None:
        self._events.send(job.caller.account, job.caller.region, kind, [job.point.arn], dict(detail))

    def _backup(self, job: Job) -> dict[str, Any]:
        share = 1.0 if job.completed else min(0.99, (self._state.now() - job.created) / (job.ends - job.created))
        return common(job) | {
            "BackupJobId": job.job_id,
            "BackupVaultName": job.vault.name,
            "BackupVaultArn": job.vault.arn,
            "VaultType": job.vault.kind,
            "RecoveryPointArn": job.point.arn,
            "PercentDone": f"{100 * share:.1f}",
            "BackupOptions": job.options or None,
        }

    def _copy(self, job: Job) -> dict[str, Any]:
        return common(job) | {
            "CopyJobId": job.job_id,
            "SourceBackupVaultArn": job.origin_vault and job.origin_vault.arn,
            "SourceRecoveryPointArn": job.origin and job.origin.arn,
            "DestinationBackupVaultArn": job.vault.arn,
            "DestinationVaultType": job.vault.kind,
            "DestinationRecoveryPointArn": job.point.arn if job.state == "COMPLETED" else None,
        }
