"""The JSONata side of the Amazon States Language, one small state machine per feature, as plain JSON.

What each must give is taken from the documentation (docs.aws.amazon.com/step-functions/latest/dg:
transforming-data.html, workflow-variables.html and the pages of the states; states-language.net). Both interpreters run
them: the project's own in test_language.py, the second one in tests/workflow/test_conformance.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.asl.support import Document, block, machine, nested, passing, task

SENT = {"op": "add", "a": "{% $states.input.a %}", "b": 2}
ROWS = [{"s": "a", "n": 1}, {"s": "b", "n": 2}, {"s": "a", "n": 3}]
INLINE = {"ProcessorConfig": {"Mode": "INLINE"}}


@dataclass(frozen=True)
class Case:
    """A state machine, its input, and what it ends with: an output, or an error's name."""

    definition: Document
    output: Any = None
    error: str | None = None
    data: Any = field(default_factory=dict)


def work(payload: Any) -> Any:
    """The function that tasks call. Raises ValueError if told to."""
    if payload["op"] == "raise":
        raise ValueError("nope")
    return {"sum": payload["a"] + payload["b"]}


def over(items: Any, block: Document, **more: Any) -> Document:
    return {"Type": "Map", "Items": items, "ItemProcessor": INLINE | block, "End": True, **more}


def gives(expression: str, output: Any, **data: Any) -> Case:
    """A Pass state whose output is this expression."""
    return Case(machine(A=passing("{% " + expression + " %}")), output, data=data)


