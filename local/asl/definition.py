"""Reads a definition: structure, fields, transitions and expressions; every problem at once.

Only what the interpreter runs is accepted; what AWS has beyond that is refused by name.
Source of the rules: the Amazon States Language specification and the Step Functions developer guide.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from local.asl.errors import InvalidDefinition, Problem
from local.asl.fields import (
    ARGUMENTS,
    BRANCH,
    CATCHER,
    COMMON,
    JSONPATH,
    MACHINE,
    NAME_LENGTH,
    PROCESSOR,
    REQUIRED,
    RETRIER,
    RULE,
    STATES,
    UNSUPPORTED,
    Check,
    anything,
)
from local.asl.variables import blocks, check_expressions, edges


@dataclass(frozen=True)
class Machine:
    """A definition without problems. ``states`` are the dictionaries of the definition, unchanged."""

    definition: dict[str, Any]
    start_at: str
    states: dict[str, dict[str, Any]]
    timeout: int | None


def parse(definition: str | dict[str, Any]) -> Machine:
    """The machine a definition describes.

    Raises InvalidDefinition with every problem, its path and a remedy.
    """
    if isinstance(definition, str):
        try:
            definition = json.loads(definition)
        except json.JSONDecodeError as error:
            raise InvalidDefinition([Problem("$", f"not JSON: {error}", "correct the syntax")]) from error
    problems = _Reader().read(definition)
    if problems or not isinstance(definition, dict):
        raise InvalidDefinition(problems)
    return Machine(definition, definition["StartAt"], definition["States"], definition.get("TimeoutSeconds"))


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.names: set[str] = set()

    def read(self, definition: Any) -> list[Problem]:
        if not isinstance(definition, dict):
            self.add("$", "must be an object", "write a state machine")
        elif definition.get("QueryLanguage") != "JSONata":
            self.add("QueryLanguage", "JSONPath is not supported", 'write "QueryLanguage": "JSONata" at the top')
        else:
            self.block(definition, "", MACHINE)
            if not self.problems:  # expressions are followed along a sound structure only
                self.problems += check_expressions(definition, strict=False)
        return self.problems

    def add(self, path: str, text: str, remedy: str) -> None:
        self.problems.append(Problem(path or "$", text, remedy))

    def fields(self, value: Any, path: str, known: dict[str, Check], required: tuple[str, ...] = ()) -> bool:
        """Check an object's fields against a table; whether it is an object at all."""
        if not isinstance(value, dict):
            self.add(path, "must be an object", "write an object")
            return False
        for field, item in value.items():
            place = f"{path}.{field}" if path else field
            if field in known:
                if fault := known[field](item):
                    self.add(place, fault, f"correct {field}")
            elif field in JSONPATH:
                self.add(place, "a field of JSONPath", f"in JSONata write {JSONPATH[field]}")
            elif field in UNSUPPORTED:
                self.add(place, "not supported", UNSUPPORTED[field])
            else:
                self.add(place, "unknown field", f"one of {', '.join(sorted(known))}")
        for field in required:
            if field not in value:
                self.add(path, f"{field} is missing", f"add {field}")
        return True

    def block(self, block: Any, path: str, known: dict[str, Check]) -> None:
        if not self.fields(block, path, known, ("StartAt", "States")):
            return
        states, start = block.get("States"), block.get("StartAt")
        prefix = f"{path}." if path else ""
        if not isinstance(states, dict) or not states:
            self.add(f"{prefix}States", "has no states", "add one")
            return
        reached, waiting = set(), [start] if start in states else []
        if start is not None and not waiting:
            self.add(f"{prefix}StartAt", f"unknown state {start}", f"one of {', '.join(states)}")
        for name, state in states.items():
            self.state(name, state, f"{prefix}States.{name}", states)
        while waiting:
            name = waiting.pop()
            reached.add(name)
            if isinstance(states[name], dict):
                waiting += [to for _, to, _ in edges(states[name]) if to in states and to not in reached]
        for name in states.keys() - reached:
            self.add(f"{prefix}States.{name}", "unreachable", "lead a transition to it or remove it")

    def state(self, name: str, state: Any, path: str, siblings: dict[str, Any]) -> None:
        kind = state.get("Type") if isinstance(state, dict) else None
        if kind not in STATES:
            self.add(f"{path}.Type", f"unknown type {kind}", f"one of {', '.join(STATES)}")
            return
        if len(name) > NAME_LENGTH or name in self.names:
            self.add(path, "name longer than 80 characters or used twice in the machine", "rename the state")
        self.names.add(name)
        self.fields(state, path, COMMON | STATES[kind], REQUIRED.get(str(kind), ()))
        if "Next" in STATES[kind] and ("Next" in state) == ("End" in state):
            self.add(path, "needs exactly one of Next and End", "keep one")
        if kind == "Wait" and ("Seconds" in state) == ("Timestamp" in state):
            self.add(path, "needs exactly one of Seconds and Timestamp", "keep one")
        if kind == "Task":
            self.task(state, path)
        if kind == "Map":
            self.processor(state.get("ItemProcessor"), f"{path}.ItemProcessor")
        self.rules(state, path)
        for place, target, _ in edges(state):
            if target not in siblings:
                self.add(f"{path}.{place}", f"unknown state {target}", f"one of {', '.join(siblings)}")
        for place, block in blocks(state):
            self.block(block, f"{path}.{place}", PROCESSOR if kind == "Map" else BRANCH)

    def task(self, state: dict[str, Any], path: str) -> None:
        resource, arguments = state.get("Resource"), state.get("Arguments")
        if resource not in ARGUMENTS:
            self.add(f"{path}.Resource", f"{resource} is not supported", f"one of {', '.join(ARGUMENTS)}")
        elif isinstance(arguments, dict):
            known, needed = ARGUMENTS[resource]
            self.fields(arguments, f"{path}.Arguments", dict.fromkeys(known, anything), (needed,))

    def processor(self, processor: Any, path: str) -> None:
        mode = processor.get("ProcessorConfig", {"Mode": "INLINE"}) if isinstance(processor, dict) else None
        if isinstance(mode, dict) and mode != {"Mode": "INLINE"}:
            self.add(f"{path}.ProcessorConfig", "only INLINE is supported", 'write {"Mode": "INLINE"}')

    def rules(self, state: dict[str, Any], path: str) -> None:
        tables = {
            "Choices": (RULE, ("Condition", "Next")),
            "Retry": (RETRIER, ("ErrorEquals",)),
            "Catch": (CATCHER, ("ErrorEquals", "Next")),
        }
        for field, (known, required) in tables.items():
            rules = state.get(field)
            rules = rules if isinstance(rules, list) else []
            for number, rule in enumerate(rules):
                place = f"{path}.{field}[{number}]"
                if self.fields(rule, place, known, required) and field != "Choices":
                    self.error_names(rule.get("ErrorEquals"), place, last=number == len(rules) - 1)

    def error_names(self, names: Any, path: str, *, last: bool) -> None:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.add(f"{path}.ErrorEquals", "must be a list of error names", "name the errors")
        elif "States.ALL" in names and (len(names) > 1 or not last):
            self.add(f"{path}.ErrorEquals", "States.ALL must stand alone and last", "move it to the end")
