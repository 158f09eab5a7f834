"""Names and tags of restored resources: derived, never random, so that a repeated call means the same thing."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from airlift.arns import Arn

if TYPE_CHECKING:
    from airlift.restore.base import Target

RECOVERY_TAG, SOURCE_TAG = "airlift:recovery", "airlift:source"
"""Tags of whatever Airlift makes: the recovery that it belongs to, and the ARN of what it was restored from."""


def derived_name(target: Target, source_name: str, *, alphabet: str, longest: int, lower: bool = False) -> str:
    """`<source name>-<recovery id>-<attempt>`, within the service's alphabet and length.

    The recovery id (`r-YYYYMMDD-<account>-<4 hex>`) carries no resource, so when the source's name has to be cut or
    changed, a hash of the whole of it keeps two resources apart.
    """
    suffix = f"-{target.recovery_id}-{target.attempt}"
    clean = re.sub(f"[^{alphabet}]+", "-", source_name.lower() if lower else source_name).strip("-.")
    room = longest - len(suffix)
    if clean != source_name or len(clean) > room:
        mark = hashlib.sha256(source_name.encode()).hexdigest()[:6]
        clean = f"{clean[: room - 7].rstrip('-.')}-{mark}".lstrip("-")
    return clean + suffix


def source_name(resource_arn: str, region: str, name: str) -> str:
    """`name`, with the Region of the source if it is not `region`.

    A vault may hold copies of equally named resources of several Regions.
    """
    origin = Arn.parse(resource_arn).region
    return name if origin == region else f"{name}-{origin}"
