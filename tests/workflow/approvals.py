"""Incidents that turn on the approval: each way in which a request ends, and what is done about it."""

from __future__ import annotations

from local.simulation.sdk import Call, ServiceError
from local.simulation.story import DAY, TEAM_REGION, TWO_APPROVE, Story
from local.simulation.world import ORGANIZATION, OWNER, RECOVERY
from tests.workflow.playing import HOUR, console, finding, operator, scenario

NOBODY: tuple[tuple[str, str, float], ...] = ()
TWO_REJECT = (("ana", "REJECT", 20.0), ("ben", "REJECT", 40.0))
OPERATOR = f"arn:aws:sts::{RECOVERY}:assumed-role/operator/dai"


def request_of(story: Story, vault_arn: str) -> str:
    """The newest session about a vault."""
    return next(str(m["sessionArn"]) for m in reversed(story.requests()) if m["resourceArn"] == vault_arn)


def vote_in(story: Story, session_arn: str, decision: str) -> None:
    """Two approvers decide."""
    for who in ("ana", "ben"):
        story.vote(who, decision, session_arn)


def team_agrees(story: Story) -> None:
    """The team approves what was asked of it last: its own change, its end, or a revocation."""
    story.sim.run(5)
    vote_in(story, story.sessions()[-1], "APPROVE")


def silence(story: Story, until: float) -> None:
    """SNS answers with errors until a time, in epoch seconds."""

    def fail(call: Call) -> None:
        if call.operation == "Publish" and story.sim.clock.now() < until:
            raise ServiceError("InternalError", "SNS is not available.", 500)

    story.sim.before_call.append(fail)


@scenario
def rejected(story: Story) -> None:
    story.prepare()
    story.votes = TWO_REJECT
    finding(story)
    story.run_to_end()


@scenario
def expired_twice(story: Story) -> None:
    """Nobody votes, and nobody votes when it is asked anew, as often as the plan allows."""
    story.prepare()
    story.votes = NOBODY
    finding(story)
    story.run_to_end()


@scenario
def cancelled(story: Story) -> None:
    """Of two requests one is cancelled by the team's owner, the other by the requesting account."""
    story.prepare(vaults=2)
    story.votes = NOBODY
    finding(story)
    story.sim.run(60)
    for account, session_arn in zip((ORGANIZATION, RECOVERY), story.sessions(), strict=True):
        story.sim.client("mpa", account, TEAM_REGION).cancel_session(SessionArn=session_arn)
    story.run_to_end()


@scenario
def team_changed(story: Story) -> None:
    """While people vote, the team itself approves that three must agree from now on."""
    story.prepare()
    story.votes = NOBODY
    finding(story)
    story.sim.run(60)
    story.sim.client("mpa", ORGANIZATION, TEAM_REGION).update_approval_team(
        Arn=story.team_arn, ApprovalStrategy={"MofN": {"MinApprovalsRequired": 3}}
    )
    team_agrees(story)
    story.run_to_end(story.executions()[0]["executionArn"])


@scenario
def team_deleted(story: Story) -> None:
    """While people vote, the team goes, by its own approval."""
    story.prepare()
    story.votes = NOBODY
    finding(story)
    story.sim.run(60)
    mpa = story.sim.client("mpa", ORGANIZATION, TEAM_REGION)
    mpa.start_active_approval_team_deletion(Arn=story.team_arn, PendingWindowDays=0)
    team_agrees(story)
    story.run_to_end(story.executions()[0]["executionArn"])


@scenario
def approved_but_not_created(story: Story) -> None:
    """The requester's role loses mpa:StartSession before the last vote (a deployment, say); then it is mended."""
    story.prepare()
    permissions = story.sim.permissions
    role = story.sim.lambdas.named("request_vault_access").role_arn
    kept = permissions.roles[role]
    console(story)
    story.sim.run(10)
    permissions.roles[role] = [one for one in kept if "mpa:StartSession" not in str(one["Action"])]
    story.run_to_end()
    assert [action for _, action, _ in permissions.denied] == ["mpa:StartSession"]
    permissions.denied.clear()
    permissions.roles[role] = kept
    story.run_to_end(operator(story, "resume"))


@scenario
def session_unreadable(story: Story) -> None:
    """The team is no longer shared with the recovery account: votes are unknown, and count all the same."""
    story.prepare()
    story.votes = (("ana", "APPROVE", HOUR), ("ben", "APPROVE", 2 * HOUR))
    finding(story)
    story.sim.run(60)
    ram = story.sim.client("ram", ORGANIZATION, TEAM_REGION)
    (share,) = ram.get_resource_shares(resourceOwner="SELF")["resourceShares"]
    ram.disassociate_resource_share(resourceShareArn=share["resourceShareArn"], principals=[RECOVERY])
    story.run_to_end()


