"""Whether what is restored can reach anything: restored things start in quarantine, so their network must lead nowhere.

A security group is open if it lets traffic out to anywhere, a subnet if its route table leads to the internet or has a
default route. The network is looked at whole, with a constant number of calls and one for each prefix list that it
uses, each time something is to be started.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import TYPE_CHECKING, Any

from airlift.aws import client, listed
from airlift.restore import family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airlift.restore.base import Clients, Target

REASON = "openNetworkReason"
"""The option of the plan's targets with which restoring into an open network is meant, and why."""
_IDS = re.compile(r"\b(?:sg|subnet)-[0-9a-f]+\b")
_SUBNET_GROUP = "dbsubnetgroupname"
_ANYWHERE = ("0.0.0.0/0", "::/0")
Ranges = Mapping[str, Sequence[str]]
"""CIDR blocks by prefix list."""
# Members of a route (API_Route.html) that lead to the internet, wherever the route begins.
_INTERNET = {
    "NatGatewayId": "NAT gateway",
    "EgressOnlyInternetGatewayId": "egress-only internet gateway",
    "CarrierGatewayId": "carrier gateway",
}


@dataclass(frozen=True)
class Places:
    """What a restore's settings name: ids of security groups and subnets, and names of DB subnet groups."""

    ids: frozenset[str] = frozenset()
    subnet_groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Network:
    """Security groups and subnets as they stand."""

    open: Mapping[str, str] = field(default_factory=dict)
    """In words what lets traffic out, by id."""
    default_groups: Mapping[str, str] = field(default_factory=dict)
    """The default security group of each subnet's VPC, by the subnet's id."""
    subnet_groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Ids of a DB subnet group's subnets, by its name."""

    def leaks(self, places: Places) -> str:
        """In words what lets traffic out of these places; empty if nothing does.

        Where the settings name no security group AWS takes the VPC's default one.
        """
        ids = places.ids.union(*(self.subnet_groups.get(name, frozenset()) for name in places.subnet_groups))
        if not any(one.startswith("sg-") for one in ids):
            ids |= {self.default_groups[one] for one in ids if one in self.default_groups}
        return "; ".join(self.open[one] for one in sorted(ids) if one in self.open)


def places_of(resource_type: str, target: Target) -> Places:
    """The places that a restore with these settings uses: only options that the type's family reads count."""
    family = family_of(resource_type)
    read = {key: value for key, value in target.options.items() if family and key in family.option_keys}
    # RDS keeps the names of its groups in lower case.
    settings = (*read.items(), *target.metadata.items())
    groups = (str(value).lower() for key, value in settings if key.lower() == _SUBNET_GROUP and value)
    return Places(frozenset(_IDS.findall(json.dumps([read, dict(target.metadata)]))), frozenset(groups))


def look(clients: Clients, places: Iterable[Places]) -> Network:
    """The network that these places lie in. Asks for nothing if they name none.

    Raises botocore's errors if the network can't be read.
    """
    named = list(places)
    if not any(one.ids or one.subnet_groups for one in named):
        return Network()
    ec2 = clients("ec2")
    groups = listed(ec2, "describe_security_groups", "SecurityGroups")
    vpcs = {one["SubnetId"]: one["VpcId"] for one in listed(ec2, "describe_subnets", "Subnets")}
    tables = listed(ec2, "describe_route_tables", "RouteTables")
    ranges = _prefix_lists(ec2, groups, tables)
    subnet_groups = {}
    if any(one.subnet_groups for one in named):
        found = listed(clients("rds"), "describe_db_subnet_groups", "DBSubnetGroups")
        subnet_groups = {
            one["DBSubnetGroupName"]: frozenset(subnet["SubnetIdentifier"] for subnet in one["Subnets"])
            for one in found
        }
    defaults = {one["VpcId"]: one["GroupId"] for one in groups if one["GroupName"] == "default" and "VpcId" in one}
    return Network(
        {**dict(_open_groups(groups, ranges)), **dict(_open_subnets(vpcs, tables, ranges))},
        {subnet: defaults[vpc] for subnet, vpc in vpcs.items() if vpc in defaults},
        subnet_groups,
    )


