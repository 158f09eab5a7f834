"""What all commands share: global options that may stand anywhere, and errors that end in one line and an exit code."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

import typer
from airlift.errors import AirliftError
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from airlift_cli.problems import EXIT_CODES_HELP, Exit, Problem, explained
from airlift_cli.terminal import Session

if TYPE_CHECKING:
    from collections.abc import Callable

_GLOBAL_VALUES, _GLOBAL_FLAGS = ("--stack", "--profile", "--region"), ("--json",)


class _Group(TyperGroup):
    """Lets the global options stand anywhere, also after the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first, rest, left = [], [], list(args)
        while left and left[0] != "--":
            word = left.pop(0)
            name, equals, _ = word.partition("=")
            if word in _GLOBAL_VALUES and left:
                first += [word, left.pop(0)]
            elif word in _GLOBAL_FLAGS or (equals and name in _GLOBAL_VALUES):
                first.append(word)
            else:
                rest.append(word)
        return super().parse_args(ctx, [*first, *rest, *left])


def new_app(words: str) -> typer.Typer:
    """An app with the global options and the exit codes in its help."""
    new = new_group(words, cls=_Group, completion=True)
    new.callback()(_options)
    return new


def new_group(words: str, cls: type[TyperGroup] = TyperGroup, *, completion: bool = False) -> typer.Typer:
    """A group of commands with the exit codes in its help."""
    return typer.Typer(
        cls=cls,
        help=f"{words}\n\n{EXIT_CODES_HELP}",
        no_args_is_help=True,
        add_completion=completion,
        pretty_exceptions_enable=False,
    )


def _options(
    ctx: typer.Context,
    stack: Annotated[str, typer.Option(envvar="AIRLIFT_STACK", help="The CloudFormation stack.")] = "airlift",
    profile: Annotated[str | None, typer.Option(help="AWS profile of the recovery account.")] = None,
    region: Annotated[str | None, typer.Option(help="Region of the source vaults.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; for watch, one a line.")] = False,  # noqa: FBT002
) -> None:
    """Global options; they may stand before or after the command."""
    ctx.obj = Session(stack, profile, region, as_json)


def command(group: typer.Typer, name: str, *examples: str) -> Callable[[Callable[..., Exit]], Callable[..., None]]:
    """Adds a command whose errors end in one line with the next step, and in an exit code; `examples` end its help."""

    def add(function: Callable[..., Exit]) -> Callable[..., None]:
        @functools.wraps(function)
        def reported(ctx: typer.Context, **arguments: Any) -> None:
            try:
                code = function(ctx, **arguments)
            except KeyboardInterrupt:
                code = Exit.INTERRUPTED
            except (Problem, AirliftError, ClientError, BotoCoreError) as error:
                problem = explained(error)
                ctx.obj.complain(problem)
                code = problem.code
            raise typer.Exit(int(code))

        group.command(name, epilog="\n\n".join(("Examples:", *examples)) if examples else None)(reported)
        return reported

    return add
