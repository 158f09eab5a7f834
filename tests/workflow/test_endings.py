"""Each incident ends as it should, with everything in its place."""

from __future__ import annotations

import pytest

from tests.workflow import invariants
from tests.workflow.scenarios import SCENARIOS, played

Ending = tuple[str, str | None]
RECOVERED: Ending = ("SUCCEEDED", None)
TOLD = RECOVERED
"""An execution that carried an operator action out or told people, and ended."""
PEOPLE_STOPPED: Ending = ("ABORTED", None)
PREEMPTED: Ending = ("ABORTED", "DrillPreempted")
CLEANED = RECOVERED
"""An execution that the janitor started for a drill's clean-up."""


def failed(error: str) -> list[Ending]:
    """One execution that failed by this name."""
    return [("FAILED", error)]


ENDINGS: dict[str, tuple[list[Ending], list[Ending]]] = {
    "approved": ([RECOVERED], [RECOVERED]),
    "alarm": ([RECOVERED], [RECOVERED]),
    "rejected": (failed("ApprovalRejected"), failed("ApprovalRejected")),
    "expired_twice": (failed("ApprovalExpired"), failed("ApprovalExpired")),
    "cancelled": (failed("ApprovalCancelled"), failed("ApprovalCancelled") * 2),
    "team_changed": (failed("ApprovalTeamChanged"), failed("ApprovalTeamChanged")),
    "team_deleted": (failed("ApprovalTeamChanged"), failed("ApprovalTeamChanged")),
    "approved_but_not_created": (
        [*failed("VaultNotCreated"), RECOVERED],
        [*failed("VaultNotCreated"), RECOVERED],
    ),
    "session_unreadable": ([RECOVERED], [RECOVERED]),
    "revoked_while_restoring": (
        [*failed("VaultAccessRevoked"), RECOVERED],
        [*failed("VaultAccessRevoked"), RECOVERED],
    ),
    "three_answers": (failed("PartlyRecovered"), [RECOVERED, *failed("ApprovalRejected"), RECOVERED]),
    "cooled_down": ([*failed("ApprovalRejected"), TOLD, RECOVERED], [*failed("ApprovalRejected"), RECOVERED]),
    "access_only": ([RECOVERED] * 2, [RECOVERED] * 2),
    "stopped_at_once": ([("ABORTED", "Stopped"), TOLD], [PEOPLE_STOPPED]),
    "silent_hour": ([RECOVERED], [RECOVERED]),
    "silent_end": (failed("ApprovalRejected"), failed("ApprovalRejected")),
    "aborted_and_resumed": ([PEOPLE_STOPPED, RECOVERED], [PEOPLE_STOPPED, RECOVERED]),
    "point_fails": ([RECOVERED], [RECOVERED]),
    "held_then_resumed": (
        [("FAILED", "OperatorNeeded"), RECOVERED],
        [("FAILED", "OperatorNeeded"), RECOVERED],
    ),
    "open_network": (
        [("FAILED", "OperatorNeeded"), RECOVERED],
        [("FAILED", "OperatorNeeded"), RECOVERED],
    ),
    "throttled": ([RECOVERED], [RECOVERED]),
    "three_vaults": ([RECOVERED], [RECOVERED] * 3),
    "no_vault_is_ready": ([("FAILED", "ApprovalTeamUnreachable")], []),
    "team_is_gone": ([("FAILED", "ApprovalTeamUnreachable")], []),
    "vault_without_team": ([("FAILED", "VaultWithoutTeam")], [("FAILED", "VaultWithoutTeam")]),
    "child_stopped": ([("FAILED", "PartlyRecovered")], [("ABORTED", "Operator"), RECOVERED]),
    "parent_stopped": ([PEOPLE_STOPPED, RECOVERED], [*[PEOPLE_STOPPED] * 2, *[RECOVERED] * 2]),
    "two_findings_at_once": ([RECOVERED] * 2, [RECOVERED]),
    "joined_with_earlier_sign": ([RECOVERED] * 2, [RECOVERED]),
    "earlier_sign_while_restoring": (
        [("FAILED", "OperatorNeeded"), RECOVERED, RECOVERED],
        [("FAILED", "OperatorNeeded"), RECOVERED],
    ),
    "sign_corrected_after_the_end": (
        [RECOVERED, TOLD, *failed("ResourcesNotRestored"), RECOVERED],
        [RECOVERED, RECOVERED],
    ),
    "sign_given_later": ([RECOVERED] * 2, [RECOVERED]),
    "paused_wave_continued": ([RECOVERED] * 2, [RECOVERED]),
    "restored_again": ([RECOVERED] * 2, [RECOVERED] * 2),
    "stopped_by_operator": ([("ABORTED", "Stopped"), TOLD, RECOVERED], [PEOPLE_STOPPED, RECOVERED]),
    "only_told": ([RECOVERED], []),
    "not_severe_enough": ([RECOVERED], []),
    "vault_not_in_plan": ([("FAILED", "VaultNotInPlan")], []),
    "second_tier": (failed("ResourcesNotRestored"), failed("ResourcesNotRestored")),
    "nothing_to_restore": ([("FAILED", "NothingToRestore")], [("FAILED", "NothingToRestore")]),
    "drilled": ([RECOVERED], [RECOVERED]),
    "drill_stopped": ([("ABORTED", "Stopped"), TOLD, CLEANED], [PEOPLE_STOPPED]),
    "drill_preempted_before_approval": ([PREEMPTED, RECOVERED, CLEANED], [PEOPLE_STOPPED, RECOVERED]),
    "drill_preempted_after_approval": ([PREEMPTED, RECOVERED, CLEANED], [PEOPLE_STOPPED, RECOVERED]),
    "drill_not_cleaned_at_once": ([*failed("ClientError"), CLEANED], [RECOVERED]),
    "access_closed": ([RECOVERED], [RECOVERED]),
    "checked_then_started": ([TOLD, RECOVERED], [RECOVERED]),
    "check_fails": ([*failed("ClientError"), RECOVERED], [RECOVERED]),
    "confirmed": ([RECOVERED, TOLD, TOLD, RECOVERED], [RECOVERED] * 2),
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
