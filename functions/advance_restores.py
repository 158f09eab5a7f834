"""AdvanceRestores: the only function that starts restore jobs; see `airlift.advancing`."""

from airlift.advancing import advance_restores
from airlift.runtime import Event, step
from airlift.vaults import VaultWork


@step
def handler(event: Event) -> Event:
    """Event: the input of the vault's execution."""
    work = VaultWork(event)
    if work.ended_well():
        return {"next": "done", "waitSeconds": 0}
    with work.ending():
        return advance_restores(work)
