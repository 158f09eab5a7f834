"""Calls to AWS that steps make: told apart, noted with their effects as CloudTrail does, and struck by a fault."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from local.simulation.sdk import Call
    from local.simulation.world import Simulation

_RECOVERY_ID = re.compile(r"^(r|drill)-\d{8}-")


class Site(NamedTuple):
    """One call of one step, the `number`-th of its like (from 1); `what` tells reads and writes of records apart."""

    handler: str
    service: str
    operation: str
    what: str
    number: int

    def __str__(self) -> str:
        what = f" ({self.what})" if self.what else ""
        return f"{self.handler} {self.service}:{self.operation}{what} #{self.number}"


@dataclass(frozen=True)
class Entry:
    """A call that had its effect: when, by which step with which payload, and what came of it."""

    at: float
    handler: str
    payload: Any
    call: Call
    answer: dict[str, Any] = field(repr=False)


def what_of(call: Call) -> str:
    """What a call concerns, without names and values that differ from run to run."""
    given = call.params
    if call.operation == "TransactWriteItems":
        return "; ".join(sorted({_action(item) for item in given["TransactItems"] if "ConditionCheck" not in item}))
    if call.service == "dynamodb" and isinstance(given.get("Key"), dict) and "sk" in given["Key"]:
        return _kind(given["Key"]["pk"]["S"], given["Key"]["sk"]["S"])
    if call.service == "dynamodb" and call.operation == "Query":
        prefix = given["ExpressionAttributeValues"].get(":prefix", {}).get("S", "")
        return f"{given.get('IndexName', '')} {prefix.partition('#')[0]}".strip()
    if call.service == "s3":
        return str(given.get("Key", "")).partition("/")[0]
    return ""


def _action(item: dict[str, Any]) -> str:
    ((kind, part),) = item.items()
    key = {**part.get("Item", {}), **part.get("Key", {})}
    names = part.get("ExpressionAttributeNames", {}).values()
    return f"{kind} {_kind(key['pk']['S'], key['sk']['S'])} {','.join(sorted(names))}".rstrip()


def _kind(pk: str, sk: str) -> str:
    return pk if _RECOVERY_ID.match(sk) else sk.partition("#")[0]


Strike = Callable[["Simulation", "Call"], None]
"""Lets a call fail, by raising as botocore or the sandbox does; or does something beside it and lets it pass."""
Change = Callable[["Simulation", "Call", dict[str, Any]], None]
"""Changes what a call answers, or raises although its effect is made."""


class Calls:
    """Notes every call of every step, and strikes one site: the first time, or as long as `lasts()` says."""

    def __init__(self, sim: Simulation) -> None:
        self.log: list[Entry] = []
        self.sites: list[Site] = []
        """Every call that was tried, in order."""
        self.mutating: set[Site] = set()
        self.struck = 0
        self._sim = sim
        self._seen: Counter[tuple[str, str, str, str]] = Counter()
        self._now: list[tuple[Site, Any, Call]] = []
        self._site: Site | None = None
        self._before: Strike | None = None
        self._after: Change | None = None
        self._lasts: Callable[[], bool] = lambda: False
        sim.before_call.append(self._called)
        sim.after_call.append(self._answered)

    def strike(
        self,
        site: Site,
        before: Strike | None = None,
        after: Change | None = None,
        lasts: Callable[[], bool] = lambda: False,
    ) -> None:
        """Plan a fault for a site; later calls of its like are struck as well while it `lasts`."""
        self._site, self._before, self._after, self._lasts = site, before, after, lasts

    def _called(self, call: Call) -> None:
        like = (self._sim.lambdas.running[-1].handler.partition(".")[0], call.service, call.operation, what_of(call))
        self._seen[like] += 1
        site = Site(*like, self._seen[like])
        self.sites.append(site)
        self._now.append((site, self._sim.lambdas.invocations[-1][1], call))
        if call.mutates:
            self.mutating.add(site)
        if self._before and self._strikes(site):
            self.struck += 1
            self._before(self._sim, call)

    def _answered(self, call: Call, answer: dict[str, Any]) -> None:
        site, payload, asked = self._now.pop()
        while asked is not call:  # a call that was cut short, in a step that is lost
            site, payload, asked = self._now.pop()
        if "Error" not in answer:
            self.log.append(Entry(self._sim.clock.now(), site.handler, payload, call, dict(answer)))
        if self._after and self._strikes(site):
            self.struck += 1
            self._after(self._sim, call, answer)

    def _strikes(self, site: Site) -> bool:
        if self._site is None or site[:4] != self._site[:4]:
            return False
        return site == self._site or (self.struck > 0 and self._lasts())
