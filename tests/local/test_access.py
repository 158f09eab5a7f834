"""Restore-access vaults: asked for, granted, refused, failed, taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.local.story import LAG, OWNER, RECOVERY, Story

if TYPE_CHECKING:
    import pytest
    from botocore.exceptions import ClientError


def refusal(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_two_votes_of_three_make_the_vault_available(story: Story) -> None:
    team = story.prepare()
    name = story.request(RequesterComment="incident 7")
    before = story.describe(name)
    assert (before["VaultState"], before["VaultType"]) == ("CREATING", "RESTORE_ACCESS_BACKUP_VAULT")
    assert before["SourceBackupVaultArn"] == LAG
    assert before["MpaApprovalTeamArn"] == team
    story.vote(before["MpaSessionArn"], count=1)
    assert story.describe(name)["VaultState"] == "CREATING"
    story.world.portal.vote(before["MpaSessionArn"], "ben", "APPROVE")
    assert story.describe(name)["VaultState"] == "AVAILABLE"
    session = story.mpa(RECOVERY).get_session(SessionArn=before["MpaSessionArn"])
    assert (session["Status"], session["ExecutionStatus"]) == ("APPROVED", "EXECUTED")
    assert session["RequesterComment"] == "incident 7"


def test_a_table_comes_back(story: Story) -> None:
    story.prepare()
    point = story.protect(story.table())
    story.granted()
    assert point.startswith(f"arn:aws:backup:ap-northeast-1:{OWNER}:recovery-point:")
    job = story.restore(point, {"targetTableName": "orders-restored", "encryptionType": "Default"})
    assert job["Status"] == "COMPLETED", job
    assert job["CreatedResourceArn"].endswith("table/orders-restored")
