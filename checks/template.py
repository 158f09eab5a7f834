"""Lints template.yaml with the state machines' definitions inside it, and the templates in accounts/.

Neither `sam validate --lint` nor cfn-lint opens a DefinitionUri, so mistakes in a definition, or a substitution that
the template doesn't give, would pass. Run by the Python of .venv-sam, beside which `sam` and `cfn-lint` lie.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REGION = "ap-northeast-1"
REGIONS = {"approval-team.yaml": "us-east-1", "tampering.yaml": "us-east-1"}
"""Where a template of accounts/ is deployed, if not to REGION."""

ROOT = Path(__file__).parent.parent
SAM, CFN_LINT = (Path(sys.executable).with_name(tool) for tool in ("sam", "cfn-lint"))


class NoManagedPolicies:
    """Stands for the list of AWS's managed policies, which only an account can give; the template names none."""

    def load(self) -> dict[str, str]:
        """No names, hence no ARNs."""
        return {}


def inlined(template: Path) -> dict[str, Any]:
    """The SAM template as a dict, each definition in place of its DefinitionUri."""
    from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

    source: dict[str, Any] = yaml_parse(template.read_text(encoding="utf-8"))
    for resource in source["Resources"].values():
        properties = resource.get("Properties", {})
        if "DefinitionUri" in properties:
            path = template.parent / properties.pop("DefinitionUri")
            properties["Definition"] = json.loads(path.read_text(encoding="utf-8"))
    return source


def expanded(source: dict[str, Any]) -> dict[str, Any]:
    """The CloudFormation template that AWS makes of the SAM template, each definition as one string."""
    from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

    sections = [source["Globals"]["Function"], *(r.get("Properties", {}) for r in source["Resources"].values())]
    for section in sections:
        for uri in section.keys() & {"CodeUri", "ContentUri"}:
            section[uri] = "s3://artifacts/key"  # as `sam package` leaves it
    template: dict[str, Any] = transform(source, {}, NoManagedPolicies())
    for resource in template["Resources"].values():
        match resource.get("Properties", {}).get("DefinitionString"):
            case {"Fn::Join": [separator, lines]}:
                resource["Properties"]["DefinitionString"] = separator.join(lines)
    return template


def passes(template: Path, *command: str | Path) -> bool:
    """Whether a lint of `template` passes; what it says goes to the terminal."""
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.stdout.write(f"{Path(command[0]).name} refuses {template.name}:\n{run.stdout}{run.stderr}")
    return run.returncode == 0


def stack_passes(template: Path) -> bool:
    """Whether the SAM template passes both lints."""
    with tempfile.TemporaryDirectory() as folder:
        sam, cloudformation = Path(folder, "sam.json"), Path(folder, "cloudformation.json")
        source = inlined(template)
        sam.write_text(json.dumps(source, indent=1), encoding="utf-8")
        cloudformation.write_text(json.dumps(expanded(source), indent=1), encoding="utf-8")
        results = (
            passes(template, SAM, "validate", "--lint", "--region", REGION, "--template-file", sam),
            passes(template, CFN_LINT, "--regions", REGION, "--template", cloudformation),
        )
    return all(results)


def account_passes(template: Path) -> bool:
    """Whether a plain CloudFormation template passes its lint, in the Region it is meant for."""
    region = REGIONS.get(template.name, REGION)
    return passes(template, CFN_LINT, "--regions", region, "--template", template)


def main() -> int:
    """Exit status: 0 if every lint passes."""
    for tool in (SAM, CFN_LINT):
        if not tool.exists():
            sys.exit(f"checks/template.py needs {tool.name}: run it through `make check`, which makes .venv-sam")
    os.environ.update(SAM_CLI_TELEMETRY="0", AWS_DEFAULT_REGION=REGION)
    accounts = sorted((ROOT / "accounts").glob("*/*.yaml"))
    results = [stack_passes(ROOT / "template.yaml"), *map(account_passes, accounts)]
    return 0 if accounts and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
