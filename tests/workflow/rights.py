"""What the stack's roles use: incidents that together take every step, played with permissions enforced."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from local.simulation.lambda_host import Function, Killed
from local.simulation.sdk import ServiceError
from local.simulation.story import Story, sample
from local.simulation.world import OWNER, Simulation
from tests.contract.test_tampering import MACHINE, called
from tests.workflow import second_tier
from tests.workflow.drills import drill
from tests.workflow.playing import SCENARIOS, finding, played
from tests.workflow.prerequisites import Prepared
from tests.workflow.test_databases import drilled
from tests.workflow.test_triggers import ALL, SAMPLES, quiet

if TYPE_CHECKING:
    from local.simulation.permissions import Permissions
    from local.simulation.sdk import Call

DISK = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeType": "gp3"}}
Use = tuple[str, str]
"""A role's logical id in the template, and an action."""


def role_of(name: str) -> str:
    """A role's logical id; the simulation names a role by the stack, this id and a digest."""
    return "RequestVaultAccessRole" if "request-vault-access" in name else name.split("-")[1]


def _instance(story: Story) -> str:
    ec2 = story.sim.client("ec2", OWNER)
    image = ec2.register_image(Name="base", RootDeviceName="/dev/xvda")["ImageId"]
    key = story.sim.client("kms", OWNER).create_key()["KeyMetadata"]["Arn"]
    device = {**DISK, "Ebs": {"VolumeSize": 8, "Encrypted": True, "KmsKeyId": key}}
    asked = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.small"}
    (made,) = ec2.run_instances(**asked, BlockDeviceMappings=[device])["Instances"]
    return f"arn:aws:ec2:{story.sim.region}:{OWNER}:instance/{made['InstanceId']}"


def _validator(sim: Simulation) -> str:
    """A function of the plan's own that finds everything valid; its name."""
    name = "airlift-validate-orders"
    arn = f"arn:aws:lambda:{sim.region}:{sim.account}:function:{name}"
    sim.lambdas.add(Function(name, arn, "validate_orders.handler", "", 60, 128, {}))
    sim.lambdas.stand_ins["validate_orders"] = lambda _event: {"valid": True, "message": "as it was"}
    return name


def drill_of_everything_else(sim: Simulation) -> None:
    """Types that no other incident cleans up, with options that need rights; each function reads the plan itself."""
    from airlift import plan_store  # the handlers' own module, of this simulation

    sim.after_call.append(lambda *_: plan_store.plan_at.cache_clear())
    story = Story(sim)
    targets = second_tier.backed_up(
        story, story.table("orders"), story.bucket("documents"), story.file_system("home"), _instance(story)
    )
    network = {key: targets["types"]["FSx"][key] for key in ("subnetIds", "securityGroupIds", "kmsKeyId")}
    protected = {**network, "deletionProtection": True, "copySourceTags": True}
    targets["types"] |= {
        "DynamoDB": {"deletionProtection": True, "timeToLiveAttribute": "until", "validationFunction": _validator(sim)},
        "EC2": protected | {"metadata": {"BlockDeviceMappings": json.dumps([DISK])}},
        "EFS": {key: network[key] for key in ("subnetIds", "securityGroupIds")},
        "S3": {"metadata": {"RestoreACLs": "true"}},  # of which the backup has none: held
    }
    targets["types"]["DSQL"] |= {"deletionProtection": True}
    story.make_plan(targets=targets)
    story.run_to_end(drill(story))
    report = sim.lambdas.named("write_report")
    answer = sim.lambdas.invoke(report.arn, {"recoveryId": story.recovery()["recoveryId"]})
    assert not answer.function_error, answer.payload


def every_event(sim: Simulation) -> None:
    """Each rule's own event arrives, and somebody tampers."""
    story = Story(sim)
    quiet(story, triggers=ALL)
    for name in (*SAMPLES, "security-ir-case"):
        story.send(sample(name))
        sim.run(5)
    sim.events.deliver(sim.account, sim.region, called("states", "UpdateStateMachine", {"stateMachineArn": MACHINE}))
    sim.run(60)


def looked_at_daily(sim: Simulation) -> None:
    """The daily check, of a plan that fixes names, has keys, a network for databases, and places that people make."""
    prepared = Prepared(sim)
    names = {"DynamoDB": {"targetTableName": "orders"}, "Aurora": {"DBClusterIdentifier": "orders"}}
    types: dict[str, Any] = {kind: {"metadata": fixed} for kind, fixed in names.items()}
    types["EBS"] = {"kmsKeyId": prepared.key}
    types["Aurora"]["dbSubnetGroupName"] = "isolated"
    types["FSx"] = {"activeDirectoryId": "d-0a1b2c3d4e", "storageVirtualMachineId": "svm-0a1b2c3d4e5f60718"}
    types |= {"Timestream": {"database": "plant"}, "EKS": {"clusterName": "ready"}}
    prepared.story.make_plan(targets={**prepared.targets, "types": types})
    prepared.report()


def answer_lost(sim: Simulation) -> None:
    """The answer to a StartRestoreJob is lost, and its token is not taken again: the job is looked for."""
    story = Story(sim)
    story.prepare(days=1)
    lost: list[str] = []

    def lose(call: Call, _parsed: dict[str, Any]) -> None:
        if call.operation == "StartRestoreJob" and not lost:
            lost.append(call.operation)
            raise Killed

    sim.after_call.append(lose)
    story.run_to_end(drill(story))


def named_by_plan(sim: Simulation) -> None:
    """Names that the plan fixes, the source's tags, points whose metadata may not be read; then a drill by schedule."""
    story = Story(sim)
    s3 = sim.client("s3")
    place = {"LocationConstraint": sim.region}
    s3.create_bucket(Bucket="ready", CreateBucketConfiguration=place, ObjectOwnership="BucketOwnerPreferred")
    s3.put_bucket_versioning(Bucket="ready", VersioningConfiguration={"Status": "Enabled"})
    types = {
        "DynamoDB": {"metadata": {"targetTableName": "orders-back"}, "copySourceTags": True},
        "S3": {"metadata": {"DestinationBucketName": "ready"}},
    }
    story.prepare(("table", "bucket"), days=1, targets={"types": types})

    def refuse(call: Call) -> None:
        if call.operation == "GetRecoveryPointRestoreMetadata":
            raise ServiceError("AccessDeniedException", "not shared", 403)

    sim.before_call.append(refuse)
    finding(story)
    story.run_to_end()
    sim.before_call.clear()
    sim.tick()  # what comes by schedule, a drill as well


MORE = (drill_of_everything_else, every_event, looked_at_daily, answer_lost, named_by_plan)
OPTIONS = {"DrillSchedule": "rate(30 days)", "DrillAccount": OWNER, "MapParameters": "true"}


@functools.cache
def asked() -> tuple[frozenset[Use], frozenset[Use]]:
    """What roles used, and what they were refused, over all incidents."""
    used: set[Use] = set()
    refused: set[Use] = set()

    def note(permissions: Permissions) -> None:
        used.update((role_of(role), action) for role, action, _ in permissions.used)
        refused.update((role_of(role), action) for role, action, _ in permissions.denied)

    for name in SCENARIOS:
        note(played(name).story.sim.permissions)
    note(drilled()[0].story.sim.permissions)
    for play in MORE:
        with Simulation(parameters=OPTIONS) as sim:
            play(sim)
            note(sim.permissions)
    return frozenset(used), frozenset(refused)
