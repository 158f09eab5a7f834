"""Every planned fault: found by playing each story once without any, then one case for each kind and place."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from local.asl.errors import TIMEOUT
from local.simulation.delivery import LATENCY
from tests.campaign.calls import Calls, Site
from tests.campaign.kinds import CALL_KINDS, EPISODE, STALE, CallKind, Stale
from tests.campaign.stories import Base, Outcome, make_good
from tests.workflow.playing import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.simulation.story import Story


@dataclass
class Scene:
    """One story under way, with what is watched of it. `mended` ends faults that last until somebody acts."""

    story: Story
    base: Base
    calls: Calls = field(init=False)
    mended: bool = False
    lasting: bool = False
    hits: int = 0
    messages: list[tuple[str, str, int]] = field(default_factory=list)
    """Kind, label and number of every message to deliver."""
    states: list[tuple[str, str, int]] = field(default_factory=list)
    """Machine, state and number of every state entered."""

    def __post_init__(self) -> None:
        self.calls = Calls(self.story.sim)
        self._watch_messages()
        self._watch_states()

    def clean(self) -> Clean:
        """The places that it went through."""
        return Clean(self.base.name, self.calls.sites, self.calls.mutating, self.messages, self.states)

    def run(self) -> Outcome:
        """Plays the story and makes good what is left."""
        self.base.trigger(self.story)
        self.base.play(self.story)

        def mend() -> bool:
            self.mended = True
            return self.lasting

        return make_good(self.story, self.base, mend)

    # -- messages

    def _watch_messages(self) -> None:
        deliveries = self.story.sim.deliveries
        usual, seen = deliveries.delays, Counter[tuple[str, str]]()
        self.mishap: tuple[tuple[str, str, int], tuple[float, ...]] | None = None

        def delays(kind: Any, message: Any) -> tuple[float, ...]:
            like = (str(kind), label_of(message))
            seen[like] += 1
            self.messages.append((*like, seen[like]))
            if self.mishap and self.mishap[0] == self.messages[-1]:
                self.hits += 1
                return self.mishap[1]
            return usual(kind, message)

        deliveries.delays = delays  # type: ignore[method-assign]

    # -- states

    def _watch_states(self) -> None:
        engine, seen = self.story.sim.engine, Counter[tuple[str, str]]()
        self.cut: tuple[tuple[str, str, int], dict[str, Any], bool] | None = None

        def entered(arn: str, event: dict[str, Any]) -> None:
            if "stateEnteredEventDetails" not in event:
                return
            like = (engine.execution(arn).machine.name, event["stateEnteredEventDetails"]["name"])
            seen[like] += 1
            self.states.append((*like, seen[like]))
            if self.cut and self.cut[0] == self.states[-1]:
                self.hits += 1
                self._end(arn, self.cut[1], leave_children=self.cut[2])

        engine._on_event = entered

    def _end(self, arn: str, facts: dict[str, Any], *, leave_children: bool) -> None:
        engine, clock = self.story.sim.engine, self.story.sim.clock

        def end() -> None:
            abandon = engine.abandon
            if leave_children:
                engine.abandon = lambda arn: None  # type: ignore[method-assign]
            engine._end(engine.execution(arn), **facts)
            engine.abandon = abandon  # type: ignore[method-assign]

        clock.call_at(clock.now(), end)


@dataclass(frozen=True)
class Clean:
    """What a run without faults shows: where faults can strike."""

    base: str
    sites: list[Site]
    mutating: set[Site]
    messages: list[tuple[str, str, int]]
    states: list[tuple[str, str, int]]


def label_of(message: Any) -> str:
    """What a message is about: an event's source and status, or which function is invoked why."""
    if "detail-type" in message:
        return f"{message['source']} {message['detail-type']} {message['detail'].get('status', '')}".strip()
    return "settle" if "attempt" in message else "other"


@dataclass(frozen=True)
class Case:
    """One planned fault. `plan` puts it into a scene; `hit` says afterwards how often it happened."""

    base: str
    kind: str
    place: str
    plan: Callable[[Scene], None]
    hit: Callable[[Scene], int] = lambda scene: scene.hits
    crash: bool = False

    def __str__(self) -> str:
        return f"{self.base} / {self.kind} / {self.place}"


def cases_of(clean: Clean, known: set[tuple[str, ...]], seed: int = 0) -> list[Case]:
    """All cases of a story that was played without a fault, in turns by kind; `seed` orders those of a kind.

    `known` are places that an earlier story has had; those of this one are added.
    """
    found = [*_call_cases(clean, known), *_message_cases(clean, known), *_state_cases(clean, known), *_others(clean)]
    by_kind: dict[str, list[Case]] = {}
    for case in found:
        by_kind.setdefault(case.kind, []).append(case)
    for cases in by_kind.values():
        random.Random(seed).shuffle(cases)  # noqa: S311 - repeatable on purpose
    return [case for turn in zip_longest(*by_kind.values()) for case in turn if case]


_NO_STEP = ("daily_check", "validate_plan")
"""Functions that take no part in a recovery."""
_PER_LIKE = 2
"""Of calls alike, as of the rounds of a loop, so many are struck in turn."""


