"""Where the report and the map get into the evidence bucket: at every ending, after a clean-up, and on demand."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.endings import Ending
from airlift.errors import PlanInvalid, UnknownRecovery
from airlift.keeping import folder, keep, put
from airlift.ledger import Update, recovery_key
from airlift.mapping import map_of, parameters, tfvars
from airlift.plan_store import plan_at
from airlift.recovery import is_drill
from airlift.report import report
from airlift.report_page import page
from airlift.runtime import NO_ANSWER, is_transient, logger, setting
from airlift.values import now, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airlift.ledger import Ledger, Record
    from airlift.plan import Plan

_MOST_PARAMETERS = 300
_PACE = 0.35
"""Seconds between two of them: Systems Manager takes three PutParameter a second (general/latest/gr/ssm.html)."""


class Written(NamedTuple):
    """A report that lies in the bucket."""

    document: dict[str, Any]
    key: str
    """Of report.json; report.html, map.json and map.auto.tfvars lie beside it."""
    parameters: str = ""
    """In words, what became of the map's Systems Manager parameters; empty if none were wanted."""

    @property
    def page(self) -> str:
        """Where people find the page."""
        return page_at(self.key)


def page_at(report_key: str) -> str:
    """Address of the page beside a report.json."""
    return f"s3://{setting('EVIDENCE_BUCKET')}/{report_key.removesuffix('.json')}.html"


def write(
    ledger: Ledger,
    recovery: Record,
    vaults: Sequence[Record],
    endings: Mapping[str, Ending],
    ending: Ending,
    at: datetime,
    name: str,
) -> Written:
    """Writes report and map into a folder of the recovery's; the same `name` writes the same files anew."""
    document = report(ledger, recovery, vaults, endings, ending, _plan(recovery), at)
    place = f"{folder(recovery['recoveryId'])}report-{name}/"
    old_to_new = map_of(document)
    for file, text, kind in (
        ("report.json", _json(document), "application/json"),
        ("report.html", page(document), "text/html; charset=utf-8"),
        ("map.json", _json(old_to_new), "application/json"),
        ("map.auto.tfvars", tfvars(old_to_new), "text/plain; charset=utf-8"),
    ):
        put(setting("EVIDENCE_BUCKET"), place + file, text.encode(), kind)
    return Written(document, f"{place}report.json", _publish(old_to_new))


def write_as_it_stands(ledger: Ledger, recovery: Record, name: str) -> Written:
    """Writes the report of a recovery as the ledger has it, ended or not."""
    vaults = list(ledger.query(recovery_key(recovery["recoveryId"])[0], "VAULT#"))
    endings = {vault["sourceBackupVaultArn"]: _ending(vault) for vault in vaults}
    outcome, cause = recovery.get("outcome") or recovery["state"], recovery.get("cause") or "It has not ended."
    ending = Ending(str(outcome), str(cause))
    return write(ledger, recovery, vaults, endings, ending, now(), name)


def write_on_demand(ledger: Ledger, recovery_id: str) -> dict[str, Any]:
    """Writes a report that somebody asked for, and the evidence as it stands. Raises `UnknownRecovery`.

    Gives `{"recoveryId", "report": the page's address, "reportKey"}`.
    """
    recovery = ledger.get(recovery_key(recovery_id))
    if recovery is None:
        raise UnknownRecovery(f"The ledger knows no recovery {recovery_id}.", "look the id up with `airlift status`.")
    written = write_as_it_stands(ledger, recovery, f"asked-{now():%Y%m%dT%H%M%S.%fZ}")
    ledger.write(Update(recovery_key(recovery_id), {"reportKey": written.key}))
    if recovery["state"] != "CLOSING":  # a closing that is done again writes its files anew: no sums yet
        keep(ledger, recovery_id)
    return {"recoveryId": recovery_id, "report": written.page, "reportKey": written.key}


def _ending(vault: Record) -> Ending:
    if ended := vault.get("ending"):
        return Ending(ended["name"], ended["cause"])
    return Ending(vault["state"], f"Waiting for {vault['waitingFor']}." if vault.get("waitingFor") else "Under way.")


def _plan(recovery: Record) -> Plan | None:
    """The plan that the recovery recorded; a report without its objectives is better than none."""
    try:
        return plan_at(recovery["planKey"])
    except (ClientError, PlanInvalid) as error:
        if is_transient(error):
            raise
        logger.warning("No objectives: the recovery's plan can't be read", extra={"reason": str(error)})
        return None


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _publish(old_to_new: Mapping[str, Any]) -> str:
    """Writes the map into Systems Manager if the stack is to; a drill's would be gone in a moment.

    What can't be written is told, and stands in map.json all the same.
    """
    if is_drill(old_to_new["recoveryId"]) or setting("MAP_PARAMETERS") != "true" or not old_to_new["validated"]:
        return ""
    systems, done = client("ssm"), 0
    for name, value in parameters(old_to_new):
        if done == _MOST_PARAMETERS:
            break
        try:
            systems.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
        except (ClientError, *NO_ANSWER) as error:
            logger.warning("The map's parameters are not complete", extra={"reason": str(error)})
            return f"{done} parameters written; the next was refused: {safe_text(str(error), 300)}"
        done += 1
        time.sleep(_PACE)
    place = f"/airlift/{old_to_new['recoveryId']}/"
    return f"{done} of {len(old_to_new['validated'])} restored resources stand as parameters under {place}"
