"""What a readiness check is: what it looks at, and what it may say."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from airlift.access_vaults import all_access_vaults
from airlift.arns import Arn
from airlift.aws import MPA_REGION, client
from airlift.restore import FAMILIES
from airlift.runtime import setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airlift.errors import AirliftError
    from airlift.ledger import Ledger
    from airlift.plan import Plan, Vault
    from airlift.restore.base import Target

Severity = Literal["blocks", "holds", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("blocks", "holds", "warning", "note")
"""Blocks: asking for access is pointless. Holds: what it concerns would not be restored. Note: nothing is wrong."""
ACCOUNT = "recovery account"
"""Subject of what concerns everything that this stack would do."""
ANY_TYPE = "all types"
ISOLATION = "isolation"
"""The check whose results nobody can override: the plan alone may allow an open network."""


@dataclass(frozen=True)
class Result:
    """One thing that a check found."""

    check: str
    """Name of the check, such as `approval team`."""
    severity: Severity
    subject: str
    """ARN of a source vault, resource types, an ARN of what is looked at, or `ACCOUNT`."""
    what: str
    why: str
    """Why it matters."""
    remedy: str
    error: type[AirliftError] | None = field(default=None, compare=False)
    """How a vault ends that this blocks."""

    def document(self) -> dict[str, str]:
        """As it is written down and sent."""
        names = ("check", "severity", "subject", "what", "why", "remedy")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        return f"{self.what} {self.why} Next step: {self.remedy}"


@dataclass(frozen=True)
class Scene:
    """What is looked at: the plan, its vaults of this Region, and the recovery account. What was read is kept."""

    plan: Plan
    ledger: Ledger
    vaults: tuple[Vault, ...]
    recovery_id: str = ""
    """The recovery that the checks are made for; empty beforehand."""
    _teams: dict[str, dict[str, Any] | ClientError | BotoCoreError] = field(default_factory=dict)

    @cached_property
    def _machine(self) -> Arn:
        return Arn.parse(setting("RECOVERY_STATE_MACHINE_ARN"))

    @property
    def account(self) -> str:
        """The recovery account."""
        return self._machine.account

    @property
    def region(self) -> str:
        """The Region of this stack and its vaults."""
        return self._machine.region

    @property
    def stack(self) -> str:
        """The stack's name, with which its resources' names begin."""
        return self._machine.resource.rpartition(":")[2].removesuffix("-recovery")

    def team(self, arn: str) -> dict[str, Any]:
        """GetApprovalTeam, asked once. Raises botocore's errors, each time alike."""
        if arn not in self._teams:
            try:
                self._teams[arn] = client("mpa", MPA_REGION).get_approval_team(Arn=arn)
            except (ClientError, BotoCoreError) as error:
                self._teams[arn] = error
        found = self._teams[arn]
        if isinstance(found, Exception):
            raise found
        return found

    @cached_property
    def access_vaults(self) -> tuple[dict[str, Any], ...]:
        """Every restore-access vault that is there. Raises botocore's errors."""
        return tuple(all_access_vaults())

    @cached_property
    def targets(self) -> tuple[tuple[str, Target], ...]:
        """Resource types, each with the settings of every entry of the plan that could hold for it."""
        arns = ("", *(entry.arn for entry in self.plan.targets.resources))
        return tuple(
            (kind, self.plan.target(kind, arn, recovery_id="", account=self.account, region=self.region, attempt=1))
            for arn in arns
            for family in FAMILIES
            for kind in family.resource_types
        )


class Check(NamedTuple):
    """One row of the table of checks."""

    name: str
    look: Callable[[Scene], Iterable[Result]]
    beforehand: bool = False
    """Of no use once an incident is under way."""


class VaultCheck(NamedTuple):
    """One row of the table of checks that are made for each source vault."""

    name: str
    look: Callable[[Scene, Vault], Iterable[Result]]


def reason_of(error: ClientError | BotoCoreError) -> str:
    """What AWS said, in short."""
    if isinstance(error, ClientError):
        told = error.response["Error"]
        return f"{told.get('Code', 'Error')}: {told.get('Message', '')}".rstrip(": ")
    return f"{type(error).__name__}: {error}"


def unchecked(name: str, subject: str, error: ClientError | BotoCoreError) -> Result:
    """The warning that a check could not be made."""
    denied = isinstance(error, ClientError) and "denied" in str(error.response["Error"].get("Code", "")).lower()
    remedy = (
        "allow it: see the role of the function CheckReadiness in template.yaml, and the policies of the organization."
        if denied
        else "run `airlift ready` again; if it stays so, look at the service named."
    )
    what = f"Not checked, since it can't be read: {reason_of(error)}."
    return Result(name, "warning", subject, what, "What is not checked may fail when it is needed.", remedy)
