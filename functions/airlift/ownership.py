"""Whose a restored resource is. Some get their id from AWS, so that only a tag says it, in the ledger's and IAM's eyes.

The role of the clean-up may delete what carries a drill's tag and may tag what carries none: so what is to be deleted,
and was never finished, is tagged first. What the attempts of a recovery name themselves needs no tag: IAM goes by the
end of the name, `-<drill id>-<attempt>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.arns import Arn
from airlift.names import RECOVERY_TAG, SOURCE_TAG
from airlift.restore.common import LONGEST_TAG_VALUE, resource_id, tag_list
from airlift.restore.instances import beside, instance_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airlift.restore.base import Clients

Tags = dict[str, str]


def _ec2_tags(client: Any, arn: str) -> Tags:
    filters = [{"Name": "resource-id", "Values": [resource_id(arn)]}]
    return {tag["Key"]: tag["Value"] for tag in client.describe_tags(Filters=filters)["Tags"]}


def _tag_ec2(client: Any, arn: str, tags: Tags) -> None:
    """What lies beside an instance too: what outlives it is known by its tags only."""
    ids = [resource_id(arn)]
    if ids[0].startswith("i-") and (instance := instance_of(client, ids[0])):
        ids += beside(client, instance)
    client.create_tags(Resources=ids, Tags=tag_list(tags))


def _efs_tags(client: Any, arn: str) -> Tags:
    return {tag["Key"]: tag["Value"] for tag in client.list_tags_for_resource(ResourceId=resource_id(arn))["Tags"]}


def _fsx_tags(client: Any, arn: str) -> Tags:
    return {tag["Key"]: tag["Value"] for tag in client.list_tags_for_resource(ResourceARN=arn)["Tags"]}


def _dsql_tags(client: Any, arn: str) -> Tags:
    return dict(client.list_tags_for_resource(resourceArn=arn)["tags"])


_SERVICES: Mapping[str, tuple[str, Callable[[Any, str], Tags], Callable[[Any, str, Tags], Any]]] = {
    "ec2": ("ec2", _ec2_tags, _tag_ec2),
    "elasticfilesystem": (
        "efs",
        _efs_tags,
        lambda client, arn, tags: client.tag_resource(ResourceId=resource_id(arn), Tags=tag_list(tags)),
    ),
    "fsx": ("fsx", _fsx_tags, lambda client, arn, tags: client.tag_resource(ResourceARN=arn, Tags=tag_list(tags))),
    "dsql": ("dsql", _dsql_tags, lambda client, arn, tags: client.tag_resource(resourceArn=arn, tags=tags)),
}
"""By the service in the ARN: boto3's name of it, how tags are read, how they are written."""


def claim(clients: Clients, arn: str, recovery_id: str, source: str) -> str:
    """Tags the resource as this recovery's, made from `source`, if nothing is said yet; gives whose it is after that.

    For services whose resources Airlift names itself, and for what is gone, that is always this recovery's.
    """
    if not arn or Arn.parse(arn).service not in _SERVICES:
        return recovery_id
    service, read, write = _SERVICES[Arn.parse(arn).service]
    client = clients(service)
    try:
        tags = read(client, arn)
        if RECOVERY_TAG not in tags:
            write(client, arn, {RECOVERY_TAG: recovery_id, SOURCE_TAG: source[:LONGEST_TAG_VALUE]})
    except ClientError as error:
        if "NotFound" not in error.response["Error"]["Code"]:
            raise
        return recovery_id  # gone already
    return tags.get(RECOVERY_TAG, recovery_id)
