"""Every command's help ends with examples that the command takes, and a shell can complete them."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from airlift_cli.main import app, run
from airlift_cli.problems import Exit
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TOP: Any = typer.main.get_command(app)


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        path = (*words, name)
        if hasattr(command, "commands"):
            yield from commands(command, path)
        else:
            yield path, command


COMMANDS = list(commands(TOP))


def take(words: list[str]) -> tuple[str, ...]:
    """The command that these words name, once it has taken them; raises click's errors."""
    context = TOP.make_context("airlift", words)
    path: tuple[str, ...] = ()
    command = TOP
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
        path = (*path, name)
    return path


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_its_examples_are_such_that_it_takes_them(path: tuple[str, ...], command: Any) -> None:
    heading, *examples = (command.epilog or "").split("\n\n")
    assert (heading, bool(examples)) == ("Examples:", True)
    for example in examples:
        program, *words = shlex.split(example)
        assert program == "airlift"
        assert take(words) == path
    shown = "".join(CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "80"}).output.split())
    for example in examples:
        assert "".join(example.split()) in shown


def test_an_encoding_that_lacks_a_character_stops_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.argv", ["airlift", "probe"])
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    with pytest.raises(SystemExit) as end:
        run()
    assert (end.value.code, b"rows by hand" in written.getvalue()) == (0, True)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["pl"], ["plan"]),
        (["plan", ""], ["check", "deploy", "show"]),
        (["--region", "ap-northeast-1", "start", "--dr"], ["--drill"]),
    ],
)
def test_a_shell_can_complete_it(words: list[str], found: list[str]) -> None:
    asked = {
        "_AIRLIFT_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["airlift", *words]),
        "COMP_CWORD": str(len(words)),
    }
    result = CliRunner().invoke(app, [], env=asked, prog_name="airlift")
    assert result.output.split() == found


def test_every_error_of_the_command_line_and_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs/command-line.md").read_text()
    sources = "".join(path.read_text() for path in sorted((ROOT / "cli/airlift_cli").glob("*.py")))
    names = set(re.findall(r'\bname="([A-Z]\w+)"', sources))
    assert "StackNotFound" in names
    assert names - set(re.findall(r"`(\w+)`", text)) == set()
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == set(map(int, Exit))
