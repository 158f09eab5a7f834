"""What all clients of the SDK have in common is made once a process: most of a client is the same for every account."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import botocore.regions
from botocore.client import ClientCreator
from botocore.endpoint_provider import EndpointProvider
from botocore.hooks import EventAliaser
from botocore.loaders import Loader, create_loader
from botocore.model import ServiceModel

if TYPE_CHECKING:
    from collections.abc import Iterator

_classes: dict[str, type] = {}
_providers: dict[int, EndpointProvider] = {}
_events: dict[str, str] = {}
_new_class = vars(ClientCreator)["_create_client_class"]
_alias = vars(EventAliaser)["_alias_event_name"]


@cache
def loader() -> Loader:
    """Service models are read once a process; reading them takes longer than a recovery."""
    return create_loader()


@cache
def _model(service: str, version: str | None) -> ServiceModel:
    return ServiceModel(loader().load_service_model(service, "service-2", api_version=version), service_name=service)


def _class(creator: ClientCreator, service: str, model: ServiceModel) -> type:
    if service not in _classes:
        _classes[service] = _new_class(creator, service, model)
    return _classes[service]


def _provider(ruleset_data: Any, partition_data: Any, excluded_params: Any = None) -> EndpointProvider:
    """A service's provider; the loader keeps each service's rules for good, so that their address is their name."""
    if id(ruleset_data) not in _providers:
        _providers[id(ruleset_data)] = EndpointProvider(ruleset_data, partition_data, excluded_params)
    return _providers[id(ruleset_data)]


def _aliased(aliaser: EventAliaser, event: str) -> str:
    if event not in _events:
        _events[event] = _alias(aliaser, event)
    return _events[event]


@contextmanager
def quick() -> Iterator[None]:
    """While it lasts, clients are made of shared parts."""
    with (
        patch.object(ClientCreator, "_load_service_model", lambda _, name, api_version=None: _model(name, api_version)),
        patch.object(ClientCreator, "_create_client_class", _class),
        patch.object(botocore.regions, "EndpointProvider", _provider),
        patch.object(EventAliaser, "_alias_event_name", _aliased),
    ):
        yield
