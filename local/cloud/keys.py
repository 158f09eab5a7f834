"""KMS: an AWS managed key exists as soon as somebody asks for it by its alias."""

from __future__ import annotations

import json
from typing import Any

from ministack.services import kms


def install() -> None:
    """Let DescribeKey of `alias/aws/…` make the key, as on AWS (API reference, DescribeKey, KeyId)."""
    describe = kms._describe_key

    def describe_key(asked: dict[str, Any]) -> Any:
        alias = str(asked.get("KeyId", ""))
        if alias.startswith("alias/aws/") and kms._resolve_key(alias) is None:
            words = f"Default key that protects my {alias.rpartition('/')[2]} data when no other key is defined"
            made = json.loads(kms._create_key({"Description": words})[2])["KeyMetadata"]
            kms._create_alias({"AliasName": alias, "TargetKeyId": made["KeyId"]})
            kms._resolve_key(alias)["KeyManager"] = "AWS"
        return describe(asked)

    kms._describe_key = describe_key
