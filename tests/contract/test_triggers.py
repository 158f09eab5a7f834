"""Samples in events/ against the rules of the template, and the rules against what the code can read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airlift.deciding import decide
from airlift.errors import TriggerNotAllowed
from airlift.incident import Incident
from airlift.inputs import Action, Start, parse_input
from airlift.plan import Plan
from airlift.triggers import READERS, read_event
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from moto.events.models import EventPattern
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
RULE_OF = {
    "guardduty-finding": "GuardDutyFinding",
    "guardduty-attack-sequence": "GuardDutyFinding",
    "guardduty-stealth": "GuardDutyFinding",
    "cloudwatch-alarm": "CloudWatchAlarm",
}
STARTS = ("console-minimal", "console-full", "console-latest", "console-access-only")
REPEATABLE = settings(deadline=None, derandomize=True, max_examples=200)
ACTIONS = ("resume", "continue", "first-sign", "pin", "restore-again", "stop")


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
    matched = EventPattern(None, RULES[rule]).matches_event(event)  # type: ignore[arg-type]
    assert isinstance(matched, bool)
    return matched


def changed(name: str, path: str, value: object) -> dict[str, Any]:
    """The sample with one value replaced, or taken away if it is None."""
    event = sample(name)
    put(event, path, value)
    return event


def put(event: dict[str, Any], path: str, value: object) -> None:
    *steps, last = path.split("/")
    place = event
    for step in steps:
        place = place[step]
    place.pop(last, None)
    if value is not None:
        place[last] = value


def test_every_file_in_events_is_a_sample_that_is_tested() -> None:
    files = {path.stem for path in (ROOT / "events").glob("*.json")}
    assert files == {*RULE_OF, *STARTS, *ACTIONS}


@pytest.mark.parametrize("name", RULE_OF)
def test_sample_passes_its_own_rule_only_and_is_read(name: str) -> None:
    event = sample(name)
    assert [rule for rule in RULES if matches(rule, event)] == [RULE_OF[name]]
    read = read_event(event)
    assert read.sender == "777788889999"
    assert read.region == "ap-northeast-1"
    assert read.first_sign is not None


@pytest.mark.parametrize("name", RULE_OF)
def test_sample_starts_a_recovery_under_the_example_plan(name: str) -> None:
    decision = decide(read_event(sample(name)), example_plan())
    assert (decision.allow, decision.account) == ("request", "111122223333")


def example_plan() -> Plan:
    return Plan.from_document(yaml_parse((ROOT / "plans" / "example.yaml").read_text()))


@pytest.mark.parametrize("name", RULE_OF)
def test_sample_has_the_whole_envelope(name: str) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/ref/events-structure.html"""
    envelope = ["account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"]
    assert sorted(sample(name)) == envelope


FINDING, STEALTH, ALARM = "guardduty-finding", "guardduty-stealth", "cloudwatch-alarm"
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
    assert let_in == set(READERS)


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


@REPEATABLE
@given(st.one_of(FINDINGS, ALARMS))
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
    assert [example_plan().vault(arn).arn for arn in start.vault_arns] == list(start.vault_arns)


@pytest.mark.parametrize("name", ACTIONS)
def test_console_action_is_read(name: str) -> None:
    action = parse_input(sample(name), now=NOW)
    assert isinstance(action, Action)
    assert action.action == name
