"""RequestVaultAccess: see `airlift.requesting`."""

from airlift.requesting import request_access
from airlift.runtime import Event, step
from airlift.vaults import VaultWork


@step
def handler(event: Event) -> Event:
    """Event: the input of the vault's execution."""
    work = VaultWork(event)
    with work.ending():
        return request_access(work)
