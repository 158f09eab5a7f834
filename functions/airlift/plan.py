"""The recovery plan: what is protected, who is believed, and how things come back.

Written before the incident and held in AppConfig as JSON (people write it as YAML). Its parts are in
`airlift.plan_parts`; `airlift.plan_check` looks for what a model alone can't see.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError
from pydantic_core import to_json

from airlift.arns import AccountId, Region  # noqa: TC001 (pydantic reads it at run time)
from airlift.documents import Document, Problem, problems_of, told
from airlift.errors import AccountNotInPlan, PlanInvalid, VaultNotInPlan
from airlift.plan_parts import (
    Access,
    Account,
    Approval,
    Contact,
    Drills,
    Exclusion,
    LogLevel,
    Matcher,
    Notifications,
    Objectives,
    Points,
    Retries,
    Targets,
    Vault,
    Wave,
)
from airlift.plan_triggers import Allow, Triggers
from airlift.restore.base import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNMATCHED", "Account", "Allow", "Plan", "Vault", "Wave", "plan_invalid"]

UNMATCHED = "unmatched"
"""Name of the implied last wave, which takes what no wave of the plan matches."""


class Plan(Document):
    """The whole recovery plan."""

    version: Literal[1]
    accounts: Annotated[tuple[Account, ...], Field(min_length=1)]
    detectors: tuple[AccountId, ...] = ()
    """Accounts whose events are believed."""
    detector_regions: tuple[Region, ...] = ()
    """Regions in which each of them forwards events. Without it, those from which a check has come before."""
    triggers: Triggers = Triggers()
    approval: Approval = Approval()
    contacts: tuple[Contact, ...] = ()
    """Whom to call, in this order; nothing but the offline card reads it."""
    access: Access = Access()
    points: Points = Points()
    retries: Retries = Retries()
    waves: tuple[Wave, ...] = ()
    unmatched: Literal["last", "leaveOut"] = "last"
    """What becomes of resources that no wave matches: restored after all waves, or reported as left out."""
    limits: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """How many restores of a resource type Airlift runs at once; AWS's own limits are kept without it."""
    exclude: tuple[Exclusion, ...] = ()
    targets: Targets = Targets()
    objectives: Objectives = Objectives()
    notifications: Notifications = Notifications()
    drills: Drills = Drills()
    log_level: LogLevel | None = None
    """What the functions log from; without it, the stack's LogLevel. A recovery that runs follows within a quarter of
    an hour."""

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Reads a plan. Raises `airlift.errors.PlanInvalid` with every problem, its place and its remedy."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise plan_invalid(problems_of(error, cls)) from None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Plan:
        """Like `from_json`, from what a JSON or YAML parser gave."""
        return cls.from_json(to_json(document))

    def account(self, account_id: str) -> Account:
        """Raises `airlift.errors.AccountNotInPlan`."""
        for account in self.accounts:
            if account.id == account_id:
                return account
        raise AccountNotInPlan(
            f"Account {account_id} is not in the recovery plan.",
            "Add it with its vaults under accounts and deploy the plan.",
        )

    def account_of_vault(self, vault_arn: str) -> Account:
        """The protected account that lists the vault. Raises `airlift.errors.VaultNotInPlan`."""
        for account in self.accounts:
            if vault_arn in account.vault_arns:
                return account
        raise VaultNotInPlan(
            f"Vault {vault_arn} is not in the recovery plan.",
            "Compare the ARN with those under accounts, or add the vault there and deploy the plan.",
        )

    def vault(self, vault_arn: str) -> Vault:
        """Raises `airlift.errors.VaultNotInPlan`."""
        account = self.account_of_vault(vault_arn)
        return account.vaults[account.vault_arns.index(vault_arn)]

    def believes(self, sender: str) -> bool:
        """Whether events of this account may start anything. A protected account is no witness for itself."""
        return sender in self.detectors and all(account.id != sender for account in self.accounts)

    def wave_of(self, resource_type: str, resource_arn: str, name: str | None = None) -> tuple[int, int]:
        """Index of the first wave that matches, and the priority in it; both sort ascending."""
        for index, wave in enumerate(self.waves):
            if _first(wave.match, resource_type, resource_arn, name) < len(wave.match):
                return index, _first(wave.priority, resource_type, resource_arn, name)
        return len(self.waves), 0

    def wave(self, index: int) -> Wave:
        """The wave with this index; one past the end is the implied wave of what no wave matches."""
        if index >= len(self.waves):
            return Wave.model_construct(name=UNMATCHED, match=())
        return self.waves[index]

    @cached_property
    def _before(self) -> tuple[frozenset[int], ...]:
        return tuple(self._all_before(index) for index in range(len(self.waves) + 1))

    def _all_before(self, index: int) -> frozenset[int]:
        found: set[int] = set()
        ahead = set(self.directly_before(index))
        while ahead:
            found |= ahead
            ahead = {one for wave in ahead for one in self.directly_before(wave)} - found
        return frozenset(found)

    def directly_before(self, index: int) -> frozenset[int]:
        """Indices of the waves that this one names, or by default follows; the implied last wave follows all."""
        after = self.wave(index).after
        if after is None:
            return frozenset(range(index))
        return frozenset(i for i, wave in enumerate(self.waves) if wave.name in after)

    def before(self, index: int) -> frozenset[int]:
        """Indices of all waves that must have ended before this one starts, through others as well."""
        return self._before[min(index, len(self.waves))]

    def objectives_of(self, wave_index: int) -> Objectives:
        """The plan's objectives, with those the wave sets itself."""
        own = self.wave(wave_index).objectives.model_dump(exclude_none=True)
        return self.objectives.model_copy(update=own)

    def excluded(self, resource_type: str, resource_arn: str, name: str | None = None) -> str | None:
        """Why the resource is left alone; None if it is restored."""
        for entry in self.exclude:
            if entry.matches(resource_type, resource_arn, name):
                return entry.reason
        if self.unmatched == "leaveOut" and self.wave_of(resource_type, resource_arn, name)[0] == len(self.waves):
            return "in no wave of the plan"
        return None

    def target(
        self,
        resource_type: str,
        resource_arn: str,
        *,
        recovery_id: str,
        account: str,
        region: str,
        attempt: int,
    ) -> Target:
        """The settings for one attempt: defaults, then the type's, then the resource's.

        Metadata keys are merged without regard to case, as AWS Backup takes them (inferred).
        """
        metadata: dict[str, tuple[str, JsonValue]] = {}
        options: dict[str, JsonValue] = {}
        for layer in self.targets.layers(resource_type, resource_arn):
            metadata |= {key.lower(): (key, value) for key, value in layer.metadata.items()}
            options |= layer.options
        return Target(
            recovery_id=recovery_id,
            account=account,
            region=region,
            attempt=attempt,
            metadata={key: _encoded(value) for key, value in metadata.values() if value is not None},
            options={key: value for key, value in options.items() if value is not None},
        )


def plan_invalid(problems: list[Problem]) -> PlanInvalid:
    """The error that names all of these problems."""
    return PlanInvalid(
        told("The recovery plan", problems),
        "correct the plan, check it with `airlift plan check`, and deploy it again.",
    )


def _first(matchers: tuple[Matcher, ...], resource_type: str, resource_arn: str, name: str | None) -> int:
    """Position of the first matcher that matches; their number if none does."""
    hits = (i for i, matcher in enumerate(matchers) if matcher.matches(resource_type, resource_arn, name))
    return next(hits, len(matchers))


def _encoded(value: JsonValue) -> str:
    """Metadata is a map of text to text; nested values go out as JSON (API_StartRestoreJob.html)."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
