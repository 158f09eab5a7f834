"""Outcomes become final and are counted once; the operator may open them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.collecting import collect, finish
from airlift.errors import ResourcesNotRestored
from airlift.ledger import Conflict, Update, again_key, claim_key, keyed, recovery_key, vault_key
from airlift.points import own_scan
from airlift.reopening import reopen_wanted_again
from airlift.values import stamp
from airlift.vault_points import chosen
from airlift.vaults import VaultWork

from tests.unit.domain import (
    EVENT,
    NOW,
    RECOVERY_ID,
    SECOND_VAULT,
    VAULT,
    ago,
    an_item,
    point_arn,
    refused,
    stored,
    table_arn,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.domain import Services

    Make = Callable[..., VaultWork]

CUT = ago(minutes=45)
DONE: dict[str, Any] = {"jobId": "job-1", "createdResourceArn": "arn:x", "endedAt": stamp(ago(minutes=5))}


def closed(name: str, **attributes: Any) -> Any:
    """An item with its outcome; a skipped one never had a job."""
    done = {} if attributes["state"] == "skipped" else DONE
    return an_item(name, open=None, **done | attributes)


def a_wish(name: str = "orders", **attributes: Any) -> Any:
    arn = table_arn(name)
    return keyed(again_key(RECOVERY_ID, arn), resourceArn=arn, at=stamp(NOW), **attributes)


def test_outcomes_leave_the_open_items_and_are_counted_by_state_wave_and_type(work: Make) -> None:
    items = [
        an_item("a", state="validated"),
        an_item("b", state="restored"),
        an_item("c", state="failed", wave=1),
        an_item("d", state="skipped", wave=1, candidates=[]),
        an_item("e", state="skipped", wave=1, candidates=[], wanted=False),
        an_item("f", state="running"),
        an_item("g", state="held"),
    ]
    w = work(*items)
    collect(w, items, CUT)
    assert [item["resourceArn"] for item in items if "open" in item] == [table_arn("f"), table_arn("g")]
    assert ["open" in stored(w, item) for item in items] == [False] * 5 + [True] * 2
    vault = stored(w, w.vault)
    assert vault["counts"] == {"validated": 1, "restored": 1, "failed": 1, "skipped": 2}
    assert vault["waveProblems"] == {"0": 1, "1": 2}
    assert vault["restoredByType"] == {"DynamoDB": 2}
    collect(w, [item for item in items if "open" in item], CUT)
    assert stored(w, w.vault)["counts"] == vault["counts"]


def test_an_item_is_counted_once_whoever_repeats_the_step(work: Make) -> None:
    item = an_item(state="validated")
    w = work(item)
    collect(w, [dict(item)], CUT)
    with pytest.raises(Conflict):
        collect(w, [dict(item)], CUT)
    assert stored(w, w.vault)["counts"] == {"validated": 1}


def test_more_outcomes_than_a_transaction_takes_are_counted_in_several(
    work: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airlift.collecting.PER_WRITE", 2)
    items = [an_item(f"t{n}", state="validated") for n in range(5)]
    w = work(*items)
    collect(w, items, CUT)
    assert stored(w, w.vault)["counts"] == {"validated": 5}
    assert not any("open" in stored(w, item) for item in items)


def test_what_was_restored_from_after_a_first_sign_that_has_moved_is_suspect(work: Make) -> None:
    early = ago(hours=1, seconds=1)
    new, old = an_item("new", state="validated"), an_item("old", state="restored", candidate=1)
    chosen = an_item("chosen", state="validated")
    chosen["candidates"][0]["chosen"] = True
    w = work(new, old, chosen)
    collect(w, [new, old, chosen], early)
    held = stored(w, new)
    assert (held["state"], held["heldClass"], held["heldFrom"]) == ("held", "suspect point", "validated")
    assert f"restored from {stamp(ago(hours=1))}, after the first sign" in held["reason"]
    assert held["attempts"][0]["recoveryPointArn"] == point_arn("new")
    assert "open" in held
    assert not {"open"} & (stored(w, old).keys() | stored(w, chosen).keys())


def test_a_vault_is_recovered_when_all_that_is_wanted_is_validated(work: Make) -> None:
    unwanted = closed("b", state="skipped", candidates=[], wanted=False)
    w = work(closed("a", state="validated"), unwanted, vault={"selected": 2})
    assert finish(w, CUT)["next"] == "done"
    vault = stored(w, w.vault)
    assert (vault["state"], vault["ending"]["name"]) == ("ENDED", "VaultRecovered")
    assert vault["ending"]["cause"] == "1 skipped, 1 validated"


@pytest.mark.parametrize(
    ("second", "selected"),
    [
        (closed("b", state="restored", reason="no item could be read"), 2),
        (closed("b", state="failed", reason="no usable point is left"), 2),
        (closed("b", state="skipped", candidates=[], reason="no usable point"), 2),
        (closed("b", state="validated"), 3),
        (closed("b", state="running", wanted=False), 2),
    ],
)
def test_a_vault_is_not_recovered_while_anything_is_missing(work: Make, second: Any, selected: int) -> None:
    w = work(closed("a", state="validated"), second, vault={"selected": selected})
    with pytest.raises(ResourcesNotRestored, match=f"of {selected} selected") as caught:
        finish(w, CUT)
    if "reason" in second:
        assert f"{second['resourceArn']} {second['state']}: {second['reason']}" in caught.value.what
    assert RECOVERY_ID in caught.value.remedy


def test_a_turn_that_another_one_has_overtaken_counts_nothing(work: Make) -> None:
    """As when the answer of the first one's call was lost, and the call was repeated while it ran."""
    items = [an_item("a", state="failed"), an_item("b", state="failed")]
    late = work(*items)
    collect(VaultWork(dict(EVENT)), items[:1], CUT)
    with pytest.raises(Conflict):
        collect(late, items[1:], CUT)
    assert stored(late, late.vault)["counts"] == {"failed": 1}
    collect(VaultWork(dict(EVENT)), items[1:], CUT)
    assert stored(late, late.vault)["counts"] == {"failed": 2}


