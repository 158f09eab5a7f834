"""botocore's service models as the one authority on requests and answers (rest-json and json services)."""

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
from local.aws.shapes import find_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

Params = dict[str, Any]

# What each service calls a value it refuses, and a required value that is missing.
_REFUSALS: dict[str, tuple[str, str]] = {
    "backup": ("InvalidParameterValueException", "MissingParameterValueException"),
    "mpa": ("ValidationException", "ValidationException"),
    "ram": ("InvalidParameterException", "InvalidParameterException"),
}
_REFUSAL = ("ValidationException", "ValidationException")


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
    target = headers.get("x-amz-target")
    if target:
        return _parse_target(service, target, body)
    values = parse_qs(query, keep_blank_values=True)
    for route in routes(service):
        hit = route.path.fullmatch(path) if route.method == method else None
        if hit and (not route.flag or route.flag in values):
            params = _bind(service, route.operation, hit.groupdict(), values, headers, body)
            return route.operation, params
    raise AwsError("UnknownOperationException", f"{service} has no operation for {method} {path}", status=404)


def _parse_target(service: str, target: str, body: bytes) -> tuple[OperationModel, Params]:
    """A request of the json protocol, whose header X-Amz-Target names the operation."""
    model, name = service_model(service), target.rpartition(".")[2]
    if name not in model.operation_names:
        raise AwsError("UnknownOperationException", f"{service} has no operation {target}", status=404)
    operation = model.operation_model(name)
    shape: Any = operation.input_shape
    params: Params = _from_wire(_document(body), shape)
    _refuse_problem(service, params, shape)
    return operation, params


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body) if body else {}
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise AwsError("SerializationException", "The request body is not a JSON object.")
    return document


def _refuse_problem(service: str, params: Params, shape: Any) -> None:
    problem = find_problem(params, shape, "")
    if problem:
        raise AwsError(_REFUSALS.get(service, _REFUSAL)[problem.missing], problem.text)


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
    document = _document(body)
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
    _refuse_problem(service, params, shape)
    return params


def _from_text(service: str, shape: Shape, text: str, name: str) -> Any:
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name == "timestamp":
            return _timestamp(text)
    except ValueError:
        raise AwsError(_REFUSALS.get(service, _REFUSAL)[0], f"{name}: {text!r} is not a {shape.type_name}") from None
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
