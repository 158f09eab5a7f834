"""`airlift report`, `drills` and `card`: what was kept, how long it took, and the page for the worst day."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airlift.history import facts
from airlift.ledger import Record, item_key, keyed, recovery_key, vault_key
from airlift_cli import drills
from botocore.response import StreamingBody

from tests.unit.cli_samples import ENDED, RECOVERY_ID, RUNNING, VAULT, recovery, vault
from tests.unit.cli_world import BUCKET, OUTPUTS, World, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "plans" / "example.yaml"
KEY = f"recoveries/{RECOVERY_ID}/summary.json"
DRILL = "drill-20261101-111122223333-0a1b"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
REPORT = {
    "recoveryId": RECOVERY_ID,
    "account": "111122223333",
    "outcome": "ResourcesNotRestored",
    "cause": "1 of 6 resources failed.",
    "objectivesMet": {},
    "vaults": [
        {
            "sourceBackupVaultArn": VAULT,
            "ending": {"name": "ResourcesNotRestored", "cause": "1 failed"},
            "counts": {"failed": 1},
            "resources": [{"resourceArn": "arn:aws:s3:::x", "wanted": True, "state": "failed", "reason": "expired"}],
        }
    ],
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with deployed(monkeypatch) as world:
        yield world


def listed(*records: Record) -> list[Record]:
    return [keyed(("RECOVERIES", RECOVERY_ID), createdAt="2026-11-24T08:36:03.123Z"), *records]


def body(content: bytes) -> dict[str, Any]:
    return {"Body": StreamingBody(io.BytesIO(content), len(content))}


def with_report(world: World) -> None:
    world.put(listed(ENDED.recovery, *ENDED.vaults))
    world.script("s3").add_response("get_object", body(json.dumps(REPORT).encode()), {"Bucket": BUCKET, "Key": KEY})


def test_the_newest_report_is_told_in_words_and_written_as_it_is(world: World, tmp_path: Path) -> None:
    with_report(world)
    file = tmp_path / "report.json"
    result = world.run("report", "--out", str(file))
    assert result.exit_code == 0
    assert "Recovery of account 111122223333: ResourcesNotRestored" in result.output
    assert "failed: arn:aws:s3:::x expired" in result.output
    assert f"s3://{BUCKET}/{KEY}" in result.output
    assert json.loads(file.read_text()) == REPORT


def test_the_page_of_a_report(world: World, tmp_path: Path) -> None:
    with_report(world)
    page = {"Bucket": BUCKET, "Key": f"recoveries/{RECOVERY_ID}/report.html"}
    world.script("s3").add_response("get_object", body(b"<!DOCTYPE html>"), page)
    file = tmp_path / "report.html"
    assert world.run("report", RECOVERY_ID, "--out", str(file)).exit_code == 0
    assert file.read_text() == "<!DOCTYPE html>"


def test_a_report_can_be_written_anew(world: World) -> None:
    with_report(world)
    told = body(json.dumps({"recoveryId": RECOVERY_ID, "reportKey": KEY}).encode())
    function = {"FunctionName": "airlift-write-report", "Payload": json.dumps({"recoveryId": RECOVERY_ID}).encode()}
    world.script("lambda").add_response("invoke", {"Payload": told["Body"]}, function)
    assert "Recovery of account" in world.run("report", "--refresh").output
    world.script("lambda").assert_no_pending_responses()


def test_a_report_that_is_not_written_says_why(world: World) -> None:
    world.put(listed(ENDED.recovery, *ENDED.vaults))
    told = body(json.dumps({"errorType": "Unavailable", "errorMessage": "written by another"}).encode())
    world.script("lambda").add_response("invoke", {"Payload": told["Body"], "FunctionError": "Unhandled"})
    result = world.run("report", "--refresh")
    assert result.exit_code == 1
    assert "not written: written by another" in result.output


def test_a_report_as_json(world: World) -> None:
    with_report(world)
    assert json.loads(world.run("report", RECOVERY_ID, "--json").output) == REPORT


def test_a_recovery_that_runs_has_no_report(world: World) -> None:
    world.put(listed(RUNNING.recovery))
    result = world.run("report")
    assert result.exit_code == 2
    assert f"has no report yet: it is RUNNING. Next step: follow it with `airlift watch {RECOVERY_ID}`" in result.output


def drilled(**changes: Any) -> list[Record]:
    """A drill of two resources: access after 90 s, restored after five minutes and after an hour."""
    values: dict[str, Any] = {
        "recoveryId": DRILL,
        "mode": "drill",
        "state": "ENDED",
        "outcome": "Recovered",
        "createdAt": "2026-11-01T08:00:00.000Z",
        "endedAt": "2026-11-01T09:10:00.000Z",
    }
    times: dict[str, Any] = {
        "requestedAt": "2026-11-01T08:00:10.000Z",
        "grantedAt": "2026-11-01T08:01:40.000Z",
        "selected": 3,
    }
    items = {
        "a": ("validated", "2026-11-01T08:05:00.000Z"),
        "b": ("restored", "2026-11-01T09:00:00.000Z"),
        "c": ("failed", "2026-11-01T09:05:00.000Z"),
    }
    return [
        keyed(("RECOVERIES", DRILL), createdAt=values["createdAt"]),
        recovery(**values, **changes) | keyed(recovery_key(DRILL)),
        vault(**times) | keyed(vault_key(DRILL, VAULT)),
        *(keyed(item_key(DRILL, VAULT, arn), state=state, endedAt=at) for arn, (state, at) in items.items()),
    ]


def test_drills_and_recoveries_are_compared(world: World) -> None:
    first, *_ = kept = drilled()
    report = {
        "recoveryId": DRILL,
        "account": "111122223333",
        "mode": "drill",
        "outcome": "Recovered",
        "createdAt": first["createdAt"],
        "endedAt": "2026-11-01T09:10:00.000Z",
        "writtenAt": "2026-11-01T09:10:00.000Z",
        "objectivesMet": {"rto": {"met": 2, "missed": 1}, "rpo": {"met": 0, "missed": 0}},
        "vaults": [kept[2] | {"resources": [one | {"resourceType": "DynamoDB"} for one in kept[3:]]}],
    }
    world.put([*kept, facts(report, "report.json"), *listed(*RUNNING.vaults, RUNNING.recovery, *RUNNING.items)])
    result = world.run("drills")
    _, running, drill, _, last, *_ = result.output.splitlines()
    assert running.split()[:8] == [*("2026-11-24", "08:36", "real", "111122223333", "RUNNING", "22s", "1m37s", "1m37s")]
    assert drill.split()[2:9] == ["drill", "111122223333", "Recovered", "1m30s", "5m00s", "1h00m", "2/3"]
    assert last.startswith("Account 111122223333: last drilled with success 2026-11-01, ")
    [_, told] = json.loads(world.run("drills", "--json").output)
    assert told == {
        "recoveryId": DRILL,
        "account": "111122223333",
        "mode": "drill",
        "state": "ENDED",
        "outcome": "Recovered",
        "createdAt": "2026-11-01T08:00:00.000Z",
        "endedAt": "2026-11-01T09:10:00.000Z",
        "approvalSeconds": 90.0,
        "firstRestoreSeconds": 300.0,
        "lastRestoreSeconds": 3600.0,
        "restored": 2,
        "selected": 3,
        "objectives": report["objectivesMet"],
        "changes": None,
    }


def test_what_has_not_come_about_is_left_out_and_a_failed_drill_is_no_drill() -> None:
    run = drills.run_of(recovery(mode="drill", outcome="ApprovalRejected", endedAt="2026-11-24T09:00:00Z"), [], [])
    assert {name for name, value in run.facts.items() if value} == set()
    words = drills.lines([run], [], NOW, 200).plain
    assert "Account 111122223333: no drill has restored everything yet." in words


def test_without_any_it_says_how_to_start_one(world: World) -> None:
    assert "airlift start --drill starts one" in world.run("drills").output


def test_the_card_of_the_plan_in_force(world: World, tmp_path: Path) -> None:
    app_config = world.script("appconfig")
    complete = {"State": "COMPLETE", "ConfigurationVersion": "7", "CompletedAt": NOW}
    plan = {
        "version": 1,
        "accounts": [{"id": "111122223333", "vaults": [{"arn": VAULT}]}],
        "contacts": [{"name": "Ana", "role": "leads"}],
    }
    app_config.add_response("list_deployments", {"Items": [complete]})
    content = body(json.dumps(plan).encode())["Body"]
    app_config.add_response("get_hosted_configuration_version", {"Content": content})
    file = tmp_path / "card.html"
    result = world.run("card", "--out", str(file))
    assert (result.exit_code, f"Written to {file}" in result.output) == (0, True)
    text = file.read_text()
    for words in (VAULT, "Ana", OUTPUTS["RestoreRoleArn"], "from plan 7", "stack airlift"):
        assert words in text


def test_the_card_of_a_plan_in_a_file(world: World, tmp_path: Path) -> None:
    file = tmp_path / "card.html"
    result = world.run("card", "--plan", str(EXAMPLE), "--out", str(file), "--json")
    assert json.loads(result.output) == {"file": str(file)}
    assert "from plan example.yaml" in file.read_text()


def test_what_can_be_neither_read_nor_written_is_told(world: World, tmp_path: Path) -> None:
    lost = world.run("card", "--plan", str(tmp_path / "none.yaml"))
    assert (lost.exit_code, "can't be read: No such file" in lost.output) == (2, True)
    full = world.run("card", "--plan", str(EXAMPLE), "--out", str(tmp_path / "none" / "card.html"))
    assert (full.exit_code, "give another place with --out" in full.output) == (2, True)
    broken = tmp_path / "plan.yaml"
    broken.write_text("version: 1\n")
    assert world.run("card", "--plan", str(broken)).exit_code == 2
