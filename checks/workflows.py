"""Runs statelint over the state machines as Step Functions would see them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")

NUMBERS = {"Seconds", "TimeoutSeconds", "HeartbeatSeconds", "MaxConcurrency"}
"""Fields that take a number or a JSONata expression; statelint 3.1.0 knows them as numbers only."""


def rendered(node: Any) -> Any:
    """The definition with an ARN for each DefinitionSubstitution and a number for each computed number."""
    match node:
        case dict():
            return {name: 1 if is_computed(name, value) else rendered(value) for name, value in node.items()}
        case list():
            return [rendered(value) for value in node]
        case str():
            return PLACEHOLDER.sub(r"arn:aws:lambda:ap-northeast-1:444455556666:function:\1", node)
    return node


def is_computed(name: str, value: Any) -> bool:
    """Is this a number that a JSONata expression gives at run time?"""
    return name in NUMBERS and isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def main() -> int:
    """statelint's exit status: 0 if it has nothing to say."""
    statelint = Path(sys.executable).with_name("statelint")
    if not statelint.exists():
        sys.exit("checks/workflows.py needs statelint: run it through `make check`, which makes .venv")
    sources = sorted((ROOT / "statemachine").glob("*.asl.json"))
    if not sources:
        sys.exit("statemachine/ holds no *.asl.json")
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder, source.name) for source in sources]
        for source, copy in zip(sources, copies, strict=True):
            definition = json.loads(source.read_text(encoding="utf-8"))
            copy.write_text(json.dumps(rendered(definition), indent=1), encoding="utf-8")
        run = subprocess.run([statelint, *copies], capture_output=True, text=True, check=False, cwd=folder)
    if run.returncode:
        sys.stdout.write(f"statelint:\n{run.stdout}{run.stderr}")
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
