"""Approvers decide on a request in their browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.web.browser import Browser
    from tests.web.setting import Setting

COMMENT = "r-20261124-111122223333-4f2a GuardDuty finding: mass deletion in 111122223333. Real."


def test_two_approvers_click_a_request_through(browsers: tuple[Browser, Browser], setting: Setting) -> None:
    access = setting.ask("approved", COMMENT)
    ana, ben = browsers
    ana.open_mail("ana", "to approved")
    assert ana.heading() == "Restore access to approved for account 444455556666"
    shown = ana.text()
    for words in ("444455556666 in ap-northeast-1", ":backup-vault:approved", COMMENT, "23 h 59 min left"):
        assert words in shown
    assert "0 of 2 approvals needed · 0 rejected · 3 approvers" in shown

    ana.click("Approve…")
    assert ana.heading() == "Approve this operation?"
    assert setting.state(access) == "CREATING"
    ana.click("Approve as ana")
    assert "You approved; the other approvers' votes are awaited." in ana.text("[role=status]")
    assert "1 of 2 approvals" in ana.text()
    assert setting.state(access) == "CREATING"

    ben.open_mail("ben", "to approved")
    assert "1 of 2 approvals" in ben.text()
    ben.click("Approve…")
    ben.click("Approve as ben")
    assert "Approved by the team and carried out." in ben.text("[role=status]")
    assert setting.state(access) == "AVAILABLE"

    ana.open()
    history = ana.text("section:last-of-type")
    assert "Restore access to approved" in history
    assert "Approved" in history


def test_a_request_that_two_of_three_reject_ends(browsers: tuple[Browser, Browser], setting: Setting) -> None:
    access = setting.ask("rejected", COMMENT)
    for browser, who in zip(browsers, ("ben", "cho"), strict=True):
        browser.open_mail(who, "to rejected")
        browser.click("Reject…")
        browser.click(f"Reject as {who}")
    assert "Rejected by the team" in browsers[1].text("[role=status]")
    assert setting.state(access) == "FAILED"


def test_going_back_from_the_confirmation_decides_nothing(browser: Browser, setting: Setting) -> None:
    access = setting.ask("undecided", COMMENT)
    browser.open_mail("ana", "to undecided")
    browser.click("Approve…")
    browser.click("Back")
    assert browser.has("main a.button.good")
    assert "0 of 2 approvals" in browser.text()
    assert setting.state(access) == "CREATING"


def test_one_votes_once(browsers: tuple[Browser, Browser], setting: Setting) -> None:
    setting.ask("once", COMMENT)
    for browser in browsers:
        browser.open_mail("ana", "to once")
        browser.click("Approve…")
    for browser in browsers:
        browser.click("Approve as ana")
    assert "Not counted: " in browsers[1].text("[role=alert]")
    assert "1 of 2 approvals" in browsers[1].text()
    assert not browsers[1].has("main .actions")


def test_what_a_requester_writes_is_only_text(browser: Browser, setting: Setting) -> None:
    comment = "<script>document.title='stolen'</script> <b>bold</b> {{ 7*7 }} \u202eesrever"
    setting.ask("hostile", comment)
    browser.open_mail("ana", "to hostile")
    assert browser.run("document.querySelector('blockquote').textContent") == comment
    assert not browser.has("blockquote b, main script")
    assert browser.run("document.title").startswith("Restore access")


def test_a_mail_to_somebody_else_asks_who_one_is(browser: Browser, setting: Setting) -> None:
    setting.ask("addressed", COMMENT)
    browser.open_mail("ana", "to addressed")
    browser.open("mail")
    browser.click("Open", within="//li[contains(., 'To cho') and contains(., 'to addressed')][1]")
    assert browser.heading() == "Who are you?"
    assert "This mail was written to cho." in browser.text()
    browser.click("Sign out", within="//header")
    assert browser.heading() == "Who are you?"
    assert not browser.has("header form")
