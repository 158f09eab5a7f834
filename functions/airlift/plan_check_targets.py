"""The part of the plan's check that knows resource types: their names, their metadata keys and their options."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from airlift.documents import Problem, did_you_mean
from airlift.plan_check_resources import example_target, kinds_of, refusals, resource_problems, served
from airlift.restore import FAMILIES, NOT_HELD, nearest_key
from airlift.restore.common import LONGEST_TAG_VALUE, OPTIONS, VALIDATION_FUNCTION
from airlift.values import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from pydantic import JsonValue

    from airlift.documents import Path
    from airlift.errors import MetadataRefused
    from airlift.plan import Plan
    from airlift.plan_parts import Settings
    from airlift.restore.base import Family

RESTORABLE = tuple(kind for family in FAMILIES for kind in family.resource_types)
"""AWS Backup's names of the types that Airlift restores."""
_KNOWN = (*RESTORABLE, *NOT_HELD)

_SHAPES: dict[str, type] = {
    "availabilityZones": list,
    "copySourceTags": bool,
    "deletionProtection": bool,
    "instances": int,
    "pointInTimeRecovery": bool,
    "securityGroupIds": list,
    "serverlessV2ScalingConfiguration": dict,
    "subnetIds": list,
    "tags": dict,
}
"""Options that are not text."""
_SHAPE_WORDS = {
    list: "A list of texts",
    bool: "true or false",
    str: "A text",
    dict: "A map of texts to texts",
    int: "A whole number",
}
_NUMBERS = frozenset({"serverlessV2ScalingConfiguration"})
"""Options whose members are numbers, not texts."""
_CAPACITIES = {"MinCapacity", "MaxCapacity"}
_MOST_INSTANCES = 16  # of a cluster: a writer and 15 readers (CHAP_Limits.html)
_LONGEST_TAG_KEY = 128
_MOST_OWN_TAGS = 40  # of 50, so that Airlift's and some of the source's have room


def type_problems(path: Path, kind: str, *, restored: bool) -> Iterator[Problem]:
    """Looks at the name of a resource type, or a pattern of names; `restored`: the plan wants such things back."""
    if any(fnmatchcase(known, kind) for known in _KNOWN if known in RESTORABLE or not restored):
        return
    close = nearest(kind, _KNOWN)
    if kind in NOT_HELD:
        yield Problem(path, f"Nothing of type {kind} can come back: {NOT_HELD[kind]}.", "Remove it.", "warning")
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
        kinds = kinds_of(entry.arn) or RESTORABLE
        found += _metadata_problems((*where, "metadata"), entry, kinds)
        found += _option_problems(where, entry, kinds, plan)
    wrong = {problem.path[1:3] for problem in found if problem.severity == "error"}
    if all(place == "types" for place, *_ in wrong):  # what the others hold may reach any type
        found += _lacks(plan, {str(kind) for _, kind in wrong})
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
        else:
            yield from _nested_problems((*path, key), accepted[key.lower()], settings.metadata[key], kinds)


def _nested_problems(path: Path, key: str, value: JsonValue, kinds: Sequence[str]) -> Iterator[Problem]:
    """Looks at the keys of a value that is an object or a list of objects; as JSON text it is left to the family."""
    known = {name for family in _families(kinds) for name in family.nested_keys.get(key, ())}
    for entry in value if isinstance(value, list) else [value]:
        for name in entry if known and isinstance(entry, dict) else ():
            if name.lower() not in {right.lower() for right in known}:
                yield Problem((*path, name), f"{key} takes no such key.", did_you_mean(name, known))


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
        elif not _has_shape(option, value, shape, values):
            words = "A map of texts to numbers" if option in _NUMBERS else _SHAPE_WORDS[shape]
            yield Problem(where, f"{words} is expected here.", "Correct the value.")
        elif option == "tags" and isinstance(value, dict):
            yield from _tag_problems(where, value)
        elif option in _NUMBERS and isinstance(value, dict) and value.keys() != _CAPACITIES:
            yield Problem(where, f"It takes {' and '.join(sorted(_CAPACITIES))}.", "Give both, and nothing else.")
        elif option == "instances" and isinstance(value, int) and not 0 <= value <= _MOST_INSTANCES:
            yield Problem(where, f"A cluster has at most {_MOST_INSTANCES} instances.", "Give fewer, or 0 for none.")
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