def test_a_vault_with_a_wish_that_nobody_has_taken_does_not_end(work: Make) -> None:
    w = work(closed("orders", state="validated"), a_wish())
    assert finish(w, CUT)["next"] == "wait"
    assert "ending" not in stored(w, w.vault)


def test_what_was_restored_from_after_the_first_sign_as_it_is_known_now_is_no_recovery(work: Make) -> None:
    w = work(closed("a", state="validated"))
    with pytest.raises(ResourcesNotRestored, match="after the first sign"):
        finish(w, ago(hours=3))


def test_a_resource_that_is_wanted_again_opens_as_a_new_attempt_and_is_counted_no_more(work: Make) -> None:
    item = closed("orders", state="restored", reason="not validated")
    counts = {"counts": {"restored": 2}, "waveProblems": {"0": 1}, "restoredByType": {"DynamoDB": 2}}
    w = work(item, a_wish(), vault=counts)
    reopen_wanted_again(w)
    now = stored(w, item)
    assert (now["state"], now["attempt"], now["candidate"]) == ("waiting", 2, 0)
    assert now["open"] == f"0000#0000#{table_arn('orders')}"
    assert now["attempts"][0].items() >= {"jobId": "job-1", "status": "RESTORED", "createdResourceArn": "arn:x"}.items()
    vault = stored(w, w.vault)
    assert (vault["counts"], vault["waveProblems"], vault["restoredByType"]) == ({"restored": 1}, {}, {"DynamoDB": 1})
    assert "takenAt" in stored(w, a_wish())
    reopen_wanted_again(w)
    assert stored(w, item)["attempt"] == 2


def test_an_attempt_that_failed_is_kept_once_when_it_is_wanted_again(work: Make) -> None:
    known = {"attempt": 1, "jobId": "job-1", "status": "FAILED"}
    w = work(item := closed("orders", state="failed", attempts=[known]), a_wish())
    reopen_wanted_again(w)
    now = stored(w, item)
    assert (now["attempt"], now["attempts"], now["countedFrom"]) == (2, [known], 1)


def test_a_wish_waits_until_the_resource_has_an_outcome(work: Make) -> None:
    item = an_item(state="running", jobId="job-1")
    w = work(item, a_wish())
    reopen_wanted_again(w)
    assert stored(w, item)["state"] == "running"
    assert "takenAt" not in stored(w, a_wish())


