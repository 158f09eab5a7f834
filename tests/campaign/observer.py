"""An observer who looks at what AWS itself shows: jobs, vaults, sessions, messages, executions, resources, call log.

It reads Airlift's ledger for nothing but to see that the ledger misses nothing.
"""

from __future__ import annotations

import json
import re
import traceback
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.campaign.stories import at_rest
from tests.workflow import invariants
from tests.workflow.drills import left_of
from tests.workflow.playing import look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.simulation.story import Story
    from tests.campaign.calls import Entry
    from tests.workflow.playing import Played

_NOTICE = re.compile(r"\nNotice (?P<id>[0-9a-f]{12}), ")
_WITHDRAW = "CancelSession"


@dataclass(frozen=True)
class Seen:
    """What the observer saw, beside what is wrong: titles of the notices to people, each once, in order."""

    problems: list[str]
    told: list[str]
    repeats: int
    """Notices that came more than once, per topic the most."""


def observe(story: Story, log: list[Entry], wanted: set[str], *, once: bool = True) -> Seen:
    """Looks once, at the end. `wanted`: ARNs of the resources that one recovery must have restored, all of them.

    `once`: nobody has asked for anything twice, neither people for access nor an operator for a restore.
    """
    ledger_problem = []
    played = look(story)
    try:
        invariants.check(played)
    except AssertionError as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        ledger_problem = [f"ledger: {error} ({where.line})"]
    told, repeats, wrong = _notices(played)
    problems = [
        *ledger_problem,
        *wrong,
        *_executions(story, played),
        *_jobs(played, log, once=once),
        *(_asked(played, log) if once else ()),
        *_resources(story, played, log, wanted),
        *_events(story, played),
        *_evidence(story),
        *(f"dead letter: {json.dumps(letter)[:300]}" for letter in played.dead_letters),
        *(f"a role lacks {action} on {resource}" for _, action, resource in played.denied),
    ]
    return Seen(problems, told, repeats)


def recovery_of(entry: Entry) -> str:
    """The recovery for which a step made a call; empty if its payload names none."""
    payload = entry.payload if isinstance(entry.payload, dict) else {}
    return str(payload.get("recoveryId", ""))


def _executions(story: Story, played: Played) -> Iterator[str]:
    if not at_rest(story):
        yield "an execution still runs"
    for lock in played.of("LOCK"):
        yield f"the lock of {lock['recoveryId']} is left"


def _jobs(played: Played, log: list[Entry], *, once: bool) -> Iterator[str]:
    """No attempt starts two jobs, and no resource has two that did not fail, in one recovery."""
    by_token: dict[str, set[str]] = defaultdict(set)
    owner: dict[str, str] = {}
    for entry in log:
        if entry.call.operation == "StartRestoreJob":
            job_id = str(entry.answer["RestoreJobId"])
            by_token[str(entry.call.params["IdempotencyToken"])].add(job_id)
            owner[job_id] = recovery_of(entry)
    yield from (f"one token made jobs {sorted(ids)}" for ids in by_token.values() if len(ids) > 1)
    good: Counter[tuple[str, str]] = Counter()
    for job in played.jobs:
        if "ParentJobId" in job:
            continue
        if job["RestoreJobId"] not in owner:
            yield f"job {job['RestoreJobId']} was started by nobody"
        elif job["Status"] == "COMPLETED":
            good[owner[job["RestoreJobId"]], job["RecoveryPointArn"]] += 1
        elif job["Status"] in ("PENDING", "RUNNING"):
            yield f"job {job['RestoreJobId']} still runs"
    if once:
        yield from (f"{point} was restored {n} times by {who}" for (who, point), n in good.items() if n > 1)


def _asked(played: Played, log: list[Entry]) -> Iterator[str]:
    """People are asked once for a vault and recovery, and once more for each request that was withdrawn."""
    sessions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for mail in played.asked:
        name = re.search(r"\b(?:r|drill)-\d{8}-\d{12}-[0-9a-f]{4}\b", mail["requesterComment"])
        sessions[name.group() if name else "", mail["resourceArn"]].add(mail["sessionArn"])
    withdrawn = {entry.call.params["SessionArn"] for entry in log if entry.call.operation == _WITHDRAW}
    for (who, vault), asked in sessions.items():
        if len(asked - withdrawn) > 1:
            yield f"people were asked {len(asked)} times for {vault} by {who}"


