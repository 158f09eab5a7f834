"""EventBridge events of AWS Backup: best effort, in batches every five minutes (devguide/eventbridge.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.aws.model import iso

if TYPE_CHECKING:
    from local.aws.context import Context


class Events:
    """Collects events and delivers them by `context.emit`, outside the lock."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: list[tuple[str, str, dict[str, Any]]] = []

    def send(self, account: str, region: str, kind: str, resources: list[str], detail: dict[str, Any]) -> None:
        """Queue one event; members of `detail` that are None are left out."""
        now = self._context.clock.now()
        event = {
            "version": "0",
            "id": self._context.ids.uuid(),
            "detail-type": kind,
            "source": "aws.backup",
            "account": account,
            "time": iso(now)[:19] + "Z",
            "region": region,
            "resources": resources,
            "detail": {name: value for name, value in detail.items() if value is not None},
        }
        if not self._waiting:
            period = self._context.settings.events_period
            due = (now // period + 1) * period if period else now
            self._context.clock.call_at(due, self._deliver)
        self._waiting.append((account, region, event))

    def _deliver(self) -> None:
        with self._context.lock:
            batch, self._waiting = self._waiting, []
        for account, region, event in batch:
            self._context.emit(account, region, event)
