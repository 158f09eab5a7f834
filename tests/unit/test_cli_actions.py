"""`airlift start`, the operator's actions and `status`: what is sent, what is said, and the exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from airlift.ledger import execution_key, keyed, looked_key
from botocore.exceptions import (
    CredentialRetrievalError,
    EndpointConnectionError,
    LoginRefreshRequired,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.stub import ANY

from tests.unit.cli_samples import ENDED, EXECUTION, ITEMS, RECOVERY_ID, RUNNING, VAULT, recovery
from tests.unit.cli_world import CALLER, MACHINE, World, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.exceptions import BotoCoreError

POINT = "arn:aws:backup:ap-northeast-1:111122223333:recovery-point:p"
START = ("start", "--vault", VAULT, "--reason", "ransom note")
STARTED = {"executionArn": EXECUTION, "startDate": datetime(2026, 11, 24, tzinfo=UTC)}
LISTED = keyed(("RECOVERIES", RECOVERY_ID), account="111122223333", createdAt="2026-11-24T08:36:03.123Z", mode="real")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("airlift_cli.actions._FIRST_LOOK_SECONDS", 0.001)
    with deployed(monkeypatch) as world:
        yield world


def expect(world: World, document: dict[str, Any], asked_by: str | None = CALLER, **end: Any) -> None:
    """The state machine will be started with this input; `end` is what describes the execution when asked."""
    step_functions = world.script("stepfunctions")
    given = json.dumps(document | ({"requestedBy": asked_by} if asked_by else {}))
    started_with = {"stateMachineArn": MACHINE, "name": ANY, "input": given}
    step_functions.add_response("start_execution", STARTED, started_with)
    described = {
        "executionArn": EXECUTION,
        "stateMachineArn": MACHINE,
        "startDate": STARTED["startDate"],
        "status": "SUCCEEDED",
        **end,
    }
    step_functions.add_response("describe_execution", described, {"executionArn": EXECUTION})


def answered(outcome: str, text: str) -> str:
    return json.dumps({"outcome": outcome, "text": text, "recoveryId": RECOVERY_ID})


def test_start_that_is_accepted_says_how_to_follow_it(world: World) -> None:
    world.put([recovery(), keyed(execution_key(EXECUTION), recoveryId=RECOVERY_ID)])
    expect(world, {"sourceBackupVaultArn": VAULT, "reason": "ransom note"}, status="RUNNING")
    result = world.run(*START)
    assert result.exit_code == 0
    assert f"airlift watch {RECOVERY_ID}" in result.output


def test_an_execution_that_only_served_a_recovery_is_waited_for(world: World) -> None:
    world.put([recovery(executionArn="arn:other"), keyed(execution_key(EXECUTION), recoveryId=RECOVERY_ID)])
    expect(world, {"sourceBackupVaultArn": VAULT, "reason": "ransom note"}, status="RUNNING")
    ended = {"executionArn": EXECUTION, "stateMachineArn": MACHINE, "startDate": STARTED["startDate"]}
    output = answered("joined", f"Joined {RECOVERY_ID}.")
    world.script("stepfunctions").add_response("describe_execution", {**ended, "status": "SUCCEEDED", "output": output})
    result = world.run(*START)
    assert (result.exit_code, f"Joined {RECOVERY_ID}." in result.output) == (0, True)


def test_start_takes_several_vaults_and_a_first_sign(world: World) -> None:
    document = {
        "sourceBackupVaultArns": [VAULT, f"{VAULT}-2"],
        "reason": "plain loss",
        "firstSign": "latest",
        "adoptVault": "replace",
    }
    expect(world, document, output=answered("joined", "Joined."))
    more = ("--vault", f"{VAULT}-2", "--first-sign", "latest", "--adopt-vault", "replace")
    assert world.run("start", "--vault", VAULT, *more, "--reason", "plain loss").exit_code == 0


def test_start_takes_an_account(world: World) -> None:
    expect(world, {"account": "111122223333", "reason": "x"}, output=answered("joined", "Joined."))
    result = world.run("start", "--account", "111122223333", "--reason", "x", "--json")
    assert json.loads(result.output)["outcome"] == "joined"


def test_start_may_open_access_only(world: World) -> None:
    document = {"sourceBackupVaultArn": VAULT, "reason": "ransom note", "accessOnly": True}
    expect(world, document, output=json.dumps({"outcome": "AccessOpen", "cause": "Access is open.", "votes": []}))
    result = world.run(*START, "--access-only")
    assert (result.exit_code, "Access is open." in result.output) == (0, True)


def test_who_asks_is_made_to_fit_the_input(world: World) -> None:
    world.script("sts").add_response("get_caller_identity", {"Arn": "arn:aws:iam::444455556666:user/a!b/é/duty"})
    asked_by = "arn:aws:iam::444455556666:user/a_b/_/duty"
    expect(world, {"sourceBackupVaultArn": VAULT, "reason": "ransom note"}, asked_by, output=answered("joined", "x"))
    assert world.run(*START).exit_code == 0


def test_who_asks_may_stay_unknown(world: World) -> None:
    world.script("sts").add_client_error("get_caller_identity", "ServiceUnavailable", "Not now", 503)
    expect(world, {"sourceBackupVaultArn": VAULT, "reason": "ransom note"}, None, output=answered("joined", "x"))
    assert world.run(*START).exit_code == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("start", "--reason", "x"), "Nothing says what to recover."),
        (("start", "--account", "12", "--reason", "x"), "account: '12' is not an account id."),
        (("start", "--vault", "arn:aws:s3:::b", "--reason", "x"), "sourceBackupVaultArn"),
        ((*START, "--first-sign", "yesterday"), "firstSign: 'yesterday' is not a time."),
        ((*START, "--first-sign", "2026-11-24T08:00:00"), "has no offset from UTC"),
        (("first-sign", RECOVERY_ID, "2999-01-01T00:00:00Z"), "lies in the future"),
        (("restore-again", RECOVERY_ID, "arn:aws:s3:::a", "--before", "yesterday"), "is not a time"),
        (("restore-again", RECOVERY_ID), "resourceArns"),
        (("stop", "r-1"), "is not a recovery id"),
        (("restore-again", RECOVERY_ID, "arn:aws:s3:::a", "arn:aws:s3:::b", "--point", "arn:x"), "recoveryPointArn"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_started(world: World, words: tuple[str, ...], named: str) -> None:
    world.script("stepfunctions")
    result = world.run(*words)
    assert result.exit_code == 2
    assert named in result.output
    assert "Next step: " in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "document"),
    [
        (("stop", RECOVERY_ID, "--reason", "false alarm"), {"action": "stop", "reason": "false alarm"}),
        (("resume", RECOVERY_ID), {"action": "resume"}),
        (("continue", RECOVERY_ID, "--wave", "data"), {"action": "continue", "wave": "data"}),
        (("first-sign", RECOVERY_ID, "latest"), {"action": "first-sign", "firstSign": "latest"}),
        (
            (
                "restore-again",
                RECOVERY_ID,
                "arn:aws:s3:::b",
                "--point",
                POINT,
            ),
            {
                "action": "restore-again",
                "resourceArns": ["arn:aws:s3:::b"],
                "recoveryPointArn": POINT,
            },
        ),
        (
            ("restore-again", RECOVERY_ID, "--resource", "arn:aws:s3:::b", "--before", "2026-11-20T00:00:00Z"),
            {"action": "restore-again", "resourceArns": ["arn:aws:s3:::b"], "before": "2026-11-20T00:00:00Z"},
        ),
        (
            ("pin", RECOVERY_ID, "arn:aws:s3:::b", "--point", POINT, "--reason", "known good"),
            {
                "action": "pin",
                "resourceArns": ["arn:aws:s3:::b"],
                "recoveryPointArn": POINT,
                "reason": "known good",
            },
        ),
    ],
)
def test_an_operator_action_prints_what_it_did(world: World, words: tuple[str, ...], document: dict[str, Any]) -> None:
    expect(world, {"recoveryId": RECOVERY_ID, **document}, output=answered("done", "It is noted."))
    result = world.run(*words)
    assert (result.exit_code, result.output) == (0, "It is noted.\n")


@pytest.mark.parametrize(
    ("end", "code", "name"),
    [
        (
            {"status": "FAILED", "error": "VaultNotInPlan", "cause": "New. Next step: list it."},
            2,
            "VaultNotInPlan",
        ),
        (
            {"status": "FAILED", "error": "VaultWithoutTeam", "cause": "Alone. Next step: add it."},
            3,
            "VaultWithoutTeam",
        ),
        ({"status": "FAILED", "error": "OperatorNeeded", "cause": "1 held."}, 4, "OperatorNeeded"),
        ({"status": "ABORTED"}, 3, "ABORTED"),
        ({"output": answered("ignored", "Nothing may start.")}, 2, "Ignored"),
    ],
)
def test_a_bad_ending_is_named_with_its_next_step(world: World, end: dict[str, Any], code: int, name: str) -> None:
    expect(world, {"sourceBackupVaultArn": VAULT, "reason": "ransom note"}, **end)
    result = world.run(*START, "--json")
    told = json.loads(result.output)
    assert (result.exit_code, told["exitCode"], told["error"]) == (code, code, name)
    assert told["what"]
    assert told["nextStep"]
    assert "Next step" not in told["what"]


def test_an_execution_that_has_started_is_asked_again_when_the_connection_was_lost(world: World) -> None:
    """Whoever is told to give the command once more starts a second one, or restores a second time."""
    step_functions = world.script("stepfunctions")
    step_functions.add_response("start_execution", STARTED)
    step_functions.add_client_error("describe_execution", "ThrottlingException", "Rate exceeded", 400)
    ended = {"executionArn": EXECUTION, "stateMachineArn": MACHINE, "startDate": STARTED["startDate"]}
    done = {**ended, "status": "SUCCEEDED", "output": answered("done", "It is noted.")}
    step_functions.add_response("describe_execution", done)
    result = world.run("resume", RECOVERY_ID)
    assert (result.exit_code, result.output) == (0, "It is noted.\n")


def test_an_execution_that_says_nothing_is_not_called_a_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airlift_cli.actions._PATIENCE_SECONDS", 0.0005)
    expect(world, {"sourceBackupVaultArn": VAULT, "reason": "ransom note"}, status="RUNNING")
    result = world.run(*START)
    assert result.exit_code == 1
    assert EXECUTION in result.output


def test_a_start_with_watch_goes_on_to_the_ending(world: World) -> None:
    world.put([ENDED.recovery, *ENDED.vaults, *ITEMS, keyed(execution_key(EXECUTION), recoveryId=RECOVERY_ID)])
    expect(world, {"sourceBackupVaultArn": VAULT, "reason": "ransom note"}, status="RUNNING")
    result = world.run(*START, "--watch")
    assert result.exit_code == 3
    assert "ended: ResourcesNotRestored" in result.output


def test_status_lists_the_newest_first(world: World) -> None:
    older = "r-20261001-111122223333-00ff"
    world.put(
        [
            LISTED,
            recovery(),
            keyed(("RECOVERIES", older), account="111122223333", createdAt="2026-10-01T00:00:00.000Z", mode="drill"),
            {**recovery(recoveryId=older, state="ENDED", outcome="Recovered", mode="drill"), "pk": f"RECOVERY#{older}"},
        ]
    )
    lines = world.run("status").output.splitlines()
    assert lines[1].startswith(f"{RECOVERY_ID}      RUNNING")
    assert lines[2].startswith(f"{older}      Recovered             drill")
    assert max(map(len, lines)) <= 100
    assert [r["recoveryId"] for r in json.loads(world.run("status", "--json").output)] == [RECOVERY_ID, older]
    assert len(json.loads(world.run("--json", "status", "--limit", "1").output)) == 1


def test_on_a_pipe_no_column_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put([LISTED, recovery()])
    monkeypatch.delenv("COLUMNS")
    assert world.run("status").output.rstrip().endswith("GuardDuty finding Exfiltration:S3/AnomalousBehavior")
    assert RECOVERY_ID in world.run("drills").output


def test_status_of_one_tells_how_it_stands(world: World) -> None:
    world.put([*RUNNING.vaults, *RUNNING.votes, *RUNNING.items, *RUNNING.timeline, recovery()])
    result = world.run("status", RECOVERY_ID)
    assert result.exit_code == 0
    assert "2 of 2 (team of 3)" in result.output
    document = json.loads(world.run("status", RECOVERY_ID, "--json").output)
    assert document["recoveryId"] == RECOVERY_ID
    assert [item["resourceName"] for item in document["items"]][:1] == ["invoices-2026-and-every-year-before-it"]
    assert not {"pk", "sk", "open"} & document["items"][0].keys()


def test_an_unknown_recovery_is_bad_input(world: World) -> None:
    result = world.run("status", RECOVERY_ID)
    assert result.exit_code == 2
    assert f"The ledger holds no recovery {RECOVERY_ID}. Next step: `airlift status`" in result.output


def test_no_recovery_yet(world: World) -> None:
    assert world.run("status").output == "There is no recovery yet.\n"
    assert world.run("watch").exit_code == 2


@pytest.mark.parametrize(
    "words",
    [("--stack", "other", "status"), ("status", "--stack", "other"), ("status", "--stack=other")],
)
def test_a_missing_stack(world: World, words: tuple[str, ...]) -> None:
    result = world.run(*words)
    assert result.exit_code == 5
    assert "There is no stack other in Region ap-northeast-1" in result.output


def test_a_missing_profile(world: World) -> None:
    result = world.run("status", "--profile", "nobody")
    assert result.exit_code == 5
    assert "--profile" in result.output


def test_a_missing_region(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "ap-northeast-1")  # boto3 does not read it
    monkeypatch.setattr("airlift_cli.stack._client", lambda session, service, _: session.client(service))
    result = world.run("status")
    assert (result.exit_code, "AWS_DEFAULT_REGION" in result.output) == (5, True)


def test_expired_credentials_and_denied_calls_have_their_own_next_step(world: World) -> None:
    world.script("cloudformation").add_client_error("describe_stacks", "ExpiredToken", "The token is expired", 403)
    result = world.run("status")
    assert (result.exit_code, "sign in again" in result.output) == (5, True)
    world.script("cloudformation").add_client_error("describe_stacks", "AccessDenied", "Not authorized", 403)
    result = world.run("status")
    assert (result.exit_code, "a profile of the recovery account" in result.output) == (5, True)
    world.script("cloudformation").add_client_error("describe_stacks", "Throttling", "Rate exceeded", 400)
    result = world.run("status")
    assert (result.exit_code, "again in a minute" in result.output) == (5, True)


@pytest.mark.parametrize(
    "error",
    [
        UnauthorizedSSOTokenError(),
        TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
        LoginRefreshRequired(),
        CredentialRetrievalError(provider="custom-process", error_msg="exit code 1"),
    ],
)
def test_whoever_is_signed_out_is_told_to_sign_in(
    world: World, monkeypatch: pytest.MonkeyPatch, error: BotoCoreError
) -> None:
    def signed_out(*_: object) -> None:
        raise error

    monkeypatch.setattr("airlift_cli.stack._client", signed_out)
    result = world.run("status")
    assert (result.exit_code, "Next step: sign in again" in result.output) == (5, True)


def test_an_unreachable_aws_is_one_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://example.invalid")

    monkeypatch.setattr("airlift_cli.stack._client", unreachable)
    result = world.run("status")
    assert result.exit_code == 5
    assert result.output.count("\n") == 1


def test_an_interrupt_has_its_own_exit_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("airlift_cli.stack._client", interrupted)
    assert world.run("status").exit_code == 130


def test_the_help_tells_the_exit_codes(world: World) -> None:
    words = " ".join(world.run("--help").output.split())
    assert "4 an operator is needed" in words
    assert world.run("plan").exit_code == 2
    assert world.run("start", "--no-such-option").exit_code == 2


def test_points_tells_of_each_resource_which_is_taken_and_of_one_all_that_were_looked_at(world: World) -> None:
    vault, item = RUNNING.vaults[0], ITEMS[0]
    arn = item["resourceArn"]
    looked = [
        {"arn": f"{POINT}2", "at": "2026-11-24T07:00:00.000Z", "why": "passed over: with a malware finding"},
        {"arn": POINT, "at": "2026-11-23T07:00:00.000Z", "why": "taken"},
    ]
    key = looked_key(RECOVERY_ID, VAULT, arn)
    known = keyed(key, resourceArn=arn, looked=looked, rest={"in status EXPIRED": 7})
    world.put([recovery(), vault, *ITEMS, known])
    every = world.run("points", RECOVERY_ID)
    assert (every.exit_code, every.output.count(":table/")) == (0, len(ITEMS))
    one = world.run("points", RECOVERY_ID, arn)
    assert "with a malware finding" in one.output
    assert "7 older: in status EXPIRED" in one.output
    [told] = json.loads(world.run("points", RECOVERY_ID, arn, "--json").output)
    assert (told["resourceArn"], told["points"], told["olderPoints"]) == (arn, looked, {"in status EXPIRED": 7})
    assert world.run("points", RECOVERY_ID, f"{arn}-not").exit_code == 2
