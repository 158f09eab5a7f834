"""A source vault's record in the ledger, and how its recovery ends."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airlift.endings import ACCESS_OPEN, VAULT_RECOVERED, next_step_at_end
from airlift.errors import AirliftError, OperatorNeeded, Superseded, Unavailable, recall
from airlift.history import estimate
from airlift.ledger import Conflict, Holder, Ledger, Put, Record, Update, history_key, merge, recovery_key, vault_key
from airlift.logs import logger, set_level
from airlift.notify import deliver, notice, title_of
from airlift.plan_store import plan_at
from airlift.runtime import holder_of, ledger
from airlift.timeline import entry
from airlift.values import now, parse_time, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.plan import Plan

_NO_ENDING = (Superseded, Unavailable, Conflict)
"""These say nothing about the vault: somebody else carries on, or the step is tried again."""


_TURN = timedelta(seconds=60)
_BELIEVED_AFTER = timedelta(minutes=2)
_ROUNDS = 2000
_LONGEST = timedelta(days=7)


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
        set_level(self.recovery.get("logLevel") or self.plan.log_level)
        self.at_end: dict[str, Any] = {}
        """Values to be written together with the ending."""
        self._begun = now()

    def _existing(self, key: tuple[str, str]) -> Record:
        record = self.ledger.get(key)
        if record is None:
            raise Superseded(f"The ledger holds no record {key}.", "start the recovery by its state machine.")
        return record

    def update(self, **values: Any) -> Update:
        """A change of the vault's record, for a transaction with others."""
        return Update(vault_key(self.recovery_id, self.vault_arn), values)

    def notice(self, name: str, title: str, text: str, next_step: str) -> Put:
        """A notice about this vault, for a transaction with what it tells of."""
        pk, _ = recovery_key(self.recovery_id)
        full_name = f"{name}#{self.vault_arn}#{self.vault.get('request', 1)}"
        return notice(pk, now(), full_name, title_of(self.recovery_id, title), text, next_step)

    def expected(self, **changes: Any) -> str:
        """In words, when all will be restored if it goes like the account's last ones; empty if nothing tells.

        `changes` are what is about to be written into the vault's record.
        """
        pk, prefix = history_key(self.recovery["account"], "", "")
        runs = self.ledger.query(pk, prefix.removesuffix("#"))
        found = estimate(runs, self.recovery, [{**self.vault, **changes}])
        return f"All restored {found.words(now())}." if found else ""

    def save(self, **values: Any) -> None:
        """Changes the vault's record, here and in the ledger."""
        self.ledger.write(self.update(**values), holder=self.holder)
        merge(self.vault, values)

    def access_is_lost(self, *, seems_so: bool) -> bool:
        """Whether access is lost for good. It must seem so for two minutes, as a read may be stale (inferred)."""
        since = self.vault.get("accessDoubtedAt")
        if not seems_so:
            if since:
                self.save(accessDoubtedAt=None)
            return False
        if since is None:
            self.save(accessDoubtedAt=stamp(now()))
            return False
        return now() - parse_time(since) >= _BELIEVED_AFTER

    def seconds_left(self, turn: timedelta = _TURN) -> float:
        """What is left of this turn's minute, 0 when it is over; what could not be done is done in the next one."""
        return max(0.0, (turn - (now() - self._begun)).total_seconds())

    def begin_turn(self) -> None:
        """The turn's minute begins now: of tens of thousands of resources the reading alone takes as long."""
        self._begun = now()

    def count_round(self) -> int:
        """The number of this look at the vault, over all steps of its execution. To be saved with what was found.

        Raises `OperatorNeeded` at the bound: an execution's history ends at 25,000 events, and a round takes nine
        (docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
        """
        rounds: int = self.vault.get("rounds", 0) + 1
        began = parse_time(self.vault.get("loopSince") or stamp(self._begun))
        if rounds > _ROUNDS or self._begun - began > _LONGEST:
            raise OperatorNeeded(
                f"The execution for {self.vault_arn} reached its bound of {_ROUNDS} rounds or {_LONGEST.days} days.",
                f"look at what still runs (`airlift status {self.recovery_id}`), then "
                f"`airlift resume {self.recovery_id}`.",
            )
        return rounds

    def ended_well(self) -> bool:
        """Whether an earlier try of this step has ended the vault already, and well."""
        well = self.vault.get("ending", {}).get("name") in (VAULT_RECOVERED, ACCESS_OPEN)
        if well:
            deliver(self.ledger, recovery_key(self.recovery_id)[0])
        return bool(well)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Records a named error that leaves the block as this vault's ending; a repeated step raises it again."""
        try:
            if ended := self.vault.get("ending"):
                raise recall(ended["name"], ended["cause"])
            try:
                yield
            except _NO_ENDING:
                raise
            except AirliftError as error:
                told = type(error)(error.what, next_step_at_end(self.recovery_id, error.remedy))
                self.end(told.name, str(told))
                raise told from error
        finally:
            deliver(self.ledger, recovery_key(self.recovery_id)[0])

    def end(self, name: str, cause: str) -> None:
        """Records the ending: `VaultRecovered` or the name of an error."""
        at = now()
        told = []
        if name not in (VAULT_RECOVERED, ACCESS_OPEN):
            text, _, step = cause.partition(" Next step: ")
            told.append(self.notice(f"ended#{stamp(at)}", f"{self.vault_arn.rpartition(':')[2]}: {name}", text, step))
        self.ledger.write(
            *told,
            self.update(
                state="ENDED",
                ending={"name": name, "cause": cause, "at": stamp(at)},
                waitingFor=None,
                **self.at_end,
            ),
            entry(self.recovery_id, at, "vault-ended", f"{name}: {cause}", vault=self.vault_arn),
            holder=self.holder,
        )
        counts = self.at_end.get("counts") or self.vault.get("counts", {})
        resources = dict.fromkeys(("waiting", "running", "held"), 0) | counts
        logger.info("Vault ended", extra={"ending": name, "resources": resources})
