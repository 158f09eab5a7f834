"""One turn of the reconcile loop, over the ledger and what AWS Backup shows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airlift.advancing import advance_restores
from airlift.errors import OperatorNeeded, ResourcesNotRestored, VaultAccessRevoked
from airlift.ledger import Update
from airlift.values import stamp

from tests.unit.domain import EXECUTION, NOW, RECOVERY_ID, REGION, ago, an_item, refused, stored, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    from tests.unit.domain import Service, Services

    Make = Callable[..., VaultWork]

RUNNING: dict[str, Any] = {"state": "running", "jobId": "job-0", "startedAt": stamp(ago(minutes=2))}
SECOND = timedelta(seconds=1)
HELD: dict[str, Any] = {
    "state": "held",
    "heldIn": EXECUTION,
    "heldAt": stamp(ago(minutes=9)),
    "heldFrom": "running",
    "heldClass": "key",
    "reason": "no key",
}
HALT = [
    {"name": "tables", "match": [{"names": ["none"]}], "halt": {"any": True}},
    {"name": "rest", "match": [{"types": ["DynamoDB"]}]},
]
PAUSED: dict[str, Any] = {"wave": 0, "waveName": "tables"}
PAUSE = [{"name": "tables", "match": [{"types": ["DynamoDB"]}], "pauseBefore": True}]


@pytest.fixture
def backup(services: Services, monkeypatch: pytest.MonkeyPatch) -> Service:
    """AWS Backup with an open vault, where every job starts at once."""
    monkeypatch.setattr("airlift.pacing.time.sleep", lambda _: None)
    return services.play(
        "backup",
        list_restore_jobs={"RestoreJobs": []},
        describe_backup_vault={"VaultState": "AVAILABLE"},
        get_recovery_point_restore_metadata={},
        start_restore_job={"RestoreJobId": "job-1"},
    )


def test_waiting_items_are_started_and_looked_at_again_soon(work: Make, backup: Service) -> None:
    items = [an_item("a"), an_item("b")]
    w = work(*items, vault={"rounds": 3})
    assert advance_restores(w) == {"next": "wait", "waitSeconds": 5}
    assert [stored(w, item)["state"] for item in items] == ["running", "running"]
    vault = stored(w, w.vault)
    assert (vault["rounds"], vault["counts"], vault["waitingFor"]) == (
        4,
        {"waiting": 0, "running": 2, "held": 0},
        "jobs",
    )


def test_no_more_is_started_than_the_pace_allows_and_the_rest_follows_at_once(
    work: Make, backup: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [an_item(resourceArn=f"arn:aws:s3:::b{n:02}", resourceType="S3") for n in range(12)]
    w = work(*items)
    monkeypatch.setattr("airlift.vaults.VaultWork.seconds_left", lambda _: 2)
    started: list[str] = []
    monkeypatch.setattr("airlift.advancing.start", lambda _work, item, **_: started.append(item["resourceArn"]))
    assert advance_restores(w) == {"next": "wait", "waitSeconds": 0}
    assert started == [item["resourceArn"] for item in items[:9]]  # 4.5 a second


def test_what_is_due_is_sent_to_be_settled_beside_the_starts_each_at_its_own_pace(
    work: Make, backup: Service, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.play("lambda", invoke={})
    ended = [an_item(f"e{n}", **RUNNING | {"state": "settling", "settleSends": 0}) for n in range(9)]
    new = [an_item(resourceArn=f"arn:aws:s3:::b{n:02}", resourceType="S3") for n in range(9)]
    order: list[str] = []
    monkeypatch.setattr("airlift.advancing.start", lambda _work, _item, **_: order.append("start"))
    monkeypatch.setattr("airlift.advancing.settle", lambda _work, _item: order.append("settle"))
    assert advance_restores(work(*ended, *new))["next"] == "wait"
    assert order == ["start", "settle"] * 9


@pytest.mark.parametrize(("minutes", "wait"), [(0, 5), (2, 20), (10, 100), (60, 300)])
def test_the_longer_nothing_happens_the_longer_the_wait(work: Make, backup: Service, minutes: int, wait: int) -> None:
    item = an_item(**RUNNING | {"startedAt": stamp(ago(minutes=minutes))})
    assert advance_restores(work(item)) == {"next": "wait", "waitSeconds": wait}


@pytest.mark.parametrize(("others", "wait"), [([RUNNING], 300), ([], 10)])
def test_jobs_that_end_are_no_reason_to_look_more_often_but_the_vaults_end_is(
    work: Make, backup: Service, others: list[dict[str, Any]], wait: int
) -> None:
    times = {"startedAt": stamp(ago(minutes=60)), "completedAt": stamp(NOW), "settleSentAt": NOW.timestamp()}
    ended = an_item("ended", state="settling", jobId="job-9", settleSends=1, **times)
    running = [an_item("running", **other | {"startedAt": stamp(ago(minutes=60))}) for other in others]
    assert advance_restores(work(ended, *running))["waitSeconds"] == wait


def test_what_backs_off_is_looked_at_when_it_is_due(work: Make, backup: Service) -> None:
    item = an_item(dueAt=NOW.timestamp() + 7)
    assert advance_restores(work(item)) == {"next": "wait", "waitSeconds": 7}


def test_a_vault_ends_when_nothing_is_open(work: Make, backup: Service) -> None:
    w = work(an_item(state="validated"))
    assert advance_restores(w) == {"next": "done", "waitSeconds": 0}
    assert stored(w, w.vault)["ending"]["name"] == "VaultRecovered"


def test_with_only_held_resources_the_operator_is_needed_and_told_why(work: Make, backup: Service) -> None:
    with pytest.raises(OperatorNeeded, match="1 held, 0 waiting") as caught:
        advance_restores(work(an_item(**HELD)))
    assert "no key" in caught.value.what
    assert f"airlift continue {RECOVERY_ID}" in caught.value.remedy


def test_held_resources_wait_for_no_operator_while_others_run(work: Make, backup: Service) -> None:
    assert advance_restores(work(an_item("a", **HELD), an_item("b", **RUNNING)))["next"] == "wait"


def test_a_pause_waits_in_the_loop_until_the_operator_continues_after_it_began(work: Make, backup: Service) -> None:
    item = an_item(**PAUSED)
    w = work(item, waves=PAUSE)
    assert advance_restores(w) == {"next": "wait", "waitSeconds": 5}
    vault = stored(w, w.vault)
    assert (vault["waitingFor"], vault["pausedWaves"], vault["waitingSince"]) == (
        "continue",
        {"tables": stamp(NOW)},
        stamp(NOW),
    )
    assert "airlift continue" in texts(w.ledger, "paused")[0]
    paused = {"pausedWaves": {"tables": stamp(ago(minutes=10))}, "waitingSince": stamp(ago(minutes=10))}
    for continued in (
        {},
        {"continuedWaves": {"*": stamp(ago(minutes=11))}},
        {"continuedWaves": {"other": stamp(NOW)}},
    ):
        assert advance_restores(work(item, vault=paused, recovery=continued, waves=PAUSE))["waitSeconds"] == 100
    assert backup.requests("start_restore_job") == []
    w = work(item, vault=paused, recovery={"continuedWaves": {"tables": stamp(ago(minutes=9))}}, waves=PAUSE)
    advance_restores(w)
    assert stored(w, item)["state"] == "running"
    assert stored(w, w.vault)["passedWaves"] == ["tables"]


def test_a_halted_wave_ends_with_the_operator_who_may_let_it_pass(work: Make, backup: Service) -> None:
    item = an_item(wave=1, waveName="rest")
    w = work(item, vault={"waveProblems": {"0": 1}}, waves=HALT)
    with pytest.raises(OperatorNeeded, match="Failures in wave tables halt wave rest"):
        advance_restores(w)
    w.ledger.write(Update((w.recovery["pk"], w.recovery["sk"]), {"continuedWaves": {"*": "2026-11-24T08:00:00.001Z"}}))
    w.recovery = stored(w, w.recovery)
    advance_restores(w)
    assert stored(w, item)["state"] == "running"


def test_when_access_is_lost_started_jobs_go_on_and_nothing_else_is_started(work: Make, backup: Service) -> None:
    backup.answers["describe_backup_vault"] = refused("ResourceNotFoundException")
    running, waiting = an_item("a", **RUNNING), an_item("b")
    w = work(running, waiting, vault={"accessDoubtedAt": stamp(ago(minutes=2))})
    assert advance_restores(w)["next"] == "wait"
    assert stored(w, waiting)["heldClass"] == "access lost"
    assert stored(w, running)["state"] == "running"
    assert backup.requests("start_restore_job") == []
    w.ledger.write(Update((running["pk"], running["sk"]), {"state": "validated", "createdResourceArn": "arn:aws:x"}))
    with pytest.raises(VaultAccessRevoked, match=r"1 resource\(s\) were not started"):
        advance_restores(w)


def test_a_start_whose_answer_was_lost_is_repeated_until_aws_has_room_though_access_is_lost(
    work: Make, backup: Service
) -> None:
    """Its call may have made a job, which must not be forgotten."""
    backup.answers["describe_backup_vault"] = refused("ResourceNotFoundException")
    backup.answers["start_restore_job"] = refused("ThrottlingException", operation="StartRestoreJob")
    begun = an_item("a", state="starting", intentAt=stamp(ago(minutes=1)), metadata={}, token="t" * 64)
    w = work(begun, vault={"accessDoubtedAt": stamp(ago(minutes=2))})
    assert advance_restores(w)["next"] == "wait"
    assert stored(w, begun)["state"] == "starting"
    backup.answers["start_restore_job"] = {"RestoreJobId": "job-1"}
    advance_restores(w)
    assert stored(w, begun)["jobId"] == "job-1"


def test_what_can_not_be_settled_is_held_and_the_next_wave_begins(work: Make, backup: Service) -> None:
    waves = [{"name": "files", "match": [{"names": ["a"]}]}, {"name": "rest", "match": [{"types": ["DynamoDB"]}]}]
    ended = an_item("a", state="settling", jobId="job-0", settleSends=5, settleSentAt=0, waveName="files")
    later = an_item("b", wave=1, waveName="rest")
    w = work(ended, later, waves=waves)
    assert advance_restores(w) == {"next": "wait", "waitSeconds": 5}
    assert stored(w, ended)["heldClass"] == "not settled"
    advance_restores(w)
    assert stored(w, later)["state"] == "running"


def test_however_long_reading_takes_something_is_started_after_it(
    work: Make, backup: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(w: VaultWork, *_: object) -> dict[str, Any]:
        w._begun -= timedelta(seconds=61)
        return {}

    monkeypatch.setattr("airlift.advancing.restore_jobs", slowly)
    item = an_item()
    advance_restores(w := work(item))
    assert stored(w, item)["state"] == "running"


def test_access_that_seems_lost_in_one_read_is_looked_at_again(work: Make, backup: Service) -> None:
    backup.answers["describe_backup_vault"] = refused("ResourceNotFoundException")
    item = an_item()
    w = work(item)
    assert advance_restores(w) == {"next": "wait", "waitSeconds": 5}
    assert stored(w, item)["state"] == "waiting"
    assert stored(w, w.vault)["accessDoubtedAt"] == stamp(NOW)
    backup.answers["describe_backup_vault"] = {"VaultState": "AVAILABLE"}
    advance_restores(w)
    assert stored(w, item)["state"] == "running"
    assert "accessDoubtedAt" not in stored(w, w.vault)


@pytest.mark.parametrize("bound", [{"rounds": 2000}, {"loopSince": stamp(ago(days=7, seconds=1))}])
def test_the_loop_has_a_bound_from_which_a_resume_goes_on(work: Make, backup: Service, bound: Any) -> None:
    item = an_item(**RUNNING)
    with pytest.raises(OperatorNeeded, match="bound of 2000 rounds or 7 days"):
        advance_restores(work(item, vault=bound))
    resumed = {"rounds": 1999, "loopSince": stamp(ago(days=6))}
    assert advance_restores(work(item, vault=resumed))["next"] == "wait"


def test_without_a_first_sign_it_waits_and_with_one_it_selects(work: Make, backup: Service) -> None:
    unselected = {"selectedAt": None, "waitingFor": "firstSign", "waitingSince": stamp(ago(minutes=3))}
    waiting = work(vault=unselected, recovery={"firstSign": None})
    assert advance_restores(waiting) == {"next": "wait", "waitSeconds": 30}
    known = work(vault=unselected, recovery={"firstSign": None, "operatorFirstSign": stamp(ago(hours=1))})
    assert advance_restores(known) == {"next": "select", "waitSeconds": 0}
    assert backup.asked == []


@pytest.mark.parametrize("others", [[], [an_item("b", **RUNNING)]])
def test_a_resource_that_can_not_be_started_after_all_ends_like_any_other(
    work: Make, backup: Service, others: list[Any]
) -> None:
    item = an_item()
    w = work(item, *others, recovery={"joinedFirstSign": stamp(ago(days=9))}, vault={"selected": 1 + len(others)})
    if others:
        assert advance_restores(w)["next"] == "wait"
    else:
        with pytest.raises(ResourcesNotRestored, match="has moved"):
            advance_restores(w)
    assert stored(w, item)["state"] == "skipped"


def test_what_was_restored_from_after_the_first_sign_as_it_is_known_now_is_never_recovered(
    work: Make, backup: Service
) -> None:
    item = an_item(state="validated", open=None)  # closed before the earlier sign was known
    w = work(item, recovery={"joinedFirstSign": stamp(ago(hours=3))})
    with pytest.raises((ResourcesNotRestored, OperatorNeeded), match="after the first sign"):
        advance_restores(w)


@pytest.mark.parametrize(
    ("job", "state"),
    [
        ({"Status": "RUNNING", "RestoreJobId": "theirs"}, "waiting"),
        ({"Status": "PENDING", "RestoreJobId": "theirs"}, "waiting"),
        ({"Status": "COMPLETED", "RestoreJobId": "theirs"}, "running"),
        ({"Status": "RUNNING", "RestoreJobId": "job-0"}, "running"),
        ({"Status": "RUNNING", "RestoreJobId": "theirs", "ResourceType": "S3"}, "running"),
    ],
)
def test_a_types_quota_is_the_accounts_and_our_own_jobs_count_once(
    work: Make, backup: Service, monkeypatch: pytest.MonkeyPatch, job: Any, state: str
) -> None:
    monkeypatch.setattr("airlift.restore.dynamodb.DynamoDb.concurrent_restores", 2)
    backup.answers["list_restore_jobs"] = {
        "RestoreJobs": [{"ResourceType": "DynamoDB", "CreationDate": ago(hours=1)} | job]
    }
    running, waiting = an_item("a", **RUNNING), an_item("b")
    w = work(running, waiting)
    advance_restores(w)
    assert stored(w, waiting)["state"] == state


def test_others_that_start_jobs_and_a_throttled_call_slow_us_down_and_nobody_is_told(
    work: Make, backup: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots: list[float] = []
    monkeypatch.setattr("airlift.pacing.time.sleep", slots.append)
    theirs = {"Status": "RUNNING", "ResourceType": "RDS", "CreationDate": ago(seconds=50), "IamRoleArn": "theirs"}
    backup.answers["list_restore_jobs"] = {"RestoreJobs": [{"RestoreJobId": f"{n}"} | theirs for n in range(150)]}
    items = [an_item(n) for n in "abcd"]
    w = work(*items)
    advance_restores(w)
    assert slots == [0, 0.5, 1, 1.5]  # 4.5 a second, less the 150 a minute of others
    backup.answers["start_restore_job"] = refused("ThrottlingException", operation="StartRestoreJob")
    items = [an_item(n) for n in "efgh"]
    w = work(*items)
    assert advance_restores(w) == {"next": "wait", "waitSeconds": 5}
    assert [stored(w, item)["state"] for item in items] == ["starting", "waiting", "waiting", "waiting"]
    assert stored(w, {"pk": f"PACE#{REGION}", "sk": "PACE"})["pace"] == 2.25
    assert len(texts(w.ledger)) == 4  # of the starts before


def test_several_waves_under_way_at_once_wait_and_are_let_pass_each_by_its_name(work: Make, backup: Service) -> None:
    waves = [{"name": n, "match": [{"names": [n]}], "after": [], "pauseBefore": n != "a"} for n in "abc"]
    items = [an_item(n, wave="abc".index(n), waveName=n) for n in "abc"]
    w = work(*items, waves=waves)
    advance_restores(w)
    vault = stored(w, w.vault)
    assert vault["pausedWaves"] == {"b": stamp(NOW), "c": stamp(NOW)}
    assert len(texts(w.ledger, "paused")) == 2
    w.ledger.write(Update((w.recovery["pk"], w.recovery["sk"]), {"continuedWaves": {"c": stamp(NOW + SECOND)}}))
    w.recovery = stored(w, w.recovery)
    advance_restores(w)
    assert [stored(w, item)["state"] for item in items] == ["running", "waiting", "running"]
    vault = stored(w, w.vault)
    assert (vault["pausedWaves"], vault["passedWaves"]) == ({"b": stamp(NOW)}, ["c"])


def test_a_wave_that_is_held_back_as_a_whole_does_not_keep_a_later_one_from_its_turn(
    work: Make, backup: Service, services: Services
) -> None:
    open_group = {"GroupId": "sg-1", "GroupName": "quarantine", "VpcId": "vpc-1"} | {
        "IpPermissionsEgress": [{"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    }
    services.play(
        "ec2",
        describe_security_groups={"SecurityGroups": [open_group]},
        describe_subnets={"Subnets": []},
        describe_route_tables={"RouteTables": []},
    )
    waves = [{"name": "files", "match": [{"types": ["EFS"]}]}, {"name": "rest", "match": [{"types": ["DynamoDB"]}]}]
    files, table = an_item("f", resourceType="EFS", waveName="files"), an_item("t", wave=1, waveName="rest")
    w = work(files, table, waves=waves, targets={"types": {"EFS": {"securityGroupIds": ["sg-1"]}}})
    assert advance_restores(w) == {"next": "wait", "waitSeconds": 5}
    assert [stored(w, item)["state"] for item in (files, table)] == ["held", "waiting"]
    assert advance_restores(w)["next"] == "wait"
    assert [stored(w, item)["state"] for item in (files, table)] == ["held", "running"]
