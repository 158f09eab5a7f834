"""A network to restore into, and an account without a default one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tests.local.story import REGION, client


@dataclass(frozen=True)
class Network:
    """A VPC with two subnets and a security group."""

    vpc: str
    subnets: tuple[str, str]
    group: str

    @classmethod
    def of(cls, account: str) -> Self:
        """A new one of this account."""
        ec2 = client("ec2", account)
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        first, second = (
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for number, zone in enumerate("ac")
        )
        group = ec2.create_security_group(GroupName="isolated", Description="isolated", VpcId=vpc)["GroupId"]
        return cls(vpc, (first["Subnet"]["SubnetId"], second["Subnet"]["SubnetId"]), group)


def key(account: str) -> str:
    """A new customer managed key's ARN."""
    return str(client("kms", account).create_key()["KeyMetadata"]["Arn"])


def no_default_vpc(account: str) -> None:
    """Delete the default VPC, as security guides advise."""
    ec2 = client("ec2", account)
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    for subnet in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=vpc)
