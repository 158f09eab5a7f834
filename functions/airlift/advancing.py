"""One turn of the reconcile loop, the work of AdvanceRestores: read what is true, do what is missing, say when next."""

from __future__ import annotations

import heapq
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from airlift.access import next_request, read_access
from airlift.access_vaults import describe
from airlift.arns import Arn
from airlift.collecting import collect, finish
from airlift.confirming import awaits_confirmation
from airlift.errors import OperatorNeeded, VaultAccessRevoked
from airlift.holding import isolated, ready_to_start
from airlift.items import IN_FLIGHT, LOST, hold
from airlift.jobs import UNDER_WAY, is_ours, started_by_others
from airlift.ledger import OPEN_INDEX, Conflict, Record, item_key, merge
from airlift.observing import observe, restore_jobs, settle, settle_look_in
from airlift.pacing import STARTS_PER_SECOND, Throttled, back_off, begin_at, evenly, reserve
from airlift.recovery import EVERY_WAVE, cut_off
from airlift.reopening import reopen_wanted_again
from airlift.replanning import follow_new_plan
from airlift.runtime import logger
from airlift.starting import start, target_of
from airlift.telemetry import count, tell_turn
from airlift.timeline import entry
from airlift.values import now, parse_time, stamp, stamp_in
from airlift.waves import Elsewhere, Turn, progress, turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airlift.jobs import Jobs
    from airlift.vaults import VaultWork

_SHORTEST, _LONGEST = 5, 300


def advance_restores(work: VaultWork) -> dict[str, Any]:
    """One turn: `{"next": "wait" | "select" | "done", "waitSeconds": …}`.

    Raises the named error that ends the vault when nothing more can be done without an operator.
    """
    cut = cut_off(work.recovery, work.plan.points.margin_minutes)
    if not work.vault.get("selectedAt"):
        return _wait_for_first_sign(work, cut)
    cut = cut or parse_time(work.recovery["createdAt"])
    follow_new_plan(work)
    work.save(rounds=work.count_round())  # checks the lock as well, before anything is started
    reopen_wanted_again(work)
    items = list(work.ledger.query(_partition(work), index=OPEN_INDEX))
    jobs = restore_jobs(work, items)
    work.begin_turn()
    due = observe(work, items, jobs)
    items = collect(work, items, cut)
    if not items:
        return finish(work, cut)
    now_ = _turn(work, items, jobs)
    if awaits_confirmation(work):
        again = [item for item in now_.startable if item["state"] == "starting"]
        now_ = replace(now_, startable=again, stops=(), more=False, confirming=True)
    tried = bool(now_.startable or due)  # what can't be settled is held, and makes way for the next wave as well
    now_ = replace(now_, startable=ready_to_start(work, isolated(work, now_.startable)))
    begun, left = _begin(work, now_, due, jobs, cut)
    items = collect(work, items, cut)
    if not items:
        return finish(work, cut)
    _note_stops(work, now_)
    answer = _next(work, items, now_, begun, left, tried=tried)
    _record(work, items, now_, answer)
    return answer


def _turn(work: VaultWork, items: list[Record], jobs: Jobs) -> Turn:
    """What may be started now; no more than the time that is left allows."""
    most = STARTS_PER_SECOND * work.seconds_left()
    where, elsewhere = partial(target_of, work), _elsewhere(jobs, items)
    return turn(work.plan, items, work.vault, _passed_waves(work), now().timestamp(), where, elsewhere, most)


def _elsewhere(jobs: Jobs, items: list[Record]) -> Elsewhere:
    """Jobs that run in the account beside this vault's: quotas of a type are the account's."""
    own = {item.get("jobId") for item in items}
    airlift: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for job_id, job in jobs.items():
        if job["Status"] in UNDER_WAY and job_id not in own:
            (airlift if is_ours(job) else others)[str(job.get("ResourceType"))] += 1
    return Elsewhere(airlift, others)


def _partition(work: VaultWork) -> str:
    return item_key(work.recovery_id, work.vault_arn, "")[0]


