"""A deployed stack for the tests of the command line: outputs, the ledger's table, and scripted services."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from airlift_cli.main import app
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws
from typer.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest
    from airlift.ledger import Record
    from typer.testing import Result

REGION = "ap-northeast-1"
MACHINE = "arn:aws:states:ap-northeast-1:444455556666:stateMachine:airlift-recovery"
BUCKET = "airlift-evidence"
OUTPUTS = {
    "EvidenceBucketName": BUCKET,
    "RestoreRoleArn": "arn:aws:iam::444455556666:role/airlift-RestoreRole",
    "RecoveryStateMachineArn": MACHINE,
    "PeopleTopicArn": "arn:aws:sns:ap-northeast-1:123456789012:airlift-people",
    "ChatTopicArn": "arn:aws:sns:ap-northeast-1:123456789012:airlift-chat",
    "DailyCheckFunctionName": "airlift-daily-check",
    "WriteReportFunctionName": "airlift-write-report",
    "PlanApplicationId": "app1234",
    "PlanEnvironmentId": "env1234",
    "PlanConfigurationProfileId": "prf1234",
    "PlanDeploymentStrategyId": "AppConfig.AllAtOnce",
}
TABLE = "airlift-ledger"
CALLER = "arn:aws:sts::123456789012:user/moto"
_KEYS = ("pk", "sk", "open")


def _by(sort_key: str) -> list[dict[str, str]]:
    return [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": sort_key, "KeyType": "RANGE"}]


class CloudFormation:
    """Answers for the one stack `airlift` (moto's own needs libraries that nothing else here does)."""

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName != "airlift":
            words = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": words}}, "DescribeStacks")
        outputs = {"LedgerTableName": TABLE, **OUTPUTS}
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()]}]}


def _client(service: Any) -> Any:
    return boto3.client(service, REGION)


class World:
    """The stack `airlift` in moto; `script` says what a service that moto does not play will be asked and answer."""

    def __init__(self) -> None:
        client = boto3.client("dynamodb", REGION)
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in _KEYS],
            KeySchema=_by("sk"),
            LocalSecondaryIndexes=[
                {"IndexName": "open", "KeySchema": _by("open"), "Projection": {"ProjectionType": "ALL"}}
            ],
        )
        self.table: Any = boto3.resource("dynamodb", REGION).Table(TABLE)
        self.stubs: dict[str, Stubber] = {}

    def put(self, records: Iterable[Record]) -> None:
        """Writes records, in place of what was there."""
        with self.table.batch_writer() as batch:
            for record in records:
                batch.put_item(Item=record)

    def script(self, service: str) -> Stubber:
        """What `service` will be asked, in order, and what it answers."""
        if service not in self.stubs:
            self.stubs[service] = Stubber(_client(service))
            self.stubs[service].activate()
        return self.stubs[service]

    def client(self, _session: boto3.Session, service: Any, _config: object) -> Any:
        """Stands for the stack's way to make a client."""
        if service in self.stubs:
            return self.stubs[service].client
        return CloudFormation() if service == "cloudformation" else _client(service)

    def run(self, *words: str) -> Result:
        """Runs a command as a person would; its output is not a terminal's."""
        return CliRunner().invoke(app, words)


@contextmanager
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world in moto, for one test; whatever was scripted must have been asked."""
    settings = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": REGION, "COLUMNS": "100"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AIRLIFT_STACK"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        world = World()
        monkeypatch.setattr("airlift_cli.stack._client", world.client)
        yield world
        for stub in world.stubs.values():
            stub.assert_no_pending_responses()
