"""What an operator has in the end-to-end tests: the console, the command line, and approvers who answer."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from airlift_cli import snapshot
from airlift_cli.reading import Reading

from local.cloud import accounts, deploy
from local.cloud.running import RECOVERY, REGION, ROOT, WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.cloud.story import Story

MACHINE = f"arn:aws:states:{REGION}:{RECOVERY}:stateMachine:airlift-recovery"
PATIENCE = 90.0
PLAN = WORK / f"e2e-plan-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.yaml"
"""Two processes of the tests have a local cloud each, and each cloud a plan of its own."""
T = TypeVar("T")


class Desk:
    """People in the recovery account, at the command line with no more than their policies give them."""

    def __init__(self, told: Story) -> None:
        self.story = told
        self.cloud = told.cloud
        self.states = told.cloud.client("stepfunctions", RECOVERY)
        stack = told.cloud.client("cloudformation", RECOVERY).describe_stacks(StackName=deploy.STACK)["Stacks"][0]
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        policies = accounts.admit_people(self.cloud, outputs)
        viewer = policies["ViewerPolicyArn"]
        self.responder = self._hired("responder", [viewer, policies["ResponderPolicyArn"]])
        self.operator = self._hired("operator", [viewer, policies["OperatorPolicyArn"]])
        self.reading = Reading(self._resource(self.responder, "dynamodb").Table(outputs["LedgerTableName"]))
        """What `airlift status` reads; a look takes a process less."""

    def _hired(self, name: str, policies: list[str]) -> dict[str, str]:
        """The environment of somebody who has a role with these policies."""
        iam, sts = self.cloud.client("iam", RECOVERY), self.cloud.client("sts", RECOVERY)
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{RECOVERY}:root"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        for policy in policies:
            iam.attach_role_policy(RoleName=name, PolicyArn=policy)
        key = sts.assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
        return self.cloud.environment(RECOVERY) | {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_SESSION_TOKEN": key["SessionToken"],
        }

    def _resource(self, who: dict[str, str], service: str) -> Any:
        session: Any = boto3.Session(
            aws_access_key_id=who["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=who["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=who["AWS_SESSION_TOKEN"],
            region_name=REGION,
        )
        return session.resource(service, endpoint_url=who["AWS_ENDPOINT_URL"])

    def sample(self, name: str, **changes: Any) -> dict[str, Any]:
        """An input out of events/, with members replaced."""
        document: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
        return document | changes

    def console(self, document: dict[str, Any]) -> str:
        """Start an execution as a person in the console does; its ARN."""
        started = self.states.start_execution(stateMachineArn=MACHINE, input=json.dumps(document))
        return str(started["executionArn"])

    def executions(self) -> list[str]:
        """The executions of the recovery state machine, newest first."""
        listed = self.states.list_executions(stateMachineArn=MACHINE)["executions"]
        return [execution["executionArn"] for execution in listed]

    def ended(self, execution_arn: str) -> dict[str, Any]:
        """An execution once it has ended, `output` decoded."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.states.describe_execution(executionArn=execution_arn)
            return found if found["status"] != "RUNNING" else None

        found = until(look, f"{execution_arn} to end")
        return found | {"output": json.loads(found.get("output", "null"))}

    def airlift(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line, with JSON as its output, as operator (plans, tests of notices) or responder."""
        who = self.operator if arguments[0] in ("plan", "notify-test") else self.responder
        return subprocess.run(
            [deploy.AIRLIFT, "--stack", deploy.STACK, "--json", *arguments],
            env=who,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def newest(self) -> str:
        """The newest recovery's id, "" if there is none."""
        return next((str(one["recoveryId"]) for one in self.reading.recent(1)), "")

    def new_recovery(self, before: str) -> str:
        """The id of a recovery that begins after `before`."""
        return until(lambda: found if (found := self.newest()) != before else None, "a recovery to begin")

    def status(self, recovery_id: str) -> dict[str, Any]:
        """One recovery with everything that the ledger knows, as `airlift status` prints it."""
        seen = snapshot.document(self.reading.snapshot(recovery_id))
        found: dict[str, Any] = json.loads(json.dumps(seen, default=str))
        return found

    def waits_for(self, recovery_id: str, what: str) -> None:
        """Wait until the recovery's vault waits for something: approval, firstSign, continue, jobs."""
        until(lambda: self.status(recovery_id)["vaultRecords"][0].get("waitingFor") == what, f"waiting for {what}")

    def session(self, recovery_id: str) -> str:
        """The session in which this recovery's request is voted on."""

        def look() -> str | None:
            mails = self.story.requests()
            return next((m["sessionArn"] for m in reversed(mails) if recovery_id in m["requesterComment"]), None)

        return until(look, "the approvers' mail")

    def vote(self, recovery_id: str, decision: str = "APPROVE") -> None:
        """Two of three approvers vote."""
        session = self.session(recovery_id)
        for approver in list(accounts.APPROVERS)[:2]:
            self.story.vote(session, approver, decision)

    def plan(self, *, pause: bool = False) -> None:
        """Put the story's plan in force."""
        plan = self.story.plan(PLAN, pause=pause)
        deploy.run([deploy.AIRLIFT, "--stack", deploy.STACK, "plan", "deploy", str(plan)], self.operator)

    def close_access(self) -> None:
        """Delete the restore-access vaults that earlier tests got, as an operator would."""
        backup = self.cloud.client("backup", RECOVERY)
        for vault in backup.list_backup_vaults(ByVaultType="RESTORE_ACCESS_BACKUP_VAULT")["BackupVaultList"]:
            backup.delete_backup_vault(BackupVaultName=vault["BackupVaultName"])

    def stop_everything(self) -> None:
        """Leave nothing running for the next test."""
        for arn in self.executions():
            if self.states.describe_execution(executionArn=arn)["status"] == "RUNNING":
                self.states.stop_execution(executionArn=arn, error="TestEnded", cause="the test has ended")
        until(lambda: not (found := self.newest()) or self.status(found)["state"] == "ENDED", "everything to be closed")

    @contextmanager
    def voting(self, before: str) -> Iterator[None]:
        """Approvers who answer the next recovery while something else is waited for."""
        thread = threading.Thread(target=lambda: self.vote(self.new_recovery(before)))
        thread.start()
        yield
        thread.join(PATIENCE)


def until(look: Callable[[], T | None], what: str) -> T:
    """What `look` finds, once it finds something."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.1)
    return found