def _call_cases(clean: Clean, known: set[tuple[str, ...]]) -> Iterator[Case]:
    new = [site for site in clean.sites if site[:4] not in known and site.number <= _PER_LIKE]
    new = [site for site in new if site.handler not in _NO_STEP]
    known.update(site[:4] for site in new)
    for turn, site in enumerate(new):
        for kind in CALL_KINDS:
            if kind.where(site, site in clean.mutating):
                yield Case(clean.base, kind.name, str(site), _striking(site, kind, turn), _struck, kind.crash)


def _striking(site: Site, kind: CallKind, turn: int) -> Callable[[Scene], None]:
    before = kind.before[turn % len(kind.before)] if kind.before else None

    def plan(scene: Scene) -> None:
        clock = scene.story.sim.clock
        first: list[float] = []

        def lasts() -> bool:
            if kind.lasts == "until mended":
                return not scene.mended
            first.append(clock.now())
            return clock.now() < first[0] + {"stale": STALE, "episode": EPISODE}.get(kind.lasts, 0.0)

        after: Any = kind.after
        if after is Stale:
            after = Stale()
            scene.story.sim.after_call.append(lambda call, answer: after.note(call, answer))
        scene.lasting = kind.lasts == "until mended"
        scene.calls.strike(site, before, after, lasts)

    return plan


def _struck(scene: Scene) -> int:
    return scene.calls.struck


_MISHAPS: dict[str, tuple[float, ...]] = {
    "lost": (),
    "twice": (LATENCY, 2 * LATENCY),
    "an hour late": (HOUR,),
    "overtaken by later ones": (90.0,),
}


def _message_cases(clean: Clean, known: set[tuple[str, ...]]) -> Iterator[Case]:
    for place in clean.messages:
        if ("message", *place[:2]) in known or place[2] > _PER_LIKE:
            continue
        for name, delays in _MISHAPS.items():
            what = "event" if place[0] == "event" else "settle call" if place[1] == "settle" else "other call"

            def plan(scene: Scene, place: Any = place, delays: tuple[float, ...] = delays) -> None:
                scene.mishap = (place, delays)

            yield Case(clean.base, f"{what} {name}", f"{place[1]} #{place[2]}", plan)
    known.update(("message", *place[:2]) for place in clean.messages)


_CUTS: dict[str, tuple[dict[str, Any], bool]] = {
    "execution stopped": ({"status": "ABORTED"}, False),
    "execution stopped, children left": ({"status": "ABORTED"}, True),
    "execution timed out": ({"status": "TIMED_OUT", "error": TIMEOUT}, True),
    "States.Runtime": ({"status": "FAILED", "error": "States.Runtime", "cause": "planned"}, True),
}


def _state_cases(clean: Clean, known: set[tuple[str, ...]]) -> Iterator[Case]:
    for place in clean.states:
        if ("state", *place[:2]) in known or place[2] > _PER_LIKE:
            continue
        for name, (facts, leave) in _CUTS.items():
            if name.endswith("left") and "vault" in place[0]:
                continue  # it has no children

            def plan(scene: Scene, place: Any = place, facts: Any = facts, leave: bool = leave) -> None:
                scene.cut = (place, facts, leave)

            yield Case(clean.base, name, f"{place[0]} {place[1]} #{place[2]}", plan)
    known.update(("state", *place[:2]) for place in clean.states)


def _others(clean: Clean) -> Iterator[Case]:
    """Faults of services that are no single call's."""
    name = clean.base
    for handler in sorted({site.handler for site in clean.sites}):

        def throttle(scene: Scene, handler: str = handler) -> None:
            scene.story.sim.lambdas.throttles[handler] = 5

        def left(scene: Scene, handler: str = handler) -> int:
            return 5 - scene.story.sim.lambdas.throttles[handler]

        yield Case(name, "Lambda throttles the function", handler, throttle, left)
    yield Case(name, "plan unreadable, a copy serves", "AppConfig", _unreadable_with_copy, _struck_plan)
    yield Case(name, "plan unreadable, no copy yet", "AppConfig", _unreadable, _struck_plan)
    messages = {
        "a point's own failure": "The recovery point is corrupt and cannot be restored.",
        "an environment's failure": "Access Denied: the role is not authorized",
        "an unknown failure": "Something went wrong.",
    }
    for what, message in messages.items():
        for status in ("FAILED", "ABORTED"):

            def fail(scene: Scene, status: Any = status, message: str = message) -> None:
                scene.story.sim.aws.faults.fail_restore("DynamoDB", status, message)

            yield Case(name, "restore job fails", f"{status}, {what}", fail, _failed)


KINDS = (
    *(kind.name for kind in CALL_KINDS),
    *(f"{what} {mishap}" for what in ("event", "settle call", "other call") for mishap in _MISHAPS),
    *_CUTS,
    "Lambda throttles the function",
    "plan unreadable, a copy serves",
    "plan unreadable, no copy yet",
    "restore job fails",
)
"""Every kind of fault."""


def _failed(scene: Scene) -> int:
    return 0 if scene.story.sim.aws.faults.unhit() else 1


def _unreadable(scene: Scene) -> None:
    """Until mended; each refused call counts."""
    config = scene.story.sim.appconfig
    config.available = False

    def look(call: Any) -> None:
        if call.service == "appconfigdata":
            scene.hits += 1
            config.available = scene.mended

    scene.story.sim.before_call.append(look)


def _unreadable_with_copy(scene: Scene) -> None:
    scene.story.sim.tick(600)  # the daily check reads the plan, and keeps a copy
    _unreadable(scene)


def _struck_plan(scene: Scene) -> int:
    return scene.hits
