"""Nothing starts before the operator has confirmed what was selected, if the plan wants that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlift.advancing import advance_restores
from airlift.ledger import Update, recovery_key
from airlift.values import stamp
from airlift.vaults import VaultWork

from tests.unit.domain import EVENT, NOW, RECOVERY_ID, an_item, stored, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.domain import Services

    Make = Callable[..., VaultWork]

CONFIRMED = {"points": {"confirmBeforeRestoring": True}}


def test_restoring_waits_for_the_operators_continue_and_asks_once(work: Make, services: Services) -> None:
    aws = services.play(
        "backup",
        list_restore_jobs={"RestoreJobs": []},
        describe_backup_vault={"VaultState": "AVAILABLE"},
        get_recovery_point_restore_metadata={"RestoreMetadata": {}},
        start_restore_job={"RestoreJobId": "job-1"},
    )
    item = an_item()
    w = work(item, **CONFIRMED)
    answers = [advance_restores(w), advance_restores(VaultWork(dict(EVENT)))]
    assert [answer["next"] for answer in answers] == ["wait", "wait"]
    assert answers[0]["waitSeconds"] >= 5
    vault = stored(w, w.vault)
    assert vault["waitingFor"] == "continue"
    assert len(texts(w.ledger, "paused")) == 1
    [notice] = w.ledger.query(recovery_key(RECOVERY_ID)[0], "NOTICE#")
    assert notice["nextStep"] == f"airlift continue {RECOVERY_ID}"
    assert not aws.requests("start_restore_job")
    w.ledger.write(Update(recovery_key(RECOVERY_ID), {"continuedAt": stamp(NOW)}))
    advance_restores(VaultWork(dict(EVENT)))
    assert stored(w, item)["state"] == "running"
    assert stored(w, w.vault)["confirmedAt"] == stamp(NOW)
