"""Times and words that come from outside, made safe to use."""

from __future__ import annotations

import difflib
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ISO_8601 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})")
_RFC_1123 = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|UTC|[+-][0-9]{4})"
)
_PUNCTUATION = frozenset(" .,:;_/@+=()'-")


def parse_time(value: object) -> datetime:
    """An aware UTC time from the forms AWS sends: ISO 8601 with Z or an offset, RFC 1123, seconds since 1970.

    A time without a zone is refused: an error of some hours would move the cut-off past the attack.
    Raises ValueError for anything else.
    """
    try:
        time = _parsed(value)
    except (ValueError, OverflowError, OSError):  # of a right form, but outside the calendar
        time = None
    if time is None or time.year < 1970:
        raise ValueError("Not a time with a zone, such as 2026-10-01T02:14:07Z.")
    return time


def _parsed(value: object) -> datetime | None:
    if isinstance(value, str) and _ISO_8601.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(UTC)
    if isinstance(value, str) and _RFC_1123.fullmatch(value):
        parsed = parsedate_to_datetime(value)  # naive for -0000, which means UTC
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    return None


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


def stamp(time: datetime) -> str:
    """The form in which times are kept and shown: `2026-10-01T02:14:07.123Z`. Sorts as text."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp_in(seconds: float) -> str:
    """The stamp of the moment so many seconds from now."""
    return stamp(now() + timedelta(seconds=seconds))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, without regard to case; None if nothing is close."""
    spelling = {one.lower(): one for one in sorted(known)}
    close = difflib.get_close_matches(word.lower(), spelling, n=1, cutoff=0.7)
    return spelling[close[0]] if close else None


def safe_text(text: str, longest: int = 100) -> str:
    """Letters and digits of any script and harmless punctuation of the text, at most `longest` characters."""
    spaced = " ".join(unicodedata.normalize("NFKC", text[: longest * 4]).split())
    return "".join(c for c in spaced if c.isalnum() or c in _PUNCTUATION)[:longest].strip()
