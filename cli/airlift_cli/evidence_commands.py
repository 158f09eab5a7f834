"""The commands that look back, and the one that provides: report, drills, card."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airlift_cli import drills, evidence, verifying
from airlift_cli.acting import Newest, newest, reading_of
from airlift_cli.app import command
from airlift_cli.problems import Exit

if TYPE_CHECKING:
    from airlift_cli.terminal import Session

ReportOut = Annotated[Path | None, typer.Option(metavar="FILE", help="Write it: .html the page, else JSON.")]


Verify = Annotated[
    bool, typer.Option("--verify", help="Check that evidence, or a copied folder, is as it was written.")
]

Refresh = Annotated[bool, typer.Option("--refresh", help="Have it written first, as everything stands now.")]


def report(
    ctx: typer.Context,
    recovery_id: Newest = None,
    out: ReportOut = None,
    verify: Verify = False,  # noqa: FBT002
    refresh: Refresh = False,  # noqa: FBT002
) -> Exit:
    """Fetch the newest report of a recovery from the evidence bucket: in words, and with --out all of it."""
    session: Session = ctx.obj
    if verify:
        return _verify(session, recovery_id)
    recovery = reading_of(session).recovery(recovery_id or newest(session))
    if refresh:
        recovery = evidence.write_anew(session.stack, str(recovery["recoveryId"]))
    found = evidence.report_of(session.stack, recovery)
    session.document(json.loads(found.text))
    session.say(found.words())
    if out:
        evidence.save(out, found.page if out.suffix == ".html" else found.text)
        session.say(f"Written to {out}.")
    return Exit.OK


def _verify(session: Session, place: str | None) -> Exit:
    """A folder if there is one of this name, else a recovery's evidence in the bucket."""
    if place and Path(place).is_dir():
        verified = verifying.in_folder(Path(place))
    else:
        recovery = reading_of(session).recovery(place or newest(session))
        verified = verifying.in_bucket(session.stack, recovery)
    session.document(verified.document())
    session.say(verified.words())
    return Exit.UNEXPECTED if verified.flaws else Exit.OK


def list_drills(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many of the newest.")] = 20,
) -> Exit:
    """Compare drills and recoveries: outcome, time to approval, to the first and to the last restore."""
    session: Session = ctx.obj
    reading, runs = reading_of(session), []
    history = {str(one["recoveryId"]): one for one in reading.history()}
    for recovery in reading.recent(limit):
        identity = str(recovery["recoveryId"])
        if recovery["state"] == "ENDED" and identity in history:
            runs.append(drills.Run(recovery, history[identity]))
            continue
        vaults = list(reading.vaults(identity))
        runs.append(drills.run_of(recovery, vaults, reading.outcomes(identity, vaults)))
    session.document([run.document() for run in runs])
    nothing = "There was neither a drill nor a recovery yet; airlift start --drill starts one."
    shown = drills.lines(runs, list(history.values()), datetime.now(UTC), session.console.width)
    session.say(shown if runs else nothing)
    return Exit.OK


def card(
    ctx: typer.Context,
    plan: Annotated[Path | None, typer.Option(metavar="FILE", help="Of this plan instead of the one in force.")] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")] = Path("airlift-card.html"),
) -> Exit:
    """Write a page to print: how to recover by hand, without Airlift; whom to call, and every call to AWS."""
    session: Session = ctx.obj
    evidence.save(out, evidence.card_of(session.stack, plan))
    session.document({"file": str(out)})
    session.say(f"Written to {out}. Print it, and keep it where no attacker and no outage reaches it.")
    return Exit.OK


def add_to(app: typer.Typer) -> None:
    """Gives the app these commands."""
    one = "drill-20260102-111122223333-0a1b"
    verify = (f"airlift report {one} --verify", "airlift report ./copied --verify")
    command(app, "report", "airlift report", f"airlift report {one} --out report.html", *verify)(report)
    command(app, "drills", "airlift drills", "airlift drills --limit 100 --json")(list_drills)
    command(app, "card", "airlift card --out card.html", "airlift card --plan plans/example.yaml")(card)
