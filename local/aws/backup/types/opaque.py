"""A type that can be seen in a vault and not restored from there: not yet, not any more, or not from such vaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.aws.backup.types.base import RestoreProblem, Snapshot, Target
from local.aws.errors import invalid_parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context


@dataclass
class Opaque:
    """Any type by its name, such as "RDS" or one that AWS adds some day."""

    resource_type: str
    arn_prefix: str = "arn:aws:"
    keys: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    any_case: bool = False
    allows_tags: bool = False
    native_arn: str | None = None

    def snapshot(self, _context: Context, _account: str, _region: str, arn: str) -> Snapshot:
        """Nothing of this type is backed up here."""
        raise invalid_parameter(f"Resource {arn} can't be backed up here.")

    def restore_metadata(self, _content: Any) -> dict[str, str | None]:
        """Nothing."""
        return {}

    def check(self, _target: Target, _content: Any, _metadata: Mapping[str, str]) -> None:
        """Always refused."""
        raise RestoreProblem(f"Restoring {self.resource_type} from this vault is not supported.")

    def restore(self, target: Target, content: Any, metadata: Mapping[str, str]) -> str:
        """Always refused."""
        self.check(target, content, metadata)
        return ""