@dataclass(frozen=True)
class Opening:
    """Something that the plan's targets name and that lets traffic out."""

    leak: str
    kinds: tuple[str, ...]
    """Resource types that would be restored there."""
    reason: str
    """Why the plan allows it; empty if it does not."""


def open_targets(targets: Iterable[tuple[str, Target]]) -> list[Opening]:
    """What these targets name that is open, for whoever reads before people vote; each comes with its resource type.

    Raises botocore's errors if the network can't be read.
    """
    named = list(targets)
    network = look(client, [places_of(*one) for one in named])
    found: dict[tuple[str, str], dict[str, None]] = {}
    for kind, target in named:
        if leak := network.leaks(places_of(kind, target)):
            found.setdefault((leak, str(target.options.get(REASON) or "")), {})[kind] = None
    return [Opening(leak, tuple(kinds), reason) for (leak, reason), kinds in found.items()]


def _prefix_lists(ec2: Any, groups: Iterable[Mapping[str, Any]], tables: Iterable[Mapping[str, Any]]) -> Ranges:
    """What is in the prefix lists that rules and routes lead to: a list can hold any range, all addresses as well."""
    rules = [rule for group in groups for rule in group.get("IpPermissionsEgress", [])]
    used = {one["PrefixListId"] for rule in rules for one in rule.get("PrefixListIds", [])}
    routes = [route for table in tables for route in table.get("Routes", [])]
    used |= {route["DestinationPrefixListId"] for route in routes if route.get("DestinationPrefixListId")}
    return {
        name: [one["Cidr"] for one in listed(ec2, "get_managed_prefix_list_entries", "Entries", PrefixListId=name)]
        for name in sorted(used)
    }


def _open_groups(groups: Iterable[Mapping[str, Any]], ranges: Ranges) -> Iterator[tuple[str, str]]:
    for group in groups:
        reached = [cidr for rule in group.get("IpPermissionsEgress", []) for cidr in _destinations(rule, ranges)]
        if anywhere := _anywhere(reached):
            yield group["GroupId"], f"security group {group['GroupId']} lets traffic out to {anywhere}"


def _destinations(rule: Mapping[str, Any], ranges: Ranges) -> list[str]:
    four = [one["CidrIp"] for one in rule.get("IpRanges", [])]
    six = [one["CidrIpv6"] for one in rule.get("Ipv6Ranges", [])]
    return [*four, *six, *(cidr for one in rule.get("PrefixListIds", []) for cidr in ranges[one["PrefixListId"]])]


def _anywhere(cidrs: Iterable[str]) -> str:
    """The whole address space, if these ranges together are all of it (0.0.0.0/1 and 128.0.0.0/1, for example)."""
    texts = list(cidrs)
    four = collapse_addresses(IPv4Network(text) for text in texts if ":" not in text)
    six = collapse_addresses(IPv6Network(text) for text in texts if ":" in text)
    return next((text for text in map(str, (*four, *six)) if text in _ANYWHERE), "")


def _open_subnets(
    vpcs: Mapping[str, str], tables: Iterable[Mapping[str, Any]], ranges: Ranges
) -> Iterator[tuple[str, str]]:
    """A subnet without a route table of its own uses its VPC's main one."""
    main, own = {}, {}
    for table in tables:
        for association in table.get("Associations", []):
            if association.get("SubnetId"):
                own[association["SubnetId"]] = table
            elif association.get("Main"):
                main[table["VpcId"]] = table
    for subnet, vpc in vpcs.items():
        table = own.get(subnet) or main.get(vpc, {})
        if way := next(filter(None, (_way_out(route, ranges) for route in table.get("Routes", []))), ""):
            yield subnet, f"subnet {subnet} routes to {way}"


def _way_out(route: Mapping[str, Any], ranges: Ranges) -> str:
    """Where the route leads out to; empty if it doesn't. A blackhole counts: it leads out once its target is back."""
    for member, words in _INTERNET.items():
        if route.get(member):
            return f"{words} {route[member]}"
    gateway = route.get("GatewayId", "")
    if gateway.startswith("igw-"):
        return f"internet gateway {gateway}"
    destination = route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock")
    anywhere = _anywhere([destination] if destination else ranges.get(route.get("DestinationPrefixListId", ""), []))
    return f"{anywhere}, beyond its VPC" if anywhere else ""
