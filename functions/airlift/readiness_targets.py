"""Readiness of restoring: roles, and the targets that the plan names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore.exceptions import BotoCoreError, ClientError

from airlift.arns import Arn
from airlift.aws import client
from airlift.checking import ACCOUNT, ANY_TYPE, ISOLATION, Result, unchecked
from airlift.errors import MetadataRefused
from airlift.isolation import open_targets
from airlift.items import NOT_ISOLATED
from airlift.readiness_access import refused
from airlift.restore import FAMILIES, family_of
from airlift.restore.clusters import Aurora, DocumentDb, Neptune
from airlift.restore.common import role_exists
from airlift.restore.dsql import Dsql, check_service_role
from airlift.runtime import setting
from airlift.surroundings import keys_of, look_around

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.checking import Scene
    from airlift.restore.base import Target

_BACKUP = "backup.amazonaws.com"
_SERVICE_ROLE, _ROLE_OF_RDS = "AWSServiceRoleForBackup", "AWSServiceRoleForRDS"
_NO_RESTORE = "Every restore job would fail."


def restore_role(_scene: Scene) -> Iterator[Result]:
    """The role that restore jobs run with: there, and trusted to AWS Backup."""
    role = setting("RESTORE_ROLE_ARN")
    iam = client("iam")
    try:
        found = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]
    except iam.exceptions.NoSuchEntityException:
        what = f"The restore role {role} is gone."
        yield Result("restore role", "holds", ANY_TYPE, what, _NO_RESTORE, "deploy the stack again.")
        return
    if not _trusts_backup(found["AssumeRolePolicyDocument"]):
        what = f"The restore role {role} does not trust {_BACKUP}."
        yield Result("restore role", "holds", ANY_TYPE, what, _NO_RESTORE, "deploy the stack again.")


def _trusts_backup(policy: Any) -> bool:
    """A trust policy comes as a document, or as URL-encoded JSON."""
    document = json.loads(unquote(policy)) if isinstance(policy, str) else policy
    for statement in document["Statement"]:
        services = statement.get("Principal", {}).get("Service", [])
        named = [services] if isinstance(services, str) else services
        if statement["Effect"] == "Allow" and _BACKUP in named and "sts:AssumeRole" in statement["Action"]:
            return True
    return False


def starter(scene: Scene) -> Iterator[Result]:
    """Whether the function that starts restore jobs may do so and hand over the restore role."""
    role = setting("STARTER_ROLE_ARN")
    point = f"arn:aws:backup:{scene.region}:{Arn.parse(scene.vaults[0].arn).account}:recovery-point:any"
    for action, resource, context in (
        ("backup:StartRestoreJob", point, {}),
        ("iam:PassRole", setting("RESTORE_ROLE_ARN"), {"iam_PassedToService": _BACKUP}),
    ):
        if refusal := refused(role, action, [resource], **context):
            what = f"Role {role} may not {action} on {resource}: {refusal}."
            remedy = "remove the denial (permissions boundary, service control policy), or deploy the stack again."
            yield Result("restore rights", "holds", ANY_TYPE, what, _NO_RESTORE, remedy)


def service_role(_scene: Scene) -> Iterator[Result]:
    """AWS Backup's service-linked role, which key policies name for restores from an air-gapped vault."""
    if not role_exists(client("iam"), _SERVICE_ROLE):
        what = f"The service-linked role {_SERVICE_ROLE} is not there."
        why = "Restores under a customer managed key need it; an account that never used AWS Backup lacks it."
        remedy = f"`aws iam create-service-linked-role --aws-service-name {_BACKUP}`."
        yield Result("service-linked roles", "warning", ACCOUNT, what, why, remedy)


def service_role_of_rds(scene: Scene) -> Iterator[Result]:
    """Amazon RDS's, if the plan speaks of clusters: RDS makes it at its first use, for whoever may make roles."""
    clusters = (*Aurora.resource_types, *DocumentDb.resource_types, *Neptune.resource_types)
    kinds = sorted(_spoken_of(scene).intersection(clusters))
    if kinds and not role_exists(client("iam"), _ROLE_OF_RDS):
        what = f"The service-linked role {_ROLE_OF_RDS} is not there."
        why = "RDS makes no DB subnet group and no cluster here, so what is to be restored of these types is held."
        remedy = "`aws iam create-service-linked-role --aws-service-name rds.amazonaws.com`."
        yield Result("service-linked roles", "holds", ", ".join(kinds), what, why, remedy)


def _spoken_of(scene: Scene) -> set[str]:
    """Types that the plan names."""
    matchers = (matcher for wave in scene.plan.waves for matcher in wave.match)
    return {*scene.plan.targets.types, *(kind for matcher in matchers for kind in matcher.types or ())}


