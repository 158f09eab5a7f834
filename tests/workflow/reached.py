"""Which states and which Catch fields the histories of executions went through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Events = list[dict[str, Any]]
FAILURES = ("TaskFailed", "TaskTimedOut", "MapStateFailed", "EvaluationFailed")


def states_reached(histories: Iterable[Events]) -> set[str]:
    """Names of the states that were entered."""
    return {
        event["stateEnteredEventDetails"]["name"]
        for events in histories
        for event in events
        if "stateEnteredEventDetails" in event
    }


def catches_reached(histories: Iterable[Events]) -> set[str]:
    """Names of the states that were left after a failure that was not retried, other than by failing."""
    found = set()
    for events in histories:
        by_id = {event["id"]: event for event in events}
        for event in events:
            name = event.get("stateExitedEventDetails", {}).get("name")
            if name and by_id[event["previousEventId"]]["type"] in FAILURES:
                found.add(name)
    return found
