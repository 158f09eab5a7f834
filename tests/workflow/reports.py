"""What holds of every report: its shape, its page, its map, and times that AWS Backup's own record confirms."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import jsonschema
from airlift_cli.schemas import FOLDER

if TYPE_CHECKING:
    from tests.workflow.playing import Played

_NO_END_TAG = {"meta", "link", "br"}
_SLOWEST_LOOK = 330.0
"""Seconds: the loop looks every five minutes at least, then what was restored is finished and validated."""


@functools.cache
def _schema(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")))


class _Page(HTMLParser):
    """Reads a page strictly: every tag is closed in its order, and nothing is fetched or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in ("script", "img", "iframe", "object"), tag
        assert "src" not in given, tag
        assert (given.get("href") or "#").startswith(("#", "data:,")), given
        if tag not in _NO_END_TAG:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _NO_END_TAG:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def report_of(played: Played, recovery: dict[str, Any], name: str = "report.json") -> dict[str, Any]:
    """The recovery's newest report, or its map."""
    document: dict[str, Any] = json.loads(played.kept[recovery["reportKey"].replace("report.json", name)])
    return document


def check_report(played: Played, recovery: dict[str, Any]) -> None:
    """Raises AssertionError."""
    report, old_to_new = report_of(played, recovery), report_of(played, recovery, "map.json")
    _schema("report").validate(report)
    _schema("map").validate(old_to_new)
    page = " ".join(_Page(played.kept[recovery["reportKey"].replace(".json", ".html")].decode()).words)
    assert report["outcome"] == recovery["outcome"]
    assert recovery["outcome"] in page
    resources = [one for vault in report["vaults"] for one in vault["resources"]]
    mine = f"RECOVERY#{recovery['recoveryId']}#"
    items = [item for item in played.of("ITEM#") if item["pk"].startswith(mine)]
    assert len(resources) == len(items)
    for one in resources:
        assert one["resourceArn"] in page
    there = [one for one in resources if one["state"] in ("validated", "restored") and "deletedAt" not in one]
    mapped = old_to_new["validated"] | old_to_new["restored"]
    became = {source: one["arn"] for source, one in mapped.items()}
    assert became == {one["resourceArn"]: one["createdResourceArn"] for one in there}
    _check_times(played, report, resources)
    assert report["cost"]["usd"] > 0


def _check_times(played: Played, report: dict[str, Any], resources: list[dict[str, Any]]) -> None:
    """Recovery time and point of what was restored, computed from AWS Backup's record of its jobs."""
    jobs = {job["RestoreJobId"]: job for job in played.jobs}
    began = _seconds(report["createdAt"])
    sign = report.get("firstSign", "latest")
    reference = began if sign == "latest" else _seconds(sign)
    for one in resources:
        if not one["wanted"] or "rtoSeconds" not in one["objectives"]:
            continue
        job = jobs[one["jobId"]]
        took = _seconds(job["CompletionDate"]) - began
        late = one["objectives"]["rtoSeconds"] - took
        assert late >= -1, (one["resourceArn"], took)
        # While nothing ran, before a resume, nobody looked.
        assert late <= _SLOWEST_LOOK or "resumedAt" in report, (one["resourceArn"], took)
        if "restoreTime" not in one["recoveryPoint"]:
            age = max(0.0, reference - _seconds(job["RecoveryPointCreationDate"]))
            assert abs(one["objectives"]["rpoSeconds"] - age) <= 1, (one["resourceArn"], age)


def _seconds(moment: Any) -> float:
    if isinstance(moment, datetime):
        return moment.timestamp()
    return moment if isinstance(moment, float | int) else datetime.fromisoformat(moment).astimezone(UTC).timestamp()
