"""In which order, where to and how fast."""

from __future__ import annotations

from bench.recoveries import measure
from tests.workflow.scenarios import Played, played


def started(after: Played) -> list[str]:
    """Types in the order in which they were started."""
    items = [item for item in after.items.values() if "startedAt" in item]
    return [item["resourceType"] for item in sorted(items, key=lambda item: str(item["startedAt"]))]


def test_an_open_network_holds_what_would_be_restored_there_and_the_rest_goes_on() -> None:
    after = played("open_network")

    assert started(after) == ["DynamoDB", "EFS", "EBS"]
    held = [line for line in after.of("TIMELINE#") if line["kind"] == "held"]
    assert ["lets traffic out to 0.0.0.0/0" in line["text"] for line in held] == [True]
    assert "Failures in wave files halt wave volumes." in after.vaults[0]["cause"]
    warned = [line["text"] for line in after.of("TIMELINE#") if line["kind"].startswith("readiness")]
    assert len(warned) == 1
    assert "held back (network not isolated)" in warned[0]
    assert "EFS" in warned[0]
    (bucket,) = [item for item in after.items.values() if item["resourceType"] == "S3"]
    assert (bucket["state"], bucket["wanted"]) == ("skipped", False)
    assert "in no wave of the plan" in bucket["reason"]


def test_throttling_reaches_nobody() -> None:
    after = played("throttled")

    assert {item["state"] for item in after.items.values()} == {"validated"}
    assert {item["attempt"] for item in after.items.values()} == {1}
    assert "Throttling" not in str([after.messages, after.of("TIMELINE#")])


def test_restores_start_at_the_pace_and_the_list_is_read_once_a_sweep() -> None:
    found = measure(40)

    assert found.outcome == "Recovered"
    assert found.ratio <= 1.15
    assert found.pages == found.pages_needed
    assert found.throttled == 0
    assert found.transitions < 200
