"""The recovery as the ledger knows it: its id, its first sign of compromise, its first record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from airlift.ledger import Put, Record, Update, chore_key, keyed, listing_key, recovery_key, trigger_key
from airlift.values import parse_time, stamp

if TYPE_CHECKING:
    from airlift.plan import Allow
    from airlift.plan_store import PlanVersion

LATEST: Literal["latest"] = "latest"
"""A first sign that says: the newest points are wanted."""
EVERY_WAVE = "*"
"""In the recovery's `continuedWaves` (when the operator let which wave pass): no wave was named, all that wait."""
_REMEMBERED = timedelta(days=90)
NO_CUT_OFF = datetime.max.replace(tzinfo=UTC)
"""The cut-off of who wants the newest points."""


@dataclass(frozen=True)
class Wanted:
    """What a trigger or person asks to be recovered. `first_sign` is a stamp, "latest" or None if not known."""

    account: str
    vaults: tuple[str, ...]
    trigger: dict[str, str]
    reason: str
    first_sign: str | None
    first_sign_from: str
    trigger_id: str
    adopt_vault: str | None = None
    override_readiness: str | None = None
    access_only: bool = False
    on_demand: bool = field(default=False)
    drill: bool = False
    allow: Allow = "request"
    """What the plan lets this trigger do."""
    seen_at: str | None = None
    """When the same trigger came before and might do less: it was only told of, and may now do more."""


def recovery_id(execution_arn: str, account: str, at: datetime, *, drill: bool = False) -> str:
    """`r-YYYYMMDD-<account>-<4 hex>`, or `drill-…`; the hex derives from the execution: a repeated step gives it again.

    Names and tags of all that is made hold the id, so that IAM can tell what a drill made (ADR 0007).
    """
    mark = hashlib.sha256(execution_arn.encode()).hexdigest()[:4]
    return f"{'drill' if drill else 'r'}-{at:%Y%m%d}-{account}-{mark}"


def is_drill(recovery_id: str) -> bool:
    """Whether this is a drill's id."""
    return recovery_id.startswith("drill-")


def chore(identity: str) -> Put:
    """The change that lets the janitor look after the recovery until nothing of it is left to do."""
    return Put(keyed(chore_key(identity), recoveryId=identity), replace=True)


def memory(wanted: Wanted, at: datetime, identity: str | None = None) -> Update:
    """The change that remembers a trigger, with its first sign; refused if it came again meanwhile."""
    values = {
        "seenAt": stamp(at),
        "allowed": wanted.allow,
        "firstSign": wanted.first_sign if wanted.first_sign != LATEST else None,
        "recoveryId": identity,
        "expiresEpoch": int((at + _REMEMBERED).timestamp()),
    }
    key = trigger_key(wanted.account, wanted.trigger_id)
    return Update(key, values, only_if={"seenAt": wanted.seen_at}, create=True)


def told_of(wanted: Wanted) -> str:
    """What is wanted, by whom and why, in a line."""
    who = f"{wanted.trigger.get('by', 'An operator')}: " if wanted.on_demand else ""
    sign = f"first sign {wanted.first_sign} ({wanted.first_sign_from})" if wanted.first_sign else "first sign not known"
    return f"{who}{wanted.reason}; {sign}"


def new_recovery(identity: str, wanted: Wanted, plan: PlanVersion, execution_arn: str, at: datetime) -> Record:
    """The recovery's first record."""
    return keyed(
        recovery_key(identity),
        recoveryId=identity,
        account=wanted.account,
        mode="drill" if is_drill(identity) else "real",
        state="RUNNING",
        trigger=wanted.trigger,
        reason=wanted.reason,
        firstSign=wanted.first_sign,
        firstSignFrom=wanted.first_sign_from,
        adoptVault=wanted.adopt_vault,
        overrideReadiness=wanted.override_readiness,
        accessOnly=wanted.access_only or None,
        planVersion=plan.version,
        planKey=plan.key,
        planWarning=plan.warning or None,
        createdAt=stamp(at),
        executionArn=execution_arn,
        vaults=list(wanted.vaults),
    )


def listing(identity: str, account: str, at: datetime) -> Record:
    """The recovery's line in the list of all."""
    return keyed(listing_key(identity), recoveryId=identity, account=account, createdAt=stamp(at))


def first_sign(recovery: Record) -> str | None:
    """The first sign that counts now: a stamp, "latest", or None if nobody knows one yet.

    The operator's word stands above all. An explicit "latest" stays; otherwise the earliest sign counts.
    """
    operators: str | None = recovery.get("operatorFirstSign")
    if operators:
        return operators
    if recovery.get("firstSign") == LATEST:
        return LATEST
    return min((s for s in (recovery.get("firstSign"), recovery.get("joinedFirstSign")) if s), default=None)


def first_sign_from(recovery: Record) -> str:
    """Where the first sign that counts now is known from; empty if none is known."""
    if recovery.get("operatorFirstSign"):
        return "given by an operator"
    sign = first_sign(recovery)
    if sign is not None and sign != recovery.get("firstSign"):
        return str(recovery.get("joinedFirstSignFrom") or "from a trigger that joined")
    return str(recovery.get("firstSignFrom") or "")


def cut_off(recovery: Record, margin_minutes: int) -> datetime | None:
    """The latest moment from which a point is taken as clean; None while no first sign is known."""
    sign = first_sign(recovery)
    if sign is None:
        return None
    return NO_CUT_OFF if sign == LATEST else parse_time(sign) - timedelta(minutes=margin_minutes)
