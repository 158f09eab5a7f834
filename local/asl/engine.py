"""Step Functions for one account and Region, on any clock."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from local.asl.definition import Machine, parse
from local.asl.errors import RUNTIME, TIMEOUT, ApiError, StateError
from local.asl.execution import Execution, StateMachine
from local.asl.fields import START_SYNC
from local.asl.history import NOT_TRUNCATED, PAYLOAD_LIMIT, History, dumps
from local.asl.jsonata import Evaluator, timestamp
from local.asl.process import Cancelled, Future, Guarded, Process, Steps
from local.asl.states import Interpreter
from local.asl.tasks import MANAGED_RULE, MANAGED_RULE_ACTIONS, Integrations
from local.asl.visit import Scope

if TYPE_CHECKING:
    import random

    from local.clock import Clock

NAME = re.compile(r'[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}')
"""Names of state machines and executions (API reference, StartExecution)."""

OnStatus = Callable[[dict[str, Any]], None]
OnEvent = Callable[[str, dict[str, Any]], None]
StartChild = Callable[[str, str, str], str]


class Engine:
    """Keeps state machines and executions and runs them on a clock.

    ``on_status(detail)`` gets the detail of each "Step Functions Execution Status Change", as an action of
    the clock. ``on_event(execution_arn, event)`` gets each history event as it is written and must not call
    back. ``start_child(machine_arn, name, input)`` starts a nested execution in an embedding that keeps its
    own records and returns its ARN; by default that is ``start``. Methods may be called from any thread.
    """

    def __init__(
        self,
        clock: Clock,
        integrations: Integrations,
        *,
        account: str,
        region: str,
        rng: random.Random,
        on_status: OnStatus | None = None,
        on_event: OnEvent | None = None,
        start_child: StartChild | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.clock = Guarded(clock, self.lock)
        self.integrations = integrations
        self.account = account
        self.region = region
        self.rng = rng
        self.evaluator = Evaluator(clock, rng)
        self.machines: dict[str, StateMachine] = {}
        self.executions: dict[str, Execution] = {}
        self.start_child = start_child or (lambda arn, name, data: self.start(arn, name, data).arn)
        self._closing: dict[str, Future] = {}
        self._abandoned: set[str] = set()
        self._unguarded = clock
        self._on_status = on_status
        self._on_event = on_event

    # -- operations

    def create(self, name: str, definition: str | dict[str, Any], role_arn: str) -> str:
        """Create a state machine; returns its ARN.

        Raises InvalidDefinition, and ApiError: InvalidName, StateMachineAlreadyExists (same name, other
        definition or role), AccessDeniedException (waiting for a nested execution needs a managed rule).
        """
        text = definition if isinstance(definition, str) else dumps(definition)
        parse(text)
        arn = f"arn:aws:states:{self.region}:{self.account}:stateMachine:{_valid_name(name)}"
        rule = f"arn:aws:events:{self.region}:{self.account}:{MANAGED_RULE}"
        if START_SYNC in text and not all(
            self.integrations.authorize(role_arn, action, rule) for action in MANAGED_RULE_ACTIONS
        ):
            raise ApiError("AccessDeniedException", f"'{role_arn}' is not authorized to create managed-rule.")
        with self.lock:
            machine = StateMachine(arn, name, text, role_arn, self.clock.now())
            known = self.machines.setdefault(arn, machine)
        if (known.definition, known.role_arn) != (text, role_arn):
            raise ApiError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        return arn

    def start(self, machine_arn: str, name: str | None = None, input: str = "{}") -> Execution:  # noqa: A002
        """Start an execution; the same name and input return the one that is still running.

        Raises ApiError: StateMachineDoesNotExist, InvalidName, InvalidExecutionInput, ExecutionAlreadyExists.
        """
        machine = self.machine(machine_arn)
        with self.lock:
            name = _valid_name(name or str(uuid.UUID(int=self.rng.getrandbits(128), version=4)))
            arn = f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
            known = self.executions.get(arn)
            if known is None:
                return self._begin(machine, parse(machine.definition), arn, name, input)
            if known.status == "RUNNING" and json.loads(known.input) == _valid_input(input):
                return known
        raise ApiError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")

    def run_definition(
        self,
        definition: str | dict[str, Any],
        *,
        machine_arn: str,
        machine_name: str,
        role_arn: str,
        execution_arn: str,
        name: str,
        input: str,  # noqa: A002
        on_status: OnStatus | None = None,
        on_event: OnEvent | None = None,
    ) -> Execution:
        """Run an execution that an embedding has recorded already, under that embedding's ARN.

        ``stop``, ``describe`` and ``history`` know it from here on.
        Raises InvalidDefinition, and ApiError InvalidExecutionInput.
        """
        text = definition if isinstance(definition, str) else dumps(definition)
        machine = StateMachine(machine_arn, machine_name, text, role_arn, self.clock.now())
        with self.lock:
            return self._begin(machine, parse(text), execution_arn, name, input, on_status, on_event)

    def stop(self, execution_arn: str, error: str | None = None, cause: str | None = None) -> float:
        """Stop an execution and the children it waits for; returns when it stopped. A closed one stays."""
        execution = self.execution(execution_arn)
        with self.lock:
            self._end(execution, "ABORTED", error=error, cause=cause)
        return execution.stopped or self.clock.now()

    def describe(self, execution_arn: str) -> dict[str, Any]:
        """DescribeExecution; dates in seconds since 1970. Raises ApiError ExecutionDoesNotExist."""
        with self.lock:
            return self.execution(execution_arn).describe()

    def history(
        self,
        execution_arn: str,
        reverse: bool = False,  # noqa: FBT001, FBT002 - as the operation's own parameter
        max_results: int = 1000,
        next_token: str | None = None,
    ) -> dict[str, Any]:
        """GetExecutionHistory. Raises ApiError ExecutionDoesNotExist, InvalidToken."""
        with self.lock:
            return self.execution(execution_arn).history.page(max_results, next_token, reverse=reverse)

    def list(self, machine_arn: str, status: str | None = None) -> list[dict[str, Any]]:
        """ListExecutions, the newest first. Raises ApiError StateMachineDoesNotExist."""
        self.machine(machine_arn)
        with self.lock:
            found = [e for e in self.executions.values() if e.machine.arn == machine_arn]
            return [e.summary() for e in reversed(found) if status in (None, e.status)]

    def machine(self, arn: str) -> StateMachine:
        """A state machine. Raises ApiError StateMachineDoesNotExist."""
        if arn not in self.machines:
            raise ApiError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return self.machines[arn]

    def execution(self, arn: str) -> Execution:
        """An execution. Raises ApiError ExecutionDoesNotExist."""
        if arn not in self.executions:
            raise ApiError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return self.executions[arn]

    def closing(self, arn: str) -> Future:
        """Set, with the Execution, when it closes; it need not have begun yet."""
        return self._closing.setdefault(arn, Future())

    def abandon(self, arn: str) -> None:
        """Stop a nested execution whose parent waits no more, even if the embedding hasn't begun it yet."""
        with self.lock:
            self._abandoned.add(arn)
            if arn in self.executions:
                self._end(self.executions[arn], "ABORTED")

    # -- running

    def _begin(
        self,
        machine: StateMachine,
        definition: Machine,
        arn: str,
        name: str,
        data: str,
        on_status: OnStatus | None = None,
        on_event: OnEvent | None = None,
    ) -> Execution:
        document = _valid_input(data)
        status, event = on_status or self._on_status, on_event or self._on_event
        history = History(self.clock.now, (lambda item: event(arn, item)) if event else None)
        execution = Execution(arn, name, machine, data, self.clock.now(), history, self._announce(status))
        self.executions[arn] = execution
        execution.closed.then(lambda closed: self.closing(arn).set(closed.value))
        history.add("ExecutionStarted", 0, input=data, inputDetails=NOT_TRUNCATED, roleArn=machine.role_arn)
        execution.on_status(execution.detail())
        scope = Scope({}, _context(execution, document), 0)
        steps = Interpreter(self, execution).run(definition.definition, document, scope)
        execution.process = Process(self.clock, self._main(execution, steps, scope))
        if definition.timeout:
            expire = self.clock.call_at(
                execution.started + definition.timeout,
                lambda: self._end(execution, "TIMED_OUT", error=TIMEOUT),
            )
            execution.closed.then(lambda _: expire())
        execution.process.result.then(self._surface)
        if arn in self._abandoned:
            self._end(execution, "ABORTED")
        return execution

    def _main(self, execution: Execution, steps: Steps, scope: Scope) -> Steps:
        """Run the states and close the execution; an error of the interpreter itself closes it too."""
        try:
            output = yield from steps
        except StateError as failure:
            facts = {"error": failure.error, "cause": failure.cause}
            execution.close("FAILED", self.clock.now(), scope.previous, **facts)
        except Exception as broken:
            execution.close("FAILED", self.clock.now(), scope.previous, error=RUNTIME, cause=repr(broken))
            raise
        else:
            execution.close("SUCCEEDED", self.clock.now(), scope.previous, output=dumps(output))

    def _end(self, execution: Execution, status: str, **facts: str | None) -> None:
        if execution.status == "RUNNING" and execution.process:
            execution.process.cancel()
            execution.close(status, self.clock.now(), len(execution.history.events), **facts)

    def _surface(self, result: Future) -> None:
        """An error of the interpreter or of the embedding must not pass unseen: the clock gets it."""
        error = result.error
        if error and not isinstance(error, Cancelled):
            self.clock.call_at(self.clock.now(), lambda: _raise(error))

    def _announce(self, on_status: OnStatus | None) -> OnStatus:
        def announce(detail: dict[str, Any]) -> None:
            if on_status:
                self._unguarded.call_at(self.clock.now(), lambda: on_status(detail))

        return announce


def _raise(error: BaseException) -> None:
    raise error


def _context(execution: Execution, document: Any) -> dict[str, Any]:
    return {
        "Execution": {
            "Id": execution.arn,
            "Input": document,
            "Name": execution.name,
            "RoleArn": execution.machine.role_arn,
            "StartTime": timestamp(execution.started),
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": execution.machine.arn, "Name": execution.machine.name},
    }


def _valid_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ApiError("InvalidName", f"Invalid Name: '{name}'")
    return name


def _valid_input(text: str) -> Any:
    if len(text.encode()) > PAYLOAD_LIMIT:
        raise ApiError("InvalidExecutionInput", f"The input is larger than {PAYLOAD_LIMIT} bytes.")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ApiError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from error
