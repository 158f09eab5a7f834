"""CloseRecovery: the end of every recovery, reached by the workflow or told by Step Functions' status events."""

from airlift.closing import close_by_status, close_ended_recovery
from airlift.runtime import Event, ledger, step


@step
def handler(event: Event) -> Event:
    """Event: `{"recoveryId", "executionArn", "ended"}` of the workflow, a status event, or `{"executionArn"}`."""
    if "detail-type" in event:
        return close_by_status(ledger(), event["detail"]["executionArn"], event["detail"])
    if "recoveryId" not in event:
        return close_by_status(ledger(), event["executionArn"], {})
    return close_ended_recovery(ledger(), event["recoveryId"], event["executionArn"], event["ended"])
