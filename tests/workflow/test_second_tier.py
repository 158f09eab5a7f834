"""FSx, DSQL, Timestream and EKS through the whole of a recovery, beside types that nobody restores."""

from __future__ import annotations

from local.simulation.world import RECOVERY
from tests.workflow.scenarios import Played, played


def content(after: Played, place: str) -> dict[str, bytes]:
    """What lies in a restored file system, volume, table or cluster, by path."""
    sim = after.story.sim
    return sim.aws.doors.read_files(RECOVERY, sim.region, place)


def test_one_of_each_comes_back_validated() -> None:
    after = played("second_tier")

    restored = {arn: item for arn, item in after.items.items() if item["state"] == "validated"}
    assert [item["resourceType"] for item in restored.values()] == ["DSQL", "EKS", *["FSx"] * 4, "Timestream"]
    for item in restored.values():
        if item["resourceType"] == "FSx":
            place = item["createdResourceArn"].rpartition("/")[2]
            assert content(after, place) == {"docs/a.txt": b"good"}
    (table,) = (item["metadata"]["TableName"] for item in restored.values() if item["resourceType"] == "Timestream")
    assert content(after, f"plant/{table}") == {"2025-12-31": b"good"}


def test_a_cluster_comes_back_with_its_storage_and_is_one_resource() -> None:
    after = played("second_tier")

    objects = content(after, "ready")
    assert objects.pop("web/deployments/front") == b"replicas: 3"
    nested = {job["CreatedResourceArn"].encode() for job in after.jobs if "ParentJobId" in job}
    assert set(objects.values()) == nested
    assert sorted(job["ResourceType"] for job in after.jobs if "ParentJobId" in job) == ["EBS", "EFS", "S3"]


def test_types_that_nobody_restores_stop_nothing_and_are_named() -> None:
    after = played("second_tier")

    skipped = {item["resourceType"]: item["reason"] for item in after.items.values() if item["state"] == "skipped"}
    assert skipped.keys() == {"RDS", "Redshift", "FutureType"}
    assert "air-gapped" in skipped["RDS"]
    assert "FutureType" in skipped["FutureType"]
