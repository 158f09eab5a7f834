"""The offline card: every command on it is one that AWS's command line takes, and nothing on it is obeyed."""

from __future__ import annotations

import html
import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import jmespath
import pytest
import typer.main
from airlift.card import JOB, POINT, SESSION, TIME, Deployed, card
from airlift.plan import Plan
from airlift.restore import FAMILIES
from airlift_cli.main import app
from airlift_cli.plan_file import load
from botocore import xform_name
from botocore.utils import parse_timestamp
from botocore.validate import validate_parameters

from tests.unit.test_plan_check import plan, targets, vault

DEPLOYED = Deployed(
    "arn:aws:states:ap-northeast-1:444455556666:stateMachine:airlift-recovery",
    "arn:aws:iam::444455556666:role/airlift-RestoreRole-1A2B3C",
)
AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
KNOWN_THEN = {
    POINT: "arn:aws:backup:ap-northeast-1:111122223333:recovery-point:0a1b",
    SESSION: "arn:aws:mpa:us-east-1:999900001111:session/recovery/0a1b",
    JOB: "0A1B2C3D-0000-0000-0000-000000000000",
    TIME: "2026-01-31T09:30:00Z",
}
CALLS = [
    "create-restore-access-backup-vault",
    "describe-backup-vault",
    "get-session",
    "list-recovery-points-by-backup-vault",
    "get-recovery-point-restore-metadata",
    "delete-backup-vault",
    "start-restore-job",
    "describe-restore-job",
]


def page(document: dict[str, Any]) -> str:
    return card(Plan.from_document(document), DEPLOYED, at=AT, version="7")


def example() -> dict[str, Any]:
    document: dict[str, Any] = load(Path(__file__).parents[2] / "plans" / "example.yaml")[0]
    return document


def codes(text: str) -> list[str]:
    return [html.unescape(code) for code in re.findall(r"<code>(.*?)</code>", text, re.DOTALL)]


def commands(text: str) -> list[list[str]]:
    """Every command on the card, as a shell takes it apart; each way to restore goes with `start-restore-job`."""
    found = [shlex.split(code) for code in codes(text) if code.startswith("aws ")]
    start = next(words for words in found if "start-restore-job" in words)
    ways = [shlex.split(code) for code in codes(text) if code.startswith("--")]
    assert ways
    return [words for words in found if words is not start] + [start + way for way in ways]


def check_call(words: list[str]) -> None:
    """Holds the call against the service's model: its parameters and, of the answer, what --query asks for."""
    _, service, operation, *options = words
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}
    shape: Any = operations[operation].input_shape
    members = {xform_name(name, "-"): (name, member) for name, member in shape.members.items()}
    parameters: dict[str, Any] = {}
    for option, given in zip(options[::2], options[1::2], strict=True):
        value = KNOWN_THEN.get(given, given)
        if option in ("--region", "--output"):
            continue
        if option == "--query":
            check_query(operations[operation].output_shape, value)
            continue
        name, member = members[option.removeprefix("--")]
        parsers: dict[str, Any] = {"map": json.loads, "timestamp": parse_timestamp}
        parameters[name] = parsers.get(member.type_name, str)(value)
        if pattern := member.metadata.get("pattern"):
            assert re.fullmatch(pattern, value), (name, value)
    validate_parameters(parameters, shape)


def check_query(shape: Any, query: str) -> None:
    """Every name in the query is one of the answer's, however deep."""
    jmespath.compile(query)
    known: set[str] = set()
    left = [shape]
    while left:
        at = left.pop()
        members = getattr(at, "members", {})
        known |= set(members)
        left += [*members.values(), *([at.member] if at.type_name == "list" else [])]
    asked = set(re.findall(r"\b[A-Z]\w+", query))
    assert asked
    assert asked <= known, asked - known


@pytest.mark.parametrize("document", [example(), plan()], ids=["example", "small"])
def test_every_command_is_one_that_aws_takes(document: dict[str, Any]) -> None:
    found = commands(page(document))
    for words in found:
        check_call(words)
    assert [name for name in CALLS if name not in {words[2] for words in found}] == []
    assert {words[words.index("--region") + 1] for words in found if words[1] == "mpa"} == {"us-east-1"}


def test_airlifts_own_commands_exist() -> None:
    own = [shlex.split(code) for code in codes(page(example())) if code.startswith("airlift ")]
    group: Any = typer.main.get_command(app)
    assert [words[1] for words in own] == ["watch", "start"]
    for words in own:
        group.commands[words[1]].make_context(words[1], words[6:])


def test_each_vault_has_its_commands_and_those_elsewhere_are_named() -> None:
    vaults = [vault("aa"), vault("bb"), vault("cc", region="us-west-2")]
    text = page(plan(accounts=[{"id": "111122223333", "vaults": vaults}]))
    requests = [words for words in commands(text) if words[2] == CALLS[0]]
    assert [words[words.index("--source-backup-vault-arn") + 1] for words in requests] == [
        one["arn"] for one in vaults[:2]
    ]
    assert "cards" in text
    assert text.count(vaults[2]["arn"]) == 1


def test_a_long_vault_name_gives_an_access_vault_a_name_that_aws_takes() -> None:
    text = page(plan(accounts=[{"id": "111122223333", "vaults": [vault("v" * 50)]}]))
    for words in commands(text):
        check_call(words)


def test_it_says_what_must_be_known_without_a_connection() -> None:
    text = page(example() | {"approval": {"portalUrl": "https://mpa-0a1b.portal.example/?x=1&y=2"}})
    seen = html.unescape(" ".join(re.sub(r"<[^>]+>", "", text.partition("</style>")[2]).split()))
    for words in (
        "An outage of us-east-1 stops multi-party approval",
        "https://mpa-0a1b.portal.example/?x=1&y=2",
        "https://ap-northeast-1.console.aws.amazon.com/backup/home",
        "+81 3 1234 5678",
        "444455556666",
        "Written 2026-11-24 08:30 UTC from plan 7",
        "arn:aws:mpa:us-east-1:999900001111:approval-team/recovery",
    ):
        assert words in seen, words
    assert "The plan names nobody" in page(plan())
    assert "approval.portalUrl" in page(plan())


def test_each_type_is_on_it_or_named_as_lacking() -> None:
    text = page(targets())
    for family in FAMILIES:
        for kind in family.resource_types:
            assert re.search(rf"\b{kind}\b", text), kind


def test_it_fetches_nothing() -> None:
    text = page(example())
    assert not re.search(r"<(script|link|img|iframe|object)|@import|url\(|src=", text)


def test_what_people_wrote_is_shown_and_quoted_never_obeyed() -> None:
    hostile = "'; $(reboot) `id` \"<script>alert(1)</script>&"
    document = targets({"EBS": {"metadata": {"kmsKeyId": hostile}}})
    document["contacts"] = [{"name": hostile, "role": hostile, "phone": hostile, "where": hostile}]
    document["targets"]["resources"] = [{"arn": hostile, "metadata": {"kmsKeyId": hostile}}]
    text = page(document)
    assert "<script" not in text
    ebs = next(words for words in commands(text) if "EBS" in words)
    check_call(ebs)
    assert json.loads(ebs[-1])["kmsKeyId"] == hostile
