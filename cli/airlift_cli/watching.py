"""`airlift watch`: follows a recovery to its end, as a live view, as plain lines or as JSON lines.

It only reads, so it can be started, stopped and started again at any time, and a lost connection costs nothing.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.text import Text

from airlift_cli.problems import Exit, is_transient, one_line
from airlift_cli.snapshot import Snapshot, bare, document, exit_code, moment
from airlift_cli.view import frame, timeline_line
from airlift_cli.words import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift_cli.reading import Reading
    from airlift_cli.terminal import Session

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
    if plain or not session.console.is_terminal:
        return _plain_lines(session, reading, recovery_id, interval)
    return _live(session, reading, recovery_id, interval)


def wait_for_one(session: Session, reading: Reading, interval: float) -> str:
    """The id of the running recovery, waiting for one to begin if none runs."""
    told = False
    while True:
        for recovery in reading.recent(1):
            if recovery["state"] != "ENDED":
                return str(recovery["recoveryId"])
        if not told:
            session.say("No recovery runs; waiting for one to begin (Ctrl-C ends).")
            told = True
        time.sleep(interval)


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
        for found, lost in _looks(reading, recovery_id):
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


def _looks(reading: Reading, recovery_id: str) -> Iterator[tuple[Snapshot | None, str]]:
    """One look after another: a snapshot, or None with words while the connection is lost."""
    lost_at: float | None = None
    while True:
        try:
            snapshot = reading.snapshot(recovery_id)
        except Exception as error:
            if not is_transient(error):
                raise
            lost_at = lost_at or time.monotonic()
            since = duration(time.monotonic() - lost_at)
            yield None, f"connection lost for {since}, retrying ({one_line(error)})"
        else:
            lost_at = None
            yield snapshot, ""


def _plain_lines(session: Session, reading: Reading, recovery_id: str, interval: float) -> Exit:
    """The timeline as it grows, for a log or a pipe."""
    lines = _NewEntries(reading, recovery_id)
    for snapshot, lost in _looks(reading, recovery_id):
        if snapshot is None:
            session.say(lost)
        else:
            for entry in lines.after(snapshot):
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

    def after(self, snapshot: Snapshot) -> Iterator[dict[str, Any]]:
        """New entries, oldest first; once the recovery has ended, whatever was overlooked too."""
        since = self._newest - _OVERLAP if self._newest and not snapshot.ended else None
        for entry in self._reading.timeline_since(self._recovery_id, since):
            if entry["sk"] not in self._told:
                self._told.add(str(entry["sk"]))
                at = moment(entry["at"])
                self._newest = max(filter(None, (self._newest, at)), default=None)
                yield entry


def _json_lines(session: Session, reading: Reading, recovery_id: str, interval: float) -> Exit:
    """One object for every look at which something has changed; `timeline` holds what is new."""
    lines = _NewEntries(reading, recovery_id)
    before: dict[str, Any] = {}
    for snapshot, lost in _looks(reading, recovery_id):
        if snapshot is None:
            session.document({"connectionLost": lost})
        else:
            state = {**document(snapshot), "timeline": [bare(entry) for entry in lines.after(snapshot)]}
            if state["timeline"] or {**state, "timeline": []} != before:
                session.document(state)
            before = {**state, "timeline": []}
            if snapshot.ended:
                return exit_code(snapshot)
        time.sleep(interval)
    return Exit.UNEXPECTED
