"""Makes the template's resources: what moto has in moto, the rest in the simulation's own parts.

A resource type, or a property of one made in moto, that isn't known here is an error by name.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from local.simulation.appconfig import Profile
from local.simulation.events import add_target
from local.simulation.lambda_host import Function
from local.simulation.policies import as_list
from local.simulation.template import Made, definition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.simulation.world import Simulation

Properties = dict[str, Any]

IGNORED = frozenset({"Tags", "Description"})
"""Properties that change nothing that is simulated."""


class Resources:
    """Creates resources of one stack. Ids derive from the stack and the logical id, so that they repeat."""

    def __init__(self, world: Simulation) -> None:
        self._world = world
        self._account, self._region, self._stack = world.account, world.region, world.stack_name

    def create(self, logical_id: str, kind: str, properties: Properties) -> Made:
        """Make one resource. Raises LookupError for a type that isn't known."""
        if kind not in CREATORS:
            raise LookupError(f"{logical_id}: resource type {kind} is not simulated")
        return CREATORS[kind](self, logical_id, properties)

    def _named(self, logical_id: str) -> str:
        return f"{self._stack}-{logical_id}-{_digest(self._stack + logical_id)[:12].upper()}"

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self._region}:{self._account}:{rest}"

    def _client(self, service: str) -> Any:
        return self._world.client(service)

    def role(self, logical_id: str, p: Properties) -> Made:
        name = p.get("RoleName", self._named(logical_id)[:64])
        statements = []
        iam = self._client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(p["AssumeRolePolicyDocument"]))
        for policy in p.get("Policies", []):
            statements += as_list(policy["PolicyDocument"]["Statement"])
        self._world.permissions.roles[arn["Role"]["Arn"]] = statements
        return Made(name, {"Arn": arn["Role"]["Arn"]})

    def function(self, logical_id: str, p: Properties) -> Made:
        name = p.get("FunctionName", self._named(logical_id))
        arn = self._arn("lambda", f"function:{name}")
        variables = {key: str(value) for key, value in p.get("Environment", {}).get("Variables", {}).items()}
        self._world.lambdas.add(Function(name, arn, p["Handler"], p["Role"], p["Timeout"], p["MemorySize"], variables))
        return Made(name, {"Arn": arn})

    def event_invoke_config(self, logical_id: str, p: Properties) -> Made:
        function = self._world.lambdas.functions[self._arn("lambda", f"function:{p['FunctionName']}")]
        function.retries = p.get("MaximumRetryAttempts", 2)
        function.on_failure = p.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        return Made(logical_id)

    def permission(self, logical_id: str, p: Properties) -> Made:
        name = p["FunctionName"]
        arn = name if name.startswith("arn:") else self._arn("lambda", f"function:{name}")
        statement = {"Effect": "Allow", "Action": p["Action"], "Principal": {"Service": p["Principal"]}}
        self._world.lambdas.functions[arn].permissions.append(statement)
        return Made(logical_id)

    def layer(self, logical_id: str, _p: Properties) -> Made:
        return Made(self._arn("lambda", f"layer:{self._named(logical_id)}:1"))

    def log_group(self, _logical_id: str, p: Properties) -> Made:
        name = p["LogGroupName"]
        return Made(name, {"Arn": self._arn("logs", f"log-group:{name}:*")})

    def table(self, logical_id: str, p: Properties) -> Made:
        name, p = p.pop("TableName", self._named(logical_id)), dict(p)
        recovery = p.pop("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled", False)
        ttl = p.pop("TimeToLiveSpecification", None)
        sse = p.pop("SSESpecification", {}).get("SSEEnabled", False)
        client = self._client("dynamodb")
        made = client.create_table(TableName=name, SSESpecification={"Enabled": sse}, **_without(p))
        self._world.tables.add(self._account, name, p)
        client.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": recovery}
        )
        if ttl:
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)
        return Made(name, {"Arn": made["TableDescription"]["TableArn"]})

    def bucket(self, logical_id: str, p: Properties) -> Made:
        name = p.pop("BucketName", self._named(logical_id).lower())
        client = self._client("s3")
        location = {"LocationConstraint": self._region}
        client.create_bucket(
            Bucket=name,
            CreateBucketConfiguration=location,
            ObjectLockEnabledForBucket=p.pop("ObjectLockEnabled", False),
            ObjectOwnership=p.pop("OwnershipControls")["Rules"][0]["ObjectOwnership"],
        )
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration=p.pop("VersioningConfiguration"))
        if lock := p.pop("ObjectLockConfiguration", None):
            client.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=lock)
        p.pop("LifecycleConfiguration", None)  # nothing is simulated for so many days
        client.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=p.pop("PublicAccessBlockConfiguration")
        )
        rules = p.pop("BucketEncryption")["ServerSideEncryptionConfiguration"]
        encryption = [{"ApplyServerSideEncryptionByDefault": r["ServerSideEncryptionByDefault"]} for r in rules]
        client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": encryption})
        _nothing_left(logical_id, p)
        return Made(name, {"Arn": f"arn:aws:s3:::{name}"})

    def bucket_policy(self, logical_id: str, p: Properties) -> Made:
        self._client("s3").put_bucket_policy(Bucket=p["Bucket"], Policy=json.dumps(p["PolicyDocument"]))
        return Made(logical_id)

    def topic(self, logical_id: str, p: Properties) -> Made:
        arn = self._client("sns").create_topic(Name=p.get("TopicName", self._named(logical_id)))["TopicArn"]
        return Made(arn, {"TopicName": arn.rpartition(":")[2]})

    def topic_policy(self, logical_id: str, p: Properties) -> Made:
        for arn in p["Topics"]:
            self._world.permissions.resource_policies[arn] = as_list(p["PolicyDocument"]["Statement"])
        return Made(logical_id)

    def subscription(self, _logical_id: str, p: Properties) -> Made:
        made = self._client("sns").subscribe(
            TopicArn=p["TopicArn"], Protocol=p["Protocol"], Endpoint=p["Endpoint"], ReturnSubscriptionArn=True
        )
        return Made(made["SubscriptionArn"])

    def queue(self, logical_id: str, p: Properties) -> Made:
        name = p.pop("QueueName", self._named(logical_id))
        attributes = {key: str(value).lower() for key, value in _without(p).items()}
        url = self._client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return Made(url, {"Arn": self._arn("sqs", name), "QueueName": name})

    def queue_policy(self, logical_id: str, p: Properties) -> Made:
        for url in p["Queues"]:
            arn = self._arn("sqs", url.rpartition("/")[2])
            self._world.permissions.resource_policies[arn] = as_list(p["PolicyDocument"]["Statement"])
        return Made(logical_id)

    def alarm(self, logical_id: str, p: Properties) -> Made:
        name = p.pop("AlarmName", self._named(logical_id))
        self._client("cloudwatch").put_metric_alarm(AlarmName=name, **_without(p))
        return Made(name, {"Arn": self._arn("cloudwatch", f"alarm:{name}")})

    def dashboard(self, logical_id: str, p: Properties) -> Made:
        name = p.get("DashboardName", self._named(logical_id))
        self._client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=p["DashboardBody"])
        return Made(name)

    def bus(self, _logical_id: str, p: Properties) -> Made:
        arn = self._arn("events", f"event-bus/{p['Name']}")
        self._world.events.add_bus(arn, as_list(p["Policy"]["Statement"]) if "Policy" in p else ())
        return Made(p["Name"], {"Arn": arn, "Name": p["Name"]})

    def rule(self, logical_id: str, p: Properties) -> Made:
        bus, name = p.get("EventBusName", "default"), p.get("Name", self._named(logical_id))
        if "ScheduleExpression" in p:
            for target in p["Targets"]:
                add_target(self._world.events.scheduled(name), target)
            return Made(name, {"Arn": self._arn("events", f"rule/{name}")})
        rule = self._world.events.put_rule(self._arn("events", f"event-bus/{bus}"), name, p["EventPattern"])
        rule.enabled = p.get("State", "ENABLED") == "ENABLED"
        for target in p["Targets"]:
            add_target(rule, target)
        path = name if bus == "default" else f"{bus}/{name}"
        return Made(name, {"Arn": self._arn("events", f"rule/{path}")})

    def state_machine(self, _logical_id: str, p: Properties) -> Made:
        text = definition(p["DefinitionS3Location"], p.get("DefinitionSubstitutions", {}))
        arn = self._world.engine.create(p["StateMachineName"], text, p["RoleArn"])
        return Made(arn, {"Arn": arn, "Name": p["StateMachineName"]})

    def short_id(self, logical_id: str, _p: Properties) -> Made:
        return Made(_digest(self._stack + logical_id)[:7])

    def profile(self, logical_id: str, p: Properties) -> Made:
        validators = tuple(v["Content"] for v in p.get("Validators", []) if v["Type"] == "LAMBDA")
        made = self.short_id(logical_id, p)
        self._world.appconfig.profiles[made.ref] = Profile(p["ApplicationId"], validators)
        return made


