"""Runs the campaign: a story is prepared once, and each fault is played in a fork of that moment."""

from __future__ import annotations

import gc
import json
import os
import pickle
import re
import sys
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from unittest.mock import patch

import boto3
from airlift.aws import client

from local.simulation.world import Simulation
from tests.campaign.cases import Case, Clean, Scene, cases_of
from tests.campaign.expected import EXPECTED
from tests.campaign.observer import observe
from tests.campaign.stories import BASES, Base, prepare, quick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
_clock = time.perf_counter


@dataclass(frozen=True)
class Result:
    """What became of one case; `told`: titles of the notices, `repeats`: how often the most repeated came again."""

    base: str
    kind: str
    place: str
    outcome: str
    hits: int
    problems: list[str]
    told: list[str]
    repeats: int

    def __str__(self) -> str:
        return f"{self.base} / {self.kind} / {self.place}"


def forked(work: Callable[[], T]) -> T:
    """What `work` gives, done in a copy of this process; nothing of it is left in this one."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        gc.disable()  # it lives for a second
        try:
            with os.fdopen(write, "wb") as pipe:
                pickle.dump(work(), pipe)
            code = 0
        except BaseException:  # noqa: BLE001 - the parent is told
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError("a forked run ended badly; its traceback is above")
    result: T = pickle.loads(content)  # noqa: S301 - our own child has written it
    return result


@cache
def _warm() -> set[tuple[str, str | None, str | None]]:
    """Plays a drill that a finding preempts, so that what a process reads and compiles once is there before it forks.

    Gives service and Region of every client that was made, and the account of those that are no step's.
    """
    with Simulation(settings=quick()) as sim:
        scene = Scene(prepare(sim, BASES[-1]), BASES[-1])
        with patch.object(boto3, "client", wraps=boto3.client) as made:
            scene.run()
            observe(scene.story, scene.calls.log, set())
    asked = [(call.args[0], call.kwargs) for call in made.call_args_list]
    return {(service, given["region_name"], given.get("aws_access_key_id")) for service, given in asked}


class Prepared:
    """A story at the moment before it begins, with the cases that a run without faults shows."""

    def __init__(self, base: Base, known: set[tuple[str, ...]], seed: int = 0) -> None:
        clients = _warm()
        self.base = base
        self._sim = Simulation(settings=quick())
        self._sim.__enter__()
        self._story = prepare(self._sim, base)
        self._arns = set(self._backed_up())
        for service, region, account in clients:
            if account:
                self._sim.client(service, account, region)
            else:
                client(*filter(None, (service, region)))  # as the steps ask: the cache tells None from nothing
        gc.collect()
        gc.freeze()
        clean, self.clean = forked(lambda: self._play(None))
        self.cases = cases_of(clean, known, seed)

    def run(self, case: Case) -> Result:
        """Plays one case in a fork."""
        return forked(lambda: self._play(case)[1])

    def close(self) -> None:
        """Ends the simulation."""
        self._sim.__exit__()

    def _backed_up(self) -> Iterator[str]:
        for arn in self._story.vault_arns:
            client = self._sim.client("backup", arn.split(":")[4])
            listed = client.list_recovery_points_by_backup_vault(BackupVaultName=arn.rpartition(":")[2])
            yield from (point["ResourceArn"] for point in listed["RecoveryPoints"])

    def _play(self, case: Case | None) -> tuple[Clean, Result]:
        scene = Scene(self._story, self.base)
        if case:
            case.plan(scene)
        problems: list[str] = []
        try:
            outcome: str = scene.run()
        except Exception as error:  # noqa: BLE001 - one case that breaks off must not end the campaign
            outcome = "not made good"
            where = traceback.extract_tb(error.__traceback__)[-1]
            problems.append(f"{type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})")
        restored = outcome not in ("red drill", "not made good")
        seen = observe(self._story, scene.calls.log, self._arns if restored else set())
        problems += seen.problems
        hits = case.hit(scene) if case else 1
        if not hits:
            problems.append("the planned fault never happened")
        kind, place = (case.kind, case.place) if case else ("no fault", "")
        result = Result(self.base.name, kind, place, outcome, hits, problems, seen.told, seen.repeats)
        return scene.clean(), result


def _judged(base: Base, case: Case, clean: Result, result: Result) -> Result:
    """Adds what only a look at the run without faults shows: which notices are missing, which came twice."""
    # A lost run of settle_restore goes to the dead letters, and the loop sends it again all the same.
    # A janitor that fails comes again, and what is not allowed is to reach people by the alarm on the dead letters.
    settles, denied = "settle" in case.place, case.kind.startswith("access denied")
    problems = [
        one
        for one in result.problems
        if not (one.startswith("dead letter") and (denied or (settles and "Settle" in one) or "Janitor" in one))
    ]
    # What holds up a run of the janitor is seen to by its next one.
    expected = EXPECTED[case.kind] | ({"janitor"} if case.place.startswith("janitor") else set())
    if result.outcome not in expected:
        problems.append(f"such a fault must not cost this much: {result.outcome}")
    if result.outcome == "by itself":
        missing = list(clean.told)
        for title in result.told:
            if title in missing:
                missing.remove(title)
        excused = (*base.timed, *(("a vote",) if "mpa:GetSession" in case.place else ()))  # unread votes are unknown
        problems += [f"nobody was told: {title}" for title in missing if title not in excused]
    # Published, and then not noted, for whatever reason: it comes once more, a minute later, the same word for word.
    repeats = int(case.crash or "Update NOTICE" in case.place) * (3 if "two minutes" in case.kind else 1)
    if result.repeats > repeats:
        problems.append(f"a notice came {result.repeats + 1} times")
    return Result(**{**asdict(result), "problems": problems})


def campaign(
    part: int = 0,
    parts: int = 1,
    *,
    limit: int | None = None,
    seconds: float | None = None,
    only: str = "",
    seed: int = 0,
) -> Iterator[Result]:
    """Results of this part of all cases, as they come.

    `limit`: cases of each story at most; `seconds`: in all at most; `only`: a pattern found in the names of cases.
    """
    begun = _clock()
    known: set[tuple[str, ...]] = set()
    reached: Counter[str] = Counter()
    for number, base in enumerate(BASES):
        prepared = Prepared(base, set() if limit else known, seed)
        until = None if seconds is None else begun + seconds * (number + 1) / len(BASES)
        try:
            if part == 0:
                yield prepared.clean
            cases = [case for case in prepared.cases if re.search(only, str(case))]
            if limit:  # a short form; what no story has had comes first
                cases = sorted(cases, key=lambda case: reached[case.kind])[:limit]
                reached.update(case.kind for case in cases)
            for case in cases[part::parts]:
                if until is not None and _clock() > until:
                    break
                yield _judged(base, case, prepared.clean, prepared.run(case))
        finally:
            prepared.close()


def main() -> None:
    """One part of the campaign, a result a line in JSON on stdout."""
    options = json.loads(sys.argv[1])
    with os.fdopen(os.dup(1), "w") as results, Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # what handlers log
        for result in campaign(**options):
            results.write(json.dumps(asdict(result)) + "\n")
            results.flush()


if __name__ == "__main__":
    main()
