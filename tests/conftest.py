"""Which tests share a process when several run: those that share something expensive."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Powertools reads them once, when a handler's module is loaded; as the template sets them.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Airlift")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "airlift")

_TOGETHER = {"e2e": "e2e", "workflow": "workflow", "local": "local"}
"""Folders whose files share a local cloud, played scenarios or a world."""
_APART = {"test_killed.py"}


def _group(path: Path) -> str:
    if path.name in _APART:
        return path.name
    return _TOGETHER.get(path.parent.name, path.name)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keeps the tests of a group in one process; here, since later the tests are handed out already."""
    item.add_marker(pytest.mark.xdist_group(_group(item.path)))
