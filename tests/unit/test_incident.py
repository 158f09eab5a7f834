"""Reading events and deciding on them; whatever comes, the answer is an Incident or a named error."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airlift.deciding import Decision, decide
from airlift.errors import AccountNotInPlan, AirliftError, InvalidInput, NotBelieved, TriggerNotAllowed
from airlift.plan import Plan
from airlift.triggers import read_event
from airlift.values import parse_time, safe_text
from hypothesis import given, settings
from hypothesis import strategies as st

EVENTS = Path(__file__).resolve().parents[2] / "events"
VAULTS = tuple(f"arn:aws:backup:ap-northeast-1:111122223333:backup-vault:{name}" for name in ("first-choice", "second"))
ALARM_ARN = "arn:aws:cloudwatch:ap-northeast-1:777788889999:alarm:production-mass-deletion"

REPEATABLE = settings(deadline=None, derandomize=True, max_examples=400)


def sample(name: str) -> dict[str, Any]:
    document = json.loads((EVENTS / f"{name}.json").read_text())
    assert isinstance(document, dict)
    return document


FINDING, SEQUENCE, STEALTH, ALARM = (
    sample(name) for name in ("guardduty-finding", "guardduty-attack-sequence", "guardduty-stealth", "cloudwatch-alarm")
)
OCSF = sample("securityhub-v2")


def with_(event: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of the event with one value replaced."""
    copy = deepcopy(event)
    *steps, last = path.split("/")
    place: Any = copy
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return copy


def without(event: dict[str, Any], path: str) -> dict[str, Any]:
    copy = with_(event, path, None)
    *steps, last = path.split("/")
    place = copy
    for step in steps:
        place = place[step]
    del place[last]
    return copy


def plan(**triggers: Any) -> Plan:
    return Plan.from_document(
        {
            "version": 1,
            "accounts": [{"id": "111122223333", "vaults": [{"arn": arn} for arn in VAULTS]}],
            "detectors": ["777788889999"],
            "triggers": triggers,
        }
    )


GUARD_DUTY = {"allow": "request", "minimumSeverity": 7, "types": ["Stealth:IAMUser/*"]}
ALARM_ENTRY = {"arn": ALARM_ARN, "account": "111122223333", "lookBackMinutes": 90, "allow": "check"}


def test_finding() -> None:
    read = read_event(FINDING)
    assert (read.kind, read.account, read.sender) == ("guardDuty", "111122223333", "777788889999")
    assert read.trigger_id == FINDING["detail"]["id"]
    assert read.first_sign == datetime(2026, 10, 1, 1, 58, 12, tzinfo=UTC)
    assert read.first_sign_from == "eventFirstSeen of the finding"
    assert read.severity == 8


def test_update_of_a_finding_is_the_same_trigger() -> None:
    update = with_(with_(FINDING, "id", "another-event"), "detail/updatedAt", "2026-10-01T08:00:00.000Z")
    assert read_event(update).trigger_id == read_event(FINDING).trigger_id


def test_attack_sequence_begins_with_its_earliest_signal() -> None:
    read = read_event(with_(SEQUENCE, "detail/service/eventFirstSeen", "2026-10-01T02:00:00Z"))
    assert read.first_sign == datetime(2026, 10, 1, 0, 41, 7, tzinfo=UTC)
    assert read.first_sign_from == "firstSeenAt of a signal of the attack sequence"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "missing or unreadable"),
        ("2026-10-01T01:58:12", "missing or unreadable"),
        ("last night", "missing or unreadable"),
        ("2027-01-01T00:00:00Z", "later than the event"),
    ],
)
def test_unusable_first_sign_keeps_the_incident_and_says_why(value: object, why: str) -> None:
    read = read_event(with_(FINDING, "detail/service/eventFirstSeen", value))
    assert read.first_sign is None
    assert read.first_sign_from == f"eventFirstSeen of the finding is {why}"
    decision = decide(read, plan(guardDuty=GUARD_DUTY))
    assert (decision.allow, decision.first_sign) == ("request", None)


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (FINDING, "account"),
        (FINDING, "region"),
        (FINDING, "detail/accountId"),
        (FINDING, "detail/id"),
        (FINDING, "detail/type"),
        (ALARM, "account"),
        (ALARM, "resources"),
    ],
)
@pytest.mark.parametrize("value", [None, "", 7, "x\n", ["111122223333"]])
def test_missing_or_malformed_field_is_named(event: dict[str, Any], path: str, value: object) -> None:
    for broken in (with_(event, path, value), without(event, path)):
        with pytest.raises(InvalidInput, match=path.replace("/", ".")) as error:
            read_event(broken)
        assert error.value.remedy