CREATORS: Mapping[str, Callable[[Resources, str, Properties], Made]] = {
    "AWS::AppConfig::Application": Resources.short_id,
    "AWS::AppConfig::ConfigurationProfile": Resources.profile,
    "AWS::AppConfig::DeploymentStrategy": Resources.short_id,
    "AWS::AppConfig::Environment": Resources.short_id,
    "AWS::CloudWatch::Alarm": Resources.alarm,
    "AWS::CloudWatch::Dashboard": Resources.dashboard,
    "AWS::DynamoDB::Table": Resources.table,
    "AWS::Events::EventBus": Resources.bus,
    "AWS::Events::Rule": Resources.rule,
    "AWS::IAM::Role": Resources.role,
    "AWS::Lambda::EventInvokeConfig": Resources.event_invoke_config,
    "AWS::Lambda::Function": Resources.function,
    "AWS::Lambda::LayerVersion": Resources.layer,
    "AWS::Lambda::Permission": Resources.permission,
    "AWS::Logs::LogGroup": Resources.log_group,
    "AWS::S3::Bucket": Resources.bucket,
    "AWS::S3::BucketPolicy": Resources.bucket_policy,
    "AWS::SNS::Subscription": Resources.subscription,
    "AWS::SNS::Topic": Resources.topic,
    "AWS::SNS::TopicPolicy": Resources.topic_policy,
    "AWS::SQS::Queue": Resources.queue,
    "AWS::SQS::QueuePolicy": Resources.queue_policy,
    "AWS::StepFunctions::StateMachine": Resources.state_machine,
}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _without(properties: Properties) -> Properties:
    return {key: value for key, value in properties.items() if key not in IGNORED}


def _nothing_left(logical_id: str, properties: Properties) -> None:
    if left := set(properties) - IGNORED:
        raise LookupError(f"{logical_id}: properties {sorted(left)} are not simulated")
