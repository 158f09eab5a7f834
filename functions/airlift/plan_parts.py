"""What the recovery plan is made of. `airlift.plan` holds the whole and answers questions about it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from airlift.arns import AccountId, Arn, TeamArn, VaultArn, WebAddress
from airlift.documents import Document, refuse

Name = Annotated[str, Field(min_length=1, max_length=100)]
Pattern = Annotated[str, Field(min_length=1)]
"""Compared with regard to case; `*`, `?` and `[…]` as in a shell."""
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Vault(Document):
    """A source vault: a logically air-gapped vault of a protected account."""

    arn: VaultArn
    approval_team_arn: TeamArn | None = None
    """With it the readiness checks can look at the team before the vault has to be asked for."""

    @property
    def name(self) -> str:
        """The vault's name, the last part of its ARN."""
        return self.arn.rpartition(":")[2]

    @property
    def region(self) -> str:
        """The Region the vault lies in."""
        return Arn.parse(self.arn).region


class Account(Document):
    """A protected account and its vaults. Of several that hold a resource, the one granted first restores it."""

    id: AccountId
    name: str = ""
    management_account: AccountId | None = None
    """Of the organization it is in; the readiness checks compare it with the recovery account's."""
    vaults: Annotated[tuple[Vault, ...], Field(min_length=1)]

    @property
    def vault_arns(self) -> tuple[str, ...]:
        """ARNs of the source vaults, in the plan's order."""
        return tuple(vault.arn for vault in self.vaults)


class Approval(Document):
    """How often people are asked again."""

    requests_after_expiry: Annotated[int, Field(ge=0, le=5)] = 1
    cool_down_minutes: Annotated[int, Field(ge=0, le=10080)] = 60
    """After any ending of a recovery of the account, events only tell people for so long; people may start."""
    portal_url: WebAddress | None = None
    """Where approvers vote, for the offline card: the approval portal of the team's identity source."""


class Contact(Document):
    """Somebody who is called in a recovery; printed on the offline card."""

    name: Name
    role: Name
    phone: Name | None = None
    where: Name | None = None
    """Where else they are found, such as a channel or a room."""


class Access(Document):
    """What becomes of the access that a recovery was granted: a restore-access vault has no expiry of its own."""

    close_after_days: Annotated[int, Field(ge=0, le=3650)] | None = 7
    """Access is closed so many days after a real recovery has ended; null: never."""
    drill_vault: Literal["replace", "adopt"] = "replace"
    """Whether a real recovery that meets the open access of a drill asks anew, or takes it on."""


class Points(Document):
    """Which recovery points are restored from, and who confirms it."""

    margin_minutes: Annotated[int, Field(ge=0, le=10080)] = 15
    """Points are taken from at or before the first sign of compromise minus this."""
    statuses: Annotated[tuple[Literal["COMPLETED", "AVAILABLE", "STOPPED", "PARTIAL"], ...], Field(min_length=1)] = (
        "COMPLETED",
        "AVAILABLE",
        "STOPPED",
    )
    """STOPPED is a continuous point that is no longer continued; it serves up to when it was stopped."""
    malware: Literal["ignore", "prefer", "require"] = "prefer"
    """What existing scan results count. `ignore`: nothing. Otherwise a point with a finding is never taken; `prefer`
    takes one that was scanned without a finding first, if it is not too old, and `require` takes no other. Only EBS,
    EC2 and S3 can be scanned, so nothing is required of other types. Not scanned is never called clean."""
    prefer_within_hours: Annotated[int, Field(ge=0, le=8760)] = 24
    """Under `prefer`, how much older than the newest usable point a scanned one may be."""
    expiring_within_hours: Annotated[int, Field(ge=0, le=8760)] = 24
    """A point whose retention ends so soon is used only if no other usable one exists."""
    maximum_age_days: Annotated[int, Field(ge=1)] | None = None
    candidates: Annotated[int, Field(ge=1, le=100)] = 10
    """How many points per resource are kept to fall back on, the first included."""
    confirm_before_restoring: bool = False
    """Whether restoring waits for the operator's `continue` once the points are selected."""


class Retries(Document):
    """What follows when a restore job fails."""

    environment_retries: Annotated[int, Field(ge=0, le=10)] = 3
    back_off_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    unknown_failure: Literal["hold", "nextPoint"] = "hold"
    hold_type_after: Annotated[int, Field(ge=1, le=100)] = 3
    """When so many first restores of a type fail alike, the type is held for the operator."""


class Objectives(Document):
    """What the report measures the recovery against."""

    rto_minutes: Annotated[int, Field(ge=1)] | None = None
    """From the trigger to the last restore."""
    rpo_minutes: Annotated[int, Field(ge=0)] | None = None
    """From a resource's recovery point to the first sign of compromise."""


