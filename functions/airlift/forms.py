"""What text in a document must look like. Apart from documents, as most functions need ARNs and load no model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Form:
    """Annotates text that must match `pattern` as a whole."""

    pattern: str
    what: str
    """What the text then is, for example "an account id"."""
    remedy: str
    """What it looks like."""

    def check(self, value: str) -> str:
        """The value itself; raises the error that a model's validator may raise."""
        if not re.fullmatch(self.pattern, value):
            from airlift.documents import refuse, shown

            raise refuse(f"{shown(value)} is not {self.what}.", self.remedy)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": f"^(?:{self.pattern})$"}
