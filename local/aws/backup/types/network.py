"""What several types check of the target account's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from local.aws.backup.types.base import RestoreProblem, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.aws.backup.types.base import Target


def default_subnets(target: Target) -> tuple[str | None, list[str]]:
    """The default VPC, if there is one, and its subnets."""
    ec2 = target.client("ec2")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        return None, []
    vpc = str(vpcs[0]["VpcId"])
    found = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    return vpc, [str(subnet["SubnetId"]) for subnet in found]


NO_DEFAULT_VPC = "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC"


def instance_subnet(target: Target, metadata: Mapping[str, str]) -> tuple[str, str]:
    """The subnet that an instance goes to, and its zone: the one named, or one of the default VPC.

    Looks at the security groups too. Raises RestoreProblem, with AWS's texts (restore-testing.html).
    """
    subnet_id = metadata.get("SubnetId")
    if not subnet_id:
        default, subnets = default_subnets(target)
        if default is None:
            raise RestoreProblem(NO_DEFAULT_VPC)
        if not subnets:
            raise RestoreProblem(f"No subnets found for the default VPC '{default}'. Please specify a subnet.")
        subnet_id = subnets[0]
    vpc, zone = subnet(target, subnet_id)
    check_security_groups(target, listed(metadata, "SecurityGroupIds"), vpc)
    return subnet_id, zone


def subnet(target: Target, subnet_id: str) -> tuple[str, str]:
    """VPC and Availability Zone of a subnet of the target account. Raises RestoreProblem."""
    try:
        found = target.client("ec2").describe_subnets(SubnetIds=[subnet_id])["Subnets"][0]
    except (ClientError, IndexError) as error:
        raise RestoreProblem(f"The subnet ID '{subnet_id}' does not exist") from error
    return str(found["VpcId"]), str(found["AvailabilityZone"])


def check_security_groups(target: Target, groups: Sequence[str], vpc: str) -> None:
    """Security groups must be the target account's, in this VPC. Raises RestoreProblem."""
    for group in groups:
        try:
            found = target.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        except (ClientError, IndexError) as error:
            raise RestoreProblem(f"The security group '{group}' does not exist") from error
        if found["VpcId"] != vpc:
            raise RestoreProblem(f"Security group {group} is in {found['VpcId']}, not in {vpc}")
