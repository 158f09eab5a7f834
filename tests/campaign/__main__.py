"""`make faults`: the whole campaign on two cores, then docs/fault-campaign.md. `--seconds N`, `--only PATTERN`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.campaign import document
from tests.campaign.running import Result

PARTS = 2


def main() -> int:
    """Gives 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, help="stop after about so long; every kind is reached early")
    parser.add_argument("--only", default="", help="only cases in whose name this pattern is found")
    options = parser.parse_args()
    begun = time.monotonic()
    with ThreadPoolExecutor(PARTS) as pool:
        given = {"parts": PARTS, "seconds": options.seconds, "only": options.only}
        results = [result for part in pool.map(lambda n: _part({**given, "part": n}), range(PARTS)) for result in part]
    bad = [result for result in results if result.problems]
    if not (options.seconds or options.only):
        document.write(results)
    sys.stdout.write(f"{len(results)} runs, {len(bad)} bad, {time.monotonic() - begun:.0f} s\n")
    return 1 if bad else 0


def _part(options: dict[str, Any]) -> list[Result]:
    command = [sys.executable, "-m", "tests.campaign.running", json.dumps(options)]
    found = []
    # Powertools reads it once, when a handler's module is loaded.
    environment = {**os.environ, "POWERTOOLS_METRICS_NAMESPACE": "Airlift"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout or ():
            found.append(result := Result(**json.loads(line)))
            if result.problems:  # at once: somebody may look into it while the others are played
                problems = "".join(f"    {problem}\n" for problem in result.problems)
                sys.stderr.write(f"{result} -> {result.outcome}\n{problems}")
            if len(found) % 100 == 0:
                sys.stderr.write(f"part {options['part']}: {len(found)} runs\n")
    if process.returncode:
        raise RuntimeError(f"part {options['part']} ended with {process.returncode}; its traceback is above")
    return found


if __name__ == "__main__":
    sys.exit(main())
