"""How many restores of a type may run at once in an account (devguide/aws-backup-limits.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.aws.backup.types.base import RestoreProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = {"Timestream": 1, "EKS": 5}
ALONE = {"EKS": "clusterName"}
"""Type -> the metadata key that names what only one restore at a time goes to."""


def check_limits(kind: str, metadata: Mapping[str, str], running: Iterable[Any]) -> None:
    """`running` are the account's other jobs of the type that haven't ended.

    Raises RestoreProblem: such a job fails (inferred; which way AWS refuses it is not documented).
    """
    if kind not in MOST:
        return
    others = list(running)
    if len(others) >= MOST[kind]:
        raise RestoreProblem(f"Limit exceeded: {MOST[kind]} concurrent restores of {kind} in an account.")
    key = ALONE.get(kind, "").lower()
    names = {value for name, value in metadata.items() if name.lower() == key}
    for job in others:
        if names & {value for name, value in job.metadata.items() if name.lower() == key}:
            raise RestoreProblem(f"Limit exceeded: a restore to {names.pop()} is running.")
