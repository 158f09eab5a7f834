"""What a recovery plan's model can't see: parts that contradict each other, and words that AWS does not know.

An error keeps a plan from being deployed; a warning tells its author what it will not do.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import to_json

from airlift.arns import Arn
from airlift.documents import Problem, did_you_mean, problems_of, repeated
from airlift.plan import UNMATCHED, Plan
from airlift.plan_check_targets import (
    RESTORABLE,
    lacking,
    spoken_of,
    target_problems,
    type_problems,
)
from airlift.plan_check_triggers import TRIGGER_RULES, kinds
from airlift.restore import NOT_HELD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airlift.documents import Path
    from airlift.plan_parts import Matcher

MPA_REGION = "us-east-1"
"""Approval teams exist in no other Region (mpa-region-support.html)."""


def check(document: Mapping[str, Any], *, region: str | None = None) -> list[Problem]:
    """Every problem of a plan as it was parsed from JSON or YAML; one without errors may be deployed.

    `region` is that of the stack which will read the plan, if it is known. Contradictions are looked for once the
    model itself is content.
    """
    return check_json(to_json(document), region=region)


def check_json(text: str | bytes, *, region: str | None = None) -> list[Problem]:
    """Like `check`, for a plan as AppConfig holds it."""
    try:
        plan = Plan.model_validate_json(text)
    except ValidationError as error:
        return problems_of(error, Plan)
    return [*_regions(plan, region), *(problem for rule in _RULES for problem in rule(plan))]


def what_is_not_covered(plan: Plan) -> list[str]:
    """In words for its author: what the plan leaves out, by choice or because it can't be otherwise."""
    named = [matcher.types or ("*",) for wave in plan.waves for matcher in wave.match]
    unnamed = [kind for kind in RESTORABLE if not any(kind in types or "*" in types for types in named)]
    return [
        *(f"{kind} start nothing." for kind, trigger in kinds(plan).items() if not trigger),
        *(f"Left alone: {_words(entry)} ({entry.reason})." for entry in plan.exclude),
        *(f"{kind} is named by no wave and {_unmatched(plan)}." for kind in unnamed),
        *(f"If the vaults hold {kind}: {lack}" for kind, lack in lacking(plan) if not spoken_of(plan, kind)),
        *(f"{kind} is not recovered: {why}." for kind, why in NOT_HELD.items()),
        *([] if plan.contacts else ["The offline card names nobody to call: contacts is empty."]),
        *([] if plan.approval.portal_url else ["The offline card can't say where to vote: give approval.portalUrl."]),
    ]


def _unmatched(plan: Plan) -> str:
    return f"restored last, in the wave {UNMATCHED}" if plan.unmatched == "last" else "left out"


def _words(matcher: Matcher) -> str:
    given = matcher.model_dump(include={"types", "arns", "names"}, exclude_none=True)
    return ", ".join(f"{kind} {' or '.join(patterns)}" for kind, patterns in given.items())


def _regions(plan: Plan, region: str | None) -> Iterator[Problem]:
    regions = sorted({vault.region for account in plan.accounts for vault in account.vaults})
    if region and region not in regions:
        what = f"No vault lies in {region}, where this stack is."
        yield Problem(("accounts",), what, f"Deploy the plan to a stack in {' or '.join(regions)}.")
    elif len(regions) > 1:
        what = f"The vaults lie in {' and '.join(regions)}."
        remedy = "A stack recovers those of its own Region only; deploy one in each."
        yield Problem(("accounts",), what, remedy, "warning")


def _accounts(plan: Plan) -> Iterator[Problem]:
    yield from repeated(((("accounts", i, "id"), account.id) for i, account in enumerate(plan.accounts)), "listed")
    vaults = [
        (("accounts", i, "vaults", j), account, vault)
        for i, account in enumerate(plan.accounts)
        for j, vault in enumerate(account.vaults)
    ]
    yield from repeated((((*path, "arn"), vault.arn) for path, _, vault in vaults), "listed")
    protected = {account.id for account in plan.accounts}
    for path, account, vault in vaults:
        owner = Arn.parse(vault.arn).account
        if owner != account.id:
            what = f"The vault belongs to account {owner}, not to {account.id}."
            yield Problem((*path, "arn"), what, "Correct the ARN or list it under its own account.")
        if vault.approval_team_arn is None:
            what = "Without its approval team, readiness can be checked only by asking the vault."
            yield Problem(path, what, "Add approvalTeamArn.", "warning")
            continue
        team = Arn.parse(vault.approval_team_arn)
        if team.region != MPA_REGION:
            what = f"An approval team can't lie in {team.region}."
            yield Problem((*path, "approvalTeamArn"), what, f"Teams exist in {MPA_REGION} only; correct the ARN.")
        if team.account in protected:
            what = f"The team belongs to the protected account {team.account}, which an attacker may hold."
            remedy = "Use a team of the recovery organization."
            yield Problem((*path, "approvalTeamArn"), what, remedy, "warning")


