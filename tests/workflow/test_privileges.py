"""Least privilege: what each role may and never does, and what it tries and may not, are both explained or empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from checks.deployed import deployed
from checks.iam import REASONS
from local.simulation.policies import as_list
from tests.workflow.rights import Use, asked

if TYPE_CHECKING:
    from collections.abc import Iterable

EVERY = "every role"


def allowed() -> set[Use]:
    """Every action that a statement of a role allows."""
    return {
        (role, action)
        for role, granted in deployed().roles().items()
        for statement in granted
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
    }


def explained(section: str) -> set[Use]:
    """Role and action of each reason of a section."""
    table = yaml.safe_load(REASONS.read_text(encoding="utf-8"))[section]
    return {
        (role, action) for group in table for role in as_list(group["roles"]) for action in as_list(group["actions"])
    }


def differences(found: Iterable[Use], reasons: set[Use]) -> tuple[list[Use], list[Use]]:
    """What is found without a reason, and reasons for what is not found; a reason may hold for every role."""
    found = set(found)
    left = [use for use in found if use not in reasons and (EVERY, use[1]) not in reasons]
    actions = {action for _, action in found}
    stale = [one for one in reasons - found if one[0] != EVERY or one[1] not in actions]
    return sorted(left), sorted(stale)


def test_what_a_role_may_it_does_or_a_reason_says_why_it_may() -> None:
    used, _ = asked()
    assert differences(allowed() - used, explained("unused")) == ([], [])


def test_what_a_role_was_refused_was_taken_from_it_on_purpose() -> None:
    _, refused = asked()
    assert differences(refused, explained("refused")) == ([], [])


def test_every_use_is_of_a_role_and_an_action_of_the_template() -> None:
    used, _ = asked()
    assert used <= allowed()
