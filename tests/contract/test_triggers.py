"""Samples in events/ against the rules of the template, and the rules against what the code can read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airlift.deciding import decide
from airlift.errors import TriggerNotAllowed
from airlift.forwarding import is_check
from airlift.incident import Incident
from airlift.inputs import Action, Start, parse_input
from airlift.plan import Plan
from airlift.plan_check_triggers import FAMILIES
from airlift.triggers import READERS, read_event
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local.simulation.patterns import matches as lets_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
RULE_OF = {
    "securityhub-imported": "SecurityHubFinding",
    "securityhub-v2": "SecurityHubV2Finding",
    "securityhub-custom-action": "SecurityHubAction",
    "health-risk": "HealthEvent",
    "security-ir-case": "SecurityIncidentCase",
    "custom-recovery-requested": "OtherTool",
    "cloudwatch-composite-alarm": "CloudWatchAlarm",
    "guardduty-finding": "GuardDutyFinding",
    "guardduty-attack-sequence": "GuardDutyFinding",
    "guardduty-stealth": "GuardDutyFinding",
    "cloudwatch-alarm": "CloudWatchAlarm",
}
STARTS = ("console-minimal", "console-full", "console-latest", "console-access-only", "console-drill")
REPEATABLE = settings(deadline=None, derandomize=True, max_examples=200)
ACTIONS = ("resume", "continue", "first-sign", "pin", "restore-again", "stop", "clean-up")


def rules() -> dict[str, dict[str, Any]]:
    """Patterns of the rules that start a state machine of the template, by name."""
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"].values()
    machines = [r["Properties"] for r in resources if r["Type"] == "AWS::Serverless::StateMachine"]
    events = {name: event for machine in machines for name, event in machine.get("Events", {}).items()}
    return {
        name: event["Properties"]["Pattern"] for name, event in events.items() if event["Type"] == "EventBridgeRule"
    }


RULES = rules()


def sample(name: str) -> dict[str, Any]:
    document = json.loads((ROOT / "events" / f"{name}.json").read_text())
    assert isinstance(document, dict)
    return document


def matches(rule: str, event: Mapping[str, Any]) -> bool:
    return lets_in(RULES[rule], event)


def changed(name: str, path: str, value: object) -> dict[str, Any]:
    """The sample with one value replaced, or taken away if it is None."""
    event = sample(name)
    put(event, path, value)
    return event


def put(event: dict[str, Any], path: str, value: object) -> None:
    *steps, last = path.split("/")
    place: Any = event
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    place.pop(last, None)
    if value is not None:
        place[last] = value


def test_every_file_in_events_is_a_sample_that_is_tested() -> None:
    files = {path.stem for path in (ROOT / "events").glob("*.json")}
    assert files == {*RULE_OF, CHECK, *STARTS, *ACTIONS}


@pytest.mark.parametrize("name", RULE_OF)
def test_sample_passes_its_own_rule_only_and_is_read(name: str) -> None:
    event = sample(name)
    assert [rule for rule in RULES if matches(rule, event)] == [RULE_OF[name]]
    read = read_event(event)
    assert read.sender == "777788889999"
    assert read.region == event["region"]
    assert (read.first_sign is None) is (read.kind == "case")  # a case says it, not its event


CHECKED = ("securityhub-imported", "securityhub-v2", "health-risk", "custom-recovery-requested")


@pytest.mark.parametrize("name", sorted(set(RULE_OF) - {"security-ir-case"}))
def test_sample_starts_what_the_example_plan_says(name: str) -> None:
    decision = decide(read_event(sample(name)), example_plan())
    assert (decision.allow, decision.account) == ("check" if name in CHECKED else "request", "111122223333")


def test_a_finding_is_the_same_whichever_way_it_comes() -> None:
    ways = (FINDING, HUB, V2, ACTION)
    reads = [read_event(sample(name)) for name in ways]
    assert {(r.trigger_id, r.account, r.first_sign, r.finding_type) for r in reads} == {
        (sample(FINDING)["detail"]["id"], "111122223333", reads[0].first_sign, "Exfiltration:IAMUser/AnomalousBehavior")
    }
    assert [r.severity for r in reads] == [8, 7, 7, 7]


def example_plan() -> Plan:
    return Plan.from_document(yaml_parse((ROOT / "plans" / "example.yaml").read_text()))


@pytest.mark.parametrize("name", RULE_OF)
def test_sample_has_the_whole_envelope(name: str) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html"""
    envelope = ["account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"]
    assert sorted(sample(name)) == envelope


