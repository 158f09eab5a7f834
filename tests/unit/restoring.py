"""Builders for the tests of the families: a recovery account in moto, a recovery point, a target."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from airlift.restore.base import RecoveryPoint, Restored, Target
from botocore.stub import Stubber
from hypothesis import settings
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airlift.restore.base import Clients, Family

REPEATABLE = settings(deadline=None, derandomize=True)
REGION = "ap-northeast-1"
RECOVERY_ID = "r-20261124-111122223333-ab12"


def make_client(service: str, **settings: str) -> Any:
    """A client of a session of its own, since a shared one would keep moto's hooks and credentials."""
    make: Any = boto3.Session().client
    return make(service, **settings)


@contextmanager
def recovery_account() -> Iterator[Clients]:
    """An empty account; gives its clients."""
    with mock_aws():
        made: dict[str, Any] = {}

        def clients(service: str) -> Any:
            if service not in made:
                made[service] = make_client(service, region_name=REGION)
            return made[service]

        yield clients


@contextmanager
def answers(service: str, *calls: tuple[str, dict[str, Any] | str]) -> Iterator[Clients]:
    """Clients that answer as told, in this order; an error's code stands for an answer that is that error."""
    client = make_client(service, region_name=REGION, aws_access_key_id="none", aws_secret_access_key="none")
    with Stubber(client) as stub:
        for operation, answer in calls:
            if isinstance(answer, str):
                stub.add_client_error(operation, answer)
            else:
                stub.add_response(operation, answer)
        yield lambda _: client
        stub.assert_no_pending_responses()


def a_point(resource_arn: str, resource_type: str, size_bytes: int = 0) -> RecoveryPoint:
    """A recovery point in the vault of the compromised account."""
    return RecoveryPoint(
        arn=f"arn:aws:backup:{REGION}:111122223333:recovery-point:2c1a7c5e-0000-4000-8000-000000000001",
        resource_arn=resource_arn,
        resource_type=resource_type,
        created_at=datetime(2026, 11, 20, 3, 0, tzinfo=UTC),
        size_bytes=size_bytes,
    )


def a_target(
    attempt: int = 1, metadata: Mapping[str, str] | None = None, region: str = REGION, **options: Any
) -> Target:
    """Where the first attempt restores to, with the plan's metadata and options."""
    return Target(
        recovery_id=RECOVERY_ID,
        account=DEFAULT_ACCOUNT_ID,
        region=region,
        attempt=attempt,
        metadata=metadata or {},
        options=options,
    )


def restored(family: Family, point: RecoveryPoint, target: Target, created: str, status_message: str = "") -> Restored:
    """What a job that made `created` left behind."""
    return Restored(point, target, family.metadata(point, target), created, status_message)
