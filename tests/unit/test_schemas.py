"""The published JSON Schemas follow the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from airlift.plan import Plan
from airlift_cli.plan_file import load
from airlift_cli.schemas import FOLDER, schemas, text_of

from tests.unit.test_inputs import ACTIONS, REFUSED, STARTS, VAULT

EXAMPLE = Path(__file__).parents[2] / "plans" / "example.yaml"


@pytest.mark.parametrize("name", schemas())
def test_the_committed_schema_is_current_and_valid(name: str) -> None:
    schema = schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (FOLDER / name).read_text(encoding="utf-8") == text_of(schema), "run python -m airlift_cli.schemas"


def test_the_schema_takes_the_example() -> None:
    document, _ = load(EXAMPLE)
    jsonschema.validate(document, schemas()["plan.schema.json"])


def test_the_schema_refuses_what_the_model_refuses() -> None:
    validator = jsonschema.Draft202012Validator(schemas()["plan.schema.json"])
    document, _ = load(EXAMPLE)
    wrong: list[dict[str, Any]] = [
        {"version": 2},
        {"waves": [{"name": "x"}]},
        {"waves": [{"name": "x", "match": [{}]}]},
        {"detectors": ["x"]},
        {"detectors": [777788889999]},
        {"points": {"candidates": 0}},
        {"new": 1},
    ]
    for fields in wrong:
        with pytest.raises(Exception, match="recovery plan"):
            Plan.from_document(document | fields)
        assert not validator.is_valid(document | fields), fields


INPUT = jsonschema.Draft202012Validator(schemas()["input.schema.json"])


@pytest.mark.parametrize("document", [document for document, _ in [*STARTS, *ACTIONS]])
def test_the_schema_takes_what_is_right(document: dict[str, Any]) -> None:
    INPUT.validate(document)


@pytest.mark.parametrize(
    "document", [document for document, words in REFUSED if words not in ("given twice", "several accounts")]
)
def test_the_schema_refuses_what_is_wrong(document: Any) -> None:
    """All but what compares two values, a time with the clock, or ends in a line break, which Python's `$` allows."""
    beyond = isinstance(document, dict) and (
        document.get("firstSign") in ("2026-01-03T00:00:01Z", "2027-01-01T00:00:00Z")
        or document.get("sourceBackupVaultArn") == VAULT + "\n"
    )
    assert INPUT.is_valid(document) == beyond
