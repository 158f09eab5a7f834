"""Timestream tables: into a database of the plan, kept no shorter than at the source."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.restore.timestream import Timestream

from tests.unit.restoring import RECOVERY_ID, REGION, a_point, a_target, answers, recovery_account, restored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.restore.base import Clients

FAMILY = Timestream()
SOURCE = f"arn:aws:timestream:{REGION}:111122223333:database/telemetry/table/readings"
NAME = f"telemetry.readings-{RECOVERY_ID}-1"
CREATED = f"arn:aws:timestream:{REGION}:444455556666:database/recovered/table/{NAME}"
RETENTION: dict[str, Any] = {"MemoryStoreRetentionPeriodInHours": "24", "MagneticStoreRetentionPeriodInDays": "365"}
UNREAD = a_point(SOURCE, "Timestream")
POINT = replace(UNREAD, restore_metadata={**RETENTION, "TableName": "readings", "DatabaseName": "telemetry"})


@pytest.fixture
def clients() -> Iterator[Clients]:
    with recovery_account() as clients:
        yield clients


def test_the_documented_list_is_followed() -> None:
    assert FAMILY.metadata(POINT, a_target(database="recovered")) == {
        "TableName": NAME,
        "DestinationDatabase": "recovered",
        **RETENTION,
    }
    assert FAMILY.concurrent_restores == 1
    assert not FAMILY.copies_source_tags


def test_the_plan_may_follow_the_documented_example_instead() -> None:
    metadata = FAMILY.metadata(POINT, a_target(metadata={"databaseName": "other"}, database="recovered"))
    assert (metadata["DatabaseName"], "DestinationDatabase" in metadata) == ("other", False)


def test_tables_of_two_databases_never_get_one_name() -> None:
    other = replace(POINT, resource_arn=SOURCE.replace("telemetry", "billing"))
    target = a_target(database="recovered")
    assert FAMILY.metadata(other, target)["TableName"] != FAMILY.metadata(POINT, target)["TableName"]


@pytest.mark.parametrize("days", ["364", "a year"])
def test_a_shorter_retention_would_lose_data(days: str) -> None:
    with pytest.raises(MetadataRefused, match="data would be lost"):
        FAMILY.metadata(POINT, a_target(metadata={"magneticStoreRetentionPeriodInDays": days}, database="recovered"))
    longer = a_target(metadata={"magneticStoreRetentionPeriodInDays": "3650"}, database="recovered")
    assert FAMILY.metadata(POINT, longer)["MagneticStoreRetentionPeriodInDays"] == "3650"


def test_what_neither_point_nor_plan_says_is_asked_for() -> None:
    with pytest.raises(MetadataRefused, match="keeps its data is not known") as caught:
        FAMILY.metadata(UNREAD, a_target(database="recovered"))
    assert "MemoryStoreRetentionPeriodInHours and MagneticStoreRetentionPeriodInDays" in caught.value.remedy
    assert FAMILY.metadata(UNREAD, a_target(metadata=RETENTION, database="recovered")).items() >= RETENTION.items()
    with pytest.raises(MetadataRefused, match="names no database"):
        FAMILY.metadata(POINT, a_target())


def test_the_database_must_exist_and_outlives_the_table(clients: Clients) -> None:
    target = a_target(database="recovered")
    job = restored(FAMILY, POINT, target, CREATED)
    with pytest.raises(MetadataRefused, match="recovered, which the plan names, does not exist"):
        FAMILY.prepare(clients, POINT, target, job.metadata)
    timestream = clients("timestream-write")
    timestream.create_database(DatabaseName="recovered")
    FAMILY.prepare(clients, POINT, target, job.metadata)
    assert not FAMILY.validate(clients, job).ok
    assert FAMILY.finish(clients, job).done
    kept = {key: int(value) for key, value in RETENTION.items()}
    made = timestream.create_table(DatabaseName="recovered", TableName=NAME, RetentionProperties=kept)

    assert FAMILY.finish(clients, job).done
    tags = timestream.list_tags_for_resource(ResourceARN=made["Table"]["Arn"])["Tags"]
    assert {"Key": "airlift:recovery", "Value": RECOVERY_ID} in tags
    validation = FAMILY.validate(clients, job)
    assert validation.ok
    assert validation.how.endswith("kept 365 days; no record was read")
    shortened = replace(job, metadata={**job.metadata, "MagneticStoreRetentionPeriodInDays": "366"})
    assert "keeps its magnetic store 365 days, not 366" in FAMILY.validate(clients, shortened).how

    assert [FAMILY.delete(clients, job).done for _ in range(2)] == [False, True]
    assert timestream.describe_database(DatabaseName="recovered")["Database"]["TableCount"] == 0


def table_is(state: str) -> tuple[str, dict[str, Any]]:
    return "describe_table", {"Table": {"Arn": CREATED, "TableName": NAME, "TableStatus": state}}


def test_a_table_that_is_being_filled_is_waited_for() -> None:
    job = restored(FAMILY, POINT, a_target(database="recovered"), CREATED)
    with answers("timestream-write", table_is("RESTORING"), table_is("RESTORING"), table_is("DELETING")) as clients:
        assert FAMILY.finish(clients, job).again_in_seconds == 15
        assert not FAMILY.delete(clients, job).done
        assert FAMILY.finish(clients, job).done


def test_a_repeated_deletion_may_find_nothing() -> None:
    job = restored(FAMILY, POINT, a_target(database="recovered"), CREATED)
    with answers("timestream-write", table_is("ACTIVE"), ("delete_table", "ResourceNotFoundException")) as clients:
        assert FAMILY.delete(clients, job).done
