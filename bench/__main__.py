"""`make bench` writes RESULTS.md: every measurement, beside the machine and the floor of the same run.

QUICK=1 leaves out what takes longest and prints; it writes nothing. Two processes work at a time.
"""

from __future__ import annotations

import os
import platform
import sys
from concurrent.futures import Future, ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from airlift.pacing import STARTS_PER_SECOND

from bench import here, planning, polling, recoveries, start_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RESULTS = Path(__file__).with_name("RESULTS.md")
_HOURS = (1.0, 6.0, 72.0)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def _machine() -> str:
    cpu = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    tools = ", ".join(f"{name} {version(name)}" for name in ("boto3", "pydantic", "moto", "aws-lambda-powertools"))
    return f"{os.cpu_count()} × {cpu}, {platform.system()}; Python {platform.python_version()}; {tools}."


def _pacing(found: Sequence[recoveries.Measured]) -> str:
    return _table(
        ("resources", "started in", "N / rate", "ratio", "pages read / needed", "throttled"),
        (
            (
                f"{one.number:,}",
                f"{one.start_seconds:,.1f} s",
                f"{one.start_seconds / one.ratio:,.1f} s",
                f"{one.ratio:.3f}",
                f"{one.pages} / {one.pages_needed}",
                one.throttled,
            )
            for one in found
        ),
    )


def _costs(found: Sequence[recoveries.Measured]) -> str:
    rows = []
    for one in found:
        other = polling.measure(one.number, one.hours)
        rows.append(
            (
                f"{one.number:,}",
                f"{one.hours:g}",
                f"{one.transitions:,}",
                f"{other.transitions:,}",
                f"{other.transitions / one.transitions:,.1f}",
                f"{one.invocations:,}",
                f"{other.invocations:,}",
                f"{one.calls:,}",
                f"{one.dollars:.2f}",
                f"{other.dollars:.2f}",
                f"{one.events:,}",
            )
        )
    return _table(
        ("resources", "hours", "transitions", "polling", "ratio", "invocations", "polling", "API calls", "USD",
         "polling", "events of the longest history"),
        rows,
    )  # fmt: skip


def _delays(found: Sequence[recoveries.Measured]) -> str:
    return _table(
        ("resources", "hours", "approval → first StartRestoreJob", "job end → validated, median", "longest"),
        (
            (
                f"{m.number:,}",
                f"{m.hours:g}",
                f"{m.first_start:.1f} s",
                f"{m.validated[0]:.0f} s",
                f"{m.validated[1]:.0f} s",
            )
            for m in found
        ),
    )


def _planning(quick: bool) -> str:  # noqa: FBT001
    cases = planning.CASES[:1] if quick else planning.CASES[:3]
    rows = []
    for points, resources in cases:
        read, whole = (planning.apart(points, resources, choose=choose) for choose in (False, True))
        rows.append(
            (f"{points:,}", f"{resources:,}", f"{read.seconds:.1f} s", f"{whole.seconds:.1f} s",
             f"{whole.seconds / read.seconds:.2f}", f"{read.megabytes:.0f} MB", f"{whole.megabytes:.0f} MB")
        )  # fmt: skip
    return _table(
        ("points", "resources", "only reading", "choosing too", "ratio", "memory, only reading", "memory"), rows
    )


def _start_up(found: Sequence[start_up.Started]) -> str:
    return _table(
        ("function", "floor", "start", "ratio", "clients"),
        (
            (one.function, f"{one.floor:.3f} s", f"{one.seconds:.3f} s", f"{one.ratio:.2f}", ", ".join(one.clients))
            for one in found
        ),
    )


def _here(parts: Sequence[here.Part]) -> str:
    rows = ((part.what, f"{part.seconds:.1f} s", part.tests or "") for part in parts)
    return _table(("what", "seconds", "tests"), rows)


def _results(
    whole: Sequence[recoveries.Measured],
    starts: Sequence[start_up.Started],
    models: float,
    plans: str,
    sizes: str,
    on_this_machine: str,
) -> str:
    hour = [one for one in whole if one.hours == 1]
    return f"""# What was measured

Written by `make bench`. {_machine()}

## Starting restore jobs at the pace

The floor is N / {STARTS_PER_SECOND} a second, just under what AWS Backup lets through (5). Virtual time of the
simulation.

{_pacing(hour)}
## Transitions, invocations, calls and dollars

Retries apart. Beside it the common design, an execution for each resource that looks at its job every five minutes
(`polling.py`), on the same engine. Dollars of Airlift hold everything that `airlift.costing` estimates, those of
polling its transitions, invocations, logs and traces alone. Restore jobs end evenly between a tenth of the hours and
all of them.

{_costs(whole)}
## How soon

Virtual time, from the second vote and from the end of the job that AWS Backup records.

{_delays(whole)}
## Choosing recovery points

CPU time and peak memory against a process that only reads the same pages.

{plans}
## Starting a function

CPU time of a new process with the built code and layer, the least of several. The floor imports boto3 and makes the
same clients, which are those that the function made in a drill and a recovery. Wanted: at most {start_up.LIMIT} for
what takes part in a recovery. What only some invocations need is loaded when it is needed and not counted here: the
plan's models with the first plan that is read, {models:.3f} s; the pages' templates with the first page.

{_start_up(starts)}
{sizes}
{on_this_machine}"""


def _on_this_machine() -> str:
    return f"""## Where the time of `make demo` and `make test` goes

The demo's own lines, each until the next one; with a build that is there already only what changed is built anew.

{_here(here.demo())}
Tests by folder, then the slowest files, as if one followed the other; three processes share them.

{_here(here.tests())}"""


def _size_of_bundle() -> str:
    return _table(("bundle", "MB"), ((name, f"{size:.1f}") for name, size in start_up.sizes().items()))


def main() -> None:
    """Measures all; with QUICK a part."""
    quick = bool(os.environ.get("QUICK"))
    sizes, hours, times = ((100, 10), _HOURS[:2], 2) if quick else ((10_000, 1000, 100, 10), _HOURS, 5)
    # What a clock measures comes first, with nothing beside it.
    starts, models = start_up.measure(times), start_up.models(times)
    on_this_machine = "" if quick else _on_this_machine()
    cases = [(number, time) for number in sizes for time in reversed(hours)]  # the longest one first
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        running: list[Future[recoveries.Measured]] = [pool.submit(recoveries.measure, *case) for case in cases]
        whole = sorted((one.result() for one in running), key=lambda one: (one.number, one.hours))
    wrong = [one for one in whole if one.outcome != "Recovered"]
    if wrong:
        sys.exit(f"not recovered: {wrong}")
    text = _results(whole, starts, models, _planning(quick), _size_of_bundle(), on_this_machine)
    if quick:
        print(text)
    else:
        RESULTS.write_text(text, encoding="utf-8")
        print(f"{RESULTS.name} is written.")
    parts = [one for one in starts if one.function not in start_up.NO_CLIENTS]
    slow = [one.function for one in parts if one.ratio > start_up.LIMIT]
    if slow:
        sys.exit(f"start more slowly than {start_up.LIMIT} times the floor: {', '.join(slow)}")


if __name__ == "__main__":
    main()
