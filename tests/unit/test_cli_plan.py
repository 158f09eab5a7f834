"""`airlift plan`: every problem with its line, a validator's refusal with its text, and the plan in force."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from botocore.response import StreamingBody
from botocore.stub import ANY

from tests.unit.cli_world import OUTPUTS, World, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "plans" / "example.yaml"
APPLICATION = {"ApplicationId": OUTPUTS["PlanApplicationId"]}
PROFILE = {**APPLICATION, "ConfigurationProfileId": OUTPUTS["PlanConfigurationProfileId"]}
ENVIRONMENT = {**APPLICATION, "EnvironmentId": OUTPUTS["PlanEnvironmentId"]}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with deployed(monkeypatch) as world:
        yield world


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The example with two things wrong in it."""
    document = yaml.safe_load(EXAMPLE.read_text())
    document["accounts"][0]["id"] = 111122223333
    document["detectorz"] = document.pop("detectors")
    file = tmp_path / "broken.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def test_a_good_plan(world: World) -> None:
    result = world.run("plan", "check", str(EXAMPLE))
    assert result.exit_code == 0
    assert "The plan can be deployed: 0 errors" in result.output
    assert "not covered: " in result.output


def test_every_problem_at_once_with_its_line_and_remedy(world: World, broken: Path) -> None:
    result = world.run("plan", "check", str(broken))
    assert result.exit_code == 2
    problems = [line for line in result.output.splitlines() if line.startswith(f"{broken}:")]
    assert len(problems) == 2
    lines = broken.read_text().splitlines()
    named = next(line for line in problems if "detectorz" in line)
    assert lines[int(named.split(":")[1]) - 1].startswith("detectorz:")
    assert 'Did you mean "detectors"?' in named
    assert "The plan can't be deployed" in result.output


def test_a_check_as_json(world: World, broken: Path) -> None:
    result = world.run("plan", "check", str(broken), "--json")
    assert result.exit_code == 2
    problems = json.loads(result.output)["problems"]
    assert {"line", "path", "severity", "what", "remedy"} == problems[0].keys()


@pytest.mark.parametrize("text", ["{", "a: [1", "- 1\n- 2\n", ""])
def test_what_is_no_plan_at_all(world: World, tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(text)
    result = world.run("plan", "check", str(file))
    assert result.exit_code == 2
    assert f"{file}:1: error" in result.output


def test_a_file_that_is_not_there(world: World, tmp_path: Path) -> None:
    result = world.run("plan", "check", str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert "can't be read: No such file or directory" in result.output


def expect_version(world: World) -> Any:
    app_config = world.script("appconfig")
    asked = {**PROFILE, "ContentType": "application/json", "Content": ANY}
    app_config.add_response("create_hosted_configuration_version", {"VersionNumber": 7}, asked)
    return app_config


DEPLOYMENT = {**PROFILE, **ENVIRONMENT, "ConfigurationVersion": "7", "DeploymentStrategyId": "AppConfig.AllAtOnce"}


def test_deploy_waits_until_the_plan_is_in_force(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airlift_cli.plan_commands.time.sleep", lambda _: None)
    app_config = expect_version(world)
    app_config.add_response("start_deployment", {"DeploymentNumber": 3}, DEPLOYMENT)
    for state in ("DEPLOYING", "BAKING", "COMPLETE"):
        app_config.add_response("get_deployment", {"State": state}, {**ENVIRONMENT, "DeploymentNumber": 3})
    result = world.run("plan", "deploy", str(EXAMPLE))
    assert (result.exit_code, "Plan version 7 is in force." in result.output) == (0, True)


def test_what_is_deployed_is_the_file_as_json(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = {}

    class AppConfig:
        def create_hosted_configuration_version(self, **request: Any) -> dict[str, Any]:
            sent.update(request)
            return {"VersionNumber": 1}

        def start_deployment(self, **_: Any) -> dict[str, Any]:
            return {"DeploymentNumber": 1}

        def get_deployment(self, **_: Any) -> dict[str, Any]:
            return {"State": "COMPLETE"}

    known = world.client
    monkeypatch.setattr(
        "airlift_cli.stack._client", lambda s, name, c: AppConfig() if name == "appconfig" else known(s, name, c)
    )
    assert json.loads(world.run("plan", "deploy", str(EXAMPLE), "--json").output) == {"version": 1, "deployment": 1}
    assert json.loads(sent["Content"]) == yaml.safe_load(EXAMPLE.read_text())


def test_a_plan_with_errors_never_reaches_appconfig(world: World, broken: Path) -> None:
    world.script("appconfig")
    assert world.run("plan", "deploy", str(broken)).exit_code == 2


def test_a_validators_refusal_is_shown_with_its_text(world: World) -> None:
    app_config = expect_version(world)
    app_config.add_client_error(
        "start_deployment",
        "BadRequestException",
        "Error invoking extension",
        400,
        modeled_fields={"Details": {"InvalidConfiguration": [{"Reason": "accounts[0].vaults: a team is missing"}]}},
    )
    result = world.run("plan", "deploy", str(EXAMPLE))
    assert result.exit_code == 2
    assert "the old one stays in force: Error invoking extension accounts[0].vaults: a team is missing" in result.output


def test_a_deployment_under_way_is_waited_for_by_the_person(world: World) -> None:
    app_config = expect_version(world)
    app_config.add_client_error("start_deployment", "ConflictException", "Deployment 2 is in progress", 409)
    result = world.run("plan", "deploy", str(EXAMPLE))
    assert (result.exit_code, "wait until it has ended" in result.output) == (2, True)


def test_a_deployment_that_is_rolled_back(world: World) -> None:
    app_config = expect_version(world)
    app_config.add_response("start_deployment", {"DeploymentNumber": 3}, DEPLOYMENT)
    ended = {"State": "ROLLED_BACK", "EventLog": [{"Description": "An alarm went off"}]}
    app_config.add_response("get_deployment", ended, {**ENVIRONMENT, "DeploymentNumber": 3})
    result = world.run("plan", "deploy", str(EXAMPLE))
    assert (result.exit_code, "An alarm went off" in result.output) == (3, True)


def test_show_gives_the_newest_complete_version(world: World) -> None:
    app_config = world.script("appconfig")
    completed = datetime(2026, 11, 1, tzinfo=UTC)
    rolled_back = {"State": "ROLLED_BACK", "ConfigurationVersion": "9"}
    first = {"Items": [rolled_back], "NextToken": "more"}
    second = {"Items": [{"State": "COMPLETE", "ConfigurationVersion": "7", "CompletedAt": completed}]}
    app_config.add_response("list_deployments", first, ENVIRONMENT)
    app_config.add_response("list_deployments", second, {**ENVIRONMENT, "NextToken": "more"})
    content = b'{"version": 1}'
    body = StreamingBody(io.BytesIO(content), len(content))
    app_config.add_response("get_hosted_configuration_version", {"Content": body}, {**PROFILE, "VersionNumber": 7})
    shown = json.loads(world.run("plan", "show", "--json").output)
    assert (shown["version"], shown["plan"]) == (7, {"version": 1})


def test_show_without_a_plan(world: World) -> None:
    world.script("appconfig").add_response("list_deployments", {"Items": []}, ENVIRONMENT)
    result = world.run("plan", "show")
    assert (result.exit_code, "airlift plan deploy FILE" in result.output) == (2, True)
