"""The pages at three sizes, light and dark: accessible, within the screen, and photographed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.cloud.running import ROOT
from tests.web.setting import APPROVERS

if TYPE_CHECKING:
    from tests.web.browser import Browser
    from tests.web.setting import Setting

SHOTS = ROOT / "artefacts/portal"
SIZES = {"phone": (375, 720), "tablet": (768, 900), "desktop": (1280, 900)}
COMMENT = (
    "Airlift r-20261124-111122223333-4f2a, real: GuardDuty saw mass deletion in 111122223333. "
    "Check with the person on duty by this recovery id before you vote."
)


@pytest.fixture(scope="module")
def pages(setting: Setting) -> dict[str, str]:
    """A page's name -> its path, for ana: each in the state that is worth a look."""
    setting.ask("ended", COMMENT)
    _vote(setting, "ended", {"ana": "APPROVE", "ben": "APPROVE"})
    setting.ask("voted", COMMENT)
    _vote(setting, "voted", {"ana": "APPROVE"})
    setting.ask("production-airgapped", COMMENT)
    setting.invite("finance-recovery")
    mails = [mail | {"number": number} for number, mail in enumerate(setting.mails()) if mail["to"] == APPROVERS["ana"]]
    requests = [mail["number"] for mail in mails if mail["kind"] == "request"]
    invitation = mails[-1]["number"]
    ended, voted, asked = requests[-3:]
    return {
        "sign-in": "sign-in",
        "operations": "",
        "outbox": "mail",
        "request": f"mail/{asked}",
        "confirm": f"mail/{asked}/approve",
        "voted": f"mail/{voted}",
        "ended": f"mail/{ended}",
        "invitation": f"mail/{invitation}",
        "decline": f"mail/{invitation}/decline",
        "missing": "mail/99999",
    }


def _vote(setting: Setting, vault: str, votes: dict[str, str]) -> None:
    session = next(mail["sessionArn"] for mail in setting.mails() if mail.get("resourceArn", "").endswith(f":{vault}"))
    for who, decision in votes.items():
        setting.cloud.door("portal/vote", {"sessionArn": session, "approver": APPROVERS[who], "decision": decision})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits(browser: Browser, pages: dict[str, str], scheme: str) -> None:
    browser.open("sign-in")
    browser.click("Sign in as ana")
    for name, path in pages.items():
        browser.open(path)
        for size, (width, height) in SIZES.items():
            browser.look(width, height, scheme)
            assert browser.run("document.documentElement.scrollWidth") == width, (name, size)
            assert browser.violations() == [], (name, size)
            browser.photograph(SHOTS / f"{name}-{size}-{scheme}.png")


def test_everything_can_be_reached_with_the_keyboard(browser: Browser, pages: dict[str, str]) -> None:
    browser.open("sign-in")
    browser.click("Sign in as ana")
    browser.open(pages["request"])
    reached = browser.tab_through()
    assert reached[0] == "Skip to the content"
    assert reached[-2:] == ["Approve…", "Reject…"]
