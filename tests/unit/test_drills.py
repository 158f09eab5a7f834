"""Drills: who gets the lock, what is left to delete and whose it is, and what the janitor comes back for."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import InvalidInput, RecoveryAlreadyRuns
from airlift.inputs import parse_input
from airlift.janitor import tidy_up
from airlift.ledger import Delete, Ledger, Record, chore_key, keyed, last_key, lock_key, recovery_key
from airlift.leftovers import made_by, why_not_yet
from airlift.names import derived_name
from airlift.operator import act
from airlift.ownership import claim
from airlift.receiving import receive
from airlift.recovery import recovery_id
from airlift.restore.base import Target
from airlift.values import stamp

from local.simulation.policies import allows
from local.simulation.template import translated
from tests.unit.domain import (
    ACCOUNT,
    EXECUTION,
    NOW,
    RECOVERY_ID,
    SECOND_EXECUTION,
    VAULT,
    a_lock,
    a_recovery,
    a_vault,
    ago,
    an_item,
    plan_document,
    point_arn,
    refused,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    from tests.unit.domain import Services

    Given = Callable[..., None]

DRILL = f"drill-20261124-{ACCOUNT}-cd34"
START = {"account": ACCOUNT, "reason": "exercise"}


def a_drill(**attributes: Any) -> Record:
    record = a_recovery(recoveryId=DRILL, mode="drill", **attributes)
    return record | {"pk": recovery_key(DRILL)[0]}


@pytest.fixture
def states(services: Services, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A plan, topics, and executions that run."""
    from airlift import receiving
    from airlift.plan import Plan
    from airlift.plan_store import PlanVersion

    plan = PlanVersion(Plan.from_document(plan_document()), "0123456789ab", "plans/0123456789ab.json")
    for module in (receiving, __import__("airlift.operator", fromlist=["x"])):
        monkeypatch.setattr(module, "newest_plan", lambda: plan)
    services.play("sns", publish={})
    return services.play("stepfunctions", describe_execution={"status": "RUNNING"}, stop_execution={})


def test_a_drill_says_so_in_its_id_and_takes_the_newest_points(ledger: Ledger, states: Any) -> None:
    outcome = receive(ledger, EXECUTION, START | {"drill": True})
    assert outcome["recoveryId"] == recovery_id(EXECUTION, ACCOUNT, NOW, drill=True)
    recovery = ledger.get(recovery_key(outcome["recoveryId"])) or {}
    assert (recovery["mode"], recovery["firstSign"]) == ("drill", "latest")
    assert ledger.get(chore_key(outcome["recoveryId"]))


@pytest.mark.parametrize("holder", [RECOVERY_ID, DRILL])
def test_a_drill_waits_for_whatever_runs(ledger: Ledger, given: Given, states: Any, holder: str) -> None:
    given(a_lock(recovery_id=holder), a_drill(), a_recovery())
    with pytest.raises(RecoveryAlreadyRuns, match=holder):
        receive(ledger, SECOND_EXECUTION, START | {"drill": True})


def test_a_drill_takes_no_access_of_another_recovery() -> None:
    with pytest.raises(InvalidInput, match="adoptVault"):
        parse_input(START | {"drill": True, "adoptVault": "adopt"}, now=NOW)


@pytest.mark.parametrize("how", ["start", "resume"])
@pytest.mark.parametrize("stopped", [{}, refused("ExecutionDoesNotExist")])
def test_a_real_recovery_takes_the_lock_of_a_drill(
    ledger: Ledger, given: Given, states: Any, how: str, stopped: Any
) -> None:
    given(a_lock(recovery_id=DRILL), a_drill(), a_recovery(state="ENDED", outcome="Stopped"), a_vault())
    states.answers["stop_execution"] = stopped
    document = START if how == "start" else {"recoveryId": RECOVERY_ID}
    outcome = receive(ledger, SECOND_EXECUTION, document)
    assert outcome["outcome"] == "accepted"
    lock = ledger.get(lock_key(ACCOUNT)) or {}
    assert (lock["recoveryId"], lock["executionArn"]) == (outcome["recoveryId"], SECOND_EXECUTION)
    drill = ledger.get(recovery_key(DRILL)) or {}
    assert drill["preemptedBy"] == outcome["recoveryId"]
    [asked] = states.requests("stop_execution")
    assert (asked["executionArn"], asked["error"]) == (EXECUTION, "DrillPreempted")


