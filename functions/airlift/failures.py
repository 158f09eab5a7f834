"""Why a restore failed, and what follows: a table, read top down.

AWS publishes no list of StatusMessages; the texts are the documented ones (restore-testing.html, restoring-*.html,
logicallyairgappedvault.html) and those that field reports quote. What matches nothing is unknown, and data is never
traded for an environment's error: only a failure of the point's own moves on to an older point.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airlift.plan_parts import Retries

Kind = Literal["point", "environment", "unknown"]


@dataclass(frozen=True)
class Cause:
    """A class of failures, with the operator's next step."""

    kind: Kind
    name: str
    next_step: str


def _rule(kind: Kind, name: str, pattern: str, next_step: str) -> tuple[re.Pattern[str], Cause]:
    return re.compile(pattern, re.IGNORECASE), Cause(kind, name, next_step)


_PLACES = (
    "bucket|cluster|virtual machine|directory|parameter ?group|option group|database|reservation|key ?pair|profile"
    "|template|gateway|role"
)
"""What a restore needs in this account: that one of these is gone is no failure of the point, though it be named."""

_RULES = (
    _rule(
        "environment",
        "key",
        r"\bkms|key arn|key id|key policy|encryption key|encryptionconfigproviderkey",
        "make the key usable by the restore role and AWSServiceRoleForBackup, then `airlift continue {recovery}`; or "
        "name another in the plan's targets and deploy it, then `airlift resume {recovery}` when it has ended.",
    ),
    _rule(
        "environment",
        "service-linked role",
        r"service.?linked.?role|awsservicerolefor",
        "create the service's linked role in this account (`aws iam create-service-linked-role`); then "
        "`airlift continue {recovery}`.",
    ),
    _rule(
        "environment",
        "permission",
        r"access ?denied|not authorized|unauthorized|cannot be assumed|insufficient privileges|permission",
        "give the restore role, or the function's role, the action named; then `airlift continue {recovery}`.",
    ),
    _rule(
        "environment",
        "quota",
        r"limit ?exceeded|quota|too ?many|maximum number|exceeded your (?:maximum|limit)|current vcpu limit"
        r"|more \w+ than allowed|rate exceeded|throttl|concurrent",
        "raise the quota or make room; then `airlift continue {recovery}`.",
    ),
    _rule(
        "environment",
        "AMI not allowed",
        r"source ami\b|allowed amis?\b",
        "add the provider aws-backup-vault to EC2's Allowed AMIs in this account; then `airlift continue {recovery}`.",
    ),
    _rule(
        "environment",
        "capacity",
        r"insufficient.{0,12}capacity|not have sufficient|not supported in your requested availability zone",
        "name another Availability Zone or size in the plan's targets and deploy it; then `airlift resume {recovery}` "
        "when it has ended.",
    ),
    _rule(
        "environment",
        "network",
        r"subnet|security group|vpc|availability ?zone|mount target",
        "correct subnets, security groups or Availability Zones in the plan's targets and deploy it; then "
        "`airlift resume {recovery}` when it has ended.",
    ),
    _rule(
        "point",
        "point gone",
        rf"recovery point(?:\s['\"(]?arn:\S++|(?!\s['\"(]?arn:|\b(?:{_PLACES})\b)[^;]){{0,200}}?"
        r"(?:not found|does not exist|cannot be found|expired|deleted|no longer)"
        r"|(?:cannot|can't|could not) find recovery point",
        "no older point is left; look at the vault's points and give one with `airlift restore-again … --point ARN`.",
    ),
    _rule(
        "point",
        "point unreadable",
        r"corrupt|unreadable|malware|infected|checksum|invalid (?:snapshot|backup(?! vault)|recovery point)",
        "no older point is left; look at the vault's points and give one with `airlift restore-again … --point ARN`.",
    ),
    _rule(
        "environment",
        "name taken",
        r"already exists|already in use|alreadyowned",
        "remove or rename what stands in the way; then `airlift continue {recovery}`.",
    ),
    _rule(
        "environment",
        "moment",
        r"(?:restore ?time|point.in.time).{0,120}(?:outside|within|window|before|after|between|range|latest|earliest)",
        "give an earlier moment with `airlift restore-again {recovery} ARN --before TIME`, or try the same one again "
        "with `airlift continue {recovery}`: a continuous point lags behind.",
    ),
    _rule(
        "environment",
        "target missing",
        rf"(?:{_PLACES}).{{0,120}}(?:not found|does not exist|can't be used|not active|is deleting)",
        "make what is named, or name another in the plan's targets and deploy it; then `airlift resume {recovery}` "
        "when it has ended.",
    ),
    _rule(
        "environment",
        "not available here",
        r"not (?:supported|available) in (?:this |the )?region|not opted in|opt.in",
        "switch the type on in AWS Backup's settings of this Region, or restore it by hand in another one; then "
        "`airlift continue {recovery}`.",
    ),
    _rule(
        "environment",
        "engine version",
        r"cannot find version|engine ?version",
        "give a version that this Region has, as engineVersion under the type's metadata in the plan's targets, and "
        "deploy it; then `airlift resume {recovery}` when it has ended.",
    ),
    _rule(
        "environment",
        "metadata",
        r"metadata|invalid ?parameter|missing ?parameter|unsupported parameter|bucket|validationexception",
        "correct the type's values in the plan's targets and deploy it; then `airlift resume {recovery}` when "
        "it has ended.",
    ),
)

UNKNOWN = Cause(
    "unknown",
    "unknown",
    "read the message and the job in the AWS Backup console; then `airlift continue {recovery}` to try again.",
)


def cause_of(code: str, message: str, names: Iterable[str] = ()) -> Cause:
    """The class of a failure, from an error code (or job status) and its message.

    `names` are those that the message may quote. They can be anything, and none is a failure of the point's own: that a
    table malware-scans exists already is no finding of malware.
    """
    cause = _cause_in(f"{code} {message}")
    return _cause_in(f"{code} {_without(names, message)}") if cause.kind == "point" else cause


def _cause_in(text: str) -> Cause:
    return next((cause for pattern, cause in _RULES if pattern.search(text)), UNKNOWN)


def _without(names: Iterable[str], text: str) -> str:
    """The text without these names, and without what is named after one."""
    for name in filter(None, names):
        whole = rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"
        text = re.sub(rf"[\w.-]*{whole}[\w.-]*", "", text, flags=re.IGNORECASE)
    return text


@dataclass(frozen=True)
class Decision:
    """What follows a failed attempt."""

    do: Literal["again", "nextPoint", "hold", "fail"]
    after_seconds: int = 0


def decide(cause: Cause, failures_alike: int, older_points: int, retries: Retries) -> Decision:
    """What follows the `failures_alike`-th failure of this kind (counted from 1) on the present point.

    The point's own failure: the next older point, or failed if none is left. The environment's: the same point with
    exponential back-off, then held. Unknown: once more, then as the plan says.
    """
    if cause.kind == "point":
        return Decision("nextPoint") if older_points else Decision("fail")
    if cause.kind == "environment":
        if failures_alike > retries.environment_retries:
            return Decision("hold")
        return Decision("again", min(3600, retries.back_off_seconds * 2 ** (failures_alike - 1)))
    if failures_alike <= 1:
        return Decision("again", retries.back_off_seconds)
    if retries.unknown_failure == "nextPoint" and older_points:
        return Decision("nextPoint")
    return Decision("hold")
