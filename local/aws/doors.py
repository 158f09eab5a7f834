"""The data door: stands for a mounted disk or file system or a database connection, where AWS has no API."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Place = tuple[str, str, str]
"""Account, Region and the id of a volume, a file system or a database cluster."""

Disk = tuple[str, int, bytes]
"""Label, size in GiB and content."""


class Doors:
    """Content of EBS volumes and database clusters (one blob each) and EFS file systems (path -> content)."""

    def __init__(self) -> None:
        self._volumes: dict[Place, bytes] = {}
        self._databases: dict[Place, bytes] = {}
        self._premises: dict[str, list[Disk]] = {}
        self._files: dict[Place, dict[str, bytes]] = {}

    def write_volume(self, account: str, region: str, volume_id: str, content: bytes) -> None:
        """Replace a volume's content."""
        self._volumes[account, region, volume_id] = content

    def read_volume(self, account: str, region: str, volume_id: str) -> bytes:
        """A volume's content; a volume never written to is empty."""
        return self._volumes.get((account, region, volume_id), b"")

    def write_database(self, account: str, region: str, cluster: str, content: bytes) -> None:
        """Replace what a cluster's databases hold."""
        self._databases[account, region, cluster] = content

    def read_database(self, account: str, region: str, cluster: str) -> bytes:
        """What a cluster's databases hold; one never written to is empty."""
        return self._databases.get((account, region, cluster), b"")

    def write_premises(self, arn: str, disks: Sequence[Disk]) -> None:
        """Replace the disks of a gateway's volume (one) or of a virtual machine, which lie on somebody's premises."""
        self._premises[arn] = list(disks)

    def read_premises(self, arn: str) -> list[Disk]:
        """Its disks; none if there is no such thing."""
        return list(self._premises.get(arn, ()))

    def write_files(self, account: str, region: str, file_system_id: str, files: Mapping[str, bytes | None]) -> None:
        """Write files by path from the root, without a leading slash; None deletes one."""
        tree = self._files.setdefault((account, region, file_system_id), {})
        for path, content in files.items():
            if content is None:
                tree.pop(path, None)
            else:
                tree[path] = content

    def read_files(self, account: str, region: str, file_system_id: str) -> dict[str, bytes]:
        """Every file of a file system by its path."""
        return dict(self._files.get((account, region, file_system_id), {}))

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """The door over HTTP: GET and PUT of

        `/_local/volumes/<account>/<region>/<id>`, `/_local/databases/…` (the raw content) and
        `/_local/file-systems/<account>/<region>/<id>` (JSON: path -> base64, null deletes).
        """
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if len(parts) != 5 or parts[0] != "_local" or method not in ("GET", "PUT"):
            return 404, _json({"message": f"no such door: {method} {path}"})
        kind, place = parts[1], (parts[2], parts[3], parts[4])
        blobs = {"volumes": self._volumes, "databases": self._databases}
        if kind in blobs:
            if method == "GET":
                return 200, blobs[kind].get(place, b"")
            blobs[kind][place] = body
            return 200, _json({})
        if kind != "file-systems":
            return 404, _json({"message": f"no such door: {kind}"})
        if method == "GET":
            tree = self.read_files(*place)
            return 200, _json({name: base64.b64encode(content).decode() for name, content in tree.items()})
        try:
            files = {
                str(name): None if text is None else base64.b64decode(text, validate=True)
                for name, text in json.loads(body).items()
            }
        except (ValueError, TypeError, AttributeError) as error:
            return 400, _json({"message": f"not a JSON object of base64 texts: {error}"})
        self.write_files(*place, files)
        return 200, _json({})


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()