@pytest.mark.parametrize("action", ["resume", "restore-again", "clean-up"])
def test_an_ended_drill_takes_no_action_but_its_clean_up(
    ledger: Ledger, given: Given, states: Any, action: str
) -> None:
    given(a_drill(state="ENDED", outcome="Recovered", endedAt=stamp(NOW)))
    more = {"resourceArns": [an_item()["resourceArn"]]} if action == "restore-again" else {}
    read = parse_input({"recoveryId": DRILL, "action": action, **more}, now=NOW)
    if action == "clean-up":
        assert act(ledger, SECOND_EXECUTION, read, NOW)["outcome"] == "cleanUp"  # type: ignore[arg-type]
        assert receive(ledger, SECOND_EXECUTION, {"recoveryId": DRILL, "action": action})["outcome"] == "cleanUp"
    else:
        with pytest.raises(InvalidInput, match="start a new drill"):
            act(ledger, SECOND_EXECUTION, read, NOW)  # type: ignore[arg-type]


def test_nothing_of_a_real_recovery_is_cleaned_up(ledger: Ledger, given: Given, states: Any) -> None:
    given(a_recovery(state="ENDED"))
    with pytest.raises(InvalidInput, match="real recovery"):
        receive(ledger, SECOND_EXECUTION, {"recoveryId": RECOVERY_ID, "action": "clean-up"})


# -- what is left


def test_every_attempt_may_have_made_something_also_one_that_failed() -> None:
    failed = {"attempt": 1, "candidate": 0, "recoveryPointArn": point_arn("new"), "jobId": "one", "status": "FAILED"}
    failed |= {"createdResourceArn": "", "metadata": {"targetTableName": "a-1"}}
    never = failed | {"attempt": 2, "jobId": "", "metadata": {}}
    tried: dict[str, Any] = {"attempt": 3, "attempts": [failed, never], "jobId": "two"}
    item = an_item(state="validated", createdResourceArn="", metadata={"targetTableName": "a-3"}, **tried)
    item |= {"candidates": [{"arn": point_arn("chosen"), "createdAt": stamp(NOW)}, *item["candidates"]], "candidate": 0}
    jobs = {
        "one": {"Status": "FAILED", "CreatedResourceArn": "arn:aws:dynamodb:::table/a-1"},
        "two": {"Status": "COMPLETED"},
    }
    made = made_by(item, jobs)
    assert [(m.attempt, m.candidate, m.job_id, m.created) for m in made] == [
        (1, 1, "one", "arn:aws:dynamodb:::table/a-1"),
        (3, 0, "two", ""),
    ]
    assert why_not_yet(item, jobs, made) == ""


FIRST = {"attempt": 1, "candidate": 0, "jobId": "j", "metadata": {"targetTableName": "a"}, "createdResourceArn": ""}


@pytest.mark.parametrize(
    ("item", "status", "why"),
    [
        ({"state": "running", "jobId": "j"}, "RUNNING", "can't be cancelled"),
        ({"state": "running", "jobId": "j"}, None, "not in AWS Backup's list"),
        ({"state": "running", "jobId": "j"}, "ABORTED", ""),
        ({"state": "settling", "jobId": "j", "leaseUntil": NOW.timestamp() + 9}, "COMPLETED", "finishing"),
        ({"state": "starting", "intentAt": stamp(ago(minutes=4))}, None, "may still turn up"),
        ({"state": "starting", "intentAt": stamp(ago(minutes=6))}, None, ""),
        (
            {"state": "starting", "intentAt": stamp(ago(minutes=6)), "attempt": 2, "attempts": [FIRST]},
            "RUNNING",
            "j runs",
        ),
        ({"state": "waiting"}, None, ""),
    ],
)
@pytest.mark.usefixtures("stack")
def test_what_may_still_come_is_waited_for(item: Any, status: str | None, why: str) -> None:
    jobs = {"j": {"Status": status}} if status else {}
    item = an_item(**{"metadata": {"targetTableName": "a"}, **item})
    found = why_not_yet(item, jobs, made_by(item, jobs))
    assert why in found
    assert bool(found) == bool(why)


def test_what_shows_up_again_must_stay_gone_anew(work: Callable[..., VaultWork]) -> None:
    from airlift.cleaning import _stays_gone

    w = work(item := an_item(goneSince=stamp(ago(seconds=59))))
    assert not _stays_gone(w, item, gone=True)
    assert not _stays_gone(w, item, gone=False)
    assert "goneSince" not in (item := stored(w, item))
    assert not _stays_gone(w, item, gone=True)
    assert stored(w, item)["goneSince"] == stamp(NOW)
    assert _stays_gone(w, item | {"goneSince": stamp(ago(seconds=60))}, gone=True)


# -- whose it is


