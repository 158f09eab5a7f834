"""Who is told of what, how often, and what comes of a trigger that may do more when it comes again."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from airlift import cases, forwarding
from airlift.announcements import ResourceRestored
from airlift.announcing import announce, deliver_events
from airlift.errors import AccountNotInPlan, InvalidInput, NotBelieved, TriggerNotAllowed
from airlift.ledger import recovery_key
from airlift.plan import Plan
from airlift.triggers import read_event
from botocore.exceptions import ClientError

from tests.unit.domain import ACCOUNT, NOW, RECOVERY_ID, VAULT, plan_document, refused

if TYPE_CHECKING:
    from airlift.ledger import Ledger

    from tests.unit.domain import Services

EVENTS = Path(__file__).parents[2] / "events"
ROLE = "arn:aws:iam::777788889999:role/airlift-case-reader"


def sample(name: str) -> dict[str, Any]:
    document = json.loads((EVENTS / f"{name}.json").read_text())
    assert isinstance(document, dict)
    return document


def plan(**changes: Any) -> Plan:
    return Plan.from_document(plan_document(**changes))


CASES = plan(triggers={"cases": {"allow": "request", "readerRoleArn": ROLE}})


class Reader:
    """Stands for the client that has assumed the role."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *given: str) -> Reader:
        self.asked.append(given)
        return self

    def get_case(self, **given: str) -> dict[str, Any]:
        self.asked.append(tuple(given.values()))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def read(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | Exception, the_plan: Plan = CASES) -> Any:
    reader = Reader(answer)
    monkeypatch.setattr(cases, "client_as", reader)
    incident, why = cases.with_account(read_event(sample("security-ir-case")), the_plan)
    return incident, why, reader.asked


def test_a_case_is_read_with_the_plans_role_in_its_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"impactedAccounts": ["123456789012", ACCOUNT], "reportedIncidentStartDate": NOW}
    incident, why, asked = read(monkeypatch, answer)
    assert (incident.account, incident.first_sign, why) == (ACCOUNT, NOW, "")
    assert asked == [(ROLE, "security-ir", "ap-northeast-1"), ("0123456789",)]


def test_a_case_whose_accounts_are_not_known_is_for_people() -> None:
    incident = read_event(sample("security-ir-case"))
    assert cases.with_account(incident, plan(triggers={"cases": {"allow": "request"}}))[1].endswith("the case with")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"impactedAccounts": []}, "no account yet"),
        (refused("AccessDeniedException"), "can't be read (AccessDeniedException)"),
    ],
)
def test_a_case_that_says_nothing_is_for_people(monkeypatch: pytest.MonkeyPatch, answer: Any, why: str) -> None:
    incident, told, _ = read(monkeypatch, answer)
    assert incident.account is None
    assert why in told


def test_a_case_of_others_or_closed_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AccountNotInPlan):
        read(monkeypatch, {"impactedAccounts": ["123456789012"]})
    with pytest.raises(TriggerNotAllowed):
        read(monkeypatch, {"caseStatus": "Closed", "impactedAccounts": [ACCOUNT]})
    with pytest.raises(ClientError):  # comes again, and is tried again
        read(monkeypatch, refused("ThrottlingException"))


def test_checks_are_missed_by_detector_and_region(ledger: Ledger) -> None:
    detector = plan_document()["detectors"][0]
    check = sample("forwarding-check") | {"account": detector}
    assert [one.seen_at for one in forwarding.missing(ledger, plan())] == [None]
    forwarding.record_check(ledger, check, plan())
    assert forwarding.missing(ledger, plan()) == []
    regions = plan(detectorRegions=["ap-northeast-1", "us-east-1"])
    assert [one[:2] for one in forwarding.missing(ledger, regions)] == [(detector, "us-east-1")]
    with time_machine.travel(NOW + timedelta(hours=27), tick=False):
        (gone,) = forwarding.missing(ledger, plan())
        assert (gone.account, gone.region, gone.seen_at) == (detector, "ap-northeast-1", NOW)


@pytest.mark.parametrize(("change", "error"), [({"account": ACCOUNT}, NotBelieved), ({"region": ""}, InvalidInput)])
def test_a_check_from_elsewhere_proves_nothing(ledger: Ledger, change: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        forwarding.record_check(ledger, sample("forwarding-check") | change, plan())
    assert list(ledger.query("FORWARDING")) == []


def restored(number: int) -> dict[str, Any]:
    return {
        "source_backup_vault_arn": VAULT,
        "resource_arn": f"arn:aws:dynamodb:ap-northeast-1:{ACCOUNT}:table/t{number}",
        "resource_type": "DynamoDB",
        "created_resource_arn": "arn:aws:x",
        "recovery_point_arn": "arn:aws:y",
        "restore_job_id": str(number),
        "validated": True,
    }


def test_events_go_out_ten_at_a_time_and_repeats_are_alike(ledger: Ledger, services: Services) -> None:
    pk, _ = recovery_key(RECOVERY_ID)
    ledger.write(announce(RECOVERY_ID, NOW, "batch", ResourceRestored, [restored(n) for n in range(25)]))
    bus = services.play("events", put_events={"FailedEntryCount": 1})
    assert not deliver_events(ledger, pk)
    first = bus.requests("put_events")[0]["Entries"]
    bus = services.play("events", put_events={"FailedEntryCount": 0})
    assert deliver_events(ledger, pk)
    calls = [call["Entries"] for call in bus.requests("put_events")]
    assert [len(entries) for entries in calls] == [10, 10, 5]
    assert calls[0] == first
    ids = [json.loads(entry["Detail"])["id"] for entries in calls for entry in entries]
    assert len(set(ids)) == 25
    assert deliver_events(ledger, pk)
    assert len(bus.requests("put_events")) == 3
    (record,) = ledger.query(pk, "EVENT#")
    assert not {"open", "details"} & record.keys()
