"""What was restored, held against what there was before the attack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from local.cloud.running import RECOVERY

if TYPE_CHECKING:
    from local.cloud.contents import Resource
    from local.cloud.story import Story


@dataclass(frozen=True)
class Comparison:
    """One resource: the ledger's item, how many of its parts are the same, and what isn't (named, at most ten)."""

    resource: Resource
    item: dict[str, Any]
    same: int
    parts: int
    differences: list[str]

    @property
    def equal(self) -> bool:
        """Whether everything is back and nothing else is there."""
        return not self.differences


def compare(story: Story, items: list[dict[str, Any]]) -> list[Comparison]:
    """Each resource of the story, read back from the recovery account."""
    known = {item["resourceArn"]: item for item in items}
    return [_compare(story, one, known.get(one.arn, {})) for one in story.resources]


def _compare(story: Story, resource: Resource, item: dict[str, Any]) -> Comparison:
    expected = story.expected[resource.arn]
    created = item.get("createdResourceArn")
    found = resource.read(RECOVERY, created) if created else {}
    missing = [f"{part} is missing" for part in expected if part not in found]
    altered = [f"{part} differs" for part in expected if part in found and found[part] != expected[part]]
    added = [f"{part} was not there" for part in found if part not in expected]
    differences = [*missing, *altered, *added]
    same = len(expected) - len(missing) - len(altered)
    return Comparison(resource, item, same, len(expected), differences[:10])


def table(comparisons: list[Comparison]) -> Table:
    """The closing table of the demo."""
    shown = Table(title="What came back", title_justify="left", expand=True, show_lines=True)
    for heading, share in (
        ("Resource, restored as", 4),
        ("Recovery point, and why", 4),
        ("Verified how", 5),
        ("Compared", 3),
    ):
        shown.add_column(heading, overflow="fold", ratio=share)
    for one in comparisons:
        item = one.item
        points = item.get("candidates") or [{}]
        point = points[int(item.get("candidate", 0))]
        created = str(item.get("createdResourceArn", "nothing"))
        words = f"{one.same:,} of {one.parts:,} {one.resource.parts} the same"
        shown.add_row(
            Text(
                f"{one.resource.resource_type} {one.resource.name}\n→ {created.rpartition(':')[2].rpartition('/')[2]}"
            ),
            Text(f"{str(point.get('createdAt', '-'))[:16]}Z\n{item.get('chosenWhy', '')}"),
            Text(str(item.get("validatedHow") or item.get("reason") or "-")),
            Text(words if one.equal else f"{words}; {'; '.join(one.differences[:3])}", "green" if one.equal else "red")
            + Text(f"\nin {duration(item.get('startedAt'), item.get('endedAt'))}", "default"),
        )
    return shown


def line(recovery: dict[str, Any]) -> str:
    """finding → request → approval → last restore, and how long each took; `recovery` as `airlift status` has it."""
    vaults, items = recovery["vaultRecords"], recovery["items"]
    moments = {
        "finding": recovery["createdAt"],
        "request": _latest(vault.get("requestedAt") for vault in vaults),
        "approval": _latest(vault.get("grantedAt") for vault in vaults),
        "last restore": _latest(item.get("endedAt") for item in items),
    }
    names = list(moments)
    steps = [f"{name} +{duration(moments[before], moments[name])}" for before, name in pairwise(names)]
    return f"finding {str(moments['finding'])[11:19]} UTC → {' → '.join(steps)}"


def duration(start: str | None, end: str | None) -> str:
    """Seconds between two of the ledger's times, "-" if one is missing."""
    if not start or not end:
        return "-"
    return f"{(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds():.1f} s"


def _latest(times: Any) -> str | None:
    return max(filter(None, times), default=None)
