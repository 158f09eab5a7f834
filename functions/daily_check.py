"""DailyCheck: what a recovery would miss, every day and for `airlift ready`; see `airlift.daily`."""

from airlift.daily import check_now
from airlift.runtime import Event, ledger, step


@step
def handler(_event: Event) -> Event:
    """The event of the schedule, or of the command line, says nothing that matters."""
    return check_now(ledger())
