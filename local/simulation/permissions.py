"""Who may do what: each call of a workflow, a function or a rule is checked against its role in the template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.aws import Caller
from local.aws.errors import AccessDenied
from local.aws.wire import SERVICES, account_as_key
from local.simulation.policies import Context, Statements, allows, as_list, needs_of
from local.simulation.sdk import Call, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local.simulation.lambda_host import Function, LambdaHost

CHECKED_BY_FRONT = SERVICES
"""Services that ask for permission themselves, knowing better what a call is checked on."""

ANYBODY = {"Effect": "Allow", "Action": "*", "Principal": "*"}


class Permissions:
    """Roles and resource policies of the stack, and what was asked of them."""

    def __init__(self, lambdas: LambdaHost) -> None:
        self.roles: dict[str, Statements] = {}
        """Statements of each role's inline policies, by the role's ARN."""
        self.resource_policies: dict[str, Statements] = {}
        """Statements of queues', topics' and buckets' policies, by the resource's ARN."""
        self.used: set[tuple[str, str, str]] = set()
        """(role name, action, resource) of everything a role was allowed."""
        self.denied: list[tuple[str, str, str]] = []
        """(role name, action, resource) of everything a role was refused."""
        self.tags_of: Callable[[str], Mapping[str, str]] = lambda _arn: {}
        """A resource's tags by its ARN, for conditions on aws:ResourceTag."""
        self.file_system_of: Callable[[str], str] = lambda _target: ""
        """The file system of a mount target, on which calls about that are checked."""
        self._lambdas = lambdas

    def authorize(self, role_arn: str, action: str, resource: str, context: Context | None = None) -> bool:
        """Whether a role's own policies allow this; recorded either way."""
        if action == "iam:PassRole":
            context = {"iam:PassedToService": "backup.amazonaws.com"}
        if any("aws:ResourceTag/" in str(statement.get("Condition")) for statement in self.roles[role_arn]):
            tags = {f"aws:ResourceTag/{key}": value for key, value in self.tags_of(resource).items()}
            context = {**(context or {}), **tags}
        allowed = allows(self.roles[role_arn], action, resource, context)
        entry = (role_arn.rpartition("/")[2], action, resource)
        if allowed:
            self.used.add(entry)
        else:
            self.denied.append(entry)
        return allowed

    def check_call(self, call: Call) -> None:
        """An SDK call of the running handler. Raises ServiceError AccessDenied, UnknownPermission."""
        if not self._lambdas.running or call.service in CHECKED_BY_FRONT:
            return
        role, params = self._lambdas.running[-1].role_arn, call.params
        if target := params.get("MountTargetId"):
            params = {**params, "FileSystemId": self.file_system_of(target)}
        for action, resource, context in needs_of(call.service, call.operation, params, call.region, call.account):
            if not self.authorize(role, action, resource, context) or self._bucket_denies(role, action, resource):
                code = "AccessDenied" if call.service == "s3" else "AccessDeniedException"
                raise ServiceError(code, _refusal(role, action, resource), 403)

    def hide_missing_objects(self, call: Call, parsed: dict[str, Any]) -> None:
        """Without s3:ListBucket S3 does not tell whether an object exists (API_GetObject.html)."""
        if call.service == "s3" and parsed.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
            role, bucket = self._lambdas.running[-1].role_arn, f"arn:aws:s3:::{call.params['Bucket']}"
            if not allows(self.roles[role], "s3:ListBucket", bucket):
                parsed["Error"] = {"Code": "AccessDenied", "Message": "Access Denied"}

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """Who calls AWS Backup, multi-party approval or RAM: the running handler's role, or an account's root."""
        caller = account_as_key(headers)
        if not self._lambdas.running:
            return caller
        return Caller(caller.account, caller.region, self._lambdas.running[-1].role_arn)

    def authorize_caller(self, caller: Caller, action: str, resources: Sequence[str]) -> None:
        """What those services ask. Raises AccessDenied."""
        if ":role/" in caller.principal_arn:
            for resource in resources:
                if not self.authorize(caller.principal_arn, action, resource):
                    raise AccessDenied(_refusal(caller.principal_arn, action, resource))

    def permit(self, function: Function, service: str) -> None:
        """A service invokes a function. Raises ServiceError AccessDeniedException."""
        if not allows(function.permissions, "lambda:InvokeFunction", function.arn, principal=service):
            raise ServiceError("AccessDeniedException", f"{service} may not invoke {function.arn}.", 403)

    def may_send(self, service: str, account: str, arn: str) -> bool:
        """Whether a queue's or a topic's policy lets a service send for an account."""
        policy, context = self.resource_policies.get(arn, ()), {"aws:SourceAccount": account}
        action = "sns:Publish" if ":sns:" in arn else "sqs:SendMessage"
        return allows(policy, action, arn, context, principal=service)

    def bucket_policy(self, call: Call) -> Mapping[str, Any]:
        """Answers s3:PutBucketPolicy and GetBucketPolicy; moto would apply a policy without its conditions."""
        bucket = f"arn:aws:s3:::{call.params['Bucket']}"
        if call.operation == "PutBucketPolicy":
            self.resource_policies[bucket] = as_list(json.loads(call.params["Policy"])["Statement"])
            return {}
        if bucket not in self.resource_policies:
            raise ServiceError("NoSuchBucketPolicy", "The bucket policy does not exist", 404)
        return {"Policy": json.dumps({"Version": "2012-10-17", "Statement": self.resource_policies[bucket]})}

    def simulate_policy(self, call: Call) -> Mapping[str, Any]:
        """Answers iam:SimulatePrincipalPolicy for the SDK."""
        statements = self.roles.get(call.params["PolicySourceArn"])
        if statements is None:
            raise ServiceError("NoSuchEntity", f"{call.params['PolicySourceArn']} does not exist.", 404)
        entries = call.params.get("ContextEntries", ())
        context = {entry["ContextKeyName"]: entry["ContextKeyValues"] for entry in entries}
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "allowed" if allows(statements, action, resource, context) else "implicitDeny",
            }
            for action in call.params["ActionNames"]
            for resource in call.params.get("ResourceArns", ["*"])
        ]
        return {"EvaluationResults": results, "IsTruncated": False}

    def _bucket_denies(self, role: str, action: str, resource: str) -> bool:
        policy = self.resource_policies.get(resource.partition("/")[0], ()) if action.startswith("s3:") else ()
        return not allows([ANYBODY, *policy], action, resource, {"aws:SecureTransport": "true"}, principal=role)


def _refusal(role: str, action: str, resource: str) -> str:
    caller = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
    return f"User: {caller} is not authorized to perform: {action} on resource: {resource}"
