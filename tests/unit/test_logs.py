"""What the log masks, and who sets its level."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from airlift import logs
from airlift.runtime import step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airlift.vaults import VaultWork


class Context:
    """What Lambda hands to a handler, as far as the logger reads it."""

    function_name = "airlift-step"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:ap-northeast-1:444455556666:function:airlift-step"
    aws_request_id = "0a1b2c3d"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What is logged, as it leaves the function."""
    written: list[dict[str, Any]] = []
    handler = logs.logger.registered_handler
    monkeypatch.setattr(handler, "emit", lambda record: written.append(json.loads(handler.format(record))))
    yield written
    logs.set_level(None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"metadata": {"MasterUserPassword": "hunter2", "Port": "1"}}, {"MasterUserPassword": "***", "Port": "1"}),
        ({"metadata": [{"IdempotencyToken": "ab12"}]}, [{"IdempotencyToken": "***"}]),
        ({"metadata": {"RequesterComment": "hunter2"}}, {"RequesterComment": "***"}),
        ({"metadata": {"finding": {"title": "Root!", "level": 8}}}, {"finding": {"title": "***", "level": 8}}),
        ({"metadata": {"description": "rm -rf /"}}, {"description": "***"}),
        ({"metadata": {"token": None}}, {"token": None}),
        ({"metadata": 7}, 7),
    ],
)  # fmt: skip
def test_values_of_sensitive_keys_are_masked(
    lines: list[dict[str, Any]], given: dict[str, Any], expected: object
) -> None:
    logs.logger.error("said", extra=given)
    assert lines[-1]["metadata"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Invalid MasterUserPassword: 'hunter 2' is short", "Invalid MasterUserPassword: *** is short"),
        ('sent {"masterUserPassword": "hunter2", "port": 1}', 'sent {"masterUserPassword": ***, "port": 1}'),
        ("clientToken=ab-12&x=1", "clientToken=***&x=1"),
        ("by AKIAIOSFODNN7EXAMPLE.", "by ***."),
        ("kmsKeyId: arn:aws:kms:…", "kmsKeyId: arn:aws:kms:…"),
        ("the password of the source", "the password of the source"),
    ],
)
def test_secrets_in_running_text_are_masked(lines: list[dict[str, Any]], text: str, expected: str) -> None:
    logs.logger.error(text, extra={"reason": text})
    assert (lines[-1]["message"], lines[-1]["reason"]) == (expected, expected)


def test_the_words_of_an_exception_are_masked(lines: list[dict[str, Any]]) -> None:
    try:
        int("MasterUserPassword=hunter2 is refused")
    except ValueError:
        logs.logger.exception("Failed")
    assert "hunter2" not in json.dumps({k: v for k, v in lines[-1].items() if k != "stack_trace"})
    assert "MasterUserPassword=***" in lines[-1]["exception"]


def test_a_step_logs_whose_it_is_and_never_its_event(lines: list[dict[str, Any]]) -> None:
    def work(event: dict[str, Any]) -> dict[str, Any]:
        logs.logger.info("Here")
        return {}

    event = {
        "recoveryId": "r-1",
        "executionArn": "arn:x",
        "sourceBackupVaultArn": "arn:v",
        "input": {"detail": "words"},
    }
    step(work)(event, Context())
    about = {key: lines[-1][key] for key in ("recovery_id", "execution_arn", "source_backup_vault_arn", "service")}
    assert about == {
        "recovery_id": "r-1",
        "execution_arn": "arn:x",
        "source_backup_vault_arn": "arn:v",
        "service": "airlift",
    }
    assert "words" not in json.dumps(lines)


def test_what_nobody_foresaw_is_logged_with_its_trace_and_counted(
    lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    def work(event: dict[str, Any]) -> dict[str, Any]:
        return {"value": event["missing"]}

    with pytest.raises(KeyError):
        step(work)({"recoveryId": "r-1"}, Context())
    assert (lines[-1]["message"], lines[-1]["exception_name"]) == ("Failed", "KeyError")
    assert json.loads(capsys.readouterr().out)["UnexpectedErrors"] == [1.0]


@pytest.mark.parametrize(
    ("of_plan", "of_recovery", "of_stack", "expected"),
    [
        (None, None, "WARNING", logging.WARNING),
        (None, None, None, logging.INFO),
        ("DEBUG", None, "WARNING", logging.DEBUG),
        ("ERROR", "DEBUG", "WARNING", logging.DEBUG),
    ],
)
def test_the_level_is_the_recoverys_the_plans_or_the_stacks(
    of_plan: str | None,
    of_recovery: str | None,
    of_stack: str | None,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[..., VaultWork],
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "INFO")  # which Powertools alone would prefer to all else
    if of_stack:
        monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", of_stack)
    seen: list[int] = []

    def look(_event: dict[str, Any]) -> dict[str, Any]:
        work(recovery={"logLevel": of_recovery} if of_recovery else {}, logLevel=of_plan)
        seen.append(logs.logger.log_level)
        return {}

    step(look)({}, Context())
    logs.set_level(None)
    assert seen == [expected]


def test_debug_tells_calls_to_aws_and_not_what_they_carry(
    lines: list[dict[str, Any]], work: Callable[..., VaultWork]
) -> None:
    logs.set_level("DEBUG")
    service = boto3.Session().client("dynamodb", region_name="eu-west-1")
    service.meta.events.register("after-call", logs.log_call)
    service.list_tables()
    (told,) = [line for line in lines if line["message"] == "AWS call"]
    assert (told["call"], told["status"], told["level"]) == ("dynamodb:ListTables", 200, "DEBUG")
