"""How tests say that a call must be refused."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def refused(code: str, text: str = "") -> Iterator[pytest.ExceptionInfo[ClientError]]:
    """The block ends with this error of AWS, whose message contains `text`."""
    with pytest.raises(ClientError) as raised:
        yield raised
    error = raised.value.response["Error"]
    assert error["Code"] == code, error
    assert text in error["Message"], error
