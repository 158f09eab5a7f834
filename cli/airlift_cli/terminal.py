"""What a command prints: words for a person, or one JSON document for a program."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rich.console import Console

from airlift_cli.stack import Stack, connect
from airlift_cli.words import shown, tame

if TYPE_CHECKING:
    from rich.console import RenderableType

    from airlift_cli.problems import Problem


_PIPE_WIDTH = 180


@dataclass(frozen=True)
class Session:
    """The global options of one command, and where its words go."""

    stack_name: str
    profile: str | None
    region: str | None
    as_json: bool

    @cached_property
    def stack(self) -> Stack:
        """The stack, found when it is first asked for."""
        return connect(self.stack_name, self.profile, self.region)

    @cached_property
    def console(self) -> Console:
        """Standard output; numbers and paths are not coloured by guess. On a pipe there is room for all columns."""
        console = Console(highlight=False, markup=False, emoji=False)
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console.width = _PIPE_WIDTH
        return console

    def say(self, words: RenderableType) -> None:
        """Prints words for a person; nothing in JSON mode."""
        if not self.as_json:
            self.console.print(tame(words), soft_wrap=True)

    def document(self, value: Any) -> None:
        """Prints one JSON document on one line; nothing unless JSON is wanted."""
        if self.as_json:
            self.console.file.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
            self.console.file.flush()

    def complain(self, problem: Problem) -> None:
        """One line to standard error, or the JSON document."""
        self.document(problem.document())
        if not self.as_json:
            line = f"airlift: {shown(problem.what)} Next step: {shown(problem.next_step)}"
            Console(stderr=True, highlight=False, markup=False, emoji=False).print(line, style="red", soft_wrap=True)
