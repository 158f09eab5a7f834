"""Where the recovery plan comes from, and what serves when AppConfig does not."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from airlift import aws
from airlift.errors import AirliftError, PlanInvalid, PlanUnreadable, Unavailable
from airlift.plan_store import newest_plan, plan_at
from botocore.exceptions import ClientError, ConnectTimeoutError

from tests.unit.domain import ACCOUNT, BUCKET, WORKING_BUCKET, plan_document, refused

if TYPE_CHECKING:
    from tests.unit.domain import Services

DOCUMENT = json.dumps(plan_document()).encode()
NEWER = json.dumps(plan_document(detectors=[])).encode()


def deployed(services: Services, answer: Any) -> None:
    """AppConfig holds this document, or fails so."""
    if isinstance(answer, Exception):
        services.play("appconfigdata", start_configuration_session=answer)
        return
    services.play(
        "appconfigdata",
        start_configuration_session={"InitialConfigurationToken": "t"},
        get_latest_configuration=lambda **_: {"Configuration": io.BytesIO(answer)},
    )


def kept(bucket: str) -> dict[str, bytes]:
    """The copies in a bucket, by key."""
    s3 = aws.client("s3")
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {o["Key"]: s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read() for o in listed}


def test_the_deployed_plan_is_read_and_a_copy_of_each_version_is_kept(services: Services) -> None:
    deployed(services, DOCUMENT)
    first = newest_plan()
    deployed(services, NEWER)
    second = newest_plan()
    assert first.plan.account(ACCOUNT).id == ACCOUNT
    assert (len(first.version), first.key, first.warning) == (12, f"plans/{first.version}.json", "")
    assert kept(BUCKET) == {first.key: DOCUMENT, second.key: NEWER}, "evidence, never written again"
    assert kept(WORKING_BUCKET) == {"plans/last.json": NEWER}
    assert plan_at(first.key).detectors == ("777788889999",)
    assert plan_at(second.key).detectors == ()


def test_a_copy_that_is_there_is_not_written_again(services: Services) -> None:
    deployed(services, DOCUMENT)
    for bucket in (BUCKET, WORKING_BUCKET):
        aws.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    newest_plan()
    newest_plan()
    for bucket in (BUCKET, WORKING_BUCKET):
        assert len(aws.client("s3").list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_what_somebody_else_wrote_in_the_place_of_a_plan_is_not_obeyed_and_the_next_reading_mends_it(
    services: Services,
) -> None:
    deployed(services, DOCUMENT)
    key = newest_plan().key
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=NEWER)
    with pytest.raises(PlanInvalid, match="somebody wrote another one"):
        plan_at(key)
    assert newest_plan().key == key
    assert plan_at(key).detectors == ("777788889999",)


@pytest.mark.parametrize(
    ("trouble", "without_copy"),
    [
        (refused("AccessDeniedException"), PlanUnreadable),
        (refused("InternalServerException", "", 500), Unavailable),
        (ConnectTimeoutError(endpoint_url="appconfigdata"), Unavailable),
        (b"", PlanUnreadable),
        (b"{}", PlanUnreadable),
        (b"not JSON", PlanUnreadable),
    ],
)
def test_the_last_copy_serves_with_a_warning_and_without_one_the_plan_is_unreadable_or_the_step_is_tried_again(
    services: Services, trouble: Any, without_copy: type[AirliftError]
) -> None:
    deployed(services, trouble)
    with pytest.raises(without_copy):
        newest_plan()
    deployed(services, DOCUMENT)
    good = newest_plan()
    deployed(services, trouble)
    last = newest_plan()
    assert (last.plan, last.version, last.key) == (good.plan, good.version, good.key)
    assert good.version in last.warning
    assert plan_at(last.key) == good.plan


def test_a_plan_of_which_no_copy_can_be_kept_is_not_used(services: Services) -> None:
    deployed(services, DOCUMENT)
    services.play("s3", get_object=refused("NoSuchKey"), put_object=refused("SlowDown", "", 503))
    with pytest.raises(ClientError):  # later steps could not read it
        newest_plan()
