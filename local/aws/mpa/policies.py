"""Multi-party approval's managed policies: what a team may be asked to approve."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.aws.errors import not_found

if TYPE_CHECKING:
    from local.aws.model import Params
    from local.aws.wire import Caller

POLICY = "arn:aws:mpa:::aws:policy/backup.amazonaws.com/CreateRestoreAccessVault"
"""AWS Backup's policy; the name is documented, the three colons are the model's."""

POLICY_NAME = "CreateRestoreAccessVault"
VERSIONS = (f"{POLICY}/1", f"{POLICY}/$DEFAULT")
_PUBLISHED = 1_750_118_400.0  # 17 June 2025, when AWS Backup's integration appeared
_DOCUMENT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "VaultOwnerPermissions",
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["mpa:StartSession", "mpa:CancelSession"],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {
                        "mpa:RequestedOperation": "backup:RevokeRestoreAccessBackupVault",
                        "mpa:ProtectedResourceAccount": "${aws:PrincipalAccount}",
                    },
                    "Bool": {"aws:ViaAWSService": "true"},
                },
            }
        ],
    }
)


class Policies:
    """ListPolicies, ListPolicyVersions, GetPolicyVersion."""

    def list_policies(self, _caller: Caller, _params: Params) -> Params:
        """ListPolicies: one page has them all."""
        item = {"Arn": POLICY, "DefaultVersion": 1, "PolicyType": "AWS_MANAGED", "Name": POLICY_NAME}
        return {"Policies": [item]}

    def list_policy_versions(self, _caller: Caller, params: Params) -> Params:
        """ListPolicyVersions."""
        if params["PolicyArn"] != POLICY:
            raise not_found(f"Policy {params['PolicyArn']}")
        return {"PolicyVersions": [_version()]}

    def get_policy_version(self, _caller: Caller, params: Params) -> Params:
        """GetPolicyVersion, by number or $DEFAULT; the document as the Backup guide's administrator tasks show it."""
        if params["PolicyVersionArn"] not in VERSIONS:
            raise not_found(f"Policy version {params['PolicyVersionArn']}")
        return {"PolicyVersion": _version() | {"Document": _DOCUMENT}}


def _version() -> dict[str, Any]:
    return {
        "Arn": VERSIONS[0],
        "PolicyArn": POLICY,
        "VersionId": 1,
        "PolicyType": "AWS_MANAGED",
        "IsDefault": True,
        "Name": POLICY_NAME,
        "Status": "ATTACHABLE",
        "CreationTime": _PUBLISHED,
        "LastUpdatedTime": _PUBLISHED,
    }
