"""What a recovery does with a restored resource, played against the local AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.local.story import RECOVERY, client

if TYPE_CHECKING:
    from airlift.restore.base import Restored

    from tests.local.story import Story


def clients(service: str) -> Any:
    """The recovery account's, as families take them."""
    return client(service, RECOVERY)


def until_done(story: Story, step: Any, restored: Restored) -> str:
    """A family's `finish` or `delete`, as often as it asks for; what it says at last."""
    for _ in range(20):
        said = step(clients, restored)
        if said.done:
            return str(said.doing)
        story.wait(said.again_in_seconds)
    raise AssertionError(said)
