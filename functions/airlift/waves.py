"""Which items may be started now: pure, over the open items, the plan and what the vault's record has counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.items import IN_FLIGHT, LOST
from airlift.restore import family_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.ledger import Record
    from airlift.plan import Plan


@dataclass(frozen=True)
class Turn:
    """What may be started now, in order, and why the rest may not."""

    startable: list[Record]
    paused_before: str = ""
    """Name of the wave that waits for the operator's continue."""
    halted_by: str = ""
    """Name of the wave whose failures hold all later ones."""
    stopped_at: int | None = None
    """Index of the wave that waits, for either reason."""
    held_types: tuple[str, ...] = ()
    """Types of which the first few failed alike."""
    limited: bool = False
    """Whether some wait for others of their type to end."""
    due_in: float | None = None
    """Seconds until the first item that backs off is due."""


def turn(
    plan: Plan,
    items: list[Record],
    vault: Mapping[str, Any],
    passed: frozenset[int],
    moment: float,
    elsewhere: Mapping[str, int] | None = None,
) -> Turn:
    """The turn of the first wave that still has something to do. `passed` are waves that the operator let pass.

    `items` are the open ones in order; `vault` counts, by wave, what ended badly (`waveProblems`) and, by type,
    what was restored (`restoredByType`); `elsewhere` counts, by type, the jobs that run in the account beside ours.
    """
    held_types = _held_types(plan, items, vault)
    for wave in sorted({item["wave"] for item in items}):
        mine = [item for item in items if item["wave"] == wave]
        working = [item for item in mine if item["state"] in IN_FLIGHT or _may_start(item, held_types)]
        if not working:
            continue
        halted = _halted_by(plan, items, vault, wave, passed)
        if halted:
            return Turn([], halted_by=halted, stopped_at=wave, held_types=held_types)
        if plan.wave(wave).pause_before and wave not in passed:
            return Turn([], paused_before=plan.wave(wave).name, stopped_at=wave)
        return _of_wave(mine, held_types, moment, elsewhere or {})
    return Turn([], held_types=held_types)


def _may_start(item: Record, held_types: tuple[str, ...]) -> bool:
    return bool(item["state"] == "waiting" and item["resourceType"] not in held_types)


def _halted_by(plan: Plan, items: list[Record], vault: Mapping[str, Any], wave: int, passed: frozenset[int]) -> str:
    if wave in passed:
        return ""
    problems = Counter({int(w): n for w, n in vault.get("waveProblems", {}).items()})
    problems.update(item["wave"] for item in items if item["state"] == "held")
    return next(
        (plan.wave(w).name for w in sorted(problems) if w < wave and plan.wave(w).on_failure == "halt"),
        "",
    )


def _of_wave(items: list[Record], held_types: tuple[str, ...], moment: float, elsewhere: Mapping[str, int]) -> Turn:
    flying = Counter(item["resourceType"] for item in items if item["state"] in ("starting", "running"))
    flying.update(elsewhere)
    startable, waits, limited = [], [], False
    for item in items:
        kind = item["resourceType"]
        if item["state"] == "starting":
            startable.append(item)  # its answer was lost; its place under the limit is counted already
            continue
        if not _may_start(item, held_types):
            continue
        if item.get("dueAt", 0) > moment:
            waits.append(item["dueAt"] - moment)
            continue
        family = family_of(kind)
        limit = family.concurrent_restores if family else None
        if limit is None or flying[kind] < limit:
            flying[kind] += 1
            startable.append(item)
        else:
            limited = True
    return Turn(startable, held_types=held_types, limited=limited, due_in=min(waits, default=None))


def _held_types(plan: Plan, items: list[Record], vault: Mapping[str, Any]) -> tuple[str, ...]:
    """Types of which so many were held for the same cause, and none restored, that the rest would fail alike."""
    # Only failures to start or run count: what is held for another reason says nothing about the rest of its type.
    alike = Counter(
        (item["resourceType"], item.get("heldClass", ""))
        for item in items
        if item["state"] == "held" and item.get("heldFrom") in (None, "waiting", "starting", "running")
        if item.get("heldClass") != LOST.name
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
