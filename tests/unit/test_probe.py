"""`airlift probe`: every row of the checklist has a step or a reason, and what is shared is masked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from airlift_cli.main import app
from airlift_cli.probe import _clients
from airlift_cli.probe_by_hand import BY_HAND
from airlift_cli.probe_run import OWNER, RECOVERY, TEAM, TEAM_REGION, Missing, State, masked
from airlift_cli.probe_steps import STEPS
from airlift_cli.problems import Exit
from typer.testing import CliRunner

CHECKLIST = (Path(__file__).parents[2] / "docs/real-aws-checklist.md").read_text()
ROWS = [line[2:] for line in CHECKLIST.splitlines() if line.startswith("| ") and " how to verify " not in line]
BY_STEP = [row for step in STEPS for row in step.rows]
BY_PEOPLE = [row for rows in BY_HAND.values() for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[:40])
def test_a_row_has_one_step_or_one_reason_to_be_left_to_people(row: str) -> None:
    assert len([start for start in [*BY_STEP, *BY_PEOPLE] if row.startswith(start)]) == 1


def test_steps_and_reasons_name_rows_that_are_there() -> None:
    assert [start for start in [*BY_STEP, *BY_PEOPLE] if not any(row.startswith(start) for row in ROWS)] == []


def test_steps_say_what_they_do_and_leave() -> None:
    assert len({step.id for step in STEPS}) == len(STEPS)
    assert all(step.does and step.leaves for step in STEPS)


def test_without_run_it_only_tells_what_it_would_do() -> None:
    told = CliRunner().invoke(app, ["probe", "--json"])
    assert told.exit_code == Exit.OK
    document = json.loads(told.output)
    assert [step["id"] for step in document["steps"]] == [step.id for step in STEPS]
    assert sum(len(one["rows"]) for one in document["byHand"]) == len(BY_PEOPLE)
    assert f"{len(BY_PEOPLE)} rows by hand" in CliRunner().invoke(app, ["probe"]).output


def test_a_walk_needs_a_vault_and_a_yes() -> None:
    assert CliRunner().invoke(app, ["probe", "--run"]).exit_code == Exit.BAD_INPUT
    vault = "arn:aws:backup:ap-northeast-1:111122223333:backup-vault:test"
    assert CliRunner().invoke(app, ["probe", "--run", "--vault", vault], input="n\n").exit_code == Exit.BAD_INPUT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no arn:aws:backup:x:111122223333:backup-vault:v.", "no <ARN of backup>"),
        ("User: arn:aws:sts::444455556666:assumed-role/a/b is", "User: <ARN of sts> is"),
        ("account 111122223333\nsays", "account <account> says"),
        ("job 0f8fad5b-d9cb-469f-a165-70867728950e", "job <id>"),
        ("by ana@example.com", "by <address>"),
        ("CREATING; told: True", "CREATING; told: True"),
    ],
)
def test_what_is_shared_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert not re.search(r"\d{12}", masked(text))


def test_each_account_has_its_profile_and_the_vaults_region() -> None:
    client = _clients({RECOVERY: None, OWNER: None, TEAM: None}, "eu-west-1")
    assert client(RECOVERY, "backup", None).meta.region_name == "eu-west-1"
    assert client(RECOVERY, "mpa", TEAM_REGION).meta.region_name == "us-east-1"
    for who in (OWNER, TEAM):
        with pytest.raises(Missing, match=f"--{who}-profile"):
            client(who, "backup", None)


def test_what_a_later_run_needs_is_for_its_owner_alone(tmp_path: Path) -> None:
    state = State.read(tmp_path / "state.json")
    state.facts["arn"] = "x"
    state.keep()
    assert (state.path.stat().st_mode & 0o777, State.read(state.path).facts) == (0o600, {"arn": "x"})


def test_a_result_that_can_not_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    vault, role = "arn:aws:backup:ap-northeast-1:111122223333:backup-vault:test", "arn:aws:iam::444455556666:role/r"
    words = ["probe", "--clean-up", "--yes", "--vault", vault, "--restore-role", role]
    words += ["--state", str(tmp_path / "state.json"), "--out", str(tmp_path / "nowhere/result.json")]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, "nowhere/result.json can't be written" in result.output) == (Exit.BAD_INPUT, True)
