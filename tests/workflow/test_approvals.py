"""What each end of a request leaves behind, and that nothing is asked, restored or lost by it that should not be."""

from __future__ import annotations

import json

import pytest

from local.aws.settings import Settings
from local.simulation.story import DAY, Story
from local.simulation.world import Simulation
from tests.workflow.approvals import OPERATOR
from tests.workflow.playing import console, operator
from tests.workflow.scenarios import HOUR, Played, played


def endings(after: Played) -> dict[str, str]:
    """How each vault ended, by its name."""
    return {v["sourceBackupVaultArn"].rpartition(":")[2]: v["ending"]["name"] for v in after.of("VAULT#")}


def withdrawn(after: Played) -> list[str]:
    """What became of requests that were pending when their recovery was stopped."""
    return [r["text"] for r in after.of("TIMELINE#") if r["kind"] == "withdrawn"]


@pytest.mark.parametrize(
    ("name", "error", "step"),
    [
        ("rejected", "ApprovalRejected", "speak with them"),
        ("expired_twice", "ApprovalExpired", "reach the approvers out of band"),
        ("cancelled", "ApprovalCancelled", "find out who cancelled it"),
        ("team_changed", "ApprovalTeamChanged", "check with the team's owner"),
        ("team_deleted", "ApprovalTeamChanged", "check with the team's owner"),
    ],
)
def test_every_ending_has_its_name_and_next_step(name: str, error: str, step: str) -> None:
    after = played(name)

    assert after.recovery["outcome"] == error
    assert step in after.recovery["cause"]
    assert f"airlift resume {after.recovery['recoveryId']}" in after.recovery["cause"]
    assert after.jobs == []


@pytest.mark.parametrize(
    ("name", "sessions"),
    [
        ("rejected", 1),
        ("expired_twice", 2),
        ("cancelled", 2),
        ("team_changed", 1),
        ("approved_but_not_created", 2),
        ("session_unreadable", 1),
        ("revoked_while_restoring", 2),
        ("three_answers", 4),
        ("access_only", 1),
        ("stopped_by_operator", 2),
        ("parent_stopped", 4),
    ],
)
def test_people_are_asked_anew_only_where_it_is_right(name: str, sessions: int) -> None:
    """Each session asks three approvers; the team's own sessions, about itself and revocations, are not counted."""
    asked = [mail for mail in played(name).asked if mail["action"] == "backup:CreateRestoreAccessBackupVault"]

    assert len(asked) == 3 * sessions


def test_a_vault_that_was_approved_and_not_created_names_the_likely_cause_and_comes_after_it_is_mended() -> None:
    after = played("approved_but_not_created")

    cause = after.recoveries[0]["cause"]
    assert "did not fail by vote" in cause
    assert "mpa:StartSession" in cause
    assert "key policy" in cause
    assert after.recovery["outcome"] == "Recovered"


def test_an_unreadable_session_is_unknown_and_waiting_goes_on() -> None:
    after = played("session_unreadable")

    (vault,) = after.of("VAULT#")
    assert vault["sessionStatus"] == "UNKNOWN"
    assert [r["text"] for r in after.of("TIMELINE#") if r["kind"] == "granted"] == ["Access granted: votes unknown"]
    assert not after.of("VOTE#")


def test_of_three_vaults_each_gets_its_own_answer_and_no_restore_is_lost() -> None:
    after = played("three_answers")

    assert endings(after) == {
        "production0": "VaultRecovered",
        "production1": "ApprovalRejected",
        "production2": "VaultRecovered",
    }
    assert after.recovery["outcome"] == "PartlyRecovered"
    assert "production1: ApprovalRejected" in after.recovery["cause"]
    assert "production0" not in after.recovery["cause"]
    assert len(after.jobs) == len(after.items) == 2
    assert {item["state"] for item in after.items.values()} == {"validated"}
    first, second = sorted(job["CreationDate"].timestamp() for job in after.jobs)
    assert second - first > DAY - HOUR, "the approved vault waited for the one that was asked for anew"


def test_the_executions_output_names_votes_and_vaults() -> None:
    after = played("access_only")

    output = json.loads(after.recoveries[0]["output"])
    assert [vote["response"] for vote in output["votes"]] == ["APPROVED", "APPROVED"]
    assert all(vote["at"] and vote["approver"] for vote in output["votes"])
    assert output["vaults"] == {after.story.vault_arns[0]: "AccessOpen"}


