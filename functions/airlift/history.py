"""What drills and recoveries took, held against each other: times, objectives, changes, and what is to come. Pure.

Each ending leaves one record of these facts in the ledger (partition HISTORY); the rest stands in its report.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from airlift.endings import RECOVERED
from airlift.items import RESTORED
from airlift.ledger import Record, history_key, keyed
from airlift.points import moment_of
from airlift.recovery import LATEST
from airlift.values import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_EXAMPLES = 20
_LIKE_THE_LAST = 5
NEVER_DRILLED_DAYS = 3650
"""What the metric says of an account without any good drill; a metric can't say "never"."""


def facts(report: Mapping[str, Any], key: str, changes: Mapping[str, Any] | None = None) -> Record:
    """The history's record of an ending, out of its report, which lies at `key`; `times` are in it as far as known."""
    resources = [one for vault in report["vaults"] for one in vault["resources"]]
    began = report["createdAt"]
    wanted = [one for one in resources if one.get("wanted", True)]
    return keyed(
        history_key(report["account"], began, report["recoveryId"]),
        recoveryId=report["recoveryId"],
        account=report["account"],
        mode=report["mode"],
        outcome=report["outcome"],
        createdAt=began,
        endedAt=report.get("endedAt", report["writtenAt"]),
        reportKey=key,
        vaults=sorted(vault["sourceBackupVaultArn"] for vault in report["vaults"]),
        selectedAll=all("selectedAt" in vault for vault in report["vaults"]),
        selected=len(resources),
        wanted=len(wanted),
        validated=sum(one["state"] == "validated" for one in wanted),
        restored=sum(one["state"] in RESTORED for one in wanted),
        **times(began, report["vaults"], resources),
        objectives=report["objectivesMet"],
        types=_types(wanted),
        changes=dict(changes) if changes else None,
    )


def times(
    began: str, vaults: Iterable[Mapping[str, Any]], resources: Iterable[Mapping[str, Any]]
) -> dict[str, int | None]:
    """In whole seconds, None if what they end with has not come about: `approvalSeconds` from the first request to the
    last access, `firstRestoreSeconds` and `lastRestoreSeconds` from the trigger to the first and the last resource
    restored, `restoringSeconds` from the last access to the last resource restored.
    """
    vaults = list(vaults)
    ended = [one["endedAt"] for one in resources if one["state"] in RESTORED and "endedAt" in one]
    first, last = min(ended, default=None), max(ended, default=None)
    asked = min((vault["requestedAt"] for vault in vaults if "requestedAt" in vault), default=None)
    granted = max((vault["grantedAt"] for vault in vaults if "grantedAt" in vault), default=None)
    return {
        "approvalSeconds": _seconds(asked, granted),
        "firstRestoreSeconds": _seconds(began, first),
        "lastRestoreSeconds": _seconds(began, last),
        "restoringSeconds": _seconds(granted, last),
    }


def _seconds(start: str | None, end: str | None) -> int | None:
    return max(0, round((parse_time(end) - parse_time(start)).total_seconds())) if start and end else None


