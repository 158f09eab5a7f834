"""What each kind of fault may cost: the strictest that holds. An outcome that is not listed fails the campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.campaign.stories import Outcome

_ALONE: frozenset[Outcome] = frozenset({"by itself"})
_SEEN_TO: frozenset[Outcome] = frozenset({"by itself", "janitor"})
_STOPPED: frozenset[Outcome] = frozenset({"by itself", "janitor", "next trigger", "one resume", "red drill"})

EXPECTED: Mapping[str, frozenset[Outcome]] = {
    "throttled for two minutes": _ALONE,
    "error 500 or 503": _ALONE,
    "dropped before its effect": _ALONE,
    "answer lost after its effect": _ALONE,
    "slow past the SDK's time-out": _ALONE,
    "slow past the function's time-out": _ALONE,
    "step killed after the side effect": _ALONE,
    "access denied until mended": _STOPPED,
    "stale: not there yet": _ALONE,
    "stale: not listed yet": _ALONE,
    "stale: as it was before": _SEEN_TO,
    "write in conflict for a moment": _ALONE,
    "write in conflict for two minutes": _ALONE,
    "the same step twice at once": _ALONE,
    "event lost": frozenset({"by itself", "janitor", "next trigger"}),
    "event twice": _ALONE,
    "event an hour late": _SEEN_TO,
    "event overtaken by later ones": _ALONE,
    "settle call lost": _ALONE,
    "settle call twice": _ALONE,
    "settle call an hour late": _ALONE,
    "settle call overtaken by later ones": _ALONE,
    "other call lost": _SEEN_TO,
    "other call twice": _ALONE,
    "other call an hour late": _SEEN_TO,
    "other call overtaken by later ones": _ALONE,
    "execution stopped": _STOPPED,
    "execution stopped, children left": _STOPPED,
    "execution timed out": _STOPPED,
    "States.Runtime": _STOPPED,
    "Lambda throttles the function": _ALONE,
    "plan unreadable, a copy serves": _ALONE,
    "plan unreadable, no copy yet": frozenset({"next trigger"}),
    "restore job fails": frozenset({"by itself", "one resume", "red drill"}),
}
"""Kinds of faults in the order of the document's table, and what may follow."""
