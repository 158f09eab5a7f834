"""The demo's comparison: what is missing, altered or added is named, and only a whole restore counts."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from rich.console import Console

from local.cloud import comparing

ARN = "arn:aws:dynamodb:ap-northeast-1:111122223333:table/orders"
CREATED = "arn:aws:dynamodb:ap-northeast-1:444455556666:table/orders-r-1"


class Held:
    """A resource that holds what it is told to."""

    resource_type: ClassVar[str] = "DynamoDB"
    parts: ClassVar[str] = "items"
    name = "orders"
    arn = ARN

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def read(self, account: str, arn: str) -> dict[str, Any]:
        assert (account, arn) == ("444455556666", CREATED)
        return self.found


def compared(found: dict[str, Any], item: dict[str, Any] | None = None) -> comparing.Comparison:
    story: Any = SimpleNamespace(resources=[Held(found)], expected={ARN: {"a": 1, "b": 2}})
    return comparing.compare(story, [{"resourceArn": ARN, "createdResourceArn": CREATED} if item is None else item])[0]


@pytest.mark.parametrize(
    ("found", "differences"),
    [
        ({"a": 1, "b": 2}, []),
        ({"a": 1}, ["b is missing"]),
        ({"a": 1, "b": 3}, ["b differs"]),
        ({"a": 1, "b": 2, "c": 3}, ["c was not there"]),
    ],
)
def test_every_difference_is_named(found: dict[str, Any], differences: list[str]) -> None:
    one = compared(found)
    assert one.differences == differences
    assert one.equal == (not differences)


@pytest.mark.parametrize("item", [{"resourceArn": "another"}, {"resourceArn": ARN, "state": "failed"}])
def test_what_was_not_restored_is_all_missing(item: dict[str, Any]) -> None:
    one = compared({}, item)
    assert (one.same, one.parts, one.differences) == (0, 2, ["a is missing", "b is missing"])


def test_the_table_tells_what_differs() -> None:
    console = Console(file=io.StringIO(), width=200, record=True)
    console.print(comparing.table([compared({"a": 1})]))
    text = " ".join(console.export_text().split())
    assert "1 of 2 items" in text
    assert "missing" in text


def test_the_closing_line_has_each_stage() -> None:
    recovery = {
        "createdAt": "2026-11-24T08:00:00.000Z",
        "vaultRecords": [{"requestedAt": "2026-11-24T08:00:02.000Z", "grantedAt": "2026-11-24T08:00:12.500Z"}],
        "items": [{"endedAt": "2026-11-24T08:01:00.000Z"}, {}],
    }
    line = comparing.line(recovery)
    assert line == "finding 08:00:00 UTC → request +2.0 s → approval +10.5 s → last restore +47.5 s"
