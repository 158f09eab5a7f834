"""Finishing and validating one restored resource: the work of settle_restore."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.errors import AirliftError, Superseded, UnknownResource
from airlift.items import change, told
from airlift.ledger import Conflict, Record, Update, item_key
from airlift.restore.base import Finishing, Restored, Validation
from airlift.runtime import NO_ANSWER, logger
from airlift.starting import family_for, recovery_point, target_of
from airlift.validating import ask
from airlift.values import now, parse_time, safe_text, stamp

if TYPE_CHECKING:
    from airlift.vaults import VaultWork

_LEASE = timedelta(seconds=260)
"""Longer than the function may run, so that two never work on one item."""
_AGAIN_AFTER_ERROR = 60
_BELIEVED_AFTER = timedelta(minutes=2)
"""So long a resource must look wrong: what was just made is not seen everywhere at once.

DescribeTable, for one, is eventually consistent (API_DescribeTable.html), and so is EC2's API
(docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html).
"""
_LOOKED_AGAIN_AFTER = 30
_ASKED_FOR = timedelta(hours=6)
"""So long the plan's validation function may ask for more time."""


def settle(work: VaultWork, resource_arn: str, attempt: int) -> dict[str, Any]:
    """Takes a lease on the item, finishes and validates it, and writes its outcome; the loop reads that.

    An answer that comes late, for an attempt or state that is past, changes nothing.
    """
    item = work.ledger.get(item_key(work.recovery_id, work.vault_arn, resource_arn))
    if item is None or item["state"] != "settling" or item["attempt"] != attempt:
        return {"state": "past"}
    moment = now()
    lease = (moment + _LEASE).timestamp()
    taking = Update(
        item_key(work.recovery_id, work.vault_arn, resource_arn),
        {"leaseUntil": lease},
        only_if={"state": "settling", "attempt": attempt},
        only_if_past={"leaseUntil": moment.timestamp()},
    )
    try:
        work.ledger.write(taking, holder=work.holder)
    except (Conflict, Superseded):
        return {"state": "leased"}
    try:
        values, text = _settled(work, item)
    except (ClientError, AirliftError, *NO_ANSWER) as error:
        # Tried again by the loop, some times; then held for the operator with these words.
        logger.warning("Not settled", extra={"reason": str(error)})
        doing = f"finishing failed: {safe_text(str(error), 300)}"
        values, text = {"doing": doing, "dueAt": _in(_AGAIN_AFTER_ERROR)}, ""
    entries = [told(work, item, values["state"], text)] if "state" in values else []
    try:
        change(work, item, {"leaseUntil": None} | values, *entries)
    except (Conflict, Superseded):
        return {"state": "past"}  # moved on, or another execution carries on and settles it anew
    about = {"job_id": item["jobId"], "state": values.get("state", "settling"), "doing": values.get("doing")}
    logger.info("Settled", extra=about)
    return {"state": values.get("state", "settling")}


def _settled(work: VaultWork, item: Record) -> tuple[dict[str, Any], str]:
    """The attributes to write, and the timeline's words if there is an outcome."""
    family = family_for(item)
    if not item.get("createdResourceArn"):
        raise UnknownResource(
            f"job {item['jobId']} names no created resource.", "look it up in the AWS Backup console."
        )
    restored = Restored(
        point=recovery_point(item),
        target=target_of(work, item),
        metadata=item["metadata"],
        created_resource_arn=item["createdResourceArn"],
        status_message=item.get("statusMessage", ""),
        job_id=item["jobId"],
    )
    finishing = family.finish(client, restored)
    if not finishing.done:
        return {"doing": finishing.doing, "dueAt": _in(finishing.again_in_seconds), "settleSends": 0}, ""
    validation: Validation = family.validate(client, restored)
    doubted = parse_time(item.get("doubtedSince") or stamp(now()))
    if not validation.ok and now() - doubted < _BELIEVED_AFTER:
        doing = {"doing": f"{validation.how}; looked at again", "dueAt": _in(_LOOKED_AGAIN_AFTER), "settleSends": 0}
        return doing | {"doubtedSince": stamp(doubted)}, ""
    function = restored.target.options.get("validationFunction")
    if validation.ok and function:
        answer = ask(function, restored)
        asked = parse_time(item.get("askedSince") or stamp(now()))
        if isinstance(answer, Finishing) and now() - asked < _ASKED_FOR:
            doing = {"doing": answer.doing, "dueAt": _in(answer.again_in_seconds), "settleSends": 0}
            return doing | {"askedSince": stamp(asked)}, ""
        if isinstance(answer, Finishing):
            answer = Validation(False, f"{answer.doing}, after {_ASKED_FOR.total_seconds() / 3600:.0f} hours")
        validation = Validation(answer.ok, f"{validation.how}; {answer.how}" if answer.ok else answer.how)
    ended: dict[str, Any] = {"endedAt": stamp(now()), "doing": None}
    ended |= {"endpoints": family.endpoints(client, restored) or None}
    if validation.ok:
        return ended | {"state": "validated", "validatedHow": validation.how}, validation.how
    text = f"restored, but not validated: {validation.how}"
    step = (
        f"look at {item['createdResourceArn']}; then `airlift restore-again {work.recovery_id} {item['resourceArn']}`."
    )
    return ended | {"state": "restored", "reason": text, "nextStep": step}, text


def _in(seconds: int) -> float:
    return now().timestamp() + seconds
