"""The front: HTTP requests as AWS's SDKs send them, answered by the local services."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
import botocore.handlers
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError

from local.aws.errors import AwsError, ConnectionDropped
from local.aws.faults import Faults
from local.aws.model import Params, error_status, parse_request, render, service_model

# botocore asks every handler, and takes the first answer: what follows, such as moto, must not know the address.
_ANSWERED = "https://answered.invalid/"
_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True)
class Caller:
    """Who signed a request, and for which Region."""

    account: str
    region: str
    principal_arn: str


@dataclass(frozen=True)
class Request:
    """An HTTP request; `path` as sent (percent-encoded), `headers` in any case."""

    service: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


Authorize = Callable[[Caller, str, Sequence[str]], None]
Identify = Callable[[Mapping[str, str]], Caller]
Guard = Callable[[Caller, str, Sequence[str], Params], None]
Operation = Callable[[Caller, Params], Params | None]


def allow_all(caller: Caller, action: str, resources: Sequence[str]) -> None:
    """The `authorize` hook of an embedding that checks no permissions."""


def guard_nothing(caller: Caller, action: str, resources: Sequence[str], params: Params) -> None:
    """The `guard` hook of an embedding without organizations."""


def account_as_key(headers: Mapping[str, str]) -> Caller:
    """The caller of a request whose access key id is an account's 12 digits: that account's root.

    `headers` have lower-case names. Raises AwsError UnrecognizedClientException.
    """
    scope = _CREDENTIAL.search(headers.get("authorization", ""))
    if scope is None or not re.fullmatch(r"\d{12}", scope["key"]):
        message = "The security token included in the request is invalid."
        raise AwsError("UnrecognizedClientException", message, status=403)
    return Caller(scope["key"], scope["region"], f"arn:aws:iam::{scope['key']}:root")


@dataclass
class Service:
    """A service as `parts`: a method named like an operation in snake case answers that operation.

    `resources` names the ARNs an operation is authorized on; `admit` refuses a call before anything else
    (rates, Regions); `tags` gives a resource's tags by its ARN, for conditions on aws:ResourceTag. A
    service that another one calls while that answers has a `lock` of its own.
    """

    parts: Sequence[object]
    resources: Callable[[Caller, str, Params], Sequence[str]] = lambda _caller, _operation, _params: ("*",)
    admit: Callable[[Caller, str], None] = lambda _caller, _operation: None
    tags: Callable[[str], Mapping[str, str]] = lambda _arn: {}
    lock: threading.RLock | None = None

    def find(self, operation: str) -> Operation | None:
        """The method that answers `operation`, if this service provides it."""
        name = xform_name(operation)
        return next((getattr(part, name) for part in self.parts if hasattr(part, name)), None)


@dataclass
class Front:
    """Answers requests to `services`, one at a time.

    Call it off any event loop: a service may call the emulator back while it answers.
    """

    services: Mapping[str, Service]
    identify: Identify = account_as_key
    authorize: Authorize = allow_all
    guard: Guard = guard_nothing
    faults: Faults = field(default_factory=Faults)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def handle(self, request: Request) -> Response:
        """The service's answer. Raises ConnectionDropped where a fault says that none arrives."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            operation, params = parse_request(
                request.service, request.method, request.path, request.query, headers, request.body
            )
            with self.services[request.service].lock or self.lock:
                answer = self._call(request.service, operation.name, self.identify(headers), params)
                body = render(operation, answer)
        except AwsError as error:
            return _error_response(request.service, error)
        return Response(200, {"Content-Type": "application/json"}, body)

    def service_of(self, arn: str) -> Service:
        """The service that an ARN names; one that knows nothing if it is not among these."""
        return self.services.get(arn.split(":")[2] if arn.startswith("arn:") else "", Service(()))

    def _call(self, service: str, operation: str, caller: Caller, params: Params) -> Params | None:
        provider = self.services[service]
        method = provider.find(operation)
        if method is None:
            message = f"{service}:{operation} is not provided by the local services"
            raise AwsError("UnsupportedLocally", message, status=501)
        self.faults.strike(service, operation, params, after_effect=False)
        provider.admit(caller, operation)
        action = f"{service_model(service).signing_name}:{operation}"
        resources = provider.resources(caller, operation, params)
        self.guard(caller, action, resources, params)
        self.authorize(caller, action, resources)
        answer = method(caller, params)
        self.faults.strike(service, operation, params, after_effect=True)
        return answer


def _error_response(service: str, error: AwsError) -> Response:
    status = error_status(service, error.code, error.status)
    body = {"__type": error.code, "message": error.message, "Message": error.message, **error.members}
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    return Response(status, headers, json.dumps(body).encode())


class _RawBody(io.BytesIO):
    """A body as botocore reads it from urllib3."""

    def stream(self, amount: int = 65536, **_: object) -> Iterator[bytes]:
        """The body in pieces."""
        while piece := self.read(amount):
            yield piece


class Answers(Protocol):
    """What `install_botocore` needs of a front; a stand-in lets clients outlive one."""

    def handle(self, request: Request, /) -> Response | None:
        """The service's answer; None lets the request pass on. Raises ConnectionDropped."""


SERVICES = ("backup", "mpa", "ram", "fsx", "service-quotas", "timestream-write")
"""What the front answers, by boto3's names."""


def install_botocore(front: Answers, services: Sequence[str] = SERVICES) -> Callable[[], None]:
    """Let boto3 clients made from now on in this process reach `front`; returns what undoes it.

    Handlers of `before-send.<service>` come before moto's of `before-send`.
    """
    installed = True

    def send(service: str, request: AWSPreparedRequest) -> AWSResponse | None:
        if not installed:
            return None
        url = urlsplit(request.url)
        body: Any = request.body or b""
        raw = body.read() if hasattr(body, "read") else body
        headers = {
            name: value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
        }
        try:
            answer = front.handle(
                Request(
                    service,
                    request.method,
                    url.path,
                    url.query,
                    headers,
                    raw.encode() if isinstance(raw, str) else bytes(raw),
                )
            )
        except ConnectionDropped:
            raise ConnectionClosedError(endpoint_url=request.url) from None
        if answer is None:
            return None
        sent_to, request.url = request.url, _ANSWERED
        return AWSResponse(sent_to, answer.status, answer.headers, _RawBody(answer.body))  # type: ignore[arg-type]

    entries = [
        (f"before-send.{service_model(service).service_id.hyphenize()}", _bound(send, service)) for service in services
    ]
    botocore.handlers.BUILTIN_HANDLERS.extend(entries)
    session = boto3.DEFAULT_SESSION
    if session is not None:
        for name, handler in entries:
            session.events.register(name, handler)

    def uninstall() -> None:
        nonlocal installed
        installed = False
        for entry in entries:
            botocore.handlers.BUILTIN_HANDLERS.remove(entry)

    return uninstall


def _bound(send: Callable[[str, AWSPreparedRequest], AWSResponse | None], service: str) -> Any:
    def handler(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        return send(service, request)

    return handler
