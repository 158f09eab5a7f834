"""`airlift ready`: what a recovery would miss, by gravity, and how it is mended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer  # noqa: TC002 (typer reads annotations at run time)
from rich.text import Text

from airlift_cli.app import command
from airlift_cli.problems import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airlift_cli.stack import Stack
    from airlift_cli.terminal import Session

_TITLES = (
    ("blocks", "Blocks the request for access", "red"),
    ("holds", "Would be held back", "red"),
    ("warning", "Warnings", "yellow"),
    ("note", "Notes", "blue"),
)


def ready(ctx: typer.Context) -> Exit:
    """Check every prerequisite now, and show what would be restored from vaults that are open; exit code 3: not ready.

    The same is checked every day; the page readiness/readiness.html in the evidence bucket shows the last check.
    """
    session: Session = ctx.obj
    report = check(session.stack)
    session.document(report)
    for line, colour in lines(report):
        session.say(Text(line, style=colour))
    return Exit.OK if report["ready"] else Exit.NOT_RECOVERED


def check(stack: Stack) -> dict[str, Any]:
    """The daily check's answer, made now. Raises Problem if the function fails."""
    return stack.invoke(
        "DailyCheckFunctionName", {}, failed="The check failed", exit_code=Exit.NOT_RECOVERED, name="CheckFailed"
    )


def lines(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The report in lines, each with its colour."""
    for severity, title, colour in _TITLES:
        found = [result for result in report["results"] if result["severity"] == severity]
        if found:
            yield f"{title} ({len(found)})", f"bold {colour}"
        for result in found:
            yield f"  {result['check']}, {result['subject']}", colour
            yield f"    {result['what']} {result['why']}", ""
            yield f"    Next step: {result['remedy']}", ""
    for vault in report["vaults"]:
        types = ", ".join(f"{count} {kind}" for kind, count in vault["types"].items()) or "nothing"
        yield f"Would be restored now from {vault['sourceBackupVaultArn']}: {types}", "bold"
        for resource in vault["resources"]:
            taken = f"from {resource['pointFrom']}, wave {resource['wave']}" if resource["pointFrom"] else "left out"
            yield f"  {resource['resourceArn']}: {taken} ({resource['why']})", ""
    counts = report["counts"]
    told = f"{counts['blocks']} blocking, {counts['holds']} holding, {counts['warning']} warnings."
    yield f"{'Ready' if report['ready'] else 'Not ready'}: {told}", "bold green" if report["ready"] else "bold red"


def add_to(app: typer.Typer) -> None:
    """Gives the app this command."""
    command(app, "ready", "airlift ready", "airlift ready --json")(ready)
