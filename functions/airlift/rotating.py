"""Which credentials came back with what was restored and must be changed, and what no vault holds. Pure.

What an attacker could read in the source account, a restored copy may still accept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Credential(NamedTuple):
    """Something that still opens the restored resource, or lies in it, and how it is changed."""

    what: str
    how: str


_MASTER = Credential(
    "The master user's password, which is the source's",
    "ModifyDBCluster with ManageMasterUserPassword, or with a new MasterUserPassword; then point applications at it.",
)
_DATABASE_USERS = Credential(
    "Passwords of all other database users, which lie in the restored data",
    "ALTER USER or its like for each user, as the new master user; drop users that nobody knows.",
)
_ON_DISK = Credential(
    "Keys, tokens and passwords in files: .aws/credentials, .env, SSH host and user keys, kubeconfigs, Terraform state",
    "Look for them from an isolated instance; revoke what is found where it was issued, then replace the files.",
)
_INSTANCE = (
    Credential(
        "Key pairs in authorized_keys and passwords of local users",
        "Replace authorized_keys and local passwords before the instance leaves its isolated network.",
    ),
    Credential(
        "Access keys and secrets in the source's user data and environment files",
        "Deactivate them in the source account (UpdateAccessKey), rotate the secrets, and start with clean user data.",
    ),
    Credential(
        "Registrations of agents: Systems Manager, domain membership, monitoring, configuration management",
        "Register the instance anew in the recovery account; remove the old registrations.",
    ),
    _ON_DISK,
)
_DSQL = (
    Credential(
        "Database roles that are mapped to IAM roles of the source account",
        "Look at sys.iam_pg_role_mappings; AWS IAM REVOKE the old ARNs, AWS IAM GRANT those of clean roles.",
    ),
)
_TABLES = Credential(
    "Session tokens, API keys and password hashes kept as items",
    "Invalidate sessions, and rotate what the application stores there.",
)

CREDENTIALS: Mapping[str, tuple[Credential, ...]] = {
    "Aurora": (_MASTER, _DATABASE_USERS),
    "DocumentDB": (_MASTER, _DATABASE_USERS),
    "Neptune": (
        Credential(
            "Roles attached to the source cluster, and IAM users that may connect to it",
            "Attach new roles (AddRoleToDBCluster); allow neptune-db actions on the new cluster only to clean roles.",
        ),
    ),
    "Aurora DSQL": _DSQL,
    "DSQL": _DSQL,
    "DynamoDB": (_TABLES,),
    "Timestream": (_TABLES,),
    "S3": (
        Credential(
            "Presigned URLs that applications handed out or stored, and the keys that signed them",
            "Old URLs name the old bucket; deactivate the access keys that signed them, and sign anew for the new one.",
        ),
        Credential(
            "Keys, tokens and passwords in objects: .env files, Terraform state, database dumps, logs",
            "Look for them; revoke what is found where it was issued, then replace the objects.",
        ),
    ),
    "EBS": (_ON_DISK,),
    "Storage Gateway": (_ON_DISK,),
    "EFS": (_ON_DISK,),
    "FSx": (
        Credential(
            "The Active Directory service account, and the administrators fsxadmin and vsadmin of ONTAP",
            "Change the service account's password in the directory, then UpdateFileSystem or "
            "UpdateStorageVirtualMachine.",
        ),
        _ON_DISK,
    ),
    "EC2": _INSTANCE,
    "VirtualMachine": _INSTANCE,
    "EKS": (
        Credential(
            "Kubernetes Secrets and long-lived service account tokens, which came back with the cluster's state",
            "Delete tokens of type kubernetes.io/service-account-token, rotate each Secret where it was issued.",
        ),
        Credential(
            "Access entries, aws-auth and roles that trust the source cluster's OIDC issuer",
            "Remove access entries and aws-auth lines of the source account; the new cluster has another issuer.",
        ),
        _ON_DISK,
    ),
}
"""By AWS Backup's type; a type that is not here has nothing of its own."""

NOT_HELD: tuple[Credential, ...] = (
    Credential(
        "IAM users, roles, policies, identity providers, and IAM Identity Center's assignments",
        "Deploy them from code in a clean account. Never copy the source's: an attacker may have left a way in.",
    ),
    Credential(
        "KMS keys, their policies, grants and aliases",
        "What was restored lies under keys of the recovery account. Data that applications encrypted under a key of "
        "the source account themselves needs that key: see that its deletion is not scheduled.",
    ),
    Credential(
        "Secrets in Secrets Manager and parameters in Systems Manager",
        "Create them anew, with new values.",
    ),
    Credential(
        "DNS: Route 53 zones and records, and certificates",
        "Point names at the new endpoints (map.json lists them); issue certificates anew.",
    ),
    Credential(
        "Networks, security groups, load balancers, functions, queues, topics, alarms and logs",
        "Deploy them from code. Logs needed as evidence stay in the source account: protect them there.",
    ),
    Credential(
        "Resource policies, roles and event notifications attached to the sources",
        "Attach reviewed ones to what was restored; Airlift attaches none.",
    ),
)
"""What AWS Backup keeps in no vault, and what to do about it."""


def to_rotate(resources: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`[{"resourceType", "resources", "what", "how"}]` for the types of which anything was restored."""
    numbers: dict[str, int] = {}
    for resource in resources:
        if "createdResourceArn" in resource and "deletedAt" not in resource:
            numbers[resource["resourceType"]] = numbers.get(resource["resourceType"], 0) + 1
    by_name = {name.lower(): credentials for name, credentials in CREDENTIALS.items()}
    return [
        {"resourceType": kind, "resources": number, "what": one.what, "how": one.how}
        for kind, number in sorted(numbers.items())
        for one in by_name.get(kind.lower(), ())
    ]


def not_held() -> list[dict[str, str]]:
    """`[{"what", "how"}]`: what has to be made anew, whatever was restored."""
    return [{"what": one.what, "how": one.how} for one in NOT_HELD]
