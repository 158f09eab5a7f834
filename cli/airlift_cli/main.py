"""The commands of `airlift`: they parse, call and print; what they do stands in the modules they call."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from airlift_cli import (
    actions,
    deploying,
    evidence_commands,
    notices,
    plan_commands,
    point_commands,
    probe,
    ready,
    watching,
)
from airlift_cli.acting import DrillId, Newest, Override, Reason, RecoveryId, act, newest, reading_of, send
from airlift_cli.app import command, new_app, new_group
from airlift_cli.listing import recovery_lines
from airlift_cli.problems import Exit, Problem
from airlift_cli.snapshot import bare

if TYPE_CHECKING:
    from airlift_cli.terminal import Session

app = new_app("Recovers what AWS Backup keeps in logically air-gapped vaults, once enough approvers agree.")
plan_app = new_group("Check, deploy and show the recovery plan.")
app.add_typer(plan_app, name="plan")

REAL, DRILL = "r-20260102-111122223333-0a1b", "drill-20260102-111122223333-0a1b"
_VAULT = "--vault arn:aws:backup:ap-northeast-1:111122223333:backup-vault:production-airgapped"
PlanFile = Annotated[Path, typer.Argument(metavar="FILE", help="The plan, YAML.")]
Interval = Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")]


@command(
    app,
    "start",
    f'airlift start {_VAULT} --reason "Ransom note found" --first-sign 2026-01-02T03:04:00Z --watch',
    'airlift start --account 111122223333 --reason "Drill of the first quarter" --drill',
)
def start(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option(help="What the approvers read, at most 200 characters.")],
    vault: Annotated[list[str] | None, typer.Option(metavar="ARN", help="Source vault; may be repeated.")] = None,
    account: Annotated[str | None, typer.Option(metavar="ID", help="Or all source vaults of an account.")] = None,
    first_sign: Annotated[
        str | None, typer.Option(metavar="TIME", help="First sign of compromise: ISO-8601 with offset, or latest.")
    ] = None,
    adopt_vault: Annotated[
        str | None, typer.Option(metavar="adopt|replace", help="What becomes of access another recovery holds.")
    ] = None,
    access_only: Annotated[  # noqa: FBT002
        bool, typer.Option("--access-only", help="End when access is open; resume restores.")
    ] = False,
    drill: Annotated[  # noqa: FBT002
        bool, typer.Option("--drill", help="Exercise it all; what is restored, and the access, is deleted at the end.")
    ] = False,
    override: Override = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,  # noqa: FBT002
) -> Exit:
    """Ask for access to source vaults and restore from them."""
    several = vault and len(vault) > 1
    document = actions.given(
        sourceBackupVaultArn=vault[0] if vault and not several else None,
        sourceBackupVaultArns=vault if several else None,
        account=account,
        reason=reason,
        firstSign=first_sign,
        adoptVault=adopt_vault,
        accessOnly=access_only or None,
        drill=drill or None,
        overrideReadiness=override,
    )
    answer = send(ctx.obj, document)
    if not watch or not answer.recovery_id:
        ctx.obj.say(f"Follow it: airlift watch {answer.recovery_id}")
        return Exit.OK
    return _watch(ctx.obj, answer.recovery_id)


@command(app, "watch", "airlift watch", f"airlift watch {REAL} --plain", "airlift watch --wait")
def watch(
    ctx: typer.Context,
    recovery_id: Newest = None,
    interval: Interval = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end.")] = False,  # noqa: FBT002
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of the live view.")] = False,  # noqa: FBT002
    wait: Annotated[bool, typer.Option("--wait", help="If none runs, wait for one to begin.")] = False,  # noqa: FBT002
) -> Exit:
    """Follow a recovery live: approvals, restores, times. Only reads; attach and leave at any time."""
    session: Session = ctx.obj
    if wait and recovery_id is None:
        recovery_id = watching.wait_for_one(session, reading_of(session), interval)
    return _watch(session, recovery_id or newest(session), interval=interval, once=once, plain=plain)


def _watch(
    session: Session, recovery_id: str, interval: float = 2.0, *, once: bool = False, plain: bool = False
) -> Exit:
    reading = reading_of(session, impatient=not once)
    return watching.watch(session, reading, recovery_id, interval=interval, plain=plain, once=once)


@command(app, "status", "airlift status", f"airlift status {REAL} --json")
def status(
    ctx: typer.Context,
    recovery_id: Annotated[str | None, typer.Argument(metavar="[RECOVERY_ID]", help="One recovery.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many of the newest.")] = 20,
) -> Exit:
    """List the recoveries, or sum up one; the exit code of one tells how it stands."""
    session: Session = ctx.obj
    if recovery_id:
        return _watch(session, recovery_id, once=True)
    recoveries = reading_of(session).recent(limit)
    session.document([bare(recovery) for recovery in recoveries])
    lines = recovery_lines(recoveries, datetime.now(UTC), session.console.width)
    session.say(lines if recoveries else "There is no recovery yet.")
    return Exit.OK


@command(app, "stop", f'airlift stop {REAL} --reason "False alarm"')
def stop(ctx: typer.Context, recovery_id: RecoveryId, reason: Reason = None) -> Exit:
    """Stop a recovery: nothing more is started; what runs is left running and reported."""
    return act(ctx, recovery_id, "stop", reason=reason)


@command(app, "clean-up", f"airlift clean-up {DRILL}")
def clean_up(ctx: typer.Context, drill_id: DrillId) -> Exit:
    """Go on deleting what an ended drill restored, if something is left of it."""
    return act(ctx, drill_id, "clean-up")


@command(app, "resume", f"airlift resume {REAL}")
def resume(ctx: typer.Context, recovery_id: RecoveryId, reason: Reason = None, override: Override = None) -> Exit:
    """Go on with a recovery that ended before everything was restored, with the plan as it is now."""
    return act(ctx, recovery_id, "resume", reason=reason, overrideReadiness=override)


@command(app, "continue", f"airlift continue {REAL} --wave storage")
def go_on(
    ctx: typer.Context,
    recovery_id: RecoveryId,
    wave: Annotated[str | None, typer.Option(help="The wave that waits; without it, whichever does.")] = None,
    reason: Reason = None,
    override: Override = None,
) -> Exit:
    """Let restoring go on past a pause, and try held resources again."""
    return act(ctx, recovery_id, "continue", wave=wave, reason=reason, overrideReadiness=override)


@command(app, "first-sign", f"airlift first-sign {REAL} 2026-01-02T03:04:00Z", f"airlift first-sign {REAL} latest")
def first_sign(
    ctx: typer.Context,
    recovery_id: RecoveryId,
    time: Annotated[str, typer.Argument(metavar="TIME", help="ISO-8601 with offset, or latest.")],
    reason: Reason = None,
) -> Exit:
    """Say when the attack was first seen; points from before it are restored."""
    return act(ctx, recovery_id, "first-sign", firstSign=time, reason=reason)


@command(app, "deploy-check", "airlift deploy-check --region ap-northeast-1")
def deploy_check(ctx: typer.Context) -> Exit:
    """Say whether the stack may be deployed now: not while a recovery runs or approvers may vote (exit code 3)."""
    session: Session = ctx.obj
    try:
        reading = reading_of(session)
    except Problem as problem:
        # A stack whose first deployment was declined, has failed or only imported something has no outputs.
        if problem.name not in ("StackNotFound", "OutputMissing"):
            raise
        found, free = [], f"{problem.what} Nothing can be under way; it may be deployed."
    else:
        found, free = list(deploying.obstacles(reading, datetime.now(UTC))), "Nothing is under way; it may be deployed."
    if found:
        raise Problem(" ".join(found), deploying.NEXT_STEP, Exit.NOT_RECOVERED, name="DeploymentMustWait")
    session.document({"mayBeDeployed": True, "text": free})
    session.say(free)
    return Exit.OK


@command(app, "notify-test", "airlift notify-test")
def notify_test(ctx: typer.Context) -> Exit:
    """Send a marked test to both topics and list who is subscribed; exit code 3 if nobody is."""
    session: Session = ctx.obj
    sent = notices.send(session.stack, datetime.now(UTC))
    session.document(sent.document())
    for line, colour in sent.lines():
        session.say(Text(line, style=colour))
    session.say(sent.summary())
    return Exit.OK if sent.anybody else Exit.NOT_RECOVERED


@command(plan_app, "check", "airlift plan check plans/example.yaml --region ap-northeast-1")
def plan_check(ctx: typer.Context, file: PlanFile) -> Exit:
    """Tell every problem of a plan at once, with line and remedy, and what it does not cover. Needs no AWS."""
    session: Session = ctx.obj
    checked = _checked(session, file, session.region)
    session.document(checked.document())
    return Exit.BAD_INPUT if checked.errors else Exit.OK


def _checked(session: Session, file: Path, region: str | None) -> plan_commands.Checked:
    checked = plan_commands.check_file(file, region)
    for line, colour in checked.lines():
        session.say(Text(line, style=colour))
    session.say(checked.summary())
    return checked


@command(plan_app, "deploy", "airlift plan deploy plans/example.yaml")
def plan_deploy(ctx: typer.Context, file: PlanFile) -> Exit:
    """Check a plan and put it in force through AppConfig; if it is refused the old one stays."""
    session: Session = ctx.obj
    checked = _checked(session, file, session.stack.session.region_name)
    if checked.errors:
        session.document(checked.document())
        return Exit.BAD_INPUT
    deployed = plan_commands.deploy(session.stack, file)
    session.document(deployed)
    session.say(f"Plan version {deployed['version']} is in force.")
    return Exit.OK


@command(plan_app, "show", "airlift plan show", "airlift plan show --json")
def plan_show(ctx: typer.Context) -> Exit:
    """Show the plan in force, as JSON, which the check reads too."""
    session: Session = ctx.obj
    shown = plan_commands.in_force(session.stack)
    session.document(shown)
    session.say(json.dumps(shown["plan"], indent=2, ensure_ascii=False))
    return Exit.OK


point_commands.add_to(app)
evidence_commands.add_to(app)
ready.add_to(app)
probe.add_to(app)


def run() -> None:
    """Entry point of the `airlift` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding has not is no reason to say nothing
            stream.reconfigure(errors="replace")
    app()
