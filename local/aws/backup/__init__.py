"""AWS Backup: vaults of three types, backup, copy and restore jobs, and the access that approvers grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.aws.backup.access import Access
from local.aws.backup.continuous import Schedule
from local.aws.backup.events import Events
from local.aws.backup.plans import Plans
from local.aws.backup.points import Points
from local.aws.backup.protect import Protect
from local.aws.backup.rates import Rates
from local.aws.backup.restores import Restores
from local.aws.backup.state import State, vault_arn
from local.aws.backup.vaults import Vaults
from local.aws.wire import Caller, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context
    from local.aws.model import Params
    from local.aws.mpa import Mpa


class Backup:
    """The service, for every account and Region; `schedule` and `points` have doors."""

    def __init__(self, context: Context, mpa: Mpa) -> None:
        state, events = State(context), Events(context)
        vaults, plans, protect = Vaults(state, events), Plans(state), Protect(state, events)
        self.points, self.schedule = Points(state), Schedule(state, plans, protect)
        parts = (vaults, Access(state, vaults, mpa), plans, self.points, protect, Restores(state, events))
        self._state = state
        self.service = Service(parts, _resources, Rates(context).admit, self._tags)

    def _tags(self, arn: str) -> Mapping[str, str]:
        vault = self._state.vaults.get(arn)
        return dict(vault.tags) if vault else {}


def _resources(caller: Caller, operation: str, params: Params) -> tuple[str, ...]:
    """What IAM checks an operation on (service-authorization reference, list of AWS Backup).

    For CreateRestoreAccessBackupVault the reference says only "backup vault"; both the source and the new one are
    asked for here (inferred, the stricter reading).
    """
    if operation == "GetRestoreTestingInferredMetadata":
        return ("*",)  # has no resource-level permissions
    for name in ("RecoveryPointArn", "ResourceArn"):
        if name in params and operation != "StartBackupJob":
            return (params[name],)
    named = params.get("BackupVaultName")
    found = [params["SourceBackupVaultArn"]] if "SourceBackupVaultArn" in params else []
    if named:
        found.append(vault_arn(caller.account, caller.region, named))
    return tuple(found) or ("*",)
