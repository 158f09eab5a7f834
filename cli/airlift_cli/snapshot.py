"""What is known of one recovery at one moment, and what follows from it. Pure: no AWS, no terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.endings import ACCESS_OPEN, RECOVERED
from airlift.history import Estimate, estimate
from airlift.items import candidate_of
from airlift.ledger import vote_key
from airlift.values import parse_time, stamp

from airlift_cli.problems import Exit, exit_of_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from airlift.ledger import Record

COUNTED = ("validated", "restored", "failed", "skipped", "held", "running", "waiting")
"""The states that a vault's counts tell apart, in the order in which they are shown."""
_FINE = (RECOVERED, ACCESS_OPEN)


@dataclass(frozen=True)
class Snapshot:
    """The ledger's records of one recovery.

    `vaults` in the plan's order; `items` by wave and priority, not all of them if there are many; `timeline` the
    newest entries, oldest first.
    """

    recovery: Record
    vaults: tuple[Record, ...]
    votes: tuple[Record, ...]
    items: tuple[Record, ...]
    timeline: tuple[Record, ...]
    history: tuple[Record, ...] = ()
    """What the account's last drills and recoveries took."""

    @property
    def recovery_id(self) -> str:
        return str(self.recovery["recoveryId"])

    @property
    def ended(self) -> bool:
        return bool(self.recovery["state"] == "ENDED")

    def votes_of(self, vault: Record) -> list[Record]:
        """The votes on the newest request for a source vault, in the order in which they were given."""
        # A request that ended without access has made room for the next one already, which gets a name when it is made.
        request = int(vault.get("request", 1)) - ("restoreAccessBackupVaultName" not in vault)
        prefix = vote_key(self.recovery_id, f"{vault['sourceBackupVaultArn']}#{request}", "")[1]
        return sorted((v for v in self.votes if v["sk"].startswith(prefix)), key=lambda v: str(v.get("at", "")))

    @property
    def total(self) -> int:
        """How many resources are selected in all vaults."""
        return sum(int(vault.get("selected", 0)) for vault in self.vaults)

    @property
    def counts(self) -> Counter[str]:
        """Resources by state over all vaults."""
        counts: Counter[str] = Counter()
        for vault in self.vaults:
            counts.update({state: int(n) for state, n in vault.get("counts", {}).items()})
        return counts


@dataclass(frozen=True)
class Milestone:
    """One point of the way; `at` is None while it lies ahead, `seconds` the time since the one before, so far."""

    name: str
    at: datetime | None
    seconds: float | None


def milestones(snapshot: Snapshot, now: datetime) -> list[Milestone]:
    """Finding, request, approval, restores, closed: each with its time and how long it took or has taken so far.

    With several vaults a point is reached when every vault that has not ended has reached it.
    """
    recovery, vaults = snapshot.recovery, snapshot.vaults
    moments = [
        ("finding", moment(recovery.get("createdAt"))),
        ("request", _all_reached(vaults, "requestedAt")),
        ("approval", _all_reached(vaults, "grantedAt")),
        ("restores", _restores_ended(vaults)),
        ("closed", moment(recovery.get("endedAt"))),
    ]
    reached: list[Milestone] = []
    before: datetime | None = None
    for name, at in moments:
        skipped = at is None and snapshot.ended
        end = at or (None if skipped else now)
        seconds = (end - before).total_seconds() if before and end else None
        reached.append(Milestone(name, at, max(0.0, seconds) if seconds is not None else None))
        before = at or (before if skipped else None)
    return reached


def _all_reached(vaults: Iterable[Record], attribute: str) -> datetime | None:
    times = [vault.get(attribute) for vault in vaults if attribute in vault or vault["state"] != "ENDED"]
    return max(map(_certain, times)) if times and all(times) else None


def _restores_ended(vaults: tuple[Record, ...]) -> datetime | None:
    granted = [vault for vault in vaults if "grantedAt" in vault]
    restored = any(vault.get("ending", {}).get("name") != ACCESS_OPEN for vault in granted)
    endings = [vault.get("ending", {}).get("at") for vault in vaults]
    return max(map(_certain, endings)) if restored and all(endings) else None


def moment(value: Any) -> datetime | None:
    """A ledger's time (ISO-8601 text or epoch seconds) as aware UTC; None if there is none."""
    return None if value in (None, "") else parse_time(value)


def _certain(value: Any) -> datetime:
    return parse_time(value)


def operator_asks(snapshot: Snapshot) -> list[str]:
    """What a person has to do now for the recovery to go on, as sentences with the command."""
    if snapshot.recovery["state"] != "RUNNING":
        return []
    waiting = {vault.get("waitingFor") for vault in snapshot.vaults if vault["state"] != "ENDED"}
    this = snapshot.recovery_id
    asks = []
    if "firstSign" in waiting:
        asks.append(f"Say when the attack began: airlift first-sign {this} TIME, or latest for the newest points.")
    if "continue" in waiting:
        asks.append(f"Confirm that restoring goes on: airlift continue {this}")
    if held := snapshot.counts["held"]:
        asks.append(f"{held:,} held: do the next step beside each, then airlift continue {this}")
    return asks


def estimated(snapshot: Snapshot) -> Estimate | None:
    """When the last resource will be restored, if it goes like the last ones; None if nothing tells."""
    if snapshot.recovery["state"] != "RUNNING":
        return None
    return estimate(snapshot.history, snapshot.recovery, snapshot.vaults)


def exit_code(snapshot: Snapshot) -> Exit:
    """By outcome once ended; while it runs, whether only a person can bring it on."""
    if not snapshot.ended:
        busy = snapshot.counts["running"] or snapshot.counts["waiting"]
        asked = operator_asks(snapshot)
        only_held = len(asked) == 1 and snapshot.counts["held"]
        return Exit.OPERATOR_NEEDED if asked and not (busy and only_held) else Exit.OK
    outcome = str(snapshot.recovery.get("outcome", ""))
    return Exit.OK if outcome in _FINE else exit_of_error(outcome)


def document(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as `--json` prints it: the ledger's records without their keys."""
    return {
        **bare(snapshot.recovery),
        "vaultRecords": [bare(vault) for vault in snapshot.vaults],
        "votes": [bare(vote) for vote in snapshot.votes],
        "selected": snapshot.total,
        "counts": dict(snapshot.counts),
        "estimatedEnd": stamp(found.at) if (found := estimated(snapshot)) else None,
        "items": [bare(item) for item in snapshot.items],
        "timeline": [bare(entry) for entry in snapshot.timeline],
    }


def bare(record: Record) -> Record:
    """A record without the table's keys."""
    return {name: value for name, value in record.items() if name not in ("pk", "sk", "open")}


def point_of(item: Record) -> dict[str, Any]:
    """The recovery point that a resource's present attempt takes; {} if none is usable."""
    return candidate_of(item) if item.get("candidates") else {}