def _waves(plan: Plan) -> Iterator[Problem]:
    names = [(("waves", i, "name"), wave.name) for i, wave in enumerate(plan.waves)]
    yield from repeated(names, "the name of a wave")
    for path, name in names:
        if name == UNMATCHED:
            yield Problem(path, f"{UNMATCHED} is the wave of what no other matches.", "Choose another name.")
    taken: set[str] = set()
    for i, wave in enumerate(plan.waves):
        by_type_alone = [m.types for m in wave.match if m.types and m.arns is None and m.names is None]
        if all(matcher.types and taken.issuperset(matcher.types) for matcher in wave.match):
            what = "Earlier waves take everything that this one matches."
            yield Problem(("waves", i, "match"), what, "Move it up or remove it.", "warning")
        taken.update(kind for types in by_type_alone for kind in types)


def _order(plan: Plan) -> Iterator[Problem]:
    """What the waves say about each other."""
    names = {wave.name for wave in plan.waves}
    for i, wave in enumerate(plan.waves):
        for j, name in enumerate(wave.after or ()):
            if name not in names:
                yield Problem(("waves", i, "after", j), f"No wave is called {name}.", did_you_mean(name, names))
    order = TopologicalSorter({i: plan.directly_before(i) for i in range(len(plan.waves))})
    try:
        order.prepare()
    except CycleError as error:
        circle = [plan.wave(i).name for i in error.args[1]]
        what = f"These waves wait for each other: {', '.join(circle)}."
        remedy = "A wave without after follows all earlier ones; remove a name, or give after: []."
        yield Problem(("waves", error.args[1][0], "after"), what, remedy)


def _limits(plan: Plan) -> Iterator[Problem]:
    for kind in plan.limits:
        if kind not in RESTORABLE:
            yield Problem(("limits", kind), f"Airlift restores no type {kind}.", did_you_mean(kind, RESTORABLE))


def _matchers(plan: Plan) -> Iterator[Problem]:
    groups: list[tuple[Path, Iterable[Matcher]]] = [(("exclude",), plan.exclude)]
    for i, wave in enumerate(plan.waves):
        halting = wave.halt.resources if wave.halt else None
        groups += [
            (("waves", i, "match"), wave.match),
            (("waves", i, "priority"), wave.priority),
            (("waves", i, "halt", "resources"), halting or ()),
        ]
    for path, matchers in groups:
        for i, matcher in enumerate(matchers):
            for j, kind in enumerate(matcher.types or ()):
                yield from type_problems((*path, i, "types", j), kind, restored=path[0] != "exclude")


def _policy(plan: Plan) -> Iterator[Problem]:
    margin = plan.points.margin_minutes
    if margin == 0:
        what = "Without a margin, the attack's first minutes may be in the point that is restored."
        yield Problem(("points", "marginMinutes"), what, "Give it some minutes.", "warning")
    if "PARTIAL" in plan.points.statuses:
        what = "A PARTIAL point lacks some of its nested points."
        yield Problem(("points", "statuses"), what, "Leave PARTIAL out unless that is meant.", "warning")
    for path, objectives in [
        (("objectives",), plan.objectives),
        *((("waves", i, "objectives"), wave.objectives) for i, wave in enumerate(plan.waves)),
    ]:
        if objectives.rpo_minutes is not None and objectives.rpo_minutes < margin:
            what = f"{objectives.rpo_minutes} minutes can't be met: points are taken {margin} before the first sign."
            yield Problem((*path, "rpoMinutes"), what, "Raise it, or lower points.marginMinutes.", "warning")
    fractions = plan.notifications.remind_at_fractions
    if list(fractions) != sorted(set(fractions)):
        yield Problem(
            ("notifications", "remindAtFractions"), "These do not ascend.", "Write each once, the smallest first."
        )


_RULES: tuple[Callable[[Plan], Iterable[Problem]], ...] = (
    _accounts,
    *TRIGGER_RULES,
    _waves,
    _order,
    _limits,
    _matchers,
    target_problems,
    _policy,
)
