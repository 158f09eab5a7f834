"""How vaults ended, and what that makes of the recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.children import vault_endings
from airlift.endings import Ending, next_step_at_end, overall
from airlift.errors import Unavailable

from tests.unit.domain import RECOVERY_ID, VAULT, a_vault

if TYPE_CHECKING:
    from tests.unit.domain import Services

GOOD, REJECTED = Ending("VaultRecovered", "3 validated"), Ending("ApprovalRejected", "why")


@pytest.mark.parametrize(
    ("endings", "name"),
    [
        ([GOOD], "Recovered"),
        ([GOOD, GOOD], "Recovered"),
        ([REJECTED], "ApprovalRejected"),
        ([REJECTED, REJECTED], "ApprovalRejected"),
        ([GOOD, REJECTED], "PartlyRecovered"),
        ([REJECTED, Ending("Stopped", "x")], "PartlyRecovered"),
        ([], "NotStarted"),
    ],
)
def test_green_only_if_every_vault_is(endings: list[Ending], name: str) -> None:
    result = overall({f"vault-{n}": ending for n, ending in enumerate(endings)})
    assert result.name == name
    for n, ending in enumerate(endings):
        assert (f"vault-{n}: {ending.name}: {ending.cause}" in result.cause) is (ending is not GOOD)


def test_the_ledgers_word_counts_before_the_executions(services: Services) -> None:
    states = services.play("stepfunctions", describe_execution={"status": "RUNNING"})
    recorded = {"name": "ApprovalExpired", "cause": "late", "at": ""}
    assert vault_endings([a_vault(ending=recorded)], RECOVERY_ID, stopped=True) == {
        VAULT: Ending("ApprovalExpired", "late")
    }
    assert states.asked == []


@pytest.mark.parametrize(
    ("described", "name", "words"),
    [
        ({"status": "ABORTED"}, "Stopped", "execution is ABORTED"),
        ({"status": "RUNNING"}, "Stopped", "execution is RUNNING"),
        ({"status": "TIMED_OUT"}, "TimedOut", "execution is TIMED_OUT"),
        ({"status": "FAILED", "error": "States.Runtime", "cause": "no field x"}, "States.Runtime", "no field x"),
        ("ExecutionDoesNotExist", "NotStarted", "never started"),
        ("InvalidArn", "NotStarted", "never started"),
    ],
)
def test_what_the_ledger_lacks_is_asked_of_the_vaults_execution(
    services: Services, described: Any, name: str, words: str
) -> None:
    states = services.play("stepfunctions", describe_execution=described)
    if isinstance(described, str):
        states.answers["describe_execution"] = states.error(described)
    ending = vault_endings([a_vault()], RECOVERY_ID, stopped=True)[VAULT]
    assert ending.name == name
    assert words in ending.cause
    assert "airlift resume" in ending.cause


def test_a_vault_that_is_said_to_run_after_the_normal_end_is_looked_at_again(services: Services) -> None:
    services.play("stepfunctions", describe_execution={"status": "RUNNING"})
    with pytest.raises(Unavailable, match=":execution:airlift-vault-recovery:"):
        vault_endings([a_vault()], RECOVERY_ID, stopped=False)


def test_what_an_ended_drill_takes_no_more_is_no_next_step_of_it() -> None:
    drill = RECOVERY_ID.replace("r-", "drill-", 1)
    step = f"mend it (`airlift status {drill}`), then `airlift continue {drill}`."
    assert next_step_at_end(drill, step) == f"mend it (`airlift status {drill}`), then a new drill."
    assert next_step_at_end(RECOVERY_ID, step) == step
