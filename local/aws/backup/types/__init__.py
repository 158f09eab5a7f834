"""Resource types AWS Backup can back up and restore here. A new one is a module and a line in FAMILIES."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.aws.backup.types.dynamodb import DynamoDB
from local.aws.backup.types.ebs import Ebs
from local.aws.backup.types.efs import Efs
from local.aws.backup.types.s3 import S3
from local.aws.errors import invalid_parameter

if TYPE_CHECKING:
    from local.aws.backup.types.base import Family

_ALL: tuple[Family, ...] = (DynamoDB(), S3(), Ebs(), Efs())

FAMILIES: dict[str, Family] = {family.resource_type: family for family in _ALL}


def family_of(resource_arn: str) -> Family:
    """The family of a resource, by its ARN. Raises InvalidParameterValueException for a type not provided."""
    found = next((family for family in _ALL if resource_arn.startswith(family.arn_prefix)), None)
    if found is None:
        raise invalid_parameter(f"Resource {resource_arn} has no type that is provided here.")
    return found
