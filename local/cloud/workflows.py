"""Step Functions: the project's own interpreter in the place of ministack's, one engine per account and Region."""

from __future__ import annotations

import random
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id, get_region, json_response, request_scope
from ministack.services import stepfunctions as states

from local.asl.definition import parse
from local.asl.engine import Engine
from local.asl.errors import ApiError, InvalidDefinition
from local.asl.execution import StateMachine
from local.asl.facade import Facade
from local.cloud import events, lambdas
from local.cloud.permissions import allows

if TYPE_CHECKING:
    from local.clock import WallClock

OPERATIONS = {
    "StartExecution": "_start_execution",
    "StopExecution": "_stop_execution",
    "DescribeExecution": "_describe_execution",
    "ListExecutions": "_list_executions",
    "GetExecutionHistory": "_get_execution_history",
}
"""What the interpreter answers, and ministack's function for it. State machines themselves stay ministack's."""


class _Integrations:
    """What the interpreter asks of the cloud around it."""

    invoke_lambda = staticmethod(lambdas.invoke)

    def authorize(self, role_arn: str, action: str, resource: str) -> bool:
        """Whether the state machine's role may do this, with its policies of this moment."""
        return allows(role_arn, action, resource)


class Workflows:
    """The engines, and the operations of Step Functions that they answer."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self._engines: dict[tuple[str, str], Engine] = {}

    def install(self) -> None:
        """Answer in ministack's place, for clients, rules and CloudFormation alike."""
        for operation, name in OPERATIONS.items():
            setattr(states, name, self._answer(operation))
        states._validate_definition_jsonata = _problems

    def _answer(self, operation: str) -> Any:
        def answer(params: dict[str, Any]) -> Any:
            try:
                return json_response(Facade(self._engine()).handle(operation, params))
            except InvalidDefinition as error:
                return json_response({"__type": "InvalidDefinition", "message": str(error)}, 400)
            except ApiError as error:
                return json_response({"__type": error.code, "message": error.message}, 400)

        return answer

    def _engine(self) -> Engine:
        """The engine of the present account and Region, knowing its state machines as they are now."""
        account, region = where = get_account_id(), get_region()
        if where not in self._engines:
            self._engines[where] = Engine(
                self._clock,
                _Integrations(),
                account=account,
                region=region,
                rng=random.SystemRandom(),
                on_status=lambda detail: _tell(account, region, detail),
            )
        engine = self._engines[where]
        with engine.lock:
            engine.machines = {arn: _machine(record) for arn, record in states._state_machines.items()}
        return engine


def _machine(record: dict[str, Any]) -> StateMachine:
    created = datetime.fromisoformat(record["creationDate"]).timestamp()
    return StateMachine(record["stateMachineArn"], record["name"], record["definition"], record["roleArn"], created)


def _tell(account: str, region: str, detail: dict[str, Any]) -> None:
    with request_scope(account, region):
        kind = "Step Functions Execution Status Change"
        events.service_event("aws.states", kind, [detail["executionArn"]], detail)


def _problems(definition: str) -> str | None:
    """What is wrong with a definition, for ministack's CreateStateMachine and UpdateStateMachine."""
    try:
        parse(definition)
    except InvalidDefinition as error:
        return str(error)
    return None
