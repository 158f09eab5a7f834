"""Holds the licence of every installed package against checks/licences.yaml.

Reads what the environments really hold, each made from its lock alone, through pip-licenses.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from checks import told

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
RULES = Path(__file__).with_name("licences.yaml")
ENVIRONMENTS = (".venv", ".venv-cloud", ".venv-sam", ".venv-guard")
OR, AND = re.compile(r"\s+OR\s+"), re.compile(r"\s+AND\s+|;\s*")


def packages(environment: str) -> Iterator[tuple[str, str]]:
    """(name, licence) of each package of an environment."""
    tool = Path(sys.executable).with_name("pip-licenses")
    command: list[str | Path] = [
        tool,
        "--python",
        ROOT / environment / "bin" / "python",
        "--from",
        "mixed",
        "--format",
        "json",
    ]
    listed = subprocess.run([*command, "--with-system"], capture_output=True, text=True, check=True).stdout
    yield from ((one["Name"], one["License"]) for one in json.loads(listed))


def allows(allowed: set[str], licence: str) -> bool:
    """Whether one of the alternatives of a licence asks for allowed ones only.

    Classifiers, parted by semicolons, don't say whether one may choose among them, so all must be allowed.
    """
    return any(all(part in allowed for part in AND.split(choice)) for choice in OR.split(licence))


def problems() -> Iterator[str]:
    """Packages whose licence is not allowed and that are not listed apart, and lines that nothing needs."""
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    allowed, apart = set(rules["allowed"]), {name: one["licence"] for name, one in rules["apart"].items()}
    needed = set()
    for environment in ENVIRONMENTS:
        for name, licence in packages(environment):
            if allows(allowed, licence):
                continue
            needed.add(name)
            if apart.get(name) != licence:
                yield f"{environment}: {name}: {licence}"
    yield from (f"{RULES.name}: {name} is not there or needs no line" for name in sorted(apart.keys() - needed))


if __name__ == "__main__":
    sys.exit(told(problems()))
