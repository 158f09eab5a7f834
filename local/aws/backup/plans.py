"""Backup plans and what they select. They are kept, and started on demand: no schedule runs here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.aws.backup.roles import check_role
from local.aws.backup.state import AIR_GAPPED, PLAIN, State
from local.aws.context import page
from local.aws.errors import AwsError, invalid_parameter, invalid_request, not_found

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.model import Params
    from local.aws.wire import Caller

_INVALID = "InvalidParameterValueException"


@dataclass
class Selection:
    """What a plan backs up, and with which role."""

    selection_id: str
    document: dict[str, Any]
    created: float
    creator_request_id: str | None


@dataclass
class Plan:
    """A backup plan; `document` has BackupPlanName and Rules."""

    plan_id: str
    arn: str
    document: dict[str, Any]
    version: str
    created: float
    creator_request_id: str | None
    tags: dict[str, str]
    selections: dict[str, Selection] = field(default_factory=dict)


class Plans:
    """Operations on backup plans and their selections."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._plans: dict[tuple[str, str], dict[str, Plan]] = {}

    def create_backup_plan(self, caller: Caller, params: Params) -> Params:
        """CreateBackupPlan. The vaults that its rules name have to be there (inferred)."""
        plans, request_id = self._of(caller), params.get("CreatorRequestId")
        for known in plans.values():
            if request_id and known.creator_request_id == request_id:
                return _made(known)
            if known.document["BackupPlanName"] == params["BackupPlan"]["BackupPlanName"]:
                raise AwsError(
                    "AlreadyExistsException",
                    f"Backup plan {known.document['BackupPlanName']} already exists.",
                    Arn=known.arn,
                    CreatorRequestId=known.creator_request_id or "",
                )
        self._check(caller, params["BackupPlan"])
        plan_id = self._state.context.ids.uuid()
        arn = f"arn:aws:backup:{caller.region}:{caller.account}:backup-plan:{plan_id}"
        tags = dict(params.get("BackupPlanTags", {}))
        self._state.authorize_tags(caller, arn, tags)
        plan = Plan(plan_id, arn, params["BackupPlan"], self._version(), self._state.now(), request_id, tags)
        plans[plan_id] = plan
        return _made(plan)

    def update_backup_plan(self, caller: Caller, params: Params) -> Params:
        """UpdateBackupPlan: a new version of the whole plan."""
        plan = self._plan(caller, params)
        self._check(caller, params["BackupPlan"])
        plan.document, plan.version = params["BackupPlan"], self._version()
        return _made(plan)

    def get_backup_plan(self, caller: Caller, params: Params) -> Params:
        """GetBackupPlan, in its present version."""
        plan = self._plan(caller, params)
        if params.get("VersionId", plan.version) != plan.version:
            raise not_found(f"Version {params['VersionId']} of backup plan {plan.plan_id}")
        return _made(plan) | {"BackupPlan": plan.document, "CreatorRequestId": plan.creator_request_id}

    def list_backup_plans(self, caller: Caller, params: Params) -> Params:
        """ListBackupPlans."""
        found = [
            _made(plan) | {"BackupPlanName": plan.document["BackupPlanName"]} for plan in self._of(caller).values()
        ]
        items, token = page(found, "BackupPlanId", params, 1000, _INVALID)
        return {"BackupPlansList": items, "NextToken": token}

    def delete_backup_plan(self, caller: Caller, params: Params) -> Params:
        """DeleteBackupPlan: only when it selects nothing any more (API reference)."""
        plan = self._plan(caller, params)
        if plan.selections:
            raise invalid_request("Related backup plan selections must be deleted prior to backup plan deletion.")
        del self._of(caller)[plan.plan_id]
        return {
            "BackupPlanId": plan.plan_id,
            "BackupPlanArn": plan.arn,
            "DeletionDate": self._state.now(),
            "VersionId": plan.version,
        }

    def create_backup_selection(self, caller: Caller, params: Params) -> Params:
        """CreateBackupSelection. The role is looked at now, not at the first backup (inferred)."""
        plan, document = self._plan(caller, params), params["BackupSelection"]
        if not any(document.get(name) for name in ("Resources", "ListOfTags", "Conditions")):
            raise invalid_parameter("A backup selection names resources, tags or conditions.")
        check_role(self._state.context, caller, document["IamRoleArn"])
        made = Selection(self._state.context.ids.uuid(), document, self._state.now(), params.get("CreatorRequestId"))
        plan.selections[made.selection_id] = made
        return _summary(plan, made)

    def get_backup_selection(self, caller: Caller, params: Params) -> Params:
        """GetBackupSelection."""
        plan, selection = self._selection(caller, params)
        return _summary(plan, selection) | {
            "BackupSelection": selection.document,
            "CreatorRequestId": selection.creator_request_id,
        }

    def list_backup_selections(self, caller: Caller, params: Params) -> Params:
        """ListBackupSelections of a plan."""
        plan = self._plan(caller, params)
        found = [
            _summary(plan, one)
            | {"SelectionName": one.document["SelectionName"], "IamRoleArn": one.document["IamRoleArn"]}
            for one in plan.selections.values()
        ]
        items, token = page(found, "SelectionId", params, 1000, _INVALID)
        return {"BackupSelectionsList": items, "NextToken": token}

    def delete_backup_selection(self, caller: Caller, params: Params) -> None:
        """DeleteBackupSelection."""
        plan, selection = self._selection(caller, params)
        del plan.selections[selection.selection_id]

    def _of(self, caller: Caller) -> dict[str, Plan]:
        return self._plans.setdefault((caller.account, caller.region), {})

    def _plan(self, caller: Caller, params: Params) -> Plan:
        plan = self._of(caller).get(params["BackupPlanId"])
        if plan is None:
            raise not_found(f"Backup plan {params['BackupPlanId']}")
        return plan

    def _selection(self, caller: Caller, params: Params) -> tuple[Plan, Selection]:
        plan = self._plan(caller, params)
        selection = plan.selections.get(params["SelectionId"])
        if selection is None:
            raise not_found(f"Backup selection {params['SelectionId']}")
        return plan, selection

    def _check(self, caller: Caller, document: Mapping[str, Any]) -> None:
        for rule in document["Rules"]:
            vaults = {vault.name: vault for vault in self._state.vaults_of(caller)}
            target = vaults.get(rule["TargetBackupVaultName"])
            if target is None or target.kind != PLAIN:
                raise invalid_parameter(f"Backup vault {rule['TargetBackupVaultName']} does not exist.")
            direct = rule.get("TargetLogicallyAirGappedBackupVaultArn")
            if direct and self._state.vault_by_arn(direct, caller.region).kind != AIR_GAPPED:
                raise invalid_parameter(f"{direct} is not a logically air-gapped vault.")

    def _version(self) -> str:
        return self._state.context.ids.uuid()


def _made(plan: Plan) -> Params:
    return {
        "BackupPlanId": plan.plan_id,
        "BackupPlanArn": plan.arn,
        "CreationDate": plan.created,
        "VersionId": plan.version,
    }


def _summary(plan: Plan, selection: Selection) -> Params:
    return {
        "SelectionId": selection.selection_id,
        "BackupPlanId": plan.plan_id,
        "CreationDate": selection.created,
    }