def test_a_day_of_waiting_stays_far_below_the_limit_of_events() -> None:
    (times,) = (times for arn, times in played("expired_twice").events.items() if "vault-recovery" in arn)

    assert sum(time <= times[0] + DAY for time in times) < 3000


def test_access_revoked_in_the_middle_keeps_what_was_started_and_a_resume_asks_anew() -> None:
    after = played("revoked_while_restoring")

    assert after.recoveries[0]["error"] == "VaultAccessRevoked"
    held = [r for r in after.of("TIMELINE#") if r["kind"] == "held"]
    assert {r["resource"] for r in held} == set(after.items)
    assert all("access to the vault was lost before it was started" in r["text"] for r in held)
    # The job that ran ended by AWS's doing and is told; each resource was restored once afterwards.
    assert [(job["ResourceType"], job["Status"]) for job in after.jobs] == [
        ("DynamoDB", "FAILED"),
        ("DynamoDB", "COMPLETED"),
        ("EBS", "COMPLETED"),
    ]
    assert {item["state"] for item in after.items.values()} == {"validated"}


def test_in_a_cool_down_a_finding_tells_and_starts_nothing() -> None:
    after = played("cooled_down")

    second = json.loads(after.recoveries[1]["output"])
    assert second["outcome"] == "done"
    assert "ended ApprovalRejected less than 60 minutes ago" in second["text"]
    assert sorted(r["outcome"] for r in after.of("RECOVERY")) == ["ApprovalRejected", "Recovered"]


def test_access_alone_restores_nothing_until_it_is_resumed() -> None:
    after = played("access_only")

    assert after.recovery["outcome"] == "Recovered"
    assert after.recovery["trigger"]["by"] == OPERATOR
    (job,) = after.jobs
    opened = next(r["at"] for r in after.of("TIMELINE#") if r["kind"] == "closed")
    assert job["CreationDate"].isoformat() > opened[:9] + "4", "restored before the resume"


def test_an_expired_request_is_made_anew_although_aws_backup_learns_of_its_end_later() -> None:
    with Simulation(settings=Settings(failing_seconds=90)) as sim:
        story = Story(sim)
        story.prepare(days=1)
        story.votes = ()
        story.send_finding()
        story.run_to_end()
        assert story.recovery()["outcome"] == "ApprovalExpired"
        assert len(story.sessions()) == 2


def test_a_request_whose_vault_shows_only_when_it_is_granted_is_recovered_from() -> None:
    with Simulation(settings=Settings(pending_visible=False)) as sim:
        story = Story(sim)
        story.prepare(days=1)
        story.send_finding()
        assert story.run_to_end()["status"] == "SUCCEEDED"
        [told] = [one["text"] for one in story.records("RECOVERY#", "TIMELINE#") if one["kind"] == "request"]
        assert told.endswith("which AWS Backup does not show yet")
        assert story.recovery()["outcome"] == "Recovered"


def test_a_drill_whose_request_never_shows_is_not_clean_while_people_may_vote_on_it() -> None:
    with Simulation(settings=Settings(pending_visible=False)) as sim:
        story = Story(sim)
        story.prepare(days=1)
        story.votes = ()
        console(story, drill=True)
        sim.run(HOUR)
        operator(story, "stop", reason="enough")
        sim.run(2 * HOUR)
        assert "cleanedUpAt" not in story.recovery()
        assert "does not tell its session" in " ".join(message["Message"] for message in sim.messages())


def test_stopping_withdraws_the_request_says_who_and_leaves_the_way_free() -> None:
    after = played("stopped_by_operator")

    stopped = next(r for r in after.of("RECOVERY") if r["outcome"] == "Stopped")
    assert (stopped["stoppedBy"], stopped["stopReason"]) == (OPERATOR, "False alarm")
    assert withdrawn(after) == ["The pending request was withdrawn."]
    assert after.recovery["outcome"] == "Recovered"


def test_a_request_is_withdrawn_however_early_the_recovery_is_stopped() -> None:
    after = played("stopped_at_once")

    assert withdrawn(after) == ["The pending request was withdrawn."]


def test_a_resume_of_what_was_stopped_makes_a_request_of_its_own() -> None:
    after = played("parent_stopped")

    names = [vault["restoreAccessBackupVaultName"] for vault in after.of("VAULT#")]
    assert all(name.endswith("-2") for name in names)
    resumed = next(r["at"] for r in after.of("TIMELINE#") if "Resumed" in r["text"])
    assert all(vault["requestedAt"] > resumed for vault in after.of("VAULT#"))
