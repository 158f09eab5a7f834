"""The recovery plan's model and the questions it answers."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from airlift.errors import AccountNotInPlan, PlanInvalid, VaultNotInPlan
from airlift.plan import UNMATCHED, Plan
from hypothesis import given
from hypothesis import strategies as st

VAULT = "arn:aws:backup:ap-northeast-1:111122223333:backup-vault:production-airgapped"
SECOND = "arn:aws:backup:ap-northeast-1:111122223333:backup-vault:second"
TABLE = "arn:aws:dynamodb:ap-northeast-1:111122223333:table/orders"
BUCKET = "arn:aws:s3:::photos"
PLAN: dict[str, Any] = {
    "version": 1,
    "accounts": [{"id": "111122223333", "name": "production", "vaults": [{"arn": VAULT}, {"arn": SECOND}]}],
    "detectors": ["777788889999"],
    "triggers": {
        "guardDuty": {"allow": "request", "types": ["Stealth:*"]},
        "alarms": [
            {
                "arn": "arn:aws:cloudwatch:ap-northeast-1:777788889999:alarm:deletions",
                "account": "111122223333",
                "allow": "check",
            }
        ],
    },
    "waves": [
        {
            "name": "tables",
            "match": [{"types": ["DynamoDB"], "names": ["prod-*", "orders"]}],
            "priority": [{"names": ["orders"]}, {"names": ["prod-*"]}],
        },
        {"name": "buckets", "match": [{"types": ["S3"]}], "objectives": {"rtoMinutes": 10}},
    ],
    "exclude": [{"types": ["S3"], "names": ["*-logs"], "reason": "rebuilt"}, {"arns": ["*:table/tmp-*"]}],
    "objectives": {"rtoMinutes": 60, "rpoMinutes": 1440},
}
WHO = {"recovery_id": "r-20260102-111122223333-0a1b", "account": "444455556666", "region": "ap-northeast-1"}


def changed(**fields: Any) -> Plan:
    return Plan.from_document(copy.deepcopy(PLAN) | fields)


def test_answers_about_accounts_and_vaults() -> None:
    plan = Plan.from_json(json.dumps(PLAN))
    assert plan.account("111122223333").vault_arns == (VAULT, SECOND)
    assert plan.account_of_vault(SECOND).name == "production"
    assert (plan.vault(SECOND).name, plan.vault(SECOND).region) == ("second", "ap-northeast-1")
    with pytest.raises(AccountNotInPlan, match="444455556666"):
        plan.account("444455556666")
    for ask in (plan.vault, plan.account_of_vault):
        with pytest.raises(VaultNotInPlan, match="backup-vault:other"):
            ask(VAULT.replace("production-airgapped", "other"))


def test_a_protected_account_is_never_believed() -> None:
    plan = changed(detectors=["777788889999", "111122223333"])
    assert plan.believes("777788889999")
    assert not plan.believes("111122223333")
    assert not plan.believes("123412341234")


def test_guard_duty_takes_what_is_severe_or_listed() -> None:
    trigger = Plan.from_document(PLAN).triggers.guard_duty
    assert trigger
    assert trigger.takes("Impact:IAMUser/AnomalousBehavior", 7.0)
    assert not trigger.takes("Impact:IAMUser/AnomalousBehavior", 6.9)
    assert trigger.takes("Stealth:IAMUser/CloudTrailLoggingDisabled", 2.0)
    assert trigger.takes("Stealth:IAMUser/CloudTrailLoggingDisabled", None)
    assert not trigger.takes("stealth:IAMUser/CloudTrailLoggingDisabled", None)


def test_an_alarm_is_found_by_its_arn() -> None:
    triggers = Plan.from_document(PLAN).triggers
    found = triggers.alarm("arn:aws:cloudwatch:ap-northeast-1:777788889999:alarm:deletions")
    assert found
    assert (found.account, found.allow, found.look_back_minutes) == ("111122223333", "check", 60)
    assert triggers.alarm("arn:aws:cloudwatch:ap-northeast-1:777788889999:alarm:other") is None


@pytest.mark.parametrize(
    ("kind", "arn", "name", "expected"),
    [
        ("DynamoDB", TABLE, "orders", (0, 0)),
        ("DynamoDB", TABLE, "prod-orders", (0, 1)),
        ("DynamoDB", TABLE, "Prod-orders", (2, 0)),
        ("DynamoDB", TABLE, None, (2, 0)),
        ("S3", BUCKET, "photos", (1, 0)),
        ("EBS", "arn:aws:ec2:ap-northeast-1:111122223333:volume/vol-1", "orders", (2, 0)),
    ],
)
def test_wave_and_priority(kind: str, arn: str, name: str | None, expected: tuple[int, int]) -> None:
    assert Plan.from_document(PLAN).wave_of(kind, arn, name) == expected


def with_waves(*waves: dict[str, Any], **fields: Any) -> Plan:
    matching = [{"match": [{"types": ["S3"]}], **wave} for wave in waves]
    return Plan.from_document(PLAN | {"waves": matching, **fields})


def test_a_wave_follows_all_earlier_ones_or_those_it_names_and_what_they_follow() -> None:
    after = {"a": None, "b": None, "c": ["e"], "d": [], "e": ["b"]}
    plan = with_waves(*({"name": name, "after": names} for name, names in after.items()))
    assert [sorted(plan.before(index)) for index in range(6)] == [[], [0], [0, 1, 4], [], [0, 1], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize("halt", [{}, {"any": True, "share": 0.1}, {"any": False}, {"share": 0}, {"resources": []}])
def test_a_halt_is_one_rule(halt: dict[str, Any]) -> None:
    with pytest.raises(PlanInvalid, match=r"waves\[0\].halt"):
        with_waves({"name": "a", "halt": halt})


def test_a_share_is_met_when_it_is_reached() -> None:
    halt = with_waves({"name": "a", "halt": {"share": 0.07}}).wave(0).halt
    assert halt
    assert [halt.met(failures, 100) for failures in (0, 6, 7, 8)] == [False, False, True, True]
    assert not halt.met(0, 0)


def test_what_no_wave_matches_is_restored_last_or_left_out_as_the_plan_says() -> None:
    for unmatched, why in (("last", None), ("leaveOut", "in no wave of the plan")):
        plan = with_waves({"name": "a"}, unmatched=unmatched)
        assert plan.excluded("EBS", "arn:aws:ec2:ap-northeast-1:111122223333:volume/vol-1") == why
        assert plan.excluded("S3", "arn:aws:s3:::b") is None


def test_the_implied_wave_and_objectives_by_wave() -> None:
    plan = Plan.from_document(PLAN)
    assert [plan.wave(i).name for i in range(3)] == ["tables", "buckets", UNMATCHED]
    assert (plan.wave(2).halt, plan.wave(2).pause_before) == (None, False)
    assert (plan.objectives_of(0).rto_minutes, plan.objectives_of(0).rpo_minutes) == (60, 1440)
    assert (plan.objectives_of(1).rto_minutes, plan.objectives_of(1).rpo_minutes) == (10, 1440)
    assert plan.objectives_of(2) == plan.objectives


def test_exclusions_give_their_reason() -> None:
    plan = Plan.from_document(PLAN)
    assert plan.excluded("S3", "arn:aws:s3:::x-logs", "x-logs") == "rebuilt"
    assert plan.excluded("DynamoDB", TABLE.replace("orders", "tmp-1")) == "excluded by the plan"
    assert plan.excluded("DynamoDB", TABLE, "x-logs") is None


def test_target_merges_defaults_types_and_resources() -> None:
    plan = changed(
        targets={
            "defaults": {"subnetIds": ["subnet-1"], "kmsKeyId": "alias/a", "metadata": {"Encrypted": False}},
            "types": {
                "EFS": {"kmsKeyId": None, "metadata": {"encrypted": True, "ItemsToRestore": ["/ä", "/b"]}},
                "S3": {"kmsKeyId": "alias/other"},
            },
            "resources": [
                {"arn": "arn:aws:elasticfilesystem:*", "metadata": {"itemstorestore": None}, "subnetIds": []},
                {"arn": "*:file-system/fs-1", "metadata": {"PerformanceMode": "maxIO", "n": 3}},
            ],
        }
    )
    arn = "arn:aws:elasticfilesystem:ap-northeast-1:111122223333:file-system/"
    one = plan.target("EFS", arn + "fs-1", attempt=2, **WHO)
    assert one.metadata == {"encrypted": "true", "PerformanceMode": "maxIO", "n": "3"}
    assert one.options == {"subnetIds": []}
    assert (one.recovery_id, one.account, one.region, one.attempt) == (*WHO.values(), 2)
    assert plan.target("EFS", arn + "fs-2", attempt=1, **WHO).metadata == {"encrypted": "true"}
    other = plan.target("EFS", "arn:other", attempt=1, **WHO)
    assert other.metadata == {"encrypted": "true", "ItemsToRestore": '["/ä","/b"]'}


def test_every_problem_is_told_at_once() -> None:
    broken = copy.deepcopy(PLAN)
    broken["version"] = 2
    broken["wavs"] = []
    broken["accounts"][0]["id"] = 111122223333
    broken["accounts"][0]["vaults"][0] = {"arn": "arn:aws:s3:::x", "approvalTeamARN": "x"}
    broken["points"] = {"marginMinutes": -1, "candidates": "3", "malware": "none"}
    broken["waves"][0]["match"] = [{}]
    broken["triggers"]["guardDuty"]["allow"] = "yes"
    with pytest.raises(PlanInvalid) as raised:
        Plan.from_document(broken)
    text = str(raised.value)
    for told in (
        "The recovery plan has 10 problems: (1)",
        'wavs: This field is unknown. Did you mean "waves"?',
        "version: Only 1 may stand here.",
        "accounts[0].id: Text is expected here. Put the value in quotes.",
        "accounts[0].vaults[0].arn: 'arn:aws:s3:::x' is not the ARN of a backup vault.",
        'accounts[0].vaults[0].approvalTeamARN: This field is unknown. Did you mean "approvalTeamArn"?',
        "points.marginMinutes: This must be 0 or more.",
        "points.candidates: A whole number is expected here. Write it without quotes.",
        "points.malware: Only 'ignore', 'prefer' or 'require' may stand here.",
        "waves[0].match[0]: This matches nothing. Give types, arns or names.",
        "triggers.guardDuty.allow: Only 'notify', 'check' or 'request' may stand here.",
        "Next step: correct the plan, check it with `airlift plan check`",
    ):
        assert told in text
    assert "accounts: At least" not in text


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}", '{"version": 1, "accounts": []}', b"\xff"])
def test_what_is_no_plan_is_refused_by_name(text: str | bytes) -> None:
    with pytest.raises(PlanInvalid):
        Plan.from_json(text)


@pytest.mark.parametrize("field", ["accounts", "triggers", "points", "targets", "waves"])
def test_snake_case_is_not_another_spelling(field: str) -> None:
    with pytest.raises(PlanInvalid, match="unknown"):
        changed(**{field + "_x": []})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*PLAN, "approval", "retries", "points", "targets", "notifications", "new"]), json_values)
def test_any_value_gives_a_plan_or_a_named_error(field: str, value: Any) -> None:
    with contextlib.suppress(PlanInvalid):
        changed(**{field: value})


names = st.sampled_from(["a", "A", "b", "B", "c"])
values = st.none() | st.sampled_from(["1", "2", "3"])
layers = st.dictionaries(names, values, max_size=4)


@given(layers, layers, st.lists(layers, max_size=3))
def test_the_last_layer_that_sets_a_key_wins(
    defaults: dict[str, Any], of_type: dict[str, Any], of_resource: list[dict[str, Any]]
) -> None:
    def settings(layer: dict[str, Any]) -> dict[str, Any]:
        return {**layer, "metadata": layer}

    plan = changed(
        targets={
            "defaults": settings(defaults),
            "types": {"EFS": settings(of_type)},
            "resources": [{"arn": "*", **settings(layer)} for layer in of_resource],
        }
    )
    target = plan.target("EFS", "arn", attempt=1, **WHO)
    exact: dict[str, Any] = {}
    folded: dict[str, Any] = {}
    for layer in (defaults, of_type, *of_resource):
        for key, value in layer.items():
            exact[key] = value
            folded[key.lower()] = value
    assert target.options == {key: value for key, value in exact.items() if value is not None}
    assert {k.lower(): v for k, v in target.metadata.items()} == {k: v for k, v in folded.items() if v is not None}
    assert len({key.lower() for key in target.metadata}) == len(target.metadata)


kinds = st.sampled_from(["DynamoDB", "S3", "EBS"])


@given(st.lists(st.lists(kinds, min_size=1, max_size=2), max_size=5), kinds)
def test_a_resource_goes_to_the_first_wave_that_matches(waves: list[list[str]], kind: str) -> None:
    plan = changed(waves=[{"name": f"w{i}", "match": [{"types": types}]} for i, types in enumerate(waves)])
    index, priority = plan.wave_of(kind, "arn")
    assert priority == 0
    assert all(kind not in types for types in waves[:index])
    assert index == len(waves) or kind in waves[index]
    assert plan.wave(index).name == (UNMATCHED if index == len(waves) else f"w{index}")
