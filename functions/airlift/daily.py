"""Readiness beforehand: every day, and whenever somebody asks. Page, data, offline card and two metrics come of it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from airlift.access_vaults import all_access_vaults
from airlift.arns import Arn
from airlift.card import Deployed, card
from airlift.checking import ACCOUNT, SEVERITIES, Result
from airlift.errors import AirliftError
from airlift.keeping import put
from airlift.pages import render
from airlift.plan_store import newest_plan
from airlift.readiness import check
from airlift.remembering import tell_drills
from airlift.runtime import logger, metrics, setting
from airlift.selection import Selection
from airlift.values import now, stamp
from airlift.vault_points import pages

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.ledger import Ledger
    from airlift.plan import Plan
    from airlift.selection import Selected

PAGE = "readiness/readiness.html"
DATA = "readiness/readiness.json"
CARD = "readiness/card.html"
"""The offline card of the plan in force."""
_HTML = "text/html; charset=utf-8"
_SHOWN = 500
"""Resources of a vault that are listed one by one; an answer of Lambda may hold 6 MB."""
_READING = timedelta(seconds=120)
"""Since the check began, for all open vaults together; the function has 300 s, and page and metrics are yet to come."""


def check_now(ledger: Ledger) -> dict[str, Any]:
    """Makes all checks, writes page and data, and gives the data.

    `{"checkedAt", "plan", "ready", "counts": {severity: number}, "results": [Result.document()],
    "vaults": [what would be restored now, of each vault that is open], "page"}`.
    """
    until = now() + _READING
    bucket = setting("EVIDENCE_BUCKET")
    region = Arn.parse(setting("RECOVERY_STATE_MACHINE_ARN")).region
    found: list[Result] = []
    vaults: list[dict[str, Any]] = []
    version = ""
    try:
        plan = newest_plan()
    except AirliftError as error:
        why = "Nothing can be recovered without a plan."
        found.append(Result("plan", "blocks", ACCOUNT, error.what, why, error.remedy, type(error)))
    else:
        version = plan.version
        if plan.warning:
            remedy = "look at AppConfig, and deploy the plan with `airlift plan deploy`."
            found.append(Result("plan", "warning", ACCOUNT, plan.warning, "A newer plan would not count.", remedy))
        found += check(plan.plan, ledger, region)
        vaults = open_vaults(plan.plan, region, until)
        deployed = Deployed(setting("RECOVERY_STATE_MACHINE_ARN"), setting("RESTORE_ROLE_ARN"))
        tell_drills(ledger, plan.plan, region)
        put(bucket, CARD, card(plan.plan, deployed, at=now(), version=version).encode(), _HTML)
    counts = Counter(result.severity for result in found)
    blockers = counts["blocks"] + counts["holds"]
    report = {
        "checkedAt": stamp(now()),
        "plan": version,
        "ready": not blockers,
        "counts": {severity: counts[severity] for severity in SEVERITIES},
        "results": [result.document() for result in found],
        "vaults": vaults,
        "page": f"s3://{bucket}/{PAGE}",
    }
    put(bucket, DATA, json.dumps(report, ensure_ascii=False, indent=1).encode(), "application/json")
    put(bucket, PAGE, render("readiness.html", report=report).encode(), _HTML)
    metrics.add_metric("ReadinessBlockers", MetricUnit.Count, blockers)
    metrics.add_metric("ReadinessWarnings", MetricUnit.Count, counts["warning"])
    return report


def open_vaults(plan: Plan, region: str, until: datetime) -> list[dict[str, Any]]:
    """What would be restored if the newest points were wanted now, of each source vault that is readable here.

    What is not read `until` then is missing: its vault is not `complete`.
    """
    sources = {vault.arn for account in plan.accounts for vault in account.vaults if vault.region == region}
    shown = []
    try:
        for found in all_access_vaults():
            source = found.get("SourceBackupVaultArn", "")
            if source in sources and found["VaultState"] == "AVAILABLE":
                would_be = _would_be_restored(plan, found["BackupVaultName"], until)
                shown.append({"sourceBackupVaultArn": source, **would_be})
    except (ClientError, BotoCoreError) as error:  # the checks have told that it can't be read
        logger.warning("Points not read", extra={"reason": str(error)})
    return shown


def _would_be_restored(plan: Plan, vault_name: str, until: datetime) -> dict[str, Any]:
    moment = now()
    selection = Selection(plan, moment, moment)
    cut = False
    for page in pages(vault_name):
        if cut := now() > until:
            break
        selection.add(page)
    selected = list(selection.results())
    return {
        "restoreAccessBackupVaultName": vault_name,
        "types": dict(sorted(Counter(one.resource_type for one in selected if not one.skip).items())),
        "leftOut": sum(one.skip for one in selected),
        "complete": not cut and selection.complete and len(selected) <= _SHOWN,
        "resources": [_resource(plan, one) for one in selected[:_SHOWN]],
    }


def _resource(plan: Plan, one: Selected) -> dict[str, str]:
    wave, _ = plan.wave_of(one.resource_type, one.resource_arn, one.name)
    point = "" if one.skip else str(one.candidates[0]["createdAt"])
    return {
        "resourceArn": one.resource_arn,
        "resourceType": one.resource_type,
        "wave": "" if one.skip else plan.wave(wave).name,
        "pointFrom": point,
        "why": one.why,
    }
