"""One walk along the checklist for a real account: what it remembers, what it found, and how that is shared."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from pathlib import Path

AS_READ, OTHERWISE, OPEN = "as read", "otherwise", "open"
"""Verdicts: AWS does what the row infers or, where the row only asks, what the local side does; something else; not
found out."""
RECOVERY, OWNER, TEAM = "recovery", "owner", "team"
"""Whose profile a step needs: the recovery account's, the vault owner's, the approval team's owner's."""
TEAM_REGION = "us-east-1"
Clients = Callable[[str, str, str | None], Any]
"""Whose, which service, which Region (None: the vault's) to a boto3 client."""

_MASKS = (
    (re.compile(r"arn:aws[\w-]*:(\w[\w-]*):[^\s\"',;)\]}]+"), r"<ARN of \1>"),
    (re.compile(r"\b\d{12}\b"), "<account>"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"), "<address>"),
)


def masked(text: object) -> str:
    """A text without ARNs, account ids, other ids and addresses, in one line."""
    line = " ".join(str(text).split())
    for pattern, mask in _MASKS:
        line = pattern.sub(mask, line)
    return line


class Missing(Exception):
    """A step can't be taken; the text says what it lacks. The walk goes on without it."""


class Pending(Exception):
    """A step waits for people or for AWS; the text says what for. The walk goes on there the next time."""


@dataclass(frozen=True)
class Finding:
    """A verdict, and what was seen."""

    verdict: str
    seen: str

    def document(self) -> dict[str, str]:
        """As it is shared: masked."""
        return {"verdict": self.verdict, "seen": masked(self.seen)}


def judged(as_read: bool, seen: object) -> Finding:  # noqa: FBT001 (it is what is judged)
    """The finding that AWS does, or does not do, as the row is read."""
    return Finding(AS_READ if as_read else OTHERWISE, str(seen))


@dataclass
class State:
    """What a walk must remember between two runs; ids stand in it as they are, so it stays on this machine."""

    path: Path
    facts: dict[str, Any] = field(default_factory=dict)
    found: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> State:
        """The state in a file, or a new one."""
        return cls(path, **json.loads(path.read_text())) if path.exists() else cls(path)

    def keep(self) -> None:
        """Writes it, for its owner alone."""
        self.path.touch(mode=0o600)
        self.path.write_text(json.dumps({"facts": self.facts, "found": self.found}, indent=1) + "\n")


@dataclass
class Run:
    """What the steps work with: the vault's ARN, clients, a way to wait for some seconds, and what is remembered."""

    vault: str
    clients: Clients
    wait: Callable[[float], None]
    state: State
    restore_role: str | None = None

    def named(self, purpose: str = "") -> str:
        """A name that nothing else has: vaults, tables and tokens of one walk share its mark."""
        if "mark" not in self.state.facts:
            self.remember(mark=secrets.token_hex(3))
        return "-".join(filter(None, ("airlift-probe", self.state.facts["mark"], purpose)))

    def client(self, service: str, who: str = RECOVERY, region: str | None = None) -> Any:
        """A client of one of the accounts. Raises Missing without a profile of it."""
        return self.clients(who, service, region)

    def fact(self, name: str, step: str) -> Any:
        """What an earlier step remembered. Raises Missing if it has not been taken."""
        if name not in self.state.facts:
            raise Missing(f"waits for {step}")
        return self.state.facts[name]

    def remember(self, **facts: Any) -> None:
        """Keeps facts, at once."""
        self.state.facts.update(facts)
        self.state.keep()

    def will_make(self, kind: str, name: str) -> None:
        """Keeps what a call may make, before it is made, so that the clean-up finds it."""
        made = self.state.facts.get("made", [])
        self.remember(made=[*made, [kind, name]] if [kind, name] not in made else made)

    def until(self, look: Callable[[], bool], seconds: float, every: float = 5.0) -> int | None:
        """How many looks it took until one was true; None if none was within the time."""
        for count in range(1, int(seconds / every) + 2):
            if look():
                return count
            self.wait(every)
        return None


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, str, dict[str, Any]]:
    """The code and text of the error that a call ends with, or empty ones and its answer."""
    try:
        answer: Mapping[str, Any] = call(**parameters)
    except ClientError as error:
        told = error.response["Error"]
        return str(told["Code"]), f"{told['Code']}: {told['Message']}", {}
    return "", "accepted", dict(answer)
