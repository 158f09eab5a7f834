"""Evidence that holds: the timeline as chained lines, the sums of all files, and what both say afterwards. Pure.

A part of the timeline is a file of JSON lines, each canonical: keys in order, no blanks, UTF-8. Each has `line`, its
number over all parts, and `previous`, the SHA-256 of the line before as it stands in the file, without its line feed;
the very first has 64 zeros. A part begins with a `header` (schema, recovery, part, moments), holds every `entry` that
no part before it has, in the order of time, and ends with an `end`, which guards the last entry and says how many there
are. So whoever alters, takes out or moves a line has to write all later ones anew; those are locked, their sums told.
"""

from __future__ import annotations

import hashlib
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SCHEMA = "airlift-timeline-1"
SUMS = "SHA256SUMS"
"""The file of sums, as `sha256sum --check` reads it."""
WRITTEN_ANEW = "clean-up.json"
"""What each attempt at a drill's clean-up writes; of all else the sum that is listed first stays."""
_BEFORE_THE_FIRST = "0" * 64
_PART = re.compile(r"timeline(?:-([2-9]|[1-9][0-9]+))?\.jsonl")
_HOUR = re.compile(r"timeline-[0-9]{8}T[0-9]{2}\.jsonl")
_SUM = re.compile(r"([0-9a-f]{64})  (.+)")
_ENTRY = ("at", "kind", "text", "vault", "resource")


class Flaw(NamedTuple):
    """Something that is not as it was written: in which file, in which of its lines (0 for the whole), and what."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.what}"


class _Line(NamedTuple):
    file: str
    place: int
    """Its number in the file."""
    text: bytes
    record: dict[str, Any]
    """Empty if it is no line of a timeline."""


def part_name(number: int) -> str:
    """`timeline.jsonl`, then `timeline-2.jsonl` and so on."""
    return "timeline.jsonl" if number == 1 else f"timeline-{number}.jsonl"


def hour_name(hour: str) -> str:
    """The file of one hour, given as `2026-11-24T08`."""
    return f"timeline-{hour.replace('-', '')}.jsonl"


def is_written_once(name: str) -> bool:
    """Whether nothing may ever take this file's place."""
    return bool(_PART.fullmatch(name) or _HOUR.fullmatch(name))


def parts_in(files: Mapping[str, bytes]) -> list[bytes]:
    """The timeline's parts among these files, in order."""
    return [files[name] for name in _part_names(files)]


def _part_names(names: Iterable[str]) -> list[str]:
    found = {int(match[1] or 1): name for name in names if (match := _PART.fullmatch(name))}
    return [found[number] for number in sorted(found)]


def _named(parts: Sequence[bytes]) -> dict[str, bytes]:
    return {part_name(number): part for number, part in enumerate(parts, start=1)}


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def canonical(record: Mapping[str, Any]) -> bytes:
    """A record as its line, without the line feed."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def head(parts: Sequence[bytes]) -> tuple[int, str]:
    """How many lines these parts have, and the SHA-256 of the last one."""
    lines = [line.text for line in _lines(_named(parts))]
    return len(lines), digest(lines[-1]) if lines else _BEFORE_THE_FIRST


def next_part(earlier: Sequence[bytes], records: Iterable[Mapping[str, Any]], **about: Any) -> bytes | None:
    """The part with every timeline record that the earlier ones lack; None if they lack none.

    `records` come from the ledger, in order; `about` goes into the header. An entry that was changed in the ledger
    after it was kept is new: it is kept once more, as it is now.
    """
    known = {canonical(_content(line.record)) for line in _lines(_named(earlier))}
    entries = [entry for entry in map(_entry, records) if canonical(entry) not in known]
    if not entries:
        return None
    number, previous = head(earlier)
    header = {"record": "header", "schema": SCHEMA, "part": len(earlier) + 1} | about
    lines = []
    for content in [header, *entries, _end(len(entries))]:
        number += 1
        line = canonical(content | {"line": number, "previous": previous})
        previous = digest(line)
        lines.append(line + b"\n")
    return b"".join(lines)


def _entry(record: Mapping[str, Any]) -> dict[str, Any]:
    """A timeline record of the ledger; its sort key tells apart what several people did at one moment."""
    kept = {name: record[name] for name in _ENTRY if name in record}
    return {"record": "entry", "key": str(record["sk"]).partition("#")[2]} | kept


def _end(entries: int) -> dict[str, Any]:
    return {"record": "end", "entries": entries}


def _content(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("line", "previous")}


def sums(digests: Mapping[str, str]) -> bytes:
    """The file of sums, for SHA-256 in hex by file name."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests) if name != SUMS).encode()


def _sum_lines(data: bytes) -> list[str]:
    """By line feeds alone: `splitlines` would take other characters for the end of a line."""
    return data.decode(errors="replace").removesuffix("\n").split("\n")


def listed(data: bytes) -> dict[str, str]:
    """What a file of sums says, by file name; lines of another form are left out."""
    found = map(_SUM.fullmatch, _sum_lines(data))
    return {match[2]: match[1] for match in found if match}


def sums_changed(versions: Sequence[bytes]) -> list[Flaw]:
    """What the versions of the file of sums, the oldest first, don't agree on: whoever can write a file anew can write
    its sum anew, too, but not the version that is locked.
    """
    first: dict[str, str] = {}
    for version in versions:
        first = listed(version) | first
    last = listed(versions[-1]) if versions else {}
    changed = sorted(name for name, total in first.items() if name != WRITTEN_ANEW and last.get(name) != total)
    return [Flaw(name, 0, f"altered: an earlier version of {SUMS} says otherwise") for name in changed]


