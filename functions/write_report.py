"""WriteReport: the report and the map of a recovery, on demand; see `airlift.reporting`."""

from airlift.reporting import write_on_demand
from airlift.runtime import Event, ledger, step


@step
def handler(event: Event) -> Event:
    """Event: `{"recoveryId"}`."""
    return write_on_demand(ledger(), event["recoveryId"])
