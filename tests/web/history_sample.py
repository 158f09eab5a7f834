"""Writes the page of drills and recoveries for the browser's test, which runs where Airlift's libraries are not."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from airlift.history_page import page

from tests.unit.test_history import BEGAN, past

_TABLE = "arn:aws:dynamodb:ap-northeast-1:111122223333:table/"
CHANGES: dict[str, Any] = {
    "since": "drill-20261017-111122223333-0a1b",
    "vanished": {"count": 1, "examples": [f"{_TABLE}orders"]},
    "new": {"count": 43, "examples": [f"{_TABLE}tenant-{number:03}" for number in range(20)]},
    "withoutFreshPoint": {"count": 0, "examples": []},
}


def runs() -> list[dict[str, Any]]:
    """Two accounts: one that drills every month and had an incident, one that never drilled with success."""
    months = [
        past(30 * n, 12 + 7 * (n % 3), 30 + 5 * n, recoveryId=f"drill-2026{n:04}-111122223333-0a1b")
        for n in range(9, 0, -1)
    ]
    real = past(12, 25, 95, recoveryId="r-20261112-111122223333-4f2a", mode="real", outcome="ResourcesNotRestored")
    last = past(3, 9, 41, recoveryId="drill-20261121-111122223333-77aa", changes=CHANGES)
    denied = past(
        5, 0, 0, account="999900001111", outcome="ApprovalRejected", recoveryId="drill-20261119-999900001111-1c1c"
    )
    times = ("approvalSeconds", "firstRestoreSeconds", "lastRestoreSeconds", "restoringSeconds")
    none = {kind: {"met": 0, "missed": 0, "none": 0} for kind in ("rto", "rpo")}
    return [
        *months,
        real,
        last,
        {k: v for k, v in denied.items() if k not in times} | {"objectives": none, "wanted": 0, "validated": 0},
    ]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(runs(), ["123412341234"], BEGAN + timedelta(hours=2)), encoding="utf-8")
