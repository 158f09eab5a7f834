"""From a granted vault's points to items in the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from airlift.errors import NothingToRestore
from airlift.ledger import OPEN_INDEX, Update, again_key, claim_key, item_key, keyed, looked_key, recovery_key
from airlift.selecting import select_recovery_points
from airlift.values import stamp
from airlift.vaults import VaultWork

from tests.unit.domain import EVENT, NOW, RECOVERY_ID, SECOND_VAULT, VAULT, ago, point_arn, stored, table_arn, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.ledger import Record

    from tests.unit.domain import Service, Services

    Make = Callable[..., VaultWork]

GRANTED = {"selectedAt": None, "selected": None, "state": "GRANTED"}


def a_point(resource: str, **fields: Any) -> dict[str, Any]:
    return {
        "RecoveryPointArn": point_arn(f"p-{resource}"),
        "ResourceArn": table_arn(resource),
        "ResourceType": "DynamoDB",
        "CreationDate": ago(hours=1),
        "Status": "COMPLETED",
    } | fields


def vault_of(services: Services, *points: dict[str, Any]) -> Service:
    return services.play("backup", list_recovery_points_by_backup_vault={"RecoveryPoints": list(points)})


def items(work: VaultWork) -> list[Record]:
    return list(work.ledger.query(item_key(RECOVERY_ID, VAULT, "")[0]))


def test_each_resource_becomes_an_item_in_its_wave_with_points_or_a_reason(work: Make, services: Services) -> None:
    aws = vault_of(services, a_point("a"), a_point("b"), a_point("late", CreationDate=ago(minutes=40)))
    waves = [{"name": "first", "match": [{"arns": ["*/b"]}]}]
    w = work(vault=GRANTED, waves=waves)
    assert select_recovery_points(w) == {"next": "advance", "waitSeconds": 0}
    assert aws.asked[0][1] == {"BackupVaultName": w.vault["restoreAccessBackupVaultName"]}
    a, b, late = items(w)
    assert (a["state"], a["wave"], a["waveName"], a["attempt"]) == ("waiting", 1, "unmatched", 1)
    assert (b["wave"], b["waveName"]) == (0, "first")
    assert a["candidates"][0]["arn"] == point_arn("p-a")
    assert late["state"] == "skipped"  # a first sign 30 minutes ago, and 15 minutes of margin
    assert "from after the first sign of compromise" in late["reason"]
    in_order = w.ledger.query(item_key(RECOVERY_ID, VAULT, "")[0], index=OPEN_INDEX)
    assert [item["resourceArn"] for item in in_order] == [table_arn("b"), table_arn("a"), table_arn("late")]
    vault = stored(w, w.vault)
    assert (vault["state"], vault["selected"]) == ("RESTORING", 3)
    assert texts(w.ledger, "selected") == [
        "2 of 3 resources have a usable point from before 2026-11-24T07:15:00.000Z",
    ]


def test_a_repeated_step_writes_nothing_twice_and_overwrites_nothing(
    work: Make, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airlift.selecting._RESOURCES_PER_WRITE", 2)
    vault_of(services, *(a_point(f"t{n}") for n in range(5)))
    w = work(vault=GRANTED)
    select_recovery_points(w)
    moved = items(w)[2]
    w.ledger.write(Update((moved["pk"], moved["sk"]), {"state": "running"}))
    select_recovery_points(work(vault=GRANTED))  # as if the vault's record had not been written
    after = items(w)
    assert len(after) == 5
    assert after[2]["state"] == "running"
    assert {item["state"] for n, item in enumerate(after) if n != 2} == {"waiting"}


def test_once_selected_the_vault_is_not_read_again(work: Make, services: Services) -> None:
    aws = vault_of(services)
    assert select_recovery_points(work()) == {"next": "advance", "waitSeconds": 0}
    assert aws.asked == []


def test_a_resource_that_another_vault_restores_is_skipped_and_not_missed(work: Make, services: Services) -> None:
    vault_of(services, a_point("a"), a_point("b"))
    claim = keyed(claim_key(RECOVERY_ID, table_arn("a")), vault=SECOND_VAULT)
    w = work(claim, vault=GRANTED)
    select_recovery_points(w)
    a, b = items(w)
    assert (a["state"], a["wanted"]) == ("skipped", False)
    assert SECOND_VAULT in a["reason"]
    assert b["state"] == "waiting"
    assert stored(w, keyed(claim_key(RECOVERY_ID, table_arn("b"))))["vault"] == VAULT


def test_without_a_first_sign_nothing_is_selected_and_people_are_told_once(work: Make, services: Services) -> None:
    aws = vault_of(services, a_point("a"))
    w = work(vault=GRANTED, recovery={"firstSign": None})
    assert select_recovery_points(w) == {"next": "advance", "waitSeconds": 0}
    assert stored(w, w.vault)["waitingFor"] == "firstSign"
    select_recovery_points(work(vault=GRANTED | {"waitingFor": "firstSign"}, recovery={"firstSign": None}))
    assert len(texts(w.ledger, "waiting")) == 1
    assert aws.asked == []
    assert items(w) == []


def test_latest_takes_the_newest_points(work: Make, services: Services) -> None:
    vault_of(services, a_point("a", CreationDate=ago(minutes=1)))
    w = work(vault=GRANTED, recovery={"firstSign": "latest"})
    select_recovery_points(w)
    assert items(w)[0]["state"] == "waiting"
    assert texts(w.ledger, "selected")[0].endswith("from before now")


def test_an_empty_vault_is_named(work: Make, services: Services) -> None:
    vault_of(services)
    with pytest.raises(NothingToRestore, match=VAULT):
        select_recovery_points(work(vault=GRANTED))


def test_a_resumed_recovery_asks_for_the_first_sign_again(work: Make, services: Services) -> None:
    """It was stopped while it waited for one, and ending it took the mark of waiting away."""
    vault_of(services, a_point("a"))
    for hours in range(2):
        with time_machine.travel(NOW + timedelta(hours=hours), tick=False):
            assert select_recovery_points(work(vault=GRANTED, recovery={"firstSign": None}))["next"] == "advance"


def test_people_are_told_that_a_first_sign_is_needed_and_how_it_is_given(work: Make, services: Services) -> None:
    vault_of(services, a_point("a"))
    w = work(vault=GRANTED, recovery={"firstSign": None})
    select_recovery_points(w)
    [notice] = w.ledger.query(recovery_key(RECOVERY_ID)[0], "NOTICE#")
    assert notice["title"] == f"Airlift {RECOVERY_ID}: a first sign is needed"
    assert notice["nextStep"].startswith(f"airlift first-sign {RECOVERY_ID} ")


def test_what_does_not_fit_one_call_is_selected_in_further_ones(
    work: Make, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airlift.selecting._RESOURCES_PER_WRITE", 2)
    monkeypatch.setattr("airlift.selecting._TURN", timedelta(0))
    vault_of(services, *(a_point(f"t{n}") for n in range(5)))
    w = work(vault=GRANTED)
    counts = []
    for _ in range(2):
        assert select_recovery_points(w) == {"next": "select", "waitSeconds": 0}
        w = VaultWork(dict(EVENT))
        counts.append(w.vault["selecting"]["resources"])
        assert "selectedAt" not in w.vault
    assert select_recovery_points(w) == {"next": "advance", "waitSeconds": 0}
    vault = stored(w, w.vault)
    assert (counts, vault["selected"], "selecting" in vault) == ([2, 4], 5, False)
    assert [item["resourceArn"] for item in items(w)] == [table_arn(f"t{n}") for n in range(5)]


def test_which_points_were_looked_at_is_kept_beside_the_item(work: Make, services: Services) -> None:
    vault_of(services, a_point("a"), a_point("a", RecoveryPointArn=point_arn("p-late"), CreationDate=NOW))
    w = work(vault=GRANTED)
    select_recovery_points(w)
    assert items(w)[0]["newestUsable"] == stamp(ago(hours=1))
    looked = w.ledger.get(looked_key(RECOVERY_ID, VAULT, table_arn("a"))) or {}
    assert [(one["arn"], one["why"]) for one in looked["looked"]] == [
        (point_arn("p-late"), "passed over: from after the first sign of compromise"),
        (point_arn("p-a"), "taken"),
    ]


def test_a_point_that_was_pinned_before_the_selection_is_taken(work: Make, services: Services) -> None:
    vault_of(services, a_point("a"), a_point("a", RecoveryPointArn=point_arn("pinned"), CreationDate=NOW))
    key = again_key(RECOVERY_ID, table_arn("a"))
    wish = keyed(key, resourceArn=table_arn("a"), recoveryPointArn=point_arn("pinned"), pin=True, at=stamp(NOW))
    w = work(wish, vault=GRANTED)
    select_recovery_points(w)
    [item] = items(w)
    assert (item["candidates"][0]["arn"], item["candidates"][0]["chosen"]) == (point_arn("pinned"), True)
    assert item["chosenWhy"].endswith("ALTHOUGH IT IS FROM AFTER THE FIRST SIGN OF COMPROMISE")
