"""Readiness of the recovery account: quotas, rules, drills, and what an attacker could hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.arns import Arn
from airlift.aws import client
from airlift.checking import ACCOUNT, Result
from airlift.history import days_since_drill, last_good_drill
from airlift.remembering import records
from airlift.runtime import setting
from airlift.values import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from airlift.checking import Scene

# What a recovery uses at most at a time: the steps of the recovery and of each vault, and the settling of restores.
_CONCURRENCY, _CONCURRENCY_PER_VAULT = 10, 10
# A round of a vault takes nine transitions or less in five seconds or more; a storm of triggers takes three each.
_TRANSITIONS, _TRANSITIONS_PER_VAULT = 50, 2
_STATES_QUOTA = "StateTransition throttle token refill rate"
"""Beginning of the quota's name in Service Quotas (inferred from step-functions/latest/dg/service-quotas.html)."""
_MOST_VAULTS = 300
"""Backup vaults in an account and Region, a restore-access vault counting as one (aws-backup-limits.html, inferred)."""


def lambda_concurrency(scene: Scene) -> Iterator[Result]:
    """New accounts get a concurrency of 10 that grows with use, which a quiet account never has."""
    needed = _CONCURRENCY + _CONCURRENCY_PER_VAULT * len(scene.vaults)
    limit = client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    if limit < needed:
        what = f"Lambda runs {limit} functions at once here, and a recovery of this plan uses up to {needed}."
        why = "Steps are throttled and tried again, so the recovery is slow."
        remedy = "ask Service Quotas for 1,000 concurrent executions (lambda, L-B99A9384) of this Region."
        yield Result("quotas", "warning", ACCOUNT, what, why, remedy)


def state_transitions(scene: Scene) -> Iterator[Result]:
    """Step Functions' transitions a second, which new accounts have few of."""
    needed = _TRANSITIONS + _TRANSITIONS_PER_VAULT * len(scene.vaults)
    pages = client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="states")
    rates = [quota for page in pages for quota in page["Quotas"] if quota["QuotaName"].startswith(_STATES_QUOTA)]
    if not rates:
        what = f'Service Quotas shows no "{_STATES_QUOTA}", so transitions of Step Functions are not checked.'
        yield Result("quotas", "note", ACCOUNT, what, "A new account has few.", "look at the quota in the console.")
    elif (rate := min(quota["Value"] for quota in rates)) < needed:
        what = f"Step Functions makes {rate:g} transitions a second; a recovery in a storm of triggers needs {needed}."
        why = "Executions are slowed down."
        yield Result("quotas", "warning", ACCOUNT, what, why, "ask Service Quotas for more (states) in this Region.")


def vault_count(scene: Scene) -> Iterator[Result]:
    """Whether there is room for a restore-access vault of each source."""
    pages = client("backup").get_paginator("list_backup_vaults").paginate()
    count = sum(len(page["BackupVaultList"]) for page in pages)
    if count + len(scene.vaults) > _MOST_VAULTS:
        what = f"There are {count} backup vaults here, and an account may have {_MOST_VAULTS} in a Region."
        remedy = "delete some, or ask Service Quotas for more (backup)."
        yield Result("quotas", "warning", ACCOUNT, what, "A request for access may be refused.", remedy)


def rules(scene: Scene) -> Iterator[Result]:
    """The rules that turn findings into executions, and endings into closings, are there and enabled."""
    events, bus = client("events"), setting("INCIDENT_BUS")
    listed = [("incident", events.list_rules(EventBusName=bus)["Rules"])]
    listed.append(("default", events.list_rules(NamePrefix=f"{scene.stack}-")["Rules"]))
    for where, found in listed:
        off = sorted(rule["Name"] for rule in found if rule["State"] == "DISABLED")
        if found and not off:
            continue
        told = f"Rules of the {where} event bus are disabled: {', '.join(off)}." if off else ""
        what = told or f"The {where} event bus has no rule of stack {scene.stack}."
        why = "Findings start nothing, or endings are not closed."
        yield Result("rules", "warning", ACCOUNT, what, why, "enable them (`aws events enable-rule`), or deploy again.")


def independence(scene: Scene) -> Iterator[Result]:
    """Whether who holds a protected account, or its organization, holds what it is recovered with."""
    protected = {account.id: account.management_account for account in scene.plan.accounts}
    management = _management_account()
    yield from _held("The recovery account", scene.account, protected)
    if management is not None:
        yield from _held("The management account of the recovery account's organization", management, protected)
    owners = {Arn.parse(vault.approval_team_arn).account for vault in scene.vaults if vault.approval_team_arn}
    for owner in sorted(owners):
        yield from _held("The owner of the approval team", owner, protected)
    if unknown := sorted(account for account, held_by in protected.items() if held_by is None):
        what = f"The plan does not say which management account holds {', '.join(unknown)}."
        why = "So it is not known whether the recovery account stands in the same organization as what it recovers."
        remedy = "give managementAccount under accounts, and deploy the plan."
        yield Result("independence", "warning", ACCOUNT, what, why, remedy)


def _management_account() -> str | None:
    """Of the recovery account's organization; None if it is in none. Raises botocore's errors."""
    organizations = client("organizations")
    try:
        found: str = organizations.describe_organization()["Organization"]["MasterAccountId"]
    except organizations.exceptions.AWSOrganizationsNotInUseException:
        return None
    return found


def _held(what: str, account: str, protected: Mapping[str, str | None]) -> Iterator[Result]:
    if account in protected:
        told = f"{what} is the protected account {account}."
    elif account in protected.values():
        told = f"{what}, {account}, belongs to a protected account's organization."
    else:
        return
    why = "Who holds that organization holds the way to recover from it as well."
    remedy = "use an organization of its own for recovery: docs/guide.md. With one organization it stays so."
    yield Result("independence", "warning", account, told, why, remedy)


def last_drill(scene: Scene) -> Iterator[Result]:
    """When each account's last good drill was."""
    days = scene.plan.drills.warn_after_days
    here = {vault.arn for vault in scene.vaults}
    for account in scene.plan.accounts:
        if not here.intersection(account.vault_arns):
            continue
        known = records(scene.ledger, account.id)
        if days_since_drill(known, account.id, now()) <= days:
            continue
        at = last_good_drill(known, account.id)
        what = f"The last drill of account {account.id} that recovered everything " + (
            f"was on {at[:10]}, more than {days} days ago." if at else "is not known: there was none."
        )
        why = "What nobody has tried does not work: people, shares, keys and quotas change."
        remedy = f'`airlift start --drill --account {account.id} --reason "drill"`.'
        yield Result("drills", "warning", account.id, what, why, remedy)


def plan_notes(scene: Scene) -> Iterable[Result]:
    """What the plan's checker has to say about a plan that it lets pass."""
    # Only here: most triggers check nothing, and the checker takes long to load.
    from airlift.plan_check import check

    return [
        Result("plan", "note", "plan", problem.what, "The plan is in force as it is.", problem.remedy)
        for problem in check(scene.plan.model_dump(mode="json", by_alias=True, exclude_none=True))
    ]
