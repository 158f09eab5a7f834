"""The history of one execution, in the shape of GetExecutionHistory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.asl.errors import DATA_LIMIT, RUNTIME, ApiError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable

EVENT_LIMIT = 25_000
"""Events in the history of one execution (Step Functions quotas)."""

PAYLOAD_LIMIT = 262_144
"""Bytes, as UTF-8, of an input, a result, an output or a variable (Step Functions quotas)."""

NOT_TRUNCATED = {"truncated": False}


def dumps(value: Any) -> str:
    """JSON as Step Functions writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def limited(value: Any, what: str) -> str:
    """A value as JSON. Raises States.DataLimitExceeded above 256 KiB."""
    text = dumps(value)
    if len(text) * 4 > PAYLOAD_LIMIT and len(text.encode()) > PAYLOAD_LIMIT:
        raise StateError(
            DATA_LIMIT,
            f"{what} returned a result with a size exceeding the maximum number of bytes service limit.",
        )
    return text


def details_field(kind: str) -> str:
    """The name under which an event of this type holds its details."""
    for suffix in ("StateEntered", "StateExited"):
        if kind.endswith(suffix):
            return f"s{suffix[1:]}EventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"


class History:
    """Events with consecutive ids; ``on_event`` is told of each as it is written and must not call back."""

    def __init__(self, now: Callable[[], float], on_event: Callable[[dict[str, Any]], None] | None) -> None:
        self.events: list[dict[str, Any]] = []
        self._now = now
        self._on_event = on_event

    def has_room(self) -> bool:
        """Whether an event can be written besides the one that closes the execution."""
        return len(self.events) < EVENT_LIMIT - 1

    def add(self, kind: str, previous: int, *, last: bool = False, **details: Any) -> int:
        """Write an event and return its id; ``last`` is the one that closes the execution.

        Raises States.Runtime when only room for that one is left (the error's name is inferred).
        """
        if not last and not self.has_room():
            raise StateError(RUNTIME, f"The execution reached the maximum number of history events ({EVENT_LIMIT}).")
        event: dict[str, Any] = {
            "timestamp": self._now(),
            "type": kind,
            "id": len(self.events) + 1,
            "previousEventId": previous,
        }
        if details:
            event[details_field(kind)] = {k: v for k, v in details.items() if v is not None}
        self.events.append(event)
        if self._on_event:
            self._on_event(event)
        return len(self.events)

    def page(self, max_results: int, next_token: str | None, *, reverse: bool) -> dict[str, Any]:
        """One page in the shape of GetExecutionHistory. Raises ApiError InvalidToken."""
        events = self.events[::-1] if reverse else self.events
        if next_token is not None and not next_token.isdecimal():
            raise ApiError("InvalidToken", "Invalid Token: 'Invalid token'")
        first = int(next_token or 0)
        if reverse and next_token is not None:  # events written since the last page don't shift the next one
            first = len(events) - first
        size = max_results or 100
        page: dict[str, Any] = {"events": events[first : first + size]}
        following = first + size
        if following < len(events):
            page["nextToken"] = str(len(events) - following if reverse else following)
        return page
