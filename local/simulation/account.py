"""What an account is told about itself: concurrency, images it may launch, its organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.simulation.sdk import Call, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws import Settings
    from local.simulation.sdk import Facade


class AccountSettings:
    """Answers for the recovery account; tests change what it says."""

    def __init__(self, settings: Settings) -> None:
        self.concurrency = 1000
        self._settings = settings
        self.facades: dict[str, Facade] = {
            "lambda:GetAccountSettings": self._lambda,
            "ec2:GetAllowedImagesSettings": lambda _call: self.images,
            "organizations:DescribeOrganization": self._organization,
        }

    @property
    def images(self) -> dict[str, Any]:
        """EC2's Allowed AMIs: what the account says, and what restores of instances meet."""
        return self._settings.allowed_images

    @images.setter
    def images(self, images: dict[str, Any]) -> None:
        self._settings.allowed_images = images

    def _lambda(self, _call: Call) -> Mapping[str, Any]:
        limits = ("ConcurrentExecutions", "UnreservedConcurrentExecutions")
        return {"AccountLimit": dict.fromkeys(limits, self.concurrency), "AccountUsage": {}}

    def _organization(self, call: Call) -> Mapping[str, Any]:
        top = self._settings.management_account(call.account)
        if top not in self._settings.organizations:
            raise ServiceError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
        arn = f"arn:aws:organizations::{top}:organization/o-{top}"
        return {"Organization": {"Id": f"o-{top}", "Arn": arn, "MasterAccountId": top, "FeatureSet": "ALL"}}
