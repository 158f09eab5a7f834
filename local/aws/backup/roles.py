"""The role that AWS Backup is to act with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from local.aws.errors import AccessDenied, invalid_parameter

if TYPE_CHECKING:
    from local.aws.context import Context
    from local.aws.wire import Caller

PRINCIPAL = "backup.amazonaws.com"


def check_role(context: Context, caller: Caller, role_arn: str) -> None:
    """The role must be of the caller's account, passable by the caller, exist, and trust AWS Backup.

    Raises AccessDenied, or InvalidParameterValueException for a role that can't be assumed (the text is AWS's, the
    moment is inferred).
    """
    parts = role_arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise invalid_parameter(f"{role_arn} is not an IAM role ARN.")
    if parts[4] != caller.account:
        raise AccessDenied("Cross-account pass role is not allowed.")
    context.authorize(caller, "iam:PassRole", [role_arn])
    iam = context.clients("iam", caller.account, caller.region)
    try:
        role = iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
    except iam.exceptions.NoSuchEntityException:
        role = None
    if role is None or not _trusts_backup(role["AssumeRolePolicyDocument"]):
        raise invalid_parameter(f"IAM Role {role_arn} cannot be assumed by AWS Backup")


def _trusts_backup(document: Any) -> bool:
    policy = json.loads(unquote(document)) if isinstance(document, str) else document
    return any(
        statement["Effect"] == "Allow"
        and "sts:AssumeRole" in _listed(statement.get("Action"))
        and PRINCIPAL in _listed(_services(statement.get("Principal")))
        for statement in _listed(policy["Statement"])
    )


def _services(principal: Any) -> Any:
    return principal.get("Service") if isinstance(principal, Mapping) else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
