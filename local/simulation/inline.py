"""Threads that are none: what is submitted runs at once, so that a run repeats bit for bit."""

from __future__ import annotations

from concurrent import futures
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class InlineExecutor(futures.Executor):
    """Runs each call in `submit` and gives the future with its outcome."""

    def __init__(self, _max_workers: int | None = None) -> None: ...

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """The ended future of `call`; what it raises comes out of `result`."""
        future: futures.Future[Any] = futures.Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as a pool's thread does
            future.set_exception(error)
        return future


@contextmanager
def without_threads() -> Iterator[None]:
    """While it lasts, pools that are made run their calls at once."""
    with patch.object(futures, "ThreadPoolExecutor", InlineExecutor):
        yield
