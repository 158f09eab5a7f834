"""What every family of resource types needs: metadata put together, Airlift's tags, a verdict in words."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.names import RECOVERY_TAG, SOURCE_TAG
from airlift.restore.base import Validation
from airlift.values import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.restore.base import Family, RecoveryPoint, Target

OPTIONS = frozenset({"copySourceTags", "openNetworkReason", "tags", "validationFunction"})
"""Options that every type takes; what they do is told in `airlift.plan_parts.Settings`."""
VALIDATION_FUNCTION = re.compile(r"airlift-validate-[a-zA-Z0-9_-]{1,47}")
"""Names that the option `validationFunction` takes: settle_restore may invoke functions of this prefix only."""
LONGEST_TAG_VALUE = 256  # characters; an ARN with a table name of 255 is longer
MOST_TAGS = 50
"""Of one resource, for all services alike; those of AWS (`aws:`) don't count (tagging in the AWS General Reference)."""


def role_exists(iam: Any, name: str) -> bool:
    """Whether the account has a role of this name, such as a service-linked one. `iam` is an IAM client."""
    try:
        iam.get_role(RoleName=name)
    except iam.exceptions.NoSuchEntityException:
        return False
    return True


def assemble(family: Family, *layers: Mapping[str, Any]) -> dict[str, str]:
    """StartRestoreJob metadata from layers, a later one winning over an earlier one.

    AWS Backup most likely lower-cases keys (inferred), so two spellings of one key must not both go out:
    layers are merged without regard to case, and the documented spelling is emitted. Unknown keys can make a
    job fail, so only `family.accepted_keys` pass. The API takes strings only: None is left out, other values
    become JSON.

    Raises `MetadataRefused` for a key that the type does not take, naming the nearest that it does.
    """
    spelling = {key.lower(): key for key in family.accepted_keys}
    merged: dict[str, str] = {}
    for layer in layers:
        for key, value in layer.items():
            if key.lower() not in spelling:
                raise _unknown_key(family, key)
            if value is not None:
                merged[spelling[key.lower()]] = _text(value)
    return merged


def _unknown_key(family: Family, key: str) -> MetadataRefused:
    near = nearest(key, family.accepted_keys)
    known = f"write '{near}'" if near else f"use one of {', '.join(sorted(family.accepted_keys))}"
    return MetadataRefused(
        f"A restore of {' or '.join(family.resource_types)} takes no metadata key '{key}'.",
        f"in the plan's targets {known}, or remove the key.",
    )


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def resource_id(arn: str) -> str:
    """The name or id at the end of a resource's ARN: `…:table/orders` → `orders`, `arn:aws:s3:::b` → `b`."""
    return arn.split(":", 5)[5].split("/", 1)[-1]


def airlift_tags(point: RecoveryPoint, target: Target) -> dict[str, str]:
    """All tags that Airlift puts on a restored resource, at most 50.

    First those by which it is known: whose recovery made it, and from what; then the plan's; then, where the plan
    wants them and AWS Backup doesn't copy them itself, the source's. Earlier ones win; of the source's those are left
    out that are AWS's own, which nobody can set, or too many.
    """
    known = {RECOVERY_TAG: target.recovery_id, SOURCE_TAG: point.resource_arn[:LONGEST_TAG_VALUE]}
    plans: dict[str, str] = target.options.get("tags", {})
    sources = {key: point.tags[key] for key in sorted(point.tags) if not key.lower().startswith("aws:")}
    return dict(islice((known | plans | sources | plans | known).items(), MOST_TAGS))


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """`tags` in the shape of most AWS APIs: `[{"Key": …, "Value": …}]`."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def present(values: Mapping[str, object]) -> dict[str, str]:
    """What is known of these values, as text."""
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def verdict(how: str, *checks: tuple[bool, str]) -> Validation:
    """Good, with `how` it was looked at, if every check holds; else bad, with what each failed one says."""
    problems = [problem for holds, problem in checks if not holds]
    return Validation(ok=not problems, how="; ".join(problems) or how)
