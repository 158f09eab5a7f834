"""The recovery's id and the first sign of compromise that counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airlift.recovery import cut_off, first_sign, recovery_id

from tests.unit.domain import ACCOUNT, EXECUTION, NOW, SECOND_EXECUTION, ago

EARLY, MIDDLE, LATE = "2026-11-24T01:00:00.000Z", "2026-11-24T02:00:00.000Z", "2026-11-24T03:00:00.000Z"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({}, None),
        ({"firstSign": MIDDLE}, MIDDLE),
        ({"joinedFirstSign": MIDDLE}, MIDDLE),
        ({"firstSign": MIDDLE, "joinedFirstSign": EARLY}, EARLY),
        ({"firstSign": MIDDLE, "joinedFirstSign": LATE}, MIDDLE),
        ({"firstSign": "latest", "joinedFirstSign": EARLY}, "latest"),
        ({"firstSign": EARLY, "joinedFirstSign": EARLY, "operatorFirstSign": LATE}, LATE),
        ({"firstSign": EARLY, "operatorFirstSign": "latest"}, "latest"),
        ({"firstSign": "latest", "operatorFirstSign": MIDDLE}, MIDDLE),
    ],
)
def test_the_operators_word_stands_above_all_then_the_earliest_sign(record: dict[str, Any], expected: Any) -> None:
    assert first_sign(record) == expected


def test_the_cut_off_lies_the_margin_before_the_sign() -> None:
    assert cut_off({"firstSign": MIDDLE}, 15) == datetime(2026, 11, 24, 1, 45, tzinfo=UTC)
    assert cut_off({"firstSign": MIDDLE}, 0) == datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


def test_without_a_sign_there_is_no_cut_off_and_latest_takes_everything() -> None:
    assert cut_off({}, 15) is None
    latest = cut_off({"firstSign": "latest"}, 15)
    assert latest
    assert latest > NOW.replace(year=9998)


def test_the_id_names_day_and_account_and_derives_from_the_execution() -> None:
    identity = recovery_id(EXECUTION, ACCOUNT, NOW)
    assert identity.startswith(f"r-20261124-{ACCOUNT}-")
    assert len(identity.rpartition("-")[2]) == 4
    assert recovery_id(EXECUTION, ACCOUNT, ago(hours=1)) == identity
    assert recovery_id(SECOND_EXECUTION, ACCOUNT, NOW) != identity
