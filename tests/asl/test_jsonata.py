"""Expressions, one table: what they give in the Output of a Pass state."""

import json
from typing import Any

import pytest

from local.asl.errors import QueryError
from local.asl.jsonata import Evaluator
from local.asl.references import references
from local.clock import VirtualClock
from tests.asl.support import seeded

DATA = {
    "n": 3,
    "none": None,
    "text": 'he said "hi"\n\\x',
    "big": 9007199254740991,
    "empty": [],
    "one": ["a"],
    "mixed": [1, None, 2],
    "rows": [{"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "a", "n": 3}],
    "deep": {"a": None, "b": {"c": [{"d": 1}, {"d": 2}]}},
}
VARIABLES = {"nothing": None, "list": [10, 20], "text": "v"}

GIVES: dict[str, object] = {
    # paths, and how sequences collapse
    "$states.input.n + 1": 4,
    "$states.input.text & '!'": 'he said "hi"\n\\x!',
    "$uppercase('é☃😀')": "É☃😀",
    "$length('é☃😀')": 3,
    "$states.input.deep.b.c.d": [1, 2],
    "$states.input.one": ["a"],
    "$states.input.one[0]": "a",
    "$states.input.empty": [],
    "$states.input.rows[n > 1].k": ["b", "a"],
    "$states.input.rows[n > 2]": {"k": "a", "n": 3},
    "$states.input.rows[n > 2][]": [{"k": "a", "n": 3}],
    "[$states.input.rows[n > 2]]": [{"k": "a", "n": 3}],
    "[$states.input.rows[n > 9]]": [],
    "$keys({'only': 1})": "only",
    # null is a value
    "$states.input.none": None,
    "$states.input.none = null": True,
    "$exists($states.input.none)": True,
    "$exists($states.input.nope)": False,
    "$states.input.mixed": [1, None, 2],
    "$states.input.mixed[1] = null": True,
    "$count($states.input.mixed)": 3,
    "$map($states.input.mixed, function($v) {$v})": [1, None, 2],
    "$states.input.deep[a = null].b.c[0].d": 1,
    "{'a': null} = $states.input.deep.{'a': a}": True,
    "$nothing": None,
    "$exists($nothing)": True,
    "$nothing = null": True,
    "null": None,
    # variables and functions
    "$list[1]": 20,
    "($x := $list[0]; $f := function($a) {$a * $x}; $f(3))": 30,
    "($f := function($i) {$i < 2 ? 1 : $i * $f($i - 1)}; $f(5))": 120,
    "$reduce([1..4], function($a, $b) {$a + $b})": 10,
    "$sort($states.input.rows, function($l, $r) {$l.n < $r.n})[0].n": 3,
    "$states.input.rows^(>n)[0].n": 3,
    "$states.input.rows{k: $sum(n)}": {"a": 4, "b": 2},
    "$merge([{'a': 1}, {'b': 2}])": {"a": 1, "b": 2},
    "$replace('2026-01-02', /(\\d+)-(\\d+)/, '$2/$1')": "01/2026-02",
    "$string({'a': [1, null]})": '{"a":[1,null]}',
    "$list ~> $sum()": 30,
    "$not(false) and $boolean('x')": True,
    "$split('a,b', ',')": ["a", "b"],
    # numbers
    "7": 7,
    "7 / 2": 3.5,
    "8 / 2": 4,
    "$states.input.big": 9007199254740991,
    "[1..3]": [1, 2, 3],
    # time follows the clock
    "$millis()": 1767225600250,
    "$now()": "2026-01-01T00:00:00.250Z",
    "$now('[Y0001]-[M01]-[D01]')": "2026-01-01",
    "$toMillis('2026-01-02T03:04:05.000Z')": 1767323045000,
    "$fromMillis(1767323045000)": "2026-01-02T03:04:05.000Z",
    # what Step Functions adds
    "$partition([1..5], 2)": [[1, 2], [3, 4], [5]],
    "$range(0, 10, 5)": [0, 5, 10],
    "$range(3, 1, -1)": [3, 2, 1],
    "$hash('abc', 'SHA-256')": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "$hash('abc', 'MD5')": "900150983cd24fb0d6963f7d28e17f72",
    "$parse('{\"k\": [1, null]}').k": [1, None],
    "$parse('null') = null": True,
    "$random(7) = $random(7)": True,
    "$random() < 1": True,
    "$length($uuid())": 36,
}

FAILS = {
    "$states.input.nope": "returned nothing (undefined)",
    "$undefinedVariable": "returned nothing (undefined)",
    "$states.input.rows[n > 9]": "returned nothing (undefined)",
    "$number('x')": "threw an error",
    "$error('mine')": "mine",
    "1 / 0": "threw an error",
    "$sum": "not JSON",
    "function($x) {$x}": "not JSON",
    "[$sum]": "not JSON",
    "$eval('1')": "$eval is not available",
    "$hash('a', 'SHA-3')": "not SHA-3",
    "$partition([1], 0)": "1 or more",
    "$range(1, 2, 0)": "other than 0",
    "$parse('{')": "threw an error",
    "($f := function($n) {1 + $f($n)}; $f(1))": "threw an error",
    "$states.input.none ?? 1": "threw an error",
    "$states.input.none ?: 1": "threw an error",
    "1 +": "threw an error",
}


def evaluate(expression: str, seed: int = 0) -> Any:
    evaluator = Evaluator(VirtualClock(1767225600.25), seeded(seed))
    return evaluator.field("Output", f"{{% {expression} %}}", {"input": DATA, "context": {}}, VARIABLES)


@pytest.mark.parametrize("expression", GIVES)
def test_gives(expression: str) -> None:
    value = evaluate(expression)
    assert value == GIVES[expression]
    assert json.dumps(value) == json.dumps(GIVES[expression])  # true is not 1, 4 is not 4.0


@pytest.mark.parametrize("expression", FAILS)
def test_fails(expression: str) -> None:
    with pytest.raises(QueryError) as raised:
        evaluate(expression)
    assert raised.value.error == "States.QueryEvaluationError"
    assert FAILS[expression] in (raised.value.cause or "")
    assert raised.value.location == "Output"


def test_a_template_is_evaluated_everywhere_and_only_in_expressions() -> None:
    evaluator = Evaluator(VirtualClock(), seeded(0))
    template = {"a": ["{% $states.input.n %}", "$states.input.n", None, 1.5], "b": {"c": "{% $list %}"}}
    given = evaluator.field("Output", template, {"input": DATA}, VARIABLES)
    assert given == {"a": [3, "$states.input.n", None, 1.5], "b": {"c": [10, 20]}}
    with pytest.raises(QueryError) as raised:
        evaluator.field("Output", {"a": [1, "{% $nope %}"]}, {"input": DATA}, VARIABLES)
    assert raised.value.location == "Output/a/1"


def test_results_are_copies() -> None:
    before = json.dumps(DATA)
    value = evaluate("$states.input")
    value["rows"].append(1)
    value["deep"]["b"] = 2
    assert json.dumps(DATA) == before


def test_randomness_comes_from_the_seed_alone() -> None:
    expression = "[$uuid(), $uuid(), $string($random())]"
    assert evaluate(expression, 1) == evaluate(expression, 1)
    assert evaluate(expression, 1) != evaluate(expression, 2)
    assert len(set(evaluate(expression))) == 3


REFERS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "$states.input.a[n > $q].b": ({"states", "q"}, {"input"}, set()),
    "($x := 1; $map($l, function($v, $i) {$v + $x + $z}))": ({"map", "l", "z"}, set(), set()),
    "($x := 1; $x) + $x": ({"x"}, set(), set()),
    "$a.b@$c#$i.($c + $i)": ({"a"}, set(), set()),
    "$s ~> |part|{'z': $k}|": ({"s", "k"}, set(), set()),
    "$states.result.Payload": ({"states"}, {"result"}, set()),
    "$a[$ > 1].{'x': $, 'y': name}": ({"a"}, set(), set()),
    "$a^(>n){k: $sum(n)}": ({"a", "sum"}, set(), set()),
    "name.other": (set(), set(), {"name"}),
    "$": (set(), set(), {"$"}),
    "$a[b = $$.c]": ({"a"}, set(), {"$$"}),
    "$map([1], function($v) {$})": ({"map"}, set(), {"$"}),
    "($f := function($n) {$f($n - $m)}; 1)": ({"m"}, set(), set()),
    "$b ? $c : -$d": ({"b", "c", "d"}, set(), set()),
    "[$a, {'k': $b}]": ({"a", "b"}, set(), set()),
}


@pytest.mark.parametrize("expression", REFERS)
def test_references(expression: str) -> None:
    found = references(expression)
    assert (found.variables, found.states, found.bare) == REFERS[expression]
