"""Looks for secrets in every file that git knows: detect-secrets, without asking anybody whether one is valid.

What only looks like a secret has a reason in checks/not-secret.yaml, and no reason there is without use.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

from checks import told

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
REASONS = Path(__file__).with_name("not-secret.yaml")
HASHES = re.compile(r"(requirements/\w+|dependencies/requirements)\.txt|.*/package-lock\.json")
"""Locks: nothing but names and hashes."""
SAMPLES = ("bench/", "docs/", "events/", "tests/")
"""Where ids that look random are made up; secrets of a known form or name are looked for there as well."""


def files() -> list[str]:
    """Paths below the root of all text files under version control."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return [name for name in names if not HASHES.fullmatch(name) and ROOT / name != REASONS]


def found(name: str) -> Iterator[tuple[int, str, str]]:
    """(line, kind, text) of what looks like a secret in a file."""
    for secret in scan_file(str(ROOT / name)):
        if name.startswith(SAMPLES) and secret.type.endswith("Entropy String"):
            continue
        yield secret.line_number, secret.type, str(secret.secret_value)


def problems() -> Iterator[str]:
    """What looks like a secret without a reason, and reasons that nothing needs."""
    reasons: dict[str, str] = yaml.safe_load(REASONS.read_text(encoding="utf-8"))
    needed = set()
    with default_settings():
        for name in files():
            for line, kind, text in found(name):
                allowed = [one for one in reasons if re.fullmatch(one, text)]
                needed.update(allowed)
                if not allowed:
                    yield f"{name}:{line}: {kind}"
    yield from (f"{REASONS.name}: nothing looks like {one!r}" for one in sorted(reasons.keys() - needed))


if __name__ == "__main__":
    sys.exit(told(problems()))
