"""Incidents that turn on the choice of the points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.simulation.story import iso
from local.simulation.world import OWNER
from tests.workflow.playing import HOUR, console, operator, scenario

if TYPE_CHECKING:
    from local.simulation.story import Story


@scenario
def confirmed(story: Story) -> None:
    """The plan wants the points confirmed. Meanwhile a scan marks one, and the operator pins another; then go on.

    When all has ended, the table is restored once more from before the second backup.
    """
    table, volume = story.prepare(("table", "volume"), days=3, points={"confirmBeforeRestoring": True})
    points = {item["createdAt"]: item["arn"] for item in _listed(story, table)}
    oldest, middle, _ = sorted(points)
    execution = console(story)
    story.sim.run(3 * HOUR)
    newest = max(_listed(story, volume), key=lambda point: point["createdAt"])
    story.sim.aws.backup.points.scan(newest["arn"], findings=["MALWARE"])
    pin = {"resourceArns": [table], "recoveryPointArn": points[middle]}
    operator(story, "pin", **pin, reason="The audit log is right up to then")
    story.sim.run(HOUR)
    operator(story, "continue")
    story.run_to_end(execution)
    story.run_to_end(operator(story, "restore-again", resourceArns=[table], before=oldest, reason="Still wrong"))


def _listed(story: Story, resource_arn: str) -> list[dict[str, str]]:
    client = story.sim.client("backup", OWNER)
    name = story.vault_arns[0].rpartition(":")[2]
    found = client.list_recovery_points_by_backup_vault(BackupVaultName=name, ByResourceArn=resource_arn)
    return [
        {"arn": point["RecoveryPointArn"], "createdAt": iso(point["CreationDate"].timestamp())}
        for point in found["RecoveryPoints"]
    ]
