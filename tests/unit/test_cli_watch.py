"""`airlift watch`: follows to the end on a pipe, as JSON lines and on a terminal, through lost connections."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import UnknownRecovery
from airlift.ledger import OPEN_INDEX, Record, keyed
from airlift_cli import watching
from airlift_cli.problems import Exit, is_transient
from airlift_cli.reading import ITEMS_READ, Reading
from airlift_cli.terminal import Session
from airlift_cli.view import frame
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from rich.console import Console

from tests.unit.cli_samples import ENDED, ITEMS, RECOVERY_ID, RUNNING, TIMELINE, item, recovery, timeline, vault
from tests.unit.cli_world import World, deployed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airlift_cli.snapshot import Snapshot

LOST = EndpointConnectionError(endpoint_url="https://example.invalid")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with deployed(monkeypatch) as world:
        yield world


class Scripted(Reading):
    """Gives one look after another: a snapshot, or an error that is raised."""

    def __init__(self, *looks: Snapshot | Exception) -> None:
        super().__init__(None)
        self._looks = list(looks)
        self.entries: list[Record] = []

    def snapshot(self, recovery_id: str, timeline: int = 12) -> Snapshot:
        look = self._looks.pop(0)
        if isinstance(look, Exception):
            raise look
        self.entries = list(look.timeline)
        return look

    def timeline_since(self, recovery_id: str, since: Any) -> Iterator[Record]:
        return iter(entry for entry in self.entries if since is None or entry["at"] >= since.isoformat())


def session(*, as_json: bool = False, terminal: bool = False) -> tuple[Session, io.StringIO]:
    made, file = Session("airlift", None, None, as_json), io.StringIO()
    made.__dict__["console"] = Console(file=file, width=100, height=50, force_terminal=terminal, highlight=False)
    return made, file


def follow(made: Session, reading: Reading) -> Exit:
    return watching.watch(made, reading, RECOVERY_ID, interval=0.001, plain=False, once=False)


def test_on_a_pipe_each_entry_is_told_once_and_none_is_lost() -> None:
    early, late = replace(RUNNING, timeline=TIMELINE[:3]), replace(RUNNING, timeline=(*TIMELINE[:3], *TIMELINE[4:]))
    # What was written late, TIMELINE[3], lies outside the window that is read again, and is told at the end.
    made, file = session()
    assert follow(made, Scripted(early, late, LOST, ENDED)) == Exit.NOT_RECOVERED
    lines = file.getvalue().splitlines()
    for entry in TIMELINE:
        assert sum(entry["text"] in line for line in lines) == 1
    assert any("connection lost" in line for line in lines)
    assert lines[-1].startswith(f"{RECOVERY_ID} ended: ResourcesNotRestored. 1 of 6 resources failed")


def test_json_lines_tell_changes_only() -> None:
    made, file = session(as_json=True)
    assert follow(made, Scripted(RUNNING, RUNNING, RUNNING, LOST, ENDED)) == Exit.NOT_RECOVERED
    documents = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [d.get("state") for d in documents] == ["RUNNING", None, "ENDED"]
    assert len(documents[0]["timeline"]) == len(TIMELINE)
    assert documents[2]["timeline"] == []
    assert "connectionLost" in documents[1]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_timeline_that_can_not_be_read_is_read_again(monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    reading, (made, file) = Scripted(RUNNING, ENDED), session(as_json=as_json)
    answers: list[ClientError | tuple[Record, ...]] = [failing("ThrottlingException", 400), TIMELINE]

    def timeline_since(_recovery_id: str, _since: Any) -> Iterator[Record]:
        answer = answers.pop(0)
        if isinstance(answer, ClientError):
            raise answer
        return iter(answer)

    monkeypatch.setattr(reading, "timeline_since", timeline_since)
    assert follow(made, reading) == Exit.NOT_RECOVERED
    lost, *told = file.getvalue().splitlines()
    assert "connection lost" in lost
    if as_json:
        told = [entry["text"] for line in told for entry in json.loads(line)["timeline"]]
    assert [sum(entry["text"] in line for line in told) for entry in TIMELINE] == [1] * len(TIMELINE)


def test_the_live_view_survives_a_lost_connection_and_leaves_the_last_frame() -> None:
    made, file = session(terminal=True)
    assert follow(made, Scripted(LOST, RUNNING, LOST, ENDED)) == Exit.NOT_RECOVERED
    text = file.getvalue()
    assert "connection lost for 0s, retrying" in text
    assert "What is shown is 0s old." in text
    left_on_screen = text.rsplit("\x1b[?1049l", 1)[1]
    assert "ResourcesNotRestored" in left_on_screen
    assert "connection lost" not in left_on_screen


def test_a_terminal_that_can_not_be_drawn_on_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    made, file = session(terminal=True)
    assert follow(made, Scripted(RUNNING, ENDED)) == Exit.NOT_RECOVERED
    assert TIMELINE[0]["text"] in file.getvalue()


def test_the_live_view_is_redrawn_at_the_new_size(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = session(terminal=True)
    widths: list[int] = []
    drawn = frame

    def noted(snapshot: Snapshot, *, width: int, **rest: Any) -> Any:
        widths.append(width)
        made.console.width = 60
        return drawn(snapshot, width=width, **rest)

    monkeypatch.setattr("airlift_cli.watching.frame", noted)
    follow(made, Scripted(RUNNING, ENDED))
    assert (widths[0], set(widths[1:])) == (100, {60})


@pytest.mark.parametrize("as_json", [True, False])
def test_what_waiting_does_not_mend_ends_the_view(as_json: bool) -> None:
    made, _ = session(as_json=as_json)
    with pytest.raises(NoCredentialsError):
        follow(made, Scripted(RUNNING, NoCredentialsError()))


def failing(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Query")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (LOST, True),
        (failing("InternalServerError", 500), True),
        (failing("ThrottlingException", 400), True),
        (failing("AccessDeniedException", 400), False),
        (NoCredentialsError(), False),
        (ValueError("a bug"), False),
    ],
)
def test_what_is_worth_another_try(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


@pytest.mark.parametrize("state", ["RUNNING", "CLOSING"])
def test_waiting_for_one_to_begin(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    made, file = session()
    reading = Scripted()
    another_account = {**ENDED.recovery, "recoveryId": "r-20261125-222233334444-0000"}
    looks: list[list[Record] | Exception] = [[], [ENDED.recovery], LOST, LOST, [another_account, recovery(state=state)]]

    def recent(_limit: int) -> list[Record]:
        look = looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look

    monkeypatch.setattr(reading, "recent", recent)
    assert watching.wait_for_one(made, reading, 0.001) == RECOVERY_ID
    waits, lost = file.getvalue().splitlines()
    assert ("waiting for one to begin" in waits, lost) == (True, "connection lost")


@pytest.mark.parametrize("state", ["RUNNING", "CLOSING"])
def test_watch_takes_the_one_that_has_not_ended_by_default(world: World, state: str) -> None:
    newer = "r-20261125-111122223333-0000"
    world.put(
        [
            recovery(state=state),
            keyed(("RECOVERIES", RECOVERY_ID), createdAt="2026-11-24T08:36:03.123Z"),
            {**recovery(recoveryId=newer, state="ENDED", outcome="Recovered"), "pk": f"RECOVERY#{newer}"},
            keyed(("RECOVERIES", newer), createdAt="2026-11-25T00:00:00.000Z"),
        ]
    )
    result = world.run("watch", "--once")
    assert (result.exit_code, RECOVERY_ID in result.output) == (0, True)


@pytest.mark.parametrize("outcome", ["Recovered", "AccessOpen"])
def test_a_recovery_that_ended_well_ends_the_watch_with_zero(world: World, outcome: str) -> None:
    world.put([recovery(state="ENDED", outcome=outcome, endedAt="2026-11-24T08:40:00.000Z"), *TIMELINE])
    result = world.run("watch", RECOVERY_ID)
    assert (result.exit_code, len(result.output.splitlines())) == (0, len(TIMELINE) + 1)


def test_a_snapshot_holds_all_items_of_a_small_recovery_in_order(world: World) -> None:
    world.put([*ENDED.vaults, *ENDED.votes, *ITEMS, *TIMELINE, ENDED.recovery])
    snapshot = Reading(world.table).snapshot(RECOVERY_ID)
    assert {item["resourceName"] for item in snapshot.items} == {item["resourceName"] for item in ITEMS}
    assert [i["wave"] for i in snapshot.items] == sorted(i["wave"] for i in ITEMS)
    assert [entry["at"] for entry in snapshot.timeline] == sorted(entry["at"] for entry in TIMELINE)
    assert len(snapshot.votes) == 2
    assert type(snapshot.items[0]["candidates"][0]["sizeBytes"]) is int


def counted(monkeypatch: pytest.MonkeyPatch, table: Any) -> list[dict[str, Any]]:
    """Every query of the table from now on."""
    asked: list[dict[str, Any]] = []
    query: Callable[..., Any] = table.query

    def noted(**request: Any) -> Any:
        asked.append(request)
        return query(**request)

    monkeypatch.setattr(table, "query", noted)
    return asked


@pytest.mark.parametrize("selected", [ITEMS_READ * 3, None])
def test_of_many_items_only_the_first_open_ones_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch, selected: int | None
) -> None:
    many = [item(f"t{i:04}", "waiting" if i % 2 else "validated") for i in range(ITEMS_READ * 3)]
    entries = [timeline(f"2026-11-24T09:00:{i % 60:02}.000Z", "started", f"t{i}", str(i)) for i in range(300)]
    world.put([recovery(), vault(selected=selected), *many, *entries])
    asked = counted(monkeypatch, world.table)
    snapshot = Reading(world.table).snapshot(RECOVERY_ID)
    assert len(snapshot.items) == ITEMS_READ
    assert {item["state"] for item in snapshot.items} == {"waiting"}
    assert [request.get("IndexName") for request in asked] == [None, OPEN_INDEX, None, None]
    assert [request.get("Limit") for request in asked[1:]] == [ITEMS_READ, 12, 10]
    assert len(snapshot.timeline) == 12


def test_an_unknown_recovery(world: World) -> None:
    with pytest.raises(UnknownRecovery):
        Reading(world.table).snapshot(RECOVERY_ID)