def _resources(story: Story, played: Played, log: list[Entry], wanted: set[str]) -> Iterator[str]:
    """What real recoveries restored is there, what drills restored is not; nothing else was ever deleted."""
    owner = {
        str(entry.answer["RestoreJobId"]): recovery_of(entry)
        for entry in log
        if entry.call.operation == "StartRestoreJob"
    }
    there = {name for kind, names in left_of(story).items() if kind != "vaults" for name in names}
    made: dict[str, str] = {}
    restored: dict[str, set[str]] = defaultdict(set)
    for job in played.jobs:
        if job["Status"] != "COMPLETED":
            continue
        who = owner.get(job["RestoreJobId"], "")
        name = re.split(r"[:/]", job["CreatedResourceArn"])[-1]
        made[name] = who
        restored[who].add(job["SourceResourceArn"])
        if who.startswith("r-") and name not in there:
            yield f"{name}, restored by {who}, is gone"
        if who.startswith("drill-") and name in there:
            yield f"{name}, restored by {who}, is left"
    prepared = {str(entry.call.params["Bucket"]) for entry in log if entry.call.operation == "CreateBucket"}
    stray = there - set(made) - prepared
    if stray:
        yield f"nobody made {sorted(stray)}"
    vaults = story.sim.client("backup").list_backup_vaults(ByVaultType="RESTORE_ACCESS_BACKUP_VAULT")
    for vault in vaults["BackupVaultList"]:
        tags = story.sim.client("backup").list_tags(ResourceArn=vault["BackupVaultArn"]).get("Tags", {})
        if tags.get("airlift:recovery", "").startswith("drill-"):
            yield f"restore-access vault {vault['BackupVaultName']} of a drill is left"
    if wanted and not any(wanted <= arns for arns in restored.values()):
        yield f"no recovery restored all of {sorted(wanted)}"


def _notices(played: Played) -> tuple[list[str], int, list[str]]:
    """Both topics get the same notices; a repeat is the same word for word."""
    texts: dict[str, set[str]] = defaultdict(set)
    times: Counter[str] = Counter()
    titles: dict[str, str] = {}
    for message in played.messages:
        found = _NOTICE.search(message["Message"])
        mark = found["id"] if found else ""
        texts[mark].add(message["Subject"] + message["Message"])
        times[mark] += 1
        titles.setdefault(mark, message["Subject"].partition(": ")[2])
    chat: Counter[str] = Counter(one["id"] for one in played.chat)
    wrong = [f"notice {mark} was repeated in other words" for mark, said in texts.items() if len(said) > 1]
    if set(chat) != set(times):
        wrong.append("people and chat were told different things")
    repeats = max([*(n - 1 for n in times.values()), *(n - 1 for n in chat.values())], default=0)
    return list(titles.values()), repeats, wrong


def _events(story: Story, played: Played) -> Iterator[str]:
    """On the stack's bus: each recovery begins once, each restored resource is told of once, each ending too."""
    details: dict[str, dict[str, Any]] = {}
    kinds: Counter[tuple[str, str, str]] = Counter()
    for event in story.sim.events.log:
        if event["source"] != "airlift":
            continue
        detail = event["detail"]
        known = details.setdefault(detail["id"], detail)
        if known != detail:
            yield f"event {detail['id']} was repeated in other words"
        if known is detail:
            kinds[event["detail-type"], detail["recoveryId"], detail.get("restoreJobId", "")] += 1
    yield from (
        f"{kind} of {who} {what} was told {n} times"
        for (kind, who, what), n in kinds.items()
        if n > 1 and kind in ("Recovery Requested", "Resource Restored")
    )
    begun = {who for kind, who, _ in kinds if kind == "Recovery Requested"}
    ended = {who for kind, who, _ in kinds if kind == "Recovery Ended"}
    if begun != ended:
        yield f"events: begun {sorted(begun)}, ended {sorted(ended)}"
    told = {what for kind, _, what in kinds if kind == "Resource Restored"}
    done = {job["RestoreJobId"] for job in played.jobs if job["Status"] == "COMPLETED" and "ParentJobId" not in job}
    if told - done:
        yield f"jobs {sorted(told - done)} were told of but did not complete"


def _evidence(story: Story) -> Iterator[str]:
    """The last ending of a recovery is in the evidence bucket, as its event says."""
    client = story.sim.client("s3")
    endings: dict[str, dict[str, Any]] = {}
    for event in story.sim.events.log:
        if event["source"] == "airlift" and event["detail-type"] == "Recovery Ended":
            endings[event["detail"]["recoveryId"]] = event["detail"]
    for who, ending in endings.items():
        bucket, _, key = ending["report"].removeprefix("s3://").partition("/")
        beside = f"{key.removesuffix('.html')}.json"
        document = json.loads(client.get_object(Bucket=bucket, Key=beside)["Body"].read())
        if document["outcome"] != ending["outcome"]:
            yield f"{who}: the report says {document['outcome']}, the event {ending['outcome']}"
