"""The end of a drill: everything it restored is deleted, then its access. One call is one turn, as everywhere.

Only what the ledger of this drill names as made by it is touched. Every attempt counts, failed ones too: their jobs
may have left something. The lock is free by then, so who cleans up holds a claim on the drill's record, by time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.cleaned import SHORTEST, Left, answer, end
from airlift.errors import AirliftError, RecoveryAlreadyRuns, UnknownRecovery
from airlift.jobs import jobs_since
from airlift.ledger import Conflict, Ledger, Record, Update, item_key, merge, recovery_key, vault_key
from airlift.leftovers import Made, made_by, why_not_yet
from airlift.ownership import claim
from airlift.recovery import is_drill
from airlift.restore import family_of
from airlift.restore.base import Finishing, Restored
from airlift.revoking import close_access
from airlift.runtime import NO_ANSWER, is_transient, logger
from airlift.starting import recovery_point, target_of
from airlift.timeline import entry
from airlift.values import now, parse_time, safe_text, stamp
from airlift.vaults import VaultWork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airlift.jobs import Jobs

_LEASE = timedelta(minutes=10)
"""Longer than a turn and the wait after it."""
_TURN = timedelta(minutes=3)
_PATIENCE = timedelta(hours=6)
"""So long an execution tries; restore jobs that run can't be cancelled, and deleting a cluster takes its time."""
_PATIENCE_IF_REFUSED = timedelta(minutes=30)
"""So long if there is nothing to wait for: what is left is refused."""
_LONGEST = 60
_BELIEVED_AFTER = timedelta(seconds=60)
_NOT_DONE = (ClientError, AirliftError, *NO_ANSWER)


def clean_up_drill(ledger: Ledger, recovery_id: str, execution_arn: str) -> dict[str, Any]:
    """One turn: `{"next": "wait" | "end", "waitSeconds", "outcome", "cause"}`.

    Raises `UnknownRecovery` if this is no drill, `RecoveryAlreadyRuns` if it has not ended.
    """
    drill = _ended_drill(ledger, recovery_id)
    if _is_over(drill, execution_arn):
        return answer(ledger, drill, execution_arn)
    begun = now()
    if not _claimed(ledger, drill, execution_arn, begun):
        return _wait(_LONGEST, "Another execution cleans up.")
    vaults = list(ledger.query(recovery_key(recovery_id)[0], "VAULT#"))
    left = list(_restored_left(ledger, drill, vaults, until=begun + _TURN))
    left = left or list(_access_left(ledger, drill, vaults))
    waits = [one.again_in_seconds for one in left if one.again_in_seconds]
    patience = _PATIENCE if waits else _PATIENCE_IF_REFUSED
    if left and now() - parse_time(drill["cleanUpSince"]) < patience:
        told = f"{len(left)} left, first {left[0].what}: {left[0].why}"
        logger.info("Not clean yet", extra={"left": len(left), "first": told})
        return _wait(min(_LONGEST, max(SHORTEST, min(waits, default=_LONGEST))), told)
    current = _ended_drill(ledger, recovery_id)
    if _is_over(current, execution_arn):  # another run of this step was quicker; its report and sums stay
        return answer(ledger, current, execution_arn)
    end(ledger, drill, execution_arn, left)
    return answer(ledger, drill, execution_arn)


def _wait(seconds: int, cause: str) -> dict[str, Any]:
    return {"next": "wait", "waitSeconds": seconds, "outcome": "", "cause": cause}


def _ended_drill(ledger: Ledger, recovery_id: str) -> Record:
    drill = ledger.get(recovery_key(recovery_id))
    if drill is None or drill["mode"] != "drill" or not is_drill(recovery_id):
        raise UnknownRecovery(f"{recovery_id} is no drill that the ledger knows.", "look at `airlift status`.")
    if drill["state"] != "ENDED":
        raise RecoveryAlreadyRuns(f"Drill {recovery_id} has not ended.", f"`airlift stop {recovery_id}` ends it.")
    return drill


def _is_over(drill: Record, execution_arn: str) -> bool:
    return "cleanedUpAt" in drill or ("notCleanedUpAt" in drill and drill["cleanUpBy"] == execution_arn)


def _claimed(ledger: Ledger, drill: Record, execution_arn: str, at: datetime) -> bool:
    """Takes or renews the claim; False if another execution holds it. Changes `drill` as the ledger."""
    holder = drill.get("cleanUpBy")
    values: dict[str, Any] = {"cleanUpBy": execution_arn, "cleanUpLeaseUntil": (at + _LEASE).timestamp()}
    values |= {"cleanUpTurns": drill.get("cleanUpTurns", 0) + 1, "notCleanedUpAt": None}
    past: dict[str, float] = {}
    if holder != execution_arn:
        values["cleanUpSince"] = stamp(at)
        past["cleanUpLeaseUntil"] = at.timestamp()
    conditions = {"state": "ENDED", "cleanUpBy": holder}
    key = recovery_key(drill["recoveryId"])
    try:
        ledger.write(Update(key, values, only_if=conditions, only_if_past=past))
    except Conflict:
        return False
    merge(drill, values)
    return True


