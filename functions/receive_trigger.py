"""ReceiveTrigger: trigger or operator input of any kind becomes one recovery, or an operator action is carried out."""

from airlift.receiving import receive
from airlift.runtime import Event, ledger, step


@step
def handler(event: Event) -> Event:
    """Event: `{"executionArn": …, "input": whatever started the execution}`."""
    return receive(ledger(), event["executionArn"], event["input"])
