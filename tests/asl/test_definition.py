"""Mutants of one good definition: each is refused, or found by the project's rules, at its place."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from local.asl.check import check, main
from local.asl.definition import parse
from local.asl.errors import InvalidDefinition
from tests.asl.support import Document, block, machine, nested, passing, task

if TYPE_CHECKING:
    from pathlib import Path

RETRY = {
    "ErrorEquals": ["Lambda.TooManyRequestsException"],
    "IntervalSeconds": 2,
    "BackoffRate": 2.0,
    "JitterStrategy": "FULL",
}
CATCH = {"ErrorEquals": ["States.ALL"], "Next": "F", "Output": {"e": "{% $states.errorOutput.Error %}"}}


def good() -> Document:
    inner = nested(None, "{% $states.input %}", TimeoutSeconds=60, Retry=[dict(RETRY)], Catch=[{**CATCH, "Next": "D"}])
    return machine(
        T=task({"a": "{% $states.input.a %}"}, Assign={"v": 1}, Retry=[dict(RETRY)], Catch=[dict(CATCH)], Next="C"),
        C={"Type": "Choice", "Choices": [{"Condition": "{% $v > 1 %}", "Next": "W"}], "Default": "M"},
        W={"Type": "Wait", "Seconds": "{% $v %}", "Next": "C"},
        M={
            "Type": "Map",
            "Items": "{% $states.input.xs %}",
            "ItemSelector": {"x": "{% $states.context.Map.Item.Value %}"},
            "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, **block(I=inner, D=passing("{% $v %}"))},
            "Next": "S",
        },
        S={"Type": "Succeed", "Output": "{% $states.input %}"},
        F={"Type": "Fail", "Error": "Named", "Cause": "{% $states.input.e %}"},
    )


def mutant(path: str, value: object) -> Document:
    """The good definition with one place changed; DELETE takes it away."""
    definition = good()
    *way, last = path.split("/")
    place: Any = definition if path.startswith("$") else definition["States"]
    for step in way:
        if step != "$":
            place = place[int(step) if isinstance(place, list) else step]
    key = int(last) if isinstance(place, list) else last
    if value is DELETE:
        del place[key]
    else:
        place[key] = value
    return definition


DELETE = object()
INNER = "M/ItemProcessor/States"
REFUSED: list[tuple[str, object, str, str]] = [
    # structure
    ("$/QueryLanguage", DELETE, "QueryLanguage", "JSONPath is not supported"),
    ("$/QueryLanguage", "JSONPath", "QueryLanguage", "JSONPath is not supported"),
    ("$/StartAt", "X", "StartAt", "unknown state X"),
    ("$/StartAt", DELETE, "$", "StartAt is missing"),
    ("$/States", {}, "States", "has no states"),
    ("$/TimeoutSeconds", 0, "TimeoutSeconds", "whole number"),
    ("$/Surprise", 1, "Surprise", "unknown field"),
    ("T/Next", "X", "States.T.Next", "unknown state X"),
    ("T/Next", DELETE, "States.T", "exactly one of Next and End"),
    ("T/End", True, "States.T", "exactly one of Next and End"),
    ("S/Type", "Success", "States.S.Type", "unknown type"),
    ("S", 7, "States.S.Type", "unknown type"),
    ("Lost", passing(), "States.Lost", "unreachable"),
    ("T/Surprise", 1, "States.T.Surprise", "unknown field"),
    ("S/Assign", {"a": 1}, "States.S.Assign", "unknown field"),
    ("W/Timestamp", "2026-01-01T00:00:00Z", "States.W", "exactly one of Seconds and Timestamp"),
    ("W/Seconds", 1.5, "States.W.Seconds", "whole number"),
    ("W/Seconds", 100_000_000, "States.W.Seconds", "whole number"),
    ("C/Choices", [], "States.C.Choices", "not empty"),
    ("C/Choices/0/Next", DELETE, "States.C.Choices[0]", "Next is missing"),
    ("C/Choices/0/Condition", "yes", "States.C.Choices[0].Condition", "must be an expression"),
    (f"{INNER}/T", passing(), "States.M.ItemProcessor.States.T", "used twice"),
    (f"{INNER}/I/Next", "S", "States.M.ItemProcessor.States.I", "exactly one"),
    (f"{INNER}/I/Catch/0/Next", "S", "States.M.ItemProcessor.States.I.Catch[0].Next", "unknown state S"),
    # what AWS has and this does not, and JSONPath
    ("T/HeartbeatSeconds", 5, "States.T.HeartbeatSeconds", "not supported"),
    ("T/Credentials", {}, "States.T.Credentials", "not supported"),
    ("T/InputPath", "$", "States.T.InputPath", "a field of JSONPath"),
    ("T/ResultPath", None, "States.T.ResultPath", "a field of JSONPath"),
    ("C/Choices/0/Variable", "$.a", "States.C.Choices[0].Variable", "a field of JSONPath"),
    ("M/ItemReader", {}, "States.M.ItemReader", "not supported"),
    ("M/ToleratedFailureCount", 1, "States.M.ToleratedFailureCount", "not supported"),
    (
        "M/ItemProcessor/ProcessorConfig",
        {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "States.M.ItemProcessor.ProcessorConfig",
        "only INLINE",
    ),
    ("T/Resource", "arn:aws:states:::aws-sdk:backup:listBackupVaults", "States.T.Resource", "not supported"),
    ("T/Resource", "arn:aws:states:::lambda:invoke.waitForTaskToken", "States.T.Resource", "not supported"),
    ("T/Arguments/InvocationType", "Event", "States.T.Arguments.InvocationType", "unknown field"),
    ("T/Arguments/FunctionName", DELETE, "States.T.Arguments", "FunctionName is missing"),
    # Retry and Catch
    ("T/Retry/0/MaxAttempts", -1, "States.T.Retry[0].MaxAttempts", "whole number"),
    ("T/Retry/0/IntervalSeconds", 0, "States.T.Retry[0].IntervalSeconds", "whole number"),
    ("T/Retry/0/BackoffRate", 0.5, "States.T.Retry[0].BackoffRate", "at least 1.0"),
    ("T/Retry/0/JitterStrategy", "SOME", "States.T.Retry[0].JitterStrategy", "FULL or NONE"),
    ("T/Retry/0/ErrorEquals", [], "States.T.Retry[0].ErrorEquals", "not empty"),
    ("T/Retry/0/ErrorEquals", [1], "States.T.Retry[0].ErrorEquals", "list of error names"),
    ("T/Catch/0/ErrorEquals", ["States.ALL", "X"], "States.T.Catch[0].ErrorEquals", "alone and last"),
    ("T/Catch", [CATCH, {**CATCH, "ErrorEquals": ["X"]}], "States.T.Catch[0].ErrorEquals", "alone and last"),
    # expressions
    ("S/Output", "{% 1 + %}", "States.S.Output", "not JSONata"),
    ("S/Output", "{% $states.input.a ?? 1 %}", "States.S.Output", "not JSONata 2.0.6"),
    ("S/Output", "{% $states.input", "States.S.Output", "isn't one"),
    ("S/Output", {"a": ["{% $eval('1') %}"]}, "States.S.Output.a[0]", "$eval"),
    ("S/Output", "{% name %}", "States.S.Output", "refers to a document"),
    ("S/Output", "{% $states.result %}", "States.S.Output", "$states.result does not exist here"),
    ("S/Output", "{% $nowhere %}", "States.S.Output", "$nowhere is not assigned on any path"),
    ("T/Arguments/Payload", "{% $v %}", "States.T.Arguments.Payload", "$v is not assigned on any path"),
    ("T/Arguments/Payload", "{% $states.result %}", "States.T.Arguments.Payload", "does not exist here"),
    ("T/Output", "{% $states.errorOutput %}", "States.T.Output", "does not exist here"),
    ("T/Catch/0/Output", "{% $states.result %}", "States.T.Catch[0].Output", "does not exist here"),
    ("W/Assign", {"states": 1}, "States.W.Assign.states", "reserved"),
    ("W/Assign", {"count": 1}, "States.W.Assign.count", "reserved"),
    ("W/Assign", {"a-b": 1}, "States.W.Assign.a-b", "not a variable's name"),
    (f"{INNER}/D/Assign", {"v": 1}, "States.M.ItemProcessor.States.D.Assign.v", "hides a variable"),
    (f"{INNER}/D/Assign", {"w": "{% $x %}"}, "States.M.ItemProcessor.States.D.Assign.w", "$x is not assigned"),
]
AGAINST_THE_RULES: list[tuple[str, object, str, str]] = [
    ("T/TimeoutSeconds", DELETE, "States.T", "has no TimeoutSeconds"),
    (f"{INNER}/I/TimeoutSeconds", DELETE, "States.M.ItemProcessor.States.I", "has no TimeoutSeconds"),
    ("T/Retry", DELETE, "States.T", "has no Retry"),
    ("T/Retry/0/ErrorEquals", ["States.Timeout"], "States.T", "does not retry Lambda.TooManyRequests"),
    ("T/Retry/0/ErrorEquals", ["States.ALL"], "States.T.Retry[0]", "by a wildcard"),
    ("T/Retry/0/ErrorEquals", ["States.TaskFailed"], "States.T.Retry[0]", "by a wildcard"),
    ("T/Retry/0/JitterStrategy", DELETE, "States.T.Retry[0]", "no full jitter"),
    ("T/Retry/0/BackoffRate", 2, "States.T.Retry[0]", "not a float"),
    ("T/Catch/0/ErrorEquals", ["Mine"], "States.T", "does not catch States.ALL"),
    ("C/Default", DELETE, "States.C", "has no Default"),
]


def test_the_good_one_is_good() -> None:
    assert parse(json.dumps(good())).start_at == "T"
    assert check(json.dumps(good())) == []


@pytest.mark.parametrize(("path", "value", "where", "text"), REFUSED)
def test_refused(path: str, value: object, where: str, text: str) -> None:
    with pytest.raises(InvalidDefinition) as raised:
        parse(mutant(path, value))
    assert any(p.path == where and text in p.text and p.remedy for p in raised.value.problems), raised.value


@pytest.mark.parametrize(("path", "value", "where", "text"), AGAINST_THE_RULES)
def test_against_the_rules(path: str, value: object, where: str, text: str) -> None:
    definition = mutant(path, value)
    if path == "C/Default":  # what the default led to must stay reachable
        definition["States"]["C"]["Choices"].append({"Condition": "{% true %}", "Next": "M"})
    parse(definition)
    assert [p for p in check(json.dumps(definition)) if p.path == where and text in p.text]


def test_every_problem_at_once() -> None:
    definition = mutant("T/HeartbeatSeconds", 1)
    definition["States"]["W"]["Seconds"] = -1
    definition["States"]["S"]["Assign"] = {}
    with pytest.raises(InvalidDefinition) as raised:
        parse(definition)
    assert {p.path for p in raised.value.problems} == {
        "States.T.HeartbeatSeconds",
        "States.W.Seconds",
        "States.S.Assign",
    }
    assert raised.value.code == "InvalidDefinition"
    assert all(str(p) in raised.value.message for p in raised.value.problems)


@pytest.mark.parametrize("text", ["{", "[]", "null", '"x"'])
def test_not_a_state_machine(text: str) -> None:
    with pytest.raises(InvalidDefinition):
        parse(text)


def test_a_variable_that_may_be_missing_can_be_asked_for() -> None:
    definition = mutant("W/Assign", {"w": 1})  # on one of the two paths to S
    definition["States"]["S"]["Output"] = "{% $w %}"
    parse(definition)
    (problem,) = check(json.dumps(definition))
    assert "$w is not assigned on every path" in problem.text
    definition["States"]["S"]["Output"] = "{% $exists($w) ? $w : 'none' %}"
    assert check(json.dumps(definition)) == []


def test_parsing_changes_nothing() -> None:
    definition = good()
    before = copy.deepcopy(definition)
    parse(definition)
    assert definition == before


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = json.dumps(good()).replace('"work"', '"${WorkArn}"').replace("60", "${Limit}")
    file = tmp_path / "good.asl.json"
    file.write_text(text)
    assert main([str(file)]) == 0
    assert main([str(file), "--declared", "WorkArn", "Limit"]) == 0
    assert capsys.readouterr().out == ""
    assert main([str(file), "--declared", "WorkArn"]) == 1
    assert "${Limit} is not declared" in capsys.readouterr().out
    file.write_text("{")
    assert main([str(file)]) == 1
    assert "not JSON" in capsys.readouterr().out