def test_the_point_that_the_operator_names_goes_first(work: Make, services: Services) -> None:
    described = {"CreationDate": NOW, "BackupSizeInBytes": 5, "ResourceArn": table_arn("orders"), "Status": "COMPLETED"}
    aws = services.play("backup", describe_recovery_point=described)
    item = closed("orders", state="skipped", candidates=[], reason="no usable point")
    w = work(item, a_wish(recoveryPointArn=point_arn("named")))
    reopen_wanted_again(w)
    now = stored(w, item)
    assert now["candidates"] == [
        {"arn": point_arn("named"), "createdAt": stamp(NOW), "sizeBytes": 5, "chosen": True},
    ]
    assert now["chosenWhy"] == "chosen by the operator, ALTHOUGH IT IS FROM AFTER THE FIRST SIGN OF COMPROMISE"
    assert now["state"] == "waiting"
    assert (now["attempts"], now["countedFrom"]) == ([], 0)
    assert aws.requests("describe_recovery_point")[0]["BackupVaultName"] == w.vault["restoreAccessBackupVaultName"]


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ([{"ScanJobState": "COMPLETED"}], ""),
        ([], ", ALTHOUGH IT IS NOT SCANNED, OR WHOSE SCAN FAILED"),
        ([{"ScanJobState": "FAILED", "Findings": ["MALWARE"]}], ", ALTHOUGH IT IS WITH A MALWARE FINDING"),
    ],
)
def test_a_named_points_own_scan_counts(work: Make, services: Services, results: Any, says: str) -> None:
    arn = "arn:aws:ec2:ap-northeast-1:111122223333:volume/vol-1"
    about = {"CreationDate": ago(days=9), "ResourceArn": arn, "ResourceType": "EBS", "Status": "COMPLETED"}
    services.play("backup", describe_recovery_point=about | {"ScanResults": results})
    point, why = chosen(work(points={"malware": "require"}), arn, point_arn("named"), ago(hours=1))
    assert why == f"chosen by the operator{says}"
    assert point["scan"] == own_scan({"ScanResults": results})


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (refused("ResourceNotFoundException"), "DynamoDB", "can't be read: ResourceNotFoundException"),
        ({"CreationDate": NOW, "ResourceArn": table_arn("others")}, "DynamoDB", f"is one of {table_arn('others')}"),
        ({}, "Unheard", "type Unheard is not restored by Airlift"),
    ],
)
def test_a_wish_that_can_not_be_granted_is_refused_with_words_and_changes_nothing(
    work: Make, services: Services, answer: Any, kind: str, words: str
) -> None:
    services.play("backup", describe_recovery_point=answer)
    item = closed("orders", state="skipped", resourceType=kind)
    w = work(item, a_wish(recoveryPointArn=point_arn("named")))
    reopen_wanted_again(w)
    assert stored(w, item) == item
    assert words in stored(w, a_wish())["refusedBy0"]
    assert words in texts(w.ledger, "again")[0]


def test_of_two_vaults_only_the_one_that_restores_the_resource_takes_the_wish(work: Make) -> None:
    item = closed("orders", state="skipped", candidates=[], wanted=False)
    claim = keyed(claim_key(RECOVERY_ID, table_arn("orders")), vault=SECOND_VAULT)
    w = work(item, a_wish(), claim)
    reopen_wanted_again(w)
    assert stored(w, item) == item
    assert "takenAt" not in stored(w, a_wish())
    w.ledger.write(Update((claim["pk"], claim["sk"]), {"vault": VAULT}))
    reopen_wanted_again(w)
    assert stored(w, item)["state"] == "waiting"


def listed(name: str, created: Any) -> dict[str, Any]:
    return {
        "RecoveryPointArn": point_arn(name),
        "ResourceArn": table_arn("orders"),
        "ResourceType": "DynamoDB",
        "CreationDate": created,
        "Status": "COMPLETED",
    }


def test_restored_again_before_a_time_takes_an_older_point_than_was_kept(work: Make, services: Services) -> None:
    points = [listed("new", ago(hours=1)), listed("older", ago(days=8)), listed("oldest", ago(days=20))]
    aws = services.play("backup", list_recovery_points_by_backup_vault={"RecoveryPoints": points})
    item = closed("orders", state="validated")
    w = work(item, a_wish(before=stamp(ago(days=7)), reason="logs show it"))
    reopen_wanted_again(w)
    now = stored(w, item)
    assert (now["state"], now["attempt"], now["candidate"]) == ("waiting", 2, 0)
    assert [point["arn"] for point in now["candidates"]] == [point_arn("older"), point_arn("oldest")]
    assert now["attempts"][0]["createdResourceArn"] == "arn:x"
    assert aws.requests("list_recovery_points_by_backup_vault")[0]["ByResourceArn"] == table_arn("orders")
    [said] = texts(w.ledger, "again")
    assert f"the point of {stamp(ago(days=8))}" in said
    assert said.endswith("Reason: logs show it")


