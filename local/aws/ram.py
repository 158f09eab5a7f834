"""AWS Resource Access Manager, as far as sharing an approval team needs it: shares, invitations, listings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.aws.errors import AwsError
from local.aws.wire import Caller, Service

if TYPE_CHECKING:
    from local.aws.context import Context
    from local.aws.model import Params

INVITATION_SECONDS = 12 * 3600
"""An invitation can be accepted for 12 hours (RAM user guide; MPA share-team.html)."""

TEAM_REGION = "us-east-1"
TEAM_TYPE = "mpa:approval-team"
"""The resource type RAM has for a team (inferred)."""

PERMISSION = "arn:aws:ram::aws:permission/AWSRAMMPAApprovalTeamAccess"
"""RAM's managed permission for teams, the default one too (MPA share-team.html)."""

Owns = Callable[[str, str], bool]


@dataclass
class Invitation:
    """An account's invitation to a share."""

    arn: str
    receiver: str
    invited: float
    status: str = "PENDING"


@dataclass
class Share:
    """A resource share; a principal has access once it has accepted."""

    arn: str
    name: str
    owner: str
    region: str
    external: bool
    created: float
    resources: dict[str, float] = field(default_factory=dict)
    principals: dict[str, Invitation] = field(default_factory=dict)


class Ram:
    """Shares approval teams. `owns(resource_arn, account)` tells whether a resource exists and is the account's."""

    def __init__(self, context: Context, owns: Owns) -> None:
        self._context = context
        self._owns = owns
        self._shares: dict[str, Share] = {}
        self.service = Service((self,))

    def is_shared(self, resource_arn: str, account: str) -> bool:
        """Whether `account` has accepted a share of the resource."""
        return any(
            resource_arn in share.resources
            and account in share.principals
            and share.principals[account].status == "ACCEPTED"
            for share in self._shares.values()
        )

    def create_resource_share(self, caller: Caller, params: Params) -> Params:
        """CreateResourceShare."""
        arn = f"arn:aws:ram:{caller.region}:{caller.account}:resource-share/{self._context.ids.uuid()}"
        now = self._context.clock.now()
        external = params.get("allowExternalPrincipals", True)
        for permission in params.get("permissionArns", ()):
            if permission != PERMISSION:
                raise _error("UnknownResourceException", f"Permission {permission} was not found.")
        share = Share(arn, params["name"], caller.account, caller.region, external, now)
        self._associate(share, params)
        self._shares[arn] = share
        return {"resourceShare": self._describe(share)}

    def associate_resource_share(self, caller: Caller, params: Params) -> Params:
        """AssociateResourceShare."""
        share = self._owned(caller, params["resourceShareArn"])
        self._associate(share, params)
        return {"resourceShareAssociations": self._named(share, params)}

    def disassociate_resource_share(self, caller: Caller, params: Params) -> Params:
        """DisassociateResourceShare: whoever is taken out loses access, and an open invitation."""
        share = self._owned(caller, params["resourceShareArn"])
        gone = self._named(share, params)
        for item in gone:
            share.resources.pop(item["associatedEntity"], None)
            share.principals.pop(item["associatedEntity"], None)
        return {"resourceShareAssociations": [item | {"status": "DISASSOCIATED"} for item in gone]}

    def delete_resource_share(self, caller: Caller, params: Params) -> Params:
        """DeleteResourceShare."""
        del self._shares[self._owned(caller, params["resourceShareArn"]).arn]
        return {"returnValue": True}

    def get_resource_share_invitations(self, caller: Caller, params: Params) -> Params:
        """GetResourceShareInvitations: those the caller's account received."""
        arns, shares = params.get("resourceShareInvitationArns"), params.get("resourceShareArns")
        return {
            "resourceShareInvitations": [
                self._invitation(share, invitation)
                for share, invitation in self._received(caller)
                if (not arns or invitation.arn in arns) and (not shares or share.arn in shares)
            ]
        }

    def accept_resource_share_invitation(self, caller: Caller, params: Params) -> Params:
        """AcceptResourceShareInvitation: by the invited account, within 12 hours."""
        arn = params["resourceShareInvitationArn"]
        found = next((pair for pair in self._received(caller) if pair[1].arn == arn), None)
        if found is None:
            raise _error("ResourceShareInvitationArnNotFoundException", f"Invitation {arn} was not found.")
        share, invitation = found
        if invitation.status != "PENDING":
            state = "AlreadyAccepted" if invitation.status == "ACCEPTED" else "Expired"
            raise _error(f"ResourceShareInvitation{state}Exception", f"Invitation {arn} is {invitation.status}.")
        invitation.status = "ACCEPTED"
        return {"resourceShareInvitation": self._invitation(share, invitation)}

    def get_resource_shares(self, caller: Caller, params: Params) -> Params:
        """GetResourceShares, of SELF or of OTHER-ACCOUNTS."""
        arns, name = params.get("resourceShareArns"), params.get("name")
        return {
            "resourceShares": [
                self._describe(share)
                for share in self._visible(caller, params["resourceOwner"])
                if (not arns or share.arn in arns) and (not name or share.name == name)
            ]
        }

    def get_resource_share_associations(self, caller: Caller, params: Params) -> Params:
        """GetResourceShareAssociations of the caller's own shares."""
        arns = params.get("resourceShareArns")
        return {
            "resourceShareAssociations": [
                item
                for share in self._visible(caller, "SELF")
                if not arns or share.arn in arns
                for item in self._associations(share)
                if item["associationType"] == params["associationType"]
            ]
        }

    def list_resources(self, caller: Caller, params: Params) -> Params:
        """ListResources the caller shares (SELF) or may use (OTHER-ACCOUNTS)."""
        arns = params.get("resourceArns")
        return {
            "resources": [
                {
                    "arn": arn,
                    "type": TEAM_TYPE,
                    "resourceShareArn": share.arn,
                    "status": "AVAILABLE",
                    "creationTime": created,
                    "lastUpdatedTime": created,
                    "resourceRegionScope": "REGIONAL",
                }
                for share in self._visible(caller, params["resourceOwner"])
                for arn, created in share.resources.items()
                if (not arns or arn in arns) and params.get("resourceType", TEAM_TYPE) == TEAM_TYPE
            ]
        }

    def _visible(self, caller: Caller, owner: str) -> list[Share]:
        def shown(share: Share) -> bool:
            if owner == "SELF":
                return share.owner == caller.account
            accepted = share.principals.get(caller.account)
            return accepted is not None and accepted.status == "ACCEPTED"

        return [share for share in self._shares.values() if share.region == caller.region and shown(share)]

    def _owned(self, caller: Caller, arn: str) -> Share:
        share = self._shares.get(arn)
        if share is None or (share.owner, share.region) != (caller.account, caller.region):
            raise _error("UnknownResourceException", f"Resource share {arn} was not found.")
        return share

    def _received(self, caller: Caller) -> list[tuple[Share, Invitation]]:
        now = self._context.clock.now()
        found = []
        for share in self._shares.values():
            invitation = share.principals.get(caller.account)
            if invitation is None or share.region != caller.region:
                continue
            if invitation.status == "PENDING" and now >= invitation.invited + INVITATION_SECONDS:
                invitation.status = "EXPIRED"
            found.append((share, invitation))
        return found

    def _associate(self, share: Share, params: Params) -> None:
        now = self._context.clock.now()
        resources, principals = params.get("resourceArns", ()), params.get("principals", ())
        for arn in resources:
            if not self._owns(arn, share.owner) or share.region != TEAM_REGION:
                raise _error("UnknownResourceException", f"{arn} can't be shared from {share.region}.")
        settings = self._context.settings
        for account in principals:
            if not re.fullmatch(r"\d{12}", account):
                raise _error("InvalidParameterException", f"Principal {account} is not an account id.")
            top = settings.management_account
            if not share.external and top(account) != top(share.owner):
                raise _error("OperationNotPermittedException", f"{account} is outside the organization.")
        share.resources.update(dict.fromkeys(resources, now))
        for account in principals:
            # Without organization-wide sharing, members are invited just as outsiders are.
            uid = self._context.ids.uuid()
            arn = f"arn:aws:ram:{share.region}:{share.owner}:resource-share-invitation/{uid}"
            earlier = share.principals.get(account)
            if earlier is None or earlier.status == "EXPIRED":
                share.principals[account] = Invitation(arn, account, now)

    def _named(self, share: Share, params: Params) -> list[dict[str, Any]]:
        named = {*params.get("resourceArns", ()), *params.get("principals", ())}
        return [item for item in self._associations(share) if item["associatedEntity"] in named]

    def _describe(self, share: Share) -> dict[str, Any]:
        return {
            "resourceShareArn": share.arn,
            "name": share.name,
            "owningAccountId": share.owner,
            "allowExternalPrincipals": share.external,
            "status": "ACTIVE",
            "creationTime": share.created,
            "lastUpdatedTime": share.created,
            "featureSet": "STANDARD",
        }

    def _associations(self, share: Share) -> list[dict[str, Any]]:
        top = self._context.settings.management_account
        entities = [(arn, "RESOURCE", "ASSOCIATED", False) for arn in share.resources]
        entities += [
            (
                account,
                "PRINCIPAL",
                {"ACCEPTED": "ASSOCIATED", "PENDING": "ASSOCIATING"}.get(invitation.status, "FAILED"),
                top(account) != top(share.owner),
            )
            for account, invitation in share.principals.items()
        ]
        return [
            {
                "resourceShareArn": share.arn,
                "resourceShareName": share.name,
                "associatedEntity": entity,
                "associationType": kind,
                "status": status,
                "creationTime": share.created,
                "lastUpdatedTime": share.created,
                "external": external,
            }
            for entity, kind, status, external in entities
        ]

    def _invitation(self, share: Share, invitation: Invitation) -> dict[str, Any]:
        return {
            "resourceShareInvitationArn": invitation.arn,
            "resourceShareName": share.name,
            "resourceShareArn": share.arn,
            "senderAccountId": share.owner,
            "receiverAccountId": invitation.receiver,
            "invitationTimestamp": invitation.invited,
            "status": invitation.status,
        }


def _error(code: str, message: str) -> AwsError:
    return AwsError(code, message)
