"""The plan as a YAML file: the example is sound, and each problem has its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from airlift.errors import PlanInvalid
from airlift.plan import Plan
from airlift_cli.plan_file import load, problems_with_lines

EXAMPLE = Path(__file__).parents[2] / "plans" / "example.yaml"


def told(folder: Path, text: str | bytes) -> list[tuple[int, str]]:
    file = folder / "plan.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return [(located.line, str(located.problem)) for located in problems_with_lines(file)]


def test_the_example_is_sound_and_says_what_it_seems_to_say() -> None:
    assert problems_with_lines(EXAMPLE, region="ap-northeast-1") == []
    document, lines = load(EXAMPLE)
    plan = Plan.from_document(document)
    assert plan.wave_of("S3", "arn:aws:s3:::orders-photos", "orders-photos") == (0, 0)
    assert plan.excluded("S3", "arn:aws:s3:::web-access-logs", "web-access-logs")
    assert EXAMPLE.read_text(encoding="utf-8").splitlines()[lines["waves", 1, "name"] - 1] == "  - name: storage"


def test_the_example_shows_the_default_values() -> None:
    """Its head says so; what it says of itself must stay true."""
    document, _ = load(EXAMPLE)
    shown = Plan.from_document(document)
    plain = Plan.from_document({"version": 1, "accounts": document["accounts"]})
    for part in ("approval", "points", "retries", "notifications"):
        assert getattr(shown, part) == getattr(plain, part)


def test_problems_stand_at_their_lines(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    text = text.replace("types: [DynamoDB, S3]", "types: [DynamoDB, s3]").replace(
        "marginMinutes: 15", "marginMinute: 15"
    )
    rows = text.splitlines()
    assert told(tmp_path, text.replace("marginMinute: 15", "marginMinutes: 15")) == [
        (
            rows.index("      - types: [DynamoDB, s3]") + 1,
            'waves[0].match[0].types[1]: s3 is no resource type of AWS Backup. Did you mean "S3"?',
        )
    ]
    assert told(tmp_path, text) == [
        (
            rows.index("  marginMinute: 15") + 1,
            'points.marginMinute: This field is unknown. Did you mean "marginMinutes"?',
        )
    ]


def test_what_is_missing_stands_at_what_should_hold_it(tmp_path: Path) -> None:
    found = told(tmp_path, "version: 1\naccounts:\n  - name: x\n    vaults:\n      - {}\n")
    assert found == [
        (3, "accounts[0].id: This field is missing. Add it."),
        (5, "accounts[0].vaults[0].arn: This field is missing. Add it."),
    ]
    assert told(tmp_path, "") == [
        (1, "(the whole document): Fields with values are expected here. Write them as a group.")
    ]


def test_an_unquoted_account_is_explained(tmp_path: Path) -> None:
    found = told(tmp_path, "version: 1\naccounts: []\ndetectors:\n  - 777788889999\n")
    assert (4, "detectors[0]: Text is expected here. Put the value in quotes.") in found


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version: 1\naccounts: [\n", 3, "This is no YAML"),
        ("version: 1\n\tx: 1\n", 2, "This is no YAML"),
        ("version: 1\nversion: 1\n", 2, "stands here twice"),
        ("version: 1\nx: !!python/object:os.system {}\n", 2, "This is no YAML"),
        ("version: 1\nx: &a [*a]\n", 2, "alias"),
        ("version: 1\n? [a]\n: 1\n", 2, "name is text"),
        (b"\xff\xfe\x00", 1, "This is no YAML"),
        ("a: 1\n---\nb: 1\n", 2, "This is no YAML"),
    ],
)
def test_what_is_no_plan_file_is_a_problem_with_a_line(
    tmp_path: Path, text: str | bytes, line: int, words: str
) -> None:
    [(found, what)] = told(tmp_path, text)
    assert (found, words in what) == (line, True), what
    with pytest.raises(PlanInvalid):
        load(tmp_path / "plan.yaml")


def test_dates_stay_text_and_merge_keys_work(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("a: &base {when: 2026-01-02}\nb:\n  <<: *base\n  x: 1\n", encoding="utf-8")
    document, lines = load(file)
    assert document == {"a": {"when": "2026-01-02"}, "b": {"when": "2026-01-02", "x": 1}}
    assert lines["b", "x"] == 4
