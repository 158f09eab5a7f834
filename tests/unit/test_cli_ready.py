"""`airlift ready`: what the daily check found, by gravity, and what would be restored."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody

from tests.unit.cli_world import World, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULT = {"check": "target keys", "subject": "DynamoDB", "what": "Key k: it is Disabled.", "why": "No restore."}
ORDERS = {
    "resourceArn": "arn:aws:dynamodb:ap-northeast-1:111122223333:table/orders",
    "resourceType": "DynamoDB",
    "wave": "data",
    "pointFrom": "2026-11-24T00:00:00.000Z",
    "why": "newest",
}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with deployed(monkeypatch) as made:
        yield made


def a_report(*severities: str) -> dict[str, Any]:
    counts = {severity: severities.count(severity) for severity in ("blocks", "holds", "warning", "note")}
    return {
        "checkedAt": "2026-11-24T08:00:00.000Z",
        "plan": "0123456789ab",
        "ready": not counts["blocks"] + counts["holds"],
        "counts": counts,
        "results": [RESULT | {"severity": severity, "remedy": "enable it."} for severity in severities],
        "vaults": [{"sourceBackupVaultArn": "arn:v", "types": {"DynamoDB": 1}, "leftOut": 0, "resources": [ORDERS]}],
    }


def answers(world: World, document: dict[str, Any], **more: Any) -> None:
    body = json.dumps(document).encode()
    world.script("lambda").add_response("invoke", {"Payload": StreamingBody(io.BytesIO(body), len(body)), **more})


@pytest.mark.parametrize(("severities", "code"), [((), 0), (("warning", "note"), 0), (("holds",), 3), (("blocks",), 3)])
def test_only_what_blocks_or_holds_is_not_ready(world: World, severities: tuple[str, ...], code: int) -> None:
    answers(world, a_report(*severities))
    result = world.run("ready")
    assert result.exit_code == code
    assert result.output.count("Next step: enable it.") == len(severities)
    assert "table/orders: from 2026-11-24T00:00:00.000Z, wave data (newest)" in result.output


def test_a_check_that_fails_says_so(world: World) -> None:
    answers(world, {"errorType": "Unavailable", "errorMessage": "AWS did not answer"}, FunctionError="Unhandled")
    answered = json.loads(world.run("ready", "--json").output)
    assert (answered["error"], answered["exitCode"]) == ("Unavailable", 3)
    assert "AWS did not answer" in answered["what"]
