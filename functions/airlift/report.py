"""The recovery's report, as a document and as a message.

The document's shape is `airlift.report_shape.Report`, published as schemas/report.schema.json.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airlift.costing import cost, usage_of
from airlift.endings import CLEANED_UP, next_step_at_end
from airlift.errors import DrillNotCleanedUp
from airlift.items import IN_FLIGHT, candidate_of
from airlift.ledger import Ledger, Record, item_key, looked_key, recovery_key
from airlift.measuring import Measure, met, waves
from airlift.points import moment_of
from airlift.recovery import first_sign, first_sign_from, is_drill
from airlift.rotating import not_held, to_rotate
from airlift.values import parse_time, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from airlift.endings import Ending
    from airlift.plan import Plan

_RECOVERY = (
    "recoveryId", "account", "mode", "trigger", "reason", "planVersion", "planWarning",
    "createdAt", "resumedAt", "endedAt", "stopReason", "stoppedBy", "preemptedBy",
)  # fmt: skip
_VAULT = (
    "sourceBackupVaultArn", "restoreAccessBackupVaultArn", "requestedAt", "grantedAt", "approvals", "rejections",
    "threshold", "expiresAt", "selected", "selectedAt", "accessClosedAt",
)  # fmt: skip
_ITEM = (
    "resourceArn", "resourceType", "resourceName", "wave", "waveName", "wanted", "state", "reason", "nextStep",
    "chosenWhy", "pointScan", "newestUsable", "createdResourceArn", "endpoints", "validatedHow", "jobId", "attempt",
    "startedAt", "completedAt", "endedAt", "deletedAt", "deletions",
)  # fmt: skip
_ENTRY = ("at", "kind", "text", "vault", "resource")
LONGEST_TIMELINE = 5000
"""So many entries of the timeline the report holds in any case; of a longer one those of validated resources are left
out, which timeline.jsonl beside it has."""
_NEXT_STEPS, _STEPS_TOLD = 20, 3
"""So many different next steps the report holds, and the message."""


def report(
    ledger: Ledger,
    recovery: Record,
    vaults: Sequence[Record],
    endings: Mapping[str, Ending],
    ending: Ending,
    plan: Plan | None,
    at: datetime,
) -> dict[str, Any]:
    """All of the recovery in one document: what it came to, every vote, every resource with its outcome and why.

    `plan` is the plan that the recovery recorded, None if it can't be read: no objective is known then.
    """
    identity = recovery["recoveryId"]
    measure = Measure(recovery, plan)
    told = [_vault(ledger, recovery, vault, endings[vault["sourceBackupVaultArn"]], measure) for vault in vaults]
    resources = [resource for vault in told for resource in vault["resources"]]
    entries, left_out, closings = _timeline(ledger, identity, resources)
    return {
        "version": 1,
        **_some(recovery, _RECOVERY),
        **({"firstSign": sign, "firstSignFrom": first_sign_from(recovery)} if (sign := first_sign(recovery)) else {}),
        "outcome": ending.name,
        "cause": ending.cause,
        "writtenAt": stamp(at),
        "counts": dict(Counter(resource["state"] for resource in resources)),
        "objectivesMet": met(resources),
        **({} if plan else {"objectivesUnknown": "The plan of this recovery could not be read."}),
        "nextSteps": _next_steps(resources),
        "waves": waves(resources),
        "vaults": told,
        "votes": [
            _some(vote, ("vault", "approver", "response", "at"))
            for vote in ledger.query(recovery_key(identity)[0], "VOTE#")
        ],
        "leftOut": dict(Counter(one.get("reason", "") for one in resources if not one["wanted"])),
        "rotate": to_rotate(resources),
        "notHeld": not_held(),
        **({"cleanUp": _clean_up(recovery, resources)} if is_drill(identity) else {}),
        "cost": cost(usage_of(recovery, vaults, resources, max(1, closings + (recovery["state"] != "ENDED")))),
        "timeline": entries,
        "timelineLeftOut": left_out,
    }


def _timeline(
    ledger: Ledger, identity: str, resources: Iterable[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], int, int]:
    """The timeline's entries, how many are left out since there are too many, and how many endings are among them."""
    validated = {one["resourceArn"] for one in resources if one["state"] == "validated"}
    lines = list(ledger.query(recovery_key(identity)[0], "TIMELINE#"))
    kept = lines
    if len(lines) > LONGEST_TIMELINE:
        kept = [line for line in lines if line.get("resource") not in validated]
    closings = sum(line["kind"] == "closed" for line in lines)
    return [_some(line, _ENTRY) for line in kept], len(lines) - len(kept), closings


