"""Which of its points an attempt takes, looked at right before it: the first sign may have moved, a scan been made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.items import change, told
from airlift.points import AFTER_SIGN, INFECTED, moment_of, taken_at
from airlift.values import now, parse_time, stamp
from airlift.vault_points import is_passed_over, look_up, scan_before_restore

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.ledger import Change, Record
    from airlift.vaults import VaultWork

POINT = ("candidates", "candidate", "chosenWhy", "pointScan", "passedOver")
"""The item's attributes that say which point is taken and why; they are frozen with the attempt."""
_MOVED = "the first sign of compromise has moved"


def take_point(work: VaultWork, item: Record, cut_off: datetime) -> list[Change] | None:
    """Puts the point that is taken into the item, and gives what is to be told with it; the caller writes both.

    None if no point is left: then the item is skipped. Raises ClientError as AWS Backup's reads do.
    """
    candidates, index = list(item["candidates"]), item["candidate"]
    passed: list[dict[str, str]] = []
    looked_up = False
    while True:
        if index == len(candidates) and not looked_up:
            candidates += _others(work, item, candidates, cut_off)
            looked_up = True
        if index == len(candidates):
            _skip(work, item, passed)
            return None
        point = taken_at(candidates[index], cut_off)
        scan = scan_before_restore(work, item["resourceType"], candidates[index]["arn"]) if point else ""
        if point and (point.get("chosen") or not is_passed_over(work, scan)):
            break
        at = stamp(moment_of(candidates[index]))
        passed.append({"arn": candidates[index]["arn"], "at": at, "why": scan if point else AFTER_SIGN})
        index += 1
    why = _why(item, point, passed, scan, moved=point != candidates[index])
    candidates[index] = point
    item.update(candidates=candidates, candidate=index, chosenWhy=why, pointScan=scan or None)
    item["passedOver"] = [*item.get("passedOver", []), *passed] or None
    if not passed:
        return []
    return [told(work, item, "passed-over", f"{_in_words(passed)}; {moment_of(point):%Y-%m-%d %H:%M} UTC is taken")]


def _others(work: VaultWork, item: Record, known: list[dict[str, Any]], cut_off: datetime) -> list[dict[str, Any]]:
    """Other points than those kept when points were selected, if there may be any.

    They need not be older: those that were scanned, or whose retention does not end soon, are kept first.
    """
    if known and len(known) < work.plan.points.candidates:
        return []
    if "notAfter" in item:
        cut_off = min(cut_off, parse_time(item["notAfter"]))
    found = look_up(work, item["resourceArn"], cut_off, but={point["arn"] for point in known})
    return list(found.candidates) if found else []


def _why(item: Record, point: dict[str, Any], passed: list[dict[str, str]], scan: str, *, moved: bool) -> str:
    if any(one["why"] != AFTER_SIGN for one in passed):
        return f"the newest usable after others were passed over: {_in_words(passed)}"
    if not item["candidates"]:
        return "the newest usable point as the vault shows it now"
    if passed:
        return f"{_MOVED}; the newest usable point before it"
    if moved:
        return f"{_MOVED}; taken as of an earlier moment"
    why: str = item["chosenWhy"]
    if point.get("chosen") and scan == INFECTED and INFECTED.upper() not in why:
        why += f", ALTHOUGH IT IS {INFECTED.upper()}"
    return why


def _skip(work: VaultWork, item: Record, passed: list[dict[str, str]]) -> None:
    text = "no point is left from before the first sign of compromise, which has moved"
    if not item["candidates"]:
        text = "no usable point was found for it"
    elif any(one["why"] != AFTER_SIGN for one in passed):
        text = f"no usable point is left; passed over: {_in_words(passed)}"
    values = {
        "state": "skipped",
        "reason": text,
        "nextStep": "if a newer point will do, give it with `airlift restore-again … --point ARN`.",
        "endedAt": stamp(now()),
        "passedOver": [*item.get("passedOver", []), *passed] or None,
    }
    change(work, item, values, told(work, item, "skipped", text))


def _in_words(passed: list[dict[str, str]]) -> str:
    return ", ".join(f"{one['at']} {one['why']}" for one in passed)
