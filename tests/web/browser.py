"""Headless Chromium as one person uses it, and what it is watched for."""

from __future__ import annotations

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from local.cloud.running import ROOT

FLAGS = (
    "--headless",
    "--no-sandbox",  # tests run as root on many a build machine
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
AXE = Path(os.environ.get("AIRLIFT_AXE", ROOT / ".venv-web/axe/node_modules/axe-core/axe.min.js"))


class Browser:
    """One browser with a profile of its own."""

    def __init__(self, address: str, profile: Path) -> None:
        self._address = address
        options = webdriver.ChromeOptions()
        options.binary_location = _program("chromium")
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        service = webdriver.ChromeService(executable_path=_program("chromedriver"))
        self.driver: Any = webdriver.Chrome(options=options, service=service)
        self.look(1280, 900, "light")

    def look(self, width: int, height: int, scheme: str) -> None:
        """Take on a size, and the light or dark colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, path: str = "") -> None:
        """Go to a page of the portal."""
        self.driver.get(self._address + path)

    def click(self, words: str, within: str = "//main") -> None:
        """Click the first link or button whose text has `words`, and wait for the page it leads to."""
        test = f'contains(normalize-space(.), "{words}")'
        before = self.run("performance.timeOrigin")
        self.driver.find_element(By.XPATH, f"{within}//a[{test}] | {within}//button[{test}]").click()
        # While one page gives way to the next, the driver may know neither.
        wait = WebDriverWait(self.driver, 10, ignored_exceptions=(WebDriverException,))
        wait.until(lambda _: self.run("performance.timeOrigin") != before)

    def open_mail(self, approver: str, about: str) -> None:
        """Follow the link in the newest mail to an approver about something, and sign in if asked to."""
        self.open("mail")
        card = f"//li[contains(., 'To {approver}') and contains(., '{about}')][1]"
        self.click("Open", within=card)
        if self.heading() == "Who are you?":
            self.click(f"Sign in as {approver}")

    def heading(self) -> str:
        """The page's title as one reads it."""
        return str(self.driver.find_element(By.TAG_NAME, "h1").text)

    def text(self, selector: str = "main") -> str:
        """What stands in the first place that a CSS selector finds."""
        return str(self.driver.find_element(By.CSS_SELECTOR, selector).text)

    def has(self, selector: str) -> bool:
        """Whether a CSS selector finds anything."""
        return bool(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def run(self, script: str) -> Any:
        """A script's result in the page."""
        return self.driver.execute_script(f"return {script}")

    def press(self, key: str) -> None:
        """Press a key, named as in selenium's Keys, where the focus is."""
        ActionChains(self.driver).send_keys(getattr(Keys, key)).perform()

    def tab_through(self) -> list[str]:
        """What the Tab key reaches on this page, in order; each shows that it has the focus."""
        reached: list[str] = []
        while True:
            ActionChains(self.driver).send_keys(Keys.TAB).perform()
            if self.run("document.activeElement === document.body || !document.hasFocus()"):
                return reached
            assert self.run("getComputedStyle(document.activeElement).outlineStyle") == "solid", reached
            reached.append(self.run("document.activeElement.textContent.trim()"))
            assert len(reached) < 100, reached

    def violations(self) -> list[str]:
        """What axe-core finds wrong on this page: rule, impact and where."""
        self.driver.execute_script(AXE.read_text("utf-8"))
        found = self.driver.execute_async_script("axe.run().then(arguments[0])")
        return [
            f"{one['id']} ({one['impact']}): {[node['html'] for node in one['nodes']]}" for one in found["violations"]
        ]

    def photograph(self, path: Path) -> None:
        """The whole page as a PNG."""
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def requested(self) -> set[str]:
        """The hosts, with ports, that pages asked for anything since this was last asked."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        # Chromium's own first page is of the scheme chrome.
        return {parts.netloc for parts in map(urlsplit, urls) if parts.scheme not in ("chrome", "data")}

    def close(self) -> None:
        """End it."""
        self.driver.quit()


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: install it, or run `make test-web`, which says how"
    return found