def test_a_time_before_all_points_is_refused_with_what_was_passed_over(work: Make, services: Services) -> None:
    points = {"RecoveryPoints": [listed("new", ago(hours=1))]}
    services.play("backup", list_recovery_points_by_backup_vault=points)
    item = closed("orders", state="validated")
    w = work(item, a_wish(before=stamp(ago(days=7))))
    reopen_wanted_again(w)
    assert stored(w, item) == item
    assert "no usable point (passed over: 1 from after" in texts(w.ledger, "again")[0]


def test_a_vault_whose_points_can_not_be_read_refuses_a_time(work: Make, services: Services) -> None:
    services.play("backup", list_recovery_points_by_backup_vault=refused("AccessDeniedException"))
    w = work(item := closed("orders", state="validated"), a_wish(before=stamp(ago(days=7))))
    reopen_wanted_again(w)
    assert stored(w, item) == item
    assert "points can't be read: AccessDeniedException" in texts(w.ledger, "again")[0]


def described(services: Services) -> None:
    point = {"CreationDate": ago(days=1), "ResourceArn": table_arn("orders"), "Status": "COMPLETED"}
    services.play("backup", describe_recovery_point=point)


def test_a_pin_on_what_waits_changes_its_point_and_not_its_attempt(work: Make, services: Services) -> None:
    described(services)
    item = an_item("orders")
    w = work(item, a_wish(recoveryPointArn=point_arn("pin"), pin=True, reason="known good"))
    reopen_wanted_again(w)
    now = stored(w, item)
    assert (now["state"], now["attempt"], now["open"]) == ("waiting", 1, item["open"])
    assert [point["arn"] for point in now["candidates"]] == [point_arn(name) for name in ("pin", "new", "old")]
    assert texts(w.ledger, "again") == [
        f"pinned: the point of {stamp(ago(days=1))}, chosen by the operator. Reason: known good"
    ]
    reopen_wanted_again(w)
    assert stored(w, item) == now


def test_a_pin_releases_what_is_held_and_comes_too_late_for_what_is_under_way(work: Make, services: Services) -> None:
    described(services)
    held = an_item("orders", state="held", heldFrom="running", heldAt=stamp(NOW), heldIn="arn:x", jobId="job-1")
    w = work(held, a_wish(recoveryPointArn=point_arn("pin"), pin=True))
    reopen_wanted_again(w)
    now = stored(w, held)
    assert (now["state"], now["attempt"], now["attempts"][0]["jobId"]) == ("waiting", 2, "job-1")
    running = an_item("orders", state="running", jobId="job-2")
    w = work(running, a_wish(recoveryPointArn=point_arn("pin"), pin=True))
    reopen_wanted_again(w)
    assert stored(w, running) == running
    assert "its restore has been started" in stored(w, a_wish())["refusedBy0"]


@pytest.mark.parametrize(
    ("second", "answered"),
    [({"selectedAt": stamp(NOW)}, True), ({"state": "ENDED"}, True), ({"state": "REQUESTED"}, False)],
)
def test_a_pin_of_what_no_vault_has_selected_is_answered_once_all_have(work: Make, second: Any, answered: bool) -> None:
    other = keyed(vault_key(RECOVERY_ID, SECOND_VAULT), sourceBackupVaultArn=SECOND_VAULT, order=1, **second)
    wish = a_wish(recoveryPointArn=point_arn("pin"), pin=True)
    w = work(wish, other, recovery={"vaults": [VAULT, SECOND_VAULT]})
    for _ in range(2):
        reopen_wanted_again(w)
    assert ("takenAt" in stored(w, wish)) is answered
    assert len(texts(w.ledger, "again")) == answered
    notices = list(w.ledger.query(recovery_key(RECOVERY_ID)[0], "NOTICE#"))
    assert [RECOVERY_ID in one["nextStep"] for one in notices] == [True] * answered
