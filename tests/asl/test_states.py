"""What each type of state does: data in and out, variables, time, events."""

import json

import pytest

from tests.asl.support import LAMBDA, Document, Place, block, lasted, machine, passing, result, task, types

DAY = 86_400

OUTPUTS: dict[str, tuple[Document, object, object]] = {
    "a pass hands its input on": (machine(A=passing()), {"a": 1}, {"a": 1}),
    "null is an output": (machine(A=passing("{% $states.input.z %}")), {"z": None}, None),
    "assign reads the old values": (
        machine(
            A=passing(Assign={"x": 5}, Next="B"),
            B=passing(Assign={"x": "{% $x + 1 %}", "y": "{% $x * 10 %}"}, Next="C"),
            C=passing({"x": "{% $x %}", "y": "{% $y %}"}),
        ),
        {},
        {"x": 6, "y": 50},
    ),
    "a variable may hold null": (
        machine(A=passing(Assign={"x": None}, Next="B"), B=passing("{% [$x, $exists($x)] %}")),
        {},
        [None, True],
    ),
    "output sees the old variables": (
        machine(
            A=passing(Assign={"x": 1}, Next="B"),
            B=passing("{% $x %}", Assign={"x": 2}, Next="C"),
            C=passing("{% [$states.input, $x] %}"),
        ),
        {},
        [1, 2],
    ),
    "the first choice that holds": (
        machine(
            C={
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% $states.input.n > 9 %}", "Next": "No"},
                    {
                        "Condition": "{% $states.input.n > 2 %}",
                        "Next": "Yes",
                        "Output": {"o": "{% $states.input.n %}"},
                        "Assign": {"seen": True},
                    },
                ],
                "Default": "No",
            },
            Yes=passing({"in": "{% $states.input %}", "seen": "{% $exists($seen) %}"}),
            No=passing("no"),
        ),
        {"n": 3},
        {"in": {"o": 3}, "seen": True},
    ),
    "the default, with the choice's own output": (
        machine(
            C={
                "Type": "Choice",
                "Choices": [{"Condition": "{% false %}", "Next": "A"}],
                "Default": "B",
                "Output": "d",
                "Assign": {"v": 1},
            },
            A=passing(),
            B=passing("{% [$states.input, $v] %}"),
        ),
        {},
        ["d", 1],
    ),
    "succeed may shape the output": (
        machine(S={"Type": "Succeed", "Output": {"r": "{% $states.input.a %}"}}),
        {"a": 1},
        {"r": 1},
    ),
    "parallel: results in order of the branches": (
        machine(
            P={
                "Type": "Parallel",
                "Arguments": {"z": "{% $states.input.a %}"},
                "Branches": [
                    block(W={"Type": "Wait", "Seconds": 5, "Next": "A"}, A=passing("{% $states.input.z %}")),
                    block(B=passing(2)),
                ],
                "Output": "{% $states.result %}",
                "End": True,
            }
        ),
        {"a": 5},
        [5, 2],
    ),
    "the context object": (
        machine(
            A=passing(
                {
                    "run": "{% $states.context.Execution.Name %}",
                    "id": "{% $states.context.Execution.Id %}",
                    "input": "{% $states.context.Execution.Input.q %}",
                    "role": "{% $states.context.Execution.RoleArn %}",
                    "at": "{% $states.context.Execution.StartTime %}",
                    "state": "{% $states.context.State.Name %}",
                    "entered": "{% $states.context.State.EnteredTime %}",
                    "machine": "{% $states.context.StateMachine.Name %}",
                    "redriven": "{% $states.context.Execution.RedriveCount %}",
                }
            )
        ),
        {"q": 1},
        {
            "run": "run",
            "id": "arn:aws:states:ap-northeast-1:444455556666:execution:machine:run",
            "input": 1,
            "role": "arn:aws:iam::444455556666:role/machine",
            "at": "2026-01-01T00:00:00.000Z",
            "state": "A",
            "entered": "2026-01-01T00:00:00.000Z",
            "machine": "machine",
            "redriven": 0,
        },
    ),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_output(name: str) -> None:
    definition, given, expected = OUTPUTS[name]
    assert result(Place().run(definition, given)) == expected


