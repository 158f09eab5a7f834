"""Which items may be started now: pure, over the open items, the plan and what the vault's record has counted."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.items import IN_FLIGHT, LOST, NOT_ISOLATED, NOT_READY
from airlift.restore import family_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airlift.ledger import Record
    from airlift.plan import Plan
    from airlift.restore.base import Family, Target

_SAYS_NOTHING_OF_ITS_TYPE = frozenset((*NOT_READY.values(), LOST.name, NOT_ISOLATED.name))


@dataclass(frozen=True)
class Stop:
    """A wave whose turn it is and which waits for the operator's continue."""

    wave: int
    name: str
    halted_by: str = ""
    """Name of the wave whose failures hold it; empty if the plan pauses before it."""


@dataclass(frozen=True)
class Elsewhere:
    """Restore jobs that run in the account beside this vault's, by resource type."""

    airlift: Mapping[str, int] = field(default_factory=dict)
    """Those of other vaults and recoveries: they count for the plan's own limits as well."""
    others: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """What may be started now, in order, and why the rest may not."""

    startable: list[Record]
    stops: tuple[Stop, ...] = ()
    held_types: tuple[str, ...] = ()
    """Types of which the first few failed alike."""
    limited: bool = False
    """Whether some wait for others to end, of their type or into the same target."""
    more: bool = False
    """Whether others might be started, too, had this turn the time."""
    due_in: float | None = None
    """Seconds until the first item that backs off is due."""
    confirming: bool = False
    """Whether all wait for the operator to confirm what was selected."""

    @property
    def paused(self) -> bool:
        """Whether anything waits because the plan wants it."""
        return self.confirming or any(not stop.halted_by for stop in self.stops)

    @property
    def halted(self) -> str:
        """In words, which waves wait because of failures; empty if none."""
        return " ".join(f"Failures in wave {s.halted_by} halt wave {s.name}." for s in self.stops if s.halted_by)


def turn(
    plan: Plan,
    items: list[Record],
    vault: Mapping[str, Any],
    passed: frozenset[int],
    moment: float,
    target_of: Callable[[Record], Target],
    elsewhere: Elsewhere | None = None,
    most: float = math.inf,
) -> Turn:
    """The turn of all waves that still have something to do while none that they follow has.

    `items` are the open ones in order; `vault` counts, by wave, what ended well (`waveRestored`) and badly
    (`waveProblems`) and, by type, what was restored (`restoredByType`); `passed` are waves that the operator let pass.
    No more than `most` are looked at closely.
    """
    held_types = _held_types(plan, items, vault)
    waiting = {item["wave"] for item in items if _may_start(item, held_types)}
    working = waiting | {item["wave"] for item in items if item["state"] in IN_FLIGHT}
    ready = {wave for wave in waiting if not working & plan.before(wave)}
    stops = [stop for wave in sorted(ready - passed) if (stop := _stop(plan, items, vault, wave))]
    going = ready - {stop.wave for stop in stops}
    limits = _Limits(plan, target_of, items, elsewhere or Elsewhere())
    startable, waits, limited, more = [], [], False, False
    for item in items:
        if item["state"] == "starting":
            startable.append(item)  # its answer was lost; its place under the limits is counted already
        elif item["wave"] not in going or not _may_start(item, held_types):
            continue
        elif item.get("dueAt", 0) > moment:
            waits.append(item["dueAt"] - moment)
        elif len(startable) >= most:
            more = True
        elif limits.leave_room(item):
            limits.count(item)
            startable.append(item)
        else:
            limited = True
    return Turn(startable, tuple(stops), held_types, limited, more, min(waits, default=None))


