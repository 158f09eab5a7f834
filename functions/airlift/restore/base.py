"""The small interface behind which each family of resource types stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime


class Clients(Protocol):
    """Gives a boto3 client of a service in the recovery account and Region."""

    def __call__(self, service: str) -> Any:
        """`service` is boto3's name of it, for example "dynamodb"."""
        ...


@dataclass(frozen=True)
class RecoveryPoint:
    """One recovery point as the restore-access vault shows it."""

    arn: str
    resource_arn: str
    """ARN of the source resource in the compromised account."""
    resource_type: str
    """AWS Backup's name of the type, for example "DynamoDB"."""
    created_at: datetime
    size_bytes: int = 0
    restore_metadata: Mapping[str, str] = field(default_factory=dict)
    """GetRecoveryPointRestoreMetadata's answer without nulls; empty if it could not be read."""
    restore_time: datetime | None = None
    """The moment that a continuous point is restored to; None for a snapshot."""
    nested: tuple[RecoveryPoint, ...] = ()
    """The points inside a composite one, such as the volumes of an EKS cluster."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The recovery point's own tags, the source's at the time of the backup; empty unless the plan wants them."""


@dataclass(frozen=True)
class Target:
    """Where one attempt restores to: the plan's values for this resource, defaults and overrides merged."""

    recovery_id: str
    account: str
    """The recovery account."""
    region: str
    attempt: int
    """Counts from 1; names derive from it, so that a second attempt never meets the first one's leftovers."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata keys that the plan sets for the type or resource; they win over the family's own."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The plan's settings that are no metadata key, such as `subnetIds` or `deletionProtection`."""


@dataclass(frozen=True)
class Restored:
    """What a COMPLETED restore job left behind."""

    point: RecoveryPoint
    target: Target
    metadata: Mapping[str, str]
    """The metadata that was frozen for, and sent with, this attempt."""
    created_resource_arn: str
    status_message: str = ""
    """The job's StatusMessage: a COMPLETED S3 job may say there that objects failed."""
    job_id: str = ""
    """The restore job; jobs for the points inside a composite one name it as their parent."""


@dataclass(frozen=True)
class Finishing:
    """Answer of a finishing step: done, or to be taken up again in so many seconds."""

    done: bool
    again_in_seconds: int = 0
    doing: str = ""


@dataclass(frozen=True)
class Validation:
    """Answer of a validation: `ok`, and in words what was looked at or what was wrong."""

    ok: bool
    how: str


class Family(ABC):
    """One family of resource types. Instances hold no state; every call may be repeated."""

    resource_types: ClassVar[tuple[str, ...]]
    """AWS Backup's type names that this family restores."""
    accepted_keys: ClassVar[frozenset[str]]
    """Metadata keys in their documented spelling; anything else is refused by the plan's checker."""
    option_keys: ClassVar[frozenset[str]]
    """Keys of `Target.options` that this family reads, beside those of `common.OPTIONS`."""
    copies_source_tags: ClassVar[bool]
    """Whether CopySourceTagsToRestoredResource may be sent: for some types the job fails if it is."""
    concurrent_restores: ClassVar[int | None] = None
    """How many restores of this family may run at once in an account; None if AWS states no limit."""
    job_type: ClassVar[str | None] = None
    """ResourceType of the restore job if it is not the point's own."""
    composite: ClassVar[bool] = False
    """Whether a point of the type has others inside: they are then listed for `RecoveryPoint.nested`."""
    nested_keys: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType({})
    """For metadata keys whose value is a JSON object, or a list of such: the keys of that object."""
    examples: ClassVar[tuple[Mapping[str, str], ...]] = (MappingProxyType({}),)
    """Restore metadata as points of each kind have it: what the plan's checker tries the plan's settings on."""

    def exclusive(self, target: Target) -> str | None:
        """Name of what only one restore at a time may write to; None if restores don't get in each other's way."""
        return None

    @abstractmethod
    def metadata(self, point: RecoveryPoint, target: Target) -> dict[str, str]:
        """The complete StartRestoreJob metadata.

        Raises `airlift.errors.MetadataRefused` if the plan lacks what the type needs.
        """

    def needs(self, target: Target) -> Iterator[Callable[[Clients], None]]:
        """Checks, made beforehand as well, of what the plan's settings name and only people make.

        Each raises `airlift.errors.MetadataRefused` if that is missing or unfit; so does asking for them, if the
        settings are wrong.
        """
        return iter(())

    # Most types need nothing before the job.
    def prepare(  # noqa: B027
        self, clients: Clients, point: RecoveryPoint, target: Target, metadata: Mapping[str, str]
    ) -> None:
        """Makes or checks what must exist before the job starts. May be repeated.

        Raises `airlift.errors.MetadataRefused` if something is missing that only people can make.
        """

    @abstractmethod
    def finish(self, clients: Clients, restored: Restored) -> Finishing:
        """Does what AWS Backup leaves undone. Never waits: what takes minutes is taken up again by the loop."""

    @abstractmethod
    def validate(self, clients: Clients, restored: Restored) -> Validation:
        """Looks at the restored resource, cheaply and honestly."""

    def endpoints(self, clients: Clients, restored: Restored) -> dict[str, str]:
        """Where the restored resource answers, by name (`writer`, `port`, `dnsName` …), for the map from old to new.

        Asked for right after a good validation; empty for what is reached by its ARN alone.
        """
        return {}

    @abstractmethod
    def delete(self, clients: Clients, restored: Restored) -> Finishing:
        """Deletes what a drill restored and what AWS made beside it, in the order that the service wants.

        Never waits, like `finish`; done when nothing is left, which it is as well if nothing is there.
        """