def _has_shape(option: str, value: object, shape: type, values: Iterable[object]) -> bool:
    """`values` are the members of a list or map; a bool is no number, although Python takes it for one."""
    members: tuple[type, ...] = (int, float) if option in _NUMBERS else (str,)
    whole = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    return whole and (shape not in (list, dict) or all(type(each) in members for each in values))


def _tag_problems(path: Path, tags: dict[str, Any]) -> Iterator[Problem]:
    if len(tags) > _MOST_OWN_TAGS:
        yield Problem(path, f"{len(tags)} tags are too many.", f"Give {_MOST_OWN_TAGS} at most.")
    for key, value in tags.items():
        if key.lower().startswith(("aws:", "airlift:")):
            yield Problem((*path, key), "Tags of this prefix are set by AWS or by Airlift.", "Use another key.")
        if not 0 < len(key) <= _LONGEST_TAG_KEY or len(value) > LONGEST_TAG_VALUE:
            what = f"A tag's key has 1 to {_LONGEST_TAG_KEY} characters, its value {LONGEST_TAG_VALUE} at most."
            yield Problem((*path, key), what, "Shorten it.")


def lacking(plan: Plan, kinds: Iterable[str] = RESTORABLE) -> Iterator[tuple[str, MetadataRefused]]:
    """Those types whose restores need what the plan doesn't give, and the words of the family that will restore them.

    A type comes up once for each kind of points that lacks something.
    """
    for kind in kinds:
        yield from ((kind, refused) for refused in refusals(plan, kind))


def spoken_of(plan: Plan, kind: str) -> bool:
    """Whether the plan expects resources of this type; one that it doesn't speak of may not be in the vault at all."""
    named = {kind for wave in plan.waves for matcher in wave.match for kind in matcher.types or ()}
    return kind in plan.targets.types or kind in named


def _lacks(plan: Plan, wrong: Collection[str]) -> Iterator[Problem]:
    """What restores lack; none of the types whose own settings are `wrong` is tried."""
    kinds = [kind for kind in RESTORABLE if kind not in wrong]
    lacks = list(lacking(plan, kinds))
    lacking_kinds = Counter(kind for kind, _ in lacks)
    for kind, refused in lacks:
        if spoken_of(plan, kind):
            # A plan need not serve each kind of points that a type has, but one.
            serves_none = lacking_kinds[kind] == len(_families([kind])[0].examples) and not served(plan, kind)
            yield Problem(
                ("targets", "types", kind), refused.what, refused.remedy, "error" if serves_none else "warning"
            )
    told = {
        kind: {refused.what for one, refused in lacks if one == kind} for kind in RESTORABLE if spoken_of(plan, kind)
    }
    if not wrong:
        yield from resource_problems(plan, told)
    for family in FAMILIES:
        for kind in family.resource_types:
            options = example_target(plan, kind).options
            networks = {"subnetIds", "dbSubnetGroupName"} & family.option_keys
            unreachable = networks and not any(options.get(option) for option in networks)
            if unreachable and kind not in lacking_kinds and kind in kinds:
                what = f"Without subnetIds, a restored {kind} can be reached from no network."
                remedy = "Add the subnets of an isolated network, here or in targets.defaults."
                yield Problem(("targets", "types", kind), what, remedy, "warning")


def _families(kinds: Iterable[str]) -> list[Family]:
    return [family for family in FAMILIES if set(kinds) & set(family.resource_types)]
