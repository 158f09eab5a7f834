"""What a backup plan's schedule starts. No schedule runs here: a door says when it is time for a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.aws.backup.state import CONTINUOUS_DAYS
from local.aws.backup.types import family_of
from local.aws.backup.types.s3 import S3
from local.aws.errors import invalid_parameter, not_found
from local.aws.wire import Caller

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.backup.plans import Plans
    from local.aws.backup.protect import Protect
    from local.aws.backup.state import Point, State, Vault


class Schedule:
    """Runs a rule of a plan for one resource, as its schedule would."""

    def __init__(self, state: State, plans: Plans, protect: Protect) -> None:
        self._state = state
        self._plans = plans
        self._protect = protect

    def run_rule(self, account: str, region: str, plan_id: str, rule_name: str, resource_arn: str) -> str:
        """Start what the rule wants for a resource; the recovery point's ARN.

        With EnableContinuousBackup a bucket has one continuous point in its vault, which goes on; without, one that
        is there is stopped. Other types get a snapshot either way; a rule's CopyActions are not provided.
        Raises AwsError.
        """
        with self._state.context.lock:
            return self._run(Caller(account, region, f"arn:aws:iam::{account}:root"), plan_id, rule_name, resource_arn)

    def _run(self, caller: Caller, plan_id: str, rule_name: str, resource_arn: str) -> str:
        found = self._plans.get_backup_plan(caller, {"BackupPlanId": plan_id})["BackupPlan"]["Rules"]
        rule = next((one for one in found if one["RuleName"] == rule_name), None)
        selections = self._plans.list_backup_selections(caller, {"BackupPlanId": plan_id})["BackupSelectionsList"]
        if rule is None or not selections:
            raise not_found(f"Rule {rule_name} of backup plan {plan_id}, or what it selects")
        asked = {
            "BackupVaultName": rule["TargetBackupVaultName"],
            "ResourceArn": resource_arn,
            "IamRoleArn": selections[0]["IamRoleArn"],
            "Lifecycle": rule.get("Lifecycle", {}),
        }
        family, direct = family_of(resource_arn), rule.get("TargetLogicallyAirGappedBackupVaultArn")
        vault = self._state.vault(caller, rule["TargetBackupVaultName"])
        if direct:
            asked["LogicallyAirGappedBackupVaultArn"] = direct
            vault = self._state.vault_by_arn(direct, caller.region)
        known = next((one for one in vault.points.values() if _goes_on(one, resource_arn)), None)
        if not isinstance(family, S3) or not rule.get("EnableContinuousBackup"):
            if known:
                known.content.follow(self._state.context)
                known.content.is_followed, known.stopped = False, self._state.now()
            return str(self._protect.start_backup_job(caller, asked)["RecoveryPointArn"])
        if known:
            known.content.follow(self._state.context)
            return known.arn
        return self._begin(caller, vault, asked, family)

    def _begin(self, caller: Caller, vault: Vault, asked: Mapping[str, Any], family: S3) -> str:
        days = asked["Lifecycle"].get("DeleteAfterDays", 0)
        if not 1 <= days <= CONTINUOUS_DAYS:
            raise invalid_parameter(f"A continuous backup is kept for 1 to {CONTINUOUS_DAYS} days, not {days}.")
        context = self._state.context
        copy = family.follow(context, caller.account, caller.region, asked["ResourceArn"])
        # This form of a continuous point's ARN is inferred.
        name = f"continuous:{copy.name}-{context.ids.hex(8)}"
        arn = f"arn:aws:backup:{caller.region}:{caller.account}:recovery-point:{name}"
        job = self._protect.begin_backup(caller, vault, dict(asked), copy, arn)
        job.point.continuous = True
        return arn


def _goes_on(point: Point, resource_arn: str) -> bool:
    return point.resource_arn == resource_arn and point.continuous and point.stopped is None
