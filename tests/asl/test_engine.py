"""The operations: names, idempotency, pages, status events, and the way in for boto3."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, ParamSpec

import boto3
import pytest

from local.asl.engine import Engine
from local.asl.errors import ApiError, InvalidDefinition
from local.asl.facade import Facade, install_botocore
from local.clock import WallClock
from tests.asl.support import (
    ACCOUNT,
    PREFIX,
    REGION,
    ROLE,
    Document,
    Functions,
    Place,
    block,
    lasted,
    machine,
    nested,
    passing,
    seeded,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.asl.execution import Execution

P = ParamSpec("P")
SLOW = machine(W={"Type": "Wait", "Seconds": 86_400, "End": True})


def refused(code: str, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    with pytest.raises(ApiError) as raised:
        call(*args, **kwargs)
    assert raised.value.code == code


def test_create() -> None:
    place = Place()
    arn = place.create(SLOW)
    assert arn == f"{PREFIX}:stateMachine:machine"
    assert place.create(SLOW) == arn
    refused("StateMachineAlreadyExists", place.create, machine(A=passing()))
    refused("InvalidName", place.create, SLOW, "a b")
    with pytest.raises(InvalidDefinition):
        place.create({"StartAt": "A"})
    place.functions.denied = {"events:PutRule"}
    refused("AccessDeniedException", place.create, machine(T=nested("c")), "parent")


def test_start_is_idempotent_only_while_it_runs_with_the_same_input() -> None:
    place = Place()
    arn = place.create(SLOW)
    first = place.engine.start(arn, "n", '{"a": 1, "b": 2}')
    assert place.engine.start(arn, "n", '{"b":2,"a":1}') is first
    refused("ExecutionAlreadyExists", place.engine.start, arn, "n", "{}")
    place.clock.run()
    refused("ExecutionAlreadyExists", place.engine.start, arn, "n", '{"a": 1, "b": 2}')
    assert place.engine.start(arn).name != place.engine.start(arn).name


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a b", "{}", "InvalidName"),
        ("x" * 81, "{}", "InvalidName"),
        ("a:b", "{}", "InvalidName"),
        ("ok", "{", "InvalidExecutionInput"),
        ("ok", json.dumps("x" * 262_144), "InvalidExecutionInput"),
    ],
)
def test_start_refuses(name: str, data: str, code: str) -> None:
    place = Place()
    arn = place.create(SLOW)
    refused(code, place.engine.start, arn, name, data)
    assert place.engine.executions == {}


def test_unknown_arns() -> None:
    engine = Place().engine
    refused("StateMachineDoesNotExist", engine.start, f"{PREFIX}:stateMachine:no")
    refused("StateMachineDoesNotExist", engine.list, f"{PREFIX}:stateMachine:no")
    calls: tuple[Callable[[str], object], ...] = (engine.describe, engine.stop, engine.history)
    for call in calls:
        refused("ExecutionDoesNotExist", call, f"{PREFIX}:execution:no:no")


def test_describe_list_and_status_events() -> None:
    place = Place()
    first = place.start(machine(A=passing({"é": 1})), {"i": 1}, "one")
    place.clock.run()
    place.engine.start(place.create(SLOW, "slow"), "two")
    place.clock.run(until=place.clock.now() + 60)
    described = place.engine.describe(first.arn)
    assert described["output"] == '{"é":1}'
    assert (described["status"], described["input"]) == ("SUCCEEDED", '{"i": 1}')
    running = place.engine.list(f"{PREFIX}:stateMachine:slow", "RUNNING")
    assert [e["name"] for e in running] == ["two"]
    assert place.engine.list(f"{PREFIX}:stateMachine:slow", "FAILED") == []
    assert [(d["name"], d["status"]) for d in place.statuses] == [
        ("one", "RUNNING"),
        ("one", "SUCCEEDED"),
        ("two", "RUNNING"),
    ]
    assert place.statuses[1] == {
        "executionArn": f"{PREFIX}:execution:machine:one",
        "stateMachineArn": f"{PREFIX}:stateMachine:machine",
        "name": "one",
        "status": "SUCCEEDED",
        "startDate": 1767225600000,
        "stopDate": 1767225600000,
        "input": '{"i": 1}',
        "output": '{"é":1}',
        "error": None,
        "cause": None,
        "inputDetails": {"included": True},
        "outputDetails": {"included": True},
    }
    assert place.statuses[2]["stopDate"] is None


@pytest.mark.parametrize("reverse", [False, True])
def test_history_pages(reverse: bool) -> None:
    place = Place()
    execution = place.run(machine(A=passing(Next="B"), B=passing(Next="C"), C=passing()), {})
    ids: list[int] = []
    token: str | None = None
    while True:
        page = place.engine.history(execution.arn, reverse, 3, token)
        ids += [event["id"] for event in page["events"]]
        token = page.get("nextToken")
        if token is None:
            break
    assert ids == (list(range(8, 0, -1)) if reverse else list(range(1, 9)))
    refused("InvalidToken", place.engine.history, execution.arn, next_token="x")


def test_the_same_seed_gives_the_same_history_bit_for_bit() -> None:
    def history(seed: int) -> str:
        def work(payload: float) -> None:
            place.clock.sleep(payload)
            if place.engine.rng.random() < 0.5:
                raise ValueError("again")

        place = Place(seed, work=work)
        retry = [{"ErrorEquals": ["ValueError"], "MaxAttempts": 50, "JitterStrategy": "FULL"}]
        each = block(T=task("{% $random() %}", Retry=retry, Output="{% $uuid() %}"))
        execution = place.run(machine(M={"Type": "Map", "Items": [1, 2, 3], "ItemProcessor": each, "End": True}))
        return json.dumps(execution.history.events)

    assert history(1) == history(1) != history(2)


def test_many_days_cost_little() -> None:
    place = Place(work=lambda _: None)
    wait = {"Type": "Wait", "Seconds": 300, "Next": "T"}
    more = {"Condition": "{% $n < 1000 %}", "Next": "W"}
    definition = machine(
        P=passing(Assign={"n": 0}, Next="W"),
        W=wait,
        T=task(Assign={"n": "{% $n + 1 %}"}, Next="C"),
        C={"Type": "Choice", "Choices": [more], "Default": "Z"},
        Z={"Type": "Succeed"},
    )
    began = time.perf_counter()
    execution = place.run(definition)
    assert lasted(execution) == 300_000
    assert time.perf_counter() - began < 5


def test_run_definition_keeps_the_embeddings_names() -> None:
    place = Place()
    events: list[tuple[str, str]] = []
    statuses: list[Document] = []
    arns = {"machine_arn": f"{PREFIX}:stateMachine:m", "execution_arn": f"{PREFIX}:execution:m:x"}
    execution = place.engine.run_definition(
        machine(A=passing(Next="W"), W={"Type": "Wait", "Seconds": 60, "End": True}),
        **arns,
        machine_name="m",
        role_arn=ROLE,
        name="x",
        input='{"a":1}',
        on_status=statuses.append,
        on_event=lambda arn, event: events.append((arn, event["type"])),
    )
    place.clock.run(until=place.clock.now() + 5)
    place.engine.stop(execution.arn, "E", "c")
    place.clock.run()
    assert [detail["status"] for detail in statuses] == ["RUNNING", "ABORTED"]
    assert {arn for arn, _ in events} == {arns["execution_arn"]}
    assert events[-1][1] == "ExecutionAborted"
    assert place.statuses == []


def test_an_embedding_that_starts_children_itself() -> None:
    place = Place()
    late: list[Callable[[], Execution]] = []

    def start_child(machine_arn: str, name: str, data: str) -> str:
        arn = f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        late.append(
            lambda: place.engine.run_definition(
                machine(A=passing(7)),
                machine_arn=machine_arn,
                machine_name="child",
                role_arn=ROLE,
                execution_arn=arn,
                name=name,
                input=data,
            )
        )
        return arn

    place.engine.start_child = start_child
    parent = place.start(
        machine(T=nested("{% $states.context.Execution.Name %}", Output="{% $states.result.Output %}"))
    )
    place.clock.run(until=place.clock.now() + 1)
    late.pop()()
    place.clock.run()
    assert parent.output == "7"
    parent = place.engine.start(parent.machine.arn, "again")
    place.clock.run(until=place.clock.now() + 1)
    place.engine.stop(parent.arn)
    assert late.pop()().status == "ABORTED"  # it began after its parent had given up


def test_facade_refuses_what_it_does_not_have() -> None:
    facade = Facade(Place().engine)
    refused("UnknownOperationException", facade.handle, "RedriveExecution", {})
    refused("ValidationException", facade.handle, "StartExecution", {"stateMachineArn": "x", "surprise": 1})
    refused("ValidationException", facade.handle, "StartExecution", {})


@pytest.fixture
def connected() -> Iterator[tuple[Place, Any]]:
    place = Place()
    engines = {(ACCOUNT, REGION): place.engine}
    uninstall = install_botocore(lambda key, region: engines.get((key, region)))
    session = boto3.Session(aws_access_key_id=ACCOUNT, aws_secret_access_key="s", region_name=REGION)
    yield place, session.client("stepfunctions")
    uninstall()


def test_boto3(connected: tuple[Place, Any]) -> None:
    place, client = connected
    arn = place.create(SLOW)
    started = client.start_execution(stateMachineArn=arn, name="n", input="{}")
    assert started["startDate"].isoformat() == "2026-01-01T00:00:00+00:00"
    place.clock.run(until=place.clock.now() + 5)
    execution = started["executionArn"]
    assert client.describe_execution(executionArn=execution)["status"] == "RUNNING"
    assert client.stop_execution(executionArn=execution, error="E")["stopDate"].second == 5
    assert client.describe_execution(executionArn=execution)["error"] == "E"
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=execution, reverseOrder=True, PaginationConfig={"PageSize": 2}
    )
    assert [e["id"] for page in pages for e in page["events"]] == [4, 3, 2, 1]
    assert [e["status"] for e in client.list_executions(stateMachineArn=arn)["executions"]] == ["ABORTED"]
    described = client.describe_state_machine(stateMachineArn=arn)
    assert json.loads(described["definition"]) == SLOW
    assert client.list_state_machines()["stateMachines"][0]["name"] == "machine"
    with pytest.raises(client.exceptions.ExecutionDoesNotExist):
        client.describe_execution(executionArn=execution + "x")
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(stateMachineArn=arn, name="n", input="{}")


def test_wall_clock() -> None:
    clock, done = WallClock(), threading.Event()
    functions = Functions(quick=lambda payload: payload, slow=lambda _: time.sleep(0.05))
    names: list[tuple[str, str]] = []

    def on_status(detail: Document) -> None:
        names.append((detail["name"], detail["status"]))
        if len(names) == 6:
            done.set()

    rng = seeded(0)
    engine = Engine(clock, functions, account=ACCOUNT, region=REGION, rng=rng, on_status=on_status)
    child = machine(T=task({"n": 1}, "quick", Output="{% $states.result.Payload %}"))
    engine.create("child", child, ROLE)
    both = [block(A=nested("c", Output="{% $states.result.Output.n %}")), block(B=task(function="slow", Output=2))]
    parent = engine.create("parent", machine(P={"Type": "Parallel", "Branches": both, "End": True}), ROLE)
    waiting = engine.create("waiting", SLOW, ROLE)
    run, stopped = engine.start(parent, "p"), engine.start(waiting, "w")
    engine.stop(stopped.arn)
    assert done.wait(2)
    assert engine.describe(run.arn)["output"] == "[1,2]"
    assert sorted(names) == [
        ("c", "RUNNING"),
        ("c", "SUCCEEDED"),
        ("p", "RUNNING"),
        ("p", "SUCCEEDED"),
        ("w", "ABORTED"),
        ("w", "RUNNING"),
    ]
    clock.close()
