"""The page of drills and recoveries at three sizes, light and dark: accessible, within the screen, and photographed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from local.cloud.running import ROOT
from tests.web.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOTS = ROOT / "artefacts/history"
SIZES = {"phone": (375, 720), "tablet": (768, 900), "desktop": (1280, 900)}
PROJECT = ROOT / ".venv/bin/python"


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that reads files of a folder. Whatever its page asked for lay there."""
    folder = tmp_path_factory.mktemp("pages")
    write = [str(PROJECT), "-m", "tests.web.history_sample", str(folder / "history.html")]
    subprocess.run(write, check=True, cwd=ROOT, env={"PYTHONPATH": "functions:cli:."})
    browser = Browser(f"{folder.as_uri()}/", tmp_path_factory.mktemp("profile"))
    yield browser
    try:
        assert browser.requested() == {""}, "the page asked the network for something"
    finally:
        browser.close()


def test_the_page_is_accessible_and_fits(browser: Browser) -> None:
    browser.open("history.html")
    for scheme in ("light", "dark"):
        for size, (width, height) in SIZES.items():
            browser.look(width, height, scheme)
            assert browser.run("document.documentElement.scrollWidth") == width, size
            assert browser.violations() == [], size
            browser.photograph(SHOTS / f"history-{size}-{scheme}.png")
