"""What EventBridge and Lambda's queue may do to a message: lose it, deliver it twice, deliver it late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

LATENCY = 0.5
"""Seconds from sending to delivery when nothing goes wrong (inferred: about half a second)."""

Kind = Literal["event", "invocation"]


@dataclass
class Mishap:
    """One planned mishap: `delays` are when copies arrive, none for a lost message."""

    kind: Kind
    match: Callable[[Any], bool]
    delays: tuple[float, ...]
    times: int


class Deliveries:
    """Decides when copies of a message arrive; once, after a short while, unless a mishap is planned."""

    def __init__(self) -> None:
        self._planned: list[Mishap] = []

    def lose(self, kind: Kind, match: Callable[[Any], bool], times: int = 1) -> None:
        """The next `times` messages that match never arrive."""
        self._planned.append(Mishap(kind, match, (), times))

    def duplicate(self, kind: Kind, match: Callable[[Any], bool], times: int = 1) -> None:
        """The next `times` messages that match arrive twice."""
        self._planned.append(Mishap(kind, match, (LATENCY, 2 * LATENCY), times))

    def delay(self, kind: Kind, match: Callable[[Any], bool], seconds: float, times: int = 1) -> None:
        """The next `times` messages that match arrive late."""
        self._planned.append(Mishap(kind, match, (seconds,), times))

    def delays(self, kind: Kind, message: Any) -> tuple[float, ...]:
        """When copies of this message arrive, in seconds from now; uses up a mishap planned for it."""
        for mishap in self._planned:
            if mishap.times > 0 and mishap.kind == kind and mishap.match(message):
                mishap.times -= 1
                return mishap.delays
        return (LATENCY,)

    def unhit(self) -> list[Mishap]:
        """Planned mishaps that have not all happened."""
        return [mishap for mishap in self._planned if mishap.times > 0]
