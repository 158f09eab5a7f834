"""The commands about points: which are taken, another one, or once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from airlift_cli import point_choice
from airlift_cli.acting import Reason, RecoveryId, act, reading_of
from airlift_cli.app import command
from airlift_cli.problems import Exit, Problem

if TYPE_CHECKING:
    from airlift_cli.terminal import Session

ResourceArn = Annotated[str, typer.Argument(metavar="RESOURCE_ARN", help="ARN of the source resource.")]


def restore_again(
    ctx: typer.Context,
    recovery_id: RecoveryId,
    resources: Annotated[
        list[str] | None, typer.Argument(metavar="[RESOURCE_ARN]...", help="Resources to restore once more.")
    ] = None,
    resource: Annotated[list[str] | None, typer.Option(metavar="ARN", help="The same; may be repeated.")] = None,
    point: Annotated[str | None, typer.Option(metavar="ARN", help="The recovery point for the one resource.")] = None,
    before: Annotated[
        str | None, typer.Option(metavar="TIME", help="From the newest usable point at or before this time.")
    ] = None,
    reason: Reason = None,
) -> Exit:
    """Restore resources once more, under new names; nothing of an earlier restore is touched."""
    arns = [*(resources or []), *(resource or [])]
    fields = {"resourceArns": arns, "recoveryPointArn": point, "before": before, "reason": reason}
    return act(ctx, recovery_id, "restore-again", **fields)


def pin(
    ctx: typer.Context,
    recovery_id: RecoveryId,
    resource: ResourceArn,
    point: Annotated[str, typer.Option(metavar="ARN", help="The recovery point to restore it from.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the recovery's timeline and report.")],
) -> Exit:
    """Say from which point a resource is restored, before its restore starts, whatever the plan would choose."""
    fields = {"resourceArns": [resource], "recoveryPointArn": point, "reason": reason}
    return act(ctx, recovery_id, "pin", **fields)


def points(
    ctx: typer.Context,
    recovery_id: RecoveryId,
    resource: Annotated[str | None, typer.Argument(metavar="[RESOURCE_ARN]", help="One resource, in full.")] = None,
) -> Exit:
    """Show which point each resource is restored from and why; of one resource, which points were looked at."""
    session: Session = ctx.obj
    found = list(reading_of(session).points(recovery_id, resource))
    if resource and not found:
        raise Problem(
            f"Recovery {recovery_id} has selected no resource {resource}.",
            f"`airlift points {recovery_id}` lists what is selected.",
            Exit.BAD_INPUT,
            name="UnknownResource",
        )
    session.document([point_choice.document(item, looked) for item, looked in found])
    for item, looked in found:
        session.say(point_choice.lines(item, looked))
    return Exit.OK


def add_to(app: typer.Typer) -> None:
    """Gives the app these commands."""
    one, table = "r-20260102-111122223333-0a1b", "arn:aws:dynamodb:ap-northeast-1:111122223333:table/orders"
    point = "--point arn:aws:backup:ap-northeast-1:111122223333:recovery-point:0a1b2c3d"
    again = f"airlift restore-again {one} {table}"
    command(app, "restore-again", f"{again} --before 2026-01-02T03:04:00Z", f"{again} {point}")(restore_again)
    command(app, "pin", f'airlift pin {one} {table} {point} --reason "Checked by hand"')(pin)
    command(app, "points", f"airlift points {one}", f"airlift points {one} {table}")(points)
