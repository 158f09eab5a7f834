"""Puts Airlift into the local cloud as it is put into AWS: `sam build`, `sam deploy`, `airlift plan deploy`."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local.cloud.running import CLOUD_PYTHON, DETECTOR, RECOVERY, ROOT, SAM, WORK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.cloud.running import Cloud

STACK = "airlift"
AIRLIFT = str(Path(sys.executable).with_name("airlift"))
_SOURCES = ("functions", "dependencies", "statemachine", "template.yaml")


class CommandFailed(RuntimeError):
    """A program that Airlift is deployed with failed; holds what it printed."""


def runtime() -> str:
    """The Lambda runtime of the Python that runs the local cloud, such as python3.13."""
    version = "import sys; print('python%d.%d' % sys.version_info[:2])"
    return run([CLOUD_PYTHON, "-c", version], os.environ).strip()


def build(runtime: str) -> Path:
    """The built template: built now, or before from the same sources for the same runtime."""
    place = WORK / "build" / _digest(runtime)
    template = place / "template.yaml"
    WORK.mkdir(exist_ok=True)
    with (WORK / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a demo and a test may want it at one moment
        if not template.exists():
            shutil.rmtree(place.parent, ignore_errors=True)
            tools = {
                "PATH": f"{Path(CLOUD_PYTHON).parent}{os.pathsep}{os.environ.get('PATH', '')}",
                "LAYER_PYTHON": CLOUD_PYTHON,
                "LAYER_WHEELS": "",  # this machine's own
            }
            options = ["--build-dir", str(place), "--cache-dir", str(WORK / "cache"), "--cached", "--parallel"]
            _sam(["build", *options, "--parameter-overrides", f"LambdaRuntime={runtime}"], os.environ | tools)
    return template


def deploy(cloud: Cloud, template: Path, runtime: str) -> None:
    """`sam deploy` of the built template into the recovery account."""
    parameters = [f"LambdaRuntime={runtime}", f"DetectorAccounts={DETECTOR}", "LogLevel=DEBUG"]
    options = ["--template-file", str(template), "--stack-name", STACK, "--capabilities", "CAPABILITY_NAMED_IAM"]
    quiet = ["--resolve-s3", "--no-confirm-changeset", "--no-progressbar"]
    _sam(
        ["deploy", *options, *quiet, "--parameter-overrides", *parameters],
        cloud.environment(RECOVERY) | {"SAM_CLI_POLL_DELAY": "0.5"},
    )


def deploy_plan(cloud: Cloud, plan: Path) -> None:
    """`airlift plan deploy`."""
    run([AIRLIFT, "--stack", STACK, "plan", "deploy", str(plan)], cloud.environment(RECOVERY))


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a program prints. Raises CommandFailed with all of it if it fails."""
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}")
    return done.stdout


def _sam(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    run([SAM, *arguments], {**environment, "SAM_CLI_TELEMETRY": "0"})


def _digest(runtime: str) -> str:
    digest = hashlib.sha256(runtime.encode())
    for source in _SOURCES:
        top = ROOT / source
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
