"""What lies under the volumes of an EKS cluster: points inside its own, restored by jobs inside its job."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.restore.base import RecoveryPoint, Restored
from airlift.restore.common import resource_id
from airlift.restore.ebs import Ebs
from airlift.restore.efs import Efs
from airlift.restore.s3 import S3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airlift.restore.base import Clients, Family, Target

# What an EKS backup takes in beside the cluster's state (eks-backups.html).
_FAMILIES: Mapping[str, Family] = MappingProxyType({"EBS": Ebs(), "EFS": Efs(), "S3": S3()})


@dataclass(frozen=True)
class Child:
    """A restore job inside that of a cluster."""

    point: RecoveryPoint
    status: str
    message: str
    created_resource_arn: str


def nested_jobs(point: RecoveryPoint, target: Target, plan: str | None) -> dict[str, str] | None:
    """`nestedRestoreJobs`: ARN of a nested point → its metadata as JSON text; None if no nested point is known.

    The plan may say which points are restored, each with metadata that wins over its family's own; without that all
    are. The options that the plan gives EKS serve the families of the nested points.
    Raises `MetadataRefused` if they lack something.
    """
    given = None if plan is None else _sent(plan)
    jobs: dict[str, Mapping[str, str]] = dict(given or {})
    for child in point.nested:
        own_state = child.resource_type == point.resource_type  # the parent's twin (eks-backups.html)
        if own_state or (given is not None and child.arn not in given):
            continue
        if child.resource_type in _FAMILIES:
            jobs[child.arn] = _metadata(child, replace(target, metadata=jobs.get(child.arn, {})))
        elif given is None:
            raise MetadataRefused(
                f"Cluster {point.resource_arn} has storage of type {child.resource_type}, which Airlift can't restore.",
                "under metadata of EKS in the plan's targets give nestedRestoreJobs or restoreKubernetesManifestsOnly.",
            )
    if not jobs and given is None:
        return None
    return {arn: json.dumps(one, separators=(",", ":"), ensure_ascii=False) for arn, one in jobs.items()}


def _metadata(child: RecoveryPoint, target: Target) -> dict[str, str]:
    try:
        return _FAMILIES[child.resource_type].metadata(child, target)
    except MetadataRefused as refused:
        raise MetadataRefused(refused.what, f"for storage of an EKS cluster under EKS: {refused.remedy}") from refused


def prepare_nested(clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]) -> None:
    """Makes and checks what the nested points need, such as a bucket."""
    jobs = _sent(metadata.get("nestedRestoreJobs", "{}"))
    for child in point.nested:
        if child.arn in jobs and child.resource_type in _FAMILIES:
            _FAMILIES[child.resource_type].prepare(clients, child, _inside(target), jobs[child.arn])


def children(clients: Clients, restored: Restored) -> list[Child]:
    """The jobs that AWS Backup ran for the nested points."""
    if not restored.job_id:
        return []
    known = {point.arn: point for point in restored.point.nested}
    pages = clients("backup").get_paginator("list_restore_jobs").paginate(ByParentJobId=restored.job_id)
    return [
        Child(
            point=known.get(job["RecoveryPointArn"]) or _point_of(job, restored.point),
            status=job["Status"],
            message=job.get("StatusMessage", ""),
            created_resource_arn=job.get("CreatedResourceArn", ""),
        )
        for page in pages
        for job in page["RestoreJobs"]
    ]


def made_by(jobs: Sequence[Child], restored: Restored) -> Iterator[tuple[Family, Restored]]:
    """What the nested jobs made, with the family that knows it."""
    sent = _sent(restored.metadata.get("nestedRestoreJobs", "{}"))
    for job in jobs:
        family = _FAMILIES.get(job.point.resource_type)
        if family is None or not job.created_resource_arn:
            continue
        # Of a job that AWS Backup gave metadata of its own, a bucket's name is all that counts here.
        metadata = sent.get(job.point.arn, {"DestinationBucketName": resource_id(job.created_resource_arn)})
        yield (
            family,
            Restored(job.point, _inside(restored.target), metadata, job.created_resource_arn, job.message),
        )


def prepared(jobs: Sequence[Child], restored: Restored) -> Iterator[tuple[Family, Restored]]:
    """What `prepare_nested` may have made for nested points whose jobs named nothing, or never came to be."""
    made = {job.point.arn for job in jobs if job.created_resource_arn}
    sent = _sent(restored.metadata.get("nestedRestoreJobs", "{}"))
    for point in restored.point.nested:
        if point.arn in sent and point.arn not in made and point.resource_type in _FAMILIES:
            yield (
                _FAMILIES[point.resource_type],
                Restored(point, _inside(restored.target), sent[point.arn], created_resource_arn=""),
            )


def _inside(target: Target) -> Target:
    """The metadata that the plan gives is the cluster's; the options serve what lies in it."""
    return replace(target, metadata={})


def _sent(text: str) -> dict[str, dict[str, str]]:
    """Nested point → metadata. AWS Backup wants each metadata as text; in a plan it may stand as an object too."""
    try:
        jobs = {arn: json.loads(value) if isinstance(value, str) else value for arn, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        jobs = None
    if jobs is None or not all(isinstance(value, dict) for value in jobs.values()):
        raise MetadataRefused(
            "nestedRestoreJobs of EKS is no map of recovery points to their metadata.",
            "in the plan's targets write the ARN of each nested point with an object of its metadata.",
        )
    return jobs


def _point_of(job: Mapping[str, Any], parent: RecoveryPoint) -> RecoveryPoint:
    return RecoveryPoint(
        arn=job["RecoveryPointArn"],
        resource_arn=job.get("SourceResourceArn", parent.resource_arn),
        resource_type=job.get("ResourceType", ""),
        created_at=job.get("RecoveryPointCreationDate", parent.created_at),
        size_bytes=job.get("BackupSizeInBytes", 0),
    )
