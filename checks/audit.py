"""Asks a vulnerability service about every package of every lock, through pip-audit. Fails if one was not asked about.

pip-audit alone calls a package that its service does not know no more than skipped, and succeeds. Run by the Python of
.venv-audit, with pip-audit's own options.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
LOCKS = (ROOT / "dependencies" / "requirements.txt", *sorted((ROOT / "requirements").glob("*.txt")))
PINNED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
NEEDS = "This needs a vulnerability service: PyPI's, or another by OPTIONS='--vulnerability-service osv'"


def pins(lock: Path) -> list[tuple[str, str]]:
    """Name and version of each package, also of those that a marker leaves out on this platform."""
    return PINNED.findall(lock.read_text(encoding="utf-8"))


def batches(wanted: list[tuple[str, str]]) -> Iterator[dict[str, str]]:
    """The same in groups that name no package twice: a lock may have a version for each Python, pip-audit takes one."""
    while wanted:
        batch: dict[str, str] = {}
        wanted = [(name, version) for name, version in wanted if batch.setdefault(name, version) != version]
        yield batch


def audit(lock: Path, options: list[str]) -> Iterator[dict[str, Any]]:
    """pip-audit's answer for each package of a lock. Exits with its own words if it gives none."""
    tool = Path(sys.executable).with_name("pip-audit")
    command: list[str | Path] = [
        tool,
        "--disable-pip",
        "--no-deps",
        "--format",
        "json",
        "--progress-spinner",
        "off",
        *options,
    ]
    for batch in batches(pins(lock)):
        lines = "".join(f"{name}=={version}\n" for name, version in batch.items())
        run = subprocess.run(
            [*command, "--requirement", "/dev/stdin"], input=lines, capture_output=True, text=True, check=False
        )
        try:
            yield from json.loads(run.stdout)["dependencies"]
        except ValueError:
            sys.exit(f"{lock.name}: not audited. {NEEDS}\n{run.stderr}")


def main(options: list[str]) -> int:
    """Exit status: 0 if every package was asked about, and none has a known vulnerability."""
    fine = True
    for lock in LOCKS:
        answers, wanted = list(audit(lock, options)), len(pins(lock))
        skipped = [one["skip_reason"] for one in answers if "skip_reason" in one]
        asked = len(answers) - len(skipped)
        found = [(one, each["id"]) for one in answers for each in one.get("vulns", ())]
        fine = fine and asked == wanted and not found
        sys.stdout.write(
            f"{lock.relative_to(ROOT)}: {asked} of {wanted} packages audited, {len(found)} vulnerabilities\n"
        )
        sys.stdout.writelines(f"  {one['name']} {one['version']}: {name}\n" for one, name in found)
        if asked < wanted:
            sys.stdout.write(f"  {NEEDS}. {skipped[0] if skipped else ''}\n")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
