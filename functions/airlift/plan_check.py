"""What a recovery plan's model can't see: parts that contradict each other, and words that AWS does not know.

An error keeps a plan from being deployed; a warning tells its author what it will not do.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import to_json

from airlift.arns import Arn
from airlift.documents import Problem, did_you_mean, problems_of
from airlift.plan import UNMATCHED, Plan
from airlift.plan_check_targets import (
    RESTORABLE,
    lacking,
    spoken_of,
    target_problems,
    type_problems,
)
from airlift.restore import NOT_HELD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airlift.documents import Path
    from airlift.plan_parts import Matcher

MPA_REGION = "us-east-1"
"""Approval teams exist in no other Region (mpa-region-support.html)."""
MEDIUM = 4
"""GuardDuty's lowest severity above what it reports every day (guardduty_findings-severity.html)."""


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
        *(f"{kind} start nothing." for kind, trigger in _triggers(plan).items() if not trigger),
        *(f"Left alone: {_words(entry)} ({entry.reason})." for entry in plan.exclude),
        *(f"{kind} is named by no wave and {_unmatched(plan)}." for kind in unnamed),
        *(f"If the vaults hold {kind}: {lack}" for kind, lack in lacking(plan) if not spoken_of(plan, kind)),
        *(f"{kind} is not recovered: {why}." for kind, why in NOT_HELD.items()),
        *([] if plan.contacts else ["The offline card names nobody to call: contacts is empty."]),
        *([] if plan.approval.portal_url else ["The offline card can't say where to vote: give approval.portalUrl."]),
    ]


def _unmatched(plan: Plan) -> str:
    return f"restored last, in the wave {UNMATCHED}" if plan.unmatched == "last" else "left out"


def _triggers(plan: Plan) -> dict[str, object]:
    triggers = plan.triggers
    return {
        "GuardDuty findings": triggers.guard_duty,
        "Security Hub findings": triggers.security_hub,
        "AWS Health events": triggers.health,
        "Custom events": triggers.custom,
        "CloudWatch alarms": triggers.alarms,
    }


def _words(matcher: Matcher) -> str:
    given = matcher.model_dump(include={"types", "arns", "names"}, exclude_none=True)
    return ", ".join(f"{kind} {' or '.join(patterns)}" for kind, patterns in given.items())


def _repeated(values: Iterable[tuple[Path, str]], what: str) -> Iterator[Problem]:
    seen = set()
    for path, value in values:
        if value in seen:
            yield Problem(path, f"{value} is {what} twice.", "Remove one of them.")
        seen.add(value)


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
    yield from _repeated(((("accounts", i, "id"), account.id) for i, account in enumerate(plan.accounts)), "listed")
    vaults = [
        (("accounts", i, "vaults", j), account, vault)
        for i, account in enumerate(plan.accounts)
        for j, vault in enumerate(account.vaults)
    ]
    yield from _repeated((((*path, "arn"), vault.arn) for path, _, vault in vaults), "listed")
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


def _detectors(plan: Plan) -> Iterator[Problem]:
    yield from _repeated(((("detectors", i), sender) for i, sender in enumerate(plan.detectors)), "listed")
    protected = {account.id for account in plan.accounts}
    for i, sender in enumerate(plan.detectors):
        if sender in protected:
            what = f"{sender} is a protected account: whoever holds it could send or hold back events."
            yield Problem(("detectors", i), what, "List the account that gathers its findings instead.")
    if not any(_triggers(plan).values()):
        what = "No trigger is listed: only a person can start a recovery."
        yield Problem(("triggers",), what, "Add guardDuty or alarms, if events should.", "warning")
    elif not plan.detectors:
        what = "No detector is listed: no event is believed, so no trigger can do anything."
        yield Problem(("detectors",), what, "List the account that gathers the findings.")


def _alarms(plan: Plan) -> Iterator[Problem]:
    alarms = plan.triggers.alarms
    path = ("triggers", "alarms")
    yield from _repeated((((*path, i, "arn"), alarm.arn) for i, alarm in enumerate(alarms)), "listed")
    protected = {account.id for account in plan.accounts}
    for i, alarm in enumerate(alarms):
        if alarm.account not in protected:
            what = f"{alarm.account} is not under accounts."
            yield Problem((*path, i, "account"), what, "Add it there, or name the account this alarm watches.")
        sender = Arn.parse(alarm.arn).account
        if plan.detectors and sender not in plan.detectors:
            what = f"The alarm's own account {sender} is not among the detectors: it is not believed."
            yield Problem((*path, i, "arn"), what, "Add it to detectors, or move the alarm.")


def _guard_duty(plan: Plan) -> Iterator[Problem]:
    trigger = plan.triggers.guard_duty
    if trigger and trigger.allow == "request" and trigger.minimum_severity < MEDIUM:
        what = f"Findings of severity {trigger.minimum_severity:g} come daily, and each may ask people for approval."
        remedy = "Raise it to 7, and list under types the low ones that matter."
        yield Problem(("triggers", "guardDuty", "minimumSeverity"), what, remedy, "warning")


def _waves(plan: Plan) -> Iterator[Problem]:
    names = [(("waves", i, "name"), wave.name) for i, wave in enumerate(plan.waves)]
    yield from _repeated(names, "the name of a wave")
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
    _detectors,
    _guard_duty,
    _alarms,
    _waves,
    _order,
    _limits,
    _matchers,
    target_problems,
    _policy,
)
