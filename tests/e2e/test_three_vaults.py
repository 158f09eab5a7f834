"""Three vaults of one account get three answers: yes, no, and none until the request is made anew."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from local.cloud import accounts, comparing, deploy, story
from local.cloud.contents import Volume
from local.cloud.running import ORGANIZATION, PRODUCTION, REGION, TEAM_REGION, WORK, Cloud
from local.cloud.story import DAY, HOUR
from tests.e2e.desk import Desk, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.cloud.story import Story

PLAN = WORK / "three-vaults-plan.yaml"
NAMES = ("production-airgapped", "finance-airgapped", "archive-airgapped")
APPROVED, REJECTED, EXPIRED = VAULTS = tuple(f"arn:aws:backup:{REGION}:{PRODUCTION}:backup-vault:{n}" for n in NAMES)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A local cloud of its own, whose Backup and MPA are a day and an hour behind when the recovery begins."""
    runtime = deploy.runtime()
    template = deploy.build(runtime)
    with Cloud(behind_days=(DAY + 2 * HOUR) / DAY, log="three-vaults.log") as cloud:
        told = story.begin(cloud, lambda _: None, kinds=(Volume,) * len(VAULTS))
        add_vaults(told)
        back_up(told)
        deploy.deploy(cloud, template, runtime)
        deploy.deploy_plan(cloud, plan(told))
        yield Desk(told)


def add_vaults(told: Story) -> None:
    """Two air-gapped vaults beside the story's, with the same team."""
    backup = told.cloud.client("backup", PRODUCTION)
    for name in NAMES[1:]:
        backup.create_logically_air_gapped_backup_vault(BackupVaultName=name, MinRetentionDays=7, MaxRetentionDays=60)
        backup.associate_backup_vault_mpa_approval_team(BackupVaultName=name, MpaApprovalTeamArn=told.team)
        accounts.wait_for_team(told.cloud, name)


def back_up(told: Story) -> None:
    """One volume straight into each vault; then all volumes are spoilt."""
    backup = told.cloud.client("backup", PRODUCTION)
    selections = backup.list_backup_selections(BackupPlanId=told.backup_plan)["BackupSelectionsList"]
    jobs = []
    for day, (volume, vault) in enumerate(zip(told.resources, VAULTS, strict=True), 1):
        volume.live_a_day(day)  # no two hold the same
        told.expected[volume.arn] = volume.read(PRODUCTION, volume.arn)
        started = backup.start_backup_job(
            BackupVaultName="production",
            LogicallyAirGappedBackupVaultArn=vault,
            ResourceArn=volume.arn,
            IamRoleArn=selections[0]["IamRoleArn"],
            Lifecycle={"DeleteAfterDays": 30},
        )
        jobs.append(started["BackupJobId"])
    told.cloud.door("clock", {"behind": DAY + HOUR})
    for job in jobs:
        until(partial(_is_completed, backup, job), "a backup to complete")
    told.attacked = datetime.now(UTC)
    for volume in told.resources:
        volume.attack()


def _is_completed(backup: Any, job: str) -> bool:
    return bool(backup.describe_backup_job(BackupJobId=job)["State"] == "COMPLETED")


def plan(told: Story) -> Path:
    """The story's plan with all three vaults, asking once more after an expiry."""
    document = json.loads(told.plan(PLAN).read_text())
    document["accounts"][0]["vaults"] = [{"arn": vault, "approvalTeamArn": told.team} for vault in VAULTS]
    document["approval"]["requestsAfterExpiry"] = 1
    PLAN.write_text(json.dumps(document))
    return PLAN


def sessions(desk: Desk, vault: str) -> list[str]:
    """The sessions about a vault, oldest first; each approver gets a mail about each."""
    mails = desk.story.requests()
    return list(dict.fromkeys(str(mail["sessionArn"]) for mail in mails if mail["resourceArn"] == vault))


def decide(desk: Desk, vault: str, decision: str, request: int = 1) -> None:
    """Two of three approvers answer a vault's request, once it is there."""
    until(lambda: len(sessions(desk, vault)) >= request, f"request {request} for {vault}")
    for approver in list(accounts.APPROVERS)[:2]:
        desk.story.vote(sessions(desk, vault)[request - 1], approver, decision)


def record(desk: Desk, recovery_id: str, vault: str) -> dict[str, Any]:
    """What the ledger knows of one vault."""
    records = desk.status(recovery_id)["vaultRecords"]
    return next((one for one in records if one["sourceBackupVaultArn"] == vault), {})


def test_each_vault_gets_its_own_answer_and_the_outcome_tells_what_was_recovered(desk: Desk) -> None:
    begun = desk.airlift("start", "--account", PRODUCTION, "--reason", "ransom note")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    recovery_id, execution = desk.newest(), desk.executions()[0]
    decide(desk, APPROVED, "APPROVE")
    decide(desk, REJECTED, "REJECT")
    # Nothing is restored before the first sign is known: until the jump, what Backup starts is dated a day ago, and
    # Airlift, in the present, looks for restore jobs since the recovery began.
    until(lambda: record(desk, recovery_id, APPROVED).get("waitingFor") == "firstSign", "access to the approved vault")
    until(lambda: record(desk, recovery_id, REJECTED).get("ending"), "the rejected vault's ending")
    assert record(desk, recovery_id, EXPIRED)["waitingFor"] == "approval"

    desk.cloud.door("clock", {"behind": 0})  # a day and an hour; a session is open for a day
    sign = desk.story.attacked.isoformat(timespec="seconds")
    noted = desk.ended(desk.console(desk.sample("first-sign", recoveryId=recovery_id, firstSign=sign)))
    assert noted["output"]["outcome"] == "done"
    until(lambda: record(desk, recovery_id, APPROVED).get("ending"), "the approved vault's ending")
    decide(desk, EXPIRED, "APPROVE", request=2)

    ended = desk.ended(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "PartlyRecovered")
    recovery = desk.status(recovery_id)
    assert recovery["outcome"] == "PartlyRecovered"
    endings = {one["sourceBackupVaultArn"]: one["ending"]["name"] for one in recovery["vaultRecords"]}
    assert endings == {APPROVED: "VaultRecovered", REJECTED: "ApprovalRejected", EXPIRED: "VaultRecovered"}
    assert "finance-airgapped: ApprovalRejected" in recovery["cause"]
    assert "production-airgapped" not in recovery["cause"]
    assert [len(sessions(desk, vault)) for vault in VAULTS] == [1, 1, 2]
    mpa = desk.cloud.client("mpa", ORGANIZATION, TEAM_REGION)
    unanswered = mpa.get_session(SessionArn=sessions(desk, EXPIRED)[0])
    assert (unanswered["Status"], unanswered["StatusCode"]) == ("FAILED", "EXPIRED")

    first, refused, last = comparing.compare(desk.story, recovery["items"])
    for one in (first, last):
        assert one.equal, one.differences
        assert one.item["state"] == "validated"
    assert refused.item == {}
    assert len(recovery["items"]) == 2
