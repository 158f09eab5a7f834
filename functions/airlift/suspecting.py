"""What came back from a point that lies after the first sign as it is known now: that data may be the attacker's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.endings import VAULT_RECOVERED, next_step_at_end
from airlift.errors import ResourcesNotRestored
from airlift.items import candidate_of
from airlift.ledger import Update, item_key, vault_key
from airlift.points import moment_of
from airlift.recovery import cut_off
from airlift.timeline import entry
from airlift.values import now, stamp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from airlift.ledger import Holder, Ledger, Record


def is_after(item: Record, cut: datetime) -> bool:
    """Whether the item's point lies after the cut-off as it stands now; a point that the operator chose never does."""
    point = candidate_of(item)
    return not point.get("chosen") and moment_of(point) > cut


def after_sign(item: Record) -> str:
    """Why such an item is suspect."""
    at = moment_of(candidate_of(item))
    return f"restored from {stamp(at)}, after the first sign of compromise as it is known now"


def doubt(ledger: Ledger, recovery: Record, vaults: Iterable[Record], holder: Holder | None) -> None:
    """Takes `VaultRecovered` back from vaults of which this became known after their end. Changes `vaults` as well."""
    identity = recovery["recoveryId"]
    for vault in vaults:
        found = _suspects(ledger, recovery, vault)
        if not found:
            continue
        arn, at = vault["sourceBackupVaultArn"], now()
        named = " ".join(item["resourceArn"] for item in found[:3])
        told = "; ".join(f"{item['resourceArn']} {after_sign(item)}" for item in found[:3])
        step = f"isolate what was restored; then `airlift restore-again {identity} {named}`"
        text = f"{arn}: {len(found)} suspect. {told}. Next step: {next_step_at_end(identity, step)}"
        ending = {"name": ResourcesNotRestored.__name__, "cause": text, "at": stamp(at)}
        ledger.write(
            Update(vault_key(identity, arn), {"ending": ending}, only_if={"ending": vault["ending"]}),
            entry(identity, at, "vault-ended", f"{ending['name']}: {text}", vault=arn),
            holder=holder,
        )
        vault["ending"] = ending


def _suspects(ledger: Ledger, recovery: Record, vault: Record) -> list[Record]:
    """What a recovered vault has restored from after the cut-off; read only if that has moved since the vault's end."""
    if vault.get("ending", {}).get("name") != VAULT_RECOVERED or "cutOff" not in vault:
        return []
    cut = cut_off(recovery, vault["marginMinutes"])
    if cut is None or stamp(cut) >= vault["cutOff"]:
        return []
    items = ledger.query(item_key(recovery["recoveryId"], vault["sourceBackupVaultArn"], "")[0])
    return [item for item in items if item["state"] == "validated" and is_after(item, cut)]
