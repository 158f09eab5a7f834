"""Identity and resource policies, and which permissions an SDK call needs.

Only what the template uses is understood; a condition operator or a call that isn't known is an error by name.
Managed policies grant nothing here: none of the calls that are checked may depend on one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

Statements = Sequence[Mapping[str, Any]]
Context = Mapping[str, str | Sequence[str]]
"""Condition keys of a request: one value, or a list for keys that have several."""
Needs = list[tuple[str, str, Context]]
"""IAM action, resource ARN and condition keys."""

FOR_ALL_VALUES, FOR_ANY_VALUE = "ForAllValues:", "ForAnyValue:"


class UnknownPermission(LookupError):
    """Something the evaluator has no rule for."""


def as_list(value: Any) -> list[Any]:
    """A policy's one-or-many value as a list."""
    return list(value) if isinstance(value, list | tuple) else [value]


@lru_cache(maxsize=65536)
def _fits(pattern: str, value: str, fold: bool) -> bool:  # noqa: FBT001 - by position, for the cache
    pattern, value = (pattern.lower(), value.lower()) if fold else (pattern, value)
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return bool(re.fullmatch("".join(parts), value, re.DOTALL))


def _matches(patterns: Any, value: str, *, fold: bool = False) -> bool:
    return any(_fits(pattern, value, fold) for pattern in as_list(patterns))


OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "StringEquals": lambda wanted, given: given in as_list(wanted),
    "StringLike": _matches,
    "ArnLike": _matches,
    "ArnEquals": _matches,
    "Bool": lambda wanted, given: given in [str(w).lower() for w in as_list(wanted)],
}


def _conditions_hold(statement: Mapping[str, Any], context: Context) -> bool:
    given = {key.lower(): as_list(value) for key, value in context.items()}
    for operator, keys in statement.get("Condition", {}).items():
        if operator == "Null":  # whether the request does not have the key
            if any((key.lower() not in given) != (str(absent).lower() == "true") for key, absent in keys.items()):
                return False
            continue
        test = OPERATORS.get(operator.removeprefix(FOR_ALL_VALUES).removeprefix(FOR_ANY_VALUE))
        if test is None:
            raise UnknownPermission(f"condition operator {operator}")
        for key, wanted in keys.items():
            values = given.get(key.lower(), [])
            if operator.startswith(FOR_ANY_VALUE):
                values = [v for v in values if test(wanted, v)]
            # Only ForAllValues holds for a key that the request does not have (reference_policies_condition).
            if not (values or operator.startswith(FOR_ALL_VALUES)) or not all(test(wanted, v) for v in values):
                return False
    return True


def _names_principal(statement: Mapping[str, Any], principal: str) -> bool:
    named = statement.get("Principal")
    if named == "*":
        return True
    values = [v for kind in (named or {}).values() for v in as_list(kind)]
    account = principal.split(":")[4] if principal.startswith("arn:") else principal
    return bool({principal, account, f"arn:aws:iam::{account}:root", "*"} & set(values))


def allows(
    statements: Iterable[Mapping[str, Any]],
    action: str,
    resource: str,
    context: Context | None = None,
    principal: str | None = None,
) -> bool:
    """Whether the statements allow an action on a resource: an explicit Deny wins, nothing is allowed by default.

    With `principal` (an ARN, account or service) they are a resource's policy. Raises UnknownPermission.
    """
    allowed = False
    for statement in statements:
        if unknown := set(statement) & {"NotAction", "NotResource", "NotPrincipal"}:
            raise UnknownPermission(f"policy element {unknown.pop()}")
        if (
            _matches(statement["Action"], action, fold=True)
            and _matches(statement.get("Resource", "*"), resource)
            and (principal is None or _names_principal(statement, principal))
            and _conditions_hold(statement, context or {})
        ):
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


TRANSACTION_ACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
"""What each part of TransactWriteItems needs (DynamoDB developer guide, transaction-apis-iam)."""


