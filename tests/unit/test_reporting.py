"""The report's measures, page, chart, map and cost; and what is written on demand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airlift import aws, costing, rotating
from airlift.endings import Ending
from airlift.errors import UnknownRecovery
from airlift.ledger import Put, recovery_key
from airlift.mapping import map_of, parameters, tfvars
from airlift.measuring import Measure
from airlift.plan import Plan
from airlift.report import report
from airlift.report_chart import WIDTH, chart
from airlift.report_page import coded, page, span
from airlift.reporting import write_on_demand
from airlift.restore import FAMILIES
from airlift.values import stamp

from bench.report import sample
from tests.unit.domain import (
    BUCKET,
    NOW,
    RECOVERY_ID,
    VAULT,
    a_plan,
    a_recovery,
    a_vault,
    ago,
    an_item,
    kept_plan,
    table_arn,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.ledger import Ledger

    from tests.unit.domain import Services

ROOT = Path(__file__).parents[2]
ENDING = Ending("Recovered", "all")
GOALS = {
    "objectives": {"rtoMinutes": 60, "rpoMinutes": 20},
    "waves": [{"name": "first", "match": [{"types": ["*"]}], "objectives": {"rtoMinutes": 120}}],
}


def made(name: str = "a", **attributes: Any) -> dict[str, Any]:
    """An item that was validated 90 minutes after the trigger, from a point 30 minutes before the first sign."""
    values = {"state": "validated", "startedAt": stamp(ago(minutes=50)), "completedAt": stamp(ago(minutes=31))}
    values |= {"endedAt": stamp(ago(minutes=30)), "createdResourceArn": f"arn:aws:dynamodb:r:4:table/{name}-new"}
    return an_item(name, **(values | attributes))


@pytest.mark.parametrize(
    ("changes", "rto", "rpo"),
    [
        ({}, (5400, True), (1800, False)),
        ({"wave": 1}, (5400, False), (1800, False)),
        ({"state": "restored"}, (5400, False), (1800, False)),
        ({"state": "held"}, (None, False), (None, False)),
        ({"candidate": 1}, (5400, True), (47.5 * 3600, False)),
    ],
)
def test_times_are_held_against_the_objectives_of_the_wave(changes: Any, rto: Any, rpo: Any) -> None:
    item = made(**changes)
    measured = Measure(a_recovery(), a_plan(**GOALS)).of(item, item["candidates"][item["candidate"]])
    assert (measured.get("rtoSeconds"), measured["rtoMet"]) == rto
    assert (measured.get("rpoSeconds"), measured["rpoMet"]) == rpo


def test_without_a_first_sign_the_data_is_as_old_as_the_trigger_tells() -> None:
    item = made()
    point = {"createdAt": stamp(ago(hours=3))}
    assert Measure(a_recovery(firstSign="latest"), None).of(item, point) == {"rtoSeconds": 5400, "rpoSeconds": 3600}


@pytest.fixture
def document(ledger: Ledger, given: Callable[..., None]) -> Callable[..., dict[str, Any]]:
    """Makes the report of a vault with these items."""

    def write(*items: dict[str, Any], **recovery: Any) -> dict[str, Any]:
        if items:
            given(*items)
        plan = Plan.from_document(a_plan(**GOALS).model_dump(by_alias=True, mode="json", exclude_none=True))
        return report(ledger, a_recovery(**recovery), [a_vault()], {VAULT: ENDING}, ENDING, plan, NOW)

    return write


def test_a_wave_is_as_late_as_its_last_and_as_old_as_its_oldest(document: Callable[..., dict[str, Any]]) -> None:
    held = an_item("c", state="held", waveName="first", nextStep="mend")
    late = made("b", waveName="first", endedAt=stamp(ago(minutes=20)), candidate=1)
    told = document(made("a", waveName="first"), late, held, an_item("d", state="skipped", wanted=False, reason="ours"))
    [wave] = told["waves"]
    assert (wave["resources"], wave["validated"], wave["rtoSeconds"], wave["rtoMissed"]) == (3, 2, 6000, 1)
    assert (wave["rpoSeconds"], wave["rpoMet"], wave["startedAt"]) == (47.5 * 3600, False, stamp(ago(minutes=50)))
    assert told["objectivesMet"]["rto"] == {"met": 2, "missed": 1, "none": 0}
    assert told["nextSteps"] == [{"state": "held", "nextStep": "mend", "resources": 1, "examples": [table_arn("c")]}]
    assert told["leftOut"] == {"ours": 1}


def test_whatever_stands_in_a_report_is_shown_as_text(document: Callable[..., dict[str, Any]]) -> None:
    evil = "<script>alert(1)</script>"
    html = page(document(made("a", resourceName=evil, validatedHow=evil), reason=evil))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert str(coded("`<b>` & c")) == "<code>&lt;b&gt;</code> &amp; c"


def test_no_name_turns_the_words_beside_it_and_a_page_may_fetch_and_run_nothing(
    document: Callable[..., dict[str, Any]],
) -> None:
    html = page(document(made("a", resourceName="a\u202edetadilav\u2066", reason="`b\u200f`")))
    assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", html)
    assert "a\ufffddetadilav\ufffd" in html
    assert "<code>b\ufffd</code>" in page(document() | {"cause": "`b\u200f`"})
    assert "default-src 'none'" in html


def test_a_running_recovery_and_one_without_anything_have_pages(document: Callable[..., dict[str, Any]]) -> None:
    html = page(document())
    assert "still running" in html
    assert "Nothing was to be restored." in html
    assert re.search("no access was granted", page(document() | {"vaults": []}))


def test_a_large_report_keeps_what_went_wrong_and_says_what_it_leaves_out() -> None:
    told = sample(2000)
    html = page(told)
    bad = [
        one for vault in told["vaults"] for one in vault["resources"] if one["wanted"] and one["state"] != "validated"
    ]
    assert len(html) < 1_500_000
    assert all(one["resourceArn"] in html for one in bad)
    assert "of 1,960 resources: those that were not validated" in html
    assert told["timelineLeftOut"] > 4000
    drawn = chart(told)
    assert drawn.shared
    assert [group.title for group in drawn.groups][1:] == ["Wave storage", "Wave databases", "Wave everything else"]
    assert all(0 <= float(x) <= WIDTH for g in drawn.groups for r in g.rows for x in re.findall(r"(\S+),", r.outline))


def test_spans_are_told_in_their_two_largest_units() -> None:
    assert [span(s) for s in (0, 59, 61, 7260, 90000)] == ["0 s", "59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]


def test_every_type_says_which_credentials_come_back_with_it() -> None:
    types = {kind for family in FAMILIES for kind in family.resource_types}
    assert types == rotating.CREDENTIALS.keys()


def test_the_map_tells_validated_from_restored_and_leaves_out_what_is_deleted(
    document: Callable[..., dict[str, Any]],
) -> None:
    told = document(
        made("a", endpoints={"writer": "w${x}"}),
        made("b", state="restored"),
        made("c", deletedAt=stamp(NOW)),
        an_item("d"),
    )
    old_to_new = map_of(told)
    assert [*old_to_new["validated"]] == [table_arn("a")]
    assert [*old_to_new["restored"]] == [table_arn("b")]
    text = tfvars(old_to_new)
    assert f'airlift_restored = {{\n  "{table_arn("a")}" = {{' in text
    assert '{ "writer" = "w$${x}" }' in text
    assert "airlift_restored_not_validated" in text
    [(name, value)] = parameters(old_to_new)
    assert name == f"/airlift/{RECOVERY_ID}/DynamoDB/table-a"
    assert json.loads(value)["endpoints"] == {"writer": "w${x}"}


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('say "a"', r'"say \"a\""'),
        ("${a} %{b}", '"$${a} %%{b}"'),
        ("\\${a}", r'"\\$${a}"'),
        ("a\b\n", r'"a\u0008\n"'),
        ("日本", '"日本"'),
    ],
)
def test_text_in_tfvars_is_never_a_template(text: str, quoted: str) -> None:
    """As `terraform console` reads them back."""
    entry = {"arn": text, "type": "S3", "endpoints": {}}
    written = tfvars({"recoveryId": "r", "writtenAt": "t", "validated": {text: entry}, "restored": {}})
    assert f"  {quoted} = {{\n    arn       = {quoted}\n" in written


@pytest.fixture
def asked(ledger: Ledger, given: Callable[..., None]) -> None:
    """A recovery that runs, with its plan in the bucket."""
    text = json.dumps(a_plan(**GOALS).model_dump(by_alias=True, mode="json", exclude_none=True))
    given(a_recovery(planKey=kept_plan(text)), a_vault(), made("a"))


def test_a_report_is_written_on_demand_while_the_recovery_runs(ledger: Ledger, asked: None) -> None:
    answer = write_on_demand(ledger, RECOVERY_ID)
    record = ledger.get(recovery_key(RECOVERY_ID)) or {}
    assert record["reportKey"] == answer["reportKey"]
    files = {file: aws.client("s3").get_object(Bucket=BUCKET, Key=answer["reportKey"].replace("report.json", file)) for
             file in ("report.json", "report.html", "map.json", "map.auto.tfvars")}  # fmt: skip
    told = json.loads(files["report.json"]["Body"].read())
    assert (told["outcome"], told["cause"], "endedAt" in told) == ("RUNNING", "It has not ended.", False)
    assert told["vaults"][0]["resources"][0]["objectives"]["rtoMet"]
    with pytest.raises(UnknownRecovery):
        write_on_demand(ledger, "r-20260101-111122223333-0000")


@pytest.mark.parametrize("refused", [False, True])
def test_the_map_becomes_parameters_if_the_stack_is_to(
    ledger: Ledger, asked: None, services: Services, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    monkeypatch.setenv("MAP_PARAMETERS", "true")
    slept: list[float] = []
    monkeypatch.setattr("airlift.reporting.time.sleep", slept.append)
    systems = services.play("ssm")
    systems.answers["put_parameter"] = systems.error("ParameterLimitExceeded") if refused else {}
    write_on_demand(ledger, RECOVERY_ID)
    [request] = systems.requests("put_parameter")
    assert request["Name"] == f"/airlift/{RECOVERY_ID}/DynamoDB/table-a"
    assert request["Overwrite"] is True
    assert len(slept) == (0 if refused else 1)


def test_a_plan_that_cannot_be_read_costs_the_objectives_only(ledger: Ledger, asked: None) -> None:
    ledger.write(Put(a_recovery(planKey="plans/gone.json"), replace=True))
    key = write_on_demand(ledger, RECOVERY_ID)["reportKey"]
    told = json.loads(aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert told["objectivesUnknown"]
    assert told["objectivesMet"]["rto"] == {"met": 0, "missed": 0, "none": 1}


def test_the_cost_adds_up_and_grows_with_what_is_used() -> None:
    small, large = (costing.cost(costing.typical(n)) for n in (10, 10_000))
    for estimate in (small, large):
        assert estimate["usd"] == pytest.approx(sum(line["usd"] for line in estimate["lines"]), abs=1e-3)
        assert {line["what"] for line in estimate["lines"]} == costing.PRICES.keys()
    assert small["usd"] < large["usd"] < 5


def test_readme_and_docs_tell_what_the_formula_gives() -> None:
    sizes = (10, 1_000, 10_000)
    sums = [f"{costing.usd(costing.typical(size)):.2f}" for size in sizes]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "| resources | 10 | 1,000 | 10,000 |" in readme
    assert f"| USD | {' | '.join(sums)} |" in readme
    told = (ROOT / "docs/cost.md").read_text(encoding="utf-8")
    for size, total in zip(sizes, sums, strict=True):
        used = costing.typical(size).quantities()
        assert f"| {size:,} | {used['stateTransitions']:,} | {used['invocations']:,} | {total} |" in told
    numbers = {float(number) for number in re.findall(r"\d+\.\d+", told)}
    assert {price.usd for price in costing.PRICES.values()} <= numbers
    assert f"{costing.REGION} of\n{costing.PRICED_ON}" in told