@pytest.mark.parametrize(("tagged", "owner"), [("", DRILL), (DRILL, DRILL), (RECOVERY_ID, RECOVERY_ID)])
def test_what_carries_no_tag_is_tagged_first_and_anothers_stays_anothers(
    services: Services, tagged: str, owner: str
) -> None:
    tags = [{"Key": "airlift:recovery", "Value": tagged}] if tagged else []
    ec2 = services.play("ec2", describe_tags={"Tags": tags}, create_tags={})
    assert claim(lambda _: ec2, "arn:aws:ec2:ap-northeast-1:444455556666:volume/vol-1", DRILL, "s" * 300) == owner
    written = [request["Tags"] for request in ec2.requests("create_tags")]
    both = [{"Key": "airlift:recovery", "Value": DRILL}, {"Key": "airlift:source", "Value": "s" * 256}]
    assert written == ([] if tagged else [both])


def statements(function: str) -> list[Any]:
    """The function's statements, as the template has them, in the story's account."""
    role = translated()["Resources"][f"{function}FunctionRole"]["Properties"]["Policies"]
    text = json.dumps([policy["PolicyDocument"]["Statement"] for policy in role])
    for name, value in {"Partition": "aws", "Region": "ap-northeast-1", "AccountId": "444455556666"}.items():
        text = text.replace("${AWS::" + name + "}", value)

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return plain(value["Fn::Sub"]) if "Fn::Sub" in value else {k: plain(v) for k, v in value.items()}
        return [plain(one) for one in value] if isinstance(value, list) else value

    return [plain(one) for policy in json.loads(text) for one in policy]


@pytest.mark.parametrize("attempt", [1, 7, 10, 42, 100])
@pytest.mark.parametrize("source", ["orders", f"x-{DRILL}-1", f"x-{DRILL}-1-", f"{DRILL}-12"])
def test_the_end_of_a_name_tells_a_drills_from_a_real_recoverys(source: str, attempt: int) -> None:
    policy = [one for one in statements("CleanUpDrill") if "Fn::GetAtt" not in str(one.get("Resource"))]

    def may_delete(recovery: str) -> list[bool]:
        target = Target(recovery, "444455556666", "ap-northeast-1", attempt)
        name = derived_name(target, source, alphabet="a-z0-9-", longest=63, lower=True)
        table = f"arn:aws:dynamodb:ap-northeast-1:444455556666:table/{name}"
        return [
            allows(policy, "dynamodb:DeleteTable", table),
            allows(policy, "s3:DeleteBucket", f"arn:aws:s3:::{name}"),
            allows(policy, "s3:DeleteObjectVersion", f"arn:aws:s3:::{name}/any/{DRILL}-1/x-{DRILL}-1/key"),
        ]

    assert may_delete(RECOVERY_ID) == [False] * 3
    assert may_delete(DRILL)[:2] == [attempt < 100] * 2


@pytest.mark.parametrize(
    ("tag", "drills", "janitors"), [(DRILL, True, False), (RECOVERY_ID, False, True), ("", False, False)]
)
def test_each_role_deletes_only_the_vaults_and_tags_only_the_volumes_it_should(
    tag: str, drills: bool, janitors: bool
) -> None:
    vault, volume = (f"arn:aws:{rest}" for rest in (f"backup:ap-northeast-1:444455556666:backup-vault:{tag}-1",
                                                    "ec2:ap-northeast-1:444455556666:volume/vol-1"))  # fmt: skip
    context = {"aws:ResourceTag/airlift:recovery": tag} if tag else {}
    for function, may in (("CleanUpDrill", drills), ("Janitor", janitors)):
        assert allows(statements(function), "backup:DeleteBackupVault", vault, context) is may
    policy = statements("CleanUpDrill")
    assert allows(policy, "ec2:DeleteVolume", volume, context) is drills
    for asked in (DRILL, RECOVERY_ID):
        request = context | {"aws:RequestTag/airlift:recovery": asked}
        for one in (volume, "arn:aws:ec2:ap-northeast-1::image/ami-1", "arn:aws:ec2:ap-northeast-1::snapshot/snap-1"):
            assert allows(policy, "ec2:CreateTags", one, request) is (not tag and asked == DRILL)


# -- the janitor


ENDED = {"state": "ENDED", "outcome": "Stopped", "endedAt": stamp(ago(hours=1))}


