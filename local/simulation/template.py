"""Reads the production template: SAM's own translation, then parameters, conditions and references resolved."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
_S3 = "s3://artifacts/"
_GONE = object()
_SUBSTITUTION = re.compile(r"\$\{([^}!]+)\}")


@dataclass(frozen=True)
class Made:
    """A resource that exists: what `Ref` and `Fn::GetAtt` give."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


Create = Callable[[str, str, dict[str, Any]], Made]
"""Makes a resource: logical id, type, resolved properties. Raises LookupError for a type it does not know."""


def translated(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """The template as CloudFormation gets it from SAM; state machines keep `DefinitionS3Location.Key` as path."""
    return copy.deepcopy(_translate(path))


@lru_cache
def _translate(path: Path) -> dict[str, Any]:
    template = yaml_parse(path.read_text())
    template["Globals"]["Function"]["CodeUri"] = f"{_S3}functions"
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for key in ("ContentUri", "DefinitionUri"):
            if key in properties:
                properties[key] = _S3 + properties[key]
    # The translator asks the session for nothing but its Region.
    translator = Translator({}, Parser(), boto_session=SimpleNamespace(region_name="us-east-1"))
    translation: dict[str, Any] = translator.translate(template, {})
    return translation


def definition(location: Mapping[str, Any], substitutions: Mapping[str, Any]) -> str:
    """A state machine's definition with its substitutions filled in. Raises KeyError for one not given."""
    text = (ROOT / location["Key"]).read_text()

    def fill(found: re.Match[str]) -> str:
        return json.dumps(substitutions[found[1]])[1:-1]

    return _SUBSTITUTION.sub(fill, text)


class Stack:
    """Creates a template's resources, each when it is first referred to, and knows its outputs."""

    def __init__(
        self, template: dict[str, Any], pseudo: Mapping[str, str], parameters: Mapping[str, str], create: Create
    ) -> None:
        self._template = template
        self._pseudo = pseudo
        self._create = create
        self._made: dict[str, Made] = {}
        self._open: list[str] = []
        self._parameters = self._given(parameters)

    def deploy(self) -> dict[str, str]:
        """Create everything; returns the outputs."""
        for name, resource in self._template["Resources"].items():
            if self._wanted(resource):
                self._resource(name)
        return {name: self.resolve(output["Value"]) for name, output in self._template["Outputs"].items()}

    def _given(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        declared = self._template["Parameters"]
        if unknown := set(parameters) - set(declared):
            raise LookupError(f"the template has no parameters {sorted(unknown)}")
        values = {}
        for name, about in declared.items():
            if name not in parameters and "Default" not in about:
                raise LookupError(f"parameter {name} needs a value")
            value = parameters.get(name, about.get("Default"))
            allowed = about.get("AllowedValues")
            if allowed and str(value) not in map(str, allowed):
                raise ValueError(f"parameter {name}: {value} is not one of {allowed}")
            values[name] = str(value).split(",") if about["Type"] == "CommaDelimitedList" else value
        return values

    def _resource(self, name: str) -> Made:
        if name not in self._made:
            if name in self._open:
                raise LookupError(f"circular dependency: {' -> '.join([*self._open, name])}")
            self._open.append(name)
            resource = self._template["Resources"][name]
            for needed in [resource.get("DependsOn", [])] if isinstance(resource.get("DependsOn"), str) else []:
                self._resource(needed)
            properties = self.resolve(resource.get("Properties", {}))
            self._made[name] = self._create(name, resource["Type"], properties)
            self._open.pop()
        return self._made[name]

    def _wanted(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self._condition(resource["Condition"])

    def _condition(self, name: str) -> bool:
        return bool(self.resolve(self._template["Conditions"][name]))

    def resolve(self, value: Any) -> Any:
        """A value without intrinsic functions. Raises LookupError for a function that isn't simulated."""
        if isinstance(value, list):
            return [v for v in map(self.resolve, value) if v is not _GONE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            function, argument = next(iter(value.items()))
            if function == "Ref" or function.startswith("Fn::"):
                return self._call(function, argument)
        found = {key: self.resolve(inner) for key, inner in value.items()}
        return {key: inner for key, inner in found.items() if inner is not _GONE}

    def _call(self, function: str, argument: Any) -> Any:
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._attribute,
            "Fn::Sub": self._substitute,
            "Fn::Join": lambda a: a[0].join(self.resolve(a[1])),
            "Fn::If": lambda a: self.resolve(a[1] if self._condition(a[0]) else a[2]),
            "Fn::Not": lambda a: not self.resolve(a[0]),
            "Fn::Equals": lambda a: self.resolve(a[0]) == self.resolve(a[1]),
        }
        if function not in functions:
            raise LookupError(f"intrinsic function {function} is not simulated")
        return functions[function](argument)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _GONE
        if name in self._pseudo:
            return self._pseudo[name]
        return self._parameters[name] if name in self._parameters else self._resource(name).ref

    def _attribute(self, argument: Any) -> str:
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        attributes = self._resource(name).attributes
        if attribute not in attributes:
            raise LookupError(f"{name} has no attribute {attribute} here")
        return attributes[attribute]

    def _substitute(self, argument: Any) -> str:
        text, local = argument if isinstance(argument, list) else (argument, {})

        def fill(found: re.Match[str]) -> str:
            name = found[1]
            if name in local:
                return str(self.resolve(local[name]))
            return str(self._attribute(name) if "." in name else self._ref(name))

        return _SUBSTITUTION.sub(fill, text)
