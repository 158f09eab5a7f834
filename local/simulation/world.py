"""One simulation: accounts, clock, services and the deployed production stack."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import patch

import boto3
from moto import mock_aws

from local.asl.engine import Engine
from local.asl.errors import TaskError
from local.asl.facade import install_botocore as install_step_functions
from local.aws import Settings, build_world, install_botocore
from local.aws.context import Ids
from local.clock import START
from local.simulation import mends
from local.simulation.account import AccountSettings
from local.simulation.appconfig import AppConfig
from local.simulation.delivery import Deliveries
from local.simulation.events import EventRouter
from local.simulation.inline import without_threads
from local.simulation.lambda_host import LambdaHost, forget_state
from local.simulation.permissions import Permissions
from local.simulation.resources import Resources
from local.simulation.sdk import Call, Sdk, ServiceError, Unwatched
from local.simulation.table import Tables
from local.simulation.template import Stack, translated
from local.simulation.timeline import SimulationClock, repeatable

if TYPE_CHECKING:
    from local.asl.tasks import LambdaResult

RECOVERY, OWNER, DETECTOR, ORGANIZATION = "444455556666", "111122223333", "777788889999", "999900001111"
MANAGEMENT = "121212121212"
"""The story's accounts: recovery, vault owner, detector, and owner of the approval team."""

CALL_SECONDS = 0.01
"""What an SDK call takes a handler, so that no two of its writes bear the same time."""

KEPT = {"MessageRetentionPeriod": "1209600"}
"""A queue's longest retention: incidents go on for days."""
AfterCall = Callable[[Call, dict[str, Any]], None]


