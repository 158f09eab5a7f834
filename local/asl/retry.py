"""Retry and Catch: which errors a name stands for, and how long to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.asl.errors import DATA_LIMIT, RUNTIME, TASK_FAILED, TIMEOUT, StateError

if TYPE_CHECKING:
    import random


def matches(names: list[str], error: str | None) -> bool:
    """Whether ErrorEquals takes an error.

    States.Runtime is never taken, States.DataLimitExceeded only by its own name, and States.TaskFailed takes
    everything else but States.Timeout (developer guide, "Handling errors").
    """
    if error == RUNTIME:
        return False
    wide = error != DATA_LIMIT
    return any(
        name == error or (name == "States.ALL" and wide) or (name == TASK_FAILED and wide and error != TIMEOUT)
        for name in names
    )


class Retriers:
    """The Retry field during one visit of a state: each retrier counts its own attempts."""

    def __init__(self, rules: list[dict[str, Any]], rng: random.Random) -> None:
        self._rules = rules
        self._used = [0] * len(rules)
        self._rng = rng

    def delay(self, failure: StateError) -> float | None:
        """Seconds to wait before the next attempt; None when the error isn't retried (any more)."""
        for number, rule in enumerate(self._rules):
            if not matches(rule["ErrorEquals"], failure.error):
                continue
            used = self._used[number]
            if used >= rule.get("MaxAttempts", 3):
                return None
            self._used[number] += 1
            return self._seconds(rule, used)
        return None

    def _seconds(self, rule: dict[str, Any], used: int) -> float:
        most = rule.get("MaxDelaySeconds", float("inf"))
        try:
            seconds = min(rule.get("IntervalSeconds", 1) * float(rule.get("BackoffRate", 2.0)) ** used, most)
        except OverflowError:
            seconds = most
        full = rule.get("JitterStrategy") == "FULL"
        return float(self._rng.uniform(0, seconds) if full else seconds)


def catcher(rules: list[dict[str, Any]], failure: StateError) -> tuple[int, dict[str, Any]] | None:
    """The first catcher that takes an error, with its place in the list."""
    for number, rule in enumerate(rules):
        if matches(rule["ErrorEquals"], failure.error):
            return number, rule
    return None
