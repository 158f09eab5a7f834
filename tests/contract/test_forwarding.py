"""Forwarding of findings and alarms, against the samples and the rules of Airlift's own stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.simulation.patterns import matches
from tests.contract.accounts import TEMPLATES, holds, properties, resources
from tests.contract.test_triggers import ALARMS, FINDINGS, RULE_OF, RULES, sample

if TYPE_CHECKING:
    from collections.abc import Mapping

FORWARDING, STACKSET = TEMPLATES["forwarding"], TEMPLATES["stackset"]
PATTERNS = {
    name: rule["Properties"]["EventPattern"] for name, rule in resources(FORWARDING, "AWS::Events::Rule").items()
}
REPEATABLE = settings(deadline=None, derandomize=True, max_examples=200)


def forwarded(event: Mapping[str, Any]) -> list[str]:
    return [name for name, pattern in PATTERNS.items() if matches(pattern, event)]


FORWARDED_BY = {
    "GuardDutyFinding": "GuardDutyFindings",
    "CloudWatchAlarm": "CloudWatchAlarms",
    "SecurityHubFinding": "SecurityHubFindings",
    "SecurityHubV2Finding": "SecurityHubFindings",
    "SecurityHubAction": "SecurityHubFindings",
    "HealthEvent": "HealthEvents",
    "SecurityIncidentCase": "Cases",
    "OtherTool": "OtherTools",
}


@pytest.mark.parametrize("name", [*RULE_OF, "forwarding-check"])
def test_sample_is_forwarded_once(name: str) -> None:
    assert forwarded(sample(name)) == [FORWARDED_BY[RULE_OF.get(name, "OtherTool")]]


@REPEATABLE
@given(st.one_of(FINDINGS, ALARMS))
def test_what_the_stack_takes_is_forwarded(event: dict[str, Any]) -> None:
    if any(matches(rule, event) for rule in RULES.values()):
        assert len(forwarded(event)) == 1


HUB, HEALTH = "aws.securityhub", "aws.health"


@pytest.mark.parametrize(
    ("source", "detail_type", "detail", "expected"),
    [
        (HUB, "Security Hub Findings - Imported", {"findings": [{"Severity": {"Label": "CRITICAL"}}]}, True),
        (HUB, "Security Hub Findings - Imported", {"findings": [{"Severity": {"Label": "MEDIUM"}}]}, False),
        (HUB, "Findings Imported V2", {"findings": [{"severity_id": 5}]}, True),
        (HUB, "Findings Imported V2", {"findings": [{"severity_id": 2}]}, False),
        (HUB, "Security Hub Findings - Custom Action", {"findings": [{"Severity": {"Label": "LOW"}}]}, True),
        (HUB, "Security Hub Insight Results", {}, False),
        (HEALTH, "AWS Health Event", {"eventTypeCode": "AWS_RISK_CREDENTIALS_EXPOSED"}, True),
        (HEALTH, "AWS Health Event", {"eventTypeCode": "AWS_EC2_OPERATIONAL_ISSUE"}, False),
        (HEALTH, "AWS Health Abuse Event", {"eventTypeCode": "AWS_ABUSE_DOS_REPORT"}, False),
        ("aws.security-ir", "Case Closed", {"caseId": "0123456789"}, False),
        ("airlift", "Recovery Ended", {}, False),
    ],
)
def test_other_sources(source: str, detail_type: str, detail: dict[str, Any], expected: bool) -> None:
    event = sample("guardduty-finding") | {"source": source, "detail-type": detail_type, "detail": detail}
    assert bool(forwarded(event)) is expected


def test_rule_goes_straight_to_the_incident_bus_and_loses_nothing() -> None:
    for rule in resources(FORWARDING, "AWS::Events::Rule").values():
        assert "EventBusName" not in rule["Properties"]  # services send to the default bus
        (target,) = rule["Properties"]["Targets"]
        assert target["Arn"] == {"Ref": "IncidentBusArn"}
        assert target["RoleArn"] == {"Fn::GetAtt": ["ForwardingRole", "Arn"]}
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}


def test_health_is_forwarded_where_aws_health_sends_it() -> None:
    _, where = FORWARDING["Conditions"]["Health"]["Fn::And"]
    in_regions = {region: holds(where, {"AWS::Region": region}) for region in ("us-east-1", "us-west-2", "eu-west-1")}
    assert in_regions == {"us-east-1": True, "us-west-2": True, "eu-west-1": False}


def test_many_regions_share_an_account() -> None:
    """A name in IAM is global, so the role's may not be given."""
    assert "RoleName" not in properties(FORWARDING, "ForwardingRole")


def test_a_second_bus_is_forwarded_to_from_the_same_account_and_region() -> None:
    """There is a stack of Airlift per Region that holds vaults; a name that is given must not be the other one's."""
    for made in FORWARDING["Resources"].values():
        for key in ("Name", "RoleName", "QueueName"):
            if given := made["Properties"].get(key):
                assert given["Fn::Sub"].endswith("${NameSuffix}"), given


def test_stack_set_passes_every_parameter_on() -> None:
    stack_set = properties(STACKSET, "Forwarding")
    passed = {one["ParameterKey"]: one["ParameterValue"] for one in stack_set["Parameters"]}
    assert passed == {key: {"Ref": key} for key in FORWARDING["Parameters"]}
    for key in passed:
        for rule in ("Type", "Default", "AllowedPattern", "AllowedValues"):
            assert STACKSET["Parameters"][key].get(rule) == FORWARDING["Parameters"][key].get(rule)


def test_stack_set_reaches_detector_accounts_only() -> None:
    (group,) = properties(STACKSET, "Forwarding")["StackInstancesGroup"]
    _, service_managed, self_managed = group["DeploymentTargets"]["Fn::If"]
    accounts = {"Ref": "DetectorAccounts"}
    assert (service_managed["AccountFilterType"], service_managed["Accounts"]) == ("INTERSECTION", accounts)
    assert self_managed == {"Accounts": accounts}
