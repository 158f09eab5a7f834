"""What can be known before it is needed: every check, in one table.

Made in each recovery before anybody is asked (`airlift.preparing`), on demand, and every day (`airlift.daily`).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from airlift import forwarding
from airlift import readiness_access as access
from airlift import readiness_account as account
from airlift import readiness_targets as targets
from airlift.checking import ACCOUNT, ISOLATION, SEVERITIES, Check, Result, Scene, VaultCheck, unchecked
from airlift.values import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from airlift.ledger import Ledger
    from airlift.plan import Plan, Vault

VAULT_CHECKS: tuple[VaultCheck, ...] = (
    VaultCheck("source vault", access.source_vault),
    VaultCheck("restore-access vault", access.access_vault),
    VaultCheck("approval team", access.approval_team),
)
CHECKS: tuple[Check, ...] = (
    Check("requester", access.requester),
    Check("restore role", targets.restore_role),
    Check("restore rights", targets.starter),
    Check("service-linked roles", targets.service_role),
    Check("service-linked roles", targets.service_role_of_rds),
    Check("service-linked roles", targets.service_role_of_dsql),
    Check("target places", targets.targets),
    Check("target places", targets.named),
    Check(ISOLATION, targets.isolation),
    Check("target keys", targets.keys),
    Check("service opt-in", targets.opt_in),
    Check("quotas", account.lambda_concurrency),
    Check("quotas", account.state_transitions),
    Check("quotas", account.vault_count),
    Check("rules", account.rules, beforehand=True),
    Check("independence", account.independence, beforehand=True),
    Check("forwarding", forwarding.arriving, beforehand=True),
    Check("drills", account.last_drill, beforehand=True),
    Check("plan", account.plan_notes, beforehand=True),
)


def check(plan: Plan, ledger: Ledger, region: str, protected: str | None = None) -> list[Result]:
    """All results for the plan's vaults in this Region, or those of one protected account; the gravest first."""
    vaults = tuple(
        vault for one in plan.accounts if protected in (None, one.id) for vault in one.vaults if vault.region == region
    )
    scene = Scene(plan, ledger, vaults)
    found = [*of_account(scene, beforehand=True), *(result for vault in vaults for result in of_vault(scene, vault))]
    return sorted(found, key=lambda result: SEVERITIES.index(result.severity))


def of_account(scene: Scene, *, beforehand: bool = False, until: datetime | None = None) -> list[Result]:
    """Results of what concerns all vaults alike. What can't be read, or has no time left, is a warning."""
    if not scene.vaults:
        what = f"The plan has no vault in {scene.region}, the Region of this stack."
        return [Result("plan", "warning", ACCOUNT, what, "This stack can recover nothing.", "add it, or its Region.")]
    rows = [row for row in CHECKS if beforehand or not row.beforehand]
    return list(chain.from_iterable(_made(row.name, ACCOUNT, row.look, until, scene) for row in rows))


def of_vault(scene: Scene, vault: Vault, *, until: datetime | None = None) -> list[Result]:
    """Results of what concerns one source vault."""
    rows = VAULT_CHECKS
    return list(chain.from_iterable(_made(row.name, vault.arn, row.look, until, scene, vault) for row in rows))


def _made(
    name: str, subject: str, look: Callable[..., Iterable[Result]], until: datetime | None, *about: object
) -> Iterator[Result]:
    if until is not None and now() > until:
        what = "Not checked, as other checks took too long."
        why = "What is not checked may fail when it is needed."
        yield Result(name, "warning", subject, what, why, "run `airlift ready`.")
        return
    try:
        yield from look(*about)
    except (ClientError, BotoCoreError) as error:
        yield unchecked(name, subject, error)
