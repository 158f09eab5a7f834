"""CheckReadiness: what would make the request itself pointless ends here, before anybody is asked."""

from airlift.readiness import check_readiness
from airlift.runtime import Event, holder_of, ledger, step


@step
def handler(event: Event) -> Event:
    """Event: `{"recoveryId", "executionArn"}`. Gives the vaults worth asking for."""
    return {"vaults": check_readiness(ledger(), holder_of(event), event["recoveryId"])}
