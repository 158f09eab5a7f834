"""Each prerequisite broken by itself, in one prepared story: exactly that result, and gone again when it is mended."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING

import pytest

from local.simulation.world import DETECTOR, OWNER, Simulation
from tests.workflow.prerequisites import BROKEN, VAULT, Found, Prepared

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def prepared() -> Iterator[Prepared]:
    with Simulation() as sim:
        yield Prepared(sim)


LACKED: Found = {
    ("drills", "warning", OWNER),
    ("forwarding", "warning", f"detector {DETECTOR}"),
    ("source vault", "note", VAULT),  # its owner does not share it, and need not
}
"""What the story really lacks."""
NOTED: Found = {("plan", "note", "plan")}
"""What the checker says of a plan that speaks of a type and gives only a part of what that needs."""


def test_the_daily_check_writes_page_and_data_and_needs_no_more_than_its_rights(prepared: Prepared) -> None:
    sim = prepared.sim
    sim.tick()
    bucket = sim.outputs["EvidenceBucketName"]
    data, page = (
        sim.client("s3").get_object(Bucket=bucket, Key=f"readiness/readiness.{kind}")["Body"].read().decode()
        for kind in ("json", "html")
    )
    report = json.loads(data)
    assert {(one["check"], one["severity"], one["subject"]) for one in report["results"]} == LACKED
    assert (report["ready"], report["counts"]["warning"]) == (True, 2)
    assert all(one["remedy"] in html.unescape(page) for one in report["results"])
    assert "ReadinessBlockers" in sim.lambdas.output
    assert (sim.permissions.denied, sim.dead_letters()) == ([], [])


@pytest.mark.parametrize("broken", BROKEN)
def test_a_single_prerequisite_that_is_broken_is_the_one_result(prepared: Prepared, broken: str) -> None:
    break_, result = BROKEN[broken]
    with break_(prepared):
        found = prepared.found()
    assert found - LACKED - NOTED == {result}
    assert prepared.found() == LACKED
