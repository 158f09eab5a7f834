"""The shape of report.json and map.json, from which schemas/ is made. Times are ISO 8601 in UTC, spans are seconds."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

_closed = with_config(ConfigDict(extra="forbid", use_attribute_docstrings=True))
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[int, Field(ge=0)]
State = Literal[
    "validated", "restored", "failed", "skipped", "held", "left running", "not started"
]  # the last three may change by a resume
Why = dict[str, Any]
"""A recovery point and why it was taken or passed over: `arn`, `at`, `why`."""


@_closed
class Objectives(TypedDict):
    """What was reached, the plan's objective, and whether it was met; only what was validated has met any."""

    rtoSeconds: NotRequired[Seconds]
    """From the trigger to the moment at which the resource was validated."""
    rtoMinutes: NotRequired[Count]
    rtoMet: NotRequired[bool]
    rpoSeconds: NotRequired[Seconds]
    """From the moment that the data is from to the first sign of compromise, or to the trigger if none is known."""
    rpoMinutes: NotRequired[Count]
    rpoMet: NotRequired[bool]


@_closed
class Resource(TypedDict):
    """One resource of a vault, with everything that was tried."""

    resourceArn: str
    resourceType: str
    resourceName: NotRequired[str]
    wave: int
    waveName: str
    wanted: bool
    """False if it was left out: by the plan, or since another vault restored it."""
    state: State
    reason: NotRequired[str]
    nextStep: NotRequired[str]
    chosenWhy: NotRequired[str]
    """Why this recovery point was chosen."""
    pointScan: NotRequired[str]
    """What is known of a scan for malware."""
    newestUsable: NotRequired[str]
    """The moment of the newest point that could have been taken."""
    olderThanNewestUsableSeconds: NotRequired[Seconds]
    recoveryPoint: NotRequired[dict[str, Any]]
    """The point of the present attempt; `moment` is what its data is from."""
    points: list[Why]
    """The points looked at one by one, newest first."""
    olderPoints: dict[str, int]
    """Older ones, by number and reason."""
    passedOver: list[Why]
    """Points passed over right before a restore."""
    attempt: int
    attempts: list[dict[str, Any]]
    """Earlier attempts, each with its job, status, message and class of failure."""
    jobId: NotRequired[str]
    startedAt: NotRequired[str]
    completedAt: NotRequired[str]
    """When the restore job ended."""
    endedAt: NotRequired[str]
    """When the outcome was known: after finishing steps and validation."""
    validatedHow: NotRequired[str]
    createdResourceArn: NotRequired[str]
    endpoints: NotRequired[dict[str, str]]
    objectives: Objectives
    deletedAt: NotRequired[str]
    deletions: NotRequired[list[dict[str, Any]]]


@_closed
class Vault(TypedDict):
    """One source vault: request, votes, ending and resources."""

    sourceBackupVaultArn: str
    restoreAccessBackupVaultArn: NotRequired[str]
    requestedAt: NotRequired[str]
    grantedAt: NotRequired[str]
    approvals: NotRequired[Count]
    rejections: NotRequired[Count]
    threshold: NotRequired[Count]
    expiresAt: NotRequired[str]
    selected: NotRequired[Count]
    selectedAt: NotRequired[str]
    accessClosedAt: NotRequired[str]
    ending: dict[str, str]
    counts: dict[str, int]
    resources: list[Resource]


@_closed
class Wave(TypedDict):
    """A wave over all vaults; its recovery time is its last resource's, its recovery point the worst."""

    name: str
    resources: Count
    validated: Count
    restored: Count
    startedAt: NotRequired[str]
    endedAt: NotRequired[str]
    rtoSeconds: NotRequired[Seconds]
    rtoMinutes: NotRequired[Count]
    rtoMissed: NotRequired[Count]
    rtoMet: NotRequired[bool]
    rpoSeconds: NotRequired[Seconds]
    rpoMinutes: NotRequired[Count]
    rpoMissed: NotRequired[Count]
    rpoMet: NotRequired[bool]


@_closed
class Met(TypedDict):
    """How many wanted resources met an objective, missed it, or have none."""

    met: Count
    missed: Count
    none: Count


@_closed
class NextStep(TypedDict):
    """Something to do, and how many resources it is for."""

    state: State
    nextStep: str
    resources: Count
    examples: list[str]


@_closed
class Rotation(TypedDict):
    """A credential of restored resources of a type that is to be changed."""

    resourceType: str
    resources: Count
    what: str
    how: str


@_closed
class NotHeld(TypedDict):
    """Something that no vault holds."""

    what: str
    how: str


@_closed
class CleanUp(TypedDict):
    """What a drill deleted; without an outcome the clean-up has not ended."""

    deleted: Count
    left: list[str]
    outcome: NotRequired[Literal["CleanedUp", "DrillNotCleanedUp"]]
    at: NotRequired[str]


@_closed
class Cost(TypedDict):
    """The estimate of docs/cost.md, in USD."""

    usd: float
    region: str
    """The Region whose list prices were taken."""
    pricesOf: str
    calls: Count
    """Calls to AWS that cost nothing."""
    rounds: Count
    lines: list[dict[str, Any]]


@_closed
class Report(TypedDict):
    """A recovery or drill, as its report has it."""

    version: Literal[1]
    recoveryId: str
    account: str
    mode: Literal["real", "drill"]
    trigger: NotRequired[dict[str, str]]
    reason: str
    firstSign: NotRequired[str]
    firstSignFrom: NotRequired[str]
    planVersion: NotRequired[str]
    planWarning: NotRequired[str]
    createdAt: str
    resumedAt: NotRequired[str]
    endedAt: NotRequired[str]
    writtenAt: str
    stopReason: NotRequired[str]
    stoppedBy: NotRequired[str]
    preemptedBy: NotRequired[str]
    outcome: str
    """How it ended, or RUNNING."""
    cause: str
    counts: dict[str, int]
    objectivesMet: dict[Literal["rto", "rpo"], Met]
    objectivesUnknown: NotRequired[str]
    nextSteps: list[NextStep]
    waves: list[Wave]
    vaults: list[Vault]
    votes: list[dict[str, str]]
    leftOut: dict[str, int]
    """Resources that were not to be restored, by reason."""
    rotate: list[Rotation]
    notHeld: list[NotHeld]
    cleanUp: NotRequired[CleanUp]
    cost: Cost
    timeline: list[dict[str, str]]
    timelineLeftOut: Count
    """Entries about validated resources that are not here; timeline.jsonl holds all."""


@_closed
class Mapped(TypedDict):
    """What a source resource became."""

    arn: str
    type: str
    state: Literal["validated", "restored"]
    endpoints: dict[str, str]


@_closed
class Map(TypedDict):
    """From each source resource's ARN to what was restored of it. What is only restored failed its validation."""

    version: Literal[1]
    recoveryId: str
    writtenAt: str
    validated: dict[str, Mapped]
    restored: dict[str, Mapped]
