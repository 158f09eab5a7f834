"""`airlift probe`: what the documentation leaves open is looked at on a real account, with one tiny vault."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from airlift_cli.app import command
from airlift_cli.evidence import save
from airlift_cli.probe_by_hand import BY_HAND
from airlift_cli.probe_run import (
    AS_READ,
    OPEN,
    OTHERWISE,
    OWNER,
    RECOVERY,
    TEAM,
    Finding,
    Missing,
    Pending,
    Run,
    State,
    masked,
)
from airlift_cli.probe_steps import STEPS, Step
from airlift_cli.problems import Exit, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift_cli.terminal import Session

_COLOURS = {AS_READ: "green", OTHERWISE: "red", OPEN: "yellow"}
_OPTIONS = {OWNER: "--owner-profile", TEAM: "--team-profile"}
CLEAN_UP = STEPS[-1]


def plan_lines() -> Iterator[tuple[str, str]]:
    """What a walk would do, and what is left to people, in lines with their colours."""
    yield f"{len(STEPS)} steps. Without --run nothing is called.", "bold"
    for step in STEPS:
        yield f"  {step.id} ({step.who} account): {step.does}; {step.leaves}", ""
        for row in step.rows:
            yield f"    answers: {row} …", "dim"
    yield f"{sum(map(len, BY_HAND.values()))} rows by hand, as docs/real-aws-checklist.md says:", "bold"
    for reason, rows in BY_HAND.items():
        yield f"  {reason}", ""
        for row in rows:
            yield f"    {row} …", "dim"


def plan_document() -> dict[str, Any]:
    """The same for a program."""
    steps = [
        {"id": step.id, "account": step.who, "does": step.does, "leaves": step.leaves, "rows": list(step.rows)}
        for step in STEPS
    ]
    return {"steps": steps, "byHand": [{"why": why, "rows": list(rows)} for why, rows in BY_HAND.items()]}


def walk(run: Run) -> Iterator[tuple[Step, Finding]]:
    """Takes the steps that have not been taken; what each found. Raises Pending where it has to go on later."""
    for step in STEPS:
        if step.id not in run.state.found or (step is CLEAN_UP and run.state.facts.get("made")):
            yield step, _take(step, run)


def _take(step: Step, run: Run) -> Finding:
    try:
        finding = step.take(run)
    except Missing as lacking:
        return Finding(OPEN, str(lacking))
    except (ClientError, BotoCoreError) as error:
        return Finding(OPEN, f"failed: {error}")
    run.state.found[step.id] = finding.document()
    run.state.keep()
    return finding


def shared(state: State) -> dict[str, Any]:
    """What may be shared: each step's verdict and what was seen, and the rows they answer."""
    nothing = Finding(OPEN, "not taken").document()
    steps = [{"id": step.id, "rows": list(step.rows), **state.found.get(step.id, nothing)} for step in STEPS]
    return {"steps": steps, "counts": {kind: sum(one["verdict"] == kind for one in steps) for kind in _COLOURS}}


def probe(
    ctx: typer.Context,
    run: Annotated[bool, typer.Option("--run", help="Take the steps; without it they are only told.")] = False,  # noqa: FBT002
    vault: Annotated[str | None, typer.Option(metavar="ARN", help="A source vault that does not matter.")] = None,
    owner_profile: Annotated[str | None, typer.Option(help="AWS profile of the vault's owner.")] = None,
    team_profile: Annotated[str | None, typer.Option(help="AWS profile of the approval team's owner.")] = None,
    restore_role: Annotated[str | None, typer.Option(metavar="ARN", help="Default: the deployed stack's.")] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The result, without ids.")] = Path("probe-result.json"),
    state: Annotated[Path, typer.Option(metavar="FILE", help="What a later run needs.")] = Path("probe-state.json"),
    clean_up: Annotated[bool, typer.Option("--clean-up", help="Only delete what was made.")] = False,  # noqa: FBT002
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,  # noqa: FBT002
) -> Exit:
    """Look at what the documentation leaves open, on a real account; the result names no account and no ARN."""
    session: Session = ctx.obj
    if not (run or clean_up):
        session.document(plan_document())
        for line, colour in plan_lines():
            session.say(Text(line, style=colour))
        return Exit.OK
    if vault is None or vault.count(":") < 6:
        raise Problem("No vault is named.", "give --vault with a source vault's ARN.", Exit.BAD_INPUT, name="NoVault")
    if not yes and not typer.confirm("Ask the approvers and restore a table, in this account?", err=True):
        return Exit.BAD_INPUT
    profiles = {RECOVERY: session.profile, OWNER: owner_profile, TEAM: team_profile}
    role = restore_role or _role_of_stack(session)
    taken = Run(vault, _clients(profiles, vault.split(":")[3]), time.sleep, State.read(state), role)
    return _report(session, taken, out, [CLEAN_UP] if clean_up else None)


def _report(session: Session, run: Run, out: Path, only: list[Step] | None) -> Exit:
    """Takes the steps, says and writes what they find."""
    waiting = ""
    try:
        for step, finding in ((one, _take(one, run)) for one in only) if only else walk(run):
            session.say(Text(f"{step.id}: {finding.verdict}. {masked(finding.seen)}", style=_COLOURS[finding.verdict]))
    except Pending as pending:
        waiting = masked(pending)
    document = shared(run.state) | {"waitingFor": waiting}
    save(out, json.dumps(document, indent=1) + "\n")
    session.document(document)
    counts = ", ".join(f"{count} {kind}" for kind, count in document["counts"].items())
    session.say(f"{counts}. Written to {out}, without ids; it may be shared.")
    if waiting:
        session.say(Text(f"Waiting: {waiting}.", style="yellow"))
    return Exit.OPERATOR_NEEDED if waiting else Exit.OK


def _clients(profiles: dict[str, str | None], region: str) -> Any:
    """Clients by account. Raises Missing for an account without a profile, but for the recovery account's default."""

    def client(who: str, service: Any, other: str | None) -> Any:
        if profiles[who] is None and who != RECOVERY:
            raise Missing(f"needs {_OPTIONS[who]}")
        return boto3.Session(profile_name=profiles[who], region_name=other or region).client(service)

    return client


def _role_of_stack(session: Session) -> str | None:
    """The deployed stack's restore role; None without a stack."""
    try:
        return session.stack["RestoreRoleArn"]
    except Problem:
        return None


def add_to(app: typer.Typer) -> None:
    """Gives the app this command."""
    vault = "--vault arn:aws:backup:ap-northeast-1:111122223333:backup-vault:test"
    command(app, "probe", "airlift probe", f"airlift probe --run {vault} --owner-profile test-owner")(probe)
