"""The deployed stack: everything the command line uses is found through its outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from airlift_cli.problems import Exit, Problem, one_line

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=5,
    read_timeout=30,
    user_agent_extra="airlift-cli",
)
_OF_SERVICE = {
    # A check of everything takes a minute or two, a large report longer; what is repeated meanwhile is done twice.
    "lambda": Config(read_timeout=850, retries={"mode": "standard", "total_max_attempts": 1}),
}
_IMPATIENT = _CONFIG.merge(Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=10))


@dataclass(frozen=True)
class Stack:
    """One deployed Airlift: its outputs, and clients in its account and Region."""

    name: str
    outputs: dict[str, str]
    session: boto3.Session

    def __getitem__(self, output: str) -> str:
        """An output's value. Raises Problem if the stack has no such output."""
        if output not in self.outputs:
            raise Problem(
                f"Stack {self.name} has no output {output}.",
                "give the name of an Airlift stack with --stack, or deploy its newest template.",
                Exit.NO_AWS,
                name="OutputMissing",
            )
        return self.outputs[output]

    def client(self, service: str, *, impatient: bool = False) -> Any:
        """A boto3 client of `service`; `impatient` gives up after one short attempt."""
        config = _IMPATIENT if impatient else _CONFIG.merge(_OF_SERVICE.get(service, Config()))
        return _client(self.session, service, config)

    def invoke(
        self, output: str, payload: dict[str, Any], *, failed: str, exit_code: Exit, name: str
    ) -> dict[str, Any]:
        """The answer of the function that an output names. Raises Problem, beginning with `failed`, if it fails.

        `name` is the problem's if the function's error has none.
        """
        answer = self.client("lambda").invoke(FunctionName=self[output], Payload=json.dumps(payload).encode())
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise Problem(
                f"{failed}: {one_line(document.get('errorMessage', document))}",
                "give the same command again; the function's log says more.",
                exit_code,
                name=str(document.get("errorType", name)),
            )
        return document

    def ledger_table(self, *, impatient: bool = False) -> Any:
        """The ledger's table as a boto3 resource; impatient, since a live view shows at once that it lost AWS."""
        resource: Any = self.session.resource("dynamodb", config=_IMPATIENT if impatient else _CONFIG)
        return resource.Table(self["LedgerTableName"])


def connect(name: str, profile: str | None, region: str | None) -> Stack:
    """The stack's outputs, read from CloudFormation.

    Raises Problem if there is no such stack, and botocore's errors if AWS can't be reached.
    """
    session = boto3.Session(profile_name=profile, region_name=region)
    try:
        stacks = _client(session, "cloudformation", _CONFIG).describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            raise Problem(
                f"There is no stack {name} in Region {session.region_name} of this account.",
                "give --stack, --region or --profile, or deploy Airlift there first.",
                Exit.NO_AWS,
                name="StackNotFound",
            ) from error
        raise
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    return Stack(name, outputs, session)


def _client(session: boto3.Session, service: Any, config: Config) -> Any:
    return session.client(service, config=config)
