"""The project's own rules for its state machines: ``python -m local.asl.check FILE... [--declared NAME ...]``.

First everything that is checked when a state machine is created, then what this project asks of every state.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.asl.definition import parse
from local.asl.errors import InvalidDefinition, Problem
from local.asl.fields import LAMBDA_INVOKE
from local.asl.variables import blocks, check_expressions

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBSTITUTION = re.compile(r"\$\{([A-Za-z0-9]+)\}")
BARE_SUBSTITUTION = re.compile(r"([:\[,]\s*)\$\{[A-Za-z0-9]+\}(?=\s*[,\]}])")
WILDCARDS = {"States.ALL", "States.TaskFailed"}
THROTTLED = "Lambda.TooManyRequestsException"


def render(text: str) -> str:
    """A definition with every ``${Substitution}`` replaced by something harmless of the right kind."""
    return SUBSTITUTION.sub(r"substitution-\1", BARE_SUBSTITUTION.sub(r"\g<1>1", text))


def check(text: str, declared: set[str] | None = None) -> list[Problem]:
    """Every problem of a definition, as JSON with substitutions; ``declared`` are those its template gives."""
    names = set() if declared is None else set(SUBSTITUTION.findall(text)) - declared
    remedy = "add it to DefinitionSubstitutions"
    problems = [Problem("$", f"${{{name}}} is not declared", remedy) for name in sorted(names)]
    try:
        machine = parse(render(text))
    except InvalidDefinition as invalid:
        return problems + invalid.problems
    return problems + check_expressions(machine.definition, strict=True) + list(_states(machine.definition, ""))


def _states(block: dict[str, Any], path: str) -> Iterator[Problem]:
    for name, state in block["States"].items():
        place = f"{path}States.{name}"
        if state["Type"] == "Task":
            yield from _task(state, place)
        if state["Type"] == "Choice" and "Default" not in state:
            yield Problem(place, "has no Default", "add one, or an input nobody thought of fails without a name")
        for number, rule in enumerate(state.get("Retry", ())):
            yield from _retrier(rule, f"{place}.Retry[{number}]")
        for inner, body in blocks(state):
            yield from _states(body, f"{place}.{inner}.")


def _task(state: dict[str, Any], path: str) -> Iterator[Problem]:
    if "TimeoutSeconds" not in state:
        yield Problem(path, "has no TimeoutSeconds", "add it: the default is three years")
    retried = {name for rule in state.get("Retry", ()) for name in rule["ErrorEquals"]}
    if not retried:
        yield Problem(path, "has no Retry", "name the errors that pass by themselves")
    elif state["Resource"] == LAMBDA_INVOKE and THROTTLED not in retried:
        yield Problem(path, f"does not retry {THROTTLED}", "a new account has a small quota: add it")
    caught = {name for rule in state.get("Catch", ()) for name in rule["ErrorEquals"]}
    if "States.ALL" not in caught:
        yield Problem(path, "does not catch States.ALL", "add a catcher that leads to a named end")


def _retrier(rule: dict[str, Any], path: str) -> Iterator[Problem]:
    if WILDCARDS & set(rule["ErrorEquals"]):
        yield Problem(path, "retries by a wildcard", "name the errors that pass by themselves")
    if rule.get("JitterStrategy") != "FULL":
        yield Problem(path, "has no full jitter", 'add "JitterStrategy": "FULL"')
    if not isinstance(rule.get("BackoffRate", 2.0), float):
        yield Problem(path, "BackoffRate is not a float", "write it with a point, as in 2.0")


def main(arguments: list[str] | None = None) -> int:
    """Check files, print every problem, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.asl.check", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--declared", nargs="*", metavar="NAME", help="substitutions the template declares")
    options = parser.parse_args(arguments)
    declared = None if options.declared is None else set(options.declared)
    count = 0
    for file in options.files:
        for problem in check(file.read_text(encoding="utf-8"), declared):
            count += 1
            sys.stdout.write(f"{file}: {problem}\n")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
