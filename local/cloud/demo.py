"""`make demo`: an incident and its recovery, on this machine, from the finding to the comparison of every byte.

`MODE=drill` is an exercise of the same path instead: nobody attacks, and at the end nothing of it must be left.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from rich.console import Console

from local.cloud import accounts, comparing, deploy, drill, story
from local.cloud.running import ORGANIZATION, PRODUCTION, RECOVERY, TEAM_REGION, WORK, Cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local.cloud.story import Story

PATIENCE = 120.0
_ANSWERS = {"a": "APPROVE", "r": "REJECT"}


class Demo:
    """One run; `say` prints what is being done and when."""

    def __init__(self, cloud: Cloud, console: Console) -> None:
        self.cloud = cloud
        self.console = console
        self._began = time.monotonic()

    def say(self, words: str) -> None:
        """A line with the seconds since the start."""
        self.console.print(f"[dim]{time.monotonic() - self._began:5.1f} s[/]  {words}", highlight=False, soft_wrap=True)

    def prepare(self, *, attack: bool = True) -> Story:
        """Airlift deployed into the recovery account, and the story told so far; both at a time."""
        runtime = deploy.runtime()
        self.say("Airlift is built and deployed into the recovery account: sam build, sam deploy")
        with ThreadPoolExecutor(1) as side:
            deployed = side.submit(lambda: deploy.deploy(self.cloud, deploy.build(runtime), runtime))
            told = story.begin(self.cloud, self.say)
            planned = side.submit(lambda: self._after(deployed, told))
            story.tell(told, self.say, attack=attack)
            if not deployed.done():
                self.say("Waiting for the deployment (the first build takes about half a minute)")
            planned.result()
        return told

    def _after(self, deployed: Future[None], told: Story) -> None:
        deployed.result()
        accounts.forward_findings(self.cloud)
        self.say("airlift plan deploy: the plan is checked here, then by AppConfig's validator in the stack")
        deploy.deploy_plan(self.cloud, told.plan(WORK / "plan.yaml"))

    def airlift(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command line in the recovery account."""
        command = [deploy.AIRLIFT, "--stack", deploy.STACK, *arguments]
        environment = self.cloud.environment(RECOVERY)
        return subprocess.run(command, env=environment, text=True, check=False, **options)

    def request(self, told: Story) -> str:
        """Wait for the approvers' mail; the session they vote in."""
        until = time.monotonic() + PATIENCE
        while not (mails := told.requests()):
            if time.monotonic() > until:
                raise RuntimeError(f"No approver was asked; see {self.cloud.log} and `airlift status`.")
            time.sleep(0.3)
        return str(mails[0]["sessionArn"])

    def vote_by_themselves(self, told: Story) -> None:
        """Two of the three approvers say yes, a few seconds apart."""
        session = self.request(told)
        for approver, pause in zip(accounts.APPROVERS, (2.0, 2.0), strict=False):
            time.sleep(pause)
            told.vote(session, approver)

    def vote_by_hand(self, told: Story) -> None:
        """Ask the person at the keyboard for each approver's vote until it is decided, here or in the portal."""
        session = self.request(told)
        mail = told.requests()[0]
        self.console.print(
            f"\nMail to the approvers: {mail['requesterComment']}\nVault: {mail['resourceArn']}\n"
            f"The approvers can vote in their portal too: {self.cloud.portal}\n",
            markup=False,
            highlight=False,
        )
        mpa = self.cloud.client("mpa", ORGANIZATION, TEAM_REGION)
        for number, approver in enumerate(accounts.APPROVERS, 1):
            if mpa.get_session(SessionArn=session)["Status"] != "PENDING":
                return
            answer = ""
            while answer not in _ANSWERS:
                answer = (
                    self.console.input(f"You are {accounts.APPROVERS[approver]}. [b]a[/]pprove or [b]r[/]eject? ")
                    .strip()
                    .lower()[:1]
                )
            try:
                told.vote(session, approver, _ANSWERS[answer])
            except RuntimeError as refused:  # whoever votes in the portal meanwhile is first
                self.console.print(f"Not counted: {refused}", markup=False)
            self._seen(number)
            self.airlift("watch", "--once")

    def _seen(self, votes: int) -> None:
        """Wait until Airlift, which looks every few seconds, has seen so many votes."""
        until = time.monotonic() + 8
        while len(self._recovery()["votes"]) < votes and time.monotonic() < until:
            time.sleep(0.5)

    def _recovery(self, *recovery_id: str) -> dict[str, Any]:
        """A recovery, or the newest, as `airlift status` tells it."""
        found = self.airlift("--json", "watch", *recovery_id, "--once", capture_output=True)
        recovery: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
        return recovery

    def drill(self) -> str:
        """Start a drill as an operator does; its id."""
        what = ("--account", PRODUCTION, "--reason", "The quarterly exercise")
        started = self.airlift("--json", "start", "--drill", *what, capture_output=True)
        if started.returncode:
            raise RuntimeError(started.stdout + started.stderr)
        return str(json.loads(started.stdout)["recoveryId"])

    def conclude_drill(self, drill_id: str, before: set[str]) -> bool:
        """Wait for the clean-up, then ask the recovery account itself what is left; whether nothing is."""
        until = time.monotonic() + PATIENCE
        while not {"cleanedUpAt", "notCleanedUpAt"} & (recovery := self._recovery(drill_id)).keys():
            if time.monotonic() > until:
                raise RuntimeError(f"The clean-up of {drill_id} does not end; see `airlift status {drill_id}`.")
            time.sleep(1)
        self.console.print(drill.table(recovery["items"]))
        left = sorted(drill.inventory(self.cloud) - before)
        for name in left:
            self.console.print(f"left: {name}", style="red", markup=False)
        self.say("The recovery account's own describe calls show nothing that was not there before." * (not left))
        return recovery.get("outcome") == "Recovered" and not left

    def conclude(self, told: Story) -> bool:
        """Compare, print the table and the times; whether everything is back."""
        recovery = self._recovery()
        comparisons = comparing.compare(told, recovery["items"])
        self.console.print(comparing.table(comparisons))
        self.console.print(comparing.line(recovery), highlight=False)
        for one in comparisons:
            for difference in one.differences:
                self.console.print(f"{one.resource.name}: {difference}", style="red", markup=False)
        return recovery.get("outcome") == "Recovered" and all(one.equal for one in comparisons)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 only if everything came back as it was before the attack, or nothing of the drill is left."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--vote", choices=["me", "page"], help="ask for the approvers' votes here, or in the browser")
    parser.add_argument("--mode", choices=["recovery", "drill"], default="recovery", help="an incident, or a drill")
    options = parser.parse_args(arguments)
    is_drill = options.mode == "drill"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console()
    with Cloud(behind_days=story.BEHIND_DAYS) as cloud:
        demo = Demo(cloud, console)
        demo.say(f"The local cloud answers on 127.0.0.1:{cloud.port}")
        told = demo.prepare(attack=not is_drill)
        before, drill_id = (drill.inventory(cloud), demo.drill()) if is_drill else (set(), "")
        if is_drill:
            demo.say(f"airlift start --drill: {drill_id}. Now: airlift watch")
        else:
            told.send_finding()
            demo.say("GuardDuty's finding arrives from the account that gathers findings. Now: airlift watch")
        if options.vote == "me":
            demo.vote_by_hand(told)
        elif options.vote == "page":
            demo.say(f"Vote as two of the approvers: {cloud.portal}")
        else:
            _beside(lambda: demo.vote_by_themselves(told))
        demo.airlift("watch", "--wait", "--interval", "0.5")
        if is_drill:
            return 0 if demo.conclude_drill(drill_id, before) else 1
        whole = demo.conclude(told)
        demo.say("Everything is back as it was before the attack." if whole else "[red]Not everything is back.[/]")
    return 0 if whole else 1


def _beside(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def run() -> int:
    """`main`, with what may go wrong told in a line or two and everything ended."""
    try:
        return main()
    except KeyboardInterrupt:
        return 130
    except FileNotFoundError as error:
        print(f"{error.filename} is missing: `make demo` makes it.", file=sys.stderr)
    except (RuntimeError, ClientError) as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(run())
