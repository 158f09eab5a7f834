"""Faults on the deployed stack: processes are killed, connections closed, an event is lost. Run by `make faults`.

Its name keeps it out of `make test`. The simulation plays all faults; here a few happen for real.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from airlift.aws import TRIES

from local.cloud.running import RECOVERY
from tests.e2e.desk import Desk, until
from tests.e2e.test_ways_to_start import restored

if TYPE_CHECKING:
    from collections.abc import Iterator

CREATE, START = "CreateRestoreAccessBackupVault", "StartRestoreJob"


@dataclass(frozen=True)
class Fault:
    """A fault planned through a local-only door."""

    name: str
    door: str
    planned: dict[str, Any]


def _killed(step: str, request: str) -> dict[str, str]:
    """The process of a step dies when a request of its own has had its effect, before it is answered."""
    return {"function": step, "request": request}


def _dropped(operation: str, *, after: bool) -> dict[str, Any]:
    """The connection is closed without a word, as often as the SDK tries."""
    return {
        "service": "backup",
        "operation": operation,
        "kind": "drop",
        "times": TRIES,
        "after_effect": after,
    }


FAULTS = (
    Fault(
        "RequestVaultAccess is killed after its request",
        "kill",
        _killed("RequestVaultAccess", "PUT /restore-access-backup-vaults"),
    ),
    Fault(
        "AdvanceRestores is killed after it started a restore job",
        "kill",
        _killed("AdvanceRestores", "PUT /restore-jobs"),
    ),
    Fault(
        "CloseRecovery is killed after its first write",
        "kill",
        _killed("CloseRecovery", "DynamoDB_20120810.TransactWriteItems"),
    ),
    Fault("the request for access never arrives", "fail-call", _dropped(CREATE, after=False)),
    Fault("the request for access is not answered", "fail-call", _dropped(CREATE, after=True)),
    Fault("the start of a restore job never arrives", "fail-call", _dropped(START, after=False)),
    Fault("the start of a restore job is not answered", "fail-call", _dropped(START, after=True)),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_recovery_ends_as_if_nothing_had_happened(desk: Desk, fault: Fault) -> None:
    jobs, before, known = restore_jobs(desk), desk.newest(), len(desk.story.requests())
    desk.cloud.door(fault.door, fault.planned)
    desk.story.send_finding()
    recovery_id = desk.new_recovery(before)
    desk.vote(recovery_id)

    ended = desk.ended(desk.executions()[0])
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    restored(desk, recovery_id)
    assert unhit(desk) == 0, "the planned fault never happened"
    assert len(restore_jobs(desk) - jobs) == 1, "one attempt started two jobs"
    asked = {mail["sessionArn"] for mail in desk.story.requests()[known:]}
    assert len(asked) == 1, "people were asked twice"


@pytest.fixture
def deaf(desk: Desk) -> Iterator[None]:
    """The rule on ended executions gets no events meanwhile."""
    events = desk.cloud.client("events", RECOVERY)
    name = next(one["Name"] for one in events.list_rules()["Rules"] if "ExecutionEnded" in one["Name"])
    events.disable_rule(Name=name)
    yield
    events.enable_rule(Name=name)


@pytest.mark.usefixtures("deaf")
def test_an_ending_of_which_no_event_tells_is_closed_by_the_janitor(desk: Desk) -> None:
    before = desk.newest()
    desk.story.send_finding()
    recovery_id = desk.new_recovery(before)
    desk.session(recovery_id)
    desk.states.stop_execution(executionArn=desk.executions()[0], error="Stopped", cause="by mistake")
    assert desk.status(recovery_id)["state"] != "ENDED"
    janitor = next(name for name in functions(desk) if "-Janitor" in name)
    desk.cloud.client("lambda", RECOVERY).invoke(FunctionName=janitor, Payload=json.dumps({}))

    until(lambda: desk.status(recovery_id)["state"] == "ENDED", "the recovery to be closed")
    asked = len(desk.story.requests())
    execution = desk.console({"recoveryId": recovery_id, "action": "resume"})
    until(lambda: len(desk.story.requests()) > asked, "the request to be made again")
    desk.vote(recovery_id)
    resumed = desk.ended(execution)
    assert resumed["status"] == "SUCCEEDED", resumed.get("cause")
    restored(desk, recovery_id)


def functions(desk: Desk) -> list[str]:
    """The names of the stack's functions."""
    pages = desk.cloud.client("lambda", RECOVERY).get_paginator("list_functions").paginate()
    return [str(one["FunctionName"]) for page in pages for one in page["Functions"]]


def restore_jobs(desk: Desk) -> set[str]:
    """The ids of all restore jobs of the recovery account."""
    pages = desk.cloud.client("backup", RECOVERY).get_paginator("list_restore_jobs").paginate()
    return {str(job["RestoreJobId"]) for page in pages for job in page["RestoreJobs"]}


def unhit(desk: Desk) -> int:
    """How many planned faults have not happened."""
    return int(desk.cloud.door("clock", {"behind": 0})["unhit"])
