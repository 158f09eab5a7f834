"""`airlift points`: which point a resource is restored from, which others were looked at, and why. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.points import moment_of
from airlift.report import points_looked_at
from airlift.values import stamp
from rich.text import Text

from airlift_cli.snapshot import point_of
from airlift_cli.words import date_and_time, shown, style_of

if TYPE_CHECKING:
    from airlift.ledger import Record

_TOLD = ("resourceArn", "resourceType", "vault", "state", "reason")


def document(item: Record, looked: Record) -> dict[str, Any]:
    """The choice as `--json` prints it; the points looked at only if `looked` holds them."""
    told: dict[str, Any] = {name: item[name] for name in _TOLD if name in item}
    if point := point_of(item):
        told |= {"recoveryPointArn": point["arn"], "asOf": stamp(moment_of(point)), "chosenWhy": item.get("chosenWhy")}
    return told | (points_looked_at(item, looked) if looked else {})


def lines(item: Record, looked: Record) -> Text:
    """One line for the resource and one for why; with `looked`, one for each point, newest first."""
    point = point_of(item)
    taken = f"{date_and_time(stamp(moment_of(point)))} UTC" if point else "no point"
    found = [
        Text.assemble((shown(item["resourceArn"]), "bold"), f"  {taken}  ", (item["state"], style_of(item["state"])))
    ]
    found.append(Text(f"    {shown(item.get('chosenWhy') or item.get('reason', ''))}"))
    if looked:
        told = points_looked_at(item, looked)
        found += [_line(one) for one in told["points"]]
        found += [Text(f"    {n:,} older: {shown(why)}", "dim") for why, n in sorted(told["olderPoints"].items())]
        found += [_line(one, "right before the restore: ") for one in told["passedOver"]]
    return Text("\n").join(found)


def _line(one: dict[str, str], when: str = "") -> Text:
    taken = one["why"].startswith("taken")
    text = f"    {date_and_time(one['at'])}  {shown(one['arn'])}  {when}{shown(one['why'])}"
    return Text(text, "green" if taken else "")
