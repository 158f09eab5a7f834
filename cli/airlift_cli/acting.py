"""What the commands that act on a recovery share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from airlift_cli import actions
from airlift_cli.problems import Exit
from airlift_cli.reading import Reading

if TYPE_CHECKING:
    from airlift_cli.terminal import Session

RecoveryId = Annotated[str, typer.Argument(metavar="RECOVERY_ID", help="Such as r-20260102-111122223333-0a1b.")]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the recovery's timeline.")]


def reading_of(session: Session, *, impatient: bool = False) -> Reading:
    """The ledger of the session's stack."""
    return Reading(session.stack.ledger_table(impatient=impatient))


def send(session: Session, document: dict[str, Any]) -> actions.Answer:
    """Starts the recovery state machine with this input and says what became of it."""
    answer = actions.send(session.stack, reading_of(session), document)
    session.document(answer.document())
    session.say(answer.text)
    return answer


def act(ctx: typer.Context, recovery_id: str, action: str, **fields: Any) -> Exit:
    """Has an operator action carried out; fields that are None or empty are left out."""
    send(ctx.obj, actions.given(recoveryId=recovery_id, action=action, **fields))
    return Exit.OK
