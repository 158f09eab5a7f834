"""Resources that the operator wants once more, or from a pinned point, are opened by the vault's one writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.collecting import counting
from airlift.errors import InvalidInput
from airlift.items import IN_FLIGHT, attempted, candidate_of, fresh_attempt, told
from airlift.ledger import Change, Conflict, Record, Update, again_key, item_key, merge
from airlift.points import moment_of
from airlift.recovery import cut_off
from airlift.restore import family_of
from airlift.runtime import is_transient, logger
from airlift.selecting import open_key
from airlift.timeline import entry
from airlift.values import now, parse_time, stamp
from airlift.vault_points import chosen, look_up
from airlift.wishes import STARTED, is_open_elsewhere, is_unknown, refused_here, wanted_here, wishes

if TYPE_CHECKING:
    from datetime import datetime

    from airlift.vaults import VaultWork


def reopen_wanted_again(work: VaultWork) -> None:
    """Opens what the operator wants; what is in flight and wanted again waits until it has an outcome."""
    for wish in wishes(work):
        item = wanted_here(work, wish)
        if item is None and is_unknown(work, wish):
            _refuse_unknown(work, wish)
        if item is None or (item["state"] in IN_FLIGHT and "pin" not in wish):
            continue
        taken: dict[str, Any] = {"takenAt": stamp(now())}
        try:
            changes = _granted(work, item, wish)
        except InvalidInput as error:
            what = "not pinned" if "pin" in wish else "not restored again"
            changes = [told(work, item, "again", f"{what}: {error}")]
            if is_open_elsewhere(work, wish):  # the point may be one of another vault's
                taken = {}
            taken[refused_here(work)] = str(error)
        changes.append(_taken(work, wish, taken))
        try:
            work.ledger.write(*changes, holder=work.holder)
        except Conflict:
            logger.info("Another vault, or turn, was faster", extra={"resource": item["resourceArn"]})
        else:
            if refused_here(work) not in taken and "open" not in item:
                merge(work.vault, counting(work, [item], -1).values)


def _taken(work: VaultWork, wish: Record, values: dict[str, Any]) -> Update:
    key = again_key(work.recovery_id, wish["resourceArn"])
    return Update(key, values, only_if={"at": wish["at"], "takenAt": None})


def _refuse_unknown(work: VaultWork, wish: Record) -> None:
    """Tells people that a pin names no resource of the recovery, as nobody could know when it was given."""
    arn, at, by = wish["resourceArn"], now(), wish.get("by", "an operator")
    text = f"not pinned: no vault of this recovery has selected {arn}, for which {by} gave a point"
    step = (
        f"copy the ARN from `airlift status {work.recovery_id}` and pin again; what is restored by then, "
        f"`airlift restore-again {work.recovery_id} ARN --point ARN` restores from the point that is meant."
    )
    changes: list[Change] = [
        _taken(work, wish, {"takenAt": stamp(at)}),
        entry(work.recovery_id, at, "again", text, resource=arn),
        work.notice(f"pin#{wish['at']}#{arn}", "a pin names no resource", text, step),
    ]
    try:
        work.ledger.write(*changes, holder=work.holder)
    except Conflict:
        logger.info("Another vault has told so", extra={"resource": arn})


def _granted(work: VaultWork, item: Record, wish: Record) -> list[Change]:
    """The changes that open the item as it is wanted. Raises `InvalidInput` if that can't be done."""
    points = _points(work, item, wish)
    values: dict[str, Any] = {"dueAt": None} if "pin" in wish and item["state"] == "waiting" else _reopened(item)
    values |= points
    if "open" not in item:
        values["open"] = open_key(item["wave"], item["priority"], item["resourceArn"])
    key = item_key(work.recovery_id, work.vault_arn, item["resourceArn"])
    changes: list[Change] = [Update(key, values, only_if={"state": item["state"], "attempt": item["attempt"]})]
    if "open" not in item:
        changes.append(counting(work, [item], -1))
    return [*changes, told(work, item, "again", _in_words(item | values, wish))]


def _in_words(item: Record, wish: Record) -> str:
    what = "pinned" if "pin" in wish else f"restored again, attempt {item['attempt']}, as the operator wants"
    if "recoveryPointArn" in wish or "before" in wish:
        what += f": the point of {stamp(moment_of(candidate_of(item)))}, {item['chosenWhy']}"
    return f"{what}. Reason: {wish['reason']}" if "reason" in wish else what


def _points(work: VaultWork, item: Record, wish: Record) -> dict[str, Any]:
    """The item's candidates as the operator wants them; nothing if the choice is left as it is."""
    if family_of(item["resourceType"]) is None:
        raise InvalidInput(f"type {item['resourceType']} is not restored by Airlift.", "restore it by hand.")
    if "pin" in wish and item["state"] in STARTED:
        raise InvalidInput("its restore has been started.", "give the point with `airlift restore-again … --point`.")
    arn, cut = item["resourceArn"], _cut(work, wish)
    if "recoveryPointArn" in wish:
        point, why = chosen(work, arn, wish["recoveryPointArn"], cut)
        others = [other for other in item["candidates"] if other["arn"] != point["arn"]]
        return {"candidates": [point, *others], "candidate": 0, "chosenWhy": why}
    if "before" in wish:
        try:
            found = look_up(work, arn, cut)
        except ClientError as error:
            if is_transient(error):
                raise
            code = error.response["Error"]["Code"]
            raise InvalidInput(f"the vault's points can't be read: {code}.", "see whether access is open.") from error
        if found is None or found.skip:
            why = found.why if found else "no point"
            raise InvalidInput(f"at or before {stamp(cut)} the vault shows {why}.", "give another time, or a point.")
        why = f"{found.why}, at or before {stamp(cut)}, as the operator wants"
        return {"candidates": list(found.candidates), "candidate": 0, "chosenWhy": why, "notAfter": stamp(cut)}
    return {}


def _cut(work: VaultWork, wish: Record) -> datetime:
    """The wish's own time if it lies before the cut-off."""
    cut = cut_off(work.recovery, work.plan.points.margin_minutes) or parse_time(work.recovery["createdAt"])
    return min(cut, parse_time(wish["before"])) if "before" in wish else cut


def _reopened(item: Record) -> dict[str, Any]:
    """A next attempt, with what was made by the earlier ones kept in mind."""
    attempts = item["attempts"]
    if item.get("jobId") and all(known["attempt"] != item["attempt"] for known in attempts):
        attempts = attempted(item, item["state"].upper(), "restored again")
    return fresh_attempt(item) | {"attempts": attempts, "countedFrom": len(attempts), "wanted": True}