def flaws(files: Mapping[str, bytes]) -> list[Flaw]:
    """What is not as it was written, in the files of one recovery by name: of each timeline the first flawed line.

    A first line altered, missing or moved makes all later ones doubtful, so only that one is named.
    """
    kept = {name: data for name, data in files.items() if _PART.fullmatch(name)}
    hours = sorted(name for name in files if _HOUR.fullmatch(name))
    found = [_chain_flaw(list(_lines({name: kept[name] for name in _part_names(kept)})))]
    found += [_chain_flaw(list(_lines({name: files[name]}))) for name in hours]
    if kept:
        found += [_lost_since(list(_lines({name: files[name]})), list(_lines(kept))) for name in hours]
    elif not hours:
        found.append(Flaw(part_name(1), 0, "missing"))
    return [*(flaw for flaw in found if flaw), *_sum_flaws(files)]


def _lines(files: Mapping[str, bytes]) -> Iterator[_Line]:
    for name, data in files.items():
        for place, text in enumerate(data.removesuffix(b"\n").split(b"\n"), start=1):
            yield _Line(name, place, text, _record(text))


def _record(text: bytes) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    fine = isinstance(record, dict) and canonical(record) == text and {"line", "previous", "record"} <= record.keys()
    return record if fine else {}


def _chain_flaw(lines: Sequence[_Line]) -> Flaw | None:
    """The first line of a chain that is not as it was written."""
    previous, entries, part = _BEFORE_THE_FIRST, 0, 0
    for index, line in enumerate(lines):
        record = line.record
        if not record:
            return Flaw(line.file, line.place, "altered: it is no line of a timeline")
        if flaw := _number_flaw(lines, index, previous):
            return flaw
        if record["previous"] != previous:
            return _broken_link(lines, index)
        kind = record["record"]
        entries = 0 if kind == "header" else entries + (kind == "entry")
        part += kind == "header"
        fits = {"header": record.get("part") == part, "end": _content(record) == _end(entries), "entry": True}
        if not fits.get(kind, False):
            return Flaw(line.file, line.place, "altered: it does not fit the lines before it")
        previous = digest(line.text)
    if lines and lines[-1].record["record"] != "end":
        return Flaw(lines[-1].file, lines[-1].place + 1, "missing: it and what follows were cut off")
    return None


def _number_flaw(lines: Sequence[_Line], index: int, previous: str) -> Flaw | None:
    """What a wrong number means: the line itself is altered, some before it are missing, or it stands elsewhere."""
    line, wanted = lines[index], index + 1
    number = line.record["line"]
    if number == wanted:
        return None
    if line.record["previous"] == previous:
        return Flaw(line.file, line.place, f"altered: it says that it is line {number} of all, not {wanted}")
    later = {other.record.get("line") for other in lines[index + 1 :]}
    if wanted in later or not isinstance(number, int) or number < wanted:
        return Flaw(line.file, line.place, f"reordered: line {number} of all stands where line {wanted} belongs")
    gone = f"line {wanted} of all is" if number == wanted + 1 else f"lines {wanted} to {number - 1} of all are"
    return Flaw(line.file, line.place, f"missing: {gone} not there")


def _broken_link(lines: Sequence[_Line], index: int) -> Flaw:
    """Which of two lines that don't fit was altered: the later one, if with the right link the next would fit it."""
    line = lines[index]
    before = lines[index - 1] if index else None
    if before is None:
        return Flaw(line.file, line.place, "altered: nothing comes before the first line")
    mended = digest(canonical(line.record | {"previous": digest(before.text)}))
    follower = lines[index + 1].record.get("previous") if index + 1 < len(lines) else None
    if follower == mended:
        return Flaw(line.file, line.place, "altered: its link to the line before was changed")
    or_next = "" if follower else ", or that line itself was altered: nothing comes after it"
    return Flaw(before.file, before.place, f"altered: the line after it was written for another one{or_next}")


def _lost_since(lines: Sequence[_Line], kept: Sequence[_Line]) -> Flaw | None:
    """The first entry of an hour that the timeline lacks: somebody changed the ledger in between.

    An hour that was not over when the timeline was kept last can't be held against it.
    """
    headers = [line.record for line in kept if line.record.get("record") == "header"]
    last = max((str(header.get("writtenAt", "")) for header in headers), default="")
    if not str(lines[0].record.get("hour", "")) < last[: len("2026-11-24T08")]:
        return None
    known = {canonical(_content(line.record)) for line in kept}
    entries = (line for line in lines if line.record.get("record") == "entry")
    lost = next((line for line in entries if canonical(_content(line.record)) not in known), None)
    what = "missing: the timeline lacks what was kept of this hour"
    return Flaw(lost.file, lost.place, what) if lost else None


def _sum_flaws(files: Mapping[str, bytes]) -> Iterator[Flaw]:
    if SUMS not in files:
        yield Flaw(SUMS, 0, "missing")
        return
    for place, line in enumerate(_sum_lines(files[SUMS]), start=1):
        if not _SUM.fullmatch(line):
            yield Flaw(SUMS, place, "altered: it is no sum")
    names = listed(files[SUMS])
    if any(later < earlier for earlier, later in pairwise(names)):
        yield Flaw(SUMS, 0, "reordered")
    for name, total in sorted(names.items()):
        if name not in files:
            yield Flaw(name, 0, f"missing: {SUMS} lists it")
        elif digest(files[name]) != total:
            yield Flaw(name, 0, f"altered: it does not match {SUMS}")
    for name in sorted(files.keys() - names.keys() - {SUMS}):
        yield Flaw(name, 0, f"added: {SUMS} does not list it")
