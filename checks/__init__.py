"""What `make check` runs beyond the tools themselves."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def told(problems: Iterable[str]) -> int:
    """Prints each problem; gives the exit status: 0 if there is none."""
    found = list(problems)
    sys.stdout.writelines(f"{one}\n" for one in found)
    return 1 if found else 0
