"""Runs the rules of AWS Control Tower's proactive controls over the stack and the templates for other accounts.

Rules and cfn-guard, AWS's program that evaluates them, lie inside one package of .venv-guard. What a rule refuses has a
reason in checks/control-tower.yaml, and no reason there is without use.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from checks import told
from checks.deployed import deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
REASONS = Path(__file__).with_name("control-tower.yaml")
PACKAGE = ".venv-guard/lib/python*/site-packages/cdklabs/cdk_validator_cfnguard/_jsii/*.tgz"
PROGRAMS = {
    ("Linux", "x86_64"): "ubuntu/x86_64",
    ("Linux", "aarch64"): "ubuntu/aarch64",
    ("Darwin", "x86_64"): "macos/x86_64",
    ("Darwin", "arm64"): "macos/aarch64",
}
RULES = "package/rules/"
RULE = re.compile(r"\[(CT\.[A-Z0-9]+\.PR\.\d+)\]: (.+)")
PLACE = re.compile(r"/Resources/(\w+)")
EVERY = "every resource"
REFUSED = 19
"""cfn-guard's exit status when a rule refuses something; other failures have other ones."""


def unpacked(folder: Path) -> tuple[Path, Path]:
    """The program for this machine and the folder of rules. Exits where there is no such program."""
    system = (platform.system(), platform.machine())
    if system not in PROGRAMS:
        sys.exit(f"checks/control_tower.py: cfn-guard's package has no program for {' '.join(system)}")
    (package,) = ROOT.glob(PACKAGE)
    program = f"package/bin/{PROGRAMS[system]}/cfn-guard"
    with tarfile.open(package) as archive:
        wanted = [one for one in archive.getmembers() if one.name == program or one.name.startswith(RULES)]
        archive.extractall(folder, wanted, filter="data")
    return folder / program, folder / RULES


def refusals(program: Path, rules: Path, template: Path) -> Iterator[tuple[str, str, str]]:
    """(control, its words, logical id) of each resource that a rule refuses; also fails if no rule applied at all."""
    command: list[str | Path] = [
        program,
        "validate",
        "--rules",
        rules,
        "--data",
        template,
        "--structured",
        "--output-format",
        "json",
    ]
    run = subprocess.run([*command, "--show-summary", "none"], capture_output=True, text=True, check=False)
    if run.returncode not in (0, REFUSED):
        sys.exit(f"cfn-guard could not look at {template}: {run.stderr}")
    (report,) = json.loads(run.stdout)
    for rule in report["not_compliant"]:
        text = json.dumps(rule)
        found = RULE.search(text.replace("\\n", "\n"))
        if found is None:
            sys.exit(f"cfn-guard refuses without naming a control: {text}")
        for resource in sorted(set(PLACE.findall(text))):
            yield found[1], found[2].strip(), resource


def stack_document() -> dict[str, Any]:
    """The stack's resources with all references resolved: the rules can't see through them."""
    made = deployed().made
    return {
        "Resources": {
            name: {"Type": kind, "Properties": properties}
            for kind, found in made.items()
            for name, properties in found.items()
        }
    }


def problems() -> Iterator[str]:
    """What is refused without a reason, and reasons that nothing needs."""
    reasons: dict[str, dict[str, str]] = yaml.safe_load(REASONS.read_text(encoding="utf-8"))
    needed: set[tuple[str, str]] = set()
    with tempfile.TemporaryDirectory() as folder:
        program, rules = unpacked(Path(folder))
        stack = Path(folder, "template.yaml")
        stack.write_text(json.dumps(stack_document()), encoding="utf-8")
        for template in (stack, *sorted((ROOT / "accounts").glob("*/*.yaml"))):
            for control, words, resource in refusals(program, rules, template):
                allowed = {EVERY, resource} & set(reasons.get(control, {}))
                needed |= {(control, one) for one in allowed}
                if not allowed:
                    yield f"{template.name}: {resource}: {control}: {words}"
    for control, explained in reasons.items():
        for resource in explained:
            if (control, resource) not in needed:
                yield f"{REASONS.name} has a reason for {control} and {resource}, which nothing needs"


if __name__ == "__main__":
    sys.exit(told(problems()))
