"""JSONata as Step Functions has it: version 2.0.6, AWS's own functions, no ``$eval``, no document to query.

The library's ``None`` means undefined and its ``NULL_VALUE`` means null, so values are translated both ways.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jsonata import Jsonata  # type: ignore[import-untyped]
from jsonata.functions import Functions as Standard  # type: ignore[import-untyped]
from jsonata.utils import Utils  # type: ignore[import-untyped]

from local.asl.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.clock import Clock

NULL = Utils.NULL_VALUE
NEWER_OPERATORS = ("??", "?:")
"""The library knows them, JSONata 2.0.6 does not."""

ADDED = frozenset({"partition", "range", "hash", "random", "uuid", "parse"})
"""Functions of Step Functions alone (developer guide, "JSONata functions provided by Step Functions")."""

BUILT_IN = (frozenset(Jsonata.static_frame.bindings) | ADDED) - {"eval"}
DIGESTS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
EXACT = 2**53
"""Whole floats up to here are written as integers."""


def is_expression(value: object) -> bool:
    """Whether a field's value is ``{% … %}``."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def source(value: str) -> str:
    """The JSONata inside ``{% … %}``."""
    return value[2:-2].strip()


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as Step Functions writes times: UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@functools.lru_cache(maxsize=4096)
def compiled(text: str) -> Any:
    """The parsed expression. Raises ValueError, with the library's text, if it isn't JSONata 2.0.6."""
    for operator in NEWER_OPERATORS:
        Jsonata.get_parser().symbol_table.pop(operator, None)
    try:
        expression = Jsonata(text)
    except Exception as error:  # the library raises many kinds
        raise ValueError(str(error)) from error
    expression.set_output_convert_nulls(False)
    return expression


class Evaluator:
    """Evaluates fields; ``$now``, ``$millis``, ``$uuid`` and ``$random`` follow the clock and the generator."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng

    def field(self, location: str, value: Any, states: dict[str, Any], variables: Mapping[str, Any]) -> Any:
        """A field's value with every ``{% … %}`` in it evaluated.

        Raises QueryError if an expression fails, gives nothing, or gives what is not JSON.
        """
        if is_expression(value):
            bindings = {name: _to_jsonata(bound) for name, bound in variables.items()}
            return self._evaluate(location, source(value), {**bindings, "states": _to_jsonata(states)})
        if isinstance(value, dict):
            return {k: self.field(f"{location}/{k}", v, states, variables) for k, v in value.items()}
        if isinstance(value, list):
            return [self.field(f"{location}/{i}", v, states, variables) for i, v in enumerate(value)]
        return value

    def _evaluate(self, location: str, text: str, bindings: dict[str, Any]) -> Any:
        where = f"The JSONata expression '{text}' specified for the field '{location}'"
        try:
            result = _from_jsonata(compiled(text).evaluate(None, {**self._functions(), **bindings}))
        except Exception as error:
            raise QueryError(f"{where} threw an error: {error}", location) from error
        if result is None:
            raise QueryError(f"{where} returned nothing (undefined).", location)
        return _null_to_none(result)

    def _functions(self) -> dict[str, Any]:
        millis = round(self._clock.now() * 1000)
        functions: dict[str, Callable[..., Any]] = {
            "now": lambda picture=None, zone=None: Standard.datetime_from_millis(millis, picture, zone),
            "millis": lambda: millis,
            "uuid": lambda: str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            "random": self._random,
            "partition": _partition,
            "range": _range,
            "hash": _hash,
            "parse": lambda text: None if text is None else _to_jsonata(json.loads(text)),
            "eval": _no_eval,
        }
        return {name: Jsonata.JLambda(function) for name, function in functions.items()}

    def _random(self, seed: int | None = None) -> float:
        return (self._rng if seed is None else random.Random(seed)).random()  # noqa: S311 - AWS's is no better


def _partition(items: list[Any] | None, size: int) -> list[Any] | None:
    if items is None:
        return None
    if size < 1:
        raise ValueError("$partition needs a size of 1 or more")
    return [items[i : i + int(size)] for i in range(0, len(items), int(size))]


def _range(first: int, last: int, step: int) -> list[int]:
    if step == 0:
        raise ValueError("$range needs a step other than 0")
    return list(range(int(first), int(last) + (1 if step > 0 else -1), int(step)))


def _hash(text: str | None, algorithm: str) -> str | None:
    if algorithm not in DIGESTS:
        raise ValueError(f"$hash knows {', '.join(DIGESTS)}, not {algorithm}")
    return None if text is None else hashlib.new(DIGESTS[algorithm], text.encode()).hexdigest()


def _no_eval(*_: Any) -> None:
    raise ValueError("$eval is not available in Step Functions; use $parse")


def _to_jsonata(value: Any) -> Any:
    if value is None:
        return NULL
    if isinstance(value, dict):
        return {key: _to_jsonata(item) for key, item in value.items()}
    return [_to_jsonata(item) for item in value] if isinstance(value, list) else value


def _from_jsonata(value: Any) -> Any:
    """A plain copy that may still hold NULL at the top, where None would mean undefined."""
    if value is None or value is NULL or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < EXACT else value
    if isinstance(value, dict):
        return {str(key): _null_to_none(_from_jsonata(item)) for key, item in value.items()}
    if isinstance(value, list):
        return [_null_to_none(_from_jsonata(item)) for item in value]
    raise TypeError(f"the result is not JSON but {type(value).__name__}")


def _null_to_none(value: Any) -> Any:
    return None if value is NULL else value
