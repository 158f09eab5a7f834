"""What restores need around them, and what follows right before they start if it is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airlift.holding import ready_to_start
from airlift.readiness import CHECKS, VAULT_CHECKS
from airlift.restore.base import Target
from airlift.surroundings import keys_of, look_around, zones_of

from tests.unit.domain import REGION, an_item, refused, stored, texts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airlift.vaults import VaultWork

    from tests.unit.domain import Services

    Make = Callable[..., VaultWork]

KEY = f"arn:aws:kms:{REGION}:444455556666:key/1"
WITH_KEY = {"types": {"DynamoDB": {"kmsKeyId": KEY}}}


def a_target(metadata: dict[str, str] | None = None, **options: Any) -> Target:
    return Target("r", "444455556666", REGION, 1, metadata or {}, options)


def test_keys_are_found_at_any_depth_but_for_those_that_aws_owns() -> None:
    devices = json.dumps([{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "KmsKeyId": KEY}}])
    assert keys_of("EC2", a_target({"BlockDeviceMappings": devices})) == {KEY}
    assert keys_of("S3", a_target({"KMSKey": KEY, "DestinationBucketName": "[odd"})) == {KEY}
    assert keys_of("EFS", a_target(kmsKeyId="alias/aws/elasticfilesystem")) == set()
    assert keys_of("EFS", a_target(kmsKeyId=KEY, unread=KEY)) == {KEY}
    assert keys_of("Timestream", a_target(subnetIds=["subnet-1"])) == set()


def test_zones_are_found_as_one_or_many_in_options_and_metadata() -> None:
    assert zones_of("EBS", a_target(availabilityZone="a", availabilityZones=["b", "c"])) == {"a", "b", "c"}
    assert zones_of("EBS", a_target({"availabilityZone": "d"})) == {"d"}
    assert zones_of("Aurora", a_target({"availabilityZones": '["a","b"]'})) == {"a", "b"}
    assert zones_of("Aurora", a_target({"availabilityZones": '["a"'})) == {'["a"'}
    assert zones_of("DynamoDB", a_target(availabilityZone="a")) == set()


def test_places_must_be_there_and_lie_in_one_vpc(services: Services) -> None:
    services.play(
        "ec2",
        describe_subnets={"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "a"}]},
        describe_security_groups={"SecurityGroups": [{"GroupId": "sg-1", "VpcId": "vpc-2", "GroupName": "quarantine"}]},
    )
    apart = a_target(subnetIds=["subnet-1"], securityGroupIds=["sg-1"])
    gone = a_target(subnetIds=["subnet-2"])
    around = look_around(services_client(services), [("EFS", apart), ("EFS", gone)])
    told = [lack.what for target in (apart, gone) for lack in around.lacks("EFS", target)]
    assert told == [
        "The places lie in several VPCs: sg-1 in vpc-2, subnet-1 in vpc-1.",
        "subnet-2 can't be found in the recovery account.",
    ]


def test_a_refused_look_up_leaves_out_no_other_and_makes_nothing_up(services: Services) -> None:
    services.play("ec2", describe_subnets=refused("UnauthorizedOperation"), describe_security_groups={})
    services.play(
        "dynamodb",
        describe_table=lambda TableName: refused("AccessDeniedException") if TableName == "a" else {},  # noqa: N803
    )
    targets = [
        ("EFS", a_target(subnetIds=["subnet-1"])),
        *(("DynamoDB", a_target({"targetTableName": n})) for n in "ab"),
    ]
    around = look_around(services_client(services), targets)
    assert [lack.what for one in targets for lack in around.lacks(*one)] == ["The name b is taken."]
    assert [one.what for one in around.unread] == ["What subnets and security groups there are", "The name a"]


def services_client(services: Services) -> Any:
    return lambda service: services._made[service]


@pytest.mark.parametrize(
    ("answer", "override", "state", "told"),
    [
        ({"KeyMetadata": {"KeyState": "Enabled"}}, None, "waiting", 0),
        ({"KeyMetadata": {"KeyState": "PendingDeletion"}}, None, "held", 1),
        (refused("NotFoundException"), None, "held", 1),
        ({"KeyMetadata": {"KeyState": "PendingDeletion"}}, "it is the last hope", "waiting", 0),
        (refused("AccessDeniedException"), None, "waiting", 1),
    ],
)
def test_what_lacks_something_is_held_and_what_is_not_known_holds_nothing(
    work: Make, services: Services, answer: Any, override: str | None, state: str, told: int
) -> None:
    services.play("kms", describe_key=answer)
    item = an_item("orders")
    w = work(item, targets=WITH_KEY, recovery={"overrideReadiness": override} if override else {})
    for _ in range(2):
        left = ready_to_start(w, [dict(item)])
    assert (stored(w, item)["state"], len(left)) == (state, 0 if state == "held" else 1)
    assert len(texts(w.ledger)) == told
    assert state == "waiting" or "airlift continue" in stored(w, item)["nextStep"]


def test_a_throttled_look_is_tried_again(work: Make, services: Services) -> None:
    services.play("kms", describe_key=refused("ThrottlingException"))
    item = an_item("orders")
    with pytest.raises(Exception, match="ThrottlingException"):
        ready_to_start(work(item, targets=WITH_KEY), [item])


def test_every_check_has_its_row_in_the_documents(pytestconfig: pytest.Config) -> None:
    root: Path = pytestconfig.rootpath
    rows = [line for line in (root / "docs/readiness.md").read_text().splitlines() if line.startswith("| ")]
    named = {row.split("|")[1].strip(" †") for row in rows}
    assert {check.name for check in CHECKS} | {check.name for check in VAULT_CHECKS} <= named
