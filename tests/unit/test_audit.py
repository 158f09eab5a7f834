"""`make audit`: it is no success if a package was not asked about."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from checks import audit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOCK = "boto3==1.44.5 \\\n    --hash=sha256:0a\nnumpy==2.2.6 ; python_version < '3.12'\nnumpy==2.3.0\n"


def known(name: str, version: str) -> dict[str, Any]:
    return {"name": name, "version": version, "vulns": []}


def unknown(name: str, _version: str) -> dict[str, Any]:
    return {"name": name, "skip_reason": f"Dependency not found: {name}"}


def vulnerable(name: str, version: str) -> dict[str, Any]:
    return known(name, version) | {"vulns": [{"id": "PYSEC-2026-1"}] if name == "boto3" else []}


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "dev.txt"
    path.write_text(LOCK)
    monkeypatch.setattr(audit, "ROOT", tmp_path)
    monkeypatch.setattr(audit, "LOCKS", (path,))
    return path


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (known, 0, "dev.txt: 3 of 3 packages audited, 0 vulnerabilities"),
        (unknown, 1, "dev.txt: 0 of 3 packages audited"),
        (vulnerable, 1, "boto3 1.44.5: PYSEC-2026-1"),
    ],
)
@pytest.mark.usefixtures("lock")
def test_every_locked_package_is_asked_about(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: Callable[[str, str], dict[str, Any]],
    status: int,
    words: str,
) -> None:
    def run(*_command: Any, **options: Any) -> subprocess.CompletedProcess[str]:
        pins = [line.split("==") for line in options["input"].splitlines()]
        assert len({name for name, _ in pins}) == len(pins), "pip-audit takes a package once"
        told = json.dumps({"dependencies": [answer(*pin) for pin in pins]})
        return subprocess.CompletedProcess([], 0, told, "")

    monkeypatch.setattr(subprocess, "run", run)
    assert audit.main([]) == status
    assert words in capsys.readouterr().out


@pytest.mark.usefixtures("lock")
def test_without_a_vulnerability_service_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = subprocess.CompletedProcess([], 1, "", "ConnectionError")
    monkeypatch.setattr(subprocess, "run", lambda *_command, **_options: silent)
    with pytest.raises(SystemExit, match=r"dev\.txt: not audited\. This needs a vulnerability service"):
        audit.main([])