def _next_steps(resources: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is to be done about resources without a good outcome, each step once, the one for most of them first."""
    steps: dict[tuple[str, str], list[str]] = {}
    for one in resources:
        if one["wanted"] and one["state"] != "validated" and one.get("nextStep"):
            steps.setdefault((one["state"], one["nextStep"]), []).append(one["resourceArn"])
    ordered = sorted(steps.items(), key=lambda step: -len(step[1]))[:_NEXT_STEPS]
    return [
        {"state": state, "nextStep": step, "resources": len(arns), "examples": arns[:3]}
        for (state, step), arns in ordered
    ]


def _clean_up(recovery: Record, resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What came of deleting what a drill restored; without an outcome it has not ended."""
    told: dict[str, Any] = {"deleted": sum("deletedAt" in one for one in resources), "left": []}
    if at := recovery.get("cleanedUpAt"):
        return told | {"outcome": CLEANED_UP, "at": at}
    if at := recovery.get("notCleanedUpAt"):
        return told | {"outcome": DrillNotCleanedUp.__name__, "at": at, "left": recovery.get("cleanUpLeft", [])}
    return told


def _vault(ledger: Ledger, recovery: Record, vault: Record, ending: Ending, measure: Measure) -> dict[str, Any]:
    arn = vault["sourceBackupVaultArn"]
    items = list(_resources(ledger, recovery, arn, measure))
    return {
        **_some(vault, _VAULT),
        "ending": {"name": ending.name, "cause": ending.cause},
        "counts": dict(Counter(item["state"] for item in items)),
        "resources": items,
    }


def _resources(ledger: Ledger, recovery: Record, arn: str, measure: Measure) -> Iterator[dict[str, Any]]:
    """The vault's resources, in order of their ARNs, as both partitions are: no page of either is read twice."""
    identity, ended = recovery["recoveryId"], "endedAt" in recovery
    looked_at = ledger.query(looked_key(identity, arn, "")[0])
    looked: Record = next(looked_at, {})
    for item in ledger.query(item_key(identity, arn, "")[0]):
        while looked and looked["resourceArn"] < item["resourceArn"]:
            looked = next(looked_at, {})
        mine = looked if looked.get("resourceArn") == item["resourceArn"] else {}
        told = _item(item, measure) | points_looked_at(item, mine)
        if ended and "nextStep" in told:
            told["nextStep"] = next_step_at_end(identity, told["nextStep"])
        yield told


def _item(item: Record, measure: Measure) -> dict[str, Any]:
    told = _some(item, _ITEM)
    if item["state"] in IN_FLIGHT:
        # A started restore job can't be cancelled: it goes on, and a later resume, or a drill's clean-up, takes it up.
        told |= {
            "state": "left running",
            "nextStep": "`airlift resume` takes it up again; what a drill made is deleted.",
        }
    elif item["state"] == "waiting":
        told["state"] = "not started"
    point = candidate_of(item) if item["candidates"] else None
    if point:
        told |= _cost(item, stamp(moment_of(point)))
        told["recoveryPoint"] = point | {"moment": stamp(moment_of(point))}
    told["objectives"] = measure.of(item, point) if item["wanted"] else {}
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
    lines = [f"Recovery of account {document['account']}: {document['outcome']}", document["cause"]]
    lines += [*_objectives_met(document["objectivesMet"]), ""]
    for vault in document["vaults"]:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(vault["counts"].items())) or "nothing selected"
        lines.append(f"{vault['sourceBackupVaultArn']}: {vault['ending']['name']} ({counts})")
        missing = [r for r in vault["resources"] if r["wanted"] and r["state"] != "validated"]
        if fallen := [r for r in vault["resources"] if r.get("olderThanNewestUsableSeconds")]:
            worst = max(r["olderThanNewestUsableSeconds"] for r in fallen)
            lines.append(f"  {len(fallen)} not from the newest usable point; at most {worst / 3600:.1f} h older")
        lines += [f"  {r['state']}: {r['resourceArn']} {r.get('reason', '')}".rstrip() for r in missing[:10]]
        if len(missing) > 10:
            lines.append(f"  and {len(missing) - 10} more")
    steps = document.get("nextSteps", [])  # an earlier version of the report had none
    lines += [f"Next step for {one['resources']} {one['state']}: {one['nextStep']}" for one in steps[:_STEPS_TOLD]]
    lines += ["", f"Report: {where}"]
    return "\n".join(lines)


def _objectives_met(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """One line for each objective that the plan has."""
    lines = []
    for kind, count in counts.items():
        asked = count["met"] + count["missed"]
        if asked:
            lines.append(f"{kind.upper()} met by {count['met']} of {asked} resources")
    return lines