@pytest.mark.parametrize("severity", ["8", True, -1, 11, float("nan"), float("inf"), 10**400, []])
def test_malformed_severity(severity: object) -> None:
    with pytest.raises(InvalidInput, match=r"detail\.severity"):
        read_event(with_(FINDING, "detail/severity", severity))


@pytest.mark.parametrize(
    ("event", "path", "value", "words"),
    [
        (FINDING, "detail/service/archived", True, "archived"),
        (FINDING, "detail/service/additionalInfo", {"sample": True}, "sample"),
        (FINDING, "detail/service/additionalInfo", {"value": '{"sample":true}', "type": "default"}, "sample"),
        (FINDING, "detail/title", "[SAMPLE] An anomalous API was invoked.", "sample"),
        (OCSF, "detail/findings/0/finding_info/title", "[SAMPLE] An anomalous API was invoked.", "sample"),
        (ALARM, "detail/state/value", "OK", "state OK"),
        (ALARM, "detail/state/value", "INSUFFICIENT_DATA", "INSUFFICIENT_DATA"),
        (ALARM, "detail/state/actionsSuppressedBy", "Alarm", "suppressed"),
    ],
)
def test_what_aws_marks_as_no_alarm(event: dict[str, Any], path: str, value: object, words: str) -> None:
    with pytest.raises(TriggerNotAllowed, match=words):
        read_event(with_(event, path, value))


@pytest.mark.parametrize(("path", "value"), [("source", "aws.ec2"), ("detail-type", "Other"), ("source", 1)])
def test_unknown_event_says_what_is_known(path: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=r"aws\.guardduty, GuardDuty Finding"):
        read_event(with_(FINDING, path, value))


def test_alarm_without_a_readable_time_is_told_apart_by_the_event() -> None:
    read = read_event(with_(ALARM, "detail/state/timestamp", "just now"))
    assert read.first_sign is None
    assert read.trigger_id == f"{ALARM_ARN} {ALARM['id']}"


def test_alarm_is_decided_by_the_plan() -> None:
    read = read_event(ALARM)
    assert (read.account, read.source_arn) == (None, ALARM_ARN)
    assert read.trigger_id == f"{ALARM_ARN} 2026-10-01T02:06:40.985000+00:00"
    decision = decide(read, plan(alarms=[ALARM_ENTRY]))
    assert (decision.allow, decision.account, decision.vaults) == ("check", "111122223333", VAULTS)
    assert decision.first_sign == datetime(2026, 10, 1, 0, 36, 40, 985000, tzinfo=UTC)
    assert decision.first_sign_from.endswith("minus lookBackMinutes 90 of the plan")


def test_alarm_that_the_plan_does_not_list() -> None:
    with pytest.raises(TriggerNotAllowed, match="production-mass-deletion is not in the recovery plan"):
        decide(read_event(ALARM), plan())


def test_alarm_of_an_account_that_is_not_protected() -> None:
    with pytest.raises(AccountNotInPlan, match="999900001111"):
        decide(read_event(ALARM), plan(alarms=[ALARM_ENTRY | {"account": "999900001111"}]))


