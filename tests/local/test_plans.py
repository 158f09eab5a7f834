"""Backup plans and selections: what AWS Backup keeps of them, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.local.refusals import refused
from tests.local.story import LAG, OWNER, SECURITY

if TYPE_CHECKING:
    from tests.local.story import Story


def plan(name: str = "plan", **rule: Any) -> dict[str, Any]:
    return {"BackupPlanName": name, "Rules": [{"RuleName": "one", "TargetBackupVaultName": "plain"} | rule]}


def test_a_plan_has_versions_and_belongs_to_its_account(story: Story) -> None:
    story.vaults()
    owner = story.backup(OWNER)
    made = owner.create_backup_plan(BackupPlan=plan(), CreatorRequestId="one", BackupPlanTags={"a": "b"})
    again = owner.create_backup_plan(BackupPlan=plan(), CreatorRequestId="one")
    assert again["BackupPlanId"] == made["BackupPlanId"]
    changed = owner.update_backup_plan(
        BackupPlanId=made["BackupPlanId"], BackupPlan=plan(TargetLogicallyAirGappedBackupVaultArn=LAG)
    )
    assert changed["VersionId"] != made["VersionId"]
    with refused("ResourceNotFoundException", "Version"):
        owner.get_backup_plan(BackupPlanId=made["BackupPlanId"], VersionId=made["VersionId"])
    assert [one["BackupPlanName"] for one in owner.list_backup_plans()["BackupPlansList"]] == ["plan"]
    assert story.backup(SECURITY).list_backup_plans()["BackupPlansList"] == []
    with refused("ResourceNotFoundException"):
        story.backup(SECURITY).get_backup_plan(BackupPlanId=made["BackupPlanId"])
    assert owner.delete_backup_plan(BackupPlanId=made["BackupPlanId"])["VersionId"] == changed["VersionId"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"TargetBackupVaultName": "missing"}, "does not exist"),
        ({"TargetBackupVaultName": "lag"}, "does not exist"),
        ({"TargetLogicallyAirGappedBackupVaultArn": LAG.replace(":lag", ":plain")}, "not a logically air-gapped vault"),
    ],
)
def test_a_rule_names_a_vault_that_is_there(story: Story, rule: dict[str, str], words: str) -> None:
    story.vaults()
    with refused("InvalidParameterValueException", words):
        story.backup(OWNER).create_backup_plan(BackupPlan=plan(**rule))


def test_two_plans_of_one_name(story: Story) -> None:
    story.vaults()
    first = story.backup(OWNER).create_backup_plan(BackupPlan=plan())
    with refused("AlreadyExistsException") as raised:
        story.backup(OWNER).create_backup_plan(BackupPlan=plan())
    assert raised.value.response["Arn"] == first["BackupPlanArn"]  # type: ignore[typeddict-item]


def test_a_selection_selects_something_with_a_role_that_backup_may_have(story: Story) -> None:
    story.vaults()
    owner = story.backup(OWNER)
    plan_id = owner.create_backup_plan(BackupPlan=plan())["BackupPlanId"]
    document: dict[str, Any] = {"SelectionName": "by-tag", "IamRoleArn": story.role(OWNER)}
    with refused("InvalidParameterValueException", "names resources"):
        owner.create_backup_selection(BackupPlanId=plan_id, BackupSelection=document)
    document["Resources"] = ["*"]
    with refused("InvalidParameterValueException", "cannot be assumed"):
        owner.create_backup_selection(
            BackupPlanId=plan_id, BackupSelection=document | {"IamRoleArn": f"arn:aws:iam::{OWNER}:role/none"}
        )
    made = owner.create_backup_selection(BackupPlanId=plan_id, BackupSelection=document)["SelectionId"]
    listed = owner.list_backup_selections(BackupPlanId=plan_id)["BackupSelectionsList"]
    assert [(one["SelectionId"], one["IamRoleArn"]) for one in listed] == [(made, document["IamRoleArn"])]
    found = owner.get_backup_selection(BackupPlanId=plan_id, SelectionId=made)
    assert found["BackupSelection"]["Resources"] == ["*"]
    owner.delete_backup_selection(BackupPlanId=plan_id, SelectionId=made)
    with refused("ResourceNotFoundException"):
        owner.get_backup_selection(BackupPlanId=plan_id, SelectionId=made)
