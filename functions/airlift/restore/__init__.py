"""Restoring: the registry of families of resource types.

A new type is one module beside this one, and its line in `FAMILIES`.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from airlift.restore.clusters import Aurora, DocumentDb, Neptune
from airlift.restore.dsql import Dsql
from airlift.restore.dynamodb import DynamoDb
from airlift.restore.ebs import Ebs
from airlift.restore.ec2 import Ec2
from airlift.restore.efs import Efs
from airlift.restore.eks import Eks
from airlift.restore.fsx import Fsx
from airlift.restore.s3 import S3
from airlift.restore.timestream import Timestream
from airlift.restore.virtual_machine import VirtualMachine
from airlift.values import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.restore.base import Family

__all__ = ["FAMILIES", "NOT_HELD", "family_of", "job_resource_type", "nearest_key"]

FAMILIES: tuple[Family, ...] = (
    DynamoDb(),
    S3(),
    Ebs(),
    Ec2(),
    VirtualMachine(),
    Efs(),
    Aurora(),
    Dsql(),
    DocumentDb(),
    Neptune(),
    Timestream(),
    Fsx(),
    Eks(),
)

_BY_TYPE: Mapping[str, Family] = {kind.lower(): family for family in FAMILIES for kind in family.resource_types}

# Column "Logically air-gapped vault" of the AWS Backup Developer Guide, "Feature availability by resource".
NOT_HELD: Mapping[str, str] = MappingProxyType(
    {
        "RDS": "a logically air-gapped vault takes neither RDS instances nor Multi-AZ clusters",
        "Redshift": "a logically air-gapped vault takes no Redshift clusters",
        "Redshift Serverless": "a logically air-gapped vault takes no Redshift Serverless namespaces",
        "RedshiftServerless": "a logically air-gapped vault takes no Redshift Serverless namespaces",
        "CloudFormation": "a logically air-gapped vault takes no stacks, only the resources in them",
        "SAP HANA on Amazon EC2": "a logically air-gapped vault takes no SAP HANA databases",
    }
)
"""Resource types that a logically air-gapped vault never holds, and why."""


def family_of(resource_type: str) -> Family | None:
    """The family that restores AWS Backup's `resource_type`, or None; compared without regard to case."""
    return _BY_TYPE.get(resource_type.lower())


_SENT_AS_TYPE = re.compile(r"[a-zA-Z0-9\-_.]{1,50}")
"""StartRestoreJob's pattern for ResourceType (API_StartRestoreJob.html)."""


def job_resource_type(family: Family, resource_type: str) -> str | None:
    """ResourceType of a restore job for a point of this type; None leaves it to AWS Backup to find out."""
    kind = family.job_type or resource_type
    return kind if _SENT_AS_TYPE.fullmatch(kind) else None


def nearest_key(resource_type: str, key: str) -> str | None:
    """The documented spelling of the metadata key that `key` most likely means ("did you mean").

    Equals `key` if it is right as it stands. None if nothing is near, or no family restores `resource_type`.
    """
    family = family_of(resource_type)
    return nearest(key, family.accepted_keys) if family else None
