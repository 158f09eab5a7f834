"""Wrong input: on demand a named error with field and remedy, as an event ignored and counted; nobody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.simulation.story import Story, sample
from local.simulation.world import OWNER, Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = f"arn:aws:backup:ap-northeast-1:{OWNER}:backup-vault:other"
PLAIN = f"arn:aws:backup:ap-northeast-1:{OWNER}:backup-vault:plain"
REASON = {"reason": "Ransom note found"}


@pytest.fixture
def story() -> Iterator[Story]:
    with Simulation() as sim:
        story = Story(sim)
        vault = story.vault("production0")
        accounts = [{"id": OWNER, "vaults": [{"arn": vault}]}]
        story.make_plan(accounts=accounts)
        story.forward_findings()
        yield story


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        ({"sourceBackupVaultArn": OTHER, **REASON}, "VaultNotInPlan", (OTHER, "deploy the plan")),
        ({"sourceBackupVaultArn": "production", **REASON}, "InvalidInput", ("sourceBackupVaultArn",)),
        ({"sourceBackupVaultArn": OTHER}, "InvalidInput", ("reason",)),
        ({"sourceBackupVaultArn": OTHER, "raeson": "x"}, "InvalidInput", ("raeson", "reason")),
        ({"account": "123456789012", **REASON}, "AccountNotInPlan", ("123456789012",)),
        ({"recoveryId": "r-20260101-111122223333-0000"}, "UnknownRecovery", ("r-20260101-111122223333-0000",)),
        ({"recoveryId": "r-20260101-111122223333-0000", "action": "dance"}, "InvalidInput", ("action",)),
        ({}, "InvalidInput", ()),
        ([], "InvalidInput", ()),
    ],
)
def test_on_demand_it_ends_with_a_named_error(story: Story, document: Any, error: str, words: tuple[str, ...]) -> None:
    ended = story.run_to_end(story.sim.start(document))

    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert "Next step:" in ended["cause"]
    assert all(word in ended["cause"] for word in words), ended["cause"]
    assert not story.requests()


def not_protected(event: dict[str, Any]) -> None:
    event["detail"]["accountId"] = "123456789012"


def without_account(event: dict[str, Any]) -> None:
    del event["detail"]["accountId"]


def not_severe(event: dict[str, Any]) -> None:
    event["detail"] |= {"severity": 5, "type": "Recon:EC2/Portscan"}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (not_protected, "AccountNotInPlan"),
        (without_account, "InvalidInput"),
        (not_severe, "TriggerNotAllowed"),
    ],
)
def test_as_an_event_it_is_ignored_and_counted(story: Story, change: Any, error: str) -> None:
    event = sample("guardduty-finding")
    event["detail"]["id"] = f"{error:x<32}".lower()
    change(event)
    output = len(story.sim.lambdas.output)

    story.send(event)
    story.sim.run(5)

    ended = story.executions()[-1]
    assert ended["status"] == "SUCCEEDED"
    assert f'"outcome":"ignored","text":"{error}: ' in ended["output"]
    assert '"TriggersIgnored":[1.0]' in story.sim.lambdas.output[output:]
    assert not story.requests()
    assert not story.sim.messages()


def test_a_detector_that_the_plan_does_not_list_is_not_believed() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.vault("production0")
        story.make_plan(detectors=["999900001111"])
        story.forward_findings()

        story.send_finding()
        story.sim.run(5)

        assert '"text":"NotBelieved: ' in story.executions()[-1]["output"]
        assert not story.requests()


def test_an_account_that_may_not_forward_reaches_nothing() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.vault("production0")
        story.make_plan()
        client = sim.client("events", OWNER)
        client.put_rule(Name="forward", EventPattern='{"source": ["aws.guardduty"]}')
        client.put_targets(Rule="forward", Targets=[{"Id": "airlift", "Arn": sim.outputs["IncidentBusArn"]}])

        sim.events.deliver(OWNER, sim.region, sample("guardduty-finding") | {"account": OWNER})
        sim.run(60)

        assert not story.executions()


def test_a_plain_vault_and_a_broken_plan_are_refused_before_anybody_is_asked() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.vault("production0")
        story.make_plan(accounts=[{"id": OWNER, "vaults": [{"arn": PLAIN}]}])

        ended = story.run_to_end(sim.start({"sourceBackupVaultArn": PLAIN, **REASON, "firstSign": "latest"}))

        assert (ended["status"], ended["error"]) == ("FAILED", "VaultNotAirGapped")
        assert PLAIN in ended["cause"]
        assert not story.requests()
        with pytest.raises(sim.client("appconfig").exceptions.BadRequestException, match="vaults"):
            story.make_plan(accounts=[{"id": OWNER, "vaults": []}])


def test_without_any_plan_the_error_says_how_to_deploy_one() -> None:
    with Simulation() as sim:
        story = Story(sim)

        ended = story.run_to_end(sim.start({"sourceBackupVaultArn": OTHER, **REASON}))

        assert (ended["status"], ended["error"]) == ("FAILED", "PlanUnreadable")
        assert "airlift plan deploy" in ended["cause"]


def test_if_appconfig_fails_the_last_copy_of_the_plan_serves() -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.vault("production0")
        story.make_plan()
        start = {"sourceBackupVaultArn": story.vault_arns[0], **REASON, "firstSign": "latest"}
        story.run_to_end(sim.start(start))
        assert "planWarning" not in story.recovery()
        sim.appconfig.available = False

        story.run_to_end(sim.start({**start, "adoptVault": "replace"}))

        assert "last copy" in story.recovery()["planWarning"]
        assert len(story.sessions()) == 2
