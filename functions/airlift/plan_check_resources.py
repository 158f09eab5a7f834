"""The part of the plan's check that tries restores: by the settings of each type, and of single resources."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from airlift.documents import Problem
from airlift.errors import MetadataRefused
from airlift.restore import FAMILIES
from airlift.restore.base import RecoveryPoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airlift.plan import Plan
    from airlift.plan_parts import ResourceSettings
    from airlift.restore.base import Family, Target

_ANY_ACCOUNT, _ANY_TIME = "000000000000", datetime(2000, 1, 1, tzinfo=UTC)
_PART = "\0"
"""In a shape: a Region, an account, a name or id; none holds a colon."""
_CLUSTERS = "arn:aws:rds:*:*:cluster:*"
_ARNS: Mapping[str, str] = MappingProxyType(
    {
        "DynamoDB": "arn:aws:dynamodb:*:*:table/*",
        "S3": "arn:aws:s3:::*",
        "EBS": "arn:aws:ec2:*:*:volume/*",
        "EC2": "arn:aws:ec2:*:*:instance/*",
        "Storage Gateway": "arn:aws:storagegateway:*:*:gateway/*",
        "VirtualMachine": "arn:aws:backup-gateway:*:*:vm/*",
        "EFS": "arn:aws:elasticfilesystem:*:*:file-system/*",
        "Aurora": _CLUSTERS,
        "DocumentDB": _CLUSTERS,
        "Neptune": _CLUSTERS,
        "Aurora DSQL": "arn:aws:dsql:*:*:cluster/*",
        "DSQL": "arn:aws:dsql:*:*:cluster/*",
        "Timestream": "arn:aws:timestream:*:*:database/*",
        "FSx": "arn:aws:fsx:*:*:*",
        "EKS": "arn:aws:eks:*:*:cluster/*",
    }
)
"""What the ARNs of each type that is restored look like (Service Authorization Reference, resource types)."""
SHAPES: Mapping[str, str] = MappingProxyType({kind: arn.replace("*", _PART) for kind, arn in _ARNS.items()})
"""The same as patterns for `may_meet`."""


def example_target(plan: Plan, kind: str) -> Target:
    """Where something of this type goes for which the plan has no settings of its own."""
    recovery_id = f"r-20260101-{_ANY_ACCOUNT}-0000"
    region = plan.accounts[0].vaults[0].region
    return plan.target(kind, "", recovery_id=recovery_id, account=_ANY_ACCOUNT, region=region, attempt=1)


def refusals(plan: Plan, kind: str, entries: Iterable[ResourceSettings] | None = None) -> list[MetadataRefused]:
    """Why the plan's settings don't do for this type: at most one for each kind of points that the type has.

    With `entries`, for a resource to which just these settings of single resources apply.
    """
    if entries is not None:
        everywhere = tuple(entry.model_copy(update={"arn": "*"}) for entry in entries)
        targets = plan.targets.model_copy(update={"resources": everywhere})
        plan = plan.model_copy(update={"targets": targets})
    family = _family(kind)
    found = []
    for example in family.examples:
        point = RecoveryPoint("", _ARNS[kind], kind, _ANY_TIME, restore_metadata=example)
        try:
            family.metadata(point, example_target(plan, kind))
        except MetadataRefused as refused:
            found.append(refused)
    return found


def kinds_of(pattern: str) -> list[str]:
    """The types that a resource whose ARN matches the pattern may be of."""
    return [kind for kind, shape in SHAPES.items() if may_meet(pattern, shape)]


def served(plan: Plan, kind: str) -> bool:
    """Whether settings of single resources give what the type needs, for one kind of its points at least."""
    return any(
        _serves(plan, kind, chosen)
        for entry in plan.targets.resources
        if kind in kinds_of(entry.arn)
        for chosen in _together(plan, entry)
    )


def resource_problems(plan: Plan, known: Mapping[str, set[str]]) -> Iterator[Problem]:
    """Looks at what the settings of single resources lack, beyond what is `known` of their types already."""
    for i, entry in enumerate(plan.targets.resources):
        kinds = kinds_of(entry.arn)
        if not kinds:
            what = f"No resource that Airlift restores has such an ARN: {entry.arn}."
            yield Problem(("targets", "resources", i, "arn"), what, "Compare it with the resource's.", "warning")
        found = {
            (kind, refused.what): refused
            for kind in kinds
            for chosen in _together(plan, entry)
            for refused in refusals(plan, kind, chosen)
            if refused.what not in known.get(kind, ())
        }
        fine = any(_serves(plan, kind, chosen) for kind in kinds for chosen in _together(plan, entry))
        for (kind, what), refused in found.items():
            told = f"{kind}: {what.replace(_ARNS[kind], entry.arn)}"
            yield Problem(("targets", "resources", i), told, refused.remedy, "warning" if fine else "error")


def _serves(plan: Plan, kind: str, entries: Iterable[ResourceSettings]) -> bool:
    return len(refusals(plan, kind, entries)) < len(_family(kind).examples)


def _family(kind: str) -> Family:
    return next(family for family in FAMILIES if kind in family.resource_types)


def _together(plan: Plan, entry: ResourceSettings) -> list[list[ResourceSettings]]:
    """Sets of settings that may apply to one resource: those of this entry alone, and of all that may apply with it.

    An ARN that is written out is only ever one resource, so all that apply to it do so together.
    """
    others = plan.targets.resources
    if not _is_pattern(entry.arn):
        return [[other for other in others if fnmatchcase(entry.arn, other.arn)]]
    all_of_them = [other for other in others if other is entry or may_meet(entry.arn, other.arn)]
    return [[entry], all_of_them] if len(all_of_them) > 1 else [[entry]]


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def may_meet(one: str, other: str) -> bool:
    """Whether a text can match both patterns of a shell; a set of characters is taken for any character."""
    if not _is_pattern(one):
        return fnmatchcase(one, other.replace(_PART, "*"))
    a, b = (re.sub(r"\[[^\]]+\]", "?", pattern) for pattern in (one, other))
    # meets[j]: whether the rest of `a`, seen from the end, and the rest of `b` from j on can be one text.
    meets = [set(b[j:]) <= {"*", _PART} for j in range(len(b) + 1)]
    for i in reversed(range(len(a))):
        before, meets = meets, [False] * (len(b) + 1)
        for j in reversed(range(len(b) + 1)):
            if a[i] == "*":
                meets[j] = before[j] or (j < len(b) and meets[j + 1])
            elif j < len(b) and b[j] in ("*", _PART):
                meets[j] = meets[j + 1] or (before[j] and (b[j] == "*" or a[i] != ":"))
            elif j < len(b):
                meets[j] = before[j + 1] and (a[i] == b[j] or "?" in (a[i], b[j]))
    return meets[0]
