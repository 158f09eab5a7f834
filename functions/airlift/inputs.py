"""What a person gives to the recovery state machine: the start of a recovery, or an operator action on one.

The Step Functions console and the command line send the same; `schemas/input.schema.json` describes it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import to_json

from airlift.arns import AccountId, RecoveryPointArn, ResourceArn, VaultArn
from airlift.documents import Document, Form, did_you_mean, problems_of, refuse
from airlift.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

Latest = Literal["latest"]
FirstSign = AwareDatetime | Latest
"""When the attack was first seen; "latest" says that the newest points are wanted, as after plain data loss."""
Reason = Annotated[
    str,
    # Multi-party approval takes a comment of at most 200 characters (GetSession's RequesterComment).
    Field(min_length=1, max_length=200),
    Form(r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*", "a reason", "Write one line that tells approvers why."),
]
RecoveryId = Annotated[
    str,
    Form("r-[0-9]{8}-[0-9]{12}-[0-9a-f]{4}", "a recovery id", "It looks like r-20260102-111122223333-0a1b."),
]
