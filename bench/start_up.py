"""How long each function takes to start, against importing boto3 and making the same clients; how big the bundle is.

`PYTHONPATH=functions python -m bench.start_up`. Each start is a process of its own without site packages, with the code
and the layer as `sam build` made them and nothing to write byte code to, as on Lambda. CPU time counts, the least of
several; the clients are those that the function made in a drill and a recovery in the simulation.
"""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import botocore.session

from local.cloud import deploy
from local.cloud.running import CLOUD_PYTHON
from local.simulation.story import Story
from local.simulation.world import Simulation

if TYPE_CHECKING:
    from pathlib import Path

    from local.simulation.sdk import Call

LIMIT = 1.5
KINDS = ("table", "bucket", "volume", "files")
_MINIMUM = frozenset({"dynamodb"})
"""What a function makes that neither the drill nor the recovery called."""
NO_CLIENTS = ("validate_plan",)
"""No part of a recovery: AppConfig calls it once for each new plan. Its floor is boto3, which it does not import."""
_NAMES = {"eventbridge": "events", "sfn": "stepfunctions", "cloudwatch-logs": "logs"}
"""boto3's name of a service, where it isn't the service's id."""
_SCRIPT = """
import sys, time
sys.path[:0] = sys.argv[1:3]
began = time.process_time()
if sys.argv[3]:
    __import__(sys.argv[3])
if sys.argv[4:] or not sys.argv[3]:  # a function without a client needs no boto3
    import boto3
for service in sys.argv[4:]:
    boto3.client(service)
print(time.process_time() - began)
"""


@dataclass(frozen=True)
class Started:
    """One function's start, in seconds of CPU time."""

    function: str
    clients: list[str]
    floor: float
    seconds: float

    @property
    def ratio(self) -> float:
        """At most `LIMIT` is wanted."""
        return self.seconds / self.floor


def clients_made() -> dict[str, set[str]]:
    """boto3's names of the services that each function called, by the handler's module."""
    made: dict[str, set[str]] = defaultdict(set)
    with Simulation() as sim:
        known = set(botocore.session.Session().get_available_services())

        def watch(call: Call, _parsed: object) -> None:
            service = _NAMES.get(call.service, call.service)
            if service not in known:
                raise LookupError(f"boto3 has no client {service}")
            made[sim.lambdas.running[-1].handler.partition(".")[0]].add(service)

        sim.after_call.append(watch)
        story = Story(sim)
        story.prepare(KINDS)
        story.run_to_end(sim.start({"sourceBackupVaultArn": story.vault_arns[0], "reason": "Exercise", "drill": True}))
        sim.tick()
        story.send_finding(first_seen=sim.clock.now() - 3600)
        story.run_to_end()
        for function in sim.lambdas.functions.values():
            module = function.handler.partition(".")[0]
            made[module] |= set() if module in NO_CLIENTS else _MINIMUM
    return made


def measure(times: int = 5) -> list[Started]:
    """Every function, in the order of their names."""
    built = deploy.build(deploy.runtime()).parent
    layer = built / "DependenciesLayer" / "python"
    found = []
    for module, clients in sorted(clients_made().items()):
        code = next(path.parent for path in built.glob(f"*Function/{module}.py"))
        floor = min(_seconds(code, layer, "", clients) for _ in range(times))
        found.append(
            Started(module, sorted(clients), floor, min(_seconds(code, layer, module, clients) for _ in range(times)))
        )
    return found


def models(times: int = 5) -> float:
    """What the plan's models add, in seconds of CPU time: functions load them when they read the first plan."""
    built = deploy.build(deploy.runtime()).parent
    code, layer = built / "AdvanceRestoresFunction", built / "DependenciesLayer" / "python"
    alone, whole = (
        min(_seconds(code, layer, module, set()) for _ in range(times)) for module in ("airlift.logs", "airlift.plan")
    )
    return whole - alone


def sizes() -> dict[str, float]:
    """The zips that are uploaded, and what they hold unpacked, in MB. Lambda takes 250 MB unpacked."""
    built = deploy.build(deploy.runtime()).parent
    found: dict[str, float] = {}
    for name, folder in {"code": built / "AdvanceRestoresFunction", "layer": built / "DependenciesLayer"}.items():
        files = [path for path in folder.rglob("*") if path.is_file()]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(folder))
        found |= {
            name: len(packed.getvalue()) / 1e6,
            f"{name}, unpacked": sum(path.stat().st_size for path in files) / 1e6,
        }
    return found


def _seconds(code: Path, layer: Path, module: str, clients: set[str]) -> float:
    settings = {
        "AWS_DEFAULT_REGION": "ap-northeast-1",
        "POWERTOOLS_METRICS_NAMESPACE": "Airlift",
        "POWERTOOLS_SERVICE_NAME": "airlift",
    }
    run = [CLOUD_PYTHON, "-I", "-S", "-B", "-c", _SCRIPT, str(code), str(layer), module, *sorted(clients)]
    done = subprocess.run(run, env={"PATH": os.defpath, **settings}, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """A line for each function, and the sizes."""
    for one in measure():
        print(f"{one.function:24} {one.floor:6.3f} s  {one.seconds:6.3f} s  {one.ratio:5.2f}  {', '.join(one.clients)}")
    for name, size in sizes().items():
        print(f"{name:24} {size:6.1f} MB")


if __name__ == "__main__":
    main()
