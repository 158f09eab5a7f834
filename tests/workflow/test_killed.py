"""A step that is lost after any of its side effects is done again, and nothing is done twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict

import pytest

from tests.workflow.killing import HANDLERS, After

Losses = dict[tuple[str, str], list[After]]


@pytest.fixture(scope="module")
def losses() -> Losses:
    """What became of each loss, by what was lost and the handler; all from one process, since it forks."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.workflow.killing"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    found: Losses = defaultdict(list)
    for which, fields in map(json.loads, done.stdout.splitlines()):
        found[which, fields["handler"]].append(After(**fields))
    return found


def check(after: After) -> None:
    assert after.killed
    assert (after.outcome, after.problem) == ("Recovered", ""), after.effect
    assert after.jobs == 1, after.effect
    assert after.restore_access_vaults == 1, after.effect
    withdrawn = after.timeline.count("withdrawn")  # what a stop withdraws is asked for anew by the resume
    assert 1 <= after.sessions <= 1 + withdrawn, f"people were asked twice after {after.effect}"
    assert not after.denied
    check_notices(after)


def check_notices(after: After) -> None:
    """None is lost; a crash between publishing and noting repeats one, word for word."""
    for told in (after.people, after.chat):
        assert len(set(told)) == after.notices, after.effect
        assert len(told) <= after.notices + 1, after.effect


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_step_lost_after_any_side_effect_is_done_again(losses: Losses, handler: str) -> None:
    found = losses["lost", handler]
    assert found, "a step without side effects needs no test here"
    for after in found:
        assert after.endings == ["SUCCEEDED"], after.effect
        check(after)


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_recovery_stopped_after_any_side_effect_is_resumed(losses: Losses, handler: str) -> None:
    found = losses["lost and stopped", handler]
    assert found, "each step has a side effect that none before it has"
    for after in found:
        check(after)


def test_closing_what_was_stopped_is_done_again_after_any_side_effect(losses: Losses) -> None:
    found = losses["closing lost", "close_recovery"]
    assert any(after.effect and after.effect[0] == "CancelSession" for after in found)
    for after in found:
        assert after.killed
        assert (after.state, after.outcome) == ("ENDED", "Stopped"), after.effect
        assert not after.locks, after.effect
        # Lost right after the withdrawal nobody knows any more who ended the request: no word, and nothing wrong.
        lost = after.effect is not None and after.effect[0] == "CancelSession"
        assert after.timeline.count("withdrawn") == (0 if lost else 1), after.effect
        assert after.timeline.count("closed") == 1, after.effect
        assert after.requests == [2], after.effect
        assert not after.dead_letters, after.effect
        assert not after.denied
        check_notices(after)
