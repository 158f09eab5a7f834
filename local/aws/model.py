"""botocore's service models as the one authority on requests and answers (rest-json services)."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape

from local.aws.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Params = dict[str, Any]

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "list": (list, tuple),
    "map": (dict,),
    "structure": (dict,),
}

# What each service calls a value it refuses, and a required value that is missing.
_REFUSALS: dict[str, tuple[str, str]] = {
    "backup": ("InvalidParameterValueException", "MissingParameterValueException"),
    "mpa": ("ValidationException", "ValidationException"),
    "ram": ("InvalidParameterException", "InvalidParameterException"),
}


@dataclass(frozen=True)
class Route:
    """One operation's HTTP binding."""

    operation: OperationModel
    method: str
    path: re.Pattern[str]
    flag: str
    literal: int


@lru_cache
def service_model(service: str) -> ServiceModel:
    """The model botocore ships for `service`."""
    return ServiceModel(botocore.session.get_session().get_service_data(service), service)


@lru_cache
def routes(service: str) -> tuple[Route, ...]:
    """Every operation's route, the most specific first."""
    model = service_model(service)
    found = [_route(model.operation_model(name)) for name in model.operation_names]
    return tuple(sorted(found, key=lambda route: (not route.flag, -route.literal)))


def _route(operation: OperationModel) -> Route:
    uri, _, flag = operation.http["requestUri"].partition("?")

    def group(hit: re.Match[str]) -> str:
        # An ARN may arrive decoded, with slashes of its own.
        return rf"(?P<{hit[1]}>{'.+?' if hit[1].lower().endswith('arn') else '[^/]+'})"

    pattern = re.sub(r"\\\{(\w+)\\?\+?\\\}", group, re.escape(uri.rstrip("/")))
    literal = len(re.sub(r"\{[^}]*\}", "", uri))
    return Route(operation, operation.http["method"], re.compile(f"{pattern}/?"), flag.split("=")[0], literal)


