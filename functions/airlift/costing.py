"""What a recovery's own orchestration costs: an estimate from what the ledger counted. Pure.

docs/cost.md tells the formula. What is restored, AWS Backup's restores and the storage of what they make are not in
it: they cost the same whoever starts them. The free tiers are not taken off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airlift.ledger import Record

REGION = "ap-northeast-1"
PRICED_ON = "2026-11"
"""The list prices below are of this Region and month, in USD; that they still hold is inferred."""


@dataclass(frozen=True)
class Price:
    """One unit's price, and in what the price list counts it."""

    usd: float
    per: float
    unit: str

    @property
    def each(self) -> float:
        """USD for one."""
        return self.usd / self.per


PRICES: dict[str, Price] = {
    "stateTransitions": Price(0.025, 1e3, "state transition, Step Functions Standard"),
    "invocations": Price(0.20, 1e6, "request, Lambda"),
    "gigabyteSeconds": Price(0.0000166667, 1, "GB-second, Lambda x86"),
    "writeUnits": Price(0.715, 1e6, "write request unit, DynamoDB on demand"),
    "readUnits": Price(0.1425, 1e6, "read request unit, DynamoDB on demand"),
    "objectsWritten": Price(0.0047, 1e3, "PUT request, S3 Standard"),
    "notices": Price(0.50, 1e6, "publish request, SNS"),
    "logGigabytes": Price(0.76, 1, "GB, CloudWatch Logs ingestion"),
    "traces": Price(5.0, 1e6, "trace recorded, X-Ray"),
}

# Transitions: of the parent ReceiveTrigger, WhatToDo, CheckReadiness, RecoverVaults, CloseRecovery,
# IsEverythingRecovered and its end, with RecoverVault and VaultEnded for each vault; of a vault's execution
# RequestVaultAccess, SelectRecoveryPoints, WhatNext and its end; of each round a Wait, a Task and a Choice.
_PER_EXECUTION, _PER_VAULT, _PER_ROUND = 7, 6, 3
_INVOCATIONS_PER_EXECUTION, _INVOCATIONS_PER_VAULT = 3, 2
_SETTLES = 2
"""Invocations of settle_restore for one restored resource: most types want one more look."""
_CALLS_PER_START, _CALLS_PER_SETTLE, _CALLS_PER_ROUND = 3, 4, 2
"""Calls to AWS Backup and the restored resource's service; AWS charges nothing for them."""
_SECONDS = {"round": 2.0, "start": 0.25, "settle": 3.0, "other": 3.0, "resource": 0.02}
"""How long one takes in a function, with its share of the report for each resource (measured on a workstation)."""
_GIGABYTES = {"round": 1.0, "settle": 0.5}
# A record of a resource has about 2 KB, and all of it is projected into the index of open ones; a transaction counts
# twice (bp-transactions.html). About nine writes from its selection to its end, with their timeline entries.
_WRITES_PER_RESOURCE, _WRITES_PER_ROUND = 150, 10
_READS_PER_RESOURCE, _READS_PER_OPEN = 3, 0.5
_LOG_KILOBYTES = 3


@dataclass(frozen=True)
class Usage:
    """What a recovery used, as the ledger counts it."""

    executions: int
    """Of the recovery's state machine: one, and one for each resume."""
    vaults: int
    rounds: int
    """Looks at a vault, while approvers vote and while restores run."""
    resources: int
    starts: int
    """Restore jobs started, further attempts included."""
    restored: int
    clean_up_turns: int = 0

    def quantities(self) -> dict[str, float]:
        """Units of everything that `PRICES` has a price for."""
        settles = self.restored * _SETTLES
        other = self.executions * (_INVOCATIONS_PER_EXECUTION + self.vaults * _INVOCATIONS_PER_VAULT)
        other += self.clean_up_turns
        invocations = self.rounds + settles + other
        looking = self.rounds * _SECONDS["round"] + self.starts * _SECONDS["start"]
        beside = other * _SECONDS["other"] + self.resources * _SECONDS["resource"]
        return {
            "stateTransitions": self.executions * (_PER_EXECUTION + self.vaults * _PER_VAULT)
            + _PER_ROUND * (self.rounds + self.clean_up_turns),
            "invocations": invocations,
            "gigabyteSeconds": (looking + beside) * _GIGABYTES["round"]
            + settles * _SECONDS["settle"] * _GIGABYTES["settle"],
            "writeUnits": self.resources * _WRITES_PER_RESOURCE + self.rounds * _WRITES_PER_ROUND,
            # On average half of the resources are open when a round reads them.
            "readUnits": self.resources * (_READS_PER_RESOURCE + self.rounds * _READS_PER_OPEN / 2),
            "objectsWritten": self.executions * 10,
            "notices": self.executions * (4 + 4 * self.vaults),
            "logGigabytes": invocations * _LOG_KILOBYTES / 1e6,
            "traces": invocations,
        }

    def calls(self) -> int:
        """Calls to AWS Backup, multi-party approval and the services of what was restored."""
        settles = self.restored * _SETTLES
        return self.starts * _CALLS_PER_START + settles * _CALLS_PER_SETTLE + self.rounds * _CALLS_PER_ROUND


def usage_of(
    recovery: Record, vaults: Iterable[Record], resources: Iterable[Mapping[str, Any]], executions: int
) -> Usage:
    """What a recovery used; `resources` as the report has them."""
    vaults, resources = list(vaults), list(resources)
    started = [one for one in resources if "startedAt" in one]
    return Usage(
        executions=executions,
        vaults=len(vaults),
        rounds=sum(int(vault.get("roundsBefore", 0)) + int(vault.get("rounds", 0)) for vault in vaults),
        resources=len(resources),
        starts=len(started) + sum(len(one["attempts"]) for one in resources),
        restored=sum("createdResourceArn" in one for one in resources),
        clean_up_turns=int(recovery.get("cleanUpTurns", 0)),
    )


def typical(resources: int) -> Usage:
    """A recovery from one vault as the README tells it: votes within an hour, restores within about four.

    In an hour of voting there are 44 looks (`access.seconds_to_wait`), in four quiet hours of restoring about 75
    (`advancing`), and one for each minute in which jobs are started, 270 a minute.
    """
    return Usage(1, 1, 44 + 75 + math.ceil(resources / 270), resources, resources, resources)


def usd(usage: Usage) -> float:
    """The sum."""
    return sum(quantity * PRICES[name].each for name, quantity in usage.quantities().items())


def cost(usage: Usage) -> dict[str, Any]:
    """The estimate as the report has it: `{"usd", "region", "pricesOf", "calls", "lines": [{…}]}`."""
    lines = [
        {
            "what": name,
            "unit": PRICES[name].unit,
            "quantity": round(quantity, 4),
            "usd": round(quantity * PRICES[name].each, 6),
        }
        for name, quantity in usage.quantities().items()
    ]
    return {
        "usd": round(usd(usage), 4),
        "region": REGION,
        "pricesOf": PRICED_ON,
        "calls": usage.calls(),
        "rounds": usage.rounds,
        "lines": lines,
    }
