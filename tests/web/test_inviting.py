"""Invited people accept or reject in their browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.web.setting import APPROVERS

if TYPE_CHECKING:
    from tests.web.browser import Browser
    from tests.web.setting import Setting


def test_a_team_is_active_when_everybody_has_accepted(browser: Browser, setting: Setting) -> None:
    team = setting.invite("accepted")
    for who in APPROVERS:
        assert setting.team_status(team) == "PENDING"
        browser.open_mail(who, "accepted")
        assert browser.heading() == "Invitation to the approval team accepted"
        assert "2 of 3 approvers have to approve" in browser.text()
        browser.click("Accept…")
        browser.click(f"Accept as {who}")
        assert "You accepted" in browser.text("[role=status]")
    assert setting.team_status(team) == "ACTIVE"
    browser.open()
    assert "Invitation to the approval team accepted" in browser.text("section:last-of-type")


def test_a_team_that_somebody_rejects_is_given_up(browsers: tuple[Browser, Browser], setting: Setting) -> None:
    team = setting.invite("declined")
    ana, ben = browsers
    ana.open_mail("ana", "declined")
    ana.click("Reject…")
    ana.click("Reject as ana")
    assert setting.team_status(team) == "INACTIVE"
    ben.open_mail("ben", "declined")
    assert "given up before you answered" in ben.text("[role=status]")
    assert not ben.has("main .actions")
    setting.delete_team(team)
    ben.open_mail("ben", "declined")
    assert "does not exist any more" in ben.text("[role=status]")
