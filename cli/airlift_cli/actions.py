"""Input for the recovery state machine, the same as the Step Functions console takes, and what became of it."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airlift.inputs import parse_input
from botocore.exceptions import BotoCoreError, ClientError

from airlift_cli.problems import Exit, Problem, ended_badly, is_transient

if TYPE_CHECKING:
    from airlift_cli.reading import Reading
    from airlift_cli.stack import Stack

# ReceiveTrigger may take two minutes; a small quota of concurrent functions can add to that.
_PATIENCE_SECONDS = 180.0
_FIRST_LOOK_SECONDS, _LONGEST_PAUSE_SECONDS = 0.3, 3.0


@dataclass(frozen=True)
class Answer:
    """What an execution did: `outcome` accepted, joined, ignored, done, Recovered or AccessOpen, and its words."""

    outcome: str
    text: str
    recovery_id: str
    execution_arn: str

    def document(self) -> dict[str, Any]:
        """The answer as `--json` prints it."""
        return {
            "outcome": self.outcome,
            "text": self.text,
            "recoveryId": self.recovery_id,
            "executionArn": self.execution_arn,
        }


def given(**fields: Any) -> dict[str, Any]:
    """The input's fields that were given; None and empty lists were not."""
    return {name: value for name, value in fields.items() if value not in (None, [], ())}


def send(stack: Stack, reading: Reading, document: dict[str, Any]) -> Answer:
    """Starts the recovery state machine with this input and waits for what it makes of it.

    Who asks is added to the input. A recovery that was accepted goes on running; everything else has ended when this
    returns. Raises InvalidInput before anything is started if the input is wrong, and Problem for an execution that
    ends badly or does not answer.
    """
    parse_input(document, now=datetime.now(UTC))
    document = document | given(requestedBy=_caller(stack))
    machine = stack.client("stepfunctions")
    # With a name of its own, a start that is repeated after a lost answer is the same execution.
    execution_arn = machine.start_execution(
        stateMachineArn=stack["RecoveryStateMachineArn"], name=f"cli-{uuid.uuid4()}", input=json.dumps(document)
    )["executionArn"]
    until, pause = time.monotonic() + _PATIENCE_SECONDS, _FIRST_LOOK_SECONDS
    while time.monotonic() < until:
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        try:
            execution = machine.describe_execution(executionArn=execution_arn)
            recovery = reading.served_by(execution_arn) if execution["status"] == "RUNNING" else None
        except (ClientError, BotoCoreError) as error:
            if not is_transient(error):
                raise
            continue  # it has started: whoever gave the command once more would start a second one
        if execution["status"] != "RUNNING":
            return _ended(execution)
        if recovery:
            text = f"Recovery {recovery['recoveryId']} of account {recovery['account']} runs."
            return Answer("accepted", text, str(recovery["recoveryId"]), execution_arn)
    raise Problem(
        f"The execution has started, but not said within {_PATIENCE_SECONDS:.0f} s what it does: {execution_arn}.",
        "look at it in the Step Functions console, or give `airlift status` in a while.",
        Exit.UNEXPECTED,
        name="NoAnswer",
    )


def _caller(stack: Stack) -> str | None:
    """ARN of whoever gives the command; None if STS can't be asked, which is no reason not to act in an emergency."""
    try:
        arn = stack.client("sts", impatient=True).get_caller_identity()["Arn"]
    except (ClientError, BotoCoreError):
        return None
    # The path of an IAM user may hold characters, and be of a length, that the input does not take.
    return re.sub(r"[^A-Za-z0-9:/._@+=,-]", "_", arn)[:300]


def _ended(execution: dict[str, Any]) -> Answer:
    if execution["status"] != "SUCCEEDED":
        raise ended_badly(execution.get("error") or execution["status"], execution.get("cause", ""))
    output = json.loads(execution["output"])
    outcome = str(output["outcome"])
    text = str(output.get("text") or output.get("cause") or outcome)
    if outcome == "ignored":
        raise Problem(text, "see what the plan allows: `airlift plan show`.", Exit.BAD_INPUT, name="Ignored")
    return Answer(outcome, text, str(output.get("recoveryId", "")), execution["executionArn"])
