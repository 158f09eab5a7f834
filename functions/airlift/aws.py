"""boto3 clients, made once per execution environment and Region."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from airlift.logs import log_call

MPA_REGION = "us-east-1"
"""Multi-party approval answers only here (docs.aws.amazon.com/mpa/latest/userguide/mpa-region-support.html)."""

TRIES = 4
"""How often a call is made before its failure is told, the first time included."""
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": TRIES},
    connect_timeout=5,
    read_timeout=15,
    user_agent_extra="airlift",
)


_OF_SERVICE = {
    # The approval waits on; a Region that does not answer must not cost a step its time.
    "mpa": Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2}),
    # An invocation that is repeated while the first one runs would do the work twice.
    "lambda": Config(connect_timeout=5, read_timeout=110, retries={"mode": "standard", "total_max_attempts": 1}),
}

_MAKING = Lock()
"""Clients may be used by several threads, but not made by them (boto3, guide/clients.html)."""


@lru_cache(maxsize=64)
def client(service: str, region: str | None = None) -> Any:
    """A client of `service` in `region`, or in the function's own Region."""
    session: Any = boto3  # its stubs know services by literal name only
    with _MAKING:
        made = session.client(service, region_name=region, config=_CONFIG.merge(_OF_SERVICE.get(service, Config())))
    made.meta.events.register("after-call", log_call)
    return made


def listed(client: Any, operation: str, member: str, **of_what: Any) -> list[dict[str, Any]]:
    """All that an operation lists in this member of its answer, over all pages. Raises botocore's errors."""
    return [one for page in client.get_paginator(operation).paginate(**of_what) for one in page[member]]


def client_as(role_arn: str, service: str, region: str) -> Any:
    """A client of `service` with the rights of a role, also of another account."""
    role = client("sts").assume_role(RoleArn=role_arn, RoleSessionName="airlift", DurationSeconds=900)["Credentials"]
    session: Any = boto3
    return session.client(
        service,
        region_name=region,
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
        config=_CONFIG,
    )
