"""The front: requests and answers held to botocore's models; who calls; faults; rates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from local.aws import Request, Response
from local.aws.errors import AccessDenied, ConnectionDropped
from local.aws.model import parse_request, render, routes, service_model
from local.aws.shapes import find_problem
from tests.local.refusals import refused
from tests.local.story import LAG, OWNER, RECOVERY, REGION, TEAM_OWNER, client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.aws import Caller
    from local.aws.faults import Kind
    from local.aws.model import Params
    from tests.local.story import Story


def send(story: Story, method: str, path: str, query: str = "", body: bytes = b"", key: str = OWNER) -> Response:
    scope = f"AWS4-HMAC-SHA256 Credential={key}/20260101/{REGION}/backup/aws4_request, SignedHeaders=host"
    return story.world.front.handle(Request("backup", method, path, query, {"Authorization": scope}, body))


def code(answer: Response) -> str:
    assert answer.headers["x-amzn-ErrorType"] == json.loads(answer.body)["__type"]
    return answer.headers["x-amzn-ErrorType"]


@pytest.mark.parametrize("service", ["backup", "mpa", "ram"])
def test_every_operation_of_the_model_is_found_by_its_own_request(service: str) -> None:
    """Encoded by botocore, encoded as a web server gives it, and decoded."""
    from urllib.parse import quote

    arn = "arn:aws:mpa:us-east-1:999900001111:approval-team/a-team"
    for route in routes(service):
        operation = route.operation
        members: Any = operation.input_shape.members if operation.input_shape else {}
        path, _, flag = operation.http["requestUri"].partition("?")
        uri = {
            member.serialization["name"]: arn if name.lower().endswith("arn") else "name"
            for name, member in members.items()
            if member.serialization.get("location") == "uri"
        }
        for encode in (lambda text: quote(text, safe=""), lambda text: quote(text, safe="/:"), str):
            filled = path
            for name, value in uri.items():
                filled = filled.replace("{" + name + "}", encode(value)).replace("{" + name + "+}", encode(value))
            found = next(
                one.operation.name
                for one in routes(service)
                if one.method == route.method
                and one.path.fullmatch(filled)
                and (not one.flag or one.flag == flag.split("=")[0])
            )
            assert found == operation.name, filled


def test_a_request_that_breaks_the_model_is_refused(story: Story) -> None:
    cases = [
        ("PUT", "/restore-jobs", "", b'{"Metadata": {}}', "MissingParameterValueException"),
        ("PUT", "/restore-jobs", "", b'{"RecoveryPointArn": 7, "Metadata": {}}', "InvalidParameterValueException"),
        ("PUT", "/restore-jobs", "", b'{"RecoveryPointArn": "x", "Metadata": []}', "InvalidParameterValueException"),
        ("PUT", "/restore-jobs", "", b"[]", "SerializationException"),
        ("PUT", "/restore-jobs", "", b"{", "SerializationException"),
        ("GET", "/restore-jobs/", "status=DONE", b"", "InvalidParameterValueException"),
        ("GET", "/restore-jobs/", "maxResults=x", b"", "InvalidParameterValueException"),
        ("GET", "/restore-jobs/", "createdAfter=today", b"", "InvalidParameterValueException"),
        ("GET", "/nothing", "", b"", "UnknownOperationException"),
    ]
    for method, path, query, body, expected in cases:
        answer = send(story, method, path, query, body)
        assert (code(answer), answer.status) == (expected, 404 if path == "/nothing" else 400), answer.body


def test_the_caller_is_the_account_in_the_access_key(story: Story) -> None:
    assert send(story, "GET", "/backup-vaults/").status == 200
    answer = send(story, "GET", "/backup-vaults/", key="AKIAIOSFODNN7EXAMPLE")
    assert (code(answer), answer.status) == ("UnrecognizedClientException", 403)


def test_an_operation_not_provided_is_named(story: Story) -> None:
    with refused("UnsupportedLocally", "backup:ListReportPlans") as raised:
        story.backup().list_report_plans()
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_errors_have_the_models_status_and_members(story: Story) -> None:
    story.vaults()
    with refused("AlreadyExistsException") as raised:
        story.backup(OWNER).create_backup_vault(BackupVaultName="lag")
    assert raised.value.response["Arn"] == LAG  # type: ignore[typeddict-item]
    with refused("ResourceNotFoundException") as raised:
        story.mpa().get_session(SessionArn="arn:aws:mpa:us-east-1:999900001111:session/team/none")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_an_answer_that_breaks_the_model_is_a_fault_of_the_service() -> None:
    operation = service_model("backup").operation_model("DescribeBackupVault")
    for answer in ({"Vault": "x"}, {"BackupVaultName": 1}, {"VaultState": "GONE"}, {"CreationDate": "now"}):
        with pytest.raises(TypeError, match="against its model"):
            render(operation, answer)
    with pytest.raises(TypeError, match="answers nothing"):
        render(service_model("backup").operation_model("TagResource"), {"a": 1})
    assert render(operation, {"BackupVaultName": "ok", "EncryptionKeyArn": None}) == b'{"BackupVaultName": "ok"}'


def test_times_are_written_as_each_model_says(story: Story) -> None:
    backup = service_model("backup").operation_model("DescribeBackupVault")
    assert render(backup, {"CreationDate": 12.5}) == b'{"CreationDate": 12.5}'
    session = service_model("mpa").operation_model("GetSession")
    assert b'"1970-01-01T00:00:12.500Z"' in render(session, {"InitiationTime": 12.5})
    query = "createdAfter=1970-01-01T00%3A00%3A12Z"
    _, params = parse_request("backup", "GET", "/restore-jobs/", query, {}, b"")
    assert params["ByCreatedAfter"] == 12.0


def test_lengths_and_patterns_of_the_model_hold(story: Story) -> None:
    shape = service_model("mpa").shape_for("Description")
    assert find_problem("", shape, "d") is not None
    assert find_problem("x" * 257, shape, "d") is not None
    with refused("ValidationException", "SessionArn"):
        story.mpa().get_session(SessionArn="arn:aws:mpa:us-east-1:999900001111:team/none/none")


KINDS: list[tuple[Kind, str, int]] = [
    ("throttle", "ThrottlingException", 400),
    ("error500", "InternalFailure", 500),
    ("error503", "ServiceUnavailableException", 503),
    ("denied", "AccessDeniedException", 403),
]


@pytest.mark.parametrize(("kind", "expected", "status"), KINDS)
def test_planned_errors_of_calls(story: Story, kind: Kind, expected: str, status: int) -> None:
    faults = story.world.faults
    faults.plan("backup", "CreateBackupVault", kind, match=lambda params: params["BackupVaultName"] == "hit")
    story.backup(OWNER).create_backup_vault(BackupVaultName="spared")
    assert [fault.times for fault in faults.unhit()] == [1]
    with refused(expected) as raised:
        story.backup(OWNER).create_backup_vault(BackupVaultName="hit")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] in (status, 500 if status == 503 else status)
    assert faults.unhit() == []
    story.backup(OWNER).create_backup_vault(BackupVaultName="hit")


@pytest.mark.parametrize("after", [False, True])
def test_a_dropped_connection_may_have_had_its_effect(story: Story, after: bool) -> None:
    story.world.faults.plan("backup", "CreateBackupVault", "drop", after_effect=after)
    with pytest.raises(ConnectionClosedError):
        story.backup(OWNER).create_backup_vault(BackupVaultName="plain")
    found = story.backup(OWNER).list_backup_vaults()["BackupVaultList"]
    assert [one["BackupVaultName"] for one in found] == (["plain"] if after else [])
    story.world.faults.plan("backup", "ListBackupVaults", "drop")
    with pytest.raises(ConnectionDropped):
        send(story, "GET", "/backup-vaults/")


def test_throttling_of_the_other_services_is_their_own(story: Story) -> None:
    calls: list[tuple[str, str, Any]] = [
        ("mpa", "ListApprovalTeams", story.mpa().list_approval_teams),
        ("ram", "GetResourceShareInvitations", client("ram", TEAM_OWNER).get_resource_share_invitations),
    ]
    for service, operation, call in calls:
        story.world.faults.plan(service, operation, "throttle")
        with refused("ThrottlingException"):
            call()
        story.world.faults.plan(service, operation, "error500")
        with refused("InternalServerException" if service == "mpa" else "ServerInternalException"):
            call()


def test_a_client_that_retries_gets_over_a_planned_error(story: Story) -> None:
    story.world.faults.plan("backup", "ListBackupVaults", "error503")
    session = boto3.Session(aws_access_key_id=OWNER, aws_secret_access_key="x", region_name=REGION)
    backup: Any = session.client("backup", config=Config(retries={"mode": "standard", "max_attempts": 2}))
    assert backup.list_backup_vaults()["BackupVaultList"] == []
    assert story.world.faults.unhit() == []


@pytest.mark.parametrize(
    ("operation", "rate"),
    [("describe_backup_vault", 5), ("list_recovery_points_by_backup_vault", 20)],
)
def test_calls_above_the_published_rate_are_throttled(story: Story, operation: str, rate: int) -> None:
    story.vaults()
    story.wait(60)

    def call(account: str = OWNER) -> None:
        getattr(story.backup(account), operation)(BackupVaultName="lag")

    for _ in range(rate):
        call()
    with refused("ThrottlingException"):
        call()
    with refused("ResourceNotFoundException"):
        call(RECOVERY)
    for _ in range(100):
        story.wait(1 / rate)
        call()


def test_all_calls_together_have_a_rate(story: Story) -> None:
    story.wait(60)
    for _ in range(50):
        story.backup(OWNER).describe_region_settings()
    with refused("ThrottlingException"):
        story.backup(OWNER).describe_global_settings()


def test_clients_made_before_and_after_are_left_alone_once_uninstalled(story: Story) -> None:
    from local.aws import install_botocore

    uninstall = install_botocore(story.world.front, ["mpa"])
    early = client("mpa", TEAM_OWNER, "us-east-1")
    uninstall()
    # The story's own installation still answers.
    assert early.list_approval_teams()["ApprovalTeams"] == []


def test_a_guard_stands_above_permissions(story: Story) -> None:
    asked: list[tuple[str, Any]] = []

    def guard(_caller: Caller, action: str, _resources: Sequence[str], params: Params) -> None:
        asked.append((action, params))
        raise AccessDenied("with an explicit deny in a service control policy")

    story.world.front.guard = guard
    with refused("AccessDeniedException", "service control policy"):
        story.backup().create_backup_vault(BackupVaultName="plain", CreatorRequestId="one")
    assert asked == [("backup:CreateBackupVault", {"BackupVaultName": "plain", "CreatorRequestId": "one"})]
    assert story.asked == []