@pytest.mark.parametrize(
    ("drill", "found"),
    [
        (ENDED, {"clean-up started": 1}),
        (ENDED | {"endedAt": stamp(NOW)}, {"just ended": 1}),
        (ENDED | {"cleanUpLeaseUntil": NOW.timestamp() + 5}, {"being cleaned up": 1}),
        (ENDED | {"notCleanedUpAt": stamp(ago(hours=23))}, {"not clean": 1}),
        (ENDED | {"notCleanedUpAt": stamp(ago(hours=25))}, {"clean-up started": 1}),
        (
            ENDED | {"endedAt": stamp(ago(days=8)), "notCleanedUpAt": stamp(ago(days=2)), "cleanUpBy": EXECUTION},
            {"given up": 1},
        ),
        (ENDED | {"endedAt": stamp(ago(days=8)), "cleanUpBy": EXECUTION}, {"given up": 1}),
        (ENDED | {"endedAt": stamp(ago(days=8))}, {"clean-up started": 1}),
        (ENDED | {"cleanedUpAt": stamp(NOW)}, {"clean": 1}),
        ({"state": "RUNNING"}, {"running": 1}),
    ],
)
def test_the_janitor_starts_a_clean_up_that_nobody_does(
    ledger: Ledger, given: Given, states: Any, drill: Any, found: Any
) -> None:
    given(a_drill(**drill), keyed(chore_key(DRILL), recoveryId=DRILL))
    states.answers["start_execution"] = {"executionArn": SECOND_EXECUTION, "startDate": NOW}
    assert tidy_up(ledger) == found
    started = [json.loads(request["input"]) for request in states.requests("start_execution")]
    assert started == ([{"recoveryId": DRILL, "action": "clean-up"}] if "clean-up started" in found else [])
    assert (ledger.get(chore_key(DRILL)) is None) == bool({"given up", "clean"} & found.keys())


def test_the_janitor_has_closed_what_a_lost_event_left_open(
    ledger: Ledger, given: Given, states: Any, services: Services
) -> None:
    given(a_drill(preemptedBy=RECOVERY_ID), keyed(chore_key(DRILL), recoveryId=DRILL))
    states.answers["describe_execution"] = {"status": "ABORTED"}
    function = services.play("lambda", invoke={})
    assert tidy_up(ledger) == {"closed": 1}
    [asked] = function.requests("invoke")
    assert json.loads(asked["Payload"]) == {"executionArn": EXECUTION}


@pytest.mark.parametrize(("days", "ended", "closed"), [(7, 8, True), (7, 6, False), (None, 900, False)])
@pytest.mark.usefixtures("states")
def test_the_janitor_closes_access_when_the_plan_says(
    ledger: Ledger,
    given: Given,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    days: Any,
    ended: int,
    closed: bool,
) -> None:
    from airlift import janitor
    from airlift.plan import Plan
    from airlift.plan_store import PlanVersion

    plan = Plan.from_document(plan_document(access={"closeAfterDays": days}))
    monkeypatch.setattr(janitor, "newest_plan", lambda: PlanVersion(plan, "", ""))
    own = a_vault()["restoreAccessBackupVaultName"]
    vaults = {own: RECOVERY_ID, "adopted-by-another": "r-other"}

    def described(BackupVaultName: str) -> dict[str, str]:  # noqa: N803
        if BackupVaultName not in vaults:
            raise refused("ResourceNotFoundException")
        arn = f"arn:aws:backup:ap-northeast-1:444455556666:backup-vault:{BackupVaultName}"
        about = {"BackupVaultName": BackupVaultName, "BackupVaultArn": arn, "SourceBackupVaultArn": VAULT}
        return about | {"VaultState": "AVAILABLE"}

    backup = services.play(
        "backup",
        list_backup_vaults=lambda **_: {"BackupVaultList": [{"BackupVaultName": name} for name in vaults]},
        describe_backup_vault=described,
        list_tags=lambda ResourceArn: {"Tags": {"airlift:recovery": vaults[ResourceArn.rpartition(":")[2]]}},  # noqa: N803
        delete_backup_vault=lambda BackupVaultName: vaults.pop(BackupVaultName) and {},  # noqa: N803
    )
    at = stamp(NOW - timedelta(days=ended))
    given(a_recovery(state="ENDED", outcome="Recovered", endedAt=at), a_vault())
    given(keyed(chore_key(RECOVERY_ID), recoveryId=RECOVERY_ID))
    given(a_lock())  # it is resumed between two looks
    assert tidy_up(ledger) == {"access being closed" if closed else "access kept": 1}
    assert own in vaults
    ledger.write(Delete(lock_key(ACCOUNT), only_if={}))
    found = [tidy_up(ledger), tidy_up(ledger)]
    assert found == [
        {"access being closed" if closed else "access kept": 1},
        {"access closed" if closed else "access kept": 1},
    ]
    assert (own not in vaults) is closed
    assert "adopted-by-another" in vaults
    assert len(backup.requests("delete_backup_vault")) == closed
    assert (ledger.get(chore_key(RECOVERY_ID)) is None) is closed
    assert ledger.get(last_key(ACCOUNT)) is None
