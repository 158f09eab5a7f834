"""`airlift deploy-check`: what a deployment of the stack would get in the way of."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airlift_cli.snapshot import moment
from airlift_cli.words import date_and_time, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from airlift.ledger import Record

    from airlift_cli.reading import Reading

SESSION = timedelta(hours=24)
"""How long approvers may vote (docs.aws.amazon.com/mpa/latest/userguide/mpa-concepts.html)."""
_OPEN = ("PENDING", "UNKNOWN", None)
"""What the ledger says of a session that may be open; None before it was read."""

NEXT_STEP = (
    "wait for the end (`airlift watch`) or the deadline; `airlift stop RECOVERY_ID` ends what runs and withdraws its "
    "requests. Then check again. AWS Backup opens a vault with the rights that the requesting role has at the last "
    "vote."
)


def obstacles(reading: Reading, now: datetime) -> Iterator[str]:
    """A sentence for each recovery that has not ended, or whose request approvers may still vote on."""
    for recovery in reading.all():
        ended = moment(recovery.get("endedAt")) if recovery["state"] == "ENDED" else None
        if ended and now - ended > SESSION:
            continue
        voting = list(_votable(reading.vaults(str(recovery["recoveryId"])), now))
        if voting or not ended:
            yield _sentence(recovery, voting)


def _votable(vaults: Iterable[Record], now: datetime) -> Iterator[str]:
    for vault in vaults:
        asked = moment(vault.get("requestedAt"))
        asking = asked and "restoreAccessBackupVaultName" in vault and "grantedAt" not in vault
        if asked and asking and vault.get("sessionStatus") in _OPEN:
            until = moment(vault.get("expiresAt")) or asked + SESSION
            if until > now:
                yield f"{vault['sourceBackupVaultArn']} until {until:%Y-%m-%d %H:%M} UTC"


def _sentence(recovery: Record, voting: list[str]) -> str:
    began = date_and_time(recovery["createdAt"])
    text = f"{recovery['recoveryId']} of account {recovery['account']}, begun {began} UTC, is {recovery['state']}"
    asked = f"; approvers may vote on {' and '.join(voting)}" if voting else ""
    return shown(f"{text}{asked}.")
