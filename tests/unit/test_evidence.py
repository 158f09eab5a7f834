"""Evidence that holds: whatever is altered, missing, moved or added is named, by file and line."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from airlift import aws
from airlift.evidence import SUMS, WRITTEN_ANEW, flaws, hour_name, next_part, sums, sums_changed
from airlift.keeping import folder, is_due, keep, keep_hours, put
from airlift.ledger import Ledger, recovery_key
from airlift.timeline import entry
from airlift.values import stamp
from hypothesis import given as examples
from hypothesis import strategies as st

from tests.unit.domain import BUCKET, NOW, RECOVERY_ID, a_recovery, ago

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.ledger import Record

ABOUT = {"recoveryId": RECOVERY_ID, "createdAt": "2026-11-24T07:30:00.000Z", "writtenAt": "2026-11-24T09:00:00.000Z"}
KINDS = ("trigger", "request", "vote", "granted", "selected", "started", "validated", "closed")


def records(*kinds: str, hour: int = 8) -> list[Record]:
    moment = NOW.replace(hour=hour)
    return [
        dict(entry(RECOVERY_ID, moment.replace(minute=n), kind, f"{kind} …").record) for n, kind in enumerate(kinds)
    ]


def folder_of(*parts: bytes | None, **others: bytes) -> dict[str, bytes]:
    """The files of a recovery, with their sums."""
    names = ["timeline.jsonl", *(f"timeline-{n}.jsonl" for n in range(2, len(parts) + 1))]
    files = {name: part for name, part in zip(names, parts, strict=True) if part} | others
    return files | {SUMS: sums({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})}


def whole() -> dict[str, bytes]:
    """A timeline of three parts: ten, four and three lines; a report; an hour kept while it ran."""
    first, cleaned = records(*KINDS), records("deleted", "clean-up", hour=9)
    closed = records("access-closed", hour=10)
    one = next_part([], first, **ABOUT) or b""
    two = next_part([one], [*first, *cleaned], **ABOUT) or b""
    three = next_part([one, two], [*first, *cleaned, *closed], **ABOUT)
    hour = next_part([], first[:6], **ABOUT, hour="2026-11-24T08") or b""
    return folder_of(one, two, three, **{"report.json": b"{}", hour_name("2026-11-24T08"): hour})


WHOLE = whole()


def tampered(name: str, lines: list[bytes]) -> list[str]:
    """What is found when a file has these lines, and the sums were written anew."""
    files = {**WHOLE, name: b"".join(lines)}
    files[SUMS] = sums({n: hashlib.sha256(data).hexdigest() for n, data in files.items()})
    return [str(flaw) for flaw in flaws(files)]


def lines_of(name: str) -> list[bytes]:
    return WHOLE[name].splitlines(keepends=True)


def edited(lines: list[bytes], place: int, **values: Any) -> list[bytes]:
    record = json.loads(lines[place - 1]) | values
    line = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    return [*lines[: place - 1], line, *lines[place:]]


def test_sums_that_were_listed_once_stay() -> None:
    one, two, three = (digest * 64 for digest in "abc")
    grown = [sums({"a": one, WRITTEN_ANEW: one}), sums({"a": one, "b": two, WRITTEN_ANEW: two})]
    assert sums_changed([]) == sums_changed(grown) == []
    gone = sums({"b": two, WRITTEN_ANEW: three})
    assert [flaw.file for flaw in sums_changed([*grown, gone])] == ["a"]
    assert [flaw.file for flaw in sums_changed([*grown, sums({"a": three, "b": three})])] == ["a", "b"]


def test_what_was_not_touched_has_no_flaw() -> None:
    assert flaws(WHOLE) == []


def test_a_chain_can_be_checked_with_nothing_but_a_hash_function() -> None:
    previous = "0" * 64
    lines = (WHOLE["timeline.jsonl"] + WHOLE["timeline-2.jsonl"] + WHOLE["timeline-3.jsonl"]).splitlines()
    for number, line in enumerate(lines, start=1):
        record = json.loads(line)
        assert (record["line"], record["previous"]) == (number, previous)
        previous = hashlib.sha256(line).hexdigest()
    assert number == 10 + 4 + 3
    assert [json.loads(line)["kind"] for line in lines if b'"entry"' in line][:8] == list(KINDS)


@pytest.mark.parametrize("name", ["timeline.jsonl", "timeline-2.jsonl", "timeline-3.jsonl"])
def test_every_single_line_that_is_altered_is_named(name: str) -> None:
    lines = lines_of(name)
    for place in range(1, len(lines) + 1):
        changed = [edited(lines, place, **v) for v in ({"text": "other"}, {"previous": "1" * 64}, {"line": 77})]
        for others in [*changed, [*lines[: place - 1], b"no JSON\n", *lines[place:]]]:
            [flaw, *_] = tampered(name, others)
            # Nothing comes after the very last line that would tell its link from what it links to.
            named = place - 1 if (name, place, others) == ("timeline-3.jsonl", 3, changed[1]) else place
            assert flaw.startswith(f"{name}, line {named}: altered")


def test_a_line_that_is_missing_or_moved_is_named() -> None:
    name, lines = "timeline.jsonl", lines_of("timeline.jsonl")
    for place in range(1, len(lines)):
        before, this, after = lines[: place - 1], lines[place - 1], lines[place:]
        gone = tampered(name, before + after)[0]
        assert gone == f"{name}, line {place}: missing: line {place} of all is not there"
        assert tampered(name, [*before, after[0], this, *after[1:]])[0].startswith(f"{name}, line {place}: reordered")
        assert tampered(name, [*before, this, this, *after])[0].startswith(f"{name}, line {place + 1}: reordered")


def test_a_cut_end_and_a_missing_part_are_named() -> None:
    assert tampered("timeline-3.jsonl", lines_of("timeline-3.jsonl")[:-1]) == [
        "timeline-3.jsonl, line 3: missing: it and what follows were cut off"
    ]
    files = {name: data for name, data in WHOLE.items() if name != "timeline-2.jsonl"}
    first, second = flaws(files)
    assert str(first) == "timeline-3.jsonl, line 1: missing: lines 11 to 14 of all are not there"
    assert str(second) == "timeline-2.jsonl: missing: SHA256SUMS lists it"


def test_a_chain_that_was_written_anew_fits_neither_the_sums_nor_what_was_kept_of_its_hour() -> None:
    entries = records(*KINDS)
    entries[2]["text"] = "somebody else voted"
    files = WHOLE | {"timeline.jsonl": next_part([], entries, **ABOUT) or b""}
    del files["timeline-2.jsonl"], files["timeline-3.jsonl"]
    told = [str(flaw) for flaw in flaws(files)]
    assert told[0] == "timeline-20261124T08.jsonl, line 4: missing: the timeline lacks what was kept of this hour"
    assert "timeline.jsonl: altered: it does not match SHA256SUMS" in told


def test_files_that_do_not_match_the_sums_are_named() -> None:
    files = WHOLE | {"report.json": b"{ }", "added.json": b""}
    assert [str(flaw) for flaw in flaws(files)] == [
        "report.json: altered: it does not match SHA256SUMS",
        "added.json: added: SHA256SUMS does not list it",
    ]
    assert [str(flaw) for flaw in flaws({"report.json": b"{}"})] == ["timeline.jsonl: missing", "SHA256SUMS: missing"]
    assert str(flaws(WHOLE | {SUMS: WHOLE[SUMS] + b"x\n"})[0]).startswith("SHA256SUMS, line 6: altered")


@examples(st.sampled_from(sorted(WHOLE)), st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_can_change_unnoticed(name: str, where: int, by: int) -> None:
    data = bytearray(WHOLE[name])
    data[where % len(data)] ^= by
    assert flaws(WHOLE | {name: bytes(data)})


def files_in_bucket() -> dict[str, bytes]:
    s3 = aws.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=folder(RECOVERY_ID)).get("Contents", [])
    read = {one["Key"]: s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in found}
    return {key.removeprefix(folder(RECOVERY_ID)): data for key, data in read.items()}


def test_what_is_kept_goes_on_where_it_ended_over_a_resume_and_a_clean_up(
    ledger: Ledger, given: Callable[..., None]
) -> None:
    given(a_recovery(endedAt=stamp(NOW)), *records(*KINDS))
    first = keep(ledger, RECOVERY_ID)
    assert keep(ledger, RECOVERY_ID) == first, "repeating it changes nothing"
    assert sorted(files_in_bucket()) == [SUMS, "timeline.jsonl"]
    given(*records("resumed", "closed", hour=9))
    second = keep(ledger, RECOVERY_ID)
    given(*records("deleted", "access-closed", hour=10))
    third = keep(ledger, RECOVERY_ID)
    assert (first["lines"], second["lines"], third["lines"]) == (10, 14, 18)
    files = files_in_bucket()
    assert sorted(files) == [SUMS, "timeline-2.jsonl", "timeline-3.jsonl", "timeline.jsonl"]
    assert flaws(files) == []
    assert third["sha256"] == hashlib.sha256(files["timeline-3.jsonl"].splitlines()[-1]).hexdigest()
    recovery = ledger.get(recovery_key(RECOVERY_ID)) or {}
    assert recovery["evidence"] == third
    assert not is_due(recovery)
    assert is_due(recovery | {"accessClosedAt": stamp(NOW.replace(hour=11))})


def test_what_was_altered_or_taken_away_stays_named_when_more_is_kept(
    ledger: Ledger, given: Callable[..., None]
) -> None:
    given(a_recovery(endedAt=stamp(NOW)), *records(*KINDS))
    for name in ("report-1/report.json", "report-1/map.json", WRITTEN_ANEW):
        put(BUCKET, folder(RECOVERY_ID) + name, b"{}", "application/json")
    keep(ledger, RECOVERY_ID)
    put(BUCKET, folder(RECOVERY_ID) + "report-1/report.json", b"[]", "application/json")
    put(BUCKET, folder(RECOVERY_ID) + WRITTEN_ANEW, b"[]", "application/json")
    aws.client("s3").delete_object(Bucket=BUCKET, Key=folder(RECOVERY_ID) + "report-1/map.json")
    given(*records("access-closed", hour=10))
    keep(ledger, RECOVERY_ID)
    assert [(flaw.file, flaw.what.partition(":")[0]) for flaw in flaws(files_in_bucket())] == [
        ("report-1/map.json", "missing"),
        ("report-1/report.json", "altered"),
    ]


def test_an_entry_changed_in_the_ledger_afterwards_is_kept_once_more(
    ledger: Ledger, given: Callable[..., None]
) -> None:
    given(a_recovery(endedAt=stamp(NOW)), *records(*KINDS))
    keep(ledger, RECOVERY_ID)
    changed = records(*KINDS)[3] | {"text": "granted by nobody"}
    given(changed)
    keep(ledger, RECOVERY_ID)
    files = files_in_bucket()
    assert [json.loads(line).get("text") for line in files["timeline-2.jsonl"].splitlines()] == [
        None, "granted by nobody", None
    ]  # fmt: skip
    assert flaws(files) == []


def test_each_full_hour_is_kept_while_a_recovery_runs(ledger: Ledger, given: Callable[..., None]) -> None:
    begun = ago(hours=3)  # at five; it is eight now
    given(a_recovery(createdAt=stamp(begun)), *records("trigger", hour=5), *records("vote", hour=7))
    keep_hours(ledger, ledger.get(recovery_key(RECOVERY_ID)) or {})
    assert sorted(files_in_bucket()) == ["timeline-20261124T05.jsonl"], "six was empty, seven may still grow"
    assert (ledger.get(recovery_key(RECOVERY_ID)) or {})["hourKept"] == "2026-11-24T06"
    keep_hours(ledger, ledger.get(recovery_key(RECOVERY_ID)) or {})
    keep(ledger, RECOVERY_ID)
    assert flaws(files_in_bucket()) == []
