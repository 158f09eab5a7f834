"""Runs the states of one execution, as steps on a clock."""

from __future__ import annotations

import dataclasses
import functools
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from local.asl import tasks
from local.asl.errors import NO_CHOICE, QUERY, RUNTIME, TIMEOUT, QueryError, StateError
from local.asl.fields import MAX_SECONDS
from local.asl.history import NOT_TRUNCATED, dumps, limited
from local.asl.jsonata import timestamp
from local.asl.process import Process, Steps, gather, sleep
from local.asl.retry import Retriers, catcher
from local.asl.visit import Outcome, Scope, Visit, unexpected

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.asl.engine import Engine
    from local.asl.execution import Execution

INLINE_CONCURRENCY = 40
"""The most iterations of an INLINE Map at a time (developer guide, "Map state")."""

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
ABORTABLE = ("Task", "Wait", "Map", "Parallel")


class Interpreter:
    """Runs one execution's states. ``run`` is the whole of it; the other methods are one per state type."""

    def __init__(self, engine: Engine, execution: Execution) -> None:
        self.engine = engine
        self.execution = execution
        self.clock = engine.clock
        self.handlers: dict[str, Callable[[Visit], Steps]] = {
            "Task": self._task,
            "Pass": self._pass,
            "Choice": self._choice,
            "Wait": self._wait,
            "Succeed": self._pass,
            "Fail": self._fail,
            "Map": self._map,
            "Parallel": self._parallel,
        }

    def run(self, block: dict[str, Any], data: Any, scope: Scope) -> Steps:
        """Run a state machine, an iteration or a branch to its end; returns the output, raises StateError."""
        name: str | None = block["StartAt"]
        while name is not None:
            data, name = yield from self._visit(name, block["States"][name], data, scope)
        return data

    def record(self, scope: Scope, kind: str, **details: Any) -> int:
        """Write an event that follows the scope's last one."""
        scope.previous = self.execution.history.add(kind, scope.previous, **details)
        return scope.previous

    def evaluate(self, visit: Visit, field: str, value: Any, **states: Any) -> Any:
        known = {"input": visit.data, "context": visit.context, **states}
        return self.engine.evaluator.field(field, value, known, visit.scope.variables)

    # -- one state

    def _visit(self, name: str, state: dict[str, Any], data: Any, scope: Scope) -> Steps:
        kind = state["Type"]
        entered = self.record(scope, f"{kind}StateEntered", name=name, input=dumps(data), inputDetails=NOT_TRUNCATED)
        facts = {"Name": name, "EnteredTime": timestamp(self.clock.now()), "RetryCount": 0}
        visit = Visit(name, state, data, scope, {**scope.context, "State": facts})
        try:
            outcome = yield from self._attempts(visit)
            self._limit(visit, outcome)
        except GeneratorExit:
            if kind in ABORTABLE:
                self.execution.abort_event(scope, f"{kind}StateAborted")
            raise
        except StateError as failure:
            raise self._explained(failure, visit, entered) from failure
        scope.variables.update(outcome.assigned)
        if kind != "Fail":
            self._exited(visit, outcome)
        return outcome.output, outcome.next

    def _attempts(self, visit: Visit) -> Steps:
        retriers = Retriers(visit.state.get("Retry", []), self.engine.rng)
        while True:
            try:
                return (yield from self.handlers[visit.state["Type"]](visit))
            except StateError as failure:
                self._report(failure, visit)
                seconds = retriers.delay(failure)
                if seconds is None:
                    caught = catcher(visit.state.get("Catch", []), failure)
                    if caught is None:
                        raise
                    return self._caught(visit, failure, *caught)
            visit.context["State"]["RetryCount"] += 1
            yield from sleep(self.clock, seconds)

    def _caught(self, visit: Visit, failure: StateError, number: int, rule: dict[str, Any]) -> Outcome:
        error = {"Error": failure.error or "", "Cause": failure.cause or ""}
        place = f"Catch[{number}]"
        try:
            output = self.evaluate(visit, f"{place}/Output", rule.get("Output", error), errorOutput=error)
            assigned = self.evaluate(visit, f"{place}/Assign", rule.get("Assign", {}), errorOutput=error)
        except QueryError as second:
            self._report(second, visit)
            raise
        return Outcome(output, rule["Next"], assigned)

    def _report(self, failure: StateError, visit: Visit) -> None:
        if isinstance(failure, QueryError) and not failure.reported:
            failure.reported = True
            self.record(
                visit.scope,
                "EvaluationFailed",
                error=failure.error,
                cause=failure.cause,
                location=failure.location,
                state=visit.name,
            )

    def _explained(self, failure: StateError, visit: Visit, entered: int) -> StateError:
        """As AWS words it, the cause of an error of the machine itself names the state, once."""
        if failure.error not in (RUNTIME, QUERY, NO_CHOICE) or (failure.cause or "").startswith("An error"):
            return failure
        where = f"An error occurred while executing the state '{visit.name}'"
        return StateError(failure.error, f"{where} (entered at the event id #{entered}). {failure.cause}")

    def _limit(self, visit: Visit, outcome: Outcome) -> None:
        what = f"The state/task '{visit.name}'"
        limited(outcome.output, what)
        for name, value in outcome.assigned.items():
            limited(value, f"{what}, assigning ${name},")

    def _exited(self, visit: Visit, outcome: Outcome) -> None:
        variables = {name: dumps(value) for name, value in outcome.assigned.items()} or None
        self.record(
            visit.scope,
            f"{visit.state['Type']}StateExited",
            name=visit.name,
            output=dumps(outcome.output),
            outputDetails=NOT_TRUNCATED,
            assignedVariables=variables,
            assignedVariablesDetails=NOT_TRUNCATED if variables else None,
        )

    def _finish(self, visit: Visit, output: Any, **states: Any) -> Outcome:
        """Output and Assign, both with the variables as they were before."""
        state = visit.state
        if "Output" in state:
            output = self.evaluate(visit, "Output", state["Output"], **states)
        return Outcome(output, state.get("Next"), self.evaluate(visit, "Assign", state.get("Assign", {}), **states))

    # -- the state types

    def _pass(self, visit: Visit) -> Steps:
        yield from ()
        return self._finish(visit, visit.data)

    def _fail(self, visit: Visit) -> Steps:
        yield from ()
        texts = {}
        for field in ("Error", "Cause"):
            texts[field] = self.evaluate(visit, field, visit.state.get(field))
            if field in visit.state and not isinstance(texts[field], str):
                raise unexpected(field, visit.state[field], "string", texts[field])
        raise StateError(texts["Error"], texts["Cause"])

    def _choice(self, visit: Visit) -> Steps:
        yield from ()
        for number, rule in enumerate(visit.state["Choices"]):
            place = f"Choices[{number}]"
            chosen = self.evaluate(visit, "Condition", rule["Condition"])
            if not isinstance(chosen, bool):
                raise unexpected("Condition", rule["Condition"], "boolean", chosen)
            if chosen:
                output = rule.get("Output", visit.state.get("Output", "{% $states.input %}"))
                assign = rule.get("Assign", {})
                return Outcome(
                    self.evaluate(visit, f"{place}/Output", output),
                    rule["Next"],
                    self.evaluate(visit, f"{place}/Assign", assign),
                )
        if "Default" not in visit.state:
            text = f"Failed to transition out of the state '{visit.name}'."
            raise StateError(NO_CHOICE, f"{text} The state does not point to a next state.")
        return dataclasses.replace(self._finish(visit, visit.data), next=visit.state["Default"])

    def _wait(self, visit: Visit) -> Steps:
        field = "Seconds" if "Seconds" in visit.state else "Timestamp"
        value = self.evaluate(visit, field, visit.state[field])
        if field == "Seconds":
            if isinstance(value, bool) or not isinstance(value, int):
                raise unexpected(field, visit.state[field], "integer", value)
            if not 0 <= value <= MAX_SECONDS:
                raise QueryError(f"Seconds must be from 0 to {MAX_SECONDS}, not {value}.", field)
            seconds = float(value)
        else:
            if not isinstance(value, str) or not TIMESTAMP.fullmatch(value):
                raise QueryError(f"'{value}' is not an ISO 8601 time with an offset.", field)
            seconds = max(0.0, datetime.fromisoformat(value).timestamp() - self.clock.now())
        yield from sleep(self.clock, seconds)
        return self._finish(visit, visit.data)

    def _map(self, visit: Visit) -> Steps:
        state, scope = visit.state, visit.scope
        items = self.evaluate(visit, "Items", state["Items"]) if "Items" in state else visit.data
        if not isinstance(items, list):
            raise unexpected("Items", state.get("Items", "{% $states.input %}"), "array", items)
        at_most = self._whole(visit, "MaxConcurrency", 0, 0) or INLINE_CONCURRENCY
        self.record(scope, "MapStateStarted", length=len(items))
        contexts = [{"Item": {"Index": i, "Value": item}} for i, item in enumerate(items)]
        inputs = [self._selected(visit, item, map_) for item, map_ in zip(items, contexts, strict=True)]
        makers: list[Callable[[], Steps]] = [
            functools.partial(self._iteration, visit, i, data, scope.inner(Map=map_))
            for i, (data, map_) in enumerate(zip(inputs, contexts, strict=True))
        ]
        return (yield from self._all(visit, makers, min(at_most, INLINE_CONCURRENCY)))

    def _selected(self, visit: Visit, item: Any, map_: dict[str, Any]) -> Any:
        if "ItemSelector" not in visit.state:
            return item
        context = {**visit.context, "Map": map_}
        return self.evaluate(visit, "ItemSelector", visit.state["ItemSelector"], context=context)

    def _iteration(self, visit: Visit, index: int, data: Any, scope: Scope) -> Steps:
        facts = {"name": visit.name, "index": index}
        self.record(scope, "MapIterationStarted", **facts)
        try:
            output = yield from self.run(visit.state["ItemProcessor"], data, scope)
        except GeneratorExit:
            self.execution.abort_event(scope, "MapIterationAborted", **facts)
            raise
        except StateError:
            self.record(scope, "MapIterationFailed", **facts)
            raise
        visit.scope.previous = self.record(scope, "MapIterationSucceeded", **facts)
        return output

    def _parallel(self, visit: Visit) -> Steps:
        data = visit.data
        if "Arguments" in visit.state:
            data = self.evaluate(visit, "Arguments", visit.state["Arguments"])
        self.record(visit.scope, "ParallelStateStarted")
        makers: list[Callable[[], Steps]] = [
            functools.partial(self.run, branch, data, visit.scope.inner()) for branch in visit.state["Branches"]
        ]
        return (yield from self._all(visit, makers, len(makers)))

    def _branch(self, visit: Visit, branch: dict[str, Any], data: Any) -> Steps:
        scope = visit.scope.inner()
        output = yield from self.run(branch, data, scope)
        visit.scope.previous = scope.previous
        return output

    def _all(self, visit: Visit, makers: list[Callable[[], Steps]], at_most: int) -> Steps:
        kind = visit.state["Type"]
        try:
            results = yield from gather(self.clock, makers, at_most)
            limited(results, f"The state/task '{visit.name}'")
        except StateError:
            self.record(visit.scope, f"{kind}StateFailed")
            raise
        self.record(visit.scope, f"{kind}StateSucceeded")
        return self._finish(visit, results, result=results)

    def _task(self, visit: Visit) -> Steps:
        arguments = self.evaluate(visit, "Arguments", visit.state["Arguments"])
        parameters = limited(arguments, f"The state/task '{visit.name}'")
        timeout = self._whole(visit, "TimeoutSeconds", 1, None)
        call = tasks.Call(self.engine, self.execution, visit.scope, visit.state["Resource"], arguments)
        call.scheduled(parameters, timeout)
        process = Process(self.clock, call.run())
        expired = StateError(TIMEOUT, "")
        expire = functools.partial(process.cancel, expired)
        never = self.clock.now() + (MAX_SECONDS if timeout is None else timeout)
        cancel = self.clock.call_at(never, expire)
        try:
            result = yield process.result
            output = limited(result, f"The state/task '{visit.name}'")
        except StateError as failure:
            call.failed(failure, timed_out=failure is expired)
            raise
        finally:
            cancel()
            process.cancel()
        call.succeeded(output)
        return self._finish(visit, result, result=result)

    def _whole(self, visit: Visit, field: str, low: int, default: int | None) -> int | None:
        if field not in visit.state:
            return default
        value = self.evaluate(visit, field, visit.state[field])
        if isinstance(value, bool) or not isinstance(value, int):
            raise unexpected(field, visit.state[field], "integer", value)
        if not low <= value <= MAX_SECONDS:
            raise QueryError(f"{field} must be from {low} to {MAX_SECONDS}, not {value}.", field)
        return value
