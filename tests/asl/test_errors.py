"""Retry, Catch, time limits and size limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.asl.errors import TaskError
from local.asl.history import EVENT_LIMIT
from local.asl.retry import matches
from tests.asl.support import Document, Place, block, lasted, machine, passing, result, task, types

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.asl.execution import Execution

CATCH = {"ErrorEquals": ["States.ALL"], "Next": "H", "Output": "{% $states.errorOutput.Error %}"}


def throttled(times: int) -> Callable[[object], str]:
    left = [times]

    def work(_: object) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise TaskError("Lambda.TooManyRequestsException", "Rate Exceeded.")
        return "done"

    return work


def attempts(place: Place, rule: Document, times: list[float]) -> Execution:
    retry = [{"ErrorEquals": ["Lambda.TooManyRequestsException"], **rule}]
    execution = place.run(machine(T=task(Retry=retry, Output="{% $states.result.Payload %}")), {})
    times.append(lasted(execution))
    return execution


DELAYS: dict[str, tuple[Document, int, float]] = {
    "the defaults: 1, 2, 4": ({}, 3, 7),
    "every second": ({"BackoffRate": 1.0, "MaxAttempts": 5}, 5, 5),
    "growing": ({"IntervalSeconds": 3, "BackoffRate": 1.5}, 2, 7.5),
    "up to a maximum": ({"MaxDelaySeconds": 2, "MaxAttempts": 4}, 4, 7),
    "hundreds of attempts": ({"BackoffRate": 10.0, "MaxDelaySeconds": 60, "MaxAttempts": 400}, 400, 23_891),
}


@pytest.mark.parametrize("name", DELAYS)
def test_retry_delays(name: str) -> None:
    rule, failures, seconds = DELAYS[name]
    taken: list[float] = []
    execution = attempts(Place(work=throttled(failures)), rule, taken)
    assert result(execution) == "done"
    assert taken == [pytest.approx(seconds)]
    assert types(execution).count("TaskFailed") == failures


def test_full_jitter_is_below_the_delay_and_repeats_with_the_seed() -> None:
    rule: Document = {"MaxAttempts": 4, "IntervalSeconds": 10, "JitterStrategy": "FULL"}
    taken: list[float] = []
    for seed in (1, 1, 2):
        attempts(Place(seed, work=throttled(4)), rule, taken)
    assert taken[0] == taken[1] != taken[2]
    assert 0 < taken[0] < 150


def test_attempts_run_out_and_the_catch_takes_over() -> None:
    retry = [{"ErrorEquals": ["ValueError"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"]}]

    def work(_: object) -> None:
        raise ValueError("no")

    place = Place(work=work)
    execution = place.run(machine(T=task(Retry=retry, Catch=[CATCH], Next="H"), H=passing()), {})
    assert result(execution) == "ValueError"
    assert len(place.functions.calls) == 2


def test_each_retrier_counts_for_itself_and_the_context_counts_all() -> None:
    errors = iter(["A", "B", "A", "B"])
    seen: list[object] = []

    def work(payload: object) -> None:
        seen.append(payload)
        if name := next(errors, None):
            raise TaskError(name, "")

    retry = [{"ErrorEquals": [name], "MaxAttempts": 2} for name in ("A", "B")]
    execution = Place(work=work).run(machine(T=task("{% $states.context.State.RetryCount %}", Retry=retry)), {})
    assert execution.status == "SUCCEEDED"
    assert seen == [0, 1, 2, 3, 4]


def test_no_attempts_means_none() -> None:
    place = Place(work=throttled(1))
    assert attempts(place, {"MaxAttempts": 0}, []).error == "Lambda.TooManyRequestsException"


@pytest.mark.parametrize(
    ("name", "error", "taken"),
    [
        ("States.ALL", "Mine", True),
        ("States.ALL", "States.Timeout", True),
        ("States.ALL", "States.QueryEvaluationError", True),
        ("States.ALL", "States.Runtime", False),
        ("States.Runtime", "States.Runtime", False),
        ("States.ALL", "States.DataLimitExceeded", False),
        ("States.DataLimitExceeded", "States.DataLimitExceeded", True),
        ("States.TaskFailed", "Mine", True),
        ("States.TaskFailed", "States.Timeout", False),
        ("States.TaskFailed", "States.Runtime", False),
        ("Mine", "Mine", True),
        ("Mine", "Other", False),
    ],
)
def test_names_that_take_an_error(name: str, error: str, taken: bool) -> None:
    assert matches([name], error) is taken


def test_catch_output_and_assign() -> None:
    def work(_: object) -> None:
        raise ValueError("nope")

    rule = {
        "ErrorEquals": ["ValueError"],
        "Assign": {"e": "{% $states.errorOutput.Error %}"},
        "Output": {"m": "{% $parse($states.errorOutput.Cause).errorMessage %}", "q": "{% $states.input.q %}"},
        "Next": "H",
    }
    definition = machine(T=task(Catch=[rule]), H=passing("{% [$e, $states.input] %}"))
    assert result(Place(work=work).run(definition, {"q": 9})) == ["ValueError", {"m": "nope", "q": 9}]
    del rule["Output"]
    given = result(Place(work=work).run(definition, {"q": 9}))
    assert given[1]["Error"] == "ValueError"
    assert '"errorMessage":"nope"' in given[1]["Cause"]


def test_an_expression_error_of_a_task_is_caught_but_not_of_its_catcher() -> None:
    definition = machine(T=task("{% $states.input.no %}", Catch=[CATCH]), H=passing())
    assert result(Place().run(definition, {})) == "States.QueryEvaluationError"
    broken = {**CATCH, "Output": "{% $states.errorOutput.no %}"}
    definition = machine(T=task("{% $states.input.no %}", Catch=[broken]), H=passing())
    assert result(Place().run(definition, {})) == ("FAILED", "States.QueryEvaluationError")


@pytest.mark.parametrize("limit", [5, "{% $states.input.limit %}"])
def test_a_task_that_takes_too_long(limit: int | str) -> None:
    place: Place = Place(work=lambda _: place.clock.sleep(9))
    execution = place.run(machine(T=task(TimeoutSeconds=limit)), {"limit": 5})
    assert result(execution) == ("FAILED", "States.Timeout")
    assert types(execution)[-2:] == ["TaskTimedOut", "ExecutionFailed"]
    assert lasted(execution) == 5


def test_a_timeout_is_for_one_attempt() -> None:
    place: Place = Place(work=lambda _: place.clock.sleep(9))
    retry = [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 2, "BackoffRate": 1.0}]
    execution = place.run(machine(T=task(TimeoutSeconds=5, Retry=retry)), {})
    assert lasted(execution) == 17


def test_a_machine_that_takes_too_long() -> None:
    definition = machine(
        P={
            "Type": "Parallel",
            "Branches": [
                block(W={"Type": "Wait", "Seconds": 100, "End": True}),
                block(B=passing()),
            ],
            "Catch": [CATCH],
            "End": True,
        },
        H=passing(),
    )
    execution = Place().run({**definition, "TimeoutSeconds": 30}, {})
    assert (execution.status, execution.error) == ("TIMED_OUT", "States.Timeout")
    assert types(execution)[-3:] == ["WaitStateAborted", "ParallelStateAborted", "ExecutionTimedOut"]
    assert lasted(execution) == 30


BIG = "{% $pad('', 200000, 'x') %}"
UTF8 = "{% $pad('', 100000, '雪') %}"
TOO_MUCH: dict[str, Document] = {
    "an output": machine(A=passing({"a": BIG, "b": BIG})),
    "bytes, not characters": machine(A=passing(UTF8)),
    "a variable": machine(A=passing(1, Assign={"v": {"a": BIG, "b": BIG}})),
    "arguments": machine(T=task({"a": BIG, "b": BIG})),
    "a result": machine(T=task("big")),
    "the results of a map": machine(
        M={"Type": "Map", "Items": [1, 2], "ItemProcessor": block(A=passing(BIG)), "Output": 1, "End": True}
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much_data(name: str) -> None:
    definition = TOO_MUCH[name]
    first = next(iter(definition["States"].values()))
    if first["Type"] != "Pass":
        first["Catch"] = [CATCH]
        definition["States"]["H"] = passing()
    execution = Place(work=lambda _: "x" * 270_000).run(definition, {})
    assert result(execution) == ("FAILED", "States.DataLimitExceeded")


def test_data_up_to_the_limit_passes() -> None:
    assert Place().run(machine(A=passing("{% $pad('', 262142, 'x') %}")), {}).status == "SUCCEEDED"


def test_a_history_is_full_at_its_limit() -> None:
    waiting = {"Type": "Wait", "Seconds": 0, "Next": "A"}
    execution = Place().run(machine(A={"Type": "Pass", "Next": "W"}, W=waiting), {})
    assert result(execution) == ("FAILED", "States.Runtime")
    assert len(execution.history.events) == EVENT_LIMIT
    assert types(execution)[-1] == "ExecutionFailed"
    assert str(EVENT_LIMIT) in (execution.cause or "")


def test_a_loop_without_waiting_ends_too() -> None:
    execution = Place().run(machine(A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Next": "A"}), {})
    assert result(execution) == ("FAILED", "States.Runtime")


def test_an_error_of_the_embedding_closes_the_execution_and_comes_out() -> None:
    place = Place()
    with pytest.raises(KeyError):
        place.run(machine(T=task(Catch=[CATCH]), H=passing()), {})
    (execution,) = place.engine.executions.values()
    assert result(execution) == ("FAILED", "States.Runtime")
