"""The recovery's summary, as a document and as a message."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airlift.items import IN_FLIGHT, candidate_of
from airlift.ledger import Ledger, Record, item_key, looked_key, recovery_key
from airlift.points import moment_of
from airlift.recovery import first_sign
from airlift.values import parse_time, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from airlift.endings import Ending

_RECOVERY = (
    "recoveryId", "account", "mode", "trigger", "reason", "firstSignFrom", "planVersion", "planWarning",
    "createdAt", "resumedAt", "stopReason", "stoppedBy", "preemptedBy",
)  # fmt: skip
_VAULT = (
    "sourceBackupVaultArn", "restoreAccessBackupVaultArn", "requestedAt", "grantedAt", "approvals", "rejections",
    "threshold", "expiresAt", "selected", "selectedAt",
)  # fmt: skip
_ITEM = (
    "resourceArn", "resourceType", "resourceName", "waveName", "state", "reason", "nextStep", "chosenWhy",
    "pointScan", "newestUsable", "createdResourceArn", "validatedHow", "jobId", "attempt", "startedAt", "completedAt",
    "endedAt",
)  # fmt: skip


def summary(
    ledger: Ledger,
    recovery: Record,
    vaults: Iterable[Record],
    endings: Mapping[str, Ending],
    ending: Ending,
    at: datetime,
) -> dict[str, Any]:
    """All of the recovery in one JSON document: vaults with votes and endings, every resource with its outcome."""
    identity = recovery["recoveryId"]
    pk, _ = recovery_key(identity)
    return {
        **_some(recovery, _RECOVERY),
        "firstSign": first_sign(recovery),
        "outcome": ending.name,
        "cause": ending.cause,
        "endedAt": stamp(at),
        "vaults": [_vault(ledger, identity, vault, endings[vault["sourceBackupVaultArn"]]) for vault in vaults],
        "votes": [_some(vote, ("vault", "approver", "response", "at")) for vote in ledger.query(pk, "VOTE#")],
        "timeline": [
            _some(line, ("at", "kind", "text", "vault", "resource")) for line in ledger.query(pk, "TIMELINE#")
        ],
    }


def _vault(ledger: Ledger, identity: str, vault: Record, ending: Ending) -> dict[str, Any]:
    arn = vault["sourceBackupVaultArn"]
    looked = {one["resourceArn"]: one for one in ledger.query(looked_key(identity, arn, "")[0])}
    items = [
        _item(item) | points_looked_at(item, looked.get(item["resourceArn"], {}))
        for item in ledger.query(item_key(identity, arn, "")[0])
    ]
    return {
        **_some(vault, _VAULT),
        "ending": {"name": ending.name, "cause": ending.cause},
        "counts": dict(Counter(item["state"] for item in items)),
        "resources": items,
    }


def _item(item: Record) -> dict[str, Any]:
    told = _some(item, _ITEM)
    if item["state"] in IN_FLIGHT:
        # A started restore job can't be cancelled: it goes on, and a later resume takes it up.
        told |= {"state": "left running", "nextStep": "`airlift resume` takes it up again."}
    elif item["state"] == "waiting":
        told["state"] = "not started"
    if item["candidates"]:
        point = candidate_of(item)
        told["recoveryPoint"] = point
        told |= _cost(item, stamp(moment_of(point)))
    told["attempts"] = [attempt | _cost(item, attempt.get("pointTime")) for attempt in item["attempts"]]
    return told


def _cost(item: Record, taken: str | None) -> dict[str, Any]:
    """What falling back, or preferring a scanned point, costs: how much older the data is than the newest usable."""
    if taken is None or "newestUsable" not in item:
        return {}
    seconds = (parse_time(item["newestUsable"]) - parse_time(taken)).total_seconds()
    return {"olderThanNewestUsableSeconds": round(max(0.0, seconds))}


def points_looked_at(item: Record, looked: Record) -> dict[str, Any]:
    """Which points of a resource were looked at, newest first, and why each was taken or passed over.

    `{"points": [{"arn", "at", "why"}], "olderPoints": {reason: number}, "passedOver": [as points]}`: the newest one by
    one, the older ones by number, and those that were passed over later, right before a restore.
    """
    return {
        "points": looked.get("looked", []),
        "olderPoints": looked.get("rest", {}),
        "passedOver": item.get("passedOver", []),
    }


def _some(record: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: record[name] for name in names if name in record}


def message(document: Mapping[str, Any], where: str) -> str:
    """The summary for people: outcome, each vault in a line, what is missing, and the next step."""
    lines = [f"Recovery of account {document['account']}: {document['outcome']}", document["cause"], ""]
    for vault in document["vaults"]:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(vault["counts"].items())) or "nothing selected"
        lines.append(f"{vault['sourceBackupVaultArn']}: {vault['ending']['name']} ({counts})")
        missing = [r for r in vault["resources"] if r["state"] != "validated"]
        if fallen := [r for r in vault["resources"] if r.get("olderThanNewestUsableSeconds")]:
            worst = max(r["olderThanNewestUsableSeconds"] for r in fallen)
            lines.append(f"  {len(fallen)} not from the newest usable point; at most {worst / 3600:.1f} h older")
        lines += [f"  {r['state']}: {r['resourceArn']} {r.get('reason', '')}".rstrip() for r in missing[:10]]
        if len(missing) > 10:
            lines.append(f"  and {len(missing) - 10} more")
    lines += ["", f"Summary: {where}"]
    return "\n".join(lines)
