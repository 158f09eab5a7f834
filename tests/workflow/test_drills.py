"""A drill leaves nothing, whatever becomes of it, and never gets in the way of a real recovery or of what that made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.simulation.lambda_host import Killed
from local.simulation.story import DAY, Story
from local.simulation.world import Simulation
from tests.workflow.drills import KINDS, LEFT, drill, left_of
from tests.workflow.killing import Effect, effect_of
from tests.workflow.playing import HOUR, Played, console, deny, look, played

if TYPE_CHECKING:
    from local.simulation.sdk import Call


def play(name: str) -> tuple[Played, dict[str, list[str]]]:
    """What is left in the ledger, and what the recovery account itself still shows."""
    return played(name), LEFT[name]


def by_mode(played: Played) -> dict[str, dict[str, Any]]:
    return {record["mode"]: record for record in played.of("RECOVERY")}


def deleted(played: Played) -> list[str]:
    return [item["resourceArn"] for item in played.of("ITEM#") if "deletedAt" in item]


def chores(played: Played) -> list[str]:
    return [record["sk"] for record in played.records if record["pk"] == "CHORES"]


def test_a_drill_goes_the_whole_way_and_leaves_nothing() -> None:
    after, left = play("drilled")
    assert after.endings() == [("SUCCEEDED", None)]
    assert (after.recovery["mode"], after.recovery["outcome"]) == ("drill", "Recovered")
    assert {item["state"] for item in after.items.values()} == {"validated"}
    assert len(deleted(after)) == len(KINDS)
    assert left == {}
    assert not chores(after)
    assert not after.of("LAST"), "a drill keeps no finding from starting a recovery"
    assert all("DRILL" in message["Subject"] for message in after.messages)
    assert "DRILL" in after.asked[0]["requesterComment"]
    assert after.timeline[-1] == "clean-up"
    assert not after.denied


def test_the_janitor_cleans_up_after_a_drill_that_was_stopped() -> None:
    after, left = play("drill_stopped")
    assert after.recovery["outcome"] == "Stopped"
    assert after.endings()[0] == ("ABORTED", "Stopped")
    assert left == {}
    assert not chores(after)
    assert after.told[-2:] == ["Stopped", "CleanedUp"]
    assert not after.denied
    assert not after.dead_letters


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_finding_during_a_drill_ends_in_a_real_recovery_of_which_nothing_is_deleted(when: str) -> None:
    after, left = play(f"drill_preempted_{when}_approval")
    modes = by_mode(after)
    assert (modes["drill"]["outcome"], modes["real"]["outcome"]) == ("DrillPreempted", "Recovered")
    assert modes["drill"]["preemptedBy"] == modes["real"]["recoveryId"]
    real = modes["real"]["recoveryId"]
    assert {mail["resourceArn"] for mail in after.asked} == {after.story.vault_arns[0]}
    assert left["vaults"] == [after.of("VAULT#")[-1]["restoreAccessBackupVaultName"]], "a standing approval is left"
    assert [name.endswith(f"{real}-1") for name in left["tables"]] == [True]
    assert len(left["volumes"]) == 1
    assert all("deletedAt" not in item for item in after.of("ITEM#") if real in item["pk"])
    assert "cleanedUpAt" in modes["drill"]
    assert chores(after) == [real]
    assert after.told.count("DrillPreempted") == 1
    assert not after.denied
    assert not after.dead_letters


def test_the_janitor_goes_on_with_a_clean_up_whose_execution_failed() -> None:
    after, left = play("drill_not_cleaned_at_once")
    assert left == {}
    assert after.told[-2:] == ["Recovered", "CleanedUp"]
    assert not chores(after)


def test_a_drill_of_which_anything_is_left_fails_names_it_and_is_tried_again_the_next_day() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(("table", "volume"), days=1)
        deny(story, "clean_up_drill", "DeleteVolume")
        failed = story.run_to_end(drill(story))
        left = left_of(story)
        sim.before_call.clear()  # whatever refused it is mended
        sim.tick(HOUR)
        assert left_of(story) == left, "too soon to try again"
        sim.run(DAY)
        sim.tick(HOUR)
        after, then = look(story), left_of(story)
    assert (failed["status"], failed["error"]) == ("FAILED", "DrillNotCleanedUp")
    assert set(left) == {"volumes", "vaults"}, "access is closed when nothing is left to delete"
    assert left["volumes"][0] in failed["cause"]
    assert after.told[-3:] == ["Recovered", "DrillNotCleanedUp", "CleanedUp"]
    assert then == {}
    assert not chores(after)


def test_access_is_closed_some_days_after_a_real_recovery() -> None:
    after, left = play("access_closed")
    assert "vaults" not in left
    assert left["tables"], "what was restored stays"
    (told,) = (one for one in after.of("NOTICE#access-closed"))
    assert "7 days" in told["text"]
    assert "sentAt" in told
    assert not chores(after)


def test_a_drill_never_joins_nor_disturbs_a_recovery_that_runs() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(days=1)
        real = console(story)
        sim.run(5)
        refused = story.run_to_end(drill(story))
        assert (refused["status"], refused["error"]) == ("FAILED", "RecoveryAlreadyRuns")
        assert story.run_to_end(real)["status"] == "SUCCEEDED"


def test_iam_refuses_to_delete_what_a_real_recovery_restored_even_if_the_code_wants_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(KINDS, days=1)
        real = console(story)
        story.run_to_end(real)
        made = left_of(story)
        vault = made.pop("vaults")
        assert len(made) == len(KINDS)
        from airlift import cleaning, revoking  # the handlers' own modules, of this simulation

        # The checks are out: nobody asks whose it is, and the real recovery's ledger is taken for the drill's.
        real_id = story.recovery()["recoveryId"]
        ours = (f"RECOVERY#{real_id}", "RECOVERY")
        monkeypatch.setattr(cleaning, "_ended_drill", lambda ledger, _id: ledger.get(ours))
        monkeypatch.setattr(cleaning, "claim", lambda _clients, _arn, recovery_id, _source: recovery_id)
        monkeypatch.setattr(revoking, "_used_by", lambda *_: "")
        function = sim.lambdas.named("clean_up_drill")
        answer = sim.lambdas.invoke(function.arn, {"recoveryId": real_id, "executionArn": real}).payload

        assert answer["next"] == "wait"
        monkeypatch.setattr(cleaning, "_restored_left", lambda *_, **__: [])
        answer = sim.lambdas.invoke(function.arn, {"recoveryId": real_id, "executionArn": real}).payload
        assert answer["next"] == "wait"
        assert "backup:DeleteBackupVault" in answer["cause"]
        assert left_of(story) == made | {"vaults": vault}
        assert {action for _, action, _ in sim.permissions.denied} == {
            "dynamodb:DescribeTable",
            "s3:ListBucketVersions",
            "ec2:DeleteVolume",
            "elasticfilesystem:DeleteFileSystem",
            "backup:DeleteBackupVault",
        }
        # What comes after the first refusals would be refused as well.
        (table,), (bucket,) = made["tables"], made["buckets"]
        never = {
            "dynamodb:DeleteTable": sim.client("dynamodb").describe_table(TableName=table)["Table"]["TableArn"],
            "s3:DeleteBucket": f"arn:aws:s3:::{bucket}",
            "s3:DeleteObjectVersion": f"arn:aws:s3:::{bucket}/key",
        }
        for action, arn in never.items():
            assert not sim.permissions.authorize(function.role_arn, action, arn), action


def test_a_clean_up_that_is_lost_after_any_of_its_effects_goes_on() -> None:
    lost: set[Effect] = set()
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(days=1)

        def kill(call: Call, parsed: dict[str, Any]) -> None:
            running = sim.lambdas.running[-1].handler.partition(".")[0]
            if running == "clean_up_drill" and call.mutates and effect_of(call) not in lost:
                lost.add(effect_of(call))
                raise Killed

        sim.after_call.append(kill)
        story.run_to_end(drill(story))
        for _ in range(3):
            sim.run(900)
            sim.tick(HOUR / 2)
        after, left = look(story), left_of(story)
    assert {"DeleteTable", "DeleteBackupVault", "PutObject"} <= {operation for operation, _ in lost}
    assert left == {}
    assert "cleanedUpAt" in after.recovery
    assert after.timeline.count("clean-up") == 1
    assert not chores(after)
