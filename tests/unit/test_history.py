"""The history: its numbers against sums done by hand, what changed, what is to come, and the page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airlift import aws
from airlift.checking import Scene
from airlift.history import NEVER_DRILLED_DAYS, changed, comparable, days_since_drill, estimate, facts
from airlift.history_page import Trend, page, trends
from airlift.readiness_account import last_drill
from airlift.remembering import PAGE, records, remembered, tell_drills, write_history
from airlift.values import stamp

from tests.unit.domain import ACCOUNT, BUCKET, NOW, REGION, SECOND_VAULT, VAULT, WORKING_BUCKET, a_plan, table_arn

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.ledger import Ledger, Record

BEGAN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def at(minutes: float) -> str:
    return stamp(BEGAN + timedelta(minutes=minutes))


def resource(name: str, ended: float | None, *, hours_old: float = 1, state: str = "validated") -> dict[str, Any]:
    """A table whose restore began twelve minutes after the trigger, with an RPO of six hours."""
    times = {"startedAt": at(12), "endedAt": at(ended)} if ended else {}
    point = {"arn": "p", "createdAt": at(-60 * hours_old), "sizeBytes": 1000} if hours_old else None
    one = {"resourceArn": table_arn(name), "resourceType": "DynamoDB", "state": state, "wanted": True, **times}
    return one | ({"recoveryPoint": point} if point else {}) | {"objectives": {"rpoMinutes": 360}}


def a_report(*resources: dict[str, Any], vault: Any = (), **fields: Any) -> dict[str, Any]:
    """Asked after a minute, granted after ten."""
    one = {"sourceBackupVaultArn": VAULT, "requestedAt": at(1), "grantedAt": at(10), "selectedAt": at(11)}
    met = {"met": 1, "missed": 1, "none": 0}
    values = {
        "recoveryId": f"drill-20261124-{ACCOUNT}-ab12",
        "account": ACCOUNT,
        "mode": "drill",
        "outcome": "Recovered",
        "createdAt": at(0),
        "endedAt": at(45),
        "writtenAt": at(45),
        "firstSign": "latest",
        "objectivesMet": {"rto": met, "rpo": met},
        "vaults": [one | dict(vault) | {"resources": list(resources)}],
    }
    return values | fields


def test_times_are_what_one_counts_by_hand() -> None:
    kept = facts(
        a_report(
            resource("a", 14),
            resource("b", 30, state="restored"),
            resource("c", 40, state="failed"),
            resource("d", 20),
            resource("e", None, state="skipped", hours_old=0),
        ),
        "the/report.json",
    )
    assert (kept["approvalSeconds"], kept["firstRestoreSeconds"], kept["lastRestoreSeconds"]) == (540, 840, 1800)
    assert kept["restoringSeconds"] == (30 - 10) * 60
    assert (kept["wanted"], kept["validated"], kept["restored"]) == (5, 2, 3)
    assert kept["types"] == {"DynamoDB": {"restored": 3, "medianSeconds": 8 * 60, "bytes": 3000}}
    assert kept["objectives"]["rto"] == {"met": 1, "missed": 1, "none": 0}
    assert (kept["reportKey"], kept["vaults"], kept["selectedAll"]) == ("the/report.json", [VAULT], True)


def test_what_has_not_come_about_has_no_time() -> None:
    report = a_report(resource("a", None, state="skipped"))
    del report["vaults"][0]["grantedAt"], report["vaults"][0]["selectedAt"]
    kept = facts(report, "k")
    assert not kept.keys() & {"approvalSeconds", "firstRestoreSeconds", "lastRestoreSeconds", "restoringSeconds"}
    assert (kept["selectedAll"], kept["types"], kept["restored"]) == (False, {}, 0)


def test_what_vanished_what_is_new_and_what_has_no_fresh_point() -> None:
    before = a_report(resource("a", 14), resource("b", 14), recoveryId="the-first")
    after = a_report(
        resource("b", 14, hours_old=7),
        resource("c", 14, hours_old=5.9),
        resource("d", None, state="skipped", hours_old=0),
        resource("left-out", None) | {"wanted": False},
    )
    assert changed(before, after) == {
        "since": "the-first",
        "vanished": {"count": 1, "examples": [table_arn("a")]},
        "new": {"count": 2, "examples": [table_arn("c"), table_arn("d")]},
        "withoutFreshPoint": {"count": 2, "examples": [table_arn("b"), table_arn("d")]},
    }
    # Points are held against the first sign, if there is one: a fresh one then was from within six hours before it.
    signed = changed(before, after | {"firstSign": at(-120)})
    assert signed["withoutFreshPoint"]["examples"] == [table_arn("d")]
    many = changed(before, a_report(*(resource(f"n{n:03}", 14) for n in range(50))))
    assert (many["new"]["count"], len(many["new"]["examples"])) == (50, 20)


def test_only_runs_that_looked_into_the_same_vaults_are_compared() -> None:
    def run(began: int, **fields: Any) -> Record:
        return {"createdAt": at(began), "vaults": [VAULT], "selectedAll": True, "id": began, **fields}

    runs = [run(1), run(2), run(3, vaults=[SECOND_VAULT]), run(4, selectedAll=False), run(9)]
    assert (comparable(runs, [VAULT], at(5)) or {})["id"] == 2
    assert comparable(runs, [SECOND_VAULT, VAULT], at(5)) is None


def past(number: int, approval: int, restoring: int, **fields: Any) -> Record:
    """A drill `number` days before, with these minutes."""
    began = BEGAN - timedelta(days=number)
    values: dict[str, Any] = {
        "recoveryId": f"drill-{number}",
        "account": ACCOUNT,
        "mode": "drill",
        "outcome": "Recovered",
        "createdAt": stamp(began),
        "endedAt": stamp(began + timedelta(minutes=approval + restoring)),
        "approvalSeconds": approval * 60,
        "restoringSeconds": restoring * 60,
        "firstRestoreSeconds": approval * 60 + 60,
        "lastRestoreSeconds": (approval + restoring) * 60,
        "objectives": {kind: {"met": 3, "missed": number % 2, "none": 0} for kind in ("rto", "rpo")},
        "wanted": 4,
        "validated": 4 - number % 2,
    }
    return values | fields


GOING: dict[str, Any] = {"recoveryId": "r-now", "account": ACCOUNT}
ASKED: dict[str, Any] = {"requestedAt": at(1), "state": "REQUESTED"}


def test_the_end_is_estimated_like_the_last_ones_went() -> None:
    runs = [past(1, 10, 30), past(2, 20, 50), past(3, 12, 40), past(4, 99, 99, account="999900001111")]
    before = estimate(runs, GOING, [ASKED])
    assert before is not None
    assert (stamp(before.at), before.runs) == (at(1 + 12 + 40), 3)
    assert before.words(BEGAN) == "like the last 3: about 08:53 UTC, in 53 min"
    granted = estimate(runs, GOING, [ASKED | {"grantedAt": at(5)}, ASKED | {"grantedAt": at(8)}])
    assert granted is not None
    assert stamp(granted.at) == at(8 + 40)
    assert granted.words(BEGAN + timedelta(hours=1)) == "longer than the last 3 took (until about 08:48 UTC)"
    one = estimate(runs[:1], GOING, [ASKED])
    assert one is not None
    assert one.words(BEGAN - timedelta(days=1)) == "like the last one: about 2026-11-24 08:41 UTC, in 25 h"


def test_a_vault_that_ended_without_access_is_not_waited_for() -> None:
    ended = {"requestedAt": at(0), "state": "ENDED"}
    found = estimate([past(1, 10, 30)], GOING, [ended, ASKED | {"grantedAt": at(5)}])
    assert found is not None
    assert stamp(found.at) == at(35)


@pytest.mark.parametrize(
    ("runs", "recovery", "vaults"),
    [
        ([], GOING, [ASKED]),
        ([past(1, 10, 30)], GOING, []),
        ([past(1, 10, 30)], GOING | {"recoveryId": "drill-1"}, [ASKED]),
        ([past(1, 10, 30)], GOING | {"accessOnly": True}, [ASKED]),
        ([{k: v for k, v in past(1, 1, 1).items() if k != "restoringSeconds"}], GOING, [ASKED]),
    ],
)
def test_with_nothing_to_go_by_nothing_is_estimated(
    runs: list[Record], recovery: dict[str, Any], vaults: list[Any]
) -> None:
    assert estimate(runs, recovery, vaults) is None


def test_days_count_from_the_last_drill_that_recovered_everything() -> None:
    runs = [past(9, 1, 1), past(5, 1, 1), past(2, 1, 1, outcome="Failed"), past(1, 1, 1, mode="real")]
    assert days_since_drill(runs, ACCOUNT, BEGAN) == 4
    assert days_since_drill(runs[2:], ACCOUNT, BEGAN) == NEVER_DRILLED_DAYS


def test_a_trend_is_the_newest_beside_the_median_before_it() -> None:
    approval, *_ = trends([past(4, 10, 10), past(3, 30, 10), past(2, 20, 10), past(1, 10, 10)])
    assert approval == Trend("Approval", 600, 1200, 3)
    assert approval.words == "50% less than the median of the 3 before, 20 min"
    assert trends([past(2, 10, 10), past(1, 12, 10)])[0].words == "20% more than the one before, 10 min"
    assert trends([past(2, 10, 10), past(1, 25, 10)])[0].words == "2.5 times the one before, 10 min"
    assert trends([past(2, 100, 10), past(1, 101, 10)])[0].words == "about as the one before, 1 h 40 min"
    assert trends([past(1, 12, 10)])[0].words == "nothing to compare with yet"


def test_each_ending_is_remembered_with_what_changed(ledger: Ledger) -> None:
    first = a_report(resource("a", 14), resource("b", 14), recoveryId="drill-1", createdAt=at(-9000))
    second = a_report(resource("b", 14), resource("c", 14))
    for key, report in (("one.json", first), ("two.json", second)):
        aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(report).encode())
        ledger.write(remembered(ledger, report, key))
    one, two = records(ledger, ACCOUNT)
    assert "changes" not in one
    assert (two["changes"]["since"], two["changes"]["vanished"]["examples"]) == ("drill-1", [table_arn("a")])
    ledger.write(remembered(ledger, second | {"outcome": "Failed"}, "two.json"))  # it was resumed and ended again
    assert [each["outcome"] for each in records(ledger)] == ["Recovered", "Failed"]
    assert records(ledger, ACCOUNT)[1]["changes"] == two["changes"]


def test_an_earlier_report_that_is_gone_is_not_compared_with(ledger: Ledger) -> None:
    ledger.write(remembered(ledger, a_report(recoveryId="drill-1", createdAt=at(-9000)), "gone.json"))
    ledger.write(remembered(ledger, a_report(), "two.json"))
    assert "changes" not in records(ledger)[1]


def test_the_day_counts_and_the_page_shows_every_account(
    ledger: Ledger, given: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, float] = {}
    monkeypatch.setattr("airlift.remembering.count", lambda **numbers: told.update(numbers))
    plan = a_plan()
    scene = Scene(plan, ledger, plan.accounts[0].vaults)
    tell_drills(ledger, plan, REGION)
    assert told == {"DaysSinceSuccessfulDrill": NEVER_DRILLED_DAYS, "DrillsOverdue": 1}
    assert ["there was none" in one.what for one in last_drill(scene)] == [True]
    given(*({"pk": "HISTORY", "sk": f"{ACCOUNT}#{one['createdAt']}"} | one for one in [past(100, 5, 5)]))
    tell_drills(ledger, a_plan(), REGION)
    assert told == {"DaysSinceSuccessfulDrill": 99, "DrillsOverdue": 1}
    assert ["was on 2026-08-16, more than" in one.what for one in last_drill(scene)] == [True]
    given(*({"pk": "HISTORY", "sk": f"{ACCOUNT}#{one['createdAt']}"} | one for one in [past(3, 5, 5)]))
    tell_drills(ledger, a_plan(), REGION)
    assert told == {"DaysSinceSuccessfulDrill": 2, "DrillsOverdue": 0}
    assert list(last_drill(scene)) == []
    write_history(ledger)
    body = aws.client("s3").get_object(Bucket=WORKING_BUCKET, Key=PAGE)["Body"].read().decode()
    assert "drill-100" in body
    assert "2 days ago" in body


def test_a_page_without_any_run_says_so_and_text_is_never_obeyed() -> None:
    assert "never" in page([], [ACCOUNT], NOW)
    changes = changed(a_report(recoveryId="<script>"), a_report(resource("<b>", 14)))
    text = page([past(1, 1, 1, changes=changes)], [], NOW)
    assert "<script>" not in text
    assert "<b>" not in text
    assert "table/&lt;b&gt;" in text
