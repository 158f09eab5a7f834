"""The offline card: a page to print, with which a recovery goes on when Airlift itself can't be used.

What is on it comes from the plan and from where the stack stands. Pure.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING

from airlift.arns import Arn
from airlift.aws import MPA_REGION
from airlift.errors import MetadataRefused
from airlift.pages import render
from airlift.restore import FAMILIES, job_resource_type
from airlift.restore.base import RecoveryPoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.plan import Plan
    from airlift.plan_parts import Vault
    from airlift.restore.base import Family

POINT, SESSION, JOB, TIME, WHY, SOURCE = "POINT_ARN", "SESSION_ARN", "JOB_ID", "TIME", "WHY", "source-name"
"""What stands in the commands for what is known only then; SOURCE, in names, for the source's name or id."""
_BY_HAND = "byhand"  # in place of a recovery's id
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST_VAULT_NAME = 50
_COMMENT = "REAL INCIDENT, by hand without Airlift. Call back on a number you know before you vote."
_ACCESS = "[VaultState,MpaSessionArn]"
_VOTES = "[Status,StatusCode,ExpirationTime,ApproverResponses[].[ApproverId,Response]]"
_POINTS = "reverse(sort_by(RecoveryPoints,&CreationDate))[].[CreationDate,Status,ResourceArn,RecoveryPointArn]"
_RESTORED = "[Status,PercentDone,StatusMessage,CreatedResourceArn]"


@dataclass(frozen=True)
class Deployed:
    """The stack that the card is of."""

    machine_arn: str
    """The recovery state machine; its name is `<stack>-recovery`."""
    restore_role_arn: str

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.machine_arn.rpartition(":")[2].removesuffix("-recovery")

    @property
    def region(self) -> str:
        """The stack's Region; a stack recovers the vaults of its own."""
        return Arn.parse(self.machine_arn).region

    @property
    def account(self) -> str:
        """The recovery account."""
        return Arn.parse(self.machine_arn).account


def card(plan: Plan, deployed: Deployed, *, at: datetime, version: str) -> str:
    """The card as an HTML page; `at` and `version` say of when, and of which plan, it is."""
    region = deployed.region
    vaults = [(account, vault) for account in plan.accounts for vault in account.vaults]
    restores, lacking = _restores(plan, deployed)
    return render(
        "card.html",
        plan=plan,
        deployed=deployed,
        vaults=[(account, vault, _of_vault(vault, deployed)) for account, vault in vaults if vault.region == region],
        elsewhere=[vault for _, vault in vaults if vault.region != region],
        general=_general(deployed),
        restores=restores,
        lacking=lacking,
        mpa_region=MPA_REGION,
        at=at,
        version=version,
    )


def _of_vault(vault: Vault, deployed: Deployed) -> dict[str, str]:
    """The commands that name the vault."""
    name = f"by-hand-{vault.name}"[:_LONGEST_VAULT_NAME]

    def backup(operation: str, **arguments: str) -> str:
        return _aws("backup", operation, vault.region, backup_vault_name=name, **arguments)

    request = {"source_backup_vault_arn": vault.arn, "requester_comment": _COMMENT}
    adopt = ["--vault", vault.arn, "--reason", WHY, "--adopt-vault", "adopt"]
    points = {"by_created_before": TIME, "query": _POINTS, "output": "text"}
    return {
        "request": backup("create-restore-access-backup-vault", **request),
        "status": backup("describe-backup-vault", query=_ACCESS, output="text"),
        "points": backup("list-recovery-points-by-backup-vault", **points),
        "point": backup("get-recovery-point-restore-metadata", recovery_point_arn=POINT),
        "close": backup("delete-backup-vault"),
        "adopt": _airlift(deployed, "start", *adopt),
    }


def _general(deployed: Deployed) -> dict[str, str]:
    """The commands that are the same for all vaults."""
    start = {"recovery_point_arn": POINT, "iam_role_arn": deployed.restore_role_arn}
    job = {"restore_job_id": JOB, "query": _RESTORED}
    return {
        "votes": _aws("mpa", "get-session", MPA_REGION, session_arn=SESSION, query=_VOTES),
        "start": _aws("backup", "start-restore-job", deployed.region, **start),
        "job": _aws("backup", "describe-restore-job", deployed.region, **job),
        "airlift": _airlift(deployed, "watch"),
    }


def _airlift(deployed: Deployed, command: str, *arguments: str) -> str:
    return shlex.join(["airlift", command, "--stack", deployed.stack, "--region", deployed.region, *arguments])


def _aws(service: str, operation: str, region: str, **arguments: str) -> str:
    """A command as a shell takes it; an option is called like its argument, with hyphens."""
    options = (word for name, value in arguments.items() for word in (f"--{name.replace('_', '-')}", value))
    return shlex.join(["aws", service, operation, "--region", region, *options])


def _restores(plan: Plan, deployed: Deployed) -> tuple[dict[str, str], list[str]]:
    """What is added to `start-restore-job` for each kind of points, and the kinds that the plan lacks something for.

    Kinds that are restored alike stand together.
    """
    kinds: dict[str, list[str]] = {}
    lacking = []
    for family in FAMILIES:
        for kind, example in product(family.resource_types, family.examples):
            label = " ".join(filter(None, (kind, example.get("FileSystemType"))))
            try:
                kinds.setdefault(_arguments(plan, deployed, family, kind, example), []).append(label)
            except MetadataRefused:
                lacking.append(label)
    return {", ".join(labels): arguments for arguments, labels in kinds.items()}, lacking


def _arguments(plan: Plan, deployed: Deployed, family: Family, kind: str, example: Mapping[str, str]) -> str:
    """Raises `airlift.errors.MetadataRefused` if the plan lacks what the type needs."""
    source = f"arn:aws:service:{deployed.region}:{deployed.account}:thing/{SOURCE}"
    target = plan.target(kind, "", recovery_id=_BY_HAND, account=deployed.account, region=deployed.region, attempt=1)
    metadata = family.metadata(RecoveryPoint(POINT, source, kind, _ANY_TIME, restore_metadata=example), target)
    sent = job_resource_type(family, kind)
    text = json.dumps(metadata, separators=(",", ":"), ensure_ascii=False)
    return shlex.join([*(["--resource-type", sent] if sent else []), "--metadata", text])
