"""What happened, in order: entries are written once, in the transaction with what they tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.ledger import Put, keyed, timeline_key
from airlift.values import stamp

if TYPE_CHECKING:
    from datetime import datetime


def entry(
    recovery_id: str, at: datetime, kind: str, text: str, *, vault: str = "", resource: str = "", who: str = ""
) -> Put:
    """A timeline entry of a kind (`trigger`, `request`, `vote`, `started` …), for a vault or resource or neither.

    `who` keeps apart what several people do at one moment.
    """
    when = stamp(at)
    name = "#".join(part for part in (kind, vault, resource, who) if part)
    key = timeline_key(recovery_id, when, name)
    record = keyed(key, at=when, kind=kind, text=text, vault=vault or None, resource=resource or None)
    return Put(record, replace=True)
