"""Starting restore jobs: intent first, then the call, then its job id; a lost answer starts nothing twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airlift.ledger import Conflict, Update
from airlift.starting import recovery_point, start
from airlift.values import stamp
from botocore.exceptions import ReadTimeoutError

from tests.unit.domain import (
    ACCOUNT,
    NOW,
    RECOVERY_ID,
    REGION,
    Service,
    Services,
    ago,
    an_item,
    point_arn,
    refused,
    stored,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.ledger import Record
    from airlift.vaults import VaultWork

    Make = Callable[..., VaultWork]

CUT = ago(minutes=45)
ROLE = "arn:aws:iam::444455556666:role/airlift-restore"
LOST = [
    ReadTimeoutError(endpoint_url="backup"),
    refused("ThrottlingException"),
    refused("ServiceUnavailableException", "", 503),
]


def backup(services: Services, **answers: Any) -> Service:
    told = {
        "describe_backup_vault": {"VaultState": "AVAILABLE"},
        "describe_recovery_point": {},
        "list_recovery_points_by_backup_vault": {"RecoveryPoints": []},
        "get_recovery_point_restore_metadata": {"RestoreMetadata": {"originalTableName": "orders", "nothing": None}},
        "start_restore_job": {"RestoreJobId": "job-1"},
    }
    return services.play("backup", **(told | answers))


def test_a_started_job_is_recorded_with_what_was_sent(work: Make, services: Services) -> None:
    aws = backup(services)
    item = an_item()
    start(w := work(item), item, {}, CUT)
    now = stored(w, item)
    assert (now["state"], now["jobId"], now["startedAt"]) == ("running", "job-1", stamp(NOW))
    [request] = aws.requests("start_restore_job")
    assert request == {
        "RecoveryPointArn": point_arn("new"),
        "Metadata": now["metadata"],
        "IamRoleArn": ROLE,
        "IdempotencyToken": now["token"],
        "ResourceType": "DynamoDB",
    }
    assert now["metadata"]["targetTableName"] == f"orders-{RECOVERY_ID}-1"
    assert now["pointMetadata"] == {"originalTableName": "orders"}
    assert texts(w.ledger, "started") == [f"attempt 1 from {stamp(ago(hours=1))}: job job-1"]


VOLUME = f"arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-1"
ZONE = {"defaults": {"availabilityZone": f"{REGION}a"}}
WITH_TAGS = {"defaults": {"availabilityZone": f"{REGION}a", "copySourceTags": True}}


@pytest.mark.parametrize(
    ("kind", "targets", "flag", "sent_as"),
    [
        ("EBS", WITH_TAGS, True, "EBS"),
        ("EBS", ZONE, None, "EBS"),
        ("DynamoDB", WITH_TAGS, None, "DynamoDB"),
        ("Storage Gateway", WITH_TAGS, True, "EBS"),
    ],
)
def test_aws_copies_tags_only_if_the_plan_says_so_and_the_type_may(
    work: Make, services: Services, kind: str, targets: Any, flag: bool | None, sent_as: str
) -> None:
    aws = backup(services, list_tags={"Tags": {"stage": "production"}}, describe_recovery_point={})
    item = an_item(resourceArn=VOLUME, resourceType=kind)
    start(w := work(item, targets=targets), item, {}, CUT)
    [request] = aws.requests("start_restore_job")
    assert (request.get("CopySourceTagsToRestoredResource"), request["ResourceType"]) == (flag, sent_as)
    assert stored(w, item).get("copySourceTags") == flag


def test_the_points_inside_a_composite_one_are_listed_and_restored_with_it(work: Make, services: Services) -> None:
    inside = {
        "RecoveryPointArn": point_arn("volume"),
        "ResourceArn": VOLUME,
        "ResourceType": "EBS",
        "CreationDate": ago(hours=1),
        "BackupSizeInBytes": 7,
    }
    aws = backup(services, list_recovery_points_by_backup_vault={"RecoveryPoints": [inside]})
    services.play("eks", describe_cluster={"cluster": {"status": "ACTIVE"}})
    item = an_item(resourceArn=f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/shop", resourceType="EKS")
    targets = {"types": {"EKS": {"clusterName": "spare", "availabilityZone": f"{REGION}a"}}}
    start(w := work(item, targets=targets), item, {}, CUT)
    [listed] = aws.requests("list_recovery_points_by_backup_vault")
    assert listed["ByParentRecoveryPointArn"] == point_arn("new")
    now = stored(w, item)
    assert list(json.loads(now["metadata"]["nestedRestoreJobs"])) == [point_arn("volume")]
    [nested] = recovery_point(now).nested
    assert (nested.resource_type, nested.resource_arn, nested.size_bytes) == ("EBS", VOLUME, 7)


def test_where_aws_copies_no_tags_the_points_are_kept_for_finishing(work: Make, services: Services) -> None:
    aws = backup(services, list_tags={"Tags": {"stage": "production"}})
    item = an_item()
    start(w := work(item, targets=WITH_TAGS), item, {}, CUT)
    assert aws.requests("list_tags") == [{"ResourceArn": point_arn("new")}]
    assert recovery_point(stored(w, item)).tags == {"stage": "production"}


def test_tags_that_cannot_be_read_hold_nothing_up(work: Make, services: Services) -> None:
    backup(services, list_tags=refused("AccessDeniedException"))
    item = an_item()
    start(w := work(item, targets=WITH_TAGS), item, {}, CUT)
    assert stored(w, item)["state"] == "running"
    assert recovery_point(stored(w, item)).tags == {}


def test_the_intent_is_in_the_ledger_before_the_call(work: Make, services: Services) -> None:
    item = an_item()
    w = work(item)
    before: Record = {}

    def start_restore_job(**_: Any) -> dict[str, str]:
        before.update(stored(w, item))
        return {"RestoreJobId": "job-1"}

    backup(services, start_restore_job=start_restore_job)
    start(w, item, {}, CUT)
    assert before["state"] == "starting"
    assert before.keys() >= {"token", "metadata", "intentAt"}


def test_each_attempt_has_a_token_of_its_own(work: Make, services: Services) -> None:
    aws = backup(services)
    items = [an_item("a"), an_item("b"), an_item("c", attempt=2)]
    w = work(*items)
    for item in items:
        start(w, item, {}, CUT)
    assert len({request["IdempotencyToken"] for request in aws.requests("start_restore_job")}) == 3


@pytest.mark.parametrize("lost", LOST)
def test_after_a_lost_answer_the_same_call_is_made_again(work: Make, services: Services, lost: Exception) -> None:
    answers = [lost, {"RestoreJobId": "job-1"}]
    aws = backup(services, start_restore_job=lambda **_: answers.pop(0))
    item = an_item()
    w = work(item)
    start(w, item, {}, CUT)
    assert stored(w, item)["state"] == "starting"
    again = stored(w, item)
    start(w, again, {}, ago(days=9))  # the first sign has moved, but a job may run already
    first, second = aws.requests("start_restore_job")
    assert first == second
    assert stored(w, item)["state"] == "running"
    assert len(aws.requests("get_recovery_point_restore_metadata")) == 1


SAME = {"targetTableName": "orders-1", "encryptionType": "Default"}


@pytest.mark.parametrize(
    ("job", "sent", "found"),
    [
        ({}, SAME, True),
        ({}, {"TARGETTABLENAME": "orders-1", "encryptiontype": "Default"}, True),
        ({}, SAME | {"aws:backup:request-id": "added by AWS Backup"}, True),
        ({}, {"targetTableName": "orders-1"}, False),
        ({}, SAME | {"targetTableName": "orders-2"}, False),
        ({"RecoveryPointArn": point_arn("old")}, SAME, False),
        ({"IamRoleArn": ROLE + "-other"}, SAME, False),
        ({"CreationDate": ago(minutes=6)}, SAME, False),
        ({"RestoreJobId": "job-0"}, SAME, False),
    ],
)
def test_a_refused_repeat_adopts_the_job_that_the_lost_call_started_and_no_other(
    work: Make, services: Services, job: Any, sent: Any, found: bool
) -> None:
    listed = {
        "RestoreJobId": "job-9",
        "RecoveryPointArn": point_arn("new"),
        "IamRoleArn": ROLE,
        "CreationDate": ago(minutes=5).replace(microsecond=0),
    } | job
    backup(
        services,
        start_restore_job=refused("InvalidParameterValueException", "token was used"),
        get_restore_job_metadata={"Metadata": sent},
    )
    item = an_item(
        state="starting",
        token="t",
        metadata=SAME,
        intentAt=stamp(ago(minutes=5)),
        attempts=[{"jobId": "job-0", "class": "", "candidate": 0}],
    )
    start(w := work(item), item, {listed["RestoreJobId"]: listed}, CUT)
    now = stored(w, item)
    assert (now["state"], now.get("jobId")) == (("running", "job-9") if found else ("waiting", None))


@pytest.mark.parametrize(
    ("minutes", "error", "state", "attempt"),
    [
        (4, refused("InvalidParameterValueException"), "starting", 1),  # a job of the lost call may still turn up
        (6, refused("InvalidParameterValueException"), "waiting", 2),
        (29, refused("ThrottlingException"), "starting", 1),
        (31, refused("ThrottlingException"), "waiting", 2),
    ],
)
def test_a_repeat_without_a_job_counts_as_failed_only_when_none_can_turn_up_any_more(
    work: Make, services: Services, minutes: int, error: Exception, state: str, attempt: int
) -> None:
    backup(services, start_restore_job=error)
    item = an_item(state="starting", token="t", metadata=SAME, intentAt=stamp(ago(minutes=minutes)))
    start(w := work(item), item, {}, CUT)
    assert (stored(w, item)["state"], stored(w, item)["attempt"]) == (state, attempt)


def test_a_refused_first_call_is_a_failed_attempt(work: Make, services: Services) -> None:
    backup(services, start_restore_job=refused("AccessDeniedException", "User is not authorized"))
    item = an_item()
    start(w := work(item), item, {}, CUT)
    now = stored(w, item)
    assert (now["state"], now["attempt"], now["attempts"][0]["class"]) == ("waiting", 2, "permission")


@pytest.mark.parametrize(
    ("cut", "expected"),
    [(CUT, point_arn("new")), (ago(hours=1), point_arn("new")), (ago(hours=1, seconds=1), point_arn("old"))],
)
def test_the_point_is_the_newest_before_the_first_sign_as_it_is_known_now(
    work: Make, services: Services, cut: Any, expected: str
) -> None:
    aws = backup(services)
    item = an_item()
    start(w := work(item), item, {}, cut)
    assert aws.requests("start_restore_job")[0]["RecoveryPointArn"] == expected
    assert ("has moved" in stored(w, item)["chosenWhy"]) is (expected == point_arn("old"))


def test_a_point_that_the_operator_chose_is_taken_although_it_is_newer(work: Make, services: Services) -> None:
    aws = backup(services)
    chosen = {"arn": point_arn("chosen"), "createdAt": stamp(NOW), "sizeBytes": 1, "chosen": True}
    item = an_item(candidates=[chosen])
    start(work(item), item, {}, CUT)
    assert aws.requests("start_restore_job")[0]["RecoveryPointArn"] == point_arn("chosen")


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        (None, "no point is left from before the first sign of compromise, which has moved"),
        ([], "no usable point was found for it"),
    ],
)
def test_without_a_point_the_resource_is_skipped_with_the_reason(
    work: Make, services: Services, candidates: Any, words: str
) -> None:
    aws = backup(services)
    item = an_item() if candidates is None else an_item(candidates=candidates)
    start(w := work(item), item, {}, ago(days=9))
    now = stored(w, item)
    assert (now["state"], now["reason"], now["endedAt"]) == ("skipped", words, stamp(NOW))
    assert "--point" in now["nextStep"]
    assert not aws.requests("start_restore_job")


@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidRequestException", "InvalidParameterValueException"])
def test_the_points_metadata_are_a_help_and_no_condition(work: Make, services: Services, code: str) -> None:
    unread = {"get_recovery_point_restore_metadata": refused(code)}
    backup(services, **unread, get_restore_testing_inferred_metadata=refused("InvalidParameterValueException"))
    item = an_item()
    start(w := work(item), item, {}, CUT)
    assert stored(w, item)["state"] == "running"
    assert stored(w, item)["pointMetadata"] == {}


def test_where_a_points_metadata_may_not_be_read_what_aws_infers_helps(work: Make, services: Services) -> None:
    inferred = {"InferredMetadata": {"engine": "aurora-mysql"}}
    unread = {"get_recovery_point_restore_metadata": refused("AccessDeniedException")}
    backup(services, **unread, get_restore_testing_inferred_metadata=inferred)
    item = an_item()
    start(w := work(item), item, {}, CUT)
    assert stored(w, item)["pointMetadata"] == {"engine": "aurora-mysql"}


def test_a_resource_whose_points_can_not_be_looked_up_is_held(work: Make, services: Services) -> None:
    backup(services, list_recovery_points_by_backup_vault=refused("AccessDeniedException"))
    item = an_item(candidates=[])
    start(w := work(item), item, {}, CUT)
    now = stored(w, item)
    assert (now["state"], now["heldClass"], now["attempts"]) == ("held", "permission", [])
    assert now["reason"] == "its points can't be read: AccessDeniedException"


def test_a_point_that_is_gone_moves_to_the_older_one_before_anything_is_started(work: Make, services: Services) -> None:
    gone = refused("ResourceNotFoundException", "Cannot find recovery point.")
    aws = backup(services, get_recovery_point_restore_metadata=gone)
    item = an_item()
    start(w := work(item), item, {}, CUT)
    assert (stored(w, item)["state"], stored(w, item)["candidate"]) == ("waiting", 1)
    assert aws.requests("start_restore_job") == []


def test_a_point_that_is_gone_since_access_was_lost_costs_no_candidate(work: Make, services: Services) -> None:
    gone = refused("ResourceNotFoundException", "Cannot find recovery point.")
    backup(services, start_restore_job=gone, describe_backup_vault=refused("ResourceNotFoundException"))
    item = an_item()
    start(w := work(item), item, {}, CUT)
    now = stored(w, item)
    assert (now["state"], now["candidate"], now["heldClass"], now["attempts"]) == ("held", 0, "access lost", [])
    assert stored(w, w.vault)["accessLost"] is True


UNREAD: dict[str, Any] = {"get_recovery_point_restore_metadata": refused("InternalServerException", "broken", 500)}
NOT_INFERRED: dict[str, Any] = {
    "get_recovery_point_restore_metadata": refused("AccessDeniedException"),
    "get_restore_testing_inferred_metadata": refused("ThrottlingException"),
}
SILENT: dict[str, Any] = {"get_recovery_point_restore_metadata": ReadTimeoutError(endpoint_url="backup")}


@pytest.mark.parametrize("answers", [UNREAD, NOT_INFERRED, SILENT])
def test_what_can_not_be_read_of_a_point_now_is_read_again_and_keeps_back_no_other(
    work: Make, services: Services, answers: Any
) -> None:
    aws = backup(services, **answers)
    item = an_item()
    start(w := work(item), item, {}, CUT)
    now = stored(w, item)
    assert (now["state"], now["dueAt"], now["unreadSince"]) == ("waiting", NOW.timestamp() + 30, stamp(NOW))
    assert aws.requests("start_restore_job") == []
    backup(services)
    start(w, now, {}, CUT)
    assert stored(w, item)["state"] == "running"
    assert "unreadSince" not in stored(w, item)


def test_what_can_not_be_read_for_half_an_hour_has_failed(work: Make, services: Services) -> None:
    backup(services, **UNREAD)
    item = an_item(unreadSince=stamp(ago(minutes=30)))
    start(w := work(item), item, {}, CUT)
    now = stored(w, item)
    assert [attempt["message"] for attempt in now["attempts"]] == ["broken"]
    assert now["attempt"] == 2
    assert "unreadSince" not in now


def test_what_the_plan_lacks_holds_the_resource_with_the_plans_remedy(work: Make, services: Services) -> None:
    aws = backup(services)
    item = an_item()
    start(w := work(item, targets={"types": {"DynamoDB": {"metadata": {"tableName": "x"}}}}), item, {}, CUT)
    now = stored(w, item)
    assert (now["state"], now["heldClass"], now["attempts"][0]["status"]) == ("held", "metadata", "MetadataRefused")
    assert "tableName" in now["reason"]
    assert now["nextStep"].endswith(f"deploy the plan, then `airlift resume {RECOVERY_ID}`.")
    assert aws.requests("start_restore_job") == []


def test_who_lost_the_item_meanwhile_starts_nothing(work: Make, services: Services) -> None:
    aws = backup(services)
    item = an_item()
    w = work(item)
    w.ledger.write(Update((item["pk"], item["sk"]), {"attempt": 2}))
    with pytest.raises(Conflict):
        start(w, item, {}, CUT)
    assert aws.requests("start_restore_job") == []
