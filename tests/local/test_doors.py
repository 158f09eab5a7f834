"""The two doors that are only local: the data door and the approvers' portal, over HTTP."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from tests.local.story import APPROVERS, OWNER, REGION

if TYPE_CHECKING:
    from tests.local.story import Story


def test_a_volume_is_read_and_written(story: Story) -> None:
    doors, path = story.world.doors, f"/_local/volumes/{OWNER}/{REGION}/vol-1"
    assert doors.handle("GET", path, b"") == (200, b"")
    assert doors.handle("PUT", path, b"\x00blocks")[0] == 200
    assert doors.handle("GET", path, b"") == (200, b"\x00blocks")
    assert doors.read_volume(OWNER, REGION, "vol-1") == b"\x00blocks"


def test_files_are_read_and_written(story: Story) -> None:
    doors, path = story.world.doors, f"/_local/file-systems/{OWNER}/{REGION}/fs-1"
    document = {"a/b c.txt": base64.b64encode(b"one").decode(), "gone": base64.b64encode(b"x").decode()}
    assert doors.handle("PUT", path, json.dumps(document).encode())[0] == 200
    assert doors.handle("PUT", path, b'{"gone": null}')[0] == 200
    status, body = doors.handle("GET", path, b"")
    assert (status, json.loads(body)) == (200, {"a/b c.txt": base64.b64encode(b"one").decode()})
    for bad in (b"[]", b"{", b'{"a": "***"}', b'{"a": 7}'):
        assert doors.handle("PUT", path, bad)[0] == 400


def test_other_doors_do_not_exist(story: Story) -> None:
    for method, path in (
        ("GET", "/_local/volumes/x"),
        ("POST", f"/_local/volumes/{OWNER}/{REGION}/vol-1"),
        ("GET", f"/_local/tapes/{OWNER}/{REGION}/t-1"),
    ):
        assert story.world.doors.handle(method, path, b"")[0] == 404
    assert story.world.portal.handle("GET", "/_local/portal/vote", b"")[0] == 404
    assert story.world.portal.handle("POST", "/elsewhere/vote", b"")[0] == 404


def test_approvers_accept_and_vote(story: Story) -> None:
    portal = story.world.portal

    def post(door: str, **document: Any) -> tuple[int, Any]:
        status, body = portal.handle("POST", f"/_local/portal/{door}", json.dumps(document).encode())
        return status, json.loads(body)

    team = story.team()
    assert post("accept", teamArn=team, approver="mallory")[0] == 409
    for who in APPROVERS:
        assert post("accept", teamArn=team, approver=who) == (200, {})
    assert story.mpa().get_approval_team(Arn=team)["Status"] == "ACTIVE"
    story.mpa().update_approval_team(Arn=team, Description="other")
    story.wait(5)
    status, body = portal.handle("GET", "/_local/portal/outbox", b"")
    mail = json.loads(body)["mails"][-1]
    assert (status, mail["kind"], mail["to"]) == (200, "request", "cho")
    assert post("vote", sessionArn=mail["sessionArn"], approver="ana", decision="APPROVE") == (200, {})
    assert post("vote", sessionArn=mail["sessionArn"], approver="ana", decision="APPROVE")[0] == 409
    assert post("vote", sessionArn=mail["sessionArn"], approver="ben", decision="MAYBE")[0] == 400
    assert post("vote", approver="ben")[0] == 400
    assert portal.handle("POST", "/_local/portal/vote", b"{")[0] == 400
    other = story.team("second", story.mpa().list_identity_sources()["IdentitySources"][0]["IdentitySourceArn"])
    assert post("reject", teamArn=other, approver="ana") == (200, {})
    assert story.mpa().get_approval_team(Arn=other)["Status"] == "INACTIVE"
    assert post("accept", teamArn=team + "x", approver="ana")[0] == 404