def service_role_of_dsql(scene: Scene) -> Iterator[Result]:
    """Aurora DSQL's, if the plan speaks of such clusters: most accounts never have any."""
    if kinds := sorted(_spoken_of(scene).intersection(Dsql.resource_types)):
        try:
            check_service_role(client)
        except MetadataRefused as lack:
            why = "What is to be restored of this type is held."
            yield Result("service-linked roles", "holds", ", ".join(kinds), lack.what, why, lack.remedy)


def isolation(scene: Scene) -> Iterator[Result]:
    """Targets that are not isolated: what would be restored there is held, the rest goes on."""
    for opening in open_targets(scene.targets):
        what = f"{opening.leak[:1].upper()}{opening.leak[1:]}."
        kinds = ", ".join(opening.kinds)
        if opening.reason:
            why = f"The plan allows it: {opening.reason}."
            yield Result(ISOLATION, "note", kinds, what, why, "close it when it is no longer needed.")
        else:
            why = f"What is restored there is held back ({NOT_ISOLATED.name})."
            remedy = "close the network, name another one in the plan's targets, or give openNetworkReason there."
            yield Result(ISOLATION, "holds", kinds, what, why, remedy)


def targets(scene: Scene) -> Iterator[Result]:
    """Places exist and fit together, keys can be used, and restored images may be launched."""
    around = look_around(client, scene.targets)
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for kind, target in scene.targets:
        for lack in around.lacks(kind, target):
            kinds = found.setdefault(lack, [])
            if kind not in kinds:
                kinds.append(kind)
    for (name, what, why, remedy), kinds in found.items():
        yield Result(_NAMES[name], "holds", ", ".join(kinds), what, why, remedy)
    for name, what, said in around.unread:
        why = "What it concerns can't be restored if it does not do."
        remedy = (
            "let the role of the function CheckReadiness read it; a key's own policy must allow kms:DescribeKey, too."
        )
        yield Result(_NAMES[name], "warning", ACCOUNT, f"{what} can't be looked at: {said}.", why, remedy)


def named(scene: Scene) -> Iterator[Result]:
    """What only people make and the targets name: a directory, a database, a cluster, a bucket."""
    found: dict[tuple[str, str], list[str]] = {}
    looked: set[tuple[str, str]] = set()
    for kind, target in scene.targets:
        settings = json.dumps([target.metadata, target.options], sort_keys=True)
        if (kind, settings) in looked:
            continue
        looked.add((kind, settings))
        for lack in _lacking(kind, target):
            if isinstance(lack, MetadataRefused):
                found.setdefault((lack.what, lack.remedy), []).append(kind)
            else:
                yield unchecked("target places", kind, lack)
    for (what, remedy), kinds in found.items():
        yield Result("target places", "holds", ", ".join(kinds), what, "What is to be restored there is held.", remedy)


def _lacking(kind: str, target: Target) -> Iterator[MetadataRefused | ClientError | BotoCoreError]:
    family = family_of(kind)
    try:
        needs = list(family.needs(target)) if family else []
    except MetadataRefused:
        return  # settings of another type's resource; those of this one are the plan's checker's
    for need in needs:
        try:
            need(client)
        except (MetadataRefused, ClientError, BotoCoreError) as error:
            yield error


_NAMES = {"place": "target places", "key": "target keys", "name": "target names", "image": "Allowed AMIs"}


def keys(scene: Scene) -> Iterator[Result]:
    """Keys that somebody else holds."""
    for key in sorted({key for one in scene.targets for key in keys_of(*one) if key.startswith("arn:")}):
        owner = Arn.parse(key).account
        if owner == scene.account:
            continue
        protected = any(account.id == owner for account in scene.plan.accounts)
        what = f"Key {key} lies in {'a protected' if protected else 'another'} account."
        why = "Who holds that account can take away what is restored, by disabling the key."
        yield Result("target keys", "warning", owner, what, why, "name a key of the recovery account in the plan.")


def opt_in(_scene: Scene) -> Iterator[Result]:
    """Types that AWS Backup is not switched on for here. What that means for restores is not documented (inferred)."""
    settings = client("backup").describe_region_settings()["ResourceTypeOptInPreference"]
    known = {kind for family in FAMILIES for kind in family.resource_types}
    if off := sorted(kind for kind, on in settings.items() if not on and kind in known):
        what = f"AWS Backup is not switched on in this account and Region for {', '.join(off)}."
        why = "It may keep their restores from starting."
        remedy = "`aws backup update-region-settings --resource-type-opt-in-preference TYPE=true`."
        yield Result("service opt-in", "warning", ", ".join(off), what, why, remedy)
