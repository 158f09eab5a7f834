"""One incident handled with nothing but the command line, from the check of the plan to the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airlift_cli.problems import Exit

from local.cloud.running import PRODUCTION
from tests.e2e.desk import PLAN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.desk import Desk


def said(desk: Desk, *words: str, code: Exit = Exit.OK) -> Any:
    """What a command prints as JSON; of several lines, the last."""
    done = desk.airlift(*words)
    assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def test_an_incident_from_the_command_line_alone(desk: Desk, tmp_path: Path) -> None:
    desk.plan(pause=True)
    assert said(desk, "plan", "check", str(PLAN))["problems"] == []
    in_force = said(desk, "plan", "show")["version"]
    broken = tmp_path / "broken.yaml"
    broken.write_text(json.dumps(json.loads(PLAN.read_text()) | {"detectors": [PRODUCTION]}))
    assert said(desk, "plan", "deploy", str(broken), code=Exit.BAD_INPUT)["problems"]
    assert said(desk, "plan", "show")["version"] == in_force
    assert said(desk, "deploy-check")["mayBeDeployed"] is True

    resource = desk.story.resources[0].arn
    recovery_id = said(desk, "start", "--account", PRODUCTION, "--reason", "ransom note found")["recoveryId"]
    assert said(desk, "deploy-check", code=Exit.NOT_RECOVERED)["error"] == "DeploymentMustWait"
    assert said(desk, "report", recovery_id, code=Exit.BAD_INPUT)["error"] == "NoReport"
    desk.vote(recovery_id)
    desk.waits_for(recovery_id, "firstSign")
    assert desk.airlift("status", recovery_id).returncode == Exit.OPERATOR_NEEDED
    sign = desk.story.attacked.isoformat(timespec="seconds")
    assert said(desk, "first-sign", recovery_id, sign)["outcome"] == "done"
    desk.waits_for(recovery_id, "continue")
    [points] = said(desk, "points", recovery_id, resource)
    assert said(desk, "pin", recovery_id, resource, "--point", points["recoveryPointArn"], "--reason", "looked at")
    assert said(desk, "continue", recovery_id)["outcome"] == "done"
    ended = said(desk, "watch", recovery_id)
    assert ended["outcome"] == "Recovered"
    assert said(desk, "status")[0]["recoveryId"] == recovery_id
    assert said(desk, "status", recovery_id) == desk.status(recovery_id)

    report = tmp_path / "report.json"
    assert said(desk, "report", recovery_id, "--out", str(report))["recoveryId"] == recovery_id
    assert json.loads(report.read_text())["outcome"] == "Recovered"
    listed = next(run for run in said(desk, "drills") if run["recoveryId"] == recovery_id)
    assert listed["restored"] == listed["selected"] > 0
    assert 0 < listed["approvalSeconds"] < listed["firstRestoreSeconds"] <= listed["lastRestoreSeconds"]
    page = tmp_path / "card.html"
    said(desk, "card", "--out", str(page))
    assert ended["vaults"][0] in page.read_text()
    notices = desk.airlift("notify-test")  # whether anybody is subscribed depends on the story
    assert '"name": "people"' in notices.stdout, notices.stdout + notices.stderr
    assert "does not run; nothing to stop" in said(desk, "stop", recovery_id)["text"]
    desk.plan()
