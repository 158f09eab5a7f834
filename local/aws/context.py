"""What the parts of the local services share."""

from __future__ import annotations

import base64
import json
import random
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.aws.errors import AwsError

if TYPE_CHECKING:
    from local.aws.doors import Doors
    from local.aws.faults import Faults
    from local.aws.settings import Settings
    from local.aws.wire import Authorize
    from local.clock import Clock

Clients = Callable[[str, str, str], Any]
Emit = Callable[[str, str, dict[str, Any]], None]


class Ids:
    """Ids for everything made here, repeatable if seeded."""

    def __init__(self, seed: int | None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - ids, not secrets

    def uuid(self) -> str:
        """A version 4 UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def hex(self, digits: int) -> str:
        """`digits` hexadecimal digits."""
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"


@dataclass
class Context:
    """Clock, clients of the emulator, the event bus, permissions, faults, doors and the one lock."""

    clock: Clock
    clients: Clients
    emit: Emit
    settings: Settings
    authorize: Authorize
    faults: Faults
    doors: Doors
    ids: Ids
    lock: threading.RLock = field(default_factory=threading.RLock)

    def after(self, seconds: float, action: Callable[[], None]) -> Callable[[], None]:
        """Run `action` under the lock in `seconds`; returns what cancels it."""

        def locked() -> None:
            with self.lock:
                action()

        return self.clock.call_at(self.clock.now() + seconds, locked)

    def work(self, task: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        """Run `task`, which may take long and holds no lock, then `done(result, error)` under the lock."""

        def locked(result: Any, error: BaseException | None) -> None:
            with self.lock:
                done(result, error)

        self.clock.submit(task, locked)


def page(
    items: Sequence[Mapping[str, Any]], key: str, params: Mapping[str, Any], most: int, invalid: str
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of `items`, each known by its member `key`, and the token of the next page.

    `params` may have MaxResults (at most `most`) and NextToken. A token names the last item given out, so that
    what appears meanwhile neither repeats nor hides an item. Raises AwsError `invalid` for a token not given out.
    """
    limit = min(params.get("MaxResults") or most, most)
    start = 0
    if params.get("NextToken"):
        last = _decode(params["NextToken"], invalid)
        position = next((at for at, item in enumerate(items) if item[key] == last), None)
        if position is None:
            raise AwsError(invalid, "The NextToken is not valid.")
        start = position + 1
    chosen = [dict(item) for item in items[start : start + limit]]
    token = chosen[-1][key] if start + limit < len(items) else None
    return chosen, base64.urlsafe_b64encode(json.dumps(token).encode()).decode() if token else None


def _decode(token: str, invalid: str) -> str:
    try:
        return str(json.loads(base64.urlsafe_b64decode(token)))
    except ValueError:
        raise AwsError(invalid, "The NextToken is not valid.") from None
