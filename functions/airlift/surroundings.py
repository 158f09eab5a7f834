"""What restores need around them: places that exist and fit together, usable keys, images that may be launched.

Looked at for the plan's targets beforehand, and for what is about to be started right before it is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from botocore.exceptions import ClientError

from airlift.aws import listed
from airlift.isolation import places_of
from airlift.restore import family_of
from airlift.restore.nested import texts
from airlift.runtime import is_transient

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from airlift.restore.base import Clients, Target

_T = TypeVar("_T")

BACKUP_VAULT_IMAGES = "aws-backup-vault"
"""Provider of the images that AWS Backup makes from an air-gapped vault (restoring-ec2.html, Allowed AMIs)."""
LAUNCHED = frozenset({"EC2", "VirtualMachine"})
"""Types whose restore launches such an image."""
_KEY_NAMES = re.compile("kms.*key|kmskey", re.IGNORECASE)
_ZONE_OPTIONS = ("availabilityZone", "availabilityZones", "availabilityZoneName")
_FIXED_NAMES = {
    "targettablename": ("dynamodb", "describe_table", "TableName", "ResourceNotFoundException"),
    "dbclusteridentifier": ("rds", "describe_db_clusters", "DBClusterIdentifier", "DBClusterNotFoundFault"),
}
"""Metadata keys, in lower case, with which a plan fixes a name that must be free: how it is looked up."""
_MISSING_KEY = ("NotFoundException", "InvalidArnException")


class Lack(NamedTuple):
    """Something that a restore would miss."""

    kind: str
    """`place`, `key`, `name` or `image`."""
    what: str
    why: str
    remedy: str


class Unread(NamedTuple):
    """Something that can't be looked at, so that nobody knows whether a restore would miss it."""

    kind: str
    """As a `Lack` has it."""
    what: str
    said: str
    """What AWS said."""


_PLAN = "correct the plan's targets and deploy the plan"


@dataclass(frozen=True)
class Surroundings:
    """The recovery account's places, keys and image settings as far as anything names them; None: not known."""

    vpcs: Mapping[str, str] | None = None
    """The VPC of each subnet and security group, by its id."""
    zones: frozenset[str] | None = None
    """All Availability Zones."""
    subnet_groups: frozenset[str] | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    """In words what is wrong with a key, by the key as the plan names it; empty for a good one."""
    taken: frozenset[str] = frozenset()
    """Names that the plan fixes and something has already."""
    images: str = ""
    """In words why images from an air-gapped vault may not be launched; empty if they may."""
    unread: tuple[Unread, ...] = ()

    def lacks(self, kind: str, target: Target) -> Iterator[Lack]:
        """What a restore of this type with these settings would miss."""
        places = places_of(kind, target)
        if gone := sorted(_absent(places.ids, self.vpcs) | _absent(places.subnet_groups, self.subnet_groups)):
            what = f"{', '.join(gone)} can't be found in the recovery account."
            yield Lack("place", what, "AWS would refuse the restore.", f"{_PLAN}, or make them.")
        elif self.vpcs and len({self.vpcs[one] for one in places.ids}) > 1:
            told = ", ".join(f"{one} in {self.vpcs[one]}" for one in sorted(places.ids))
            why = "Security groups and subnets of different VPCs can't be used together."
            yield Lack("place", f"The places lie in several VPCs: {told}.", why, f"{_PLAN}.")
        if foreign := sorted(_absent(zones_of(kind, target), self.zones)):
            what = f"There is no Availability Zone {', '.join(foreign)} for this account in this Region."
            yield Lack("place", what, "AWS would refuse the restore.", f"{_PLAN}.")
        for key in sorted(keys_of(kind, target)):
            if self.keys.get(key):
                why = "What would be encrypted with it can't be restored."
                remedy = f"enable the key or let its policy allow this account to use it, or {_PLAN}."
                yield Lack("key", f"Key {key}: {self.keys[key]}.", why, remedy)
        for _, name in names_of(target):
            if name in self.taken:
                remedy = f"leave the name to Airlift, or delete what has it, or {_PLAN}."
                yield Lack("name", f"The name {name} is taken.", "AWS would refuse the restore.", remedy)
        if self.images and kind in LAUNCHED:
            why = 'EC2 would refuse to launch it: "Source AMI not found in Region" (restoring-ec2.html).'
            remedy = f"add the image provider {BACKUP_VAULT_IMAGES} to EC2's Allowed AMIs in this Region."
            yield Lack("image", self.images, why, remedy)


def _absent(named: frozenset[str], known: Collection[str] | None) -> frozenset[str]:
    return frozenset() if known is None else named - set(known)


def _read(kind: str, target: Target) -> dict[str, Any]:
    """The settings that count: metadata, and those options that the type's family reads."""
    family = family_of(kind)
    options = {key: value for key, value in target.options.items() if family and key in family.option_keys}
    return {**options, **target.metadata}


