"""`airlift report --verify`: offline on a folder, and in the bucket against its versions and the ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from airlift.evidence import SUMS, digest, head, parts_in, sums
from airlift_cli.problems import Exit

from tests.unit.cli_samples import RECOVERY_ID, recovery
from tests.unit.cli_world import BUCKET, REGION, World, deployed
from tests.unit.test_evidence import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = f"recoveries/{RECOVERY_ID}/"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with deployed(monkeypatch) as world:
        yield world


@pytest.fixture
def s3(world: World) -> Any:
    """The evidence bucket, with the evidence of one recovery, and the ledger's word on it."""
    client: Any = boto3.client("s3", REGION)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for name, data in WHOLE.items():
        client.put_object(Bucket=BUCKET, Key=PLACE + name, Body=data)
    lines, last = head(parts_in(WHOLE))
    world.put([recovery(state="ENDED", evidence={"lines": lines, "sha256": last})])
    return client


def copied(folder: Path, **files: bytes) -> str:
    for name, data in {**WHOLE, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(folder)


def test_a_copied_folder_is_verified_without_aws(world: World, tmp_path: Path) -> None:
    result = world.run("report", copied(tmp_path), "--verify")
    assert (result.exit_code, result.output.splitlines()[-1]) == (Exit.OK, "As it was written.")
    report = tmp_path / "report.json"
    report.write_bytes(b"{ }")
    result = world.run("report", str(tmp_path), "--verify", "--json")
    assert result.exit_code == Exit.UNEXPECTED
    told = json.loads(result.output)
    assert [flaw["told"] for flaw in told["flaws"]] == ["report.json: altered: it does not match SHA256SUMS"]
    assert told["intact"] is False


def test_the_sums_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    copied(tmp_path)
    for line in (tmp_path / SUMS).read_text().splitlines():
        total, name = line.split("  ")
        assert digest((tmp_path / name).read_bytes()) == total


def test_evidence_in_the_bucket_is_verified(world: World, s3: Any) -> None:
    result = world.run("report", RECOVERY_ID, "--verify")
    assert (result.exit_code, result.output.splitlines()[-1]) == (Exit.OK, "As it was written.")


def test_what_was_put_in_the_place_of_evidence_or_deleted_is_named(world: World, s3: Any) -> None:
    # The same bytes again change nothing, but nobody had a reason to write them.
    s3.put_object(Bucket=BUCKET, Key=f"{PLACE}timeline-2.jsonl", Body=WHOLE["timeline-2.jsonl"])
    s3.delete_object(Bucket=BUCKET, Key=f"{PLACE}timeline-3.jsonl")
    result = world.run("report", RECOVERY_ID, "--verify")
    assert result.exit_code == Exit.UNEXPECTED
    [_, *told] = result.output.splitlines()
    assert told[:3] == [
        "timeline-3.jsonl: missing: SHA256SUMS lists it",
        "timeline-2.jsonl: altered: it was written more than once; the versions before are kept",
        "timeline-3.jsonl: missing: it was deleted; its versions are kept",
    ]
    assert told[3].startswith("the timeline: altered: the ledger says that it had 17 lines")


def test_a_report_that_was_altered_together_with_its_sum_is_named(world: World, s3: Any) -> None:
    written = {**WHOLE, "report.json": b"{ }"}
    written[SUMS] = sums({name: digest(data) for name, data in written.items()})
    for name in ("report.json", SUMS):
        s3.put_object(Bucket=BUCKET, Key=PLACE + name, Body=written[name])
    result = world.run("report", RECOVERY_ID, "--verify")
    assert result.exit_code == Exit.UNEXPECTED
    assert result.output.splitlines()[1:] == ["report.json: altered: an earlier version of SHA256SUMS says otherwise"]


def test_a_hostile_name_in_evidence_commands_no_terminal(world: World, tmp_path: Path) -> None:
    hostile = "x\x1b[2J\x1b[HAs it was written.\u202e"
    result = world.run("report", copied(tmp_path, **{hostile: b""}), "--verify")
    assert result.exit_code == Exit.UNEXPECTED
    assert all(line.isprintable() for line in result.output.split("\n"))
    assert "added: SHA256SUMS does not list it" in result.output


def test_what_has_no_evidence_yet_says_so(world: World) -> None:
    boto3.client("s3", REGION).create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    world.put([recovery()])
    result = world.run("report", RECOVERY_ID, "--verify")
    assert result.exit_code == Exit.BAD_INPUT
    assert "Nothing is kept" in result.output
