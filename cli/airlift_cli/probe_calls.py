"""The steps of `airlift probe` that need no access: single calls that leave nothing."""

from __future__ import annotations

import json

from airlift_cli.probe_run import OWNER, TEAM, TEAM_REGION, Finding, Run, judged, refusal

NOT_THERE = ("ResourceNotFoundException", "AccessDeniedException")


def missing_vault(run: Run) -> Finding:
    """How a vault that is not there is refused."""
    code, text, _ = refusal(run.client("backup").describe_backup_vault, BackupVaultName=run.named("absent"))
    return judged(code in NOT_THERE, text)


def quota_name(run: Run) -> Finding:
    """What Service Quotas calls Step Functions' rate."""
    pages = run.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="states")
    names = [one["QuotaName"] for page in pages for one in page["Quotas"]]
    found = [name for name in names if name.startswith("StateTransition throttle token refill rate")]
    return judged(bool(found), ", ".join(found) or f"none of {len(names)} quotas is called so")


def team_type(run: Run) -> Finding:
    """What RAM calls an approval team."""
    ram = run.client("ram", region=TEAM_REGION)
    kinds = {one["type"] for one in ram.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"]}
    return judged("mpa:approval-team" in kinds, ", ".join(sorted(kinds)) or "nothing is shared")


def plan_of_absent_vault(run: Run) -> Finding:
    """A backup plan for a vault that is not there."""
    backup = run.client("backup", OWNER)
    rule = {"RuleName": "daily", "TargetBackupVaultName": run.named("absent")}
    plan = {"BackupPlanName": run.named(), "Rules": [rule]}
    code, text, answer = refusal(backup.create_backup_plan, BackupPlan=plan)
    if not code:
        backup.delete_backup_plan(BackupPlanId=answer["BackupPlanId"])
    return judged(code == "InvalidParameterValueException", text)


def share_elsewhere(run: Run) -> Finding:
    """A team shared in the vault's Region."""
    arn = run.client("mpa", TEAM, TEAM_REGION).list_approval_teams()["ApprovalTeams"][0]["Arn"]
    ram = run.client("ram", TEAM)
    code, text, answer = refusal(ram.create_resource_share, name=run.named(), resourceArns=[arn])
    if not code:
        ram.delete_resource_share(resourceShareArn=answer["resourceShare"]["resourceShareArn"])
    return judged(code == "UnknownResourceException", text)


def event_pattern(run: Run) -> Finding:
    """Whether one object of a list has to meet all that a pattern asks."""
    findings = [{"kind": "a", "level": "high"}, {"kind": "b", "level": "low"}]
    event = {
        **dict.fromkeys(("id", "detail-type", "source"), "airlift.probe"),
        "account": run.vault.split(":")[4],
        "region": run.vault.split(":")[3],
        "time": "2026-01-01T00:00:00Z",
        "resources": [],
        "detail": {"findings": findings},
    }

    def meets(kind: str, level: str) -> bool:
        pattern = json.dumps({"detail": {"findings": {"kind": [kind], "level": [level]}}})
        answer = run.client("events").test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
        return bool(answer["Result"])

    one, mixed = meets("a", "high"), meets("a", "low")
    return judged(one and not mixed, f"one object that meets all: {one}; two that meet a part each: {mixed}")
