"""EKS: clusters here have no Fargate profiles, and say so."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import ministack.app

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIST = re.compile(r"/clusters/[A-Za-z0-9_-]+/fargate-profiles/?")


def install() -> None:
    """Let ListFargateProfiles answer with none; whoever makes one is told that there is no such route."""
    answer = ministack.app.SERVICE_HANDLERS["eks"]

    async def handle(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        if method == "GET" and _LIST.fullmatch(path):
            return 200, {"Content-Type": "application/json"}, json.dumps({"fargateProfileNames": []}).encode()
        found: tuple[int, dict[str, str], bytes] = await answer(method, path, headers, body, query)
        return found

    ministack.app.SERVICE_HANDLERS["eks"] = handle
