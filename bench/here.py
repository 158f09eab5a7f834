"""Where the time of `make demo` and `make test` goes on this machine.

`PYTHONPATH=functions python -m bench.here`. The demo says itself what it does when; the tests' times come from pytest.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

_ROOT = Path(__file__).parents[1]
_SAID = re.compile(r"^ *(?P<seconds>\d+\.\d) s  (?P<what>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """A share of the whole: a step of the demo, until it says what is next, or a folder of tests."""

    what: str
    seconds: float
    tests: int = 0


def demo() -> list[Part]:
    """The demo's steps, in their order; those that it does side by side end with the next line that it prints."""
    run = [sys.executable, "-m", "local.cloud.demo"]
    done = subprocess.run(run, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the demo failed:\n{done.stdout}\n{done.stderr}")
    said = [(float(m["seconds"]), m["what"].strip()) for m in _SAID.finditer(done.stdout)]
    return [Part(what, after - at) for (at, what), (after, _) in pairwise(said)] + [Part("in all", said[-1][0])]


def tests() -> list[Part]:
    """Seconds and tests of each folder and of the slowest files, as if one followed the other; at last the wall clock.

    Raises RuntimeError if a test fails: what fails says nothing about time.
    """
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "junit.xml")
        begun = time.monotonic()
        run = ["make", "test", f"TESTS=--junitxml={written}"]
        done = subprocess.run(run, cwd=_ROOT, capture_output=True, text=True, check=False)
        wall = time.monotonic() - begun
        if done.returncode:
            raise RuntimeError(f"tests failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        cases = list(ET.parse(written).getroot().iter("testcase"))  # noqa: S314 - pytest has just written it
    seconds: defaultdict[str, float] = defaultdict(float)
    number: Counter[str] = Counter()
    for case in cases:
        _, folder_name, module, *_ = case.attrib["classname"].split(".")
        for name in (f"tests/{folder_name}", f"tests/{folder_name}/{module}.py"):
            seconds[name] += float(case.attrib["time"])
            number[name] += 1
    slowest = sorted(seconds, key=lambda name: -seconds[name])
    folders = [name for name in slowest if not name.endswith(".py")]
    files = [name for name in slowest if name.endswith(".py")][:8]
    return [
        *(Part(name, seconds[name], number[name]) for name in folders + files),
        Part("wall clock", wall, len(cases)),
    ]


def main() -> None:
    """A line for each part."""
    for part in [*demo(), *tests()]:
        print(f"{part.seconds:7.1f} s  {part.tests or '':>5}  {part.what}")


if __name__ == "__main__":
    main()
