"""The layer holds what the functions call."""

from __future__ import annotations

import ast
from pathlib import Path

import botocore.session

ROOT = Path(__file__).parents[2]
SERVICES = (ROOT / "dependencies" / "services.txt").read_text(encoding="utf-8").split()


def services_called() -> dict[str, str]:
    """boto3's name of each service that a function makes a client of, and the module that does."""
    called = {}
    for module in sorted((ROOT / "functions").rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id="client" | "clients") | ast.Attribute(attr="client" | "clients"),
                    args=[ast.Constant(value=str(service)), *_],
                ):
                    called[service] = str(module.relative_to(ROOT))
                case ast.Assign(targets=[ast.Name(id="client_name")], value=ast.Constant(value=str(service))):
                    called[service] = str(module.relative_to(ROOT))
    return called


def test_every_service_that_a_function_calls_is_in_the_layer() -> None:
    missing = {service: module for service, module in services_called().items() if service not in SERVICES}
    assert not missing, f"add to dependencies/services.txt: {missing}"
    assert {"backup", "mpa", "dynamodb", "docdb"} <= services_called().keys()


def test_services_are_sorted_and_boto3s_own_names() -> None:
    assert sorted(set(SERVICES)) == SERVICES
    assert set(SERVICES) <= set(botocore.session.Session().get_available_services())