FAILURES: dict[str, tuple[Document, str | None]] = {
    "undefined output": (machine(A=passing("{% $states.input.no %}")), "States.QueryEvaluationError"),
    "no choice, no default": (
        machine(
            C={"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "A"}]},
            A=passing(),
        ),
        "States.NoChoiceMatched",
    ),
    "a condition that isn't boolean": (
        machine(
            C={"Type": "Choice", "Choices": [{"Condition": "{% 1 %}", "Next": "A"}], "Default": "A"},
            A=passing(),
        ),
        "States.QueryEvaluationError",
    ),
    "seconds that aren't whole": (
        machine(W={"Type": "Wait", "Seconds": "{% 1.5 %}", "End": True}),
        "States.QueryEvaluationError",
    ),
    "seconds below zero": (
        machine(W={"Type": "Wait", "Seconds": "{% -1 %}", "End": True}),
        "States.QueryEvaluationError",
    ),
    "seconds above the limit": (
        machine(W={"Type": "Wait", "Seconds": "{% 100000000 %}", "End": True}),
        "States.QueryEvaluationError",
    ),
    "a timestamp without an offset": (
        machine(W={"Type": "Wait", "Timestamp": "2026-01-01T00:00:00", "End": True}),
        "States.QueryEvaluationError",
    ),
    "fail with expressions": (machine(F={"Type": "Fail", "Error": "{% 'E' & 1 %}", "Cause": "c"}), "E1"),
    "fail without a name": (machine(F={"Type": "Fail"}), None),
    "an error that isn't text": (machine(F={"Type": "Fail", "Error": "{% 1 %}"}), "States.QueryEvaluationError"),
    "a function's name that isn't text": (machine(T=task(function="{% 1 %}")), "States.Runtime"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure(name: str) -> None:
    definition, error = FAILURES[name]
    assert result(Place().run(definition, {})) == ("FAILED", error)


def test_a_failed_expression_is_explained() -> None:
    execution = Place().run(machine(A=passing({"k": "{% $states.input.no %}"})), {})
    event = execution.history.events[-2]
    assert event["type"] == "EvaluationFailed"
    assert event["evaluationFailedEventDetails"]["location"] == "Output/k"
    assert execution.cause == (
        "An error occurred while executing the state 'A' (entered at the event id #2). The JSONata expression "
        "'$states.input.no' specified for the field 'Output/k' returned nothing (undefined)."
    )


WAITS: dict[str, tuple[Document, float]] = {
    "seconds": ({"Seconds": 3600}, 3600),
    "none at all": ({"Seconds": 0}, 0),
    "a computed day": ({"Seconds": "{% $states.input.s %}"}, DAY),
    "until": ({"Timestamp": "2026-01-01T01:00:00Z"}, 3600),
    "until, with an offset": ({"Timestamp": "2026-01-01T10:00:00+09:00"}, 3600),
    "until a computed time": ({"Timestamp": "{% $fromMillis($millis() + 1500) %}"}, 1.5),
    "until a time that is past": ({"Timestamp": "2020-01-01T00:00:00Z"}, 0),
}


@pytest.mark.parametrize("name", WAITS)
def test_wait(name: str) -> None:
    fields, seconds = WAITS[name]
    place = Place()
    execution = place.run(machine(W={"Type": "Wait", **fields, "End": True}), {"s": DAY})
    assert result(execution) == {"s": DAY}
    assert lasted(execution) == pytest.approx(seconds)


def mapping(**fields: object) -> Document:
    processor = {"ProcessorConfig": {"Mode": "INLINE"}, **block(T=task("{% $states.input %}"))}
    return machine(M={"Type": "Map", "ItemProcessor": processor, "End": True, **fields})


@pytest.mark.parametrize("items", [[], [1], [1, 2], list(range(45))])
def test_map_gives_a_list_whatever_its_length(items: list[int]) -> None:
    place = Place(work=lambda payload: payload * 2)
    execution = place.run(
        mapping(Items="{% $states.input.xs %}", Output={"r": "{% $states.result.Payload %}"}), {"xs": items}
    )
    # the expression collapses, the list of results doesn't: this is what a definition must mind
    expected = [2 * item for item in items]
    if not items:
        assert result(execution) == ("FAILED", "States.QueryEvaluationError")
    else:
        assert result(execution) == {"r": expected if len(items) > 1 else expected[0]}
    execution = Place(work=lambda payload: payload * 2).run(
        mapping(Items="{% $states.input.xs %}", Output={"r": "{% [$states.result.Payload] %}"}), {"xs": items}
    )
    assert result(execution) == {"r": expected}


@pytest.mark.parametrize(("items", "error"), [([], True), ([2], True), ([2, 3], False)])
def test_items_that_collapse_are_no_array(items: list[int], error: bool) -> None:
    place = Place(work=lambda payload: payload)
    execution = place.run(mapping(Items="{% $states.input.xs[$ > 1] %}"), {"xs": [1, *items]})
    assert (execution.status == "FAILED") is error
    assert not error or execution.error == "States.QueryEvaluationError"


def test_item_selector_context_and_inner_variables() -> None:
    processor = block(
        A=passing(Assign={"c": "{% $b + $states.input.v %}"}, Next="B"),
        B=passing("{% [$c, $states.context.Map.Item.Index, $states.context.Map.Item.Value] %}"),
    )
    each = {"v": "{% $states.context.Map.Item.Value %}", "all": "{% $count($states.input.xs) %}"}
    definition = machine(
        S=passing(Assign={"b": 10}, Next="M"),
        M={
            "Type": "Map",
            "Items": "{% $states.input.xs %}",
            "ItemSelector": each,
            "ItemProcessor": processor,
            "End": True,
        },
    )
    assert result(Place().run(definition, {"xs": [7, 8]})) == [[17, 0, 7], [18, 1, 8]]


@pytest.mark.parametrize(("limit", "seconds"), [(1, 30), (2, 20), (0, 10), ("{% 1 + 1 %}", 20)])
def test_map_concurrency(limit: int | str, seconds: int) -> None:
    place: Place = Place(work=lambda payload: place.clock.sleep(10))
    execution = place.run(mapping(Items=[1, 2, 3], MaxConcurrency=limit), {})
    assert execution.status == "SUCCEEDED"
    assert lasted(execution) == seconds


def test_map_events_and_the_abortion_of_the_others() -> None:
    def work(payload: int) -> None:
        place.clock.sleep(payload)
        if payload == 2:
            raise ValueError("two")

    place = Place(work=work)
    execution = place.run(mapping(Items=[1, 2, 30]), {})
    assert result(execution) == ("FAILED", "ValueError")
    assert types(execution)[-8:] == [
        "TaskStateExited",
        "MapIterationSucceeded",
        "TaskFailed",
        "MapIterationFailed",
        "TaskStateAborted",
        "MapIterationAborted",
        "MapStateFailed",
        "ExecutionFailed",
    ]
    assert lasted(execution) == 2


def test_events_of_a_task_follow_each_other() -> None:
    place = Place(work=lambda payload: {"did": payload})
    execution = place.run(machine(T=task({"a": 1}, Assign={"v": "é"}, Next="Z"), Z=passing()), {})
    assert types(execution) == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    events = execution.history.events
    assert [event["previousEventId"] for event in events] == [0, 0, 2, 3, 4, 5, 6, 7, 8]
    scheduled = events[2]["taskScheduledEventDetails"]
    assert json.loads(scheduled.pop("parameters")) == {"FunctionName": "work", "Payload": {"a": 1}}
    assert scheduled == {
        "resourceType": "lambda",
        "resource": "invoke",
        "region": "ap-northeast-1",
        "timeoutInSeconds": 60,
    }
    assert events[5]["stateExitedEventDetails"]["assignedVariables"] == {"v": '"é"'}
    assert json.loads(events[4]["taskSucceededEventDetails"]["output"]) == {
        "ExecutedVersion": "$LATEST",
        "Payload": {"did": {"a": 1}},
        "StatusCode": 200,
    }
    assert LAMBDA.endswith("lambda:invoke")


def test_a_function_gets_and_gives_null_and_never_shares_its_data() -> None:
    def work(payload: object) -> None:
        if isinstance(payload, dict):
            payload["changed"] = True

    place = Place(work=work)
    definition = machine(
        A=task("{% $states.input %}", Output="{% $states.result.Payload = null %}", Next="B"),
        B=task(None, Output="{% [$states.input, $states.context.Execution.Input] %}"),
    )
    assert result(place.run(definition, {"a": 1})) == [True, {"a": 1}]
