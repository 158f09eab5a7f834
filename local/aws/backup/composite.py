"""Composite recovery points: the points nested in one, and the restore jobs nested in its own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from local.aws.backup.types import FAMILIES
from local.aws.backup.types.base import RestoreProblem, canonical, missing_keys, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.aws.backup.restore_jobs import RestoreJob
    from local.aws.backup.state import Point, Vault
    from local.aws.backup.types.base import Snapshot

JOBS = "nestedRestoreJobs"
MANIFESTS_ONLY = "restoreKubernetesManifestsOnly"


def backed_up(parent: Point, members: Mapping[str, tuple[str, Snapshot]], new_arn: Callable[[str], str]) -> list[Point]:
    """The points nested in `parent`: its own state (that its type is the parent's is inferred), and each member.

    `members`: ARN -> type and copy; `new_arn(resource_type)` makes a point's ARN.
    """
    state = replace(parent, arn=new_arn(parent.resource_type), is_parent=False, parent=parent.arn)
    return [state] + [
        replace(
            state,
            arn=new_arn(kind),
            resource_arn=arn,
            resource_type=kind,
            resource_name=copy.name,
            content=copy.content,
            size=copy.size,
            member=arn,
            barred=copy.barred,
        )
        for arn, (kind, copy) in members.items()
    ]


def copied(parent: Point, origin: Point, vault: Vault, new_arn: Callable[[str], str]) -> list[Point]:
    """Copies of the points nested in `origin`, for its copy `parent`."""
    return [
        replace(
            child,
            arn=new_arn(child.resource_type),
            parent=parent.arn,
            completed=None,
            source_vault_arn=vault.arn,
            delete_after_days=parent.delete_after_days,
        )
        for child in vault.points.values()
        if child.parent == origin.arn
    ]


def to_restore(parent: Point, points: Mapping[str, Point], metadata: Mapping[str, str]) -> list[tuple[Point, str]]:
    """The nested points to restore with `parent`, each with its metadata as JSON text.

    Every one but the cluster's state needs its metadata (inferred). Raises RestoreProblem.
    """
    if metadata.get(MANIFESTS_ONLY, "false").lower() == "true":
        return []
    given = parsed(metadata, JOBS, {})
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise RestoreProblem(f"Invalid restore metadata. {JOBS} must be a map of recovery points to JSON texts.")
    children = {arn: point for arn, point in points.items() if point.parent == parent.arn and point.member}
    if unknown := sorted(given.keys() - children.keys()):
        raise RestoreProblem(f"{unknown[0]} is not nested in {parent.arn}.")
    if lacking := sorted(children.keys() - given.keys()):
        raise RestoreProblem(f"{JOBS} has no metadata of {lacking[0]}.")
    return [(children[arn], text) for arn, text in given.items()]


def metadata_of(point: Point, text: str) -> dict[str, str]:
    """A nested job's metadata. Raises RestoreProblem."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RestoreProblem(f"Invalid restore metadata of {point.arn}: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise RestoreProblem(f"Invalid restore metadata of {point.arn}: it must be a map of texts.")
    family = FAMILIES[point.resource_type]
    missing = missing_keys(family, found)
    if missing:
        raise RestoreProblem(f"Invalid restore metadata of {point.arn}. Missing: {', '.join(missing)}")
    return canonical(family, found)


def with_restored(job: RestoreJob) -> Any:
    """The content to restore, which knows what the nested jobs made."""
    made = {child.point.resource_arn: child.created_resource for child in job.nested if child.created_resource}
    return replace(job.point.content, volumes=made) if job.point.is_parent else job.point.content
