"""Readiness in a recovery: what blocks, what is held right before it starts, and what an operator overrides."""

from __future__ import annotations

from local.simulation.story import Story
from local.simulation.world import Simulation
from tests.workflow.prerequisites import VAULT, Prepared, denied, disabled_key


def test_access_that_is_open_already_shows_whose_it_is_and_what_would_be_restored() -> None:
    with Simulation() as sim:
        story = Story(sim)
        (table,) = story.prepare(("table",), days=1)
        story.run_to_end(sim.start({"sourceBackupVaultArn": VAULT, "reason": "look", "firstSign": "latest"}))
        report = sim.lambdas.invoke(sim.lambdas.named("daily_check").arn, {}).payload
        (told,) = [one for one in report["results"] if one["check"] == "restore-access vault"]
        assert story.recovery()["recoveryId"] in told["what"]
        assert [one["resourceArn"] for vault in report["vaults"] for one in vault["resources"]] == [table]


def test_what_a_broken_prerequisite_concerns_is_held_until_it_is_mended_or_overridden() -> None:
    with Simulation() as sim:
        prepared = Prepared(sim)
        story = prepared.story
        with disabled_key(prepared):
            story.run_to_end(sim.start({"sourceBackupVaultArn": VAULT, "reason": "drill", "firstSign": "latest"}))
            (item,) = story.items().values()
            assert (item["state"], item["reason"].partition(":")[0]) == ("held", "Key arn")
            assert "airlift continue" in item["nextStep"]
            assert any(line["text"].startswith("Held back (DynamoDB)") for line in story.records(sk="TIMELINE#"))
        again = {"recoveryId": story.recovery()["recoveryId"], "overrideReadiness": "the key is enabled again"}
        assert story.run_to_end(sim.start(again))["status"] == "SUCCEEDED"
        assert story.recovery()["overrideReadiness"] == again["overrideReadiness"]
        assert [item["state"] for item in story.items().values()] == ["validated"]


def test_an_operator_has_access_asked_for_all_the_same() -> None:
    with Simulation() as sim:
        prepared = Prepared(sim)
        asked = {"sourceBackupVaultArn": VAULT, "reason": "incident", "firstSign": "latest"}
        with denied(prepared, "request_vault_access", "mpa:StartSession"):
            ended = prepared.story.run_to_end(sim.start(asked))
            assert (ended["status"], ended["error"]) == ("FAILED", "RequesterLacksPermission")
            assert not prepared.story.requests()
            prepared.story.run_to_end(sim.start({**asked, "overrideReadiness": "the simulator errs"}))
            lines = [line["text"] for line in prepared.story.records(sk="TIMELINE#")]
            assert any("Overridden: the simulator" in line for line in lines)
            assert any(line.startswith("Access requested") for line in lines)
