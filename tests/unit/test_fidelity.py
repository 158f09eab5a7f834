"""docs/fidelity.md: each documented refusal names its source and a test that exists and looks for a refusal."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/fidelity.md").read_text()
ROW = re.compile(r"^\| (?!refused)([^|]+) \| \[[^]]+\]\(https://[^)\s]+\) \| ([^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
REFUSALS = (
    *("refused(", "ClientError", "FAILED", "StatusMessage", "ThrottlingException", "INACTIVE", "VaultState"),
    *("taken", "not authorized"),
)
"""What a test looks for that sees something refused: the error of a call, or a job, vault or team that fails."""


def _body(path: str, name: str) -> str:
    source = (ROOT / path).read_text()
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert found, f"{path} has no {name}"
    return ast.get_source_segment(source, found[0]) or ""


@pytest.mark.parametrize("test", sorted(set(TEST.findall(DOCUMENT))), ids="::".join)
def test_the_named_test_looks_for_a_refusal(test: tuple[str, str]) -> None:
    assert any(sign in _body(*test) for sign in REFUSALS)


def test_every_row_has_source_and_test_and_is_counted() -> None:
    seen = ROW.findall(DOCUMENT)
    rows = [line for line in DOCUMENT.splitlines() if re.match(r"\| (?!refused)", line)]
    assert len(seen) == len(rows)
    assert all(TEST.fullmatch(test) for _, test in seen)
    assert f"\n{len(seen)} of {len(rows)} documented refusals" in DOCUMENT
