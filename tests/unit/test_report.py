"""The recovery's summary, as a document and as a message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airlift.endings import Ending
from airlift.ledger import keyed, looked_key, vote_key
from airlift.report import message, report
from airlift.timeline import entry
from airlift.values import stamp

from tests.unit.domain import NOW, RECOVERY_ID, VAULT, a_plan, a_recovery, a_vault, ago, an_item, point_arn, table_arn

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.ledger import Ledger

ENDING = Ending("OperatorNeeded", "1 held. Next step: mend.")


def summed_up(ledger: Ledger) -> dict[str, Any]:
    recovery = a_recovery(joinedFirstSign=stamp(ago(hours=3)), endedAt=stamp(NOW))
    return report(ledger, recovery, [a_vault()], {VAULT: ENDING}, ENDING, a_plan(), NOW)


def test_the_document_holds_votes_timeline_and_every_resource_with_its_fate(
    ledger: Ledger, given: Callable[..., None]
) -> None:
    attempt = {"attempt": 1, "jobId": "job-1", "class": "key", "status": "FAILED"}
    given(
        keyed(vote_key(RECOVERY_ID, f"{VAULT}#1", "a"), vault=VAULT, approver="a", response="APPROVED", at=stamp(NOW)),
        dict(entry(RECOVERY_ID, NOW, "trigger", "keys stolen").record),
        an_item("a", state="validated", validatedHow="12 items", createdResourceArn="arn:new"),
        an_item("b", state="held", reason="no key", nextStep="mend", attempts=[attempt], candidate=1),
        an_item("c", state="settling", jobId="job-2"),
        an_item("d"),
        an_item("e", state="skipped", candidates=[], reason="no usable point"),
    )
    document = summed_up(ledger)
    assert (document["outcome"], document["cause"], document["endedAt"]) == (*vars(ENDING).values(), stamp(NOW))
    assert document["firstSign"] == stamp(ago(hours=3))
    assert document["votes"] == [{"vault": VAULT, "approver": "a", "response": "APPROVED", "at": stamp(NOW)}]
    assert document["timeline"] == [{"at": stamp(NOW), "kind": "trigger", "text": "keys stolen"}]
    [vault] = document["vaults"]
    resources = {resource["resourceArn"].rpartition("/")[2]: resource for resource in vault["resources"]}
    states = {name: resource["state"] for name, resource in resources.items()}
    assert states == {"a": "validated", "b": "held", "c": "left running", "d": "not started", "e": "skipped"}
    assert resources["a"]["recoveryPoint"]["arn"] == point_arn("new")
    assert resources["b"]["recoveryPoint"]["arn"] == point_arn("old")
    assert resources["b"]["attempts"] == [attempt]
    assert resources["b"]["points"] == resources["b"]["passedOver"] == []
    assert resources["c"]["jobId"] == "job-2"
    assert "recoveryPoint" not in resources["e"]
    assert json.loads(json.dumps(document)) == document


def test_the_message_names_outcome_cause_and_what_is_missing(ledger: Ledger, given: Callable[..., None]) -> None:
    given(
        an_item("good", state="validated"),
        *(an_item(f"t{n:02}", state="failed", reason="gone", nextStep="mend it") for n in range(12)),
    )
    text = message(summed_up(ledger), "s3://bucket/key")
    assert "OperatorNeeded" in text
    assert ENDING.cause in text
    assert f"failed: {table_arn('t00')} gone" in text
    assert "12 failed, 1 validated" in text
    assert "and 2 more" in text
    assert table_arn("good") not in text
    assert "\nNext step for 12 failed: mend it\n" in text
    assert text.endswith("Report: s3://bucket/key")


def test_a_vault_that_selected_nothing_says_so(ledger: Ledger) -> None:
    assert "nothing selected" in message(summed_up(ledger), "s3://bucket/key")


def test_each_resource_says_which_points_were_looked_at_and_what_a_fall_back_costs(
    ledger: Ledger, given: Callable[..., None]
) -> None:
    looked = [{"arn": point_arn("late"), "at": stamp(NOW), "why": "passed over: from after the first sign"}]
    failed = {"attempt": 1, "jobId": "job-1", "class": "point gone", "pointTime": stamp(ago(hours=1))}
    later = [{"arn": point_arn("new"), "at": stamp(ago(hours=1)), "why": "with a malware finding"}]
    item = an_item(
        "a",
        state="validated",
        candidate=1,
        newestUsable=stamp(ago(hours=1)),
        attempts=[failed],
        passedOver=later,
        pointScan="scanned without a finding",
    )
    key = looked_key(RECOVERY_ID, VAULT, table_arn("a"))
    given(item, keyed(key, resourceArn=table_arn("a"), looked=looked, rest={"in status EXPIRED": 3}))
    document = summed_up(ledger)
    [told] = document["vaults"][0]["resources"]
    assert (told["points"], told["olderPoints"], told["passedOver"]) == (looked, {"in status EXPIRED": 3}, later)
    assert told["pointScan"] == "scanned without a finding"
    assert told["olderThanNewestUsableSeconds"] == 47 * 3600
    assert told["attempts"] == [failed | {"olderThanNewestUsableSeconds": 0}]
    assert "1 not from the newest usable point; at most 47.0 h older" in message(document, "s3://bucket/key")