def zones_of(kind: str, target: Target) -> frozenset[str]:
    """Availability Zones that the settings name."""
    read = _read(kind, target)
    named = [read[key] for key in _ZONE_OPTIONS if read.get(key)]
    return frozenset(zone for value in named for zone in (value if isinstance(value, list) else texts(value)))


def keys_of(kind: str, target: Target) -> frozenset[str]:
    """KMS keys that the settings name, at any depth; AWS's own (`alias/aws/…`) are left out."""
    found: set[str] = set()
    _find_keys(_read(kind, target), found)
    return frozenset(key for key in found if not key.rpartition(":")[2].startswith("alias/aws/"))


def names_of(target: Target) -> list[tuple[str, str]]:
    """Names that the plan fixes for what is restored, each with its metadata key in lower case."""
    return [(key.lower(), value) for key, value in target.metadata.items() if key.lower() in _FIXED_NAMES]


def _find_keys(value: Any, found: set[str]) -> None:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and inner and _KEY_NAMES.search(name):
                found.add(inner)
            else:
                _find_keys(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _find_keys(inner, found)


def look_around(clients: Clients, targets: Iterable[tuple[str, Target]]) -> Surroundings:
    """Reads what these targets name: a constant number of calls, and one for each key and each name that they fix.

    One look-up that is refused leaves out no other. Raises botocore's errors if it may be answered a little later.
    """
    named = list(targets)
    places = [places_of(*one) for one in named]
    keys = sorted({key for one in named for key in keys_of(*one)})
    fixed = sorted({one for _, target in named for one in names_of(target)})
    unread: list[Unread] = []

    def read(kind: str, what: str, look: Callable[[Clients], _T]) -> _T | None:
        try:
            return look(clients)
        except ClientError as error:
            if is_transient(error):
                raise
            unread.append(Unread(kind, what, str(error)))
            return None

    any_place = any(one.ids for one in places)
    any_zone = any(zones_of(*one) for one in named)
    any_group = any(one.subnet_groups for one in places)
    any_image = any(kind in LAUNCHED for kind, _ in named)
    wrong = {key: read("key", f"Key {key}", partial(_wrong_with, key)) for key in keys}
    return Surroundings(
        vpcs=read("place", "What subnets and security groups there are", _vpcs) if any_place else None,
        zones=read("place", "What Availability Zones there are", _zones) if any_zone else None,
        subnet_groups=read("place", "What DB subnet groups there are", _subnet_groups) if any_group else None,
        keys={key: words for key, words in wrong.items() if words is not None},
        taken=frozenset(name for key, name in fixed if read("name", f"The name {name}", partial(_is_taken, key, name))),
        images=(read("image", "EC2's Allowed AMIs", _images) or "") if any_image else "",
        unread=tuple(unread),
    )


def _vpcs(clients: Clients) -> dict[str, str]:
    ec2 = clients("ec2")
    subnets = listed(ec2, "describe_subnets", "Subnets")
    groups = listed(ec2, "describe_security_groups", "SecurityGroups")
    return {one["SubnetId"]: one["VpcId"] for one in subnets} | {
        one["GroupId"]: one.get("VpcId", "no VPC") for one in groups
    }


def _zones(clients: Clients) -> frozenset[str]:
    return frozenset(one["ZoneName"] for one in clients("ec2").describe_availability_zones()["AvailabilityZones"])


def _subnet_groups(clients: Clients) -> frozenset[str]:
    found = listed(clients("rds"), "describe_db_subnet_groups", "DBSubnetGroups")
    return frozenset(one["DBSubnetGroupName"] for one in found)


def _wrong_with(key: str, clients: Clients) -> str:
    """In words what is wrong with a key; empty if nothing is."""
    try:
        state = clients("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING_KEY:
            return "it does not exist"
        raise
    return "" if state == "Enabled" else f"it is {state}"


def _is_taken(key: str, name: str, clients: Clients) -> bool:
    service, operation, member, missing = _FIXED_NAMES[key]
    try:
        getattr(clients(service), operation)(**{member: name})
    except ClientError as error:
        if error.response["Error"]["Code"] == missing:
            return False
        raise
    return True


def _images(clients: Clients) -> str:
    """Allowed AMIs: only the state `enabled` refuses images, `audit-mode` does not (API_GetAllowedImagesSettings)."""
    settings = clients("ec2").get_allowed_images_settings()
    providers = {name for one in settings.get("ImageCriteria", []) for name in one.get("ImageProviders", [])}
    if settings.get("State", "disabled") != "enabled" or BACKUP_VAULT_IMAGES in providers:
        return ""
    return f"EC2's Allowed AMIs are on and leave out the provider {BACKUP_VAULT_IMAGES}."
