"""A recovery plan as people keep it: a YAML file whose problems have line numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from airlift.documents import Problem
from airlift.plan import plan_invalid
from airlift.plan_check import check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airlift.documents import Path as Where


class _Loader(yaml.SafeLoader):
    """YAML with the kinds of values that JSON has: what looks like a date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class LocatedProblem:
    """A problem and the line of the file where its field stands, or would have to stand; lines count from 1."""

    line: int
    problem: Problem


def load(path: Path) -> tuple[Any, dict[Where, int]]:
    """The document in the file, and the line of everything in it, by its path in the document.

    Raises `airlift.errors.PlanInvalid` if the file is no YAML or holds a field twice, and OSError if it can't be read.
    """
    document, lines, problems = _read(path)
    if problems:
        raise plan_invalid([located.problem for located in problems])
    return document, lines


def problems_with_lines(path: Path, *, region: str | None = None) -> list[LocatedProblem]:
    """Every problem of the plan in the file, by line. Raises OSError if the file can't be read."""
    document, lines, problems = _read(path)
    if not problems:
        problems = [LocatedProblem(_line(p.path, lines), p) for p in check(document, region=region)]
    return sorted(problems, key=lambda located: located.line)


def _read(path: Path) -> tuple[Any, dict[Where, int], list[LocatedProblem]]:
    text = path.read_bytes()
    lines: dict[Where, int] = {}
    try:
        node = yaml.compose(text, _Loader)
        problems = list(_walk(node, (), lines, ())) if node else []
        document = None if problems else yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = f"This is no YAML: {getattr(error, 'problem', None) or error}."
        problem = Problem((), what, "Correct it here or in the lines before.")
        return None, {}, [LocatedProblem(mark.line + 1 if mark else 1, problem)]
    return document, lines, problems


def _walk(
    node: yaml.Node, path: Where, lines: dict[Where, int], above: tuple[yaml.Node, ...]
) -> Iterator[LocatedProblem]:
    """Notes the line of everything below `node`; gives what JSON could not hold."""
    lines.setdefault(path, node.start_mark.line + 1)
    if node in above:
        what, remedy = "An alias stands inside what it names.", "Write the value out."
        yield LocatedProblem(lines[path], Problem(path, what, remedy))
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _walk(item, (*path, i), lines, (*above, node))
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            here, line = (*path, key.value), key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                yield LocatedProblem(line, Problem(path, "A field's name is text.", "Write a name."))
                continue
            if key.value in seen:
                what = "This field stands here twice, and the first would be lost."
                yield LocatedProblem(line, Problem(here, what, "Remove one of them."))
            seen.add(key.value)
            lines[here] = line
            yield from _walk(value, here, lines, (*above, node))


def _line(path: Where, lines: dict[Where, int]) -> int:
    """The line of the field, or of the nearest thing around it that stands in the file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
