"""SelectRecoveryPoints: per resource the newest clean point before the first sign of compromise."""

from airlift.runtime import Event, step
from airlift.selecting import select_recovery_points
from airlift.vaults import VaultWork


@step
def handler(event: Event) -> Event:
    """Event: the input of the vault's execution."""
    work = VaultWork(event)
    with work.ending():
        return select_recovery_points(work)
