"""Resource types AWS Backup can back up and restore here. A new one is a module and a line in FAMILIES."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from local.aws.backup.types.clusters import Clusters
from local.aws.backup.types.dsql import Dsql
from local.aws.backup.types.dynamodb import DynamoDB
from local.aws.backup.types.ebs import Ebs
from local.aws.backup.types.ec2 import Ec2
from local.aws.backup.types.efs import Efs
from local.aws.backup.types.eks import Eks
from local.aws.backup.types.fsx import Fsx
from local.aws.backup.types.gateway import GatewayVolume, VirtualMachine
from local.aws.backup.types.opaque import Opaque
from local.aws.backup.types.s3 import S3
from local.aws.backup.types.timestream import Timestream
from local.aws.errors import invalid_parameter

if TYPE_CHECKING:
    from local.aws.backup.types.base import Family

_ALL: tuple[Family, ...] = (
    DynamoDB(),
    S3(),
    Ebs(),
    Efs(),
    Ec2(),
    GatewayVolume(),
    VirtualMachine(),
    Clusters("Aurora"),
    Clusters("DocumentDB"),
    Clusters("Neptune"),
    Fsx(),
    Dsql(),
    Eks(),
    Timestream(),
)


class _Families(dict[str, "Family"]):
    """By type; a type that isn't provided can be seen and not restored."""

    def __missing__(self, resource_type: str) -> Family:
        return Opaque(resource_type)


FAMILIES = _Families({family.resource_type: family for family in _ALL})


def family_of(resource_arn: str) -> Family:
    """The family of a resource, by its ARN. Raises InvalidParameterValueException for a type not provided.

    Clusters of several types have the same ARNs; their snapshot says which type it is.
    """
    found = next((family for family in _ALL if fnmatchcase(resource_arn, f"{family.arn_prefix}*")), None)
    if found is None:
        raise invalid_parameter(f"Resource {resource_arn} has no type that is provided here.")
    return found