def _types(resources: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Of each type: how many were restored, how many bytes their points have, and the median of their seconds."""
    took: dict[str, list[tuple[int, int]]] = {}
    for one in resources:
        seconds = _seconds(one.get("startedAt"), one.get("endedAt"))
        if one["state"] in RESTORED and seconds is not None:
            size = int(one.get("recoveryPoint", {}).get("sizeBytes", 0))
            took.setdefault(one["resourceType"], []).append((seconds, size))
    return {
        kind: {
            "restored": len(each),
            "medianSeconds": round(median(seconds for seconds, _ in each)),
            "bytes": sum(size for _, size in each),
        }
        for kind, each in sorted(took.items())
    }


def comparable(records: Sequence[Record], vaults: Iterable[str], before: str) -> Record | None:
    """The newest of an account's records that looked into the same vaults, all of them, and began before `before`."""
    wanted = sorted(vaults)
    fit = (one for one in records if one["vaults"] == wanted and one["selectedAll"] and one["createdAt"] < before)
    return max(fit, key=lambda one: str(one["createdAt"]), default=None)


def changed(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """What one report has that an earlier one of the same vaults has not, and the other way round.

    `{"since", "vanished", "new", "withoutFreshPoint"}`: the earlier one's id, and of each kind
    `{"count", "examples": [resource ARN]}`. A point is fresh if its age meets the plan's RPO; without an RPO any is.
    """
    before, after = _seen(earlier), _seen(later)
    return {
        "since": earlier["recoveryId"],
        "vanished": _some(arn for arn in before if arn not in after),
        "new": _some(arn for arn in after if arn not in before),
        "withoutFreshPoint": _some(arn for arn, fresh in after.items() if not fresh),
    }


def _seen(report: Mapping[str, Any]) -> dict[str, bool]:
    """Every resource that was to be restored, and whether it had a fresh point."""
    sign = report.get("firstSign")
    reference = parse_time(report["createdAt"] if sign in (None, LATEST) else sign)
    return {
        one["resourceArn"]: _fresh(one, reference)
        for vault in report["vaults"]
        for one in vault["resources"]
        if one.get("wanted", True)
    }


def _fresh(resource: Mapping[str, Any], reference: datetime) -> bool:
    point, minutes = resource.get("recoveryPoint"), resource.get("objectives", {}).get("rpoMinutes")
    if not point:
        return False
    return minutes is None or reference - moment_of(point) <= timedelta(minutes=minutes)


def _some(arns: Iterable[str]) -> dict[str, Any]:
    found = sorted(arns)
    return {"count": len(found), "examples": found[:_EXAMPLES]}


def last_good_drill(records: Iterable[Record], account: str) -> str | None:
    """When the account's last drill that recovered everything ended; None if there was none."""
    good = (one for one in records if one["mode"] == "drill" and one["outcome"] == RECOVERED)
    return max((str(one["endedAt"]) for one in good if one["account"] == account), default=None)


def days_since_drill(records: Iterable[Record], account: str, now: datetime) -> int:
    """Whole days since the account's last good drill, `NEVER_DRILLED_DAYS` if there was none."""
    at = last_good_drill(records, account)
    return (now - parse_time(at)).days if at else NEVER_DRILLED_DAYS


class Estimate(NamedTuple):
    """When the last resource will be restored, if it goes like the last `runs` of this account, by their medians."""

    at: datetime
    runs: int

    def words(self, now: datetime) -> str:
        """Such as `like the last 3: about 09:40 UTC, in 12 min`."""
        like = "like the last one" if self.runs == 1 else f"like the last {self.runs}"
        minutes = round((self.at - now).total_seconds() / 60)
        if minutes < 0:
            return f"longer than {like.removeprefix('like ')} took (until about {_clock(self.at, now)})"
        return f"{like}: about {_clock(self.at, now)}, in {_span(minutes)}"


def _clock(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"


def _span(minutes: int) -> str:
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def estimate(records: Iterable[Record], recovery: Record, vaults: Iterable[Record]) -> Estimate | None:
    """When a recovery that runs will have restored its last resource; None if nothing is known to go by.

    Before access is granted: the last runs' median time to approval and median time of restoring from the request on;
    afterwards from the access on.
    """
    ended = [one for one in records if one["account"] == recovery["account"]]
    ended = [one for one in ended if one["recoveryId"] != recovery["recoveryId"] and "restoringSeconds" in one]
    runs = sorted(ended, key=lambda one: str(one["createdAt"]))[-_LIKE_THE_LAST:]
    going = list(vaults)
    asked = [vault["requestedAt"] for vault in going if "requestedAt" in vault]
    if not runs or not asked or recovery.get("accessOnly"):
        return None
    restoring = median(one["restoringSeconds"] for one in runs)
    granted = [vault.get("grantedAt") for vault in going if "grantedAt" in vault or vault["state"] != "ENDED"]
    if granted and all(granted):
        return Estimate(parse_time(max(map(str, granted))) + timedelta(seconds=restoring), len(runs))
    approval = median(one["approvalSeconds"] for one in runs)
    return Estimate(parse_time(min(asked)) + timedelta(seconds=approval + restoring), len(runs))
