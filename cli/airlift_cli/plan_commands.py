"""`airlift plan`: checks a recovery plan, deploys it through AppConfig and shows the one that is in force."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.plan import Plan
from airlift.plan_check import what_is_not_covered
from botocore.exceptions import ClientError
from pydantic_core import to_json

from airlift_cli.plan_file import LocatedProblem, load, problems_with_lines
from airlift_cli.problems import Exit, Problem, one_line
from airlift_cli.words import shown

if TYPE_CHECKING:
    from pathlib import Path

    from airlift_cli.stack import Stack

_PATIENCE_SECONDS = 1800.0
_DEPLOYMENT_ENDS = ("COMPLETE", "ROLLED_BACK", "REVERTED")


@dataclass(frozen=True)
class Checked:
    """What a check found in a file, and what the plan leaves out (only known if it has no errors)."""

    path: Path
    found: list[LocatedProblem]
    not_covered: list[str]

    @property
    def errors(self) -> list[LocatedProblem]:
        return [located for located in self.found if located.problem.severity == "error"]

    def lines(self) -> list[tuple[str, str]]:
        """Each problem and each thing that is not covered, as a line and its colour."""
        colours = {"error": "red", "warning": "yellow"}
        problems = [
            (f"{self.path}:{at.line}: {at.problem.severity}: {shown(at.problem)}", colours[at.problem.severity])
            for at in self.found
        ]
        return problems + [(f"not covered: {shown(words)}", "dim") for words in self.not_covered]

    def summary(self) -> str:
        """One closing line."""
        errors, warnings = len(self.errors), len(self.found) - len(self.errors)
        state = "The plan can't be deployed" if errors else "The plan can be deployed"
        return f"{state}: {_counted(errors, 'error')}, {_counted(warnings, 'warning')}."

    def document(self) -> dict[str, Any]:
        """The check as `--json` prints it."""
        problems = [
            {
                "line": at.line,
                "path": at.problem.where,
                "severity": at.problem.severity,
                "what": at.problem.what,
                "remedy": at.problem.remedy,
            }
            for at in self.found
        ]
        return {"file": str(self.path), "problems": problems, "notCovered": self.not_covered}


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def check_file(path: Path, region: str | None = None) -> Checked:
    """Every problem of the plan in the file at once; `region` is that of the stack that will read it, if known."""
    try:
        found = problems_with_lines(path, region=region)
        if any(located.problem.severity == "error" for located in found):
            return Checked(path, found, [])
        return Checked(path, found, what_is_not_covered(Plan.from_json(_as_json(path))))
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> Problem:
    """What is told of a plan's file that can't be read."""
    step = "give the plan's file."
    return Problem(f"{path} can't be read: {error.strerror}.", step, Exit.BAD_INPUT, name="FileUnreadable")


def _as_json(path: Path) -> str:
    return to_json(load(path)[0], indent=2).decode()


def deploy(stack: Stack, path: Path) -> dict[str, Any]:
    """Puts the plan in force and returns `version` and `deployment` (numbers); until then the old one stays so.

    Raises Problem with the validator's text if AppConfig refuses it, or if the deployment is rolled back.
    """
    client = stack.client("appconfig")
    application, environment = stack["PlanApplicationId"], stack["PlanEnvironmentId"]
    profile = stack["PlanConfigurationProfileId"]
    try:
        version = client.create_hosted_configuration_version(
            ApplicationId=application,
            ConfigurationProfileId=profile,
            ContentType="application/json",
            Content=_as_json(path).encode(),
        )["VersionNumber"]
        number = client.start_deployment(
            ApplicationId=application,
            EnvironmentId=environment,
            ConfigurationProfileId=profile,
            ConfigurationVersion=str(version),
            DeploymentStrategyId=stack["PlanDeploymentStrategyId"],
        )["DeploymentNumber"]
    except ClientError as error:
        if problem := _refusal(error):
            raise problem from error
        raise
    _wait_for(client, {"ApplicationId": application, "EnvironmentId": environment, "DeploymentNumber": number})
    return {"version": version, "deployment": number}


def _refusal(error: ClientError) -> Problem | None:
    """A validator's no, with its own text (BadRequestException: Message and Details.InvalidConfiguration[].Reason)."""
    code = error.response["Error"]["Code"]
    if code == "ConflictException":
        step = "wait until it has ended, then deploy again."
        return Problem(one_line(error), step, Exit.BAD_INPUT, name="DeploymentInProgress")
    if code != "BadRequestException":
        return None
    details: Any = error.response.get("Details") or {}
    reasons = [str(detail.get("Reason", "")) for detail in details.get("InvalidConfiguration", [])]
    text = " ".join(filter(None, [error.response["Error"].get("Message", ""), *reasons]))
    return Problem(
        f"AppConfig refused the plan, the old one stays in force: {one_line(text)}",
        "correct the plan, try it with `airlift plan check`, then deploy again.",
        Exit.BAD_INPUT,
        name="PlanRefused",
    )


def _wait_for(client: Any, deployment: dict[str, Any]) -> None:
    until, pause = time.monotonic() + _PATIENCE_SECONDS, 0.2
    while time.monotonic() < until:
        answer = client.get_deployment(**deployment)
        if answer["State"] == "COMPLETE":
            return
        if answer["State"] in _DEPLOYMENT_ENDS:
            last = (answer.get("EventLog") or [{}])[0].get("Description", "no reason is given")
            raise Problem(
                f"The deployment ended {answer['State']}, the old plan stays in force: {last}",
                "mend what it names, then deploy again.",
                Exit.NOT_RECOVERED,
                name="PlanNotDeployed",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 5.0)
    raise Problem(
        f"Deployment {deployment['DeploymentNumber']} has not ended within {_PATIENCE_SECONDS:.0f} s.",
        "look at it in the AppConfig console.",
        Exit.UNEXPECTED,
        name="NoAnswer",
    )


def in_force(stack: Stack) -> dict[str, Any]:
    """The plan that the functions read now: `version`, `deployedAt` and `plan`. Raises Problem if there is none."""
    client = stack.client("appconfig")
    application = stack["PlanApplicationId"]
    newest = _newest_deployment(client, application, stack["PlanEnvironmentId"])
    version = int(newest["ConfigurationVersion"])
    content = client.get_hosted_configuration_version(
        ApplicationId=application,
        ConfigurationProfileId=stack["PlanConfigurationProfileId"],
        VersionNumber=version,
    )["Content"].read()
    return {"version": version, "deployedAt": newest["CompletedAt"], "plan": json.loads(content)}


def _newest_deployment(client: Any, application: str, environment: str) -> dict[str, Any]:
    request = {"ApplicationId": application, "EnvironmentId": environment}
    while True:
        page = client.list_deployments(**request)
        for deployment in page["Items"]:  # newest first
            if deployment["State"] == "COMPLETE":
                found: dict[str, Any] = deployment
                return found
        if not page.get("NextToken"):
            raise Problem(
                "No plan is in force.", "deploy one: airlift plan deploy FILE.", Exit.BAD_INPUT, name="NoPlan"
            )
        request["NextToken"] = page["NextToken"]
