"""One local cloud for all of these tests, and browsers that nobody lets leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.cloud.running import WORK, Cloud
from tests.web.browser import Browser
from tests.web.setting import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORK.mkdir(exist_ok=True)


@pytest.fixture(scope="session")
def setting() -> Iterator[Setting]:
    """The local cloud at the moment before approvers are invited."""
    with Cloud(log="web.log") as cloud:
        yield Setting(cloud)


@pytest.fixture(scope="session")
def launch(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Browser]]:
    """Starts a browser; each has a profile of its own."""
    started: list[Browser] = []

    def start() -> Browser:
        started.append(Browser(setting.cloud.portal, tmp_path_factory.mktemp("profile")))
        return started[-1]

    yield start
    for browser in started:
        browser.close()


@pytest.fixture(scope="session")
def pair(launch: Callable[[], Browser]) -> tuple[Browser, Browser]:
    """The browsers of two people."""
    return launch(), launch()


@pytest.fixture
def browsers(pair: tuple[Browser, Browser], setting: Setting) -> Iterator[tuple[Browser, Browser]]:
    """The browsers of two people, signed in as nobody. Whatever their pages asked for came from the local cloud."""
    for browser in pair:
        browser.open("sign-in")
        browser.driver.delete_all_cookies()
    yield pair
    assert pair[0].requested() | pair[1].requested() == {f"127.0.0.1:{setting.cloud.port}"}


@pytest.fixture
def browser(browsers: tuple[Browser, Browser]) -> Browser:
    """The browser of one person."""
    return browsers[0]
