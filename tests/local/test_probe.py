"""`airlift probe` from end to end against the local services: every step, people's votes, and nothing left."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from airlift_cli import probe
from airlift_cli.main import app
from airlift_cli.probe_run import AS_READ, OPEN, OTHERWISE, OWNER, RECOVERY, TEAM, Missing, Run
from airlift_cli.probe_steps import STEPS
from typer.testing import CliRunner

from local.simulation.patterns import matches
from tests.local import story as accounts
from tests.local.story import LAG, REGION, TEAM_OWNER, Story, client

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNTS = {RECOVERY: accounts.RECOVERY, OWNER: accounts.OWNER, TEAM: TEAM_OWNER}
STRICTER = {"scan": OPEN, "inferred": OTHERWISE, "validation": OTHERWISE}
"""Steps with another verdict here: the point was never scanned, and two calls are refused by the local side."""
WAITING, DONE, INTERRUPTED = 4, 0, 130


class Rules:
    """EventBridge's test of a pattern, as the local side reads patterns; moto answers nothing."""

    def test_event_pattern(self, EventPattern: str, Event: str) -> dict[str, bool]:  # noqa: N803 (the API's names)
        return {"Result": matches(json.loads(EventPattern), json.loads(Event))}


class Desk:
    """The command as people give it, on the story's accounts; time passes on the story's clock."""

    def __init__(self, story: Story, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.story, self.out, self.state = story, folder / "result.json", folder / "state.json"
        self.profiles = {RECOVERY, OWNER, TEAM}
        monkeypatch.setattr("time.sleep", story.wait)
        monkeypatch.setattr(probe, "_clients", lambda _profiles, _region: self._client)
        monkeypatch.setattr(probe, "_role_of_stack", lambda _session: story.role(accounts.RECOVERY))

    def _client(self, who: str, service: str, region: str | None) -> Any:
        if service == "events":
            return Rules()
        if who not in self.profiles:
            raise Missing(f"needs --{who}-profile")
        self.story.wait(1)
        return client(service, ACCOUNTS[who], region or REGION)

    def run(self, *words: str) -> int:
        given = ["probe", "--vault", LAG, "--yes", "--out", str(self.out), "--state", str(self.state), *words]
        return CliRunner().invoke(app, given, catch_exceptions=False).exit_code

    @property
    def result(self) -> dict[str, Any]:
        return dict(json.loads(self.out.read_text()))

    def verdicts(self) -> dict[str, str]:
        return {step["id"]: step["verdict"] for step in self.result["steps"]}

    def vaults(self) -> list[str]:
        return [one["BackupVaultName"] for one in self.story.backup().list_backup_vaults()["BackupVaultList"]]


@pytest.fixture
def desk(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    story.prepare()
    story.protect(story.table())
    story.role(accounts.RECOVERY)
    return Desk(story, tmp_path, monkeypatch)


def approve(desk: Desk) -> None:
    (name,) = desk.vaults()
    desk.story.vote(desk.story.session(name))


def test_the_whole_walk(desk: Desk) -> None:
    assert desk.run("--run") == WAITING
    assert "approve in the portal" in desk.result["waitingFor"]
    approve(desk)
    assert desk.run("--run") == DONE
    found = desk.verdicts()
    assert {step: verdict for step, verdict in found.items() if verdict != AS_READ} == STRICTER, desk.result
    assert sum(desk.result["counts"].values()) == len(STEPS) == len(found)
    assert desk.vaults() == []
    assert client("dynamodb", accounts.RECOVERY).list_tables()["TableNames"] == []
    assert client("backup", accounts.OWNER).list_backup_plans()["BackupPlansList"] == []


def test_the_result_names_no_account_and_no_arn(desk: Desk) -> None:
    desk.run("--run")
    approve(desk)
    desk.run("--run")
    text = desk.out.read_text()
    assert re.findall(r"arn:aws|\d{12}", text) == []
    assert text.count("<ARN of") > 3


def test_without_other_profiles_the_walk_goes_on_and_takes_their_steps_later(desk: Desk) -> None:
    desk.profiles = {RECOVERY}
    desk.run("--run")
    found = desk.verdicts()
    assert (found["plan-vault"], found["share-elsewhere"], found["request"]) == (OPEN, OPEN, AS_READ)
    desk.profiles |= {OWNER, TEAM}
    asked = len(desk.story.world.portal.outbox)
    assert desk.run("--run") == WAITING
    assert (desk.verdicts()["plan-vault"], desk.verdicts()["share-elsewhere"]) == (AS_READ, AS_READ)
    assert len(desk.story.world.portal.outbox) == asked, "what was found is not asked again"


def test_what_a_broken_off_walk_made_is_found_by_the_next(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Run, "until", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert desk.run("--run") == INTERRUPTED
    assert len(desk.vaults()) == 1
    assert desk.run("--run") == WAITING
    approve(desk)
    assert desk.run("--run") == DONE
    assert desk.vaults() == []
    assert desk.verdicts()["clean-up"] == AS_READ


def test_what_is_not_approved_is_cleaned_up_on_demand(desk: Desk) -> None:
    desk.run("--run")
    assert len(desk.vaults()) == 1
    assert desk.run("--clean-up") == DONE
    assert desk.vaults() == []


def test_aws_that_does_otherwise_is_told(desk: Desk) -> None:
    desk.story.denied.add((accounts.RECOVERY, "mpa:CancelSession"))
    desk.run("--run")
    assert desk.verdicts()["cancel"] == OTHERWISE
    assert desk.verdicts()["approval"] == OPEN