def parse_request(
    service: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> tuple[OperationModel, Params]:
    """The operation a request is for and its parameters, by member name; timestamps as epoch seconds.

    Raises AwsError UnknownOperationException, or the service's own refusal of a parameter.
    """
    values = parse_qs(query, keep_blank_values=True)
    for route in routes(service):
        hit = route.path.fullmatch(path) if route.method == method else None
        if hit and (not route.flag or route.flag in values):
            params = _bind(service, route.operation, hit.groupdict(), values, headers, body)
            return route.operation, params
    raise AwsError("UnknownOperationException", f"{service} has no operation for {method} {path}", status=404)


def _bind(
    service: str,
    operation: OperationModel,
    uri: Mapping[str, str],
    query: Mapping[str, list[str]],
    headers: Mapping[str, str],
    body: bytes,
) -> Params:
    shape: Any = operation.input_shape
    if shape is None:
        return {}
    try:
        document = json.loads(body) if body else {}
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise AwsError("SerializationException", "The request body is not a JSON object.")
    params: Params = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire = member.serialization.get("name", name)
        if location == "uri":
            params[name] = _from_text(service, member, unquote(uri[wire]), name)
        elif location == "querystring" and wire in query:
            params[name] = _from_text(service, member, query[wire][0], name)
        elif location == "header" and wire.lower() in headers:
            params[name] = _from_text(service, member, headers[wire.lower()], name)
        elif location is None and document.get(wire) is not None:
            params[name] = _from_wire(document[wire], member)
    problem = find_problem(params, shape, "")
    if problem:
        raise AwsError(_REFUSALS[service][problem.missing], problem.text)
    return params


def _from_text(service: str, shape: Shape, text: str, name: str) -> Any:
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name == "timestamp":
            return _timestamp(text)
    except ValueError:
        raise AwsError(_REFUSALS[service][0], f"{name}: {text!r} is not a {shape.type_name}") from None
    return text == "true" if shape.type_name == "boolean" else text


def _timestamp(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _from_wire(value: Any, shape: Any) -> Any:
    """A JSON value with wire names turned into member names; what does not fit is left for the check."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        return {
            names.get(wire, wire): _from_wire(item, shape.members[names[wire]]) if wire in names else item
            for wire, item in value.items()
            if item is not None
        }
    if kind == "list" and isinstance(value, list):
        return [_from_wire(item, shape.member) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _from_wire(item, shape.value) for key, item in value.items()}
    if kind == "timestamp" and isinstance(value, str):
        with suppress(ValueError):
            return _timestamp(value)
    return value


@dataclass(frozen=True)
class Problem:
    """Why a value does not fit its shape."""

    text: str
    missing: bool = False


def find_problem(value: Any, shape: Any, where: str, *, null_values: bool = False) -> Problem | None:
    """The first way in which `value` breaks `shape`: type, required, unknown, enum, pattern, length, range.

    `null_values` allows nulls as values of a map.
    """
    kind = shape.type_name
    expected = _PYTHON_TYPES.get(kind)
    wrong_bool = isinstance(value, bool) and kind != "boolean"
    if value is None or wrong_bool or (expected and not isinstance(value, expected)):
        return Problem(f"{where or shape.name} must be a {kind}, not {type(value).__name__}")
    if kind == "structure":
        return _structure_problem(value, shape, where, null_values=null_values)
    if kind in ("list", "map"):
        items = value.items() if kind == "map" else enumerate(value)
        inner = shape.value if kind == "map" else shape.member
        for key, item in items:
            if item is None and kind == "map" and null_values:
                continue
            found = find_problem(item, inner, f"{where}[{key}]", null_values=null_values)
            if found:
                return found
    return _constraint_problem(value, shape, where)


def _structure_problem(value: Mapping[str, Any], shape: Any, where: str, *, null_values: bool) -> Problem | None:
    prefix = f"{where}." if where else ""
    missing = next((name for name in shape.required_members if name not in value), None)
    if missing:
        return Problem(f"{prefix}{missing} is required", missing=True)
    for name, item in value.items():
        if name not in shape.members:
            return Problem(f"{prefix}{name} is not a member of {shape.name}")
        found = find_problem(item, shape.members[name], f"{prefix}{name}", null_values=null_values)
        if found:
            return found
    return None


def _constraint_problem(value: Any, shape: Any, where: str) -> Problem | None:
    rules = shape.metadata
    size = value if isinstance(value, (int, float)) else len(value)
    if "min" in rules and size < rules["min"]:
        return Problem(f"{where} is below the minimum of {rules['min']}")
    if "max" in rules and size > rules["max"]:
        return Problem(f"{where} is above the maximum of {rules['max']}")
    if rules.get("enum") and value not in rules["enum"]:
        return Problem(f"{where} must be one of {', '.join(rules['enum'])}")
    if "pattern" in rules and isinstance(value, str) and not re.fullmatch(rules["pattern"], value):
        return Problem(f"{where} does not match {rules['pattern']}")
    return None


def render(operation: OperationModel, answer: Params | None) -> bytes:
    """An operation's answer as JSON. Members that are None are left out.

    Raises TypeError if the answer does not fit the model: a fault of the local service, never of its caller.
    """
    shape: Any = operation.output_shape
    if shape is None:
        if answer:
            raise TypeError(f"{operation.name} answers nothing in the model, and answered {answer}")
        return b""
    document = _prune(answer or {}, shape)
    problem = find_problem(document, shape, "", null_values=True)
    if problem:
        raise TypeError(f"{operation.name} answered against its model: {problem.text}")
    return json.dumps(_to_wire(document, shape)).encode()


def _prune(value: Any, shape: Any) -> Any:
    """`value` without structure members that are None; a map keeps its nulls, as AWS's restore metadata does."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        members = shape.members
        return {
            name: _prune(item, members[name]) if name in members else item
            for name, item in value.items()
            if item is not None
        }
    if kind == "list" and isinstance(value, (list, tuple)):
        return [_prune(item, shape.member) for item in value]
    return value


def _to_wire(value: Any, shape: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return {
            shape.members[name].serialization.get("name", name): _to_wire(item, shape.members[name])
            for name, item in value.items()
        }
    if kind == "list":
        return [_to_wire(item, shape.member) for item in value]
    if kind == "map":
        return {key: _to_wire(item, shape.value) for key, item in value.items()}
    if kind == "timestamp" and shape.serialization.get("timestampFormat") == "iso8601":
        return iso(value)
    return value


def iso(when: float) -> str:
    """Epoch seconds as ISO 8601 in UTC with milliseconds, as AWS writes it."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error_status(service: str, code: str, default: int) -> int:
    """The HTTP status the model gives to an error of `service`."""
    shapes: Any = service_model(service).error_shapes
    for shape in shapes:
        if code in (shape.name, shape.error_code):
            return int(shape.metadata.get("error", {}).get("httpStatusCode", default))
    return default