def _dynamodb(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    def table(name: str) -> str:
        return name if name.startswith("arn:") else f"arn:aws:dynamodb:{place}:table/{name}"

    def one(action: str, part: Mapping[str, Any], rest: str = "") -> tuple[str, str, Context]:
        leading = {**part.get("Item", {}), **part.get("Key", {})}.get("pk")
        context = {"dynamodb:LeadingKeys": list(leading.values())} if leading else {}
        return f"dynamodb:{action}", table(part["TableName"]) + rest, context

    if operation == "TransactWriteItems":
        parts = [(kind, part) for item in params["TransactItems"] for kind, part in item.items()]
        return [one(TRANSACTION_ACTIONS[kind], part) for kind, part in parts]
    if "ResourceArn" in params:
        return [(f"dynamodb:{operation}", params["ResourceArn"], {})]
    return [one(operation, params, f"/index/{params['IndexName']}" if "IndexName" in params else "")]


S3_ACTIONS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
}
"""Operations whose IAM action has another name (service authorization reference, Amazon S3)."""


def _s3(operation: str, params: Mapping[str, Any], _place: str) -> Needs:
    if operation == "DeleteObjects":
        bucket, objects = f"arn:aws:s3:::{params['Bucket']}", params["Delete"]["Objects"]
        return [
            (f"s3:DeleteObject{'Version' if 'VersionId' in one else ''}", f"{bucket}/{one['Key']}", {})
            for one in objects
        ]
    resource = f"arn:aws:s3:::{params['Bucket']}" + (f"/{params['Key']}" if "Key" in params else "")
    context = {"s3:prefix": params["Prefix"]} if "Prefix" in params else {}
    owned: Needs = [("s3:PutBucketOwnershipControls", resource, {})] if "ObjectOwnership" in params else []
    return [(f"s3:{S3_ACTIONS.get(operation, operation)}", resource, context), *owned]  # API_CreateBucket.html


def _by_member(prefix: str, *members: str) -> Callable[[str, Mapping[str, Any], str], Needs]:
    def needs(operation: str, params: Mapping[str, Any], _place: str) -> Needs:
        return [(f"{prefix}:{operation}", next((params[m] for m in members if m in params), "*"), {})]

    return needs