@pytest.mark.parametrize("event", [FINDING, SEQUENCE, STEALTH])
def test_finding_is_taken_by_severity_or_by_type(event: dict[str, Any]) -> None:
    decision = decide(read_event(event), plan(guardDuty=GUARD_DUTY))
    assert (decision.allow, decision.account, decision.vaults) == ("request", "111122223333", VAULTS)
    assert decision.first_sign == read_event(event).first_sign


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        ("ProductArn", "arn:aws:securityhub:ap-northeast-1:111122223333:product/111122223333/default", NotBelieved),
        ("ProductArn", "arn:aws:securityhub:ap-northeast-1:111122223333:product/aws/guardduty", InvalidInput),
        ("ProductArn", "arn:aws:securityhub:ap-northeast-1:111122223333:productv2/aws/guardduty", InvalidInput),
        ("Id", f"arn:aws:guardduty:ap-northeast-1:123456789012:detector/d4/finding/{'b' * 32}", InvalidInput),
        ("Id", "b7c1d3e5f7a9b1c3d5e7f9a1b3c5d7e9", InvalidInput),
        ("AwsAccountId", "123456789012", InvalidInput),
        ("Severity", {"Label": "MEDIUM"}, TriggerNotAllowed),
        ("Sample", True, TriggerNotAllowed),
        ("Title", "[SAMPLE] An anomalous API was invoked.", TriggerNotAllowed),
    ],
)
def test_security_hub_finding_that_starts_nothing(path: str, value: object, error: type[AirliftError]) -> None:
    event = with_(OTHERS[0], f"detail/findings/0/{path}", value)
    with pytest.raises(error):
        decide(read_event(event), PLAN)


@pytest.mark.parametrize("product", ["product", "productv2"])
def test_a_product_is_the_same_however_security_hub_calls_it(product: str) -> None:
    uid = f"arn:aws:securityhub:ap-northeast-1::{product}/aws/guardduty"
    read = read_event(with_(OCSF, "detail/findings/0/metadata/product/uid", uid))
    assert read == read_event(OCSF)
    assert read.trigger_id == FINDING["detail"]["id"]
    assert decide(read, PLAN).allow == "request"


def test_a_finding_that_its_administrator_gathered_keeps_guarddutys_id() -> None:
    uid = OCSF["detail"]["findings"][0]["finding_info"]["uid"].replace("111122223333", OCSF["account"])
    read = read_event(with_(OCSF, "detail/findings/0/finding_info/uid", uid))
    assert (read.account, read.trigger_id) == ("111122223333", FINDING["detail"]["id"])


def test_custom_action_sends_findings_of_one_account() -> None:
    one = OTHERS[2]["detail"]["findings"][0]
    earlier = one | {"FirstObservedAt": "2026-10-01T00:30:00Z"}
    event = with_(OTHERS[2], "detail/findings", [one, earlier, one | {"AwsAccountId": "123456789012"}])
    read = read_event(event)
    assert (read.account, read.first_sign) == ("111122223333", datetime(2026, 10, 1, 0, 30, tzinfo=UTC))
    assert read.title.endswith("(and 1 of other accounts, which were left out)")
    assert decide(read, PLAN).allow == "request"
    for further in (
        earlier | {"Workflow": {"Status": "RESOLVED"}},
        earlier | {"RecordState": "ARCHIVED"},
        earlier | {"ProductArn": "malformed"},
        earlier | {"ProductArn": "arn:aws:securityhub:ap-northeast-1:111122223333:product/111122223333/default"},
    ):
        told = read_event(with_(OTHERS[2], "detail/findings", [one, further]))
        assert told == read_event(OTHERS[2])
    other = with_(event, "resources/0", "arn:aws:securityhub:ap-northeast-1:777788889999:action/custom/Other")
    with pytest.raises(TriggerNotAllowed, match="custom action Other"):
        decide(read_event(other), PLAN)


def test_finding_that_the_plan_does_not_take() -> None:
    with pytest.raises(TriggerNotAllowed, match="start nothing"):
        decide(read_event(FINDING), plan())
    slight = with_(FINDING, "detail/severity", 6.9)
    with pytest.raises(TriggerNotAllowed, match="below 7"):
        decide(read_event(slight), plan(guardDuty=GUARD_DUTY))
    with pytest.raises(TriggerNotAllowed, match="below 7"):
        decide(read_event(without(slight, "detail/severity")), plan(guardDuty=GUARD_DUTY))


def test_finding_about_an_account_that_is_not_protected() -> None:
    with pytest.raises(AccountNotInPlan, match="123456789012"):
        decide(read_event(with_(FINDING, "detail/accountId", "123456789012")), plan(guardDuty=GUARD_DUTY))


