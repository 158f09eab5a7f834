"""Dashboard and alarms against what the functions really emit, over all incidents; and what a log line carries."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local.simulation.story import Story
from local.simulation.template import ROOT
from local.simulation.world import Simulation
from tests.workflow.playing import deny, finding, look
from tests.workflow.scenarios import HOUR, SCENARIOS, played

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.simulation.sdk import Call

Metric = tuple[str, str, tuple[tuple[str, str], ...]]
"""Namespace, name, dimensions."""

OF_AWS = {
    "AWS/Lambda": {"Errors", "Throttles"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible"},
    "AWS/States": {"ExecutionsAborted", "ExecutionsFailed", "ExecutionsTimedOut"},
}
"""As AWS names them: lambda/latest/dg/monitoring-metrics-types.html, AWSSimpleQueueService/latest/SQSDeveloperGuide/
sqs-available-cloudwatch-metrics.html, step-functions/latest/dg/procedure-cw-metrics.html."""


def emitted_in(lines: list[dict[str, Any]]) -> Iterator[Metric]:
    """Metrics of lines in the embedded metric format."""
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            for names in directive["Dimensions"]:
                dimensions = tuple(sorted((name, line[name]) for name in names))
                for metric in directive["Metrics"]:
                    yield directive["Namespace"], metric["Name"], dimensions


def disturbed() -> list[dict[str, Any]]:
    """What is logged when AWS throttles and refuses here and there, and the schedules come due."""
    with Simulation() as sim:
        story = Story(sim)
        story.prepare()
        deny(story, "check_approval", "Publish", times=1)
        deny(story, "advance_restores", "ListRestoreJobs", times=1)
        sim.tick()
        finding(story)
        story.run_to_end()
        sim.tick(HOUR)
        return look(story).lines


def ill_fated() -> list[dict[str, Any]]:
    """What is logged when one resource has no usable point, and another is empty after its restore."""
    with Simulation() as sim:
        story = Story(sim)
        tables = story.prepare(("table", "table"), points={"candidates": 1})
        sim.aws.faults.fail_restore(tables[0], message="The recovery point is corrupt and cannot be restored.")

        def empty(call: Call) -> None:
            if call.operation == "Scan":
                table = sim.client("dynamodb")
                name = call.params["TableName"]
                keys = [key["AttributeName"] for key in table.describe_table(TableName=name)["Table"]["KeySchema"]]
                for item in table.scan(TableName=name)["Items"]:
                    table.delete_item(TableName=name, Key={key: item[key] for key in keys})

        sim.before_call.append(empty)
        finding(story)
        story.run_to_end()
        return look(story).lines


def _all_lines() -> Iterator[list[dict[str, Any]]]:
    yield disturbed()
    yield ill_fated()
    yield from (played(name).lines for name in SCENARIOS)


@cache
def logged() -> tuple[set[Metric], set[str]]:
    """Over all incidents: the metrics that were emitted, and the keys that lines have."""
    emitted: set[Metric] = set()
    keys: set[str] = set()
    for lines in _all_lines():
        emitted |= set(emitted_in(lines))
        for line in lines:
            keys |= {*line, *(f"resources.{key}" for key in line.get("resources", {}))}
    return emitted, keys


def widgets(body: Mapping[str, Any]) -> Iterator[Metric]:
    """Metrics that a dashboard shows; `.` repeats what stands above (CloudWatch-Dashboard-Body-Structure.html)."""
    for widget in body["widgets"]:
        above: list[str] = []
        for row in widget["properties"].get("metrics", []):
            cells = [cell for cell in row if isinstance(cell, str)]
            if cells:
                above = [above[i] if cell == "." else cell for i, cell in enumerate(cells)]
                yield above[0], above[1], tuple(sorted(zip(above[2::2], above[3::2], strict=True)))


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """Dashboard, alarms and the names of what exists, as deployed."""
    with Simulation() as sim:
        watch = sim.client("cloudwatch")
        (name,) = [one["DashboardName"] for one in watch.list_dashboards()["DashboardEntries"]]
        body = json.loads(watch.get_dashboard(DashboardName=name)["DashboardBody"])
        alarms = watch.describe_alarms()["MetricAlarms"]
        exists = {function.name for function in sim.lambdas.functions.values()}
        exists |= {sim.outputs["RecoveryStateMachineArn"], sim.outputs["VaultRecoveryStateMachineArn"]}
        exists |= {url.rpartition("/")[2] for url in sim.client("sqs").list_queues()["QueueUrls"]}
        return {"body": body, "alarms": alarms, "exists": exists, "people": sim.outputs["PeopleTopicArn"]}


def needed(shown: Mapping[str, Any]) -> set[Metric]:
    """Metrics of dashboard and alarms."""
    of_alarms = {
        (a["Namespace"], a["MetricName"], tuple(sorted((d["Name"], d["Value"]) for d in a["Dimensions"])))
        for a in shown["alarms"]
    }
    return of_alarms | set(widgets(shown["body"]))


def test_every_metric_of_dashboard_and_alarms_is_really_emitted(shown: dict[str, Any]) -> None:
    emitted, _ = logged()
    ours = {metric for metric in needed(shown) if metric[0] == "Airlift"}

    assert len(ours) > 20
    assert ours - emitted == set()


def test_every_metric_of_aws_has_its_name_and_is_of_a_resource_that_exists(shown: dict[str, Any]) -> None:
    of_aws = [metric for metric in needed(shown) if metric[0] != "Airlift"]
    assert {namespace for namespace, _, _ in of_aws} == set(OF_AWS)
    for namespace, name, dimensions in of_aws:
        assert name in OF_AWS[namespace]
        assert {value for _, value in dimensions} <= shown["exists"]


def test_what_is_emitted_is_looked_at_and_has_bounded_dimensions(shown: dict[str, Any]) -> None:
    emitted, _ = logged()
    seen = {name for _, name, _ in needed(shown)}

    assert {name for _, name, _ in emitted} - seen <= {"ForwardingChecks", "RecoveriesRunning"}
    assert {key for _, _, dimensions in emitted for key, _ in dimensions} <= {"service", "detector"}
    assert {dict(dimensions).get("service") for _, _, dimensions in emitted} == {"airlift"}


def test_the_tests_run_with_the_names_that_the_template_sets() -> None:
    settings = yaml_parse((ROOT / "template.yaml").read_text())["Globals"]["Function"]["Environment"]["Variables"]
    names = {settings["POWERTOOLS_METRICS_NAMESPACE"], settings["POWERTOOLS_SERVICE_NAME"]}
    assert names == {"Airlift", "airlift"}


def test_every_alarm_tells_people_and_is_on_the_dashboard(shown: dict[str, Any]) -> None:
    (widget,) = [one for one in shown["body"]["widgets"] if one["type"] == "alarm"]
    assert sorted(widget["properties"]["alarms"]) == sorted(alarm["AlarmArn"] for alarm in shown["alarms"])
    assert shown["alarms"]
    for alarm in shown["alarms"]:
        assert alarm["AlarmActions"] == [shown["people"]]


def test_the_runbook_has_a_page_for_every_alarm() -> None:
    template = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    alarms = {name for name, one in template.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    rows = set(re.findall(r"^### (\w+Alarm)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE))
    assert len(alarms) > 5
    assert rows == alarms


def test_widgets_do_not_overlap(shown: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for one in shown["body"]["widgets"]:
        columns, rows = range(one["x"], one["x"] + one["width"]), range(one["y"], one["y"] + one["height"])
        cells = {(x, y) for x in columns for y in rows}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
    assert taken


def test_log_widgets_ask_for_what_lines_have(shown: dict[str, Any]) -> None:
    _, keys = logged()
    queries = [one["properties"]["query"] for one in shown["body"]["widgets"] if one["type"] == "log"]
    assert queries
    for query in queries:
        asked = set(re.findall(r"latest\((\w[\w.]*)\)", query))
        for names in re.findall(r"(?:by|fields) ([^|]+?) *(?:\||$)", query):
            asked |= set(names.split(", "))
        assert len(asked) > 5
        assert asked - {"@timestamp"} <= keys


def test_a_recovery_can_be_followed_from_the_finding_to_the_last_job() -> None:
    after = played("approved")
    mine = [line for line in after.lines if line.get("recovery_id") == after.recovery["recoveryId"]]
    said = [line["message"] for line in mine]

    assert said[0] == "Recovery begins"
    assert "Recovery closed" in said
    assert said.index("Votes") < said.index("Turn") < said.index("Settled") < said.index("Recovery closed")
    begins = mine[0]
    assert begins["trigger_id"] in {r["sk"].removeprefix("TRIGGER#") for r in after.of("TRIGGER#")}
    assert {line["job_id"] for line in mine if line["message"] == "Settled"} == {j["RestoreJobId"] for j in after.jobs}
    of_vault = [line for line in mine if line["message"] in ("Votes", "Turn", "Settled")]
    assert len(of_vault) > 2
    assert all(line["source_backup_vault_arn"] in after.story.vault_arns for line in of_vault)
    assert all(line["execution_arn"].startswith("arn:aws:states:") for line in mine)


def test_the_words_of_a_finding_are_in_no_line() -> None:
    after = played("approved")
    sample = json.loads((ROOT / "events" / "guardduty-finding.json").read_text())
    text = json.dumps(after.lines, ensure_ascii=False)

    assert after.lines
    assert sample["detail"]["description"] not in text
    assert sample["detail"]["title"] not in text