FINDING, STEALTH, ALARM = "guardduty-finding", "guardduty-stealth", "cloudwatch-alarm"
HUB, V2, ACTION = "securityhub-imported", "securityhub-v2", "securityhub-custom-action"
HEALTH, CASE, CUSTOM = "health-risk", "security-ir-case", "custom-recovery-requested"
ONE = "detail/findings/0"
CHECK = "forwarding-check"
FINDING_TYPE = "detail/type"


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        (STEALTH, FINDING_TYPE, "Recon:EC2/PortProbeUnprotectedPort"),
        (STEALTH, FINDING_TYPE, "UnauthorizedAccess:EC2/SSHBruteForce"),
        (FINDING, "detail/service/archived", True),
        (FINDING, "detail/service/additionalInfo", {"sample": True}),
        (FINDING, "detail-type", "GuardDuty Malware Protection Object Scan Result"),
        (FINDING, "source", "aws.securityhub"),
        (FINDING, "source", "airlift.recovery"),
        (ALARM, "detail/state/value", "OK"),
        (ALARM, "detail/state/value", "INSUFFICIENT_DATA"),
        (ALARM, "detail/state/actionsSuppressedBy", "WaitPeriod"),
        (ALARM, "detail-type", "CloudWatch Alarm Configuration Change"),
        (ALARM, "detail-type", "CloudWatch Alarm Contributor State Change"),
        (ALARM, "source", "aws.guardduty"),
        (HUB, "detail-type", "Security Hub Insight Results"),
        (HUB, f"{ONE}/RecordState", "ARCHIVED"),
        (HUB, f"{ONE}/Workflow/Status", "SUPPRESSED"),
        (HUB, f"{ONE}/Workflow/Status", "RESOLVED"),
        (HUB, f"{ONE}/Sample", True),
        (HUB, f"{ONE}/Severity/Label", "MEDIUM"),
        (HUB, f"{ONE}/Types", ["Software and Configuration Checks/Industry and Regulatory Standards"]),
        (HUB, "detail/findings", []),
        (V2, f"{ONE}/class_uid", 2003),  # compliance
        (V2, f"{ONE}/class_uid", 2002),  # vulnerability
        (V2, f"{ONE}/status_id", 3),  # suppressed
        (V2, f"{ONE}/severity_id", 3),
        (ACTION, "source", "aws.guardduty"),
        (HEALTH, "detail/eventTypeCode", "AWS_EC2_OPERATIONAL_ISSUE"),
        (HEALTH, "detail/eventTypeCode", "AWS_IAM_RISK_X"),
        (HEALTH, "detail/statusCode", "closed"),
        (HEALTH, "detail-type", "AWS Health Abuse Event"),
        (CASE, "detail-type", "Case Closed"),
        (CASE, "detail-type", "Case Comment Created"),
        (CUSTOM, "detail-type", "recovery requested"),
        (CUSTOM, "source", "airlift"),
        (CUSTOM, "source", "airlift.recovery.other"),
    ],
)
def test_near_miss_passes_no_rule(name: str, path: str, value: object) -> None:
    event = changed(name, path, value)
    assert [rule for rule in RULES if matches(rule, event)] == []


@pytest.mark.parametrize(
    ("path", "value", "passes"),
    [
        ("detail/severity", 4, True),
        ("detail/severity", 3.9, False),
        ("detail/service/archived", None, True),
        ("detail/service/additionalInfo", None, True),
        ("account", "111122223333", True),  # whom to believe is the plan's business
    ],
)
def test_edges_of_the_finding_rule(path: str, value: object, passes: bool) -> None:
    event = changed(FINDING, path, value)
    event["detail"]["type"] = "Backdoor:EC2/C&CActivity.B!DNS"
    assert matches("GuardDutyFinding", event) is passes


@pytest.mark.parametrize(
    "finding_type",
    [
        "AttackSequence:IAM/CompromisedCredentials",
        "CredentialAccess:IAMUser/CompromisedCredentials",
        "Discovery:IAMUser/AnomalousBehavior",
        "Impact:IAMUser/AnomalousBehavior",
        "Policy:IAMUser/RootCredentialUsage",
        "Policy:IAMUser/ShortTermRootCredentialUsage",
        "Stealth:IAMUser/PasswordPolicyChange",
        "UnauthorizedAccess:IAMUser/ResourceCredentialExfiltration.OutsideAWS",
    ],
)
def test_families_pass_at_any_severity(finding_type: str) -> None:
    assert matches("GuardDutyFinding", changed(STEALTH, FINDING_TYPE, finding_type))


