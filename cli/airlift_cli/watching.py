"""`airlift watch`: follows a recovery to its end, as a live view, as plain lines or as JSON lines.

It only reads, so it can be started, stopped and started again at any time, and a lost connection costs nothing.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from rich.live import Live
from rich.text import Text

from airlift_cli.problems import Exit, is_transient, one_line
from airlift_cli.snapshot import Snapshot, bare, document, exit_code, moment
from airlift_cli.view import frame, timeline_line
from airlift_cli.words import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airlift.ledger import Record

    from airlift_cli.reading import Reading
    from airlift_cli.terminal import Session

_Seen = TypeVar("_Seen")
_ONCE_LINES = 60
_REDRAW_SECONDS = 1.0
# An entry can be written somewhat later than the moment that it tells of.
_OVERLAP = timedelta(minutes=2)


def watch(session: Session, reading: Reading, recovery_id: str, *, interval: float, plain: bool, once: bool) -> Exit:
    """Shows a recovery until it ends, reading every `interval` seconds; returns the exit code of its ending.

    Raises UnknownRecovery, and botocore's errors that waiting does not mend.
    """
    if once:
        return _once(session, reading.snapshot(recovery_id))
    if session.as_json:
        return _json_lines(session, reading, recovery_id, interval)
    if plain or not session.console.is_terminal or session.console.is_dumb_terminal:
        return _plain_lines(session, reading, recovery_id, interval)
    return _live(session, reading, recovery_id, interval)


def wait_for_one(session: Session, reading: Reading, interval: float) -> str:
    """The id of the running recovery, waiting for one to begin if none runs."""
    told = ""
    for running, lost in _looks(reading.running):
        if running:
            return running
        words = lost.partition(" for ")[0] or "No recovery runs; waiting for one to begin (Ctrl-C ends)."
        if words != told:
            session.say(words)
            told = words
        time.sleep(interval)
    return ""


def _once(session: Session, snapshot: Snapshot) -> Exit:
    session.document(document(snapshot))
    console = session.console
    height = max(console.height, _ONCE_LINES)
    session.say(frame(snapshot, now=datetime.now(UTC), width=console.width, height=height))
    return exit_code(snapshot)


def _live(session: Session, reading: Reading, recovery_id: str, interval: float) -> Exit:
    """On the terminal's second screen, which is drawn whole and so survives a resize; the last frame stays."""
    console = session.console

    def draw(snapshot: Snapshot | None, lost: str) -> Text:
        if snapshot is None:
            return Text(lost or f"Reading {recovery_id} …")
        notice = f"{lost}. What is shown is {duration(time.monotonic() - seen)} old." if lost else ""
        return frame(snapshot, now=datetime.now(UTC), width=console.width, height=console.height - 1, notice=notice)

    snapshot: Snapshot | None = None
    seen = time.monotonic()
    with Live(console=console, screen=True, auto_refresh=False, transient=True) as live:
        live.update(draw(None, ""), refresh=True)
        for found, lost in _looks(lambda: reading.snapshot(recovery_id)):
            snapshot = found or snapshot
            seen = time.monotonic() if found else seen
            live.update(draw(snapshot, lost), refresh=True)
            if found and found.ended:
                break
            until = time.monotonic() + interval
            while (left := until - time.monotonic()) > 0:
                time.sleep(min(_REDRAW_SECONDS, left))
                live.update(draw(snapshot, lost), refresh=True)
    if snapshot is None:
        return Exit.UNEXPECTED
    return _once(session, snapshot)


def _looks(look: Callable[[], _Seen]) -> Iterator[tuple[_Seen | None, str]]:
    """One look after another: what it saw, or None with words while the connection is lost."""
    lost_at: float | None = None
    while True:
        try:
            seen = look()
        except Exception as error:
            if not is_transient(error):
                raise
            lost_at = lost_at or time.monotonic()
            since = duration(time.monotonic() - lost_at)
            yield None, f"connection lost for {since}, retrying ({one_line(error)})"
        else:
            lost_at = None
            yield seen, ""


def _plain_lines(session: Session, reading: Reading, recovery_id: str, interval: float) -> Exit:
    """The timeline as it grows, for a log or a pipe."""
    lines = _NewEntries(reading, recovery_id)
    for seen, lost in _looks(lines.look):
        if seen is None:
            session.say(lost)
        else:
            snapshot, entries = seen
            for entry in entries:
                session.say(timeline_line(entry))
            if snapshot.ended:
                return _last_line(session, snapshot)
        time.sleep(interval)
    return Exit.UNEXPECTED


def _last_line(session: Session, snapshot: Snapshot) -> Exit:
    outcome, cause = snapshot.recovery.get("outcome", ""), snapshot.recovery.get("cause", "")
    session.say(f"{snapshot.recovery_id} ended: {outcome}. {cause}".strip())
    return exit_code(snapshot)


class _NewEntries:
    """The timeline's entries that were not told yet."""

    def __init__(self, reading: Reading, recovery_id: str) -> None:
        self._reading = reading
        self._recovery_id = recovery_id
        self._told: set[str] = set()
        self._newest: datetime | None = None

    def look(self) -> tuple[Snapshot, list[Record]]:
        """A snapshot and new entries, oldest first; once the recovery has ended, whatever was overlooked too."""
        snapshot = self._reading.snapshot(self._recovery_id)
        since = self._newest - _OVERLAP if self._newest and not snapshot.ended else None
        found = list(self._reading.timeline_since(self._recovery_id, since))
        new = [entry for entry in found if entry["sk"] not in self._told]
        self._told.update(str(entry["sk"]) for entry in new)
        self._newest = max(filter(None, (self._newest, *(moment(entry["at"]) for entry in new))), default=None)
        return snapshot, new


def _json_lines(session: Session, reading: Reading, recovery_id: str, interval: float) -> Exit:
    """One object for every look at which something has changed; `timeline` holds what is new."""
    lines = _NewEntries(reading, recovery_id)
    before: dict[str, Any] = {}
    for seen, lost in _looks(lines.look):
        if seen is None:
            session.document({"connectionLost": lost})
        else:
            snapshot, entries = seen
            state = {**document(snapshot), "timeline": [bare(entry) for entry in entries]}
            if state["timeline"] or {**state, "timeline": []} != before:
                session.document(state)
            before = {**state, "timeline": []}
            if snapshot.ended:
                return exit_code(snapshot)
        time.sleep(interval)
    return Exit.UNEXPECTED
