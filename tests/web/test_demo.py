"""Two approvers click the whole demo through: `make demo VOTE=page`."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from local.cloud.running import ROOT
from tests.web.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOTS = ROOT / "artefacts/demo"
SECONDS = 240.0
REQUEST = "Restore access to"


class Run:
    """A demo that waits for votes on the approvers' page, and what it has printed."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._until = time.monotonic() + SECONDS
        command = [str(ROOT / ".venv/bin/python"), "-m", "local.cloud.demo", "--vote", "page"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)

    def printed(self) -> str:
        """Everything so far."""
        return self._log.read_text("utf-8", errors="replace")

    def page(self) -> str:
        """The page's address, once the demo names it."""
        while not (found := re.search(r"Vote as two of the approvers: (http://\S+)", self.printed())):
            assert self._process.poll() is None, self.printed()
            self.pause()
        return found[1]

    def pause(self) -> None:
        """Wait a moment; there are so many."""
        assert time.monotonic() < self._until, f"Not over after {SECONDS:.0f} s:\n{self.printed()}"
        time.sleep(0.3)

    def status(self) -> int:
        """The exit status, once it is over."""
        while (status := self._process.poll()) is None:
            self.pause()
        return status

    def end(self) -> None:
        """End it if it isn't over; it then ends what it started."""
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """The demo on its way."""
    started = Run(tmp_path / "demo.log")
    yield started
    started.end()


def test_two_approvers_click_the_demo_through(run: Run, tmp_path: Path) -> None:
    page = run.page()
    for who, outcome in (("Ana", "the other approvers' votes are awaited"), ("Ben", "Approved by the team")):
        with closing(Browser(page, tmp_path / who)) as browser:
            browser.open("mail")
            while REQUEST not in browser.text():
                run.pause()
                browser.open("mail")
            browser.open_mail(who, REQUEST)
            browser.photograph(SHOTS / f"{who.lower()}-before.png")
            browser.click("Approve…")
            browser.click(f"Approve as {who}")
            assert outcome in browser.text("[role=status]")
            browser.photograph(SHOTS / f"{who.lower()}-after.png")
    assert run.status() == 0, run.printed()
    assert run.printed().rstrip().endswith("Everything is back as it was before the attack.")
