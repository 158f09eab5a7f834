"""The part of the plan's check that knows resource types: their names, their metadata keys and their options."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airlift.documents import Problem, did_you_mean, nearest
from airlift.errors import MetadataRefused
from airlift.restore import FAMILIES, NOT_HELD, nearest_key
from airlift.restore.base import RecoveryPoint
from airlift.restore.common import LONGEST_TAG_VALUE, OPTIONS, VALIDATION_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airlift.documents import Path
    from airlift.plan import Plan
    from airlift.plan_parts import Settings
    from airlift.restore.base import Family, Target

RESTORABLE = tuple(kind for family in FAMILIES for kind in family.resource_types)
"""AWS Backup's names of the types that Airlift restores."""
# Column "Logically air-gapped vault" of backup-feature-availability.html; names as in API_StartRestoreJob.html.
_IN_VAULTS = (
    "Aurora",
    "DocumentDB",
    "DynamoDB",
    "EBS",
    "EC2",
    "EFS",
    "EKS",
    "FSx",
    "Neptune",
    "S3",
    "Storage Gateway",
    "Timestream",
    "VirtualMachine",
)
HELD_LATER = tuple(kind for kind in _IN_VAULTS if kind not in RESTORABLE)
"""Types that a logically air-gapped vault holds and Airlift does not restore yet."""
_KNOWN = (*RESTORABLE, *HELD_LATER, *NOT_HELD)

_SHAPES: dict[str, type] = {
    "availabilityZones": list,
    "copySourceTags": bool,
    "deletionProtection": bool,
    "pointInTimeRecovery": bool,
    "securityGroupIds": list,
    "subnetIds": list,
    "tags": dict,
}
"""Options that are not text."""
_SHAPE_WORDS = {list: "A list of texts", bool: "true or false", str: "A text", dict: "A map of texts to texts"}
_LONGEST_TAG_KEY = 128
_MOST_OWN_TAGS = 40  # of 50, so that Airlift's and some of the source's have room
_ANY_ACCOUNT, _ANY_TIME = "000000000000", datetime(2026, 1, 1, tzinfo=UTC)


def type_problems(path: Path, kind: str, *, restored: bool) -> Iterator[Problem]:
    """Looks at the name of a resource type, or a pattern of names; `restored`: the plan wants such things back."""
    if any(fnmatchcase(known, kind) for known in _KNOWN if known in RESTORABLE or not restored):
        return
    close = nearest(kind, _KNOWN)
    if kind in NOT_HELD:
        yield Problem(path, f"Nothing of type {kind} can come back: {NOT_HELD[kind]}.", "Remove it.", "warning")
    elif any(fnmatchcase(known, kind) for known in HELD_LATER):
        what = f"Airlift does not restore {kind} yet: such resources are reported as not restored."
        yield Problem(path, what, "Restore them by hand, or list them under exclude.", "warning")
    elif close:
        yield Problem(path, f"{kind} is no resource type of AWS Backup.", f'Did you mean "{close}"?')
    else:
        remedy = f"Those it restores are {', '.join(RESTORABLE)}."
        yield Problem(path, f"Airlift knows no resource type {kind}.", remedy, "warning")


def target_problems(plan: Plan) -> list[Problem]:
    """Looks at the settings of restores, and at what they lack."""
    targets = plan.targets
    where: Path = ("targets", "defaults")
    found = list(_option_problems(where, targets.defaults, RESTORABLE, plan))
    if targets.defaults.metadata:
        remedy = "Move it to targets.types, under the type it belongs to."
        found.append(Problem((*where, "metadata"), "No metadata key suits all types.", remedy))
    for kind, settings in targets.types.items():
        where = ("targets", "types", kind)
        found += type_problems(where, kind, restored=True)
        if kind in RESTORABLE:
            found += _metadata_problems((*where, "metadata"), settings, [kind])
            found += _option_problems(where, settings, [kind], plan)
    for i, entry in enumerate(targets.resources):
        where = ("targets", "resources", i)
        found += _metadata_problems((*where, "metadata"), entry, RESTORABLE)
        found += _option_problems(where, entry, RESTORABLE, plan)
    if not any(problem.severity == "error" for problem in found):
        found += _lacks(plan)
    return found


def _metadata_problems(path: Path, settings: Settings, kinds: Sequence[str]) -> Iterator[Problem]:
    accepted = {key.lower(): key for family in _families(kinds) for key in family.accepted_keys}
    seen: dict[str, str] = {}
    for key in settings.metadata:
        if key.lower() in seen:
            what = f"AWS Backup takes {key} and {seen[key.lower()]} as the same key."
            yield Problem((*path, key), what, "Remove one of them.")
        seen[key.lower()] = key
        if key.lower() not in accepted:
            close = next(filter(None, (nearest_key(kind, key) for kind in kinds)), None)
            remedy = f'Did you mean "{close}"?' if close else f"It takes {', '.join(sorted(accepted.values()))}."
            yield Problem((*path, key), f"A restore of {' or '.join(kinds)} takes no such metadata.", remedy)


