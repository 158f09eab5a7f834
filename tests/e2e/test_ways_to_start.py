"""Every way in, on the deployed stack: a finding, an alarm, the console, the command line, the operator's actions."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from local.cloud import comparing
from local.cloud.running import DETECTOR, PRODUCTION, RECOVERY
from local.cloud.story import ALARM
from tests.e2e.desk import MACHINE, until

if TYPE_CHECKING:
    from tests.e2e.desk import Desk


def restored(desk: Desk, recovery_id: str) -> dict[str, Any]:
    """The recovery, whose restored table must hold what it held before the attack."""
    recovery = desk.status(recovery_id)
    assert recovery["outcome"] == "Recovered", recovery["cause"]
    for one in comparing.compare(desk.story, recovery["items"]):
        assert one.equal, one.differences
        assert one.item["state"] == "validated"
    return recovery


def test_a_finding_is_recovered_from_and_a_second_one_joins(desk: Desk) -> None:
    before = desk.newest()
    desk.story.send_finding()
    recovery_id = desk.new_recovery(before)
    desk.session(recovery_id)
    known = desk.executions()
    desk.story.send_finding()
    second = next(iter(set(_until_more(desk, known)) - set(known)))
    joined = desk.ended(second)["output"]
    assert (joined["outcome"], joined["recoveryId"]) == ("joined", recovery_id)
    desk.vote(recovery_id)
    assert desk.ended(known[0])["status"] == "SUCCEEDED"
    recovery = restored(desk, recovery_id)
    assert recovery["trigger"]["kind"] == "guardDuty"
    assert recovery["trigger"]["sender"] == DETECTOR
    assert recovery["firstSign"] == f"{desk.story.attacked:%Y-%m-%dT%H:%M:%S}.000Z"
    assert len(recovery["votes"]) == 2
    report = desk.cloud.client("s3", RECOVERY)
    bucket = next(b["Name"] for b in report.list_buckets()["Buckets"] if "evidence" in b["Name"])
    summary = json.loads(report.get_object(Bucket=bucket, Key=recovery["reportKey"])["Body"].read())
    assert summary["recoveryId"] == recovery_id

    again = desk.airlift("restore-again", recovery_id, desk.story.resources[0].arn, "--reason", "a test wrote into it")
    assert again.returncode == 0, again.stdout + again.stderr
    assert desk.ended(desk.executions()[0])["status"] == "SUCCEEDED"
    second_time = restored(desk, recovery_id)["items"][0]
    assert second_time["createdResourceArn"] != recovery["items"][0]["createdResourceArn"]


def _until_more(desk: Desk, known: list[str]) -> list[str]:
    return until(lambda: found if len(found := desk.executions()) > len(known) else None, "another execution")


def test_an_alarm_starts_what_the_plan_says_and_a_rejection_ends_it(desk: Desk) -> None:
    before = desk.newest()
    cloudwatch = desk.cloud.client("cloudwatch", DETECTOR)
    cloudwatch.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="Security/Production",
        MetricName="DeletedItems",
        Dimensions=[{"Name": "AccountId", "Value": PRODUCTION}],
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=500,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="1290 deletions")
    recovery_id = desk.new_recovery(before)
    execution = desk.executions()[0]
    desk.vote(recovery_id, "REJECT")
    ended = desk.ended(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "ApprovalRejected")
    recovery = desk.status(recovery_id)
    assert recovery["account"] == PRODUCTION
    assert recovery["trigger"]["kind"] == "alarm"
    look_back = datetime.fromisoformat(recovery["createdAt"]) - datetime.fromisoformat(recovery["firstSign"])
    assert timedelta(minutes=60) <= look_back < timedelta(minutes=61)
    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="over")


def test_the_smallest_console_input_waits_for_the_first_sign_and_can_be_stopped_and_resumed(desk: Desk) -> None:
    desk.plan(pause=True)
    before = desk.newest()
    first = desk.console(desk.sample("console-minimal"))
    recovery_id = desk.new_recovery(before)
    desk.vote(recovery_id)
    desk.waits_for(recovery_id, "firstSign")
    stopped = desk.ended(desk.console(desk.sample("stop", recoveryId=recovery_id)))
    assert stopped["output"]["outcome"] == "done"
    assert desk.ended(first)["status"] == "ABORTED"
    _until_closed(desk, recovery_id)
    children = desk.states.list_executions(stateMachineArn=MACHINE.replace("-recovery", "-vault-recovery"))[
        "executions"
    ]
    assert children
    assert not [child for child in children if child["status"] == "RUNNING"]

    resumed = desk.console(desk.sample("resume", recoveryId=recovery_id))
    desk.waits_for(recovery_id, "firstSign")
    sign = desk.story.attacked.isoformat(timespec="seconds")
    noted = desk.ended(desk.console(desk.sample("first-sign", recoveryId=recovery_id, firstSign=sign)))
    assert noted["output"]["outcome"] == "done"
    desk.waits_for(recovery_id, "continue")
    desk.ended(desk.console(desk.sample("continue", recoveryId=recovery_id, wave="data")))
    assert desk.ended(resumed)["status"] == "SUCCEEDED"
    restored(desk, recovery_id)
    desk.plan()


def _until_closed(desk: Desk, recovery_id: str) -> None:
    until(lambda: desk.status(recovery_id)["state"] == "ENDED", "the closing")


def test_console_input_with_the_first_sign_needs_nothing_more(desk: Desk) -> None:
    before = desk.newest()
    sign = desk.story.attacked.isoformat(timespec="seconds")
    execution = desk.console(desk.sample("console-full", firstSign=sign))
    desk.vote(desk.new_recovery(before))
    assert desk.ended(execution)["status"] == "SUCCEEDED"
    restored(desk, desk.newest())


def test_the_command_line_starts_and_watches(desk: Desk) -> None:
    sign = desk.story.attacked.isoformat(timespec="seconds")
    with desk.voting(desk.newest()):
        done = desk.airlift("start", "--account", PRODUCTION, "--reason", "drill", "--first-sign", sign, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    restored(desk, desk.newest())
