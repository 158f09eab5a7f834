"""The map from old to new: what each source resource became, and where it answers. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from airlift.items import RESTORED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME = 200
_LONGEST_VALUE = 4096
"""Characters of a standard parameter (API_PutParameter.html)."""


def map_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """map.json, in the shape of `airlift.report_shape.Map`.

    What was validated and what was only restored stand apart; what is deleted again, by a drill, is not there.
    """
    found: dict[str, dict[str, Any]] = {state: {} for state in RESTORED}
    for vault in report["vaults"]:
        for resource in vault["resources"]:
            if resource["state"] in RESTORED and "createdResourceArn" in resource and "deletedAt" not in resource:
                found[resource["state"]][resource["resourceArn"]] = {
                    "arn": resource["createdResourceArn"],
                    "type": resource["resourceType"],
                    "state": resource["state"],
                    "endpoints": resource.get("endpoints", {}),
                }
    return {"version": 1, "recoveryId": report["recoveryId"], "writtenAt": report["writtenAt"], **found}


def tfvars(old_to_new: Mapping[str, Any]) -> str:
    """The map as Terraform takes it: a file that ends `.auto.tfvars` is read by itself.

    Each of the two variables has the type `map(object({ arn = string, type = string, endpoints = map(string) }))`.
    """
    lines = [
        f"# What recovery {old_to_new['recoveryId']} restored, by the source's ARN; written {old_to_new['writtenAt']}.",
        "# Type of both: map(object({ arn = string, type = string, endpoints = map(string) }))",
    ]
    for state in RESTORED:
        why = "" if state == "validated" else "_not_validated"
        lines += ["", f"airlift_restored{why} = {{", *_entries(old_to_new[state]), "}"]
    return "\n".join(lines) + "\n"


def _entries(entries: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for source, entry in entries.items():
        yield f"  {_quoted(source)} = {{"
        yield f"    arn       = {_quoted(entry['arn'])}"
        yield f"    type      = {_quoted(entry['type'])}"
        endpoints = ", ".join(f"{_quoted(name)} = {_quoted(value)}" for name, value in entry["endpoints"].items())
        yield f"    endpoints = {{ {endpoints} }}" if endpoints else "    endpoints = {}"
        yield "  }"


_ESCAPES = {"${": "$${", "%{": "%%{", "\\b": "\\u0008", "\\f": "\\u000c"}
"""What JSON's strings and HCL's don't have in common: templates, and two escapes that HCL lacks
(developer.hashicorp.com/terraform/language/expressions/strings)."""
_TO_ESCAPE = re.compile(r"\$\{|%\{|\\.")


def _quoted(text: str) -> str:
    """A string of HCL. An escaped backslash is passed over as a whole, so that what follows it is not taken for one."""
    return _TO_ESCAPE.sub(
        lambda match: _ESCAPES.get(match.group(), match.group()), json.dumps(text, ensure_ascii=False)
    )


def parameters(old_to_new: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Name and value of a Systems Manager parameter for each validated resource.

    Names are `/airlift/<recovery id>/<type>/<end of the source's ARN>`, in the characters that names may have; where
    two would be one, the later has a number. The value is JSON: `{"source", "arn", "endpoints"}`.
    """
    taken: dict[str, int] = {}
    for source, entry in old_to_new["validated"].items():
        end = source.split(":", 5)[5]
        parts = (old_to_new["recoveryId"], entry["type"], end)
        name = "/airlift/" + "/".join(_NOT_IN_NAMES.sub("-", part).strip("-") for part in parts)[:_LONGEST_NAME]
        taken[name] = taken.get(name, 0) + 1
        value = json.dumps({"source": source, "arn": entry["arn"], "endpoints": entry["endpoints"]}, ensure_ascii=False)
        if len(value) <= _LONGEST_VALUE:
            yield name if taken[name] == 1 else f"{name}-{taken[name]}", value
