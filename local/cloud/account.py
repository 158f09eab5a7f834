"""What an account of ministack is told about itself: its rights, one action, resource and condition at a time.

And the names of the roles that services make for themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from ministack.services import iam

from local.cloud.permissions import allows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_NAMES = {"dsql": "AuroraDsql", "elasticfilesystem": "AmazonElasticFileSystem", "fsx": "AmazonFSx", "rds": "RDS"}
"""What follows AWSServiceRoleFor; ministack makes it up from the service's name."""


def install() -> None:
    """Let a simulated policy see every resource and condition that is asked for; name roles as services do."""
    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = _simulate_principal_policy
    iam._IAM_HANDLERS["CreateServiceLinkedRole"] = _create_service_linked_role


def _create_service_linked_role(asked: Mapping[str, Any]) -> Any:
    service = str(iam._p(asked, "AWSServiceName")).partition(".")[0]
    made_up = f"AWSServiceRoleFor{service.capitalize()}"
    name = f"AWSServiceRoleFor{_NAMES.get(service, service.capitalize())}"
    if name in iam._roles:
        return iam._error(409, "EntityAlreadyExists", f"Role with name {name} already exists.", ns="iam")
    answer = iam._create_service_linked_role(asked)
    if name == made_up:
        return answer
    role = iam._roles.pop(made_up)
    iam._roles[name] = role | {"RoleName": name, "Arn": role["Arn"].replace(made_up, name)}
    made = f"<CreateServiceLinkedRoleResult><Role>{iam._role_xml(name)}</Role></CreateServiceLinkedRoleResult>"
    return iam._xml(200, "CreateServiceLinkedRoleResponse", made, ns="iam")


def _members(asked: Mapping[str, Any], name: str) -> Iterator[str]:
    number = 1
    while value := iam._p(asked, f"{name}.{number}"):
        yield str(value)
        number += 1


def _context(asked: Mapping[str, Any]) -> dict[str, str]:
    entries, number, found = "ContextEntries.member", 1, {}
    while key := iam._p(asked, f"{entries}.{number}.ContextKeyName"):
        found[str(key).lower()] = str(iam._p(asked, f"{entries}.{number}.ContextKeyValues.member.1"))
        number += 1
    return found


def _simulate_principal_policy(asked: Mapping[str, Any]) -> Any:
    principal, context = str(iam._p(asked, "PolicySourceArn")), _context(asked)
    results = "".join(
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{'allowed' if allows(principal, action, resource, context) else 'implicitDeny'}</EvalDecision>"
        "</member>"
        for action in _members(asked, "ActionNames.member")
        for resource in [*_members(asked, "ResourceArns.member")] or ["*"]
    )
    answer = f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
    return iam._xml(
        200,
        "SimulatePrincipalPolicyResponse",
        f"<SimulatePrincipalPolicyResult>{answer}</SimulatePrincipalPolicyResult>",
        ns="iam",
    )
