"""CleanUpDrill: see `airlift.cleaning`."""

from airlift.cleaning import clean_up_drill
from airlift.runtime import Event, ledger, step


@step
def handler(event: Event) -> Event:
    """Event: `{"recoveryId", "executionArn"}`."""
    return clean_up_drill(ledger(), event["recoveryId"], event["executionArn"])
