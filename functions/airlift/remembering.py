"""The history's edge: endings are remembered, the page is written anew, days since a good drill are counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.history import changed, comparable, days_since_drill, facts
from airlift.history_page import page
from airlift.keeping import put
from airlift.ledger import Put, history_key
from airlift.runtime import is_transient, logger, setting
from airlift.telemetry import count
from airlift.values import now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airlift.ledger import Ledger, Record
    from airlift.plan import Plan

PAGE = "history/history.html"
"""In the working bucket."""


def remembered(ledger: Ledger, report: Mapping[str, Any], key: str) -> Put:
    """The record that remembers an ending, with what changed since the last one that looked into the same vaults.

    `report` is the ending's own, which lies at `key` in the evidence bucket. A later ending of the same recovery takes
    its place.
    """
    kept = facts(report, key)
    earlier = [one for one in records(ledger, report["account"]) if one["recoveryId"] != report["recoveryId"]]
    last = comparable(earlier, kept["vaults"], report["createdAt"]) if kept["selectedAll"] else None
    before = _read(last["reportKey"]) if last else None
    return Put(facts(report, key, changed(before, report)) if before else kept, replace=True)


def records(ledger: Ledger, account: str = "") -> list[Record]:
    """What is remembered, of one account or of all, by account and time."""
    pk, prefix = history_key(account, "", "") if account else ("HISTORY", "")
    return list(ledger.query(pk, prefix.removesuffix("#")))


def _read(key: str) -> dict[str, Any] | None:
    """An earlier report; None if it can't be read, as when it has outlived its lock: no ending waits for it."""
    try:
        body = client("s3").get_object(Bucket=setting("EVIDENCE_BUCKET"), Key=key)["Body"]
        document: dict[str, Any] = json.loads(body.read())
    except (ClientError, ValueError) as error:
        if is_transient(error):
            raise
        logger.warning("The last report can't be compared with", extra={"key": key, "reason": str(error)})
        return None
    return document


def write_history(ledger: Ledger, accounts: Sequence[str] = ()) -> None:
    """Writes the page of all drills and recoveries; `accounts` are shown even if they had none."""
    text = page(records(ledger), accounts, now())
    put(setting("WORKING_BUCKET"), PAGE, text.encode(), "text/html; charset=utf-8")


def tell_drills(ledger: Ledger, plan: Plan, region: str) -> None:
    """The daily part: the page, and two metrics over the accounts with vaults in this Region.

    `DaysSinceSuccessfulDrill` is that of the account that waits longest; `DrillsOverdue` counts the accounts without a
    good drill within the plan's `drills.warnAfterDays`.
    """
    accounts = [account.id for account in plan.accounts if any(vault.region == region for vault in account.vaults)]
    known, at = records(ledger), now()
    days = [days_since_drill(known, account, at) for account in accounts]
    overdue = sum(each > plan.drills.warn_after_days for each in days)
    count(DaysSinceSuccessfulDrill=max(days, default=0), DrillsOverdue=overdue)
    write_history(ledger, accounts)
