"""Who is told what: each incident's notices in order, to people and to chat, none lost and none twice."""

from __future__ import annotations

import pytest

from local.simulation.story import Story
from local.simulation.world import Simulation
from tests.workflow.approvals import silence
from tests.workflow.playing import CHAT, HOUR, Played, finding, listen, look
from tests.workflow.scenarios import SCENARIOS, played

ASKED, VOTE, LATE = "access requested", "a vote", "votes are missing"
VOTES = [VOTE, VOTE]
SIGN = "sign of compromise in account 111122223333"

TOLD: dict[str, list[str]] = {
    "approved": [ASKED, *VOTES, "Recovered"],
    "rejected": [ASKED, *VOTES, "production0: ApprovalRejected", "ApprovalRejected"],
    "expired_twice": [
        *[ASKED, LATE, LATE] * 2,
        "production0: ApprovalExpired",
        "ApprovalExpired",
    ],
    "cancelled": [
        *[ASKED] * 2,
        "production0: ApprovalCancelled",
        "production1: ApprovalCancelled",
        "ApprovalCancelled",
    ],
    "team_changed": [ASKED, "production0: ApprovalTeamChanged", "ApprovalTeamChanged"],
    "team_deleted": [ASKED, "production0: ApprovalTeamChanged", "ApprovalTeamChanged"],
    "approved_but_not_created": [
        ASKED,
        *VOTES,
        "production0: VaultNotCreated",
        "VaultNotCreated",
        ASKED,
        *VOTES,
        "Recovered",
    ],
    "session_unreadable": [ASKED, "Recovered"],
    "revoked_while_restoring": [
        ASKED,
        *VOTES,
        "production0: VaultAccessRevoked",
        "VaultAccessRevoked",
        ASKED,
        *VOTES,
        "Recovered",
    ],
    "three_answers": [
        *[ASKED] * 3,
        *VOTES * 2,
        "production1: ApprovalRejected",
        *[LATE] * 2,
        ASKED,
        *VOTES,
        "PartlyRecovered",
    ],
    "cooled_down": [
        ASKED,
        *VOTES,
        "production0: ApprovalRejected",
        "ApprovalRejected",
        SIGN,
        ASKED,
        *VOTES,
        "Recovered",
    ],
    "access_only": [ASKED, *VOTES, "AccessOpen", "Recovered"],
    "stopped_by_operator": [ASKED, "Stopped", ASKED, *VOTES, "Recovered"],
    "parent_stopped": [*[ASKED] * 2, "Stopped", *[ASKED] * 2, *VOTES * 2, "Recovered"],
    "stopped_at_once": [ASKED, "Stopped"],
    "silent_hour": [ASKED, *VOTES, "Recovered"],
    "silent_end": [ASKED, *VOTES, "production0: ApprovalRejected", "ApprovalRejected"],
    "only_told": [SIGN],
    "not_severe_enough": [],
    "vault_not_in_plan": [],
    "sign_given_later": [ASKED, *VOTES, "a first sign is needed", "Recovered"],
    "paused_wave_continued": [ASKED, *VOTES, "paused before wave storage", "Recovered"],
    "two_findings_at_once": [ASKED, *VOTES, "Recovered"],
}


@pytest.mark.parametrize("name", TOLD)
def test_people_and_chat_are_told_this_in_this_order(name: str) -> None:
    after = played(name)

    assert after.told == TOLD[name]
    assert [one["content"]["title"].partition(": ")[2] for one in after.chat] == TOLD[name]


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_notice_was_published_once_with_a_next_step(name: str) -> None:
    after = played(name)

    written = {record["noticeId"]: record for record in after.of("NOTICE#")}
    assert sorted(one["id"] for one in after.chat) == sorted(written)
    assert len(after.messages) == len(written)
    for message in after.messages:
        assert "\n\nNext step: " in message["Message"]
        assert any(message["Message"].endswith(f"Notice {i}, {r['at']}") for i, r in written.items())
    for one in after.chat:
        assert (one["version"], one["source"]) == ("1.0", "custom")
        assert one["content"]["description"]
        assert all(one["content"]["nextSteps"])


def test_the_word_about_the_request_tells_what_approvers_need() -> None:
    after = played("approved")
    asked = after.messages[0]["Message"]

    recovery = after.recovery
    assert recovery["recoveryId"] in asked
    assert after.story.vault_arns[0] in asked
    assert recovery["account"] in asked
    assert f"Why: {recovery['reason']}" in asked


def test_the_last_word_names_the_report() -> None:
    after = played("approved")

    folder = after.recovery["reportKey"].removesuffix("report.json")
    assert f"{folder}report.html" in after.messages[-1]["Message"]
    assert f"airlift status {after.recovery['recoveryId']}" in after.messages[-1]["Message"]


def test_chat_shows_what_belongs_together_together() -> None:
    after = played("cooled_down")

    threads = dict.fromkeys(one["metadata"]["threadId"] for one in after.chat)
    recoveries = {r["recoveryId"] for r in after.of("RECOVERY")}
    assert set(threads) == {*recoveries, "111122223333"}


def down_for_an_hour(after_seconds: float) -> Played:
    """A recovery during which SNS is down for an hour, beginning so long after the finding."""
    with Simulation() as sim:
        story = Story(sim)
        listen(sim, CHAT)
        story.prepare()
        finding(story)
        sim.run(after_seconds)
        silence(story, sim.clock.now() + HOUR)
        story.run_to_end()
        sim.run(2 * HOUR)
        return look(story)


def test_nothing_is_lost_while_sns_is_down_for_an_hour() -> None:
    """From the request to well after the recovery's end."""
    after = down_for_an_hour(0)

    assert after.recovery["outcome"] == "Recovered"
    assert after.told == [ASKED, *VOTES, "Recovered"]
    assert len(after.chat) == 4


def test_what_was_told_while_sns_was_down_is_told_in_order_when_it_is_back() -> None:
    after = played("silent_hour")

    assert after.told == TOLD["silent_hour"]
    assert all(record["sentAt"] > record["at"] for record in after.of("NOTICE#"))
