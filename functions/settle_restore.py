"""settle_restore: finishes and validates one restored resource; sent by AdvanceRestores, answered in the ledger."""

from airlift.runtime import Event, step
from airlift.settling import settle
from airlift.vaults import VaultWork


@step
def handler(event: Event) -> Event:
    """Event: the vault execution's input with `resourceArn` and `attempt`."""
    return settle(VaultWork(event), event["resourceArn"], event["attempt"])
