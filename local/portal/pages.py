"""The pages: routes, forms and templates."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local.aws.errors import AwsError
from local.aws.wire import Request, Response
from local.portal.reading import Item, Reading, name_of
from local.portal.visits import Visit, Visits, carries, set_cookie

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.aws.portal import Portal
    from local.clock import Clock

BASE = "/_local/portal"
_HTML = "text/html; charset=utf-8"
_HERE = Path(__file__).parent
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Refused(Exception):
    """A page that can't be given; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Pages:
    """Answers everything under `/_local/portal` that isn't one of the portal's JSON doors."""

    def __init__(self, portal: Portal, clock: Clock) -> None:
        self._portal = portal
        self._clock = clock
        self._reading = Reading(portal)
        self._visits = Visits()
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"base": BASE, "name_of": name_of, "person": self._portal.name_of}
        self._templates.filters |= {"moment": _moment, "iso": _iso, "left": self._left}
        self._routes: tuple[tuple[str, str, Callable[..., Response]], ...] = (
            ("GET", r"/?", self._home),
            ("GET", r"/style\.css", self._style),
            ("GET", r"/sign-in", self._sign_in_form),
            ("POST", r"/sign-in", self._sign_in),
            ("POST", r"/sign-out", self._sign_out),
            ("GET", r"/mail", self._mails),
            ("GET", r"/mail/(\d{1,9})", self._item),
            ("GET", r"/mail/(\d{1,9})/(\w+)", self._confirm),
            ("POST", r"/mail/(\d{1,9})/(\w+)", self._decide),
        )

    def handle(self, request: Request) -> Response:
        """Answer a request; `headers` have lower-case names."""
        visit = self._visits.recognize(request.headers.get("cookie", ""))
        fresh = visit is None
        visit = visit or self._visits.begin()
        try:
            answer = self._dispatch(request, visit)
        except Refused as refused:
            answer = self._page(visit, "refused.html", refused.status, message=str(refused))
        if fresh and answer.headers.get("content-type") == _HTML:
            answer.headers["set-cookie"] = set_cookie(visit)
        return answer

    def _dispatch(self, request: Request, visit: Visit) -> Response:
        path = request.path.removeprefix(BASE)
        routes = [(method, route, match) for method, rule, route in self._routes if (match := re.fullmatch(rule, path))]
        if not routes:
            raise Refused(404, "There is no such page.")
        asked = [(route, match) for method, route, match in routes if method == request.method]
        if not asked:
            raise Refused(405, "This page can't be asked for in this way.")
        route, match = asked[0]
        form = _fields(request.body.decode("utf-8", "replace") if request.method == "POST" else request.query)
        if request.method == "POST" and not carries(visit, form.get("token", "")):
            raise Refused(403, "This form did not come from your own page, or the local cloud was started anew.")
        return route(visit, form, *match.groups())

    # pages

    def _home(self, visit: Visit, _form: dict[str, str]) -> Response:
        if not visit.approver:
            return _redirect("/sign-in")
        items = self._reading.items(visit.approver)
        groups = {
            "Waiting for you": [item for item in items if item.decisions],
            "Waiting for others": [item for item in items if item.is_pending and not item.decisions],
            "History": [item for item in items if not item.is_pending],
        }
        return self._page(visit, "home.html", groups=groups)

    def _mails(self, visit: Visit, _form: dict[str, str]) -> Response:
        return self._page(visit, "mails.html", items=self._reading.items())

    def _item(self, visit: Visit, _form: dict[str, str], number: str) -> Response:
        item = self._known(number)
        if visit.approver != item.to:
            return _redirect(f"/sign-in?mail={number}")
        return self._page(visit, f"{item.kind}.html", item=item, problem="")

    def _confirm(self, visit: Visit, _form: dict[str, str], number: str, decision: str) -> Response:
        item = self._known(number)
        if visit.approver != item.to or decision not in item.decisions:
            return _redirect(f"/mail/{number}")
        return self._page(visit, "confirm.html", item=item, decision=decision)

    def _sign_in_form(self, visit: Visit, form: dict[str, str]) -> Response:
        mail = form.get("mail", "")
        item = self._known(mail) if mail else None
        return self._page(visit, "sign_in.html", approvers=self._reading.approvers(), item=item)

    def _style(self, _visit: Visit, _form: dict[str, str]) -> Response:
        return _answer(200, "text/css; charset=utf-8", (_HERE / "style.css").read_text("utf-8"))

    # forms

    def _sign_in(self, _visit: Visit, form: dict[str, str]) -> Response:
        if form.get("approver") not in self._reading.approvers():
            raise Refused(400, "Nobody of this name is an approver here.")
        mail = form.get("mail", "")
        signed_in = _redirect(f"/mail/{self._known(mail).number}" if mail else "/")
        signed_in.headers["set-cookie"] = set_cookie(self._visits.begin(form["approver"]))
        return signed_in

    def _sign_out(self, _visit: Visit, _form: dict[str, str]) -> Response:
        gone = _redirect("/sign-in")
        gone.headers["set-cookie"] = set_cookie(self._visits.begin())
        return gone

    def _decide(self, visit: Visit, _form: dict[str, str], number: str, decision: str) -> Response:
        item = self._known(number)
        if visit.approver != item.to:
            raise Refused(403, f"Only {item.name} can answer this.")
        doors: dict[tuple[str, str], Callable[[], None]] = {
            ("invitation", "accept"): lambda: self._portal.accept_invitation(item.facts["arn"], item.to),
            ("invitation", "decline"): lambda: self._portal.reject_invitation(item.facts["arn"], item.to),
            ("request", "approve"): lambda: self._vote(item, "APPROVE"),
            ("request", "reject"): lambda: self._vote(item, "REJECT"),
        }
        if (item.kind, decision) not in doors:
            raise Refused(404, "There is no such decision.")
        try:
            doors[item.kind, decision]()
        except AwsError as error:
            problem = f"Not counted: {error.message}"
            return self._page(visit, f"{item.kind}.html", 409, item=self._known(number), problem=problem)
        return _redirect(f"/mail/{number}")

    # shared

    def _vote(self, item: Item, decision: str) -> None:
        self._portal.vote(item.facts["session"]["SessionArn"], item.to, decision)

    def _known(self, number: str) -> Item:
        item = self._reading.item(int(number)) if re.fullmatch(r"\d{1,9}", number) else None
        if item is None:
            raise Refused(404, "There is no such mail.")
        return item

    def _page(self, visit: Visit, template: str, status: int = 200, **shown: Any) -> Response:
        text = self._templates.get_template(template).render(visit=visit, now=self._clock.now(), **shown)
        return _answer(status, _HTML, text)

    def _left(self, expires: float) -> str:
        minutes = int(expires - self._clock.now()) // 60
        if minutes < 1:
            return "less than a minute left"
        return f"{minutes // 60} h {minutes % 60} min left" if minutes >= 60 else f"{minutes} min left"


def _fields(encoded: str) -> dict[str, str]:
    """The fields of a form or a query; of one that comes twice, the first."""
    try:
        found = parse_qs(encoded, max_num_fields=20)
    except ValueError:
        raise Refused(400, "This form has more fields than any of these pages.") from None
    return {name: values[0] for name, values in found.items()}


def _answer(status: int, kind: str, text: str) -> Response:
    return Response(status, _HEADERS | {"content-type": kind}, text.encode())


def _redirect(path: str) -> Response:
    return Response(303, _HEADERS | {"location": BASE + path}, b"")


def _moment(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%-d %B %Y, %H:%M} UTC"


def _iso(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%SZ}"