def test_rules_and_readers_are_for_the_same_events() -> None:
    let_in = {(s, d) for rule in RULES.values() for s in rule["source"] for d in rule["detail-type"]}
    assert let_in == {*READERS, ("airlift.recovery", "Forwarding Check")}
    assert [rule for rule in RULES if matches(rule, sample(CHECK))] == ["OtherTool"]
    assert is_check(sample(CHECK))
    assert not is_check(sample(CUSTOM))


def test_the_plans_check_knows_which_families_are_let_in() -> None:
    assert tuple(families()) == FAMILIES


def variants(name: str, choices: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def build(values: dict[str, Any]) -> dict[str, Any]:
        event = sample(name)
        for path, value in values.items():
            put(event, path, value)
        return event

    return st.fixed_dictionaries(dict(choices)).map(build)


def families() -> Iterator[str]:
    for alternative in RULES["GuardDutyFinding"]["detail"]["$or"]:
        yield from (entry["prefix"] for entry in alternative.get("type", []))


FINDINGS = variants(
    FINDING,
    {
        "detail/severity": st.one_of(st.integers(1, 10), st.floats(1, 10)),
        FINDING_TYPE: st.one_of(
            st.sampled_from(sorted(families())).map(lambda family: family + "IAMUser/AnomalousBehavior"),
            st.sampled_from(["Recon:EC2/Portscan", "Backdoor:EC2/C&CActivity.B!DNS"]),
        ),
        "detail/service/archived": st.booleans(),
        "detail/service/additionalInfo": st.sampled_from([{}, {"sample": True}, {"sample": False}]),
        "detail/service/eventFirstSeen": st.sampled_from(["2026-10-01T01:58:12Z", "yesterday", 0, None]),
    },
)
ALARMS = variants(
    ALARM,
    {
        "detail/state": st.fixed_dictionaries(
            {"value": st.sampled_from(["ALARM", "OK", "INSUFFICIENT_DATA"])},
            optional={
                "timestamp": st.sampled_from(["2026-10-01T02:06:40.985+0000", "now"]),
                "actionsSuppressedBy": st.sampled_from(["WaitPeriod", "ExtensionPeriod", "Alarm"]),
            },
        )
    },
)


HUB_FINDINGS = variants(
    HUB,
    {
        f"{ONE}/Severity": st.sampled_from([{"Label": "CRITICAL"}, {"Label": "HIGH"}, {"Label": "LOW"}, {}]),
        f"{ONE}/RecordState": st.sampled_from(["ACTIVE", "ARCHIVED"]),
        f"{ONE}/Types": st.sampled_from([["TTPs/Impact/Impact:IAMUser-AnomalousBehavior"], ["Effects/x"], ["TTPs/"]]),
        f"{ONE}/FirstObservedAt": st.sampled_from(["2026-10-01T01:58:12Z", "yesterday", None]),
        f"{ONE}/ProductFields": st.sampled_from([{}, None, {"aws/guardduty/service/eventFirstSeen": "x"}]),
    },
)


@REPEATABLE
@given(st.one_of(FINDINGS, ALARMS, HUB_FINDINGS))
def test_what_a_rule_lets_in_can_be_read(event: dict[str, Any]) -> None:
    assume(any(matches(rule, event) for rule in RULES))
    assert isinstance(read_event(event), Incident)


@REPEATABLE
@given(st.one_of(FINDINGS, ALARMS))
def test_what_no_rule_lets_in_is_refused_or_slight(event: dict[str, Any]) -> None:
    assume(not any(matches(rule, event) for rule in RULES))
    try:
        read = read_event(event)
    except TriggerNotAllowed:
        return
    assert read.severity is not None
    assert read.severity < 4
    assert not read.finding_type.startswith(tuple(families()))


NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", STARTS)
def test_console_start_is_read(name: str) -> None:
    start = parse_input(sample(name), now=NOW)
    assert isinstance(start, Start)
    assert start.drill is (name == "console-drill")
    assert [example_plan().vault(arn).arn for arn in start.vault_arns] == list(start.vault_arns)


@pytest.mark.parametrize("name", ACTIONS)
def test_console_action_is_read(name: str) -> None:
    action = parse_input(sample(name), now=NOW)
    assert isinstance(action, Action)
    assert action.action == name
