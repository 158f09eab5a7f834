"""A local cloud as its users see it: started and stopped by pid, reached with boto3 and through its doors."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".local"
CLOUD_PYTHON = os.environ.get("AIRLIFT_CLOUD_PYTHON", str(ROOT / ".venv-cloud/bin/python"))
SAM = os.environ.get("AIRLIFT_SAM", str(ROOT / ".venv-sam/bin/sam"))

REGION, TEAM_REGION = "ap-northeast-1", "us-east-1"
MANAGEMENT, PRODUCTION, DETECTOR = "121212121212", "111122223333", "777788889999"
ORGANIZATION, RECOVERY = "999900001111", "444455556666"


def environment(account: str, port: int, region: str = REGION) -> dict[str, str]:
    """What a program needs in its environment to work in an account of the local cloud."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Cloud:
    """One local cloud in a process of its own. A context manager: leaving it ends the process."""

    def __init__(self, behind_days: float = 0.0, log: str = "cloud.log") -> None:
        self.port = _free_port()
        self.log = WORK / log
        self._scratch = WORK / f"cloud-{self.port}"
        self._behind_days = behind_days
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        """Start it and wait until it answers. Raises RuntimeError with the log's end if it does not."""
        self._scratch.mkdir(parents=True)
        arguments = ["-m", "local.cloud.server", "--port", str(self.port), "--behind-days", str(self._behind_days)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [CLOUD_PYTHON, *arguments],
                cwd=ROOT,
                # Where functions are unpacked, and what it would persist.
                env={**os.environ, "TMPDIR": str(self._scratch), "STATE_DIR": str(self._scratch)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.__exit__()
                raise RuntimeError(f"The local cloud did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        """End the process and its functions, and remove what they unpacked."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(ProcessLookupError):  # functions end with it, as a rule
            os.killpg(self._process.pid, signal.SIGKILL)
        shutil.rmtree(self._scratch)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def portal(self) -> str:
        """Where the approvers' page is."""
        return f"http://127.0.0.1:{self.port}/_local/portal/"

    def client(self, service: str, account: str, region: str = REGION) -> Any:
        """A boto3 client of an account's root."""
        key = (service, account, region)
        if key not in self._clients:
            session: Any = boto3.Session(
                aws_access_key_id=account,
                aws_secret_access_key="local",  # noqa: S106 - the local cloud knows an account by its key id
                region_name=region,
            )
            self._clients[key] = session.client(
                service,
                endpoint_url=f"http://127.0.0.1:{self.port}",
                config=Config(max_pool_connections=20, s3={"addressing_style": "path"}),
            )
        return self._clients[key]

    def environment(self, account: str) -> dict[str, str]:
        """The environment of a program that works in an account."""
        return environment(account, self.port)

    def door(self, path: str, document: Any = None, method: str | None = None) -> Any:
        """Use a local-only door with JSON. Raises RuntimeError with its words if it refuses."""
        body = None if document is None else json.dumps(document).encode()
        return json.loads(self._send(method or ("GET" if body is None else "POST"), path, body))

    def read_volume(self, account: str, volume_id: str) -> bytes:
        """A volume's blocks, as if it were mounted."""
        return self._send("GET", f"volumes/{account}/{REGION}/{volume_id}", None)

    def write_volume(self, account: str, volume_id: str, content: bytes) -> None:
        """Replace a volume's blocks."""
        self._send("PUT", f"volumes/{account}/{REGION}/{volume_id}", content)

    def read_database(self, account: str, cluster: str) -> bytes:
        """What a cluster's databases hold, as if one were connected."""
        return self._send("GET", f"databases/{account}/{REGION}/{cluster}", None)

    def write_database(self, account: str, cluster: str, content: bytes) -> None:
        """Replace what a cluster's databases hold."""
        self._send("PUT", f"databases/{account}/{REGION}/{cluster}", content)

    def read_files(self, account: str, file_system_id: str) -> dict[str, bytes]:
        """A file system's files by path, as if it were mounted."""
        found = self.door(f"file-systems/{account}/{REGION}/{file_system_id}")
        return {path: base64.b64decode(text) for path, text in found.items()}

    def write_files(self, account: str, file_system_id: str, files: dict[str, bytes | None]) -> None:
        """Write files by path; None deletes one."""
        sent = {path: None if data is None else base64.b64encode(data).decode() for path, data in files.items()}
        self.door(f"file-systems/{account}/{REGION}/{file_system_id}", sent, method="PUT")

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_local/{path}", data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()}") from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
