"""One frame of `airlift watch`: a snapshot as lines that fit a terminal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift import recovery as recoveries
from airlift.items import OUTCOMES
from rich.cells import cell_len
from rich.text import Text

from airlift_cli.rows import WIDE, resource_lines
from airlift_cli.snapshot import COUNTED, Milestone, Snapshot, estimated, milestones, moment, operator_asks
from airlift_cli.words import bar, cell, clock, duration, labelled, shown, style_of, tail, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airlift.ledger import Record

_VAULTS_SHOWN = 8
_VAULTS_IN_FULL = 3
_WAVES_SHOWN = 8
_LEAST_ROWS = 6
_TIMELINE_ROWS = 6


def frame(snapshot: Snapshot, *, now: datetime, width: int, height: int, notice: str = "") -> Text:
    """The whole view, no line longer than `width`, and about `height` lines (never so few that nothing is told)."""
    top = [*_header(snapshot, now, width), *_asks(snapshot, width)]
    if notice:
        top += wrapped(Text(notice, style="bold red"), width)
    top += _vaults(snapshot, now, width)
    last = _timeline(snapshot, width)
    room = height - len(top) - len(last) - 2
    middle = resource_lines(snapshot.items, snapshot.total, now, width, max(_LEAST_ROWS, room))
    parts = [part for part in (top, middle, last) if part]
    lines = [line for i, part in enumerate(parts) for line in ([Text()] if i else []) + part]
    for line in lines:
        line.no_wrap = True
    return Text("\n", no_wrap=True).join(lines)


def _header(snapshot: Snapshot, now: datetime, width: int) -> list[Text]:
    recovery = snapshot.recovery
    state = str(recovery["outcome"] if snapshot.ended else recovery["state"])
    took = _took(recovery, now)
    title = Text.assemble(("Airlift  ", "bold"), (snapshot.recovery_id, "bold"), "  ", (state, style_of(state)))
    title = cell(title, width - len(took) - 1).append(f" {took}", style="bold")
    about = [f"account {recovery['account']}", str(recovery.get("mode", ""))]
    about += [f"plan version {recovery['planVersion']}"] if "planVersion" in recovery else []
    about += ["access only"] if recovery.get("accessOnly") and "resumedAt" not in recovery else []
    lines = [title, cell(Text(" · ".join(filter(None, about)), style="dim"), width)]
    lines[-1].rstrip()
    lines += labelled("trigger", _trigger(recovery), width)
    if reason := shown(recovery.get("reason", "")):
        lines += labelled("reason", [Text(reason)], width)
    lines += labelled("first sign", [_first_sign(recovery)], width)
    lines += wrapped(_stages(milestones(snapshot, now), wide=width >= WIDE), width)
    if found := estimated(snapshot):
        lines += labelled("estimate", [Text(f"all restored {found.words(now)}")], width)
    if cause := shown(recovery.get("cause", "")):
        lines += labelled("cause", [Text(cause, style=style_of(state))], width, most=4)
    if words := _clean_up(recovery):
        lines += labelled("clean-up", [Text(words)], width)
    if key := recovery.get("reportKey"):
        lines += labelled("report", [Text(shown(key))], width)
    return lines


def _clean_up(recovery: Record) -> str:
    """How far the deletion of what a drill restored has come; empty for a real recovery and a drill that runs."""
    if recovery.get("mode") != "drill" or "endedAt" not in recovery:
        return ""
    if "cleanedUpAt" in recovery:
        return f"everything it restored, and its access, is deleted ({recovery['cleanedUpAt']})"
    left = "; ".join(map(shown, recovery.get("cleanUpLeft", [])))
    return f"not done, left: {left}" if left else "under way"


def _took(recovery: Record, now: datetime) -> str:
    began, ended = moment(recovery.get("createdAt")), moment(recovery.get("endedAt")) or now
    return duration((ended - began).total_seconds()) if began else ""


def _trigger(recovery: Record) -> list[Text]:
    trigger = recovery.get("trigger", {})
    sender, by = trigger.get("sender"), trigger.get("by")
    words = [trigger.get("kind"), trigger.get("type"), trigger.get("title")]
    words += [sender and f"from {sender}", by and f"by {by}"]
    return [Text(shown(word)) for word in words if word] or [Text("unknown", style="dim")]


def first_sign(recovery: Record) -> tuple[str, str]:
    """The first sign that counts and where it is known from; empty if unknown."""
    return recoveries.first_sign(recovery) or "", shown(recoveries.first_sign_from(recovery))


def _first_sign(recovery: Record) -> Text:
    sign, known_from = first_sign(recovery)
    if not sign:
        return Text("not known yet", style="yellow")
    shown_sign = "latest, the newest points are wanted" if sign == "latest" else sign
    return Text(f"{shown_sign} ({known_from})" if known_from else shown_sign)


def _stages(points: list[Milestone], *, wide: bool) -> Text:
    line = Text()
    for point in points:
        under_way = point.at is None and point.seconds is not None
        if line.plain:
            took = "─" if point.seconds is None else f"─{duration(point.seconds)}─"
            line.append(f" {took} ", style="cyan" if under_way else "dim")
        mark, style = ("●", "green") if point.at else ("◍", "cyan") if under_way else ("○", "dim")
        line.append(f"{mark} {point.name}", style=style)
        if wide and point.at:
            line.append(f" {point.at:%H:%M:%S}", style="dim")
    return line


def _asks(snapshot: Snapshot, width: int) -> list[Text]:
    return [line for ask in operator_asks(snapshot) for line in wrapped(Text(f"▶ {ask}", style="bold yellow"), width)]


def _vaults(snapshot: Snapshot, now: datetime, width: int) -> list[Text]:
    in_full = len(snapshot.vaults) <= _VAULTS_IN_FULL
    under_way = sorted(snapshot.vaults, key=lambda vault: vault["state"] == "ENDED")
    lines: list[Text] = [Text()] if snapshot.vaults else []
    for vault in under_way[:_VAULTS_SHOWN]:
        lines += _vault(snapshot, vault, now, width) if in_full else [_vault_line(vault, now, width)]
    if (left := len(snapshot.vaults) - _VAULTS_SHOWN) > 0:
        lines.append(Text(f"… and {left} more vaults", style="dim"))
    return lines


def _vault(snapshot: Snapshot, vault: Record, now: datetime, width: int) -> list[Text]:
    arn = str(vault["sourceBackupVaultArn"])
    state = _state(vault)
    lines = [cell(Text.assemble((shown(tail(arn)), "bold"), "  ", (state, style_of(state))), width)]
    lines[0].rstrip()
    if "requestedAt" in vault:
        lines += labelled("approval", _approval(vault, snapshot.votes_of(vault), now), width)
    if vault.get("counts") or vault.get("selected"):
        lines += labelled("restores", _counts(vault, now, wide=width >= WIDE), width)
    if cause := shown(vault.get("ending", {}).get("cause", "")):
        lines += labelled("ended", [Text(cause, style=style_of(state))], width, most=4)
    elif waves := vault.get("waves", []):
        lines += _waves(snapshot.recovery_id, vault, waves, width)
    return lines


def _waves(recovery_id: str, vault: Record, waves: Sequence[Record], width: int) -> list[Text]:
    """Each wave with how far it is, what it waits for, and what lets it go on."""
    longest = min(24, max(cell_len(shown(wave["name"])) for wave in waves))
    unfinished = {wave["name"] for wave in waves if wave["waiting"] or wave["running"]}
    lines: list[Text] = []
    for wave in waves[:_WAVES_SHOWN]:
        total = sum(int(wave[state]) for state in ("waiting", "running", "held", "done"))
        line = cell(Text(shown(wave["name"])), longest).append(" ").append_text(bar(int(wave["done"]) / total, 10))
        line.append(f" {wave['done']:,} of {total:,}", style="bold")
        for state in ("running", "held", "waiting"):
            if wave[state]:
                line.append(f" · {wave[state]:,} {state}", style=style_of(state))
        if wave["name"] in vault.get("pausedWaves", {}):
            line.append(f" · paused: airlift continue {recovery_id} --wave {shown(wave['name'])}", style="bold yellow")
        elif wave["waiting"] and (ahead := [name for name in wave["after"] if name in unfinished]):
            line.append(f" · after {', '.join(map(shown, ahead))}", style="dim")
        lines += labelled("waves" if not lines else "", [line], width)
    if (left := len(waves) - _WAVES_SHOWN) > 0:
        lines += labelled("", [Text(f"… and {left} more waves", style="dim")], width)
    return lines


def _vault_line(vault: Record, now: datetime, width: int) -> Text:
    """One of many vaults on one line."""
    state = _state(vault)
    name = shown(tail(vault["sourceBackupVaultArn"]))
    if vault.get("counts") or vault.get("selected"):
        parts = _counts(vault, now, wide=False)
    elif cause := shown(vault.get("ending", {}).get("cause", "")):
        parts = [Text(cause)]
    else:
        parts = _approval(vault, [], now)
    line = Text.assemble((name, "bold"), "  ", (state, style_of(state)), "  ", Text(" · ").join(parts))
    line.truncate(width, overflow="ellipsis")
    return line


def _state(vault: Record) -> str:
    return str(vault.get("ending", {}).get("name") or vault["state"])


def _approval(vault: Record, votes: list[Record], now: datetime) -> list[Text]:
    if "requestedAt" not in vault:
        return [Text("not requested yet", style="dim")]
    parts = _tally(vault, votes)
    for vote in votes:
        verb, style = shown(vote["response"]).lower(), style_of(vote["response"])
        parts.append(Text(f"{shown(vote['approver'])} {verb} {clock(vote.get('at'))}", style=style))
    if granted := vault.get("grantedAt"):
        return [*parts, Text(f"granted {clock(granted)}", style="green")]
    if vault.get("sessionStatus") == "UNKNOWN":
        parts.append(Text("votes can't be read at the moment", style="yellow"))
    if (deadline := moment(vault.get("expiresAt"))) and vault["state"] != "ENDED":
        left = duration((deadline - now).total_seconds())
        parts.append(Text(f"{left} left, until {deadline:%m-%d %H:%M} UTC"))
    return parts


def _tally(vault: Record, votes: list[Record]) -> list[Text]:
    """How many voted which way: as the session said, or by the votes themselves once the request has ended."""
    if "approvals" not in vault and not votes:
        return [Text("votes not known", style="yellow")]
    approvals = vault.get("approvals", sum(vote["response"] == "APPROVED" for vote in votes))
    rejections = vault.get("rejections", sum(vote["response"] == "REJECTED" for vote in votes))
    tally = Text(f"{approvals} of {vault.get('threshold', '?')}", style="bold")
    if approvers := vault.get("approvers"):
        tally.append(f" (team of {approvers})", style="not bold dim")
    return [tally, Text(f"{rejections} against", style="red")] if rejections else [tally]


def _counts(vault: Record, now: datetime, *, wide: bool) -> list[Text]:
    counts = {state: int(n) for state, n in vault.get("counts", {}).items()}
    selected = int(vault.get("selected", 0)) or sum(counts.values())
    done = sum(counts.get(state, 0) for state in OUTCOMES)
    progress = bar(done / selected if selected else 0, 20 if wide else 10)
    parts = [progress.append(f" {done:,} of {selected:,}", style="bold")]
    parts += [Text(f"{counts[s]:,} {s}", style=style_of(s)) for s in COUNTED if counts.get(s)]
    look = moment(vault.get("nextLookAt"))
    if look and look > now and vault["state"] != "ENDED":
        parts.append(Text(f"next look in {duration((look - now).total_seconds())}", style="dim"))
    return parts


def timeline_line(entry: Record, width: int | None = None) -> Text:
    """One thing that happened, on one line; uncut if no `width` is given."""
    line = Text.assemble(
        (f"{clock(entry['at'])}  ", "dim"), (f"{shown(entry['kind']):<12}", "cyan"), shown(entry["text"])
    )
    if width:
        line.truncate(width, overflow="ellipsis")
    return line


def _timeline(snapshot: Snapshot, width: int) -> list[Text]:
    return [timeline_line(entry, width) for entry in snapshot.timeline[-_TIMELINE_ROWS:]]
