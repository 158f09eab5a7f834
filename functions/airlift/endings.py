"""How vaults ended, and what that makes of the recovery. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.recovery import is_drill

if TYPE_CHECKING:
    from collections.abc import Mapping

RECOVERED, VAULT_RECOVERED = "Recovered", "VaultRecovered"
ACCESS_OPEN = "AccessOpen"
"""The end of a vault, and of a recovery, that was to open access only."""
CLEANED_UP = "CleanedUp"
"""The outcome of an execution that did nothing but clean up."""
_LONGEST_CAUSE = 30_000
"""Characters; a Fail state takes 32,768 (API_StopExecution.html gives the same bound for a cause)."""
_GOES_ON = re.compile(r"`airlift (?:continue|resume|restore-again) [^`]*`")


@dataclass(frozen=True)
class Ending:
    """An ending's name, as Step Functions shows it, and its cause with the next step."""

    name: str
    cause: str


_STATUSES = {"FAILED": "Failed", "TIMED_OUT": "TimedOut", "ABORTED": "Stopped", "RUNNING": "Stopped"}
"""Names of endings that Step Functions alone tells; what still runs is being stopped."""


def of_execution(described: Mapping[str, Any], recovery_id: str, unless_told: str) -> Ending:
    """The ending of an execution that could not write one: stopped, timed out, or failed by the workflow itself.

    `described` is DescribeExecution's answer or the detail of a status event; `unless_told` is the cause without one.
    """
    name = described.get("error") or _STATUSES.get(described["status"], described["status"])
    return Ending(str(name), with_next_step(described.get("cause") or unless_told, recovery_id))


def next_step_at_end(recovery_id: str, step: str) -> str:
    """A next step as it is right once the recovery has ended: a drill goes on with nothing then, so a new one does."""
    return _GOES_ON.sub("a new drill", step) if is_drill(recovery_id) else step


def with_next_step(cause: str, recovery_id: str) -> str:
    """The cause, with what an operator does next if it does not say so itself."""
    if "Next step:" in cause:
        return cause
    stop = "" if cause.endswith((".", "!", "?")) else "."
    if is_drill(recovery_id):
        return f"{cause}{stop} Next step: read the timeline (`airlift status {recovery_id}`); then start a new drill."
    return f"{cause}{stop} Next step: `airlift resume {recovery_id}` goes on with what has no outcome."


def overall(endings: Mapping[str, Ending]) -> Ending:
    """Recovered only if every vault is. Vaults that all ended alike give their name, others `PartlyRecovered`."""
    if not endings:
        return Ending("NotStarted", "No vault was asked for. Next step: read the timeline (`airlift status`).")
    names = {ending.name for ending in endings.values()}
    if names == {VAULT_RECOVERED}:
        return Ending(RECOVERED, f"{len(endings)} vault(s) recovered: everything restored and validated.")
    if names == {ACCESS_OPEN}:
        return Ending(ACCESS_OPEN, next(iter(endings.values())).cause)
    told = "; ".join(f"{arn}: {e.name}: {e.cause}" for arn, e in endings.items() if e.name != VAULT_RECOVERED)
    told = told[:_LONGEST_CAUSE]
    if len(names) == 1:
        return Ending(names.pop(), told)
    return Ending("PartlyRecovered", told)