def _wait_for_first_sign(work: VaultWork, cut: datetime | None) -> dict[str, Any]:
    if cut is not None:
        return {"next": "select", "waitSeconds": 0}
    waited = _since(work.vault.get("waitingSince", stamp(now())))
    wait = int(min(_LONGEST, max(_SHORTEST, waited / 6)))
    work.save(rounds=work.count_round(), nextLookAt=stamp_in(wait))
    return {"next": "wait", "waitSeconds": wait}


def _begin(work: VaultWork, now_: Turn, due: list[Record], jobs: Jobs, cut: datetime) -> tuple[int, int]:
    """Starts what may be started and sends what is `due` to settle_restore, paced, within the turn's minute.

    Gives how many were begun and how many are left.
    """
    startable = now_.startable
    seems_lost = bool(startable) and not _is_open(work)
    if startable and work.access_is_lost(seems_so=seems_lost):
        _access_lost(work, now_, jobs, cut)
        startable = []
    slots = [] if seems_lost else _slots(work, len(startable), jobs)  # looked at again in some seconds
    begun: list[Record] = []
    lost = work.vault.get("accessLost")

    def begin(call: Callable[[Record], None], item: Record) -> None:
        try:
            call(item)
        except Conflict:
            logger.info("Moved on meanwhile", extra={"resource": item["resourceArn"]})
        begun.append(item)

    start_it, settle_it = partial(start, work, jobs=jobs, cut_off=cut), partial(settle, work)
    starts = [(slot, partial(begin, start_it, item)) for item, slot in zip(startable, slots, strict=False)]
    sends = [(slot, partial(begin, settle_it, item)) for item, slot in zip(due, evenly(len(due), now()), strict=True)]
    calls = heapq.merge(starts, sends, key=itemgetter(0))
    try:
        begin_at(calls, may_go_on=lambda: bool(work.seconds_left()) and work.vault.get("accessLost") == lost)
    except Throttled:
        count(StartsThrottled=1)
        back_off(work.ledger, _region(work), now())
    count(RestoresStarted=sum(item["state"] == "running" for item in begun))
    _let_pass(work, begun)
    return len(begun), len(startable) + len(due) - len(begun) + now_.more


def _is_open(work: VaultWork) -> bool:
    return read_access(describe(work.vault["restoreAccessBackupVaultName"]), None).state == "granted"


def _slots(work: VaultWork, wanted: int, jobs: Jobs) -> list[float]:
    """Moments at which restore jobs may be started, as many as the Region's pace leaves to this turn."""
    if not wanted:
        return []
    return reserve(work.ledger, _region(work), wanted, now(), work.seconds_left(), started_by_others(jobs, now()))


def _region(work: VaultWork) -> str:
    return Arn.parse(work.holder.execution_arn).region


def _let_pass(work: VaultWork, begun: list[Record]) -> None:
    """A wave that has begun is not paused before any more."""
    names = work.vault.get("passedWaves", [])
    paused = {item["waveName"] for item in begun if work.plan.wave(item["wave"]).pause_before}
    if paused - set(names):
        work.save(passedWaves=[*names, *sorted(paused - set(names))])


def _access_lost(work: VaultWork, now_: Turn, jobs: Jobs, cut: datetime) -> None:
    """The vault was revoked or deleted: started jobs go on, the rest is recorded as not started."""
    work.save(accessLost=True)
    for item in now_.startable:
        if item["state"] == "starting":
            with suppress(Throttled):  # looked at again in the next turn
                start(work, item, jobs, cut)  # its lost call may have made a job, which must not be forgotten
        else:
            hold(work, item, "access to the vault was lost before it was started", LOST, item["attempts"])


def _passed_waves(work: VaultWork) -> frozenset[int]:
    """Waves that the operator has let pass since the vault began to wait before them. Kept by name, as plans change."""
    names = list(work.vault.get("passedWaves", []))
    waiting = work.vault.get("pausedWaves", {})
    said = work.recovery.get("continuedWaves", {})
    let_pass = [n for n, since in waiting.items() if max(said.get(EVERY_WAVE, ""), said.get(n, "")) > since]
    if let_pass:
        names += let_pass
        left = {name: since for name, since in waiting.items() if name not in let_pass}
        work.save(passedWaves=names, pausedWaves=left, waitingFor=None, waitingSince=max(left.values(), default=None))
    return frozenset(n for n in range(len(work.plan.waves) + 1) if work.plan.wave(n).name in names)


