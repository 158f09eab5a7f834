"""CheckApproval: see `airlift.approving`."""

from airlift.approving import check_approval
from airlift.runtime import Event, step
from airlift.vaults import VaultWork


@step
def handler(event: Event) -> Event:
    """Event: the input of the vault's execution."""
    work = VaultWork(event)
    if work.ended_well():
        return {"next": "done", "waitSeconds": 0}
    with work.ending():
        return check_approval(work)
