"""Each incident ends as it should, with everything in its place."""

from __future__ import annotations

import pytest

from tests.workflow import invariants
from tests.workflow.scenarios import SCENARIOS, played

RECOVERED = ("SUCCEEDED", None)
PEOPLE_STOPPED = ("ABORTED", None)

ENDINGS = {
    "approved": ([RECOVERED], [RECOVERED]),
    "alarm": ([RECOVERED], [RECOVERED]),
    "rejected": ([("FAILED", "ApprovalRejected")], [("FAILED", "ApprovalRejected")]),
    "expired": ([("FAILED", "ApprovalExpired")], [("FAILED", "ApprovalExpired")]),
    "expired_then_approved": ([RECOVERED], [RECOVERED]),
    "aborted_and_resumed": ([PEOPLE_STOPPED, RECOVERED], [PEOPLE_STOPPED, RECOVERED]),
    "point_fails": ([RECOVERED], [RECOVERED]),
    "environment_fails": ([("FAILED", "OperatorNeeded")], [("FAILED", "OperatorNeeded")]),
    "held_then_resumed": (
        [("FAILED", "OperatorNeeded"), RECOVERED],
        [("FAILED", "OperatorNeeded"), RECOVERED],
    ),
    "one_vault_of_three_rejected": (
        [("FAILED", "PartlyRecovered")],
        [RECOVERED, ("FAILED", "ApprovalRejected"), RECOVERED],
    ),
    "three_vaults": ([RECOVERED], [RECOVERED] * 3),
    "no_vault_is_ready": ([("FAILED", "ApprovalTeamUnreachable")], []),
    "team_is_gone": ([("FAILED", "ApprovalTeamUnreachable")], []),
    "vault_without_team": ([("FAILED", "VaultWithoutTeam")], [("FAILED", "VaultWithoutTeam")]),
    "child_stopped": ([("FAILED", "PartlyRecovered")], [("ABORTED", "Operator"), RECOVERED]),
    "parent_stopped": ([PEOPLE_STOPPED], [PEOPLE_STOPPED] * 2),
    "two_findings_at_once": ([RECOVERED] * 2, [RECOVERED]),
    "joined_with_earlier_sign": ([RECOVERED] * 2, [RECOVERED]),
    "earlier_sign_while_restoring": (
        [("FAILED", "OperatorNeeded"), RECOVERED, RECOVERED],
        [("FAILED", "OperatorNeeded"), RECOVERED],
    ),
    "sign_given_later": ([RECOVERED] * 2, [RECOVERED]),
    "paused_wave_continued": ([RECOVERED] * 2, [RECOVERED]),
    "restored_again": ([RECOVERED] * 2, [RECOVERED] * 2),
    "stopped_by_operator": ([("ABORTED", "Stopped"), RECOVERED], [PEOPLE_STOPPED]),
    "only_told": ([RECOVERED], []),
    "not_severe_enough": ([RECOVERED], []),
    "vault_not_in_plan": ([("FAILED", "VaultNotInPlan")], []),
    "nothing_to_restore": ([("FAILED", "NothingToRestore")], [("FAILED", "NothingToRestore")]),
    "access_revoked": ([("FAILED", "VaultAccessRevoked"), RECOVERED], [("FAILED", "VaultAccessRevoked")]),
    "closing_fails": ([("FAILED", "ClientError")], [RECOVERED]),
    "readiness_answers_nonsense": ([("FAILED", "States.QueryEvaluationError")], []),
}
"""Status and error of each execution of recovery and of vault-recovery."""


def test_every_incident_has_its_ending() -> None:
    assert set(ENDINGS) == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_ends(name: str) -> None:
    after = played(name)

    assert (after.endings(), after.endings("vaults")) == ENDINGS[name]
    invariants.check(after)
    assert not after.denied, "a role of the template lacks a permission"
    assert not after.dead_letters
    assert not after.unhit, "a planned fault never happened"
