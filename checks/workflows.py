"""Checks the state machines: the project's own validator, which knows JSONata, and statelint.

The validator follows variables along the transitions and parses every expression (local/asl/check.py). Substitutions
are held against those that the template gives, in both directions.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks import told
from local.asl.check import SUBSTITUTION, check
from local.simulation.template import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def problems() -> Iterator[str]:
    """What the validator says, and substitutions that the template gives without use."""
    for resource in translated()["Resources"].values():
        if resource["Type"] != "AWS::StepFunctions::StateMachine":
            continue
        properties = resource["Properties"]
        name, given = properties["DefinitionS3Location"]["Key"], set(properties["DefinitionSubstitutions"])
        text = (ROOT / name).read_text(encoding="utf-8")
        yield from (f"{name}: {problem}" for problem in check(text, given))
        yield from (
            f"{name}: ${{{one}}} is given and not used" for one in sorted(given - set(SUBSTITUTION.findall(text)))
        )


def main() -> int:
    """Exit status: 0 if neither has anything to say."""
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
    return told(problems()) or run.returncode


if __name__ == "__main__":
    sys.exit(main())