class Matcher(Document):
    """All criteria that are given must hold; a criterion holds if any of its patterns matches."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [criterion]} for criterion in ("types", "arns", "names")]}
    )

    types: Annotated[tuple[Pattern, ...], Field(min_length=1)] | None = None
    arns: Annotated[tuple[Pattern, ...], Field(min_length=1)] | None = None
    names: Annotated[tuple[Pattern, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _gives_something(self) -> Matcher:
        if self.types is None and self.arns is None and self.names is None:
            raise refuse("This matches nothing.", "Give types, arns or names.")
        return self

    def matches(self, resource_type: str, resource_arn: str, name: str | None = None) -> bool:
        """Whether the resource meets every criterion; one without a name meets no criterion for names."""
        criteria = ((self.types, resource_type), (self.arns, resource_arn), (self.names, name))
        return all(patterns is None or any_of(patterns, value) for patterns, value in criteria)


class Exclusion(Matcher):
    """What is left alone; it is reported as skipped, with this reason."""

    reason: Name = "excluded by the plan"


_HALT_RULES = ("any", "share", "resources")


class Halt(Document):
    """Which failures in a wave keep the waves after it from starting until the operator continues: one rule.

    A failure is a wanted resource that ended without being validated, or is held.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    any: Literal[True] | None = None
    """Any failure."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """So large a share of the wave's wanted resources, 0.2 for a fifth."""
    resources: Annotated[tuple[Matcher, ...], Field(min_length=1)] | None = None
    """A failure of one of these."""

    @model_validator(mode="after")
    def _is_one_rule(self) -> Halt:
        given = [rule for rule in _HALT_RULES if getattr(self, rule) is not None]
        if len(given) != 1:
            what = f"{' and '.join(given)} are given." if given else "This says when to halt, and nothing is given."
            raise refuse(what, f"Give one of {', '.join(_HALT_RULES)}.")
        return self

    def counts(self, resource_type: str, resource_arn: str, name: str | None) -> bool:
        """Whether a failure of this resource counts."""
        return self.resources is None or any(one.matches(resource_type, resource_arn, name) for one in self.resources)

    def met(self, failures: int, wanted: int) -> bool:
        """Whether so many failures that count, of so many wanted resources, are enough."""
        return failures > 0 and (self.share is None or failures / wanted >= self.share)


class Wave(Document):
    """Resources that are restored together. Several waves may be under way at once."""

    name: Name
    match: Annotated[tuple[Matcher, ...], Field(min_length=1)]
    priority: tuple[Matcher, ...] = ()
    """What matches the first goes first, what matches none goes last."""
    after: tuple[Name, ...] | None = None
    """Waves that must have ended before this one starts; without it, all earlier ones. `[]`: none."""
    halt: Halt | None = None
    """When failures of this wave keep those after it waiting for the operator; without it, never."""
    pause_before: bool = False
    objectives: Objectives = Objectives()


class Settings(Document):
    """Settings of a restore: StartRestoreJob's metadata, and beside it the options of the type's family.

    Options that every type takes: `tags`, put on what is restored; `copySourceTags`, true if the source's tags are to
    come along; `validationFunction`, a Lambda function `airlift-validate-…` of the recovery account that has the last
    word. Mind that a tag such as backup=daily may enrol what was restored in backup plans, policies or automation of
    the recovery account: a source's tags came from an account that an attacker may hold.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    metadata: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def options(self) -> dict[str, JsonValue]:
        """Everything beside the metadata, such as `subnetIds`."""
        return self.__pydantic_extra__


class ResourceSettings(Settings):
    """Settings for the resources whose ARN matches."""

    arn: Pattern


class Targets(Document):
    """Where to restore to: of two layers that set the same key the later wins; null takes a key away."""

    defaults: Settings = Settings()
    types: dict[str, Settings] = Field(default_factory=dict)
    resources: tuple[ResourceSettings, ...] = ()

    def layers(self, resource_type: str, resource_arn: str) -> list[Settings]:
        """Defaults, then the type's, then those of every entry that matches the ARN, in the plan's order."""
        of_type = self.types.get(resource_type)
        of_resource = [entry for entry in self.resources if fnmatchcase(resource_arn, entry.arn)]
        return [self.defaults, *([of_type] if of_type else []), *of_resource]


class Notifications(Document):
    """When people are told and reminded."""

    remind_at_fractions: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.9)
    """Fractions of the time the approval session stays open."""
    quiet_minutes: Annotated[int, Field(ge=1, le=10080)] = 60
    """When people were told of a sign of compromise in an account, further ones are only recorded for so long."""


class Drills(Document):
    """How often the whole path is to be exercised."""

    warn_after_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """The readiness checks warn when the last successful drill of an account is older."""


def any_of(patterns: tuple[str, ...], value: str | None) -> bool:
    """Whether a value is there and matches one of the patterns."""
    return value is not None and any(fnmatchcase(value, pattern) for pattern in patterns)
