"""The executions of a recovery's vaults: where they are, how they ended, and the endings that they can't write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airlift.aws import client
from airlift.endings import Ending, of_execution, with_next_step
from airlift.errors import Unavailable
from airlift.ledger import Conflict, Holder, Ledger, Record, Update, recovery_key, vault_key
from airlift.lock import is_held_by
from airlift.runtime import account_of, setting
from airlift.values import now, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def is_child(execution_arn: str) -> bool:
    """Whether this is the execution of a vault."""
    return f":execution:{setting('VAULT_RECOVERY_STATE_MACHINE_ARN').rpartition(':')[2]}:" in execution_arn


def child_arn(vault: Record) -> str:
    """ARN of the execution that recovers this vault; empty if none was to be started."""
    if "executionName" not in vault:
        return ""
    machine = setting("VAULT_RECOVERY_STATE_MACHINE_ARN")
    return f"{machine.replace(':stateMachine:', ':execution:')}:{vault['executionName']}"


def vault_endings(vaults: Iterable[Record], recovery_id: str, *, stopped: bool) -> dict[str, Ending]:
    """Each vault's ending as the ledger holds it; what the ledger lacks is asked of the vault's execution.

    `stopped` says that those which still run are being stopped. Raises `Unavailable` if one runs that should have
    ended: DescribeExecution is eventually consistent.
    """
    return {
        vault["sourceBackupVaultArn"]: Ending(ended["name"], ended["cause"])
        if (ended := vault.get("ending"))
        else _asked(child_arn(vault), recovery_id, stopped=stopped)
        for vault in vaults
    }


def _asked(execution_arn: str, recovery_id: str, *, stopped: bool) -> Ending:
    states = client("stepfunctions")
    try:
        described = states.describe_execution(executionArn=execution_arn)
    except (states.exceptions.ExecutionDoesNotExist, states.exceptions.InvalidArn):
        return Ending("NotStarted", with_next_step("The vault's execution was never started.", recovery_id))
    if described["status"] == "RUNNING" and not stopped:
        raise Unavailable(f"{execution_arn} is said to run still.", "none; the step is tried again.")
    return of_execution(described, recovery_id, f"The vault's execution is {described['status']}.")


def stop_children(ledger: Ledger, recovery_id: str, cause: str) -> None:
    """A stopped parent does not stop its children in every case, so they are stopped by name."""
    states = client("stepfunctions")
    for vault in ledger.query(recovery_key(recovery_id)[0], "VAULT#"):
        arn = child_arn(vault)
        try:
            if arn and states.describe_execution(executionArn=arn)["status"] == "RUNNING":
                states.stop_execution(executionArn=arn, error="Stopped", cause=f"Its recovery ended: {cause}"[:500])
        except states.exceptions.ExecutionDoesNotExist:
            continue


def child_ended(ledger: Ledger, status: Mapping[str, Any]) -> str:
    """Records a child's ending that the child could not record itself, while its parent still holds the lock.

    `status` is the detail of a Step Functions Execution Status Change. Says what came of it.
    """
    given = json.loads(status.get("input") or "{}")
    if not {"recoveryId", "executionArn", "sourceBackupVaultArn"} <= given.keys():
        return "not an execution of Airlift's"
    recovery_id, arn = given["recoveryId"], given["sourceBackupVaultArn"]
    holder = Holder(account_of(recovery_id), given["executionArn"])
    holds = is_held_by(ledger, holder.account, holder.execution_arn)
    record = ledger.get(vault_key(recovery_id, arn))
    if not holds or record is None or record.get("ending"):
        return "recorded before"
    ending = of_execution(status, recovery_id, f"The vault's execution ended {status['status']}.")
    return "recorded" if record_ending(ledger, recovery_id, arn, ending, holder) else "recorded before"


def record_ending(ledger: Ledger, recovery_id: str, vault_arn: str, ending: Ending, holder: Holder | None) -> bool:
    """Writes the ending of a vault whose execution could not write it; False if it has one."""
    ended = {"name": ending.name, "cause": ending.cause, "at": stamp(now())}
    values = {"state": "ENDED", "ending": ended, "waitingFor": None}
    try:
        ledger.write(Update(vault_key(recovery_id, vault_arn), values, only_if={"ending": None}), holder=holder)
    except Conflict:
        return False
    return True