CASES: dict[str, Case] = {
    "an output mixes expressions and constants": Case(
        machine(A=passing({"s": "{% $states.input.a + 1 %}", "as it is": "x"})),
        {"s": 2, "as it is": "x"},
        data={"a": 1},
    ),
    "text keeps quotes, backslashes and line ends": gives(
        "$states.input.s & '!'", 'he said "hi"\n\\x!', s='he said "hi"\n\\x'
    ),
    "text beyond ASCII": gives("$uppercase($states.input.s)", "É☃😀", s="é☃😀"),
    "variables are assigned together, from what they were before": Case(
        machine(
            A=passing(Assign={"x": "{% $states.input.a %}"}, Next="B"),
            B=passing(Assign={"x": "{% $x + 1 %}", "y": "{% $x * 10 %}"}, Next="C"),
            C=passing("{% [$x, $y] %}"),
        ),
        [6, 50],
        data={"a": 5},
    ),
    "a variable holds text unchanged": Case(
        machine(A=passing(Assign={"q": 'a "quoted" \\ back'}, Next="B"), B=passing("{% $q %}")), 'a "quoted" \\ back'
    ),
    "a choice takes the first condition that holds, with its output": Case(
        machine(
            C={
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% $states.input.n > 9 %}", "Next": "No"},
                    {
                        "Condition": "{% $states.input.n > 2 and $exists($states.input.k) %}",
                        "Next": "Yes",
                        "Output": {"o": "{% $states.input.n %}"},
                    },
                ],
                "Default": "No",
            },
            Yes=passing(),
            No=passing("no"),
        ),
        {"o": 3},
        data={"n": 3, "k": 1},
    ),
    "a wait of computed seconds": Case(
        machine(W={"Type": "Wait", "Seconds": "{% $states.input.s %}", "End": True}), {"s": 1}, data={"s": 1}
    ),
    "a wait until a computed time": Case(
        machine(W={"Type": "Wait", "Timestamp": "{% $fromMillis($millis() + 500) %}", "End": True}), {}
    ),
    "a map over computed items, with selector and index": Case(
        machine(
            M=over(
                "{% $states.input.xs[n > 1] %}",
                block(A=passing("{% $states.input.v * 2 + $states.input.i %}")),
                MaxConcurrency="{% 2 %}",
                ItemSelector={
                    "v": "{% $states.context.Map.Item.Value.n %}",
                    "i": "{% $states.context.Map.Item.Index %}",
                },
                Output={"r": "{% $states.result %}"},
            )
        ),
        {"r": [4, 7]},
        data={"xs": [{"n": 1}, {"n": 2}, {"n": 3}]},
    ),
    "a map over a list written out": Case(
        machine(M=over(["{% $states.input.a %}", 2], block(A=passing("{% $states.input * 2 %}")))),
        [2, 4],
        data={"a": 1},
    ),
    "parallel branches get the arguments": Case(
        machine(
            P={
                "Type": "Parallel",
                "Arguments": {"z": "{% $states.input.a %}"},
                "Branches": [block(A=passing("{% $states.input.z %}")), block(B=passing(2))],
                "Output": "{% $sum($states.result) %}",
                "End": True,
            }
        ),
        7,
        data={"a": 5},
    ),
    "a task: arguments, result, output and assigned status": Case(
        machine(
            T=task(
                SENT,
                Output="{% $states.result.Payload.sum %}",
                Assign={"z": "{% $states.result.StatusCode %}"},
                Next="Z",
            ),
            Z=passing({"s": "{% $states.input %}", "c": "{% $z %}"}),
        ),
        {"s": 3, "c": 200},
        data={"a": 1},
    ),
    "a catch by name, with error, cause, output and variable": Case(
        machine(
            T=task(
                {"op": "raise"},
                Catch=[
                    {
                        "ErrorEquals": ["ValueError"],
                        "Assign": {"e": "{% $states.errorOutput.Error %}"},
                        "Output": {
                            "c": "{% $parse($states.errorOutput.Cause).errorMessage %}",
                            "q": "{% $states.input.q %}",
                        },
                        "Next": "H",
                    }
                ],
            ),
            H=passing({"e": "{% $e %}", "c": "{% $states.input.c %}", "q": "{% $states.input.q %}"}),
        ),
        {"e": "ValueError", "c": "nope", "q": 9},
        data={"q": 9},
    ),
    "a computed time-out": Case(
        machine(T=task(SENT, TimeoutSeconds="{% $states.input.limit %}", Output="{% $states.result.Payload.sum %}")),
        3,
        data={"a": 1, "limit": 60},
    ),
    "partition and range": gives(
        "{'p': $partition([1,2,3,4,5], 2), 'r': $range(0, 10, 5)}", {"p": [[1, 2], [3, 4], [5]], "r": [0, 5, 10]}
    ),
    "hash": gives("$hash('abc', 'SHA-256')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    "uuid is of version 4": gives("($u := $uuid(); $length($u) = 36 and $substring($u, 14, 1) = '4')", True),
    "random lies between 0 and 1": gives("($r := $random(); $r >= 0 and $r < 1)", True),
    "parse": gives("$parse($states.input.s).k", [1, 2], s='{"k":[1,2]}'),
    "filter, map, reduce, replace, sort, group, join, merge": gives(
        "{'f': $states.input.xs[s='a'].n, 'm': $map([1..3], function($v){$v*$v}),"
        " 'red': $reduce([1..4], function($a,$b){$a+$b}), 'rx': $replace('2026-01-02', /(\\d+)-(\\d+)/, '$2/$1'),"
        " 'srt': $sort($states.input.xs, function($l,$r){$l.n < $r.n})[0].s, 'grp': $states.input.xs{s: $sum(n)},"
        " 'j': $join(['a','b'], '-'), 'mrg': $merge([{'a':1},{'b':2}])}",
        {
            "f": [1, 3],
            "m": [1, 4, 9],
            "red": 10,
            "rx": "01/2026-02",
            "srt": "a",
            "grp": {"a": 4, "b": 2},
            "j": "a-b",
            "mrg": {"a": 1, "b": 2},
        },
        xs=ROWS,
    ),
    "times": gives(
        "{'ms': $toMillis('2026-01-02T03:04:05.000Z'), 's': $fromMillis(1767323045000),"
        " 'day': $fromMillis(1767323045000, '[Y0001]-[M01]-[D01]'), 'now': $contains($now(), /Z$/)}",
        {"ms": 1767323045000, "s": "2026-01-02T03:04:05.000Z", "day": "2026-01-02", "now": True},
    ),
    "the context object": gives(
        "[$states.context.Execution.Name, $states.context.State.Name, $states.context.Execution.Input.q]",
        ["run", "A", 1],
        q=1,
    ),
    "nothing is no output": Case(
        machine(A=passing("{% $states.input.nope %}")), error="States.QueryEvaluationError", data={"q": 1}
    ),
    "an expression that fails": Case(machine(A=passing("{% $number('x') %}")), error="States.QueryEvaluationError"),
    "a task's failing expression is caught by name": Case(
        machine(
            T=task(SENT, Catch=[{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "H"}]), H=passing("caught")
        ),
        "caught",
    ),
    "a fail state computes error and cause": Case(
        machine(F={"Type": "Fail", "Error": "{% 'E' & $states.input.n %}", "Cause": "{% $string($states.input) %}"}),
        error="E1",
        data={"n": 1},
    ),
    "an iteration sees outer variables and has its own": Case(
        machine(
            A=passing(Assign={"b": 10}, Next="M"),
            M=over([1, 2], block(I=passing(Assign={"c": "{% $b + $states.input %}"}, Next="J"), J=passing("{% $c %}"))),
        ),
        [11, 12],
    ),
    "a nested execution's output is an object": Case(
        machine(T=nested(None, {"v": "{% $states.input.x %}"}, Output="{% $states.result.Output.v %}")),
        5,
        data={"x": 5},
    ),
    "numbers": gives(
        "{'i': 7, 'd': 7 / 2, 'w': 8 / 2, 'big': $states.input.big}",
        {"i": 7, "d": 3.5, "w": 4, "big": 9007199254740991},
        big=9007199254740991,
    ),
    "a list with nothing in it": gives("[$states.input.xs[n > 9]]", [], xs=[{"n": 1}]),
    "null is a value": Case(
        machine(A=passing({"z": None, "w": "{% null %}", "t": "{% $states.input.z = null %}"})),
        {"z": None, "w": None, "t": True},
        data={"z": None},
    ),
}

REFUSED: dict[str, tuple[Document, str]] = {
    "states in JSONPath beside states in JSONata": (
        {**block(A={**passing("x"), "QueryLanguage": "JSONata", "Next": "B"}, B={"Type": "Pass", "End": True})},
        "JSONPath is not supported",
    ),
    "calls of other services": (
        machine(
            P={
                "Type": "Task",
                "Resource": "arn:aws:states:::dynamodb:putItem",
                "Arguments": {"TableName": "t", "Item": {"pk": {"S": "k"}}},
                "End": True,
            }
        ),
        "arn:aws:states:::dynamodb:putItem is not supported",
    ),
    "task tokens": (
        machine(T={**task(), "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"}),
        "arn:aws:states:::lambda:invoke.waitForTaskToken is not supported",
    ),
    "a Distributed Map with batches and tolerated failures": (
        machine(
            M={
                **over("{% $states.input.xs %}", block(A=passing("{% $states.input.Items %}"))),
                "ItemBatcher": {"MaxItemsPerBatch": 2},
                "ToleratedFailurePercentage": "{% 50 %}",
            }
        ),
        "belongs to a Distributed Map",
    ),
}
"""What a workflow like this one does not need: refused when the state machine is made, each by its name."""
