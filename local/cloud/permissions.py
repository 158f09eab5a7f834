"""Who calls, and whether IAM lets them: ministack's own evaluator, on the roles its IAM holds."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import ec2, efs, iam, tagging

from local.aws.errors import AccessDenied
from local.aws.wire import Caller, account_as_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/")
_BACKUP = "backup.amazonaws.com"


def identify(headers: Mapping[str, str]) -> Caller:
    """The caller of a request whose signature ministack has verified: an account's root, a user, an assumed role."""
    scope = _CREDENTIAL.search(headers.get("authorization", ""))
    known = iam_evaluator.resolve_caller_identity(scope["key"]) if scope else None
    if scope is None or known is None:
        return account_as_key(headers)
    arn = str(known["userArn"])
    return Caller(arn.split(":")[4], scope["region"], arn)


def allows(principal: str, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
    """Whether a root, a user, a role or an assumed role may do this now, with its policies of this moment."""
    _, _, _, _, account, name = principal.split(":", 5)
    if name == "root":
        return True
    kind, _, rest = name.partition("/")
    own = rest.partition("/")[0] if kind == "assumed-role" else rest.rpartition("/")[2]
    region = resource.split(":")[3] if resource.startswith("arn:") else ""
    with request_scope(account, region):
        asked = iam_evaluator.EvalContext(
            principal_arn=principal,
            principal_type="User" if kind == "user" else "AssumedRole",
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=region,
            service_context=dict(context or {}),
        )
        gather = iam_evaluator._gather_user_policies if kind == "user" else iam_evaluator._gather_role_policies
        policies = gather(own, account)
        return bool(iam_evaluator.evaluate(asked, policies).decision == "Allow")


def role_arn(principal: str) -> str:
    """What aws:PrincipalArn is: the ARN of the role for one who assumed it, else the principal's own."""
    _, _, _, _, account, name = principal.split(":", 5)
    kind, _, rest = name.partition("/")
    if kind != "assumed-role":
        return principal
    with request_scope(account, "us-east-1"):
        role = iam._roles.get(rest.partition("/")[0]) or {}
    return str(role.get("Arn", principal))


def authorize(
    caller: Caller, action: str, resources: Sequence[str], tags_of: Callable[[str], Mapping[str, str]]
) -> None:
    """The `authorize` hook of local/aws. Raises AccessDenied naming action and resource."""
    context = {"iam:passedtoservice": _BACKUP} if action == "iam:PassRole" else {}
    for resource in resources:
        tags = {f"aws:resourcetag/{key}".lower(): value for key, value in tags_of(resource).items()}
        if not allows(caller.principal_arn, action, resource, context | tags):
            raise AccessDenied(
                f"User: {caller.principal_arn} is not authorized to perform: {action} on resource: {resource} "
                f"because no identity-based policy allows the {action} action"
            )


def install() -> None:
    """Let IAM see the resource of calls where ministack says only "*", or another ARN than AWS."""
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query: dict[str, Any],
        region: str,
        account: str,
    ) -> str:
        found = str(extract(service, method, path, headers, body, query, region, account))
        if (found == "*" or "/mount-targets/" in path) and service in _MISSED:
            found = _MISSED[service](path, body, query, f"{region}:{account}") or found
        return _corrected(found, account)

    iam_actions.extract_resource_arn = extract_resource_arn
    # What aws:ResourceTag is compared with.
    tagging._RESOURCE_TAG_COLLECTORS |= {"elasticfilesystem": tagging._collect_efs, "ec2": _tags_in_ec2}


def _corrected(arn: str, account: str) -> str:
    """Rules of the default bus are named without it, roles with their path, images and snapshots without an account.

    So the service authorization reference has them.
    """
    if ":image/" in arn or ":snapshot/" in arn:
        return re.sub(r"^(arn:aws:ec2:[^:]*):\d*:", r"\1::", arn)
    if not arn.startswith("arn:aws:iam:"):
        return arn.replace(":rule/default/", ":rule/")
    kind, _, name = arn.rpartition("/")
    with request_scope(account, "us-east-1"):
        role = iam._roles.get(name) if kind.endswith(":role") else None
    return str(role["Arn"]) if role else arn


def _tagged_table(_path: str, body: bytes, _query: Mapping[str, Any], _where: str) -> str | None:
    """DynamoDB's operations on tags name a table by its ARN."""
    arn: str | None = json.loads(body or b"{}").get("ResourceArn")
    return arn


def _tagged_in_ec2(_path: str, _body: bytes, query: Mapping[str, Any], where: str) -> str | None:
    """EC2's CreateTags names resources by their ids; the first one is asked for."""
    return _ec2_arn(_first(query, "ResourceId.1"), where)


def _ec2_arn(named: str, where: str) -> str | None:
    kinds = {"vol": "volume", "i": "instance", "ami": "image", "snap": "snapshot"}
    kind = kinds.get(named.partition("-")[0])
    return f"arn:aws:ec2:{where}:{kind}/{named}" if kind else None


def _tags_in_ec2() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """ARN and tags of what EC2 has in the account of the request."""
    account = get_account_id()
    for named, tags in ec2._tags.items():
        if arn := _ec2_arn(named, f"{get_region()}:{account}"):
            yield _corrected(arn, account), tags


def _in_rds(_path: str, _body: bytes, query: Mapping[str, Any], where: str) -> str | None:
    """RDS's subnet groups, what is tagged by its ARN, and all that a description without a name is about."""
    if group := _first(query, "DBSubnetGroupName"):
        return f"arn:aws:rds:{where}:subgrp:{group}"
    action = _first(query, "Action")
    whole = {"DescribeDBInstances": "db:*", "DescribeDBClusters": "cluster:*", "DescribeDBSubnetGroups": "subgrp:*"}
    return _first(query, "ResourceName") or (f"arn:aws:rds:{where}:{whole[action]}" if action in whole else None)


def _simulated(_path: str, _body: bytes, query: Mapping[str, Any], _where: str) -> str | None:
    """IAM's SimulatePrincipalPolicy names a role by its ARN."""
    return _first(query, "PolicySourceArn") or None


def _first(query: Mapping[str, Any], name: str) -> str:
    found = query.get(name) or ""
    return str(found[0] if isinstance(found, list) else found)


def _file_system(path: str, body: bytes, query: Mapping[str, Any], where: str) -> str | None:
    """EFS names its file system in the path, in the query or in the body."""
    target = re.search(r"/mount-targets/(fsmt-[0-9a-f]+)", path)
    if target:  # which belongs to a file system, and is checked on that
        path = str((efs._mount_targets.get(target[1]) or {}).get("FileSystemId", ""))
    found = re.search(r"fs-[0-9a-f]+", f"{path} {query} {body.decode()}")
    return f"arn:aws:elasticfilesystem:{where}:file-system/{found[0]}" if found else None


_MISSED = {
    "dynamodb": _tagged_table,
    "ec2": _tagged_in_ec2,
    "elasticfilesystem": _file_system,
    "iam": _simulated,
    "rds": _in_rds,
}
