"""The approvers' pages, without a browser: who may do what, and how every ending reads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from local.aws.wire import Request, Response
from local.portal.pages import BASE, Pages
from tests.local.story import LAG, RECOVERY

if TYPE_CHECKING:
    from tests.local.story import Story

DAY = 86400


@dataclass
class Visitor:
    """A browser reduced to its cookie and the form on the page it sees."""

    pages: Pages
    cookie: str = ""
    page: str = ""
    location: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> int:
        return self._ask("GET", path, b"")

    def send(self, path: str, **fields: str) -> int:
        """Send a form with the token of the page last seen, unless `token` is given."""
        found = re.search(r'name="token" value="(\w+)"', self.page)
        form = {"token": found[1] if found else ""} | fields
        return self._ask("POST", path, urlencode(form).encode())

    def sign_in(self, approver: str) -> None:
        self.get("/sign-in")
        assert self.send("/sign-in", approver=approver) == 303

    def decide(self, number: int, decision: str) -> int:
        self.get(f"/mail/{number}/{decision}")
        return self.send(f"/mail/{number}/{decision}")

    def status(self) -> str:
        """What the page says about how things stand."""
        found = re.search(r'role="status">(.*?)</p>', self.page, re.DOTALL)
        assert found, self.page
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[1])).split())

    def _ask(self, method: str, path: str, body: bytes) -> int:
        path, _, query = path.partition("?")
        answer: Response = self.pages.handle(Request("", method, BASE + path, query, {"cookie": self.cookie}, body))
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        self.headers, self.location = answer.headers, answer.headers.get("location", "")
        self.page = answer.body.decode() or self.page
        return answer.status


@pytest.fixture
def pages(story: Story) -> Pages:
    return Pages(story.world.portal, story.clock)


@pytest.fixture
def ana(story: Story, pages: Pages) -> Visitor:
    """Signed in, with a request of account 444455556666 to decide on: mail number 3."""
    story.prepare()
    story.request(RequesterComment="r-20260101-111122223333-0a1b")
    visitor = Visitor(pages)
    visitor.sign_in("ana")
    return visitor


def test_a_request_shows_what_approvers_need_to_know(ana: Visitor) -> None:
    assert ana.get("/mail/3") == 200
    for shown in (RECOVERY, "ap-northeast-1", LAG, "vault-team", "r-20260101-111122223333-0a1b", "23 h 59 min left"):
        assert shown in ana.page
    assert "<strong>0 of 2</strong> approvals needed" in ana.page


def test_a_vote_is_cast_once_and_only_after_confirming(story: Story, ana: Visitor) -> None:
    session = story.session()
    ana.get("/mail/3/approve")
    assert "Approve as ana" in ana.page
    assert story.world.portal.read_session(session)["ApproverResponses"][0]["Response"] == "NO_RESPONSE"
    assert ana.send("/mail/3/approve") == 303
    assert story.world.portal.read_session(session)["ApproverResponses"][0]["Response"] == "APPROVED"
    assert ana.send("/mail/3/reject") == 409
    assert "already answered by ana" in ana.page
    assert ana.get("/mail/3/reject") == 303


def test_only_the_addressee_answers_a_mail(story: Story, ana: Visitor) -> None:
    assert (ana.get("/mail/4"), ana.location) == (303, f"{BASE}/sign-in?mail=4")
    ana.get("/mail/3")
    assert ana.send("/mail/4/approve") == 403
    assert story.world.portal.read_session(story.session())["ApproverResponses"][1]["Response"] == "NO_RESPONSE"
    ana.get("/sign-in?mail=4")
    assert ana.send("/sign-in", approver="ben", mail="4") == 303
    assert (ana.location, ana.get("/mail/4")) == (f"{BASE}/mail/4", 200)


def test_forms_of_other_pages_are_refused(story: Story, pages: Pages, ana: Visitor) -> None:
    ben = Visitor(pages)
    ben.sign_in("ben")
    ben.get("/mail/4/approve")
    foreign = re.search(r'name="token" value="(\w+)"', ben.page)
    assert foreign
    for token in ("", "0" * 64, "é", foreign[1]):
        assert ana.send("/mail/3/approve", token=token) == 403
    assert story.world.portal.read_session(story.session())["ApproverResponses"][0]["Response"] == "NO_RESPONSE"


def test_a_cookie_counts_only_as_it_was_given(story: Story, ana: Visitor) -> None:
    assert ana.get("/") == 200
    name, _, value = ana.cookie.partition("=")
    _, nonce, signature = value.split(".")
    for forged in (f"{b'ben'.hex()}.{nonce}.{signature}", f"zz.{nonce}.{signature}", "é", "", "a.b"):
        visitor = Visitor(ana.pages, f"{name}={forged}")
        assert (visitor.get("/"), visitor.location) == (303, f"{BASE}/sign-in")
    elsewhere = Visitor(Pages(story.world.portal, story.clock), ana.cookie)
    assert (elsewhere.get("/"), elsewhere.location) == (303, f"{BASE}/sign-in")


def test_signing_in_and_out_changes_the_cookie(ana: Visitor) -> None:
    before = ana.cookie
    ana.get("/")
    assert ana.send("/sign-out") == 303
    assert ana.cookie != before
    assert "HttpOnly; SameSite=Strict" in ana.headers["set-cookie"]
    assert (ana.get("/"), ana.location) == (303, f"{BASE}/sign-in")
    ana.get("/sign-in")
    assert ana.send("/sign-in", approver="mallory") == 400


def test_what_does_not_exist_is_said_to(ana: Visitor) -> None:
    assert ana.get("/nothing") == 404
    for path in ("/mail/6", "/mail/999999999", "/sign-in?mail=x"):
        assert (ana.get(path), "There is no such mail." in ana.page) == (404, True)
    assert ana.get("/sign-out") == 405
    ana.get("/mail/3")
    assert ana.send("/mail/3/accept") == 404
    assert ana.send("/mail/3/approve", **{f"field{number}": "x" for number in range(30)}) == 400
    assert (ana.get("/style.css"), ana.headers["content-type"]) == (200, "text/css; charset=utf-8")


def test_what_others_write_is_text(story: Story, pages: Pages) -> None:
    story.prepare()
    story.request(RequesterComment="<script>alert(1)</script>{{ 7 * 7 }}")
    ana = Visitor(pages)
    ana.sign_in("ana")
    ana.get("/mail/3")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}" in ana.page
    assert "<script" not in ana.page
    assert "default-src 'none'" in ana.headers["content-security-policy"]


def test_a_request_that_waits_for_others_says_so(ana: Visitor) -> None:
    ana.get("/mail/3")
    assert ana.status() == "Your decision Nobody but you can cast your vote, and it is final."
    ana.decide(3, "reject")
    ana.get("/mail/3")
    assert ana.status() == "You rejected You rejected; the other approvers' votes are awaited."
    ana.get("/")
    headings = re.findall(r">([^<]+) <span class=\"count\">(\d)", ana.page)
    assert headings == [("Waiting for you", "0"), ("Waiting for others", "1"), ("History", "1")]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("approved", "Approved Approved by the team and carried out."),
        ("rejected", "Rejected Rejected by the team: it can no longer be approved."),
        ("expired", "Expired Not enough approvers answered before the deadline."),
        ("cancelled", "Cancelled Withdrawn by the requester."),
        ("changed", "Ended The approval team changed while it voted."),
        ("failed", "Approved, but failed Approved by the team, but it could not be done."),
    ],
)
def test_every_ending_is_told(story: Story, ana: Visitor, how: str, expected: str) -> None:
    session = story.session()
    if how == "expired":
        story.wait(DAY)
    elif how == "cancelled":
        story.mpa(RECOVERY).cancel_session(SessionArn=session)
    elif how == "changed":
        team = story.mpa().list_approval_teams()["ApprovalTeams"][0]["Arn"]
        story.mpa().update_approval_team(Arn=team, Description="new")
        story.wait(5)
        story.vote(story.mpa().get_approval_team(Arn=team)["UpdateSessionArn"])
    else:
        if how == "failed":
            story.denied.add((RECOVERY, "backup:CreateRestoreAccessBackupVault"))
        story.vote(session, "REJECT" if how == "rejected" else "APPROVE")
    ana.get("/mail/3")
    assert ana.status().startswith(expected)
    assert how != "failed" or "not authorized" in ana.status()
    assert "/approve" not in ana.page


def test_people_are_called_by_their_names(story: Story, ana: Visitor) -> None:
    story.world.portal.names["ana"] = "Ana <Lund>"
    ana.get("/mail/3/approve")
    assert "Approve as Ana &lt;Lund&gt;" in ana.page
    ana.get("/sign-in")
    assert [re.sub("<[^>]+>", "", one) for one in re.findall(r"Sign in as (.*)</span>", ana.page)] == [
        "Ana &lt;Lund&gt;",
        "ben",
        "cho",
    ]
    assert ana.send("/sign-in", approver="ana") == 303


def test_invitations_are_answered(story: Story, pages: Pages) -> None:
    team = story.team()
    visitor = Visitor(pages)
    visitor.get("/sign-in")
    for number, who in enumerate(("ana", "ben")):
        visitor.sign_in(who)
        visitor.get(f"/mail/{number}")
        assert visitor.status().startswith("Invited")
        assert "2 of 3 approvers have to approve" in visitor.page
        assert visitor.decide(number, "accept") == 303
        visitor.get(f"/mail/{number}")
        assert visitor.status().startswith("Accepted")
    visitor.sign_in("cho")
    visitor.get("/mail/2")
    story.wait(DAY)
    assert visitor.send("/mail/2/accept") == 409
    assert visitor.status() == "Expired The invitation was not answered in time."
    story.mpa().delete_inactive_approval_team_version(Arn=team, VersionId="1")
    visitor.get("/mail/2")
    assert visitor.status() == "Gone The team does not exist any more."


def test_an_invitation_to_a_changed_team_is_given_up_when_another_rejects(story: Story, pages: Pages) -> None:
    source = story.source()
    team = story.active_team(source=source)
    people = [{"PrimaryIdentityId": who, "PrimaryIdentitySourceArn": source} for who in ("ana", "ben", "dee", "eva")]
    story.mpa().update_approval_team(Arn=team, Approvers=people)
    story.wait(5)
    ana = Visitor(pages)
    ana.sign_in("ana")
    ana.get("/mail/3")
    assert "Change the approval team vault-team" in ana.page
    story.vote(story.mpa().get_approval_team(Arn=team)["UpdateSessionArn"])
    dee, eva = Visitor(pages), Visitor(pages)
    for visitor, who, number in ((dee, "dee", 6), (eva, "eva", 7)):
        visitor.sign_in(who)
        visitor.get(f"/mail/{number}")
        assert "2 of 4 approvers have to approve" in visitor.page
    assert dee.decide(6, "decline") == 303
    eva.get("/mail/7")
    assert eva.status() == "Closed The team or its change was given up before you answered."
