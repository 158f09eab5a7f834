"""What a person gives to the recovery state machine: the start of a recovery, or an operator action on one.

The Step Functions console and the command line send the same; `schemas/input.schema.json` describes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from airlift.arns import AccountId, Arn, RecoveryPointArn, ResourceArn, VaultArn
from airlift.documents import Document, problems_of, refuse, shown, told
from airlift.errors import InvalidInput
from airlift.forms import Form
from airlift.recovery import LATEST

_TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T.*(?:Z|[+-][0-9]{2}:[0-9]{2})$"


def _first_sign(value: Any) -> datetime | Literal["latest"]:
    return LATEST if value == LATEST else _moment(value, ', or "latest"')


def _moment(value: Any, or_else: str = "") -> datetime:
    remedy = f"Give an ISO-8601 time with its offset, such as 2026-01-02T03:04:05Z{or_else}."
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise refuse(f"{shown(value)} is not a time.", remedy) from None
    if time.tzinfo is None:
        raise refuse(f"{shown(value)} has no offset from UTC.", remedy)
    return time.astimezone(UTC)


FirstSign = Annotated[
    datetime | Literal["latest"],
    PlainValidator(_first_sign),
    WithJsonSchema({"anyOf": [{"const": LATEST}, {"type": "string", "format": "date-time", "pattern": _TIME}]}),
]
Moment = Annotated[
    datetime,
    PlainValidator(lambda value: _moment(value)),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _TIME}),
]
Reason = Annotated[
    str,
    # GetSession shows approvers a RequesterComment of at most 200 characters.
    Field(min_length=1, max_length=200),
    Form(r"[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*", "a reason", "Tell approvers why, in one line."),
]
RequestedBy = Annotated[
    str,
    Field(min_length=1, max_length=300),
    Form(r"[A-Za-z0-9:/._@+=,-]+", "a caller", "Give the ARN of who asks, as `aws sts get-caller-identity` says."),
]
"""Who asks; the command line gives the caller's ARN. It is recorded, and proves nothing."""
RecoveryId = Annotated[
    str,
    Form("(?:r|drill)-[0-9]{8}-[0-9]{12}-[0-9a-f]{4}", "a recovery id", "It looks like r-20260102-111122223333-0a1b."),
]

_WHAT_TO_RECOVER = ("source_backup_vault_arn", "source_backup_vault_arns", "account")


