"""Organizations: ministack's, with the story's member accounts and with service control policies that bind them.

Only denials of a policy count: the default policy FullAWSAccess, which allows everything, is taken to be attached
everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.core import iam_evaluator
from ministack.core.responses import request_scope
from ministack.services import organizations as service

from local.aws.errors import AccessDenied
from local.cloud.permissions import role_arn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from local.aws.model import Params
    from local.aws.wire import Caller

_HOME = "us-east-1"
_CONDITIONS = {"MpaApprovalTeamArn": "backup:mpaapprovalteamarn"}
"""Parameters that are condition keys (service authorization reference, AWS Backup)."""


class Organizations:
    """The organizations of the local cloud: management account -> member accounts."""

    def __init__(self, members: Mapping[str, frozenset[str]]) -> None:
        self._members = members

    def install(self) -> None:
        """Let management accounts know their members, and ministack's services ask for denials."""
        ensure, enforce = service._ensure_org, iam_evaluator.enforce
        describe = service._DISPATCH["DescribeOrganization"]

        def ensure_organization() -> None:
            ensure()
            self._add_members()

        def enforced(key: str, action: str, name: str, region: str, **about: Any) -> Any:
            refused = enforce(key, action, name, region, **about)
            caller = None if refused or not key else iam_evaluator.resolve_caller_identity(key)
            if caller is None:
                return refused
            resource, context = about.get("resource_arn", "*"), about.get("service_context") or {}
            denied = self._denies(str(caller["userArn"]), action, resource, region, context)
            return iam_evaluator.EvalResult("Deny", str(caller["userArn"])) if denied else None

        def described(payload: Any) -> Any:
            """A member account is told about the organization that it is in."""
            account = service.get_account_id()
            top = next((top for top, members in self._members.items() if account in members), account)
            with request_scope(top, _HOME):
                return describe(payload)

        service._ensure_org = ensure_organization
        service._DISPATCH["DescribeOrganization"] = described
        iam_evaluator.enforce = enforced

    def guard(self, caller: Caller, action: str, resources: Sequence[str], params: Params) -> None:
        """The `guard` hook of local/aws. Raises AccessDenied."""
        context = {key: params[name] for name, key in _CONDITIONS.items() if name in params}
        for resource in resources:
            if self._denies(caller.principal_arn, action, resource, caller.region, context):
                raise AccessDenied(
                    f"User: {caller.principal_arn} is not authorized to perform: {action} on resource: {resource} "
                    "with an explicit deny in a service control policy"
                )

    def _denies(self, principal: str, action: str, resource: str, region: str, context: Mapping[str, Any]) -> bool:
        account = principal.split(":")[4]
        top = next((top for top, members in self._members.items() if account in members), None)
        if top is None:  # no organization, or its management account, which no policy binds
            return False
        with request_scope(top, _HOME):
            policies = [iam_evaluator.parse_policy_document(text) for text in self._policies(account)]
        asked = iam_evaluator.EvalContext(
            principal_arn=role_arn(principal),
            principal_type="",
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=region,
            service_context={name.lower(): value for name, value in context.items()},
        )
        return bool(iam_evaluator.evaluate(asked, policies).decision == "Deny")

    def _policies(self, account: str) -> Iterator[str]:
        """The policies of an account, of the units it is in, and of the root."""
        target: str | None = account
        while target:
            for policy, attached in service._attachments.items():
                if target in attached:
                    yield service._policies[policy]["_Content"]
            target = (service._accounts.get(target) or service._ous.get(target) or {}).get("_ParentId")

    def _add_members(self) -> None:
        top = service.get_account_id()
        for account in self._members.get(top, ()):
            if account not in service._accounts:
                own = service._accounts[top]
                service._accounts[account] = own | {
                    "Id": account,
                    "Arn": own["Arn"].rpartition("/")[0] + f"/{account}",
                    "Email": f"{account}@example.com",
                    "Name": account,
                }
