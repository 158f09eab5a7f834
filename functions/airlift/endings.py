"""How vaults ended, and what that makes of the recovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airlift.aws import client
from airlift.errors import Unavailable
from airlift.recovery import is_drill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airlift.ledger import Record

RECOVERED, VAULT_RECOVERED = "Recovered", "VaultRecovered"
ACCESS_OPEN = "AccessOpen"
"""The end of a vault, and of a recovery, that was to open access only."""
CLEANED_UP = "CleanedUp"
"""The outcome of an execution that did nothing but clean up."""
_LONGEST_CAUSE = 30_000
"""Characters; a Fail state takes 32,768 (API_StopExecution.html gives the same bound for a cause)."""


@dataclass(frozen=True)
class Ending:
    """An ending's name, as Step Functions shows it, and its cause with the next step."""

    name: str
    cause: str


def vault_endings(
    vaults: Iterable[Record], children: Mapping[str, str], recovery_id: str, *, stopped: bool
) -> dict[str, Ending]:
    """Each vault's ending as the ledger holds it; what the ledger lacks is asked of the vault's execution.

    `children` gives the execution's ARN by the vault's ARN; `stopped` says that those which still run are being
    stopped. Raises `Unavailable` if one runs that should have ended: DescribeExecution is eventually consistent.
    """
    endings = {}
    for vault in vaults:
        arn = vault["sourceBackupVaultArn"]
        recorded = vault.get("ending")
        endings[arn] = (
            Ending(recorded["name"], recorded["cause"])
            if recorded
            else _of_execution(children[arn], recovery_id, stopped=stopped)
        )
    return endings


def _of_execution(execution_arn: str, recovery_id: str, *, stopped: bool) -> Ending:
    """The ending of a child that could not write one: stopped, timed out, or failed by the workflow itself."""
    states = client("stepfunctions")
    try:
        described = states.describe_execution(executionArn=execution_arn)
    except (states.exceptions.ExecutionDoesNotExist, states.exceptions.InvalidArn):
        return Ending("NotStarted", with_next_step("The vault's execution was never started.", recovery_id))
    status = described["status"]
    if status == "RUNNING" and not stopped:
        raise Unavailable(f"{execution_arn} is said to run still.", "none; the step is tried again.")
    name = described.get("error") or {"ABORTED": "Stopped", "RUNNING": "Stopped", "TIMED_OUT": "TimedOut"}.get(
        status, status
    )
    cause = described.get("cause") or f"The vault's execution is {status}."
    return Ending(name, with_next_step(cause, recovery_id))


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
