"""Identity sources: where approvers come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.aws.errors import AwsError, not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.aws.context import Context
    from local.aws.model import Params
    from local.aws.wire import Caller


class IdentitySources:
    """Operations on identity sources."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sources: dict[str, dict[str, Any]] = {}
        self.is_used: Callable[[str], bool] = lambda _arn: False
        """Whether a team has approvers of a source; teams answer it."""

    def arn(self, account: str) -> str | None:
        """The ARN of the account's identity source, if it has one."""
        source = self._sources.get(account)
        return str(source["IdentitySourceArn"]) if source else None

    def create_identity_source(self, caller: Caller, params: Params) -> Params:
        """CreateIdentitySource: one an account (mpa-limits.html)."""
        if caller.account in self._sources:
            raise AwsError("ServiceQuotaExceededException", "The account has an identity source.", status=402)
        center = params["IdentitySourceParameters"].get("IamIdentityCenter")
        if center is None:
            raise AwsError("ValidationException", "IamIdentityCenter is required.")
        arn = f"arn:aws:mpa:us-east-1:{caller.account}:identity-source/{self._context.ids.uuid()}"
        portal = {"ApprovalPortalUrl": f"https://mpa.{arn.rpartition('/')[2]}.portal.example"}
        source = {
            "IdentitySourceType": "IAM_IDENTITY_CENTER",
            "IdentitySourceParameters": {"IamIdentityCenter": center | portal},
            "IdentitySourceArn": arn,
            "CreationTime": self._context.clock.now(),
            "Status": "ACTIVE",
        }
        self._sources[caller.account] = source
        return {name: source[name] for name in ("IdentitySourceType", "IdentitySourceArn", "CreationTime")}

    def get_identity_source(self, caller: Caller, params: Params) -> Params:
        """GetIdentitySource."""
        return self._own(caller, params)

    def delete_identity_source(self, caller: Caller, params: Params) -> None:
        """DeleteIdentitySource: refused while a team's approvers come from it (inferred)."""
        arn = self._own(caller, params)["IdentitySourceArn"]
        if self.is_used(arn):
            raise AwsError("ConflictException", f"Identity source {arn} is used by an approval team.", status=409)
        del self._sources[caller.account]

    def list_identity_sources(self, caller: Caller, _params: Params) -> Params:
        """ListIdentitySources."""
        source = self._sources.get(caller.account)
        return {"IdentitySources": [source] if source else []}

    def _own(self, caller: Caller, params: Params) -> dict[str, Any]:
        source = self._sources.get(caller.account)
        if source is None or source["IdentitySourceArn"] != params["IdentitySourceArn"]:
            raise not_found(f"Identity source {params['IdentitySourceArn']}")
        return source
