"""CloudFormation: resource types that ministack lacks or has otherwise, and conditions as templates have them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import changesets, engine, handlers, provisioners
from ministack.services.cloudformation import stacks as lifecycle

from local.cloud.resources import TYPES, Api, ResourceType

Clients = Callable[[str, str, str], Any]


def install(clients: Clients) -> None:
    """Let stacks make these types through `clients(service, account, region)`."""
    kept = functools.cache(clients)

    def api() -> Api:
        account, region = get_account_id(), get_region()
        return lambda service: kept(service, account, region)

    for name, kind in TYPES.items():
        provisioners._RESOURCE_HANDLERS[name] = _handlers(name, kind, api)
        provisioners._REPLACING_PROPERTIES[name] = kind.replacing
    blocks = lifecycle._runs_on_worker_thread
    # They call back over HTTP, so never on the event loop.
    lifecycle._runs_on_worker_thread = lambda name: name in TYPES or blocks(name)
    evaluate = engine._evaluate_conditions

    def evaluate_conditions(template: dict[str, Any], parameters: dict[str, Any]) -> Any:
        known = template.get("Conditions") or {}
        return evaluate({**template, "Conditions": _settle(known, parameters)}, parameters)

    for module in (engine, changesets, handlers, lifecycle):
        module._evaluate_conditions = evaluate_conditions


def _handlers(name: str, kind: ResourceType, api: Callable[[], Api]) -> dict[str, Any]:
    """What ministack asks of a resource type."""

    def checked(properties: Mapping[str, Any]) -> Mapping[str, Any]:
        unknown = sorted(set(properties) - set(kind.takes))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} of {name} is not provided by the local cloud.")
        return properties

    def create(_logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
        made = kind.create(api(), checked(properties))
        return made, kind.attributes(api(), made)

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
        kind.update(api(), physical_id, old, checked(new))
        return physical_id, kind.attributes(api(), physical_id)

    def delete(physical_id: str, _properties: dict[str, Any]) -> None:
        kind.delete(api(), physical_id)

    return {"create": create, "update": update, "delete": delete}


def _settle(expression: Any, parameters: Mapping[str, Any]) -> Any:
    """A condition with pseudo parameters and Fn::Join resolved, which ministack leaves as they are there."""
    if isinstance(expression, list):
        return [_settle(one, parameters) for one in expression]
    if not isinstance(expression, dict):
        return expression
    if "Fn::Join" in expression:
        separator, parts = expression["Fn::Join"]
        return separator.join(_values(parts, parameters))
    pseudo = {"AWS::Region": get_region(), "AWS::AccountId": get_account_id(), "AWS::Partition": "aws"}
    if expression.get("Ref") in pseudo:
        return pseudo[expression["Ref"]]
    return {name: _settle(one, parameters) for name, one in expression.items()}


def _values(parts: Any, parameters: Mapping[str, Any]) -> list[str]:
    """The members of a list that Fn::Join is given: one by one, or a parameter that is a list."""
    if isinstance(parts, list):
        settled = [_settle(one, parameters) for one in parts]
        return [str(parameters[one["Ref"]]["Value"]) if isinstance(one, dict) else str(one) for one in settled]
    return [one.strip() for one in str(parameters[parts["Ref"]]["Value"]).split(",")]
