"""The published JSON Schemas: `python -m airlift_cli.schemas` writes them anew from the models.

Editors use them while a plan or an input is written, programs when they read events, reports and maps; the stack itself
reads with the models.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import json
import operator
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from airlift.announcements import KINDS, Announcement
from airlift.announcing import SOURCE
from airlift.documents import Document
from airlift.inputs import Action, Start
from airlift.plan import Plan
from airlift.report_shape import Map, Report
from pydantic import Field, TypeAdapter, create_model
from pydantic.json_schema import GenerateJsonSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

FOLDER = Path(__file__).parents[2] / "schemas"


class _Schema(GenerateJsonSchema):
    """Without null as a way to leave a field out: in a document that is done by leaving it out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if key != "default" or value is not None}


def _told(kind: type) -> dict[str, str]:
    """The docstrings of a class's attributes, as its source has them."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    found = {}
    for field, text in itertools.pairwise(ast.iter_child_nodes(definition)):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(told))):
                found[name] = inspect.cleandoc(told)
    return found


def _describe(kind: type[Document], told: Mapping[str, str]) -> None:
    """Gives the fields of this kind of document, and of those made from it, their attributes' docstrings."""
    told = {**told, **_told(kind)}
    for name, field in kind.model_fields.items():
        field.description = told.get(name, field.description)
    kind.model_rebuild(force=True)
    for made in kind.__subclasses__():
        _describe(made, told)


def _event(kind: type[Announcement]) -> Any:
    """What of an event's envelope tells its kind, with its detail."""
    fields: dict[str, Any] = {
        "source": (Literal[SOURCE], ...),
        "detail_type": (Literal[kind.detail_type], Field(alias="detail-type")),
        "detail": (kind, ...),
    }
    return create_model(f"{kind.__name__}Event", __doc__=kind.__doc__, **fields)


_describe(Document, {})
_EVENTS: Any = functools.reduce(operator.or_, map(_event, KINDS))


def schemas() -> dict[str, dict[str, Any]]:
    """File name to JSON Schema."""
    models: dict[str, TypeAdapter[Any]] = {
        "plan": TypeAdapter(Plan),
        "input": TypeAdapter(Start | Action),
        "events": TypeAdapter(_EVENTS),
        "report": TypeAdapter(Report),
        "map": TypeAdapter(Map),
    }
    titles = {
        "plan": "Airlift recovery plan",
        "input": "Input of Airlift's recovery state machine",
        "events": "Events that Airlift puts on its bus",
        "report": "report.json of a recovery or drill",
        "map": "map.json, from old to new, of a recovery or drill",
    }
    return {
        f"{name}.schema.json": {
            "$schema": _Schema.schema_dialect,
            "title": titles[name],
            **{k: v for k, v in adapter.json_schema(schema_generator=_Schema).items() if k != "title"},
        }
        for name, adapter in models.items()
    }


def text_of(schema: dict[str, Any]) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(text_of(schema), encoding="utf-8")
