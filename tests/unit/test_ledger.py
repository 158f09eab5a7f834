"""Conditional writes and consistent reads of the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import Superseded, Unavailable
from airlift.ledger import (
    OPEN_INDEX,
    Conflict,
    Delete,
    Holder,
    Ledger,
    Put,
    Update,
    item_key,
    keyed,
    merge,
    timeline_key,
)
from botocore.exceptions import ClientError

from tests.unit.domain import (
    ACCOUNT,
    EXECUTION,
    RECOVERY_ID,
    SECOND_EXECUTION,
    VAULT,
    Service,
    a_lock,
    an_item,
    table_arn,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = ("ACCOUNT#1", "TRIGGER#1")
US, OTHERS = Holder(ACCOUNT, EXECUTION), Holder(ACCOUNT, SECOND_EXECUTION)


def test_a_record_comes_back_as_it_was_with_numbers_as_int_or_float(ledger: Ledger) -> None:
    values: dict[str, Any] = {
        "whole": 3,
        "part": 4.25,
        "text": "x",
        "yes": True,
        "list": [1, 2.5, {"n": 1}],
        "map": {"n": 1, "deep": {"f": 0.1}},
    }
    ledger.write(Put(keyed(KEY, **values, left_out=None)))
    record = ledger.get(KEY)
    assert record == {"pk": KEY[0], "sk": KEY[1], **values}
    assert [type(record[name]) for name in ("whole", "part", "yes")] == [int, float, bool]
    assert ledger.get(("ACCOUNT#1", "none")) is None


def test_a_record_is_written_once_unless_it_is_to_replace(ledger: Ledger) -> None:
    ledger.write(Put(keyed(KEY, n=1)))
    with pytest.raises(Conflict, match="ACCOUNT#1 / TRIGGER#1"):
        ledger.write(Put(keyed(KEY, n=2)))
    ledger.write(Put(keyed(KEY, n=3), replace=True))
    assert (ledger.get(KEY) or {})["n"] == 3


@pytest.mark.parametrize(
    ("update", "left"),
    [
        (Update(KEY, {"n": 2, "word": "if"}), {"n": 2, "word": "if", "t": 100}),
        (Update(KEY, {"n": None, "name": 1}), {"name": 1, "t": 100}),
        (Update(KEY, {"n": None, "t": None}), {}),
        (Update(KEY, {"a": 1}, only_if={"n": 1, "absent": None}), {"n": 1, "t": 100, "a": 1}),
        (Update(KEY, {"n": 2}, only_if={"n": 1}), {"n": 2, "t": 100}),
        (Update(KEY, {"t": 200}, only_if_past={"t": 100.5, "absent": 1.0}), {"n": 1, "t": 200}),
        (Update(KEY, {"n": 2}, only_if={"n": 2}), None),
        (Update(KEY, {"n": 2}, only_if={"n": None}), None),
        (Update(KEY, {"n": 2}, only_if={"absent": 1}), None),
        (Update(KEY, {"t": 200}, only_if_past={"t": 100.0}), None),
        (Update(("ACCOUNT#1", "none"), {"n": 2}), None),
    ],
)
def test_an_update_happens_only_if_its_conditions_hold(ledger: Ledger, update: Update, left: Any) -> None:
    ledger.write(Put(keyed(KEY, n=1, t=100)))
    if left is None:
        with pytest.raises(Conflict, match="changed meanwhile"):
            ledger.write(update)
        left = {"n": 1, "t": 100}
    else:
        ledger.write(update)
    assert ledger.get(KEY) == keyed(KEY, **left)


def test_an_update_may_create_its_record_and_still_has_conditions(ledger: Ledger) -> None:
    ledger.write(Update(KEY, {"n": 1}, only_if={"n": None}, create=True))
    with pytest.raises(Conflict):
        ledger.write(Update(KEY, {"n": 2}, only_if={"n": None}, create=True))
    assert (ledger.get(KEY) or {})["n"] == 1


def test_a_record_is_removed_only_as_it_is_known(ledger: Ledger) -> None:
    ledger.write(Put(keyed(KEY, n=1)))
    with pytest.raises(Conflict):
        ledger.write(Delete(KEY, only_if={"n": 2}))
    ledger.write(Delete(KEY, only_if={"n": 1}))
    assert ledger.get(KEY) is None
    with pytest.raises(Conflict):
        ledger.write(Delete(KEY, only_if={}))


def test_all_changes_are_made_or_none(ledger: Ledger) -> None:
    ledger.write(Put(keyed(KEY, n=1)))
    other = ("ACCOUNT#1", "TRIGGER#2")
    with pytest.raises(Conflict, match="TRIGGER#1"):
        ledger.write(Put(keyed(other)), Put(keyed(KEY, n=2)))
    assert ledger.get(other) is None


def test_only_the_locks_holder_writes(ledger: Ledger) -> None:
    put = Put(keyed(KEY))
    with pytest.raises(Superseded, match="first no longer holds the lock of account 111122223333"):
        ledger.write(put, holder=US)  # there is no lock at all
    ledger.write(Put(a_lock(SECOND_EXECUTION)))
    with pytest.raises(Superseded):
        ledger.write(put, holder=US)
    assert ledger.get(KEY) is None
    ledger.write(put, holder=OTHERS)
    with pytest.raises(Conflict, match="TRIGGER#1"):
        ledger.write(put, holder=OTHERS)
    fresh = Put(keyed(("ACCOUNT#1", "TRIGGER#2")))
    with pytest.raises(Conflict, match="TRIGGER#1"):
        ledger.write(fresh, put, Put(keyed(("ACCOUNT#1", "TRIGGER#3"))), holder=OTHERS)
    with pytest.raises(Superseded):  # who is superseded is told so, whatever else is wrong
        ledger.write(put, holder=US)


def test_open_items_are_read_by_wave_and_priority_and_closed_ones_are_not(
    ledger: Ledger, given: Callable[..., None]
) -> None:
    order = {"late": "0001#0000#late", "second": "0000#0001#second", "first": "0000#0000#first", "closed": None}
    given(*(an_item(name, open=key) for name, key in order.items()))
    partition = item_key(RECOVERY_ID, VAULT, "")[0]
    found = [item["resourceArn"] for item in ledger.query(partition, index=OPEN_INDEX)]
    assert found == [table_arn(name) for name in ("first", "second", "late")]
    of_wave = [item["resourceArn"] for item in ledger.query(partition, "0001#", index=OPEN_INDEX)]
    assert of_wave == [table_arn("late")]
    assert len(list(ledger.query(partition))) == 4


def test_a_partition_is_read_over_all_pages_by_prefix_and_in_both_directions(ledger: Ledger) -> None:
    keys = [timeline_key(RECOVERY_ID, f"2026-11-24T08:00:00.{n:03}Z", "note") for n in range(6)]
    ledger.write(*(Put(keyed(key, filler="x" * 300_000)) for key in keys))  # a page holds 1 MB
    ledger.write(Put(keyed((keys[0][0], "RECOVERY"))))
    found = [(record["pk"], record["sk"]) for record in ledger.query(keys[0][0], "TIMELINE#")]
    assert found == keys
    backwards = [record["sk"] for record in ledger.query(keys[0][0], "TIMELINE#", newest_first=True)]
    assert backwards == [sk for _, sk in reversed(keys)]


def cancelled(*codes: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return ClientError(answer, "TransactWriteItems")


@pytest.mark.parametrize(("times", "gets_through"), [(13, True), (14, False)])
@pytest.mark.parametrize("reason", ["TransactionConflict", "ThrottlingError"])
def test_what_passes_by_itself_is_tried_again_some_times(
    times: int, gets_through: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("airlift.ledger.time.sleep", pauses.append)
    left = [cancelled("None", reason)] * times
    table = Service("dynamodb", transact_write_items=lambda **_: left.pop() if left else {})
    if gets_through:
        Ledger(table, "t").write(Put(keyed(KEY)))
    else:
        with pytest.raises(Unavailable):
            Ledger(table, "t").write(Put(keyed(KEY)))
    assert len(pauses) == times
    assert max(pauses) <= 2


def test_any_other_error_of_dynamodb_is_raised_as_it_is() -> None:
    table = Service("dynamodb", transact_write_items=cancelled("ValidationError"))
    with pytest.raises(ClientError):
        Ledger(table, "t").write(Put(keyed(KEY)))
    assert len(table.asked) == 1


def test_a_record_in_memory_changes_as_the_one_in_the_ledger_does() -> None:
    record = {"a": 1, "b": 2}
    merge(record, {"b": None, "c": 0, "d": None})
    assert record == {"a": 1, "c": 0}
