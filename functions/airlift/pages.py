"""Pages for people, each whole in itself: no script, no font and no picture is fetched."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).with_name("templates")
_TURNING = dict.fromkeys(map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"), "\ufffd")
"""Characters that change the direction of what stands beside them: a name with one could turn an outcome's words."""


def render(template: str, **values: Any) -> str:
    """The page of this template (a file in templates/). Whatever stands in a value is shown as text, never obeyed."""
    return _environment().get_template(template).render(values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    # Only here: most cold starts of the functions that can write a page write none.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_in_order,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _in_order(value: Any) -> Any:
    return value.translate(_TURNING) if isinstance(value, str) else value