class Start(Document):
    """Asks for access to source vaults of one account and restores from them."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [to_camel(name)]} for name in _WHAT_TO_RECOVER]}
    )

    source_backup_vault_arn: VaultArn | None = None
    source_backup_vault_arns: Annotated[tuple[VaultArn, ...], Field(min_length=1)] | None = None
    account: AccountId | None = None
    """All source vaults that the plan lists for this account."""
    reason: Reason
    """What approvers read, together with who asks."""
    first_sign: FirstSign | None = None
    """Without it the earliest believed sign counts; if there is none, restoring waits for the operator."""
    adopt_vault: Literal["adopt", "replace"] | None = None
    """Whether a restore-access vault that another recovery left serves this one or is asked for anew."""

    override_readiness: Reason | None = None
    """Why access is requested, and restores are started, whatever the readiness checks find. The network's isolation
    has a switch of its own, in the plan."""
    access_only: bool = False
    """Ends when access is open, before anything is restored, for forensics; resume restores."""
    drill: bool = False
    """An exercise of the whole path: what it restores, and its access, is deleted at its end. firstSign is "latest"
    unless given."""
    requested_by: RequestedBy | None = None

    @property
    def vault_arns(self) -> tuple[str, ...]:
        """The source vaults the input names; empty if it names an account."""
        one = self.source_backup_vault_arn
        return (one,) if one else self.source_backup_vault_arns or ()

    @model_validator(mode="after")
    def _leaves_others_alone(self) -> Self:
        if self.drill and self.adopt_vault:
            what = "A drill deletes its access at its end, so it takes no vault of another recovery."
            raise refuse(what, "Remove it, or drill when that recovery's access is closed.", field="adoptVault")
        return self

    @model_validator(mode="after")
    def _of_one_account(self) -> Self:
        given = [to_camel(name) for name in _WHAT_TO_RECOVER if getattr(self, name) is not None]
        if len(given) != 1:
            what = f"{' and '.join(given)} are given." if given else "Nothing says what to recover."
            raise refuse(what, f"Give one of {', '.join(map(to_camel, _WHAT_TO_RECOVER))}.")
        if len(set(self.vault_arns)) < len(self.vault_arns):
            raise refuse("A vault is given twice.", "Name each once.", field=given[0])
        if len({Arn.parse(arn).account for arn in self.vault_arns}) > 1:
            remedy = "Start one recovery for each account."
            raise refuse("These vaults belong to several accounts.", remedy, field=given[0])
        return self


ActionName = Literal["resume", "continue", "first-sign", "restore-again", "pin", "stop", "clean-up"]
_ONLY_WITH: Mapping[str, tuple[ActionName, ...]] = {
    "first_sign": ("first-sign",),
    "resource_arns": ("restore-again", "pin"),
    "recovery_point_arn": ("restore-again", "pin"),
    "before": ("restore-again",),
    "wave": ("continue",),
    "override_readiness": ("resume", "continue"),
}
_NEEDS: Mapping[ActionName, tuple[str, ...]] = {
    "first-sign": ("first_sign",),
    "restore-again": ("resource_arns",),
    "pin": ("resource_arns", "recovery_point_arn", "reason"),
}


def _action_is(*actions: ActionName) -> dict[str, Any]:
    one = {"const": actions[0]} if len(actions) == 1 else {"enum": list(actions)}
    return {"properties": {"action": one}, "required": ["action"]}


_RULES: list[Any] = [
    *[{"if": {"required": [to_camel(name)]}, "then": _action_is(*actions)} for name, actions in _ONLY_WITH.items()],
    *[{"if": _action_is(action), "then": {"required": [*map(to_camel, names)]}} for action, names in _NEEDS.items()],
    {"if": {"required": ["recoveryPointArn"]}, "then": {"properties": {"resourceArns": {"maxItems": 1}}}},
]
"""What the validator below says, for the JSON Schema."""


class Action(Document):
    """What an operator wants done to a recovery; its id alone means resume."""

    model_config = ConfigDict(json_schema_extra={"allOf": _RULES})

    recovery_id: RecoveryId
    action: ActionName = "resume"
    first_sign: FirstSign | None = None
    resource_arns: Annotated[tuple[ResourceArn, ...], Field(min_length=1, max_length=90)] | None = None
    """Resources to restore once more, or the one to pin a point for."""
    recovery_point_arn: RecoveryPointArn | None = None
    """The point to take for the one resource; without it, the plan's choice."""
    before: Moment | None = None
    """Restores once more from the newest usable point at or before this moment; a continuous one as of it."""
    wave: Annotated[str, Field(min_length=1)] | None = None
    """Name of the wave before which restoring paused; without it, the one that waits."""
    override_readiness: Reason | None = None
    """Why it goes on whatever the readiness checks find; from now on, for this recovery."""
    reason: Reason | None = None
    requested_by: RequestedBy | None = None

    @model_validator(mode="after")
    def _fields_fit_the_action(self) -> Self:
        for field, actions in _ONLY_WITH.items():
            if getattr(self, field) is not None and self.action not in actions:
                what = f"This field does not go with the action {self.action}."
                raise refuse(what, f'Remove it or give "action": "{actions[0]}".', field=to_camel(field))
        for needed in _NEEDS.get(self.action, ()):
            if getattr(self, needed) is None:
                raise refuse(f"The action {self.action} needs this field.", "Add it.", field=to_camel(needed))
        if self.recovery_point_arn and len(self.resource_arns or ()) != 1:
            what = "A recovery point belongs to one resource, and several are given."
            raise refuse(what, "Give one of resourceArns.", field="recoveryPointArn")
        return self


def parse_input(document: object, *, now: datetime) -> Start | Action:
    """Reads what a person gave; an input with a recoveryId is an action, any other a start.

    `now` is aware; a first sign after it is refused. Raises `airlift.errors.InvalidInput`, which names every
    field that is wrong, and how it is put right.
    """
    model = Action if isinstance(document, Mapping) and "recoveryId" in document else Start
    try:
        read = model.model_validate_json(to_json(document))
    except ValidationError as error:
        problems = problems_of(error, model)
        if len(problems) > 1:
            what = told("The input", problems)
            raise InvalidInput(what, "correct these fields and start again.") from None
        raise InvalidInput(f"{problems[0].where}: {problems[0].what}", problems[0].remedy) from None
    if isinstance(read.first_sign, datetime) and read.first_sign > now:
        what = f"firstSign: {read.first_sign.isoformat()} lies in the future."
        raise InvalidInput(what, "Give the time at which the attack was first seen.")
    return read
