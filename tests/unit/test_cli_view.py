"""Frames of `airlift watch`: what they tell at 80 and 200 columns, and that they stay within bounds."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from airlift_cli.problems import Exit
from airlift_cli.snapshot import Snapshot, document, exit_code, milestones
from airlift_cli.view import first_sign, frame
from airlift_cli.words import bar, duration, shown
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.unit.cli_samples import (
    ENDED,
    HISTORY,
    ITEMS,
    NOW,
    RECOVERY_ID,
    RUNNING,
    VAULT,
    WAITING,
    WAVES,
    item,
    recovery,
    timeline,
    vault,
    vote,
)

WIDTHS = (80, 149, 150, 200)


def lines_of(snapshot: Snapshot, width: int = 80, height: int = 45, notice: str = "") -> list[str]:
    lines = frame(snapshot, now=NOW, width=width, height=height, notice=notice).plain.split("\n")
    assert max(map(cell_len, lines)) <= width
    return lines


def text_of(snapshot: Snapshot, width: int = 80, height: int = 45, notice: str = "") -> str:
    return "\n".join(lines_of(snapshot, width, height, notice))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("snapshot", [RUNNING, WAITING, ENDED])
def test_no_line_is_longer_than_the_terminal(snapshot: Snapshot, width: int) -> None:
    assert RECOVERY_ID in text_of(snapshot, width)


@pytest.mark.parametrize("width", [1, 4, 12, 13, 40])
def test_a_terminal_too_narrow_for_it_cuts_and_breaks_nothing(width: int) -> None:
    assert frame(ENDED, now=NOW, width=width, height=45).plain


@pytest.mark.parametrize("width", WIDTHS)
def test_a_running_recovery_tells_the_essentials(width: int) -> None:
    text = text_of(RUNNING, width)
    for essential in (
        "account 111122223333 · real",
        "Exfiltration:S3/AnomalousBehavior",
        "2026-11-24T08:01:12.000Z (eventFirstSeen of the finding)",
        "2 of 2 (team of 3)",
        "alice approved 08:36:20",
        "bob approved 08:36:28",
        "granted 08:36:29",
        "3 of 6",
        "next look in 5s",
        "60%",
        f"orders-{RECOVERY_ID}-1",
        "wave 1  rest",
        "▶ 1 held",
        "alice APPROVED, 1 of 2",
    ):
        assert essential in text


@pytest.mark.parametrize("width", WIDTHS)
def test_waves_are_told_with_what_they_wait_for(width: int) -> None:
    going = vault(waves=WAVES, pausedWaves={"archives": "2026-11-24T08:38:00.000Z"})
    words = " ".join(text_of(replace(RUNNING, vaults=(going,)), width, 60).split())
    assert "1 of 3 · 1 running · 1 held" in words
    assert "2 of 3 · 1 waiting · after data" in words
    assert f"0 of 1,200 · 1,200 waiting · paused: airlift continue {RECOVERY_ID} --wave archives" in words
    not_paused = text_of(replace(RUNNING, vaults=(vault(waves=WAVES),)), width, 60)
    assert "1,200 waiting · after data, rest" in not_paused
    ended = text_of(replace(ENDED, vaults=(ENDED.vaults[0] | {"waves": WAVES},)), width, 60)
    assert "archives" not in ended


@pytest.mark.parametrize("width", WIDTHS)
def test_the_end_is_estimated_from_the_last_ones(width: int) -> None:
    going = replace(RUNNING, history=HISTORY)
    # Access came at 08:36:29, and the middle one of the last three took twenty minutes from there.
    assert "estimate    all restored like the last 3: about 08:56 UTC, in 18 min" in text_of(going, width)
    assert document(going)["estimatedEnd"] == "2026-11-24T08:56:29.000Z"
    asked = replace(WAITING, history=HISTORY)
    assert "about 08:58 UTC, in 20 min" in text_of(asked, width)
    assert "estimate" not in text_of(RUNNING, width)
    assert "estimate" not in text_of(replace(ENDED, history=HISTORY), width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_reason_and_the_next_step_of_a_held_resource_are_told_whole(width: int) -> None:
    words = " ".join(text_of(RUNNING, width).split())
    assert "does not exist in 444455556666. Next step: make the key or change targets.types.S3" in words
    assert f"then airlift resume {RECOVERY_ID}" in words


def test_a_waiting_recovery_shows_votes_and_the_deadline() -> None:
    text = text_of(WAITING)
    assert "1 of 2 (team of 3) · alice approved 08:36:20" in text
    assert "23h57m left, until 11-25 08:36 UTC" in text
    assert "not known yet" in text


def test_unreadable_votes_are_unknown_and_not_a_rejection() -> None:
    unknown = replace(WAITING, vaults=({**WAITING.vaults[0], "sessionStatus": "UNKNOWN"},))
    assert "votes can't be read at the moment" in text_of(unknown)


def test_votes_that_were_never_read_are_not_told_as_none() -> None:
    never = replace(WAITING, vaults=(requested(approvals=None, rejections=None, threshold=None),), votes=())
    text = text_of(never)
    assert "approval    votes not known" in text
    assert "0 of" not in text


def requested(**changes: Any) -> dict[str, Any]:
    """The source vault while people vote."""
    open_request = {"state": "REQUESTED", "grantedAt": None, "selected": None, "counts": None, "waitingFor": "approval"}
    return vault(**{**open_request, "sessionStatus": "PENDING", **changes})


def test_votes_on_an_earlier_request_do_not_count_for_the_next_one() -> None:
    votes = (vote("alice"), vote("carol", at="2026-11-24T08:37:00.000Z", request=2))
    second = text_of(replace(WAITING, vaults=(requested(request=2, approvals=1),), votes=votes))
    assert "carol approved" in second
    assert "alice approved" not in second


def test_a_rejected_request_still_shows_who_voted_how() -> None:
    rejection = {"name": "ApprovalRejected", "cause": "The approvers rejected it.", "at": "2026-11-24T08:38:00Z"}
    made_room = {"restoreAccessBackupVaultName": None, "approvals": None, "rejections": None, "expiresAt": None}
    ended = requested(state="ENDED", ending=rejection, request=2, sessionStatus="REJECTED", **made_room)
    votes = (vote("alice"), vote("bob", "REJECTED"), vote("carol", "REJECTED"))
    text = text_of(replace(WAITING, vaults=(ended,), votes=votes), 149)
    assert "1 of 2 (team of 3) · 2 against · alice approved 08:36:20 · bob rejected 08:36:20" in text
    assert "left, until" not in text


def test_access_only_ends_well_and_says_how_to_restore() -> None:
    cause = f"Access is open, nothing is restored yet. Next step: airlift resume {RECOVERY_ID}"
    ending = {"name": "AccessOpen", "cause": cause, "at": "2026-11-24T08:36:30Z"}
    opened = vault(state="ENDED", ending=ending, selected=None, counts=None)
    ended = {"state": "ENDED", "outcome": "AccessOpen", "cause": cause, "endedAt": "2026-11-24T08:36:31Z"}
    snapshot = Snapshot(recovery(accessOnly=True, **ended), (opened,), RUNNING.votes, (), ())
    assert exit_code(snapshot) == Exit.OK
    assert [m.name for m in milestones(snapshot, NOW) if m.at] == ["finding", "request", "approval", "closed"]
    text = text_of(snapshot)
    assert "· access only" in text
    assert f"Next step: airlift resume {RECOVERY_ID}" in " ".join(text.split())
    resumed = replace(snapshot, recovery=recovery(accessOnly=True, resumedAt="2026-11-24T09:00:00Z"))
    assert "access only" not in text_of(resumed)


def test_a_recovery_that_closes_asks_nothing_of_anybody() -> None:
    closing = replace(RUNNING, recovery=recovery(state="CLOSING"), vaults=(vault(counts={"held": 2}),))
    assert "CLOSING" in text_of(closing)
    assert "▶" not in text_of(closing)
    assert exit_code(closing) == Exit.OK


def test_a_start_by_hand_tells_by_whom() -> None:
    by = "arn:aws:sts::444455556666:assumed-role/Operator/alice"
    by_hand = replace(RUNNING, recovery=recovery(trigger={"kind": "onDemand", "id": "e", "by": by}))
    assert f"onDemand · by {by}" in text_of(by_hand, 149)


def test_an_ended_recovery_shows_its_cause_and_report() -> None:
    text = text_of(ENDED)
    assert "ResourcesNotRestored" in text
    assert f"recoveries/{RECOVERY_ID}/summary.json" in text
    assert "◍" not in text


def test_the_notice_stands_above_the_last_known_state() -> None:
    lines = lines_of(RUNNING, notice="connection lost, retrying")
    assert lines.index("connection lost, retrying") < next(i for i, line in enumerate(lines) if "wave 0" in line)


def test_stages_and_their_times() -> None:
    reached = [(m.name, bool(m.at), m.seconds and round(m.seconds)) for m in milestones(RUNNING, NOW)]
    assert reached == [
        ("finding", True, None),
        ("request", True, 4),
        ("approval", True, 22),
        ("restores", False, 121),
        ("closed", False, None),
    ]
    assert "● finding ─3s─ ● request ─22s─ ● approval ─2m01s─ ◍ restores ─ ○ closed" in text_of(RUNNING)


def test_an_approval_is_reached_when_no_vault_is_still_asked_for() -> None:
    second = vault(f"{VAULT}-2", order=1, state="REQUESTED", grantedAt=None)
    both = replace(RUNNING, vaults=(*RUNNING.vaults, second))
    assert milestones(both, NOW)[2].at is None
    ended = {
        **second,
        "state": "ENDED",
        "ending": {"name": "ApprovalRejected", "cause": "", "at": "2026-11-24T08:37:00Z"},
    }
    assert milestones(replace(both, vaults=(*RUNNING.vaults, ended)), NOW)[2].at is not None


def test_a_recovery_that_ends_before_it_asks_shows_when_it_closed() -> None:
    refused = Snapshot(
        recovery(state="ENDED", outcome="VaultNotAirGapped", cause="A plain vault.", endedAt="2026-11-24T08:36:09Z"),
        (),
        (),
        (),
        (),
    )
    assert [bool(m.at) for m in milestones(refused, NOW)] == [True, False, False, False, True]
    assert "A plain vault." in text_of(refused)


@pytest.mark.parametrize("width", WIDTHS)
def test_ten_thousand_resources_stay_readable_and_quick(width: int) -> None:
    many = [item(f"table-{i:05}", "waiting", wave=1) for i in range(9_000)]
    many += [item(f"done-{i:05}", "validated", endedAt=f"2026-11-24T08:37:{i % 60:02}Z") for i in range(900)]
    many += [item(f"held-{i:05}", "held", reason="No key.", nextStep="make it") for i in range(80)]
    many += [item(f"run-{i:05}", "running", percentDone=i) for i in range(20)]
    counts = {"waiting": 9_000, "validated": 900, "held": 80, "running": 20}
    snapshot = replace(RUNNING, vaults=(vault(selected=10_000, counts=counts),), items=tuple(many))
    began = time.perf_counter()
    lines = lines_of(snapshot, width, height=50)
    assert time.perf_counter() - began < 0.5
    assert len(lines) <= 50
    text = "\n".join(lines)
    assert "900 of 10,000" in text
    assert "9,000 waiting" in text
    for kind in ("run-", "held-", "done-", "table-"):
        assert kind in text
    shown_rows = sum(any(kind in line for kind in ("run-0", "held-0", "done-0", "table-0")) for line in lines)
    assert f"… and {10_000 - shown_rows:,} more" in text


def test_a_part_of_the_resources_still_tells_how_many_are_left_out() -> None:
    snapshot = replace(RUNNING, vaults=(vault(selected=5_000),), items=ITEMS)
    assert "… and 4,994 more" in text_of(snapshot, 200, 60)


def test_of_many_vaults_each_line_tells_the_votes_or_the_ending() -> None:
    rejection = {"name": "ApprovalRejected", "cause": "The approvers rejected it.", "at": "2026-11-24T08:38:00Z"}
    others = [vault(f"{VAULT}-{i}", order=i) for i in range(3)]
    voting = requested(arn=f"{VAULT}-3", approvals=1, order=3)
    rejected = requested(arn=f"{VAULT}-4", order=4, state="ENDED", ending=rejection, approvals=None)
    lines = lines_of(replace(RUNNING, vaults=(*others, voting, rejected)), 100)
    assert "production-airgapped-3  REQUESTED  1 of 2 (team of 3) · 23h57m left, until 11-25 08:36 UTC" in lines
    assert "production-airgapped-4  ApprovalRejected  The approvers rejected it." in lines


def test_forty_vaults_take_one_line_each_and_the_running_ones_come_first() -> None:
    vaults = [vault(f"{VAULT}-{i:02}", order=i, state="ENDED", ending={"name": "VaultRecovered"}) for i in range(39)]
    lines = lines_of(replace(RUNNING, vaults=(*vaults, vault(f"{VAULT}-39", order=39))))
    first = next(i for i, line in enumerate(lines) if line.startswith("production-airgapped"))
    assert "airgapped-39  RESTORING" in lines[first]
    assert "… and 32 more vaults" in lines


def test_a_tiny_terminal_still_shows_something() -> None:
    assert len(lines_of(RUNNING, 40, 5)) > 5


@given(st.text(max_size=80), st.integers(40, 220))
def test_foreign_text_never_commands_the_terminal_nor_breaks_the_lines(text: str, width: int) -> None:
    hostile = replace(
        RUNNING,
        recovery=recovery(reason=text, trigger={"kind": "guardDuty", "id": "x", "title": text}),
        votes=(vote(text),),
        items=(item(text, "held", reason=text, nextStep=text, resourceType=text),),
        timeline=(timeline("2026-11-24T08:36:03Z", "trigger", text),),
    )
    plain = frame(hostile, now=NOW, width=width, height=40).plain
    assert all(line.isprintable() and cell_len(line) <= width for line in plain.split("\n"))


def test_shown_removes_escapes_and_changes_of_direction() -> None:
    assert shown("a\x1b[31mb\u202ec\nd") == "a [31mb c d"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (recovery(), ("2026-11-24T08:01:12.000Z", "eventFirstSeen of the finding")),
        (
            recovery(joinedFirstSign="2026-11-24T07:00:00.000Z"),
            ("2026-11-24T07:00:00.000Z", "from a trigger that joined"),
        ),
        (
            recovery(joinedFirstSign="2026-11-24T08:30:00Z"),
            ("2026-11-24T08:01:12.000Z", "eventFirstSeen of the finding"),
        ),
        (recovery(operatorFirstSign="latest"), ("latest", "given by an operator")),
        (recovery(firstSign=None, firstSignFrom=None), ("", "")),
    ],
)
def test_the_first_sign_that_counts(record: dict[str, object], expected: tuple[str, str]) -> None:
    assert first_sign(record) == expected


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("Recovered", Exit.OK),
        ("AccessOpen", Exit.OK),
        ("OperatorNeeded", Exit.OPERATOR_NEEDED),
        ("ResourcesNotRestored", Exit.NOT_RECOVERED),
        ("ApprovalRejected", Exit.NOT_RECOVERED),
        ("Stopped", Exit.NOT_RECOVERED),
        ("VaultNotInPlan", Exit.BAD_INPUT),
    ],
)
def test_the_exit_code_follows_the_outcome(outcome: str, code: Exit) -> None:
    assert exit_code(replace(ENDED, recovery={**ENDED.recovery, "outcome": outcome})) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, Exit.OK),
        ({"counts": {"held": 2, "validated": 4}}, Exit.OPERATOR_NEEDED),
        ({"waitingFor": "firstSign", "counts": None}, Exit.OPERATOR_NEEDED),
        ({"waitingFor": "continue", "counts": {"waiting": 6}}, Exit.OPERATOR_NEEDED),
        ({"waitingFor": "approval", "counts": None}, Exit.OK),
    ],
)
def test_a_running_recovery_says_whether_only_a_person_can_bring_it_on(changes: dict[str, Any], code: Exit) -> None:
    assert exit_code(replace(RUNNING, vaults=(vault(**changes),))) == code


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0s"), (12.9, "12s"), (185, "3m05s"), (14_820, "4h07m"), (273_600, "3d04h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_bar_is_never_over_full() -> None:
    assert bar(1.7, 5).plain == "█████"
    assert bar(0.5, 4).plain == "██░░"