def _restored_left(ledger: Ledger, drill: Record, vaults: list[Record], until: datetime) -> Iterator[Left]:
    """Deletes what can be deleted now; gives what is left of it."""
    jobs = jobs_since(drill)
    for vault in vaults:
        arn = vault["sourceBackupVaultArn"]
        event = {key: drill[key] for key in ("recoveryId", "executionArn")} | {"sourceBackupVaultArn": arn}
        work = VaultWork(event)
        for item in ledger.query(item_key(drill["recoveryId"], arn, "")[0]):
            if "deletedAt" in item:
                continue
            if now() > until:
                yield Left(arn, "not all of its resources were looked at in this turn")
                break
            yield from _item_left(work, item, jobs)


def _item_left(work: VaultWork, item: Record, jobs: Jobs) -> Iterator[Left]:
    """Deletes what the attempts of one resource made; recorded when nothing of it is left."""
    name = item["resourceArn"]
    made = made_by(item, jobs)
    if why := why_not_yet(item, jobs, made):
        yield Left(name, why, _LONGEST)
        return
    found = [(each, _delete(work, item, each, _nested(each, jobs))) for each in made]
    left = [Left(_named(item, m), f.doing, f.again_in_seconds) for m, f in found if not f.done]
    if made and not _stays_gone(work, item, gone=not left):
        left = left or [Left(name, "it is looked at once more before it counts as deleted", _LONGEST)]
    yield from left
    if left or not made:
        return
    at = stamp(now())
    deletions = [
        {"attempt": m.attempt, "jobId": m.job_id, "createdResourceArn": m.created, "at": at, "note": _note(f)}
        for m, f in found
    ]
    what = ", ".join(f"{_named(item, m)} {_note(f)}".rstrip() for m, f in found)
    work.ledger.write(
        Update(item_key(work.recovery_id, work.vault_arn, name), {"deletions": deletions, "deletedAt": at}),
        entry(work.recovery_id, now(), "deleted", f"deleted: {what}", vault=work.vault_arn, resource=name),
    )


def _stays_gone(work: VaultWork, item: Record, *, gone: bool) -> bool:
    """Whether nothing has been seen of what an item's attempts made for a while: DescribeTable, say, may be stale."""
    since = item.get("goneSince")
    if gone is (since is None):
        place = item_key(work.recovery_id, work.vault_arn, item["resourceArn"])
        work.ledger.write(Update(place, {"goneSince": stamp(now()) if gone else None}))
    return gone and since is not None and now() - parse_time(since) >= _BELIEVED_AFTER


def _note(finishing: Finishing) -> str:
    """What is said of something that is done: a bucket of the plan's own stays, for one."""
    return f"({finishing.doing})" if finishing.doing and not finishing.again_in_seconds else ""


def _named(item: Record, made: Made) -> str:
    return made.created or f"what attempt {made.attempt} made of {item['resourceArn']}"


def _nested(made: Made, jobs: Jobs) -> list[str]:
    """What the jobs inside that of a composite made; of a failed one nobody has tagged it yet."""
    inside = (job for job in jobs.values() if made.job_id and job.get("ParentJobId") == made.job_id)
    return [job["CreatedResourceArn"] for job in inside if job.get("CreatedResourceArn")]


def _delete(work: VaultWork, item: Record, made: Made, nested: list[str]) -> Finishing:
    """One more step of deleting what an attempt made, if it is this drill's; what is in the way, in words."""
    try:
        for arn in (made.created, *nested):
            owner = claim(client, arn, work.recovery_id, item["resourceArn"])
            if owner != work.recovery_id:
                return Finishing(False, doing=f"{arn} carries the tag of recovery {owner}")
        return _deleted(work, item, made)
    except _NOT_DONE as error:
        return _not_done(_named(item, made), error)


def _not_done(what: str, error: Exception) -> Finishing:
    """What was refused is tried again, but not waited for."""
    logger.warning("Not deleted", extra={"what": what, "reason": str(error)})
    return Finishing(False, _LONGEST if is_transient(error) else 0, safe_text(str(error), 300))


def _deleted(work: VaultWork, item: Record, made: Made) -> Finishing:
    family = family_of(item["resourceType"])
    if family is None:
        return Finishing(False, doing=f"no family of type {item['resourceType']} exists any more")
    then = item | {"attempt": made.attempt, "candidate": made.candidate}
    restored = Restored(
        point=recovery_point(then),
        target=target_of(work, then),
        metadata=made.metadata,
        created_resource_arn=made.created,
        job_id=made.job_id,
    )
    return family.delete(client, restored)


def _access_left(ledger: Ledger, drill: Record, vaults: list[Record]) -> Iterator[Left]:
    for vault in vaults:
        arn, at = vault["sourceBackupVaultArn"], now()
        try:
            left = close_access(ledger, drill["recoveryId"], vault)
        except _NOT_DONE as error:
            refused = _not_done(f"access to {arn}", error)
            yield Left(f"access to {arn}", refused.doing, refused.again_in_seconds)
            continue
        yield from (Left(f"restore-access vault {name}", why) for name, why in left)
        if not left and "restoreAccessBackupVaultName" in vault and "accessClosedAt" not in vault:
            ledger.write(
                Update(vault_key(drill["recoveryId"], arn), {"accessClosedAt": stamp(at)}),
                entry(drill["recoveryId"], at, "access-closed", "access closed", vault=arn),
            )
