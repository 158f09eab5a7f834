"""Which tests share a process when several run, and which groups begin first."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# Powertools reads them once, when a handler's module is loaded; as the template sets them.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Airlift")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "airlift")

_TOGETHER = {"e2e": "e2e", "workflow": "workflow", "local": "local"}
"""Folders whose files share a local cloud, played scenarios or a world."""
_APART = {"workflow/test_killed.py", "e2e/test_demo.py", "e2e/test_three_vaults.py", "e2e/test_accounts.py"}
"""Files in them that have a process or a local cloud of their own."""
_LONGEST = (
    "e2e",
    "workflow",
    "e2e/test_demo.py",
    "e2e/test_three_vaults.py",
    "workflow/test_killed.py",
    "campaign/test_campaign.py",
    "local",
    "e2e/test_accounts.py",
)
"""Groups that begin first, so that none of them is left over at the end; what waits runs beside what computes."""


def _group(nodeid: str) -> str:
    path = PurePath(nodeid.partition("::")[0])
    name = f"{path.parent.name}/{path.name}"
    return name if name in _APART else _TOGETHER.get(path.parent.name, name)


def _rank(item: pytest.Item) -> int:
    group = _group(item.nodeid)
    return _LONGEST.index(group) if group in _LONGEST else len(_LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands out whole groups, in the order of the collection.

    xdist's own groups, by a mark, have no effect with pytest 9.2, which reads another name of a test than xdist writes.
    """
    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _group  # what xdist lets schedulers override
    return scheduler


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest groups first."""
    items.sort(key=_rank)
