"""Report and readiness page in a browser: accessible, within the screen, from nowhere but the file; photographed."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from local.cloud.running import ROOT
from tests.web.browser import Browser
from tests.web.test_looks import SIZES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOTS = ROOT / "artefacts/report"
_PAGES = ("report", "report-drill", "report-large", "readiness")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the pages."""
    place = tmp_path_factory.mktemp("pages")
    search = os.pathsep.join(str(ROOT / part) for part in ("functions", "cli", ""))
    command = [str(ROOT / ".venv/bin/python"), "-m", "tests.web.pages", str(place)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": search}, stdout=subprocess.DEVNULL)
    return place


@pytest.fixture(scope="module")
def reader(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser of somebody who has the files and no network."""
    browser = Browser(f"file://{folder}/", tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", _PAGES)
def test_a_page_is_accessible_and_fits(reader: Browser, folder: Path, name: str, scheme: str) -> None:
    reader.open(f"{name}.html")
    for size, (width, height) in SIZES.items():
        reader.look(width, height, scheme)
        assert reader.run("document.documentElement.scrollWidth") == width, (name, size)
        if name != "report-large":
            reader.photograph(SHOTS / f"{name}-{size}-{scheme}.png")
            assert reader.violations() == [], (name, size)
    if name == "report-large":
        assert reader.violations() == []
    assert reader.requested() == {""}, "only files"
    assert reader.heading()


def test_a_large_report_is_small_and_shown_at_once(reader: Browser, folder: Path) -> None:
    assert (folder / "report-large.html").stat().st_size < 10_000_000
    reader.look(*SIZES["desktop"], "light")
    reader.open("report-large.html")
    shown = reader.run("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert shown < 5000, "milliseconds"
    assert "report.json has all of them" in reader.text()


def test_a_resource_opens_by_keyboard_and_tells_how_its_point_was_chosen(reader: Browser) -> None:
    reader.open("report-drill.html")
    reader.run("document.querySelector('details.resource > summary').focus()")
    reader.press("ENTER")
    assert "Points looked at" in reader.text("details.resource[open]")
    assert "Restored as" in reader.text("details.resource[open]")


def test_on_paper_every_resource_is_open(reader: Browser) -> None:
    reader.open("report-drill.html")
    reader.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    tall = reader.run("document.querySelector('details.resource .more').getBoundingClientRect().height")
    assert tall > 100, "pixels"


def test_the_offline_card_is_one_page_of_paper_and_asks_no_network(reader: Browser) -> None:
    reader.open("card.html")
    printed = reader.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]
    assert len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed))) == 1
    assert reader.requested() == {""}, "only files"