@scenario
def revoked_while_restoring(story: Story) -> None:
    """The vault's owner has the access revoked while a table is restored and a volume waits; resume asks anew."""
    waves = [
        {"name": "data", "match": [{"types": ["DynamoDB"]}]},
        {"name": "storage", "match": [{"types": ["EBS"]}]},
    ]
    story.prepare(("table", "volume"), waves=waves)
    execution = console(story)
    story.sim.run(HOUR, lambda: bool(story.restore_jobs()))
    (vault,) = story.records("RECOVERY#", "VAULT#")
    story.sim.client("backup", OWNER).revoke_restore_access_backup_vault(
        BackupVaultName="production0", RestoreAccessBackupVaultArn=vault["restoreAccessBackupVaultArn"]
    )
    team_agrees(story)
    story.run_to_end(execution)
    story.run_to_end(operator(story, "resume"))


@scenario
def three_answers(story: Story) -> None:
    """Three vaults side by side: approved, rejected, and expired and approved when asked anew."""
    arns = story.prepare(vaults=3)
    assert len(arns) == 3
    story.votes = NOBODY
    finding(story)
    story.sim.run(60)
    approved, refused, _ = story.vault_arns
    vote_in(story, request_of(story, refused), "REJECT")
    vote_in(story, request_of(story, approved), "APPROVE")
    story.sim.run(HOUR, lambda: len(story.restore_jobs()) == 1)
    story.sim.run(DAY)
    story.votes = TWO_APPROVE
    story.run_to_end(story.executions()[0]["executionArn"])


@scenario
def cooled_down(story: Story) -> None:
    """After a rejection a finding only tells; when the plan's time has passed, the next one starts a recovery."""
    story.prepare(approval={"coolDownMinutes": 60})
    story.votes = TWO_REJECT
    finding(story, finding_id="a" * 32)
    story.run_to_end()
    finding(story, finding_id="c" * 32)
    story.sim.run(HOUR)
    story.votes = TWO_APPROVE
    finding(story, finding_id="d" * 32)
    story.sim.run(60)
    story.run_to_end()


@scenario
def access_only(story: Story) -> None:
    """Forensics first: access alone, a day later the restores."""
    story.prepare()
    story.run_to_end(console(story, accessOnly=True, requestedBy=OPERATOR))
    assert not story.restore_jobs()
    story.sim.run(DAY)
    story.run_to_end(operator(story, "resume"))


@scenario
def stopped_by_operator(story: Story) -> None:
    """A false alarm, stopped while people vote; what comes later starts afresh, although findings cool down."""
    story.prepare()
    story.votes = NOBODY
    execution = console(story)
    story.sim.run(60)
    operator(story, "stop", reason="False alarm", requestedBy=OPERATOR)
    story.run_to_end(execution)
    story.votes = TWO_APPROVE
    story.run_to_end(console(story))


@scenario
def parent_stopped(story: Story) -> None:
    """Stopped by Step Functions' own Stop while people vote on two vaults, and resumed."""
    story.prepare(vaults=2)
    story.votes = NOBODY
    finding(story)
    story.sim.run(60)
    story.sim.client("stepfunctions").stop_execution(executionArn=story.executions()[-1]["executionArn"])
    story.sim.run(HOUR)
    story.votes = TWO_APPROVE
    story.run_to_end(operator(story, "resume"))


@scenario
def stopped_at_once(story: Story) -> None:
    """Stopped in the seconds between the request and the first look at its session."""
    story.prepare()
    story.votes = NOBODY
    execution = console(story)
    story.sim.run(HOUR, lambda: bool(story.requests()))
    operator(story, "stop")
    story.run_to_end(execution)


@scenario
def silent_hour(story: Story) -> None:
    """SNS is down from the request on for an hour; approvers are called out of band and vote meanwhile."""
    story.prepare()
    story.votes = (("ana", "APPROVE", 600.0), ("ben", "APPROVE", 3300.0))
    finding(story)
    silence(story, story.sim.clock.now() + HOUR)
    story.run_to_end()


@scenario
def silent_end(story: Story) -> None:
    """SNS is down while the recovery ends, and for an hour after; nothing else happens in the account."""
    story.prepare()
    story.votes = TWO_REJECT
    finding(story)
    story.sim.run(30)
    silence(story, story.sim.clock.now() + HOUR)
    story.run_to_end()
    story.sim.run(DAY)
