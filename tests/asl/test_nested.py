"""Executions that start others: startExecution.sync:2 and startExecution."""

import json

import pytest

from tests.asl.support import (
    PREFIX,
    ROLE,
    START,
    SYNC,
    Document,
    Place,
    Work,
    block,
    machine,
    nested,
    passing,
    result,
    types,
)

CHILD = machine(
    W={"Type": "Wait", "Seconds": 100, "Next": "C"},
    C={"Type": "Choice", "Choices": [{"Condition": "{% $states.input.bad %}", "Next": "F"}], "Default": "S"},
    F={"Type": "Fail", "Error": "ApprovalRejected", "Cause": "two of three said no"},
    S=passing({"got": "{% $states.input %}"}),
)
CAUGHT = {"ErrorEquals": ["States.ALL"], "Next": "H", "Output": "{% $states.errorOutput %}"}


def family(child: Document = CHILD, **functions: Work) -> Place:
    place = Place()
    place.functions.functions.update(functions)
    place.create(child, "child")
    return place


def arn(name: str) -> str:
    return f"{PREFIX}:execution:child:{name}"


def test_a_child_that_succeeds() -> None:
    place = family()
    execution = place.run(machine(T=nested("c1", {"bad": False})), {})
    given = result(execution)
    assert given["Output"] == {"got": {"bad": False}}  # parsed, and nothing added to the input
    assert given["Input"] == {"bad": False}
    assert (given["ExecutionArn"], given["Status"], given["Name"]) == (arn("c1"), "SUCCEEDED", "c1")
    assert given["StopDate"] - given["StartDate"] == 100_000
    assert types(execution)[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    details = execution.history.events[2]["taskScheduledEventDetails"]
    assert (details["resourceType"], details["resource"]) == ("states", "startExecution.sync:2")


def test_a_child_that_fails_is_task_failed_in_its_parent() -> None:
    place = family()
    definition = machine(T=nested("c1", {"bad": True}, Catch=[CAUGHT]), H=passing())
    error = result(place.run(definition, {}))
    assert error["Error"] == "States.TaskFailed"
    cause = json.loads(error["Cause"])
    assert (cause["Status"], cause["Error"]) == ("FAILED", "ApprovalRejected")
    assert cause["Cause"] == "two of three said no"
    assert json.loads(cause["Input"]) == {"bad": True}


@pytest.mark.parametrize(("ending", "status"), [("stop", "ABORTED"), ("time", "TIMED_OUT")])
def test_a_child_that_is_ended(ending: str, status: str) -> None:
    place = family({**CHILD, "TimeoutSeconds": 50} if ending == "time" else CHILD)
    place.start(machine(T=nested("c1", {}, Catch=[CAUGHT]), H=passing()), {})
    place.clock.run(until=place.clock.now() + 10)
    if ending == "stop":
        place.engine.stop(arn("c1"), "Operator", "enough")
    place.clock.run()
    error = result(place.engine.execution(f"{PREFIX}:execution:machine:run"))
    assert error["Error"] == "States.TaskFailed"
    assert json.loads(error["Cause"])["Status"] == status


def test_stopping_the_parent_stops_its_children() -> None:
    place = family()
    branches = [block(**{f"T{i}": nested(f"c{i}")}) for i in range(3)]
    parent = place.start(machine(P={"Type": "Parallel", "Branches": branches, "End": True}), {})
    place.clock.run(until=place.clock.now() + 10)
    stopped = place.engine.stop(parent.arn, "Operator", "enough")
    assert stopped == place.clock.now()
    place.clock.run()
    assert (parent.status, parent.error, parent.cause) == ("ABORTED", "Operator", "enough")
    assert [place.engine.describe(arn(f"c{i}"))["status"] for i in range(3)] == ["ABORTED"] * 3
    assert types(parent)[-5:] == ["TaskStateAborted"] * 3 + ["ParallelStateAborted", "ExecutionAborted"]
    assert place.engine.stop(parent.arn) == stopped  # no effect, no error


def test_stopping_the_parent_in_the_instant_its_child_starts() -> None:
    place = family()
    parent = place.start(machine(T=nested("c1")), {})
    steps = iter(range(1000))
    place.clock.run(stop=lambda: arn("c1") in place.engine.executions or next(steps) > 900)
    place.engine.stop(parent.arn)
    place.clock.run()
    assert place.engine.describe(arn("c1"))["status"] == "ABORTED"


def test_a_task_that_times_out_stops_its_child() -> None:
    place = family()
    execution = place.run(machine(T=nested("c1", TimeoutSeconds=20)), {})
    assert result(execution) == ("FAILED", "States.Timeout")
    assert place.engine.describe(arn("c1"))["status"] == "ABORTED"


def test_a_name_that_is_taken() -> None:
    place = family()
    place.engine.start(f"{PREFIX}:stateMachine:child", "c1", '{"other": 1}')
    execution = place.run(machine(T=nested("c1")), {})
    assert result(execution) == ("FAILED", "StepFunctions.ExecutionAlreadyExistsException")


def test_a_machine_that_is_not_there() -> None:
    execution = Place().run(machine(T=nested("c1")), {})
    assert result(execution) == ("FAILED", "StepFunctions.StateMachineDoesNotExistException")


def test_start_without_waiting_leaves_the_child_alone() -> None:
    place = family()
    execution = place.run(machine(T=nested(None, {"bad": True}, START)), {})
    assert set(result(execution)) == {"ExecutionArn", "StartDate"}
    assert execution.stopped == execution.started
    assert place.engine.describe(result(execution)["ExecutionArn"])["status"] == "FAILED"


@pytest.mark.parametrize(
    ("action", "resource", "error"),
    [
        ("states:StartExecution", SYNC, "StepFunctions.AccessDeniedException"),
        ("states:StopExecution", SYNC, "StepFunctions.AccessDeniedException"),
        ("states:DescribeExecution", SYNC, "StepFunctions.AccessDeniedException"),
        ("states:StopExecution", START, None),
        ("states:StartExecution", START, "StepFunctions.AccessDeniedException"),
    ],
)
def test_what_the_role_may_not_do(action: str, resource: str, error: str | None) -> None:
    place = family()
    place.functions.denied = {action}
    execution = place.run(machine(T=nested("c1", None, resource)), {})
    assert execution.error == error
    if error:
        assert f"not authorized to perform: {action}" in (execution.cause or "")
        assert arn("c1") not in place.engine.executions


def test_what_the_role_is_asked_for() -> None:
    place = family(work=lambda _: 1)
    place.run(machine(T=nested("c1")), {})
    rule = "arn:aws:events:ap-northeast-1:444455556666:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
    assert set(place.functions.asked) == {
        (ROLE, "states:StartExecution", f"{PREFIX}:stateMachine:child"),
        (ROLE, "states:DescribeExecution", arn("c1")),
        (ROLE, "states:StopExecution", arn("c1")),
        (ROLE, "events:PutTargets", rule),
        (ROLE, "events:PutRule", rule),
        (ROLE, "events:DescribeRule", rule),
    }


def test_a_map_of_children_where_one_fails_and_is_caught() -> None:
    inner = nested("{% 'c' & $string($states.input.i) %}", "{% $states.input %}")
    inner |= {"Output": "{% $states.result.Status %}", "Catch": [{**CAUGHT, "Output": "failed"}]}
    processor = block(T=inner, H=passing())
    definition = machine(M={"Type": "Map", "Items": "{% $states.input %}", "ItemProcessor": processor, "End": True})
    cases: list[tuple[list[Document], list[str]]] = [
        ([], []),
        ([{"i": 1, "bad": True}], ["failed"]),
        ([{"i": i, "bad": i == 2} for i in (1, 2, 3)], ["SUCCEEDED", "failed", "SUCCEEDED"]),
    ]
    for vaults, expected in cases:
        assert result(family().run(definition, vaults)) == expected
