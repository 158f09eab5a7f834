"""What holds after every incident, whatever happened in it (design: the ledger's invariants)."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from airlift.evidence import flaws, parts_in

from tests.workflow.reports import check_report

if TYPE_CHECKING:
    from tests.workflow.scenarios import Played

OUTCOMES = {"validated", "restored", "failed", "skipped"}


def attempts_of(item: dict[str, Any]) -> list[tuple[Any, str, str]]:
    """(number, job id, recovery point) of every attempt of an item that has a job."""
    present = {
        "attempt": item["attempt"],
        "jobId": item.get("jobId", ""),
        "recoveryPointArn": item["candidates"][int(item["candidate"])]["arn"] if item["candidates"] else "",
    }
    told = {a["attempt"]: a for a in [present, *item["attempts"]]}
    return [(n, a["jobId"], a["recoveryPointArn"]) for n, a in told.items() if a["jobId"]]


def check(played: Played) -> None:
    """Compares the ledger with itself and with what AWS Backup knows. Raises AssertionError."""
    items = played.of("ITEM#")  # a drill and a recovery may have restored the same resource
    known = [(item["resourceArn"], *attempt) for item in items for attempt in attempts_of(item)]
    ids = Counter(job_id for _, _, job_id, _ in known)
    # Jobs inside a composite point's job are that one's.
    jobs = {job["RestoreJobId"]: job for job in played.jobs if "ParentJobId" not in job}
    assert set(ids) == set(jobs), "the ledger and AWS Backup know different jobs"
    assert max(ids.values(), default=1) == 1, "two attempts share a job"
    for arn, number, job_id, point in known:
        assert jobs[job_id]["RecoveryPointArn"] == point, f"{arn} attempt {number} has the job of another point"
    created = [job["CreatedResourceArn"] for job in played.jobs if job["Status"] == "COMPLETED"]
    assert len(created) == len(set(created)), "two jobs made one resource"
    for record in played.records:
        if record["sk"] == "RECOVERY":
            _check_recovery(played, record)


def _check_recovery(played: Played, recovery: dict[str, Any]) -> None:
    running = {one["executionArn"] for one in played.recoveries if one["status"] == "RUNNING"}
    assert (recovery["state"] == "RUNNING") == (recovery["executionArn"] in running), "state and execution differ"
    locks = [r for r in played.records if r["sk"] == "LOCK"]
    assert all(lock["executionArn"] in running for lock in locks), "an ended execution holds a lock"
    if recovery["state"] == "RUNNING":
        return
    assert recovery["outcome"]
    assert recovery["cause"]
    assert recovery["reportKey"]
    if recovery["outcome"] != "Recovered":
        assert "Next step:" in recovery["cause"] or "airlift" in recovery["cause"], recovery["cause"]
    _check_evidence(played, recovery)
    check_report(played, recovery)
    mine = f"RECOVERY#{recovery['recoveryId']}"
    vaults = [r for r in played.records if r["pk"] == mine and r["sk"].startswith("VAULT#")]
    for vault in vaults:
        items = [i for i in played.of("ITEM#") if i["pk"] == f"{mine}#{vault['sourceBackupVaultArn']}"]
        if vault.get("selectedAt"):
            assert len(items) == vault["selected"]
        for item in items:
            assert "open" in item or item["state"] in OUTCOMES
            assert item["state"] in {*OUTCOMES, "held", "running", "starting", "settling", "waiting"}
            if item["state"] in ("held", "failed", "restored", "skipped"):
                assert item["reason"], f"{item['resourceArn']} gives no reason"
        if vault.get("ending", {}).get("name") == "VaultRecovered":
            left = {i["state"] for i in items if i["wanted"]}
            assert left <= {"validated"}, f"recovered with {left}"
            assert not [i for i in items if "open" in i], "recovered with open items"
    if recovery["outcome"] == "Recovered":
        assert all(vault["ending"]["name"] == "VaultRecovered" for vault in vaults)


def _check_evidence(played: Played, recovery: dict[str, Any]) -> None:
    """What is kept has no flaw, and holds the ledger's whole timeline."""
    place = f"recoveries/{recovery['recoveryId']}/"
    files = {key.removeprefix(place): data for key, data in played.kept.items() if key.startswith(place)}
    assert flaws(files) == []
    lines = [json.loads(line) for part in parts_in(files) for line in part.splitlines()]
    mine = f"RECOVERY#{recovery['recoveryId']}"
    timeline = [r["sk"] for r in played.of("TIMELINE#") if r["pk"] == mine]
    kept = [f"TIMELINE#{line['key']}" for line in lines if line["record"] == "entry"]
    assert set(kept) == set(timeline), "the evidence lacks, or has more than, what the ledger tells"
    assert [one for one in played.of(f"{recovery['account']}#") if one.get("recoveryId") == recovery["recoveryId"]]
