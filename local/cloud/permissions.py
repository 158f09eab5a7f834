"""Who calls, and whether IAM lets them: ministack's own evaluator, on the roles its IAM holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ministack.core import iam_evaluator
from ministack.core.responses import request_scope
from ministack.services import sts

from local.aws.errors import AccessDenied
from local.aws.wire import Caller, account_as_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/")
_BACKUP = "backup.amazonaws.com"


def identify(headers: Mapping[str, str]) -> Caller:
    """The caller of a request whose signature ministack has verified: an account's root, or an assumed role."""
    scope = _CREDENTIAL.search(headers.get("authorization", ""))
    session = sts._sessions.get(scope["key"]) if scope else None  # noqa: SLF001 - no public way to it
    if scope is None or session is None:
        return account_as_key(headers)
    arn = str(session["Arn"])
    return Caller(arn.split(":")[4], scope["region"], arn)


def allows(principal: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
    """Whether a root, a role or an assumed role may do `action` on `resource`, with its policies of this moment."""
    _, _, _, _, account, name = principal.split(":", 5)
    if name == "root":
        return True
    role = name.split("/")[1] if name.startswith("assumed-role/") else name.rpartition("/")[2]
    region = resource.split(":")[3] if resource.startswith("arn:") else ""
    with request_scope(account, region):
        asked = iam_evaluator.EvalContext(
            principal_arn=principal,
            principal_type="AssumedRole",
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=region,
            service_context=dict(context or {}),
        )
        policies = iam_evaluator._gather_role_policies(role, account)  # noqa: SLF001
        return bool(iam_evaluator.evaluate(asked, policies).decision == "Allow")


def authorize(caller: Caller, action: str, resources: Sequence[str]) -> None:
    """The `authorize` hook of local/aws. Raises AccessDenied naming action and resource."""
    context = {"iam:passedtoservice": _BACKUP} if action == "iam:PassRole" else None
    for resource in resources:
        if not allows(caller.principal_arn, action, resource, context):
            raise AccessDenied(
                f"User: {caller.principal_arn} is not authorized to perform: {action} on resource: {resource} "
                f"because no identity-based policy allows the {action} action"
            )


