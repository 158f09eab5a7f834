"""Who is signed in: a signed cookie, and the token that every form of that visit carries."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

COOKIE = "approver"
_ATTRIBUTES = "Path=/_local/portal; HttpOnly; SameSite=Strict"


@dataclass(frozen=True)
class Visit:
    """A browser and the approver it is signed in as, "" for nobody. `token` is what its forms have to carry."""

    approver: str
    cookie: str
    token: str


class Visits:
    """Nothing is kept: what a cookie says holds if it was signed by this process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def begin(self, approver: str = "") -> Visit:
        """A new visit, whose cookie no earlier page knows."""
        return self._visit(f"{approver.encode().hex()}.{secrets.token_hex(16)}")

    def recognize(self, header: str) -> Visit | None:
        """The visit that a Cookie header belongs to, if this process began it."""
        try:
            cookies = SimpleCookie(header)
        except CookieError:
            return None
        value = cookies[COOKIE].value if COOKIE in cookies else ""
        visit = self._visit(value.rpartition(".")[0])
        return visit if _same(value, visit.cookie) else None

    def _visit(self, signed: str) -> Visit:
        cookie = f"{signed}.{self._sign('cookie', signed)}"
        whose = signed.partition(".")[0]
        return Visit(_text(whose), cookie, self._sign("form", cookie))

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.digest(self._key, f"{purpose}:{text}".encode(), "sha256").hex()


def set_cookie(visit: Visit) -> str:
    """The Set-Cookie header's value."""
    return f"{COOKIE}={visit.cookie}; {_ATTRIBUTES}"


def carries(visit: Visit, token: str) -> bool:
    """Whether a form came from a page of this visit."""
    return _same(visit.token, token)


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())


def _text(digits: str) -> str:
    try:
        return bytes.fromhex(digits).decode()
    except ValueError:
        return ""
