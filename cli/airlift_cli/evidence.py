"""`airlift report` and `airlift card`: what is kept for afterwards, and for when nothing else works."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airlift.card import Deployed, card
from airlift.plan import Plan
from airlift.report import message

from airlift_cli import plan_commands
from airlift_cli.plan_file import load
from airlift_cli.problems import Exit, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from airlift.ledger import Record

    from airlift_cli.stack import Stack


@dataclass(frozen=True)
class Report:
    """The newest report of a recovery; its page, map and document lie in one folder of the evidence bucket."""

    client: Any
    bucket: str
    key: str

    @cached_property
    def text(self) -> str:
        """The document, JSON."""
        return self._read(self.key)

    @property
    def page(self) -> str:
        """The same for people, HTML."""
        return self._read(f"{self.key.rpartition('/')[0]}/report.html")

    def words(self) -> str:
        """The document in a few lines."""
        return message(json.loads(self.text), f"s3://{self.bucket}/{self.key}")

    def _read(self, key: str) -> str:
        content: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content.decode()


def report_of(stack: Stack, recovery: Record) -> Report:
    """The newest report of a recovery. Raises Problem if it has none yet."""
    key = recovery.get("reportKey")
    if key is None:
        raise Problem(
            f"Recovery {recovery['recoveryId']} has no report yet: it is {recovery['state']}.",
            f"follow it with `airlift watch {recovery['recoveryId']}`; the report is written when it ends.",
            Exit.BAD_INPUT,
            name="NoReport",
        )
    return Report(stack.client("s3"), stack["EvidenceBucketName"], str(key))


def write_anew(stack: Stack, recovery_id: str) -> Record:
    """Has the report of a recovery written as it stands; gives what `report_of` takes. Raises Problem if that fails."""
    return stack.invoke(
        "WriteReportFunctionName",
        {"recoveryId": recovery_id},
        failed="The report was not written",
        exit_code=Exit.UNEXPECTED,
        name="ReportFailed",
    )


def card_of(stack: Stack, file: Path | None) -> str:
    """The offline card of the plan in force, or of the plan in a file, as HTML."""
    if file is None:
        shown = plan_commands.in_force(stack)
        document, version = shown["plan"], str(shown["version"])
    else:
        document, version = _plan_in(file), file.name
    deployed = Deployed(stack["RecoveryStateMachineArn"], stack["RestoreRoleArn"])
    return card(Plan.from_document(document), deployed, at=datetime.now(UTC), version=version)


def _plan_in(file: Path) -> Any:
    try:
        return load(file)[0]
    except OSError as error:
        raise plan_commands.unreadable(file, error) from error


def save(path: Path, text: str) -> None:
    """Writes a file anew. Raises Problem if it can't be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Problem(
            f"{path} can't be written: {error.strerror}.",
            "give another place with --out.",
            Exit.BAD_INPUT,
            name="FileUnwritable",
        ) from error
