"""A source vault's record in the ledger, and how its recovery ends."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airlift.errors import AirliftError, Superseded, Unavailable
from airlift.ledger import Conflict, Holder, Ledger, Record, Update, merge, recovery_key, vault_key
from airlift.plan_store import plan_at
from airlift.runtime import holder_of, ledger
from airlift.timeline import entry
from airlift.values import now, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.plan import Plan

_NO_ENDING = (Superseded, Unavailable, Conflict)
"""These say nothing about the vault: somebody else carries on, or the step is tried again."""


class VaultWork:
    """What the steps of vault-recovery share: the ledger, the lock's holder, recovery, vault and plan as they stand."""

    def __init__(self, event: dict[str, Any]) -> None:
        self.ledger: Ledger = ledger()
        self.holder: Holder = holder_of(event)
        self.recovery_id: str = event["recoveryId"]
        self.vault_arn: str = event["sourceBackupVaultArn"]
        self.recovery: Record = self._existing(recovery_key(self.recovery_id))
        self.vault: Record = self._existing(vault_key(self.recovery_id, self.vault_arn))
        self.plan: Plan = plan_at(self.recovery["planKey"])

    def _existing(self, key: tuple[str, str]) -> Record:
        record = self.ledger.get(key)
        if record is None:
            raise Superseded(f"The ledger holds no record {key}.", "start the recovery by its state machine.")
        return record

    def update(self, **values: Any) -> Update:
        """A change of the vault's record, for a transaction with others."""
        return Update(vault_key(self.recovery_id, self.vault_arn), values)

    def save(self, **values: Any) -> None:
        """Changes the vault's record, here and in the ledger."""
        self.ledger.write(self.update(**values), holder=self.holder)
        merge(self.vault, values)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Records a named error that leaves the block as this vault's ending."""
        try:
            yield
        except _NO_ENDING:
            raise
        except AirliftError as error:
            self.end(error.name, str(error))
            raise

    def end(self, name: str, cause: str) -> None:
        """Records the ending: `VaultRecovered` or the name of an error."""
        at = now()
        self.ledger.write(
            self.update(state="ENDED", ending={"name": name, "cause": cause, "at": stamp(at)}, waitingFor=None),
            entry(self.recovery_id, at, "vault-ended", f"{name}: {cause}", vault=self.vault_arn),
            holder=self.holder,
        )