def _option_problems(path: Path, settings: Settings, kinds: Sequence[str], plan: Plan) -> Iterator[Problem]:
    known = {option for family in _families(kinds) for option in family.option_keys} | OPTIONS
    keys = {key.lower() for family in _families(kinds) for key in family.accepted_keys}
    regions = {vault.region for account in plan.accounts for vault in account.vaults}
    protected = {account.id for account in plan.accounts}
    for option, value in settings.options.items():
        where = (*path, option)
        values = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
        shape = _SHAPES.get(option, str)
        if option not in known:
            what = f"A restore of {' or '.join(kinds)} knows no such option."
            as_metadata = "Write it under metadata." if option.lower() in keys else None
            yield Problem(where, what, as_metadata or did_you_mean(option, {*known, "metadata"}))
        elif value is None:
            continue
        elif not isinstance(value, shape) or (shape in (list, dict) and not all(isinstance(v, str) for v in values)):
            yield Problem(where, f"{_SHAPE_WORDS[shape]} is expected here.", "Correct the value.")
        elif isinstance(value, dict):
            yield from _tag_problems(where, value)
        elif option == "validationFunction" and not VALIDATION_FUNCTION.fullmatch(str(value)):
            what = "This is no name of a function that may be asked to validate."
            yield Problem(where, what, "Name one of the recovery account that begins with airlift-validate-.")
        elif option == "kmsKeyId" and any(f":{account}:" in str(value) for account in protected):
            what = "The key lies in a protected account, where an attacker can disable it."
            yield Problem(where, what, "Use a key of the recovery account.")
        elif option.startswith("availabilityZone") and not all(
            any(str(zone).startswith(region) for region in regions) for zone in values
        ):
            what = f"No vault lies in the Region of {', '.join(map(str, values))}."
            yield Problem(where, what, f"Name zones of {' or '.join(sorted(regions))}.")


def _tag_problems(path: Path, tags: dict[str, Any]) -> Iterator[Problem]:
    if len(tags) > _MOST_OWN_TAGS:
        yield Problem(path, f"{len(tags)} tags are too many.", f"Give {_MOST_OWN_TAGS} at most.")
    for key, value in tags.items():
        if key.lower().startswith(("aws:", "airlift:")):
            yield Problem((*path, key), "Tags of this prefix are set by AWS or by Airlift.", "Use another key.")
        if not 0 < len(key) <= _LONGEST_TAG_KEY or len(value) > LONGEST_TAG_VALUE:
            what = f"A tag's key has 1 to {_LONGEST_TAG_KEY} characters, its value {LONGEST_TAG_VALUE} at most."
            yield Problem((*path, key), what, "Shorten it.")


def lacking(plan: Plan) -> Iterator[tuple[str, MetadataRefused]]:
    """Types whose restores need what the plan doesn't give, and the words of the family that will restore them."""
    for family in FAMILIES:
        for kind in family.resource_types:
            point = RecoveryPoint("", f"arn:aws:service:region:{_ANY_ACCOUNT}:thing/example", kind, _ANY_TIME)
            try:
                family.metadata(point, _example_target(plan, kind))
            except MetadataRefused as refused:
                yield kind, refused


def spoken_of(plan: Plan, kind: str) -> bool:
    """Whether the plan expects resources of this type; one that it doesn't speak of may not be in the vault at all."""
    named = {kind for wave in plan.waves for matcher in wave.match for kind in matcher.types or ()}
    return kind in plan.targets.types or kind in named


def _lacks(plan: Plan) -> Iterator[Problem]:
    lacks = dict(lacking(plan))
    for kind, refused in lacks.items():
        if spoken_of(plan, kind):
            yield Problem(("targets", "types", kind), refused.what, refused.remedy)
    for family in FAMILIES:
        for kind in family.resource_types:
            unreachable = "subnetIds" in family.option_keys and not _example_target(plan, kind).options.get("subnetIds")
            if unreachable and kind not in lacks:
                what = f"Without subnetIds, a restored {kind} can be reached from no network."
                remedy = "Add the subnets of an isolated network, here or in targets.defaults."
                yield Problem(("targets", "types", kind), what, remedy, "warning")


def _example_target(plan: Plan, kind: str) -> Target:
    recovery_id = f"r-20260101-{_ANY_ACCOUNT}-0000"
    return plan.target(kind, "", recovery_id=recovery_id, account=_ANY_ACCOUNT, region="", attempt=1)


def _families(kinds: Iterable[str]) -> list[Family]:
    return [family for family in FAMILIES if set(kinds) & set(family.resource_types)]