def progress(plan: Plan, items: list[Record], vault: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each wave that has something to do or has done something, in the plan's order, for those who watch.

    `{"name", "after": [names of the waves that it waits for], "waiting", "running", "held", "done"}`.
    """
    open_ = {wave: Counter[str]() for wave in range(len(plan.waves) + 1)}
    for item in items:
        open_[item["wave"]]["running" if item["state"] in IN_FLIGHT else item["state"]] += 1
    told = []
    for wave, counts in open_.items():
        done = sum(vault.get(name, {}).get(str(wave), 0) for name in ("waveRestored", "waveProblems"))
        if counts or done:
            after = [plan.wave(one).name for one in sorted(plan.directly_before(wave)) if open_[one]]
            states = {state: counts[state] for state in ("waiting", "running", "held")}
            told.append({"name": plan.wave(wave).name, "after": after, **states, "done": done})
    return told


def is_failure(plan: Plan, item: Record) -> bool:
    """Whether an item that is held or has its outcome counts as a failure of its wave, by the wave's halt rule."""
    halt = plan.wave(item["wave"]).halt
    resource = item["resourceType"], item["resourceArn"], item.get("resourceName")
    return item["wanted"] and item["state"] != "validated" and (halt is None or halt.counts(*resource))


def _may_start(item: Record, held_types: tuple[str, ...]) -> bool:
    return bool(item["state"] == "waiting" and item["resourceType"] not in held_types)


def _stop(plan: Plan, items: list[Record], vault: Mapping[str, Any], wave: int) -> Stop | None:
    """Why the wave waits for the operator, if it does."""
    halting = next((w for w in sorted(plan.before(wave)) if _halts(plan, items, vault, w)), None)
    if halting is not None:
        return Stop(wave, plan.wave(wave).name, plan.wave(halting).name)
    return Stop(wave, plan.wave(wave).name) if plan.wave(wave).pause_before else None


def _halts(plan: Plan, items: list[Record], vault: Mapping[str, Any], wave: int) -> bool:
    """Whether the wave has failed by its halt rule."""
    halt = plan.wave(wave).halt
    if halt is None:
        return False
    mine = [item for item in items if item["wave"] == wave]
    closed = vault.get("waveProblems", {}).get(str(wave), 0)
    wanted = closed + vault.get("waveRestored", {}).get(str(wave), 0) + len(mine)
    return halt.met(closed + sum(item["state"] == "held" and is_failure(plan, item) for item in mine), wanted)


class _Limits:
    """How many more may run: of a type by AWS's quotas and by the plan, and one at a time into some targets."""

    def __init__(
        self, plan: Plan, target_of: Callable[[Record], Target], items: list[Record], elsewhere: Elsewhere
    ) -> None:
        self._limits = plan.limits
        self._target_of = target_of
        self._types: Counter[str] = Counter(elsewhere.airlift)
        self._families: Counter[Family | None] = Counter()
        self._places: set[str] = set()
        for jobs in (elsewhere.airlift, elsewhere.others):
            for kind, number in jobs.items():
                self._families[family_of(kind)] += number
        for item in items:
            if item["state"] in ("starting", "running"):
                self.count(item)

    def leave_room(self, item: Record) -> bool:
        """Whether one more such restore may run."""
        kind = item["resourceType"]
        family = family_of(kind)
        quota = family.concurrent_restores if family else None
        return (
            self._types[kind] < self._limits.get(kind, float("inf"))
            and (quota is None or self._families[family] < quota)
            and self._place(item) not in self._places
        )

    def count(self, item: Record) -> None:
        """One more such restore runs."""
        self._types[item["resourceType"]] += 1
        self._families[family_of(item["resourceType"])] += 1
        if place := self._place(item):
            self._places.add(place)

    def _place(self, item: Record) -> str | None:
        family = family_of(item["resourceType"])
        try:
            return family.exclusive(self._target_of(item)) if family else None
        except MetadataRefused:
            return None  # what is wrong with the plan's targets holds the item when it is started


def _held_types(plan: Plan, items: list[Record], vault: Mapping[str, Any]) -> tuple[str, ...]:
    """Types of which so many were held for the same cause, and none restored, that the rest would fail alike."""
    # Only failures to start or run count: what is held for another reason says nothing about the rest of its type.
    alike = Counter(
        (item["resourceType"], item.get("heldClass", ""))
        for item in items
        if item["state"] == "held" and item.get("heldFrom") in (None, "waiting", "starting", "running")
        if item.get("heldClass") not in _SAYS_NOTHING_OF_ITS_TYPE
    )
    alive = {item["resourceType"] for item in items if item["state"] in ("running", "settling")}
    restored = vault.get("restoredByType", {})
    return tuple(
        sorted(
            {
                kind
                for (kind, _), number in alike.items()
                if number >= plan.retries.hold_type_after and kind not in alive and not restored.get(kind)
            }
        )
    )