class Simulation:
    """The production stack on a virtual clock; a context manager, one at a time in a process.

    The same `seed`, `start` (epoch seconds), `plan` and actions give the same run, bit for bit.
    """

    account = RECOVERY
    region = "ap-northeast-1"
    stack_name = "airlift"

    def __init__(
        self,
        seed: int = 0,
        start: float = START,
        parameters: Mapping[str, str] | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.seed = seed
        self.clock = SimulationClock(start)
        self.parameters = {"DetectorAccounts": DETECTOR, **(parameters or {})}
        self.settings = settings or Settings()
        self.settings.seed = seed
        self.before_call: list[Callable[[Call], None]] = []
        """Called before each SDK call of a handler; they may refuse it by ServiceError, without any effect."""
        self.after_call: list[AfterCall] = []
        """Called after each SDK call of a handler; what they raise comes out of the call, its effect made."""
        self.deliveries = Deliveries()
        self._clients: dict[tuple[str, str, str], Any] = {}

    _live = False

    def __enter__(self) -> Self:
        if Simulation._live:
            raise RuntimeError("another simulation runs in this process")
        with ExitStack() as stack:
            Simulation._live = True
            stack.callback(setattr, Simulation, "_live", False)
            self._open(stack)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()
        self._clients.clear()  # a run that is looked at later needs none, and they are its largest part

    def _open(self, stack: ExitStack) -> None:
        stack.callback(forget_state)
        forget_state()
        rng = stack.enter_context(repeatable(self.seed))
        stack.enter_context(self.clock.ruling())
        stack.enter_context(without_threads())
        credentials = {"AWS_ACCESS_KEY_ID": self.account, "AWS_SECRET_ACCESS_KEY": "simulated"}
        mends.enter(stack)  # first, since moto begins anew when it starts and when it ends
        stack.enter_context(mock_aws())
        stack.enter_context(patch.dict("os.environ", {**credentials, "AWS_DEFAULT_REGION": self.region}))
        # Not from the process's own source of chance: modules that moto loads when it needs them draw from it as well.
        ids = Ids(self.seed)
        self.lambdas = LambdaHost(self.clock, credentials, self.deliveries, ids, self._dead_letter)
        self.permissions = Permissions(self.lambdas)
        self.events = EventRouter(self.clock, self.deliveries, ids, self._send, self._undeliverable)
        self.appconfig = AppConfig(self._validate)
        self.tables = Tables()
        self.about = AccountSettings(self.settings)
        self.engine = Engine(
            self.clock, self, account=self.account, region=self.region, rng=rng, on_status=self._execution_status
        )
        sdk = Sdk(
            {
                "lambda": self.lambdas.facade,
                "dynamodb": self.tables.facade,
                "eventbridge": self.events.facade,
                "appconfig": self.appconfig.control,
                "appconfigdata": self.appconfig.data,
                "s3:PutBucketPolicy": self.permissions.bucket_policy,
                "s3:GetBucketPolicy": self.permissions.bucket_policy,
                "iam:SimulatePrincipalPolicy": self.permissions.simulate_policy,
                **self.about.facades,
            },
            self._before,
            self._after,
        )
        stack.callback(install_step_functions(lambda account, _: self.engine if account == self.account else None))
        self.aws = build_world(
            self.clock,
            self._service_client,
            self.events.deliver,
            self.settings,
            self.permissions.authorize_caller,
            self.permissions.identify,
        )
        self.permissions.tags_of = self._tags_of
        self.permissions.file_system_of = self._file_system_of
        stack.callback(install_botocore(self.aws.front))
        stack.enter_context(sdk.installed())
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        self.outputs = Stack(translated(), pseudo, self.parameters, Resources(self).create).deploy()
        self._inbox = self.client("sqs").create_queue(QueueName="people", Attributes=KEPT)["QueueUrl"]
        self.client("sns").subscribe(
            TopicArn=self.outputs["PeopleTopicArn"],
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{self.region}:{self.account}:people",
        )

    # -- what tests and the story use

    def client(self, service: str, account: str | None = None, region: str | None = None) -> Any:
        """A boto3 client of an account's root; by default of the recovery account, in the stack's Region."""
        return self._service_client(service, account or self.account, region or self.region)

    def deploy_plan(self, plan: Mapping[str, Any]) -> None:
        """Deploy a recovery plan through AppConfig. Raises ClientError if its validator refuses it."""
        client = self.client("appconfig")
        where = {
            "ApplicationId": self.outputs["PlanApplicationId"],
            "ConfigurationProfileId": self.outputs["PlanConfigurationProfileId"],
        }
        version = client.create_hosted_configuration_version(
            **where, Content=json.dumps(plan).encode(), ContentType="application/json"
        )
        client.start_deployment(
            **where,
            EnvironmentId=self.outputs["PlanEnvironmentId"],
            DeploymentStrategyId=self.outputs["PlanDeploymentStrategyId"],
            ConfigurationVersion=str(version["VersionNumber"]),
        )

    def start(self, document: Mapping[str, Any], name: str | None = None) -> str:
        """Start the recovery state machine as a person would; returns the execution's ARN."""
        named = {"name": name} if name else {}
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=self.outputs["RecoveryStateMachineArn"], input=json.dumps(document), **named
        )
        return str(started["executionArn"])

    def run(self, seconds: float | None = None, stop: Callable[[], bool] | None = None) -> None:
        """Let time pass: for `seconds`, until `stop()`, or until nothing is left to happen."""
        self.clock.run(None if seconds is None else self.clock.now() + seconds, stop)
        self.clock.follow()

    def tick(self, seconds: float = 60) -> None:
        """The stack's schedules come due, once; then some time passes."""
        self.events.tick(self.account, self.region)
        self.run(seconds)

    def messages(self) -> list[dict[str, Any]]:
        """What was published to people since the last call, oldest first: SNS notifications."""
        client, found = self.client("sqs"), []
        while batch := client.receive_message(QueueUrl=self._inbox, MaxNumberOfMessages=10).get("Messages", []):
            for message in batch:
                found.append(json.loads(message["Body"]))
                client.delete_message(QueueUrl=self._inbox, ReceiptHandle=message["ReceiptHandle"])
        return found

    def dead_letters(self) -> list[Any]:
        """What lies in the stack's dead-letter queue."""
        client, found = self.client("sqs"), []
        url = client.list_queues(QueueNamePrefix=f"{self.stack_name}-DeadLetters")["QueueUrls"][0]
        while batch := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            found += [json.loads(message["Body"]) for message in batch]
        return found

    def ledger(self) -> list[dict[str, Any]]:
        """Every record of the ledger as DynamoDB's own JSON, in the order of its keys."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.outputs["LedgerTableName"])
        records = [record for page in pages for record in page["Items"]]
        return sorted(records, key=lambda record: (record["pk"]["S"], record["sk"]["S"]))

    # -- what the workflows' engine asks

    def invoke_lambda(self, function_arn: str, payload: Any) -> LambdaResult:
        """A workflow's call of a function. Raises TaskError if Lambda refuses."""
        try:
            return self.lambdas.invoke(function_arn, payload)
        except ServiceError as error:
            raise TaskError(f"Lambda.{error.code}", error.message) from error

    def authorize(self, role_arn: str, action: str, resource: str) -> bool:
        """Whether a role's policies in the template allow this; recorded either way."""
        return self.permissions.authorize(role_arn, action, resource)

    # -- inside

    def _service_client(self, service: str, account: str, region: str) -> Any:
        key = (service, account, region)
        if key not in self._clients:
            self._clients[key] = boto3.client(  # type: ignore[call-overload]
                service,
                region_name=region,
                aws_access_key_id=account,
                aws_secret_access_key="simulated",  # noqa: S106
            )
        return Unwatched(self._clients[key], self._unwatched)

    @contextmanager
    def _unwatched(self) -> Iterator[None]:
        """Calls of a service for itself, or of a test, are no handler's calls, whoever runs."""
        running, self.lambdas.running = self.lambdas.running, []
        try:
            yield
        finally:
            self.lambdas.running = running

    def _before(self, call: Call) -> None:
        self.clock.follow()
        self.permissions.check_call(call)
        if self.lambdas.running:
            self.clock.sleep(CALL_SECONDS)
            for hook in self.before_call:
                hook(call)

    def _after(self, call: Call, parsed: dict[str, Any]) -> None:
        if self.lambdas.running:
            self.permissions.hide_missing_objects(call, parsed)
            for hook in self.after_call:
                hook(call, parsed)

    def _validate(self, function_arn: str, event: dict[str, Any]) -> str | None:
        self.permissions.permit(self.lambdas.functions[function_arn], "appconfig.amazonaws.com")
        result = self.lambdas.invoke(function_arn, event)
        return str(result.payload["errorMessage"]) if result.function_error else None

    def _tags_of(self, arn: str) -> Mapping[str, str]:
        """Tags of a resource in the recovery account: those that conditions of the stack's policies ask for."""
        kind, resource = f"{arn}:::".split(":")[2], arn.rpartition("/")[2]
        if kind == "ec2":
            filters = [{"Name": "resource-id", "Values": [resource]}]
            return _as_map(self.client("ec2").describe_tags(Filters=filters)["Tags"])
        if kind == "elasticfilesystem" and resource.startswith("fs-"):
            systems = self.client("efs").describe_file_systems()["FileSystems"]
            return next((_as_map(one["Tags"]) for one in systems if one["FileSystemId"] == resource), {})
        if kind == "dsql":
            dsql = self.client("dsql")
            there = any(one["arn"] == arn for one in dsql.list_clusters()["clusters"])
            return dict(dsql.list_tags_for_resource(resourceArn=arn)["tags"]) if there else {}
        return self.aws.tags_of(arn)

    def _file_system_of(self, mount_target: str) -> str:
        found = self.client("efs").describe_mount_targets(MountTargetId=mount_target)["MountTargets"]
        return str(found[0]["FileSystemId"])

    def _send(self, target: str, role_arn: str | None, event: Any) -> None:
        if ":lambda:" in target:
            self.permissions.permit(self.lambdas.functions[target], "events.amazonaws.com")
            self.lambdas.invoke_later(target, event)
        elif ":states:" in target and role_arn:
            if not self.authorize(role_arn, "states:StartExecution", target):
                raise ServiceError("AccessDeniedException", f"{role_arn} may not start {target}.", 403)
            self.engine.start(target, None, json.dumps(event))
        elif ":sns:" in target:
            if role_arn:
                may = self.authorize(role_arn, "sns:Publish", target)
            else:
                may = self.permissions.may_send("events.amazonaws.com", self.account, target)
            if not may:
                raise ServiceError(
                    "AuthorizationError", f"{role_arn or 'EventBridge'} may not publish to {target}.", 403
                )
            self.client("sns").publish(TopicArn=target, Message=event)
        else:
            raise LookupError(f"not simulated as a rule's target: {target}")

    def _execution_status(self, detail: dict[str, Any]) -> None:
        event = {
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "resources": [detail["executionArn"]],
            "detail": detail,
        }
        self.events.deliver(self.account, self.region, event)

    def _dead_letter(self, queue_arn: str, role_arn: str, body: str) -> None:
        if self.authorize(role_arn, "sqs:SendMessage", queue_arn):
            self._queue(queue_arn, body)

    def _undeliverable(self, queue_arn: str, body: str) -> None:
        if self.permissions.may_send("events.amazonaws.com", self.account, queue_arn):
            self._queue(queue_arn, body)

    def _queue(self, queue_arn: str, body: str) -> None:
        client = self.client("sqs")
        url = client.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        client.send_message(QueueUrl=url, MessageBody=body)


def _as_map(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
