"""Which points are restored, who had a say in it, and what is told of it."""

from __future__ import annotations

import json

from airlift.values import parse_time

from tests.workflow.scenarios import HOUR, played


def test_nothing_starts_before_the_operator_confirms() -> None:
    after = played("confirmed")

    lines = after.of("TIMELINE#")
    (asked,) = [line for line in lines if "wants that confirmed" in line["text"]]
    (going_on,) = [line for line in lines if line["text"].startswith("Continue with")]
    assert min(str(item["at"]) for item in lines if item["kind"] == "started") > going_on["at"] > asked["at"]
    assert "confirm the selected points" in after.told
    last = parse_time(going_on["at"]).timestamp()
    waiting = [at for events in after.events.values() for at in events if last - HOUR < at < last]
    assert len(waiting) < 120, "waiting costs a look every five minutes at most"


def test_a_point_that_was_marked_after_the_selection_is_passed_over() -> None:
    after = played("confirmed")

    (volume,) = [item for item in after.items.values() if item["resourceType"] == "EBS"]
    assert [one["why"] for one in volume["passedOver"]] == ["with a malware finding"]
    assert volume["candidates"][int(volume["candidate"])]["createdAt"][:10] == "2026-01-02"
    assert volume["state"] == "validated"


def test_a_pinned_point_is_restored_and_later_an_older_one_beside_it() -> None:
    after = played("confirmed")

    (table,) = [item for item in after.items.values() if item["resourceType"] == "DynamoDB"]
    [first] = table["attempts"]
    assert first["pointTime"][:10] == "2026-01-02"
    assert table["candidates"][int(table["candidate"])]["createdAt"][:10] == "2026-01-01"
    assert first["createdResourceArn"] != table["createdResourceArn"]
    assert table["state"] == "validated"
    assert after.recovery["outcome"] == "Recovered"
    told = json.dumps(after.of("TIMELINE#"), default=str)
    assert "The audit log is right up to then" in told
    assert "Still wrong" in told