def _kms(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    key = params["KeyId"]
    return [(f"kms:{operation}", key if key.startswith("arn:") else f"arn:aws:kms:{place}:key/{key}", {})]


def _sqs(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    return [(f"sqs:{operation}", f"arn:aws:sqs:{place}:{params['QueueUrl'].rpartition('/')[2]}", {})]


def _lambda(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    if "FunctionName" not in params:
        return [(f"lambda:{operation}", "*", {})]
    name = params["FunctionName"]
    arn = name if name.startswith("arn:") else f"arn:aws:lambda:{place}:function:{name}"
    return [("lambda:InvokeFunction" if operation == "Invoke" else f"lambda:{operation}", arn, {})]


EC2_KINDS = {"vol": "volume", "snap": "snapshot", "i": "instance", "ami": "image", "pl": "prefix-list"}
"""Resource types by the beginning of an id."""


def _ec2(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    """Images and snapshots are named without an account (service authorization reference, Amazon EC2)."""
    if operation.startswith("Describe") or operation == "GetAllowedImagesSettings":
        return [(f"ec2:{operation}", "*", {})]
    ids = [*params.get("Resources", []), *params.get("InstanceIds", [])]
    ids += [value for member, value in params.items() if member.endswith("Id")]
    kinds = [EC2_KINDS.get(one.partition("-")[0]) for one in ids]
    if not ids or None in kinds:
        raise UnknownPermission(f"ec2:{operation} on {ids}")
    nobodys = f"{place.partition(':')[0]}:"
    return [
        (f"ec2:{operation}", f"arn:aws:ec2:{nobodys if kind in ('image', 'snapshot') else place}:{kind}/{one}", {})
        for one, kind in zip(ids, kinds, strict=True)
    ]


def _efs(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    name = params.get("FileSystemId") or params.get("ResourceId")
    arn = f"arn:aws:elasticfilesystem:{place}:file-system/{name}" if name else "*"
    return [(f"elasticfilesystem:{operation}", arn, {})]


SERVICE_ROLES = {
    "AWSServiceRoleForAuroraDsql": "dsql.amazonaws.com",
    "AWSServiceRoleForBackup": "backup.amazonaws.com",
    "AWSServiceRoleForRDS": "rds.amazonaws.com",
}
"""Service-linked roles and the services that they belong to."""


def _iam(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    role = params.get("RoleName")
    if role in SERVICE_ROLES:
        role = f"aws-service-role/{SERVICE_ROLES[role]}/{role}"
    arn = f"arn:aws:iam::{place.rpartition(':')[2]}:role/{role}" if role else params.get("PolicySourceArn", "*")
    return [(f"iam:{operation}", arn, {})]


def _ssm(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    return [(f"ssm:{operation}", f"arn:aws:ssm:{place}:parameter{params['Name']}", {})]


def _dsql(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    arn = params.get("resourceArn") or f"arn:aws:dsql:{place}:cluster/{params['identifier']}"
    return [(f"dsql:{operation}", arn, {})]


def _eks(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    cluster = params.get("clusterName") or params.get("name")
    inside = {"nodegroupName": "nodegroup", "fargateProfileName": "fargateprofile"}
    kind = next((kind for member, kind in inside.items() if member in params), None)
    name = f"{kind}/{cluster}/{params[next(m for m in inside if m in params)]}/id" if kind else f"cluster/{cluster}"
    return [(f"eks:{operation}", params.get("resourceArn") or f"arn:aws:eks:{place}:{name}", {})]


RDS_KINDS = {"DBClusterIdentifier": "cluster", "DBInstanceIdentifier": "db", "DBSubnetGroupName": "subgrp"}
RDS_LISTS = {"DescribeDBClusters": "cluster:*", "DescribeDBInstances": "db:*", "DescribeDBSubnetGroups": "subgrp:*"}


def _rds(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    """DocumentDB and Neptune are part of RDS in IAM's eyes; tags given with a new thing need their own permission."""
    named = [f"{kind}:{params[member]}" for member, kind in RDS_KINDS.items() if member in params]
    names = [f"arn:aws:rds:{place}:{name}" for name in named or [RDS_LISTS.get(operation, "*")]]
    arns = [params["ResourceName"]] if "ResourceName" in params else names
    tagging: Needs = [("rds:AddTagsToResource", arn, {}) for arn in arns if params.get("Tags")]
    return [*((f"rds:{operation}", arn, {}) for arn in arns), *tagging]


def _events(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    if operation != "PutEvents":
        return [(f"events:{operation}", "*", {})]
    buses = {entry.get("EventBusName", "default") for entry in params["Entries"]}
    return [("events:PutEvents", f"arn:aws:events:{place}:event-bus/{bus}", {}) for bus in sorted(buses)]


def _appconfig(operation: str, params: Mapping[str, Any], place: str) -> Needs:
    if operation == "GetLatestConfiguration":
        name = params["ConfigurationToken"].rpartition("#")[0]
    else:
        name = (
            f"application/{params['ApplicationIdentifier']}/environment/{params['EnvironmentIdentifier']}"
            f"/configuration/{params['ConfigurationProfileIdentifier']}"
        )
    return [(f"appconfig:{operation}", f"arn:aws:appconfig:{place}:{name}", {})]


NEEDS: dict[str, Callable[[str, Mapping[str, Any], str], Needs]] = {
    "dynamodb": _dynamodb,
    "s3": _s3,
    "sns": _by_member("sns", "TopicArn"),
    "sqs": _sqs,
    "sfn": _by_member("states", "executionArn", "stateMachineArn"),
    "lambda": _lambda,
    "iam": _iam,
    "ec2": _ec2,
    "efs": _efs,
    "appconfigdata": _appconfig,
    "directory-service": _by_member("ds"),
    "docdb": _rds,
    "dsql": _dsql,
    "eks": _eks,
    "eventbridge": _events,
    "kms": _kms,
    "neptune": _rds,
    "organizations": _by_member("organizations"),
    "rds": _rds,
    "ssm": _ssm,
}
"""By botocore's service id: what a call needs. AWS Backup and multi-party approval check their own calls."""


def needs_of(service: str, operation: str, params: Mapping[str, Any], region: str, account: str) -> Needs:
    """The permissions of one SDK call. Raises UnknownPermission for a service that has no rule."""
    if service not in NEEDS:
        raise UnknownPermission(f"{service}:{operation}")
    tags = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in params.get("Tags", []) if "Key" in tag}
    needs = NEEDS[service](operation, params, f"{region}:{account}")
    return [(action, resource, {**context, **tags}) for action, resource, context in needs]