def _note_stops(work: VaultWork, now_: Turn) -> None:
    """Remembers which waves wait for the operator, and since when; a later continue lets them pass."""
    for stop in now_.stops:
        waiting = work.vault.get("pausedWaves", {})
        if stop.name in waiting:
            continue
        at = now()
        values = {"pausedWaves": {**waiting, stop.name: stamp(at)}, "waitingSince": stamp(at)}
        why = f"wave {stop.halted_by} has failures" if stop.halted_by else "as the plan says"
        step = f"airlift continue {work.recovery_id}"
        text = f"Paused before wave {stop.name}, {why}: {step}"
        told = entry(work.recovery_id, at, "paused", text, vault=work.vault_arn, who=stop.name)
        notice = work.notice(f"paused#{stop.name}#{stamp(at)}", f"paused before wave {stop.name}", text, step)
        work.ledger.write(work.update(**values), told, notice, holder=work.holder)
        merge(work.vault, values)


def _next(work: VaultWork, items: list[Record], now_: Turn, begun: int, left: int, *, tried: bool) -> dict[str, Any]:
    """When the next turn is due; `tried` is whether this one had anything to start or to settle, held back or not."""
    states = {item["state"] for item in items}
    flying = bool(states & IN_FLIGHT)
    if left:
        return {"next": "wait", "waitSeconds": 0 if begun else _SHORTEST}
    if tried and not flying and "waiting" in states:
        return {"next": "wait", "waitSeconds": _SHORTEST}  # a wave has ended without a job; the next one's turn
    if not flying and now_.due_in is None and not now_.limited and not now_.paused:
        _operator_needed(work, items, now_)
    wait = min(_LONGEST, max(_SHORTEST, _since(_begun_at(work, items)) / 6))
    awaited = "waiting" in states or not states & {"starting", "running"}
    looks = [settle_look_in(item, awaited=awaited) for item in items if item["state"] == "settling"]
    if now_.due_in is not None:
        looks.append(max(1, now_.due_in))
    return {"next": "wait", "waitSeconds": max(1, round(min([wait, *looks])))}


def _begun_at(work: VaultWork, items: list[Record]) -> str:
    """When the last job was started, or a pause began. What ends is no reason to look more often: thousands may end."""
    moments = [item[name] for item in items for name in ("startedAt", "intentAt") if item.get(name)]
    begun: str = work.vault.get("waitingSince") or work.vault["selectedAt"]
    return max(moments, default=begun)


def _operator_needed(work: VaultWork, items: list[Record], now_: Turn) -> None:
    held = [item for item in items if item["state"] == "held"]
    if work.vault.get("accessLost"):
        work.at_end = next_request(work.vault)
        raise VaultAccessRevoked(
            f"The restore-access vault of {work.vault_arn} is gone; {len(held)} resource(s) were not started.",
            f"check that this was meant; `airlift resume {work.recovery_id}` asks for access anew.",
        )
    reasons = "; ".join(f"{item['resourceArn']}: {item['reason']}" for item in held[:3])
    halted = f" {now_.halted}" if now_.halted else ""
    types = f" Held as a type: {', '.join(now_.held_types)}." if now_.held_types else ""
    raise OperatorNeeded(
        f"{len(held)} held, {len(items) - len(held)} waiting behind them in {work.vault_arn}.{halted}{types} {reasons}",
        f"mend the causes (`airlift status {work.recovery_id}`), then `airlift continue {work.recovery_id}`, which "
        "also lets a halted wave pass.",
    )


def _record(work: VaultWork, items: list[Record], now_: Turn, answer: dict[str, Any]) -> None:
    """Progress in the vault's record, for those who watch."""
    counts = dict.fromkeys(("waiting", "running", "held"), 0)
    for item in items:
        counts["running" if item["state"] in IN_FLIGHT else item["state"]] += 1
    values: dict[str, Any] = {
        "counts": {**work.vault.get("counts", {}), **counts},
        "nextLookAt": stamp_in(answer["waitSeconds"]),
        "waitingFor": "continue" if now_.paused else "jobs",
        "waves": progress(work.plan, items, work.vault),
    }
    work.save(**values)
    tell_turn(items, values["counts"], answer)


def _since(when: str) -> float:
    return (now() - parse_time(when)).total_seconds()
