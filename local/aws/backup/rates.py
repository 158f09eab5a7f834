"""AWS Backup's request rates: token buckets per account, Region and operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.aws.faults import throttled

if TYPE_CHECKING:
    from local.aws.context import Context
    from local.aws.wire import Caller


_WHOLE = 0.999
"""A token, less what floating point takes from one who keeps exactly to the pace."""


@dataclass
class _Bucket:
    tokens: float
    filled: float


class Rates:
    """Refuses calls above the published rates; a bucket holds one second's worth (the burst is inferred)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def admit(self, caller: Caller, operation: str) -> None:
        """Take a token for this call. Raises ThrottlingException."""
        settings = self._context.settings
        rates = [("*", settings.total_rate)]
        if operation in settings.rates:
            rates.append((operation, settings.rates[operation]))
        buckets = [self._filled((caller.account, caller.region, name), rate) for name, rate in rates]
        if any(bucket.tokens < _WHOLE for bucket in buckets):
            raise throttled("backup")
        for bucket in buckets:
            bucket.tokens = max(0.0, bucket.tokens - 1)

    def _filled(self, key: tuple[str, str, str], rate: float) -> _Bucket:
        now = self._context.clock.now()
        bucket = self._buckets.setdefault(key, _Bucket(rate, now))
        bucket.tokens = min(rate, bucket.tokens + (now - bucket.filled) * rate)
        bucket.filled = now
        return bucket
