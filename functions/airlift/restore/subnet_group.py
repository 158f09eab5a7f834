"""The DB subnet group that a cluster is restored into. Aurora, DocumentDB and Neptune share RDS's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.restore.base import Finishing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AGAIN_IN_SECONDS = 15
_TWO_ZONES = "give subnets of at least two Availability Zones, all of one VPC, as subnetIds in the plan's targets."


def check_subnet_ids(kind: str, subnet_ids: Sequence[str]) -> None:
    """Looks at the plan's subnets before anything is made; how many zones they cover only AWS knows.

    Raises `MetadataRefused` for none, which would mean the default VPC, and for fewer than two.
    """
    if len(set(subnet_ids)) < 2:
        raise MetadataRefused(
            f"The plan names neither a DB subnet group nor two subnets for {kind}.",
            f"give dbSubnetGroupName, or {_TWO_ZONES}",
        )


def make_subnet_group(client: Any, name: str, subnet_ids: Sequence[str], tags: Sequence[Mapping[str, str]]) -> None:
    """Makes the group, unless an earlier call has: the name is this attempt's own.

    Raises `MetadataRefused` if the subnets don't do.
    """
    try:
        client.create_db_subnet_group(
            DBSubnetGroupName=name,
            DBSubnetGroupDescription="Restored by Airlift",
            SubnetIds=list(subnet_ids),
            Tags=list(tags),
        )
    except client.exceptions.DBSubnetGroupAlreadyExistsFault:
        return
    except (client.exceptions.DBSubnetGroupDoesNotCoverEnoughAZs, client.exceptions.InvalidSubnet) as error:
        raise MetadataRefused(
            f"{', '.join(subnet_ids)} make no DB subnet group: {error.response['Error']['Message']}", _TWO_ZONES
        ) from error


def check_subnet_group(client: Any, name: str) -> None:
    """Looks at a group that the plan names itself; it is not changed.

    Raises `MetadataRefused` if it is missing.
    """
    try:
        client.describe_db_subnet_groups(DBSubnetGroupName=name)
    except client.exceptions.DBSubnetGroupNotFoundFault as error:
        raise MetadataRefused(
            f"The DB subnet group {name}, which the plan names, does not exist.",
            "make it, or give subnetIds in place of dbSubnetGroupName in the plan's targets.",
        ) from error


def delete_subnet_group(client: Any, name: str) -> Finishing:
    """Deletes a group that `make_subnet_group` has made, once no cluster uses it. May be repeated."""
    try:
        client.delete_db_subnet_group(DBSubnetGroupName=name)
    except client.exceptions.DBSubnetGroupNotFoundFault:
        return Finishing(True)
    except client.exceptions.InvalidDBSubnetGroupStateFault:
        return Finishing(False, AGAIN_IN_SECONDS, f"DB subnet group {name} is still in use")
    return Finishing(True)
