"""What the commands that act on a recovery share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from airlift_cli import actions
from airlift_cli.problems import Exit, Problem
from airlift_cli.reading import Reading

if TYPE_CHECKING:
    from airlift_cli.terminal import Session

RecoveryId = Annotated[str, typer.Argument(metavar="RECOVERY_ID", help="Such as r-20260102-111122223333-0a1b.")]
DrillId = Annotated[str, typer.Argument(metavar="DRILL_ID", help="Such as drill-20260102-111122223333-0a1b.")]
Newest = Annotated[
    str | None, typer.Argument(metavar="[RECOVERY_ID]", help="Without it, the running or else the newest one.")
]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the recovery's timeline.")]
Override = Annotated[
    str | None, typer.Option("--override-readiness", metavar="WHY", help="Go on whatever the readiness checks find.")
]


def reading_of(session: Session, *, impatient: bool = False) -> Reading:
    """The ledger of the session's stack."""
    return Reading(session.stack.ledger_table(impatient=impatient))


def newest(session: Session) -> str:
    """The id of the running recovery, or else of the newest. Raises Problem if there is none."""
    found = reading_of(session).newest()
    if found is None:
        step = "start one with `airlift start`, or wait for one with `airlift watch --wait`."
        raise Problem("There is no recovery yet.", step, Exit.BAD_INPUT, name="NoRecovery")
    return found


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