@pytest.mark.parametrize("sender", ["111122223333", "123456789012"])
@pytest.mark.parametrize("event", [FINDING, ALARM])
def test_only_detectors_are_believed(event: dict[str, Any], sender: str) -> None:
    with pytest.raises(NotBelieved, match=sender) as error:
        decide(read_event(with_(event, "account", sender)), plan(guardDuty=GUARD_DUTY, alarms=[ALARM_ENTRY]))
    assert "detectors" in error.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01T02:14:07Z",
        "2026-10-01T02:14:07.000Z",
        "2026-10-01T02:14:07.000000000Z",
        "2026-10-01T02:14:07.000+0000",
        "2026-10-01T11:14:07+09:00",
        "Thu, 1 Oct 2026 02:14:07 GMT",
        "Thu, 01 Oct 2026 11:14:07 +0900",
        "Thu, 01 Oct 2026 02:14:07 -0000",
        1790820847,
        1790820847.0,
    ],
)
def test_times_as_aws_sends_them(text: object) -> None:
    assert parse_time(text) == datetime(2026, 10, 1, 2, 14, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-10-01",
        "2026-10-01T02:14:07",
        "2026-13-01T02:14:07Z",
        "2026-W40-4T02:14:07Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "Thu, 99 Foo 2026 02:14:07 GMT",
        "",
        True,
        None,
        float("nan"),
        float("inf"),
        10**30,
        -1,
        [],
    ],
)
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(ValueError, match="Not a time with a zone"):
        parse_time(value)


def test_title_is_cut_and_cleaned() -> None:
    hostile = "<b>$(rm -rf /)\x1b[31m\u202egpj.exe\n{{evil}} `id` 本番の削除アラーム " + "x" * 500
    title = read_event(with_(FINDING, "detail/title", hostile)).title
    assert title.startswith("b(rm -rf /)31mgpj.exe evil id 本番の削除アラーム xxx")
    assert len(title) == 100


@REPEATABLE
@given(st.text(), st.integers(1, 50))
def test_safe_text_holds_letters_digits_and_harmless_punctuation(text: str, longest: int) -> None:
    safe = safe_text(text, longest)
    assert len(safe) <= longest
    assert all(c.isalnum() or c in " .,:;_/@+=()'-" for c in safe)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(10**400), st.datetimes().map(str)
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
HUB = {"allow": "request", "customActions": [{"id": "AirliftRecover", "allow": "request"}]}
PLAN = plan(
    guardDuty=GUARD_DUTY,
    alarms=[ALARM_ENTRY],
    securityHub=HUB,
    health={"allow": "check"},
    cases={"allow": "check"},
    custom={"allow": "notify"},
)
OTHERS = [
    sample(name)
    for name in (
        "securityhub-imported",
        "securityhub-v2",
        "securityhub-custom-action",
        "health-risk",
        "security-ir-case",
        "custom-recovery-requested",
    )
]


def paths(value: object, prefix: str = "") -> list[str]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [
        p for key, inner in members if "/" not in str(key) for p in (f"{prefix}{key}", *paths(inner, f"{prefix}{key}/"))
    ]


MUTATED = st.sampled_from([FINDING, SEQUENCE, STEALTH, ALARM, *OTHERS]).flatmap(
    lambda event: st.builds(with_, st.just(event), st.sampled_from(paths(event)), JSON)
)


def outcome_of(event: dict[str, Any]) -> Decision | AirliftError:
    try:
        return decide(read_event(event), PLAN)
    except AirliftError as error:
        return error


@REPEATABLE
@given(st.one_of(MUTATED, st.dictionaries(st.text(), JSON)))
def test_any_event_gives_a_decision_or_a_named_error(event: dict[str, Any]) -> None:
    outcome = outcome_of(event)
    if isinstance(outcome, AirliftError):
        assert outcome.what
        assert outcome.remedy
    else:
        assert outcome.account == "111122223333"


@REPEATABLE
@given(st.sampled_from([FINDING, ALARM]), st.text(max_size=30) | st.floats() | st.integers())
def test_any_time_gives_a_decision(event: dict[str, Any], time: object) -> None:
    broken = with_(with_(event, "time", time), "detail/service", {"eventFirstSeen": time})
    broken = with_(broken, "detail/state", {"value": "ALARM", "timestamp": time})
    assert decide(read_event(broken), PLAN).account == "111122223333"
