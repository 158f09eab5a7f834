"""Every SDK call of the process passes here: time follows the clock, permissions are checked, facades answer."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import boto3
import botocore.handlers
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.response import StreamingBody

from local.simulation.shared import loader, quick

READS = ("Get", "Describe", "List", "Query", "Scan", "Head", "BatchGet", "Simulate")
_PARAMS = "local.simulation.params"


class ServiceError(Exception):
    """An error that a facade answers with: `code` is the exception's name in the service's model."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, members


@dataclass(frozen=True)
class Call:
    """One call of an SDK client; `service` is botocore's service id in lower case, such as `dynamodb` or `sfn`."""

    account: str
    region: str
    service: str
    operation: str
    params: Mapping[str, Any]

    @property
    def mutates(self) -> bool:
        """Whether the call may change something."""
        return not self.operation.startswith(READS)


Facade = Callable[[Call], Mapping[str, Any] | None]
"""Answers a call as botocore parses it, or with ELSEWHERE if moto is to answer. Raises ServiceError."""
ELSEWHERE: Mapping[str, Any] = {}


class Sdk:
    """Hooks in botocore. `facades` answer in place of moto: services by id, or operations as `id:Operation`.

    `before(call)` may refuse a call by ServiceError; `after(call, parsed)` sees, and may raise after, its effect.
    """

    def __init__(
        self,
        facades: Mapping[str, Facade],
        before: Callable[[Call], None],
        after: Callable[[Call, dict[str, Any]], None],
    ) -> None:
        self._facades = facades
        self._before = before
        self._after = after

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While it lasts, clients made in this process pass here."""
        entries: list[tuple[str, Callable[..., Any]]] = [
            ("provide-client-params", self._provide),
            ("before-call", self._call),
            ("after-call", self._called),
        ]
        before = boto3.DEFAULT_SESSION
        botocore.handlers.BUILTIN_HANDLERS.extend(entries)
        session = botocore.session.get_session()
        session.register_component("data_loader", loader())
        boto3.setup_default_session(botocore_session=session)
        try:
            with quick():
                yield
        finally:
            for entry in entries:
                botocore.handlers.BUILTIN_HANDLERS.remove(entry)
            boto3.DEFAULT_SESSION = before

    def _provide(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_PARAMS] = params

    def _call(
        self, model: Any, params: dict[str, Any], request_signer: Any, context: dict[str, Any], **_: Any
    ) -> tuple[AWSResponse, dict[str, Any]] | None:
        call = Call(
            str(request_signer._credentials.access_key),  # noqa: SLF001 - the key id is the account
            context["client_region"],
            model.service_model.service_id.hyphenize(),
            model.name,
            context[_PARAMS],
        )
        context[_PARAMS] = call
        params["headers"]["x-moto-account-id"] = call.account  # how moto is told
        try:
            self._before(call)
            facade = self._facades.get(f"{call.service}:{call.operation}") or self._facades.get(call.service)
            answer = facade(call) if facade else None
        except ServiceError as error:
            return _response(error.status, params["url"], _failure(error))
        if facade is None or answer is ELSEWHERE:
            return None
        return _response(200, params["url"], {**(answer or {}), "ResponseMetadata": {"HTTPStatusCode": 200}})

    def _called(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        self._after(context[_PARAMS], parsed)


def _response(status: int, url: str, parsed: dict[str, Any]) -> tuple[AWSResponse, dict[str, Any]]:
    return AWSResponse(url, status, {}, io.BytesIO()), parsed  # type: ignore[arg-type]


def _failure(error: ServiceError) -> dict[str, Any]:
    return {
        "Error": {"Code": error.code, "Message": error.message},
        "ResponseMetadata": {"HTTPStatusCode": error.status},
        **error.members,
    }


def unsupported(call: Call) -> ServiceError:
    """The error for an operation that a facade does not answer."""
    return ServiceError("UnsupportedLocally", f"{call.service}:{call.operation} is not simulated.", 501)


def stream(content: bytes) -> StreamingBody:
    """A body as botocore hands it out."""
    return StreamingBody(io.BytesIO(content), len(content))


class Unwatched:
    """A client whose calls run unwatched by the checks for handlers."""

    def __init__(self, client: Any, unwatched: Callable[[], Any]) -> None:
        self._client = client
        self._unwatched = unwatched

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._client, name)
        if not callable(member) or name == "exceptions":
            return member

        @wraps(member)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._unwatched():
                return member(*args, **kwargs)

        return call
