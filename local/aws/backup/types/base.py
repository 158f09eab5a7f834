"""The shape every family of resource types has, and what their restores check alike."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from local.aws.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context


class RestoreProblem(Exception):
    """Why a restore job fails; the text becomes its StatusMessage."""


@dataclass(frozen=True)
class Snapshot:
    """A frozen copy of a resource. `size` in bytes; `content` is the family's own.

    `resource_type` if it isn't the family's; `barred` says why an air-gapped vault does not take it;
    `members` are the ARNs of the resources that become points nested in this one.
    """

    name: str
    size: int
    content: Any
    tags: Mapping[str, str] = field(default_factory=dict)
    resource_type: str | None = None
    barred: str | None = None
    members: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Target:
    """Where a restore goes: an account and Region, seen with the emulator's clients; `started` in epoch seconds."""

    context: Context
    account: str
    region: str
    source_account: str
    copy_tags: bool
    started: float

    def client(self, service: str) -> Any:
        """A boto3 client of the target account and Region."""
        return self.context.clients(service, self.account, self.region)

    @property
    def crosses_accounts(self) -> bool:
        """Whether the data comes from another account."""
        return self.account != self.source_account


class Family(Protocol):
    """One resource type: how to copy it, what its restore metadata may say, how to restore it.

    `keys` are the metadata keys AWS documents for the type and that are provided here, `required` those without
    which the call is refused; `any_case` if AWS documents that case doesn't matter; `allows_tags` whether
    CopySourceTagsToRestoredResource may be given; `native_arn` whether a plain vault's recovery point has the
    service's own ARN instead of AWS Backup's; `arn_prefix` may have `*` for account and Region.
    """

    resource_type: str
    arn_prefix: str
    keys: frozenset[str]
    required: frozenset[str]
    any_case: bool
    allows_tags: bool
    native_arn: str | None

    def snapshot(self, context: Context, account: str, region: str, arn: str, /) -> Snapshot:
        """Copy the resource as it is now. Raises AwsError ResourceNotFoundException."""

    def restore_metadata(self, content: Any, /) -> dict[str, str | None]:
        """What GetRecoveryPointRestoreMetadata says."""

    def check(self, target: Target, content: Any, metadata: Mapping[str, str], /) -> None:
        """Look at the target before restoring. Raises RestoreProblem."""

    def restore(self, target: Target, content: Any, metadata: Mapping[str, str], /) -> str:
        """Create and fill the resource; its ARN. Raises RestoreProblem or ClientError."""


def canonical(family: Family, metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata in the documented spelling.

    Raises RestoreProblem for a key the type doesn't know: AWS fails the job, it doesn't ignore keys.
    """
    spelling = {key.lower() if family.any_case else key: key for key in family.keys}
    found: dict[str, str] = {}
    for key, value in metadata.items():
        known = spelling.get(key.lower() if family.any_case else key)
        if known is None or known in found:
            raise RestoreProblem(f"Invalid restore metadata. Unknown or repeated key: {key}")
        found[known] = value
    return found


def missing_keys(family: Family, metadata: Mapping[str, str]) -> list[str]:
    """Required keys that aren't there, sorted."""
    given = {key.lower() if family.any_case else key for key in metadata}
    return sorted(key for key in family.required if (key.lower() if family.any_case else key) not in given)


def flag(metadata: Mapping[str, str], key: str, default: str | None = None) -> bool:
    """A metadata value that must be "true" or "false". Raises RestoreProblem."""
    value = metadata.get(key, default)
    if value is None or value.lower() not in ("true", "false"):
        raise RestoreProblem(f"Invalid restore metadata. {key} must be true or false, not {value!r}")
    return value.lower() == "true"


def check_key(target: Target, key: str | None) -> None:
    """A KMS key must exist in the target's account and Region and be enabled. Raises RestoreProblem."""
    message = "The specified AWS KMS key ARN does not exist, is not enabled or you do not have permissions to access it"
    if not key or (key.startswith("arn:") and key.split(":")[3:5] != [target.region, target.account]):
        raise RestoreProblem(message)
    try:
        state = target.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    except ClientError as error:
        raise RestoreProblem(message) from error
    if state != "Enabled":
        raise RestoreProblem(message)


def barred_by_key(kms: Any, service: str, key: str | None) -> str | None:
    """Why an air-gapped vault does not take what is encrypted under `key`; None if it does. No key means AWS's own.

    What AWS Backup doesn't manage fully and an AWS managed key encrypts is not taken (logicallyairgappedvault.html).
    """
    if key is not None and key not in kms.describe_key(KeyId=f"alias/aws/{service}")["KeyMetadata"]["Arn"]:
        return None
    return f"A logically air-gapped vault does not take what the AWS managed key aws/{service} encrypts."


def listed(metadata: Mapping[str, str], key: str) -> list[str]:
    """A JSON array of texts in the metadata; empty if it isn't there. Raises RestoreProblem."""
    found = parsed(metadata, key, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise RestoreProblem(f"Invalid restore metadata. {key} must be a JSON array of texts.")
    return found


def parsed(metadata: Mapping[str, str], key: str, default: Any) -> Any:
    """The JSON that metadata has under `key`. Raises RestoreProblem."""
    try:
        return json.loads(metadata[key]) if metadata.get(key) else default
    except ValueError as error:
        raise RestoreProblem(f"Invalid restore metadata. {key} is not JSON: {error}") from error


def number(metadata: Mapping[str, str], key: str) -> int | None:
    """A whole number of the metadata, None if it isn't there. Raises RestoreProblem."""
    text = metadata.get(key)
    if text is not None and not text.isdigit():
        raise RestoreProblem(f"Invalid restore metadata. {key} {text!r}")
    return None if text is None else int(text)


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def gone(arn: str) -> AwsError:
    """The error for a resource that can't be backed up because it isn't there."""
    return AwsError("ResourceNotFoundException", f"Resource {arn} was not found.")
