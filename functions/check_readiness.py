"""CheckReadiness: what would make the request itself pointless ends here, before anybody is asked."""

from airlift.asking import report_readiness
from airlift.preparing import check_readiness
from airlift.runtime import Event, holder_of, ledger, step


@step
def handler(event: Event) -> Event:
    """Event: `{"recoveryId", "executionArn"}`. Gives the vaults worth asking for.

    With `check` in place of the recovery, people are told what was found, and decide.
    """
    if "check" in event:
        return report_readiness(ledger(), event["executionArn"], event["check"])
    return {"vaults": check_readiness(ledger(), holder_of(event), event["recoveryId"])}
