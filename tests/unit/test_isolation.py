"""Restored things start in quarantine: what leads out of a target's network, and what follows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airlift import isolation
from airlift.checking import Scene
from airlift.holding import isolated
from airlift.isolation import Network, Opening, Places, look, open_targets, places_of
from airlift.restore.base import Target

from tests.unit.domain import RECOVERY_ID, an_item, refused, stored, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    from tests.unit.domain import Service, Services

    Make = Callable[..., VaultWork]

EFS: dict[str, Any] = {"resourceType": "EFS"}
PREFIX_LISTS = {"pl-1": ["52.219.0.0/20"], "pl-all": ["0.0.0.0/1", "128.0.0.0/1"]}
"""A service's addresses, such as those of S3; and a list of somebody's own that holds all."""


def rule(**ranges: Any) -> dict[str, Any]:
    return {"IpProtocol": "-1", "IpRanges": [], "Ipv6Ranges": []} | ranges


def four(*cidrs: str) -> dict[str, Any]:
    return rule(IpRanges=[{"CidrIp": cidr} for cidr in cidrs])


def a_group(*rules: Any, name: str = "quarantine", group_id: str = "sg-1") -> dict[str, Any]:
    return {"GroupId": group_id, "GroupName": name, "VpcId": "vpc-1", "IpPermissionsEgress": list(rules)}


def a_table(*routes: Any, **association: Any) -> dict[str, Any]:
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}
    return {"VpcId": "vpc-1", "Associations": [association], "Routes": [local, *routes]}


def ec2(services: Services, groups: Any = (), tables: Any = ()) -> Service:
    """A VPC with subnets 1 and 2, both routed by its main table unless one has its own."""
    subnets = [{"SubnetId": f"subnet-{n}", "VpcId": "vpc-1"} for n in (1, 2)]
    return services.play(
        "ec2",
        describe_security_groups={"SecurityGroups": list(groups)},
        describe_subnets={"Subnets": subnets},
        describe_route_tables={"RouteTables": list(tables)},
        get_managed_prefix_list_entries=lambda PrefixListId: {  # noqa: N803
            "Entries": [{"Cidr": cidr} for cidr in PREFIX_LISTS[PrefixListId]]
        },
    )


def seen(services: Services, *ids: str, subnet_groups: frozenset[str] = frozenset()) -> str:
    """What leaks from these places."""
    client = vars(isolation)["client"]  # as `services` has put it there
    places = Places(frozenset(ids), subnet_groups)
    return look(client, [places]).leaks(places)


@pytest.mark.parametrize(
    ("rules", "leak"),
    [
        ([], ""),
        ([four("127.0.0.1/32")], ""),
        ([four("10.0.0.0/8"), rule(Ipv6Ranges=[{"CidrIpv6": "fd00::/8"}])], ""),
        ([rule(PrefixListIds=[{"PrefixListId": "pl-1"}], UserIdGroupPairs=[{"GroupId": "sg-1"}])], ""),
        ([rule(PrefixListIds=[{"PrefixListId": "pl-all"}])], "security group sg-1 lets traffic out to 0.0.0.0/0"),
        ([four("10.0.0.0/8", "0.0.0.0/0")], "security group sg-1 lets traffic out to 0.0.0.0/0"),
        ([rule(Ipv6Ranges=[{"CidrIpv6": "::/0"}])], "security group sg-1 lets traffic out to ::/0"),
        ([four("0.0.0.0/1"), four("128.0.0.0/1")], "security group sg-1 lets traffic out to 0.0.0.0/0"),
    ],
)
def test_a_security_group_is_open_if_it_lets_traffic_out_to_anywhere(services: Services, rules: Any, leak: str) -> None:
    ec2(services, [a_group(*rules)])
    assert seen(services, "sg-1") == leak


@pytest.mark.parametrize(
    ("route", "way"),
    [
        ({"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}, "internet gateway igw-1"),
        ({"DestinationCidrBlock": "198.51.100.0/24", "GatewayId": "igw-1"}, "internet gateway igw-1"),
        ({"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "blackhole"}, "NAT gateway nat-1"),
        ({"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"}, "egress-only internet gateway"),
        ({"DestinationCidrBlock": "0.0.0.0/0", "TransitGatewayId": "tgw-1"}, "0.0.0.0/0, beyond its VPC"),
        ({"DestinationIpv6CidrBlock": "::/0", "VpcPeeringConnectionId": "pcx-1"}, "::/0, beyond its VPC"),
        ({"DestinationCidrBlock": "10.9.0.0/16", "TransitGatewayId": "tgw-1"}, ""),
        ({"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1"}, ""),
        ({"DestinationPrefixListId": "pl-all", "TransitGatewayId": "tgw-1"}, "0.0.0.0/0, beyond its VPC"),
    ],
)
def test_a_subnet_is_open_if_its_own_or_its_vpcs_main_table_leads_out(services: Services, route: Any, way: str) -> None:
    group = a_group()
    ec2(services, [group], [a_table(route, Main=True), a_table(SubnetId="subnet-2", Main=False)])
    leak = seen(services, "sg-1", "subnet-1")
    assert leak.startswith(f"subnet subnet-1 routes to {way}") if way else leak == ""
    assert seen(services, "sg-1", "subnet-2") == ""
    ec2(services, [group], [a_table(Main=True), a_table(route, SubnetId="subnet-2", Main=False)])
    assert bool(seen(services, "sg-1", "subnet-2")) == bool(way)
    assert seen(services, "sg-1", "subnet-1") == ""


def test_where_no_group_is_named_the_default_one_of_the_vpc_counts(services: Services) -> None:
    aws = ec2(services, [a_group(four("0.0.0.0/0"), name="default", group_id="sg-9"), a_group()])
    assert seen(services, "subnet-1", "subnet-2") == "security group sg-9 lets traffic out to 0.0.0.0/0"
    assert seen(services, "subnet-1", "sg-1") == ""
    assert len(aws.asked) == 6  # three calls each, however much is named
    assert seen(services) == ""
    assert len(aws.asked) == 6


def test_the_subnets_of_a_db_subnet_group_count(services: Services) -> None:
    out = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}
    ec2(services, [a_group()], [a_table(out, SubnetId="subnet-2", Main=False)])
    group = {"DBSubnetGroupName": "databases", "Subnets": [{"SubnetIdentifier": "subnet-2"}]}
    services.play("rds", describe_db_subnet_groups={"DBSubnetGroups": [group]})
    assert "subnet-2" in seen(services, "sg-1", subnet_groups=frozenset({"databases"}))


def test_only_settings_that_the_type_reads_count() -> None:
    nested = {"networkInterfaces": '[{"subnetId":"subnet-2","groups":["sg-2"]}]', "dbSubnetGroupName": "databases"}
    target = Target(
        RECOVERY_ID, "444455556666", "", 1, nested, {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    )
    ids = {"subnet-2", "sg-2"}
    assert places_of("DynamoDB", target) == Places(frozenset(ids), frozenset({"databases"}))
    assert places_of("EFS", target).ids == ids | {"subnet-1", "sg-1"}
    named = replace(target, metadata={}, options={"dbSubnetGroupName": "Databases"})
    assert places_of("Aurora", named) == Places(subnet_groups=frozenset({"databases"}))
    assert places_of("EFS", named) == Places()


OPEN = [a_group(four("0.0.0.0/0"))]


def targets(**efs: Any) -> dict[str, Any]:
    return {"defaults": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}, "types": {"EFS": efs}}


def test_what_would_be_restored_into_an_open_network_is_held_and_the_rest_goes_on(
    work: Make, services: Services
) -> None:
    ec2(services, OPEN)
    table, files, lost = an_item("t"), an_item("f", **EFS), an_item("l", state="starting", **EFS)
    w = work(table, files, lost, targets=targets())
    assert isolated(w, [lost, table, files]) == [lost, table]
    held = stored(w, files)
    assert (held["state"], held["heldClass"]) == ("held", "network not isolated")
    assert held["reason"] == "security group sg-1 lets traffic out to 0.0.0.0/0"
    assert "openNetworkReason" in held["nextStep"]
    assert f"airlift continue {RECOVERY_ID}" in held["nextStep"]


def test_the_plan_may_allow_it_with_a_reason(work: Make, services: Services) -> None:
    ec2(services, OPEN)
    files = an_item("f", **EFS)
    assert isolated(work(files, targets=targets(openNetworkReason="patched from outside")), [files]) == [files]
    assert isolated(work(files, targets=targets(openNetworkReason="")), [files]) == []


def test_what_can_not_be_looked_at_is_a_warning_told_once_an_execution(work: Make, services: Services) -> None:
    ec2(services).answers["describe_subnets"] = refused("UnauthorizedOperation", "no")
    files = an_item("f", **EFS)
    w = work(files, targets=targets())
    assert isolated(w, [files]) == isolated(w, [files]) == [files]
    assert [text for text in texts(w.ledger, "network") if "can't be checked" in text]
    assert len(texts(w.ledger)) == 1


def test_before_anybody_votes_the_open_targets_are_named_with_the_types_they_concern(
    work: Make, services: Services
) -> None:
    ec2(services, [*OPEN, a_group(group_id="sg-2")])
    w = work(
        targets={
            "types": {"EFS": {"securityGroupIds": ["sg-1"], "openNetworkReason": "patched from outside"}},
            "resources": [{"arn": "arn:aws:elasticfilesystem:*/fs-1", "openNetworkReason": None}],
        }
    )
    targets_of = Scene(w.plan, w.ledger, ()).targets
    leak = "security group sg-1 lets traffic out to 0.0.0.0/0"
    assert open_targets(targets_of) == [
        Opening(leak, ("EFS",), "patched from outside"),
        Opening(leak, ("EFS",), ""),
    ]
    assert Network().leaks(Places(frozenset({"sg-1"}))) == ""
